# The addon's build, run by deploy/setup/steps/native.mjs in a copy of this folder. Variables:
# napi_include, the folder of napi.h; sanitize, yes for a build under the address sanitizer.
{
  "variables": { "sanitize%": "no" },
  "targets": [
    {
      "target_name": "ligase_regions",
      "sources": ["<!@(ls addon/*.cpp)"],
      "include_dirs": ["<(napi_include)"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O2", "-fexceptions", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "conditions": [
        ["sanitize=='yes'", {
          "cflags_cc": ["-g", "-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fno-omit-frame-pointer"],
          "ldflags": ["-fsanitize=address,undefined"],
        }],
      ],
    },
  ],
}
