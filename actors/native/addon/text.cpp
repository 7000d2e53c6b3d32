/** The scanner as a JavaScript class, and the level of the kernels. */
#include "../text/scanner.h"
#include "values.h"

namespace ligase {
namespace {

Napi::Object to_object(Napi::Env env, Batch& batch) {
  auto object = Napi::Object::New(env);
  object["records"] = Napi::Number::New(env, double(batch.records()));
  object["names"] = handed_over<uint8_t, Napi::Uint8Array>(env, batch.names);
  object["nameEnds"] = handed_over<int32_t, Napi::Int32Array>(env, batch.name_ends);
  object["bases"] = handed_over<uint8_t, Napi::Uint8Array>(env, batch.bases);
  object["qualities"] = handed_over<uint8_t, Napi::Uint8Array>(env, batch.qualities);
  object["ends"] = handed_over<int32_t, Napi::Int32Array>(env, batch.ends);
  object["begins"] = handed_over<double, Napi::Float64Array>(env, batch.begins);
  object["flags"] = handed_over<uint8_t, Napi::Uint8Array>(env, batch.flags);
  return object;
}

class ScannerObject : public Napi::ObjectWrap<ScannerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Scanner",
                       {InstanceMethod<&ScannerObject::feed>("feed"),
                        InstanceMethod<&ScannerObject::end>("end"),
                        InstanceMethod<&ScannerObject::next>("next"),
                        InstanceMethod<&ScannerObject::next_now>("nextNow")});
  }

  explicit ScannerObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ScannerObject>(info), scanner_(options_of(info)) {}

 private:
  static ScanOptions options_of(const Napi::CallbackInfo& info) {
    const auto options = info[0].ToObject();
    return ScanOptions{static_cast<Format>(int_of(options, "format")),
                       flag_of(options, "protein"), flag_of(options, "fileEnd"),
                       static_cast<Level>(int_of(options, "level")),
                       static_cast<size_t>(number_of(options, "recordBytesMax"))};
  }

  void feed(const Napi::CallbackInfo& info) {
    turn_.check(info.Env());
    if (!info[0].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "bytes are needed");
    const auto bytes = info[0].As<Napi::Uint8Array>();
    if (bytes.Data() != nullptr) scanner_.feed(bytes.Data(), bytes.ByteLength());
  }

  void end(const Napi::CallbackInfo& info) {
    turn_.check(info.Env());
    scanner_.end();
  }

  Napi::Value next(const Napi::CallbackInfo& info) {
    turn_.take(info.Env());
    const size_t records = info[0].ToNumber().Uint32Value();
    const size_t bases = info[1].ToNumber().Uint32Value();
    auto work = [this, records, bases] { state_ = scanner_.next(records, bases); };
    auto finish = [this](Napi::Env env) { return outcome(env); };
    return Job::start(info.Env(), info.This().ToObject(), work, finish,
                      [this] { turn_.give_back(); });
  }

  /** The same on this thread, for small inputs and for measuring. */
  Napi::Value next_now(const Napi::CallbackInfo& info) {
    turn_.check(info.Env());
    state_ = scanner_.next(info[0].ToNumber().Uint32Value(), info[1].ToNumber().Uint32Value());
    return outcome(info.Env());
  }

  /** The state, with the batch where one is due and the fault where it is next. */
  Napi::Value outcome(Napi::Env env) {
    auto object = Napi::Object::New(env);
    object["state"] = Napi::Number::New(env, int(state_));
    if (state_ == Scanner::State::needs_input) return object;
    Batch batch = scanner_.take();
    object["batch"] = to_object(env, batch);
    object["records"] = Napi::Number::New(env, scanner_.records());
    object["bytes"] = Napi::Number::New(env, scanner_.bytes());
    if (state_ == Scanner::State::fault) {
      object["fault"] = Napi::Number::New(env, int(scanner_.fault().fault));
      object["offset"] = Napi::Number::New(env, scanner_.fault_offset());
      object["byte"] = Napi::Number::New(env, scanner_.fault().byte);
    }
    return object;
  }

  Scanner scanner_;
  Scanner::State state_ = Scanner::State::needs_input;
  Turn turn_;
};

Napi::Value level(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), int(best_level()));
}

}  // namespace

void export_text(Napi::Env env, Napi::Object exports) {
  exports["Scanner"] = ScannerObject::define(env);
  exports["bestLevel"] = Napi::Function::New<level>(env, "bestLevel");
}

}  // namespace ligase
