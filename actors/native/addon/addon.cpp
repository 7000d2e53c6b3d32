/** The addon: what it exports, and for which Node it was built. */
#include <node_version.h>

#include "values.h"

namespace {

Napi::Object begin(Napi::Env env, Napi::Object exports) {
  ligase::export_text(env, exports);
  ligase::export_gzip(env, exports);
  ligase::export_qc(env, exports);
  ligase::export_kmers(env, exports);
  exports["modules"] = Napi::String::New(env, std::to_string(NODE_MODULE_VERSION));
  return exports;
}

}  // namespace

NODE_API_MODULE(ligase_native, begin)
