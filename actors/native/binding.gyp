# The addon's build, run by deploy/setup/steps/native.mjs in a copy of this folder. Variables:
# napi_include, the folder of napi.h; isal, yes where ISA-L's header and library are there.
{
  "targets": [
    {
      "target_name": "ligase_native",
      "sources": [
        "<!@(ls text/*.cpp qc/*.cpp kmers/*.cpp addon/*.cpp)",
      ],
      "include_dirs": ["<(napi_include)"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O3", "-fexceptions", "-Wall", "-Wextra", "-Wno-maybe-uninitialized", "-fvisibility=hidden"],
      "conditions": [
        ["isal=='yes'", {
          "sources": ["<!@(ls gzip/*.cpp)"],
          "defines": ["LIGASE_ISAL"],
          "libraries": ["-lisal"],
        }],
      ],
    },
  ],
}
