/** The inflaters as JavaScript sees them; without ISA-L they are absent. */
#include "values.h"

#ifdef LIGASE_ISAL
#include "../gzip/inflater.h"
#endif

namespace ligase {

#ifdef LIGASE_ISAL
namespace {

RestartPoint point_of(const Napi::Object& object) {
  return RestartPoint{number_of(object, "bit"),
                      number_of(object, "out"),
                      object.Get("memberOut").ToNumber().Uint32Value(),
                      object.Get("crc").ToNumber().Uint32Value(),
                      flag_of(object, "atMember"),
                      copied_bytes(object.Get("window"))};
}

Napi::Object to_object(Napi::Env env, const RestartPoint& point) {
  auto object = Napi::Object::New(env);
  object["bit"] = Napi::Number::New(env, point.bit);
  object["out"] = Napi::Number::New(env, point.out);
  object["memberOut"] = Napi::Number::New(env, point.member_out);
  object["crc"] = Napi::Number::New(env, point.crc);
  object["atMember"] = Napi::Boolean::New(env, point.at_member);
  auto window = Napi::Uint8Array::New(env, point.window.size());
  if (!point.window.empty()) {
    std::memcpy(window.Data(), point.window.data(), point.window.size());
  }
  object["window"] = window;
  return object;
}

class InflaterObject : public Napi::ObjectWrap<InflaterObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "GzipInflater",
                       {InstanceMethod<&InflaterObject::feed>("feed"),
                        InstanceMethod<&InflaterObject::end>("end"),
                        InstanceMethod<&InflaterObject::next>("next")});
  }

  /** (spacing, point or undefined) */
  explicit InflaterObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<InflaterObject>(info) {
    const double spacing = info[0].ToNumber().DoubleValue();
    inflater_ = info[1].IsObject()
                    ? std::make_unique<GzipInflater>(spacing, point_of(info[1].ToObject()))
                    : std::make_unique<GzipInflater>(spacing);
  }

 private:
  void feed(const Napi::CallbackInfo& info) {
    turn_.check(info.Env());
    if (!info[0].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "bytes are needed");
    const auto bytes = info[0].As<Napi::Uint8Array>();
    if (bytes.Data() != nullptr) inflater_->feed(bytes.Data(), bytes.ByteLength());
  }

  void end(const Napi::CallbackInfo& info) {
    turn_.check(info.Env());
    inflater_->end();
  }

  Napi::Value next(const Napi::CallbackInfo& info) {
    turn_.take(info.Env());
    const size_t most = info[0].ToNumber().Uint32Value();
    auto work = [this, most] { state_ = inflater_->next(most, out_); };
    auto finish = [this](Napi::Env env) { return outcome(env); };
    return Job::start(info.Env(), info.This().ToObject(), work, finish,
                      [this] { turn_.give_back(); });
  }

  Napi::Value outcome(Napi::Env env) {
    auto object = Napi::Object::New(env);
    object["state"] = Napi::Number::New(env, int(state_));
    object["bytes"] = handed_over<uint8_t, Napi::Uint8Array>(env, out_);
    object["fault"] = Napi::Number::New(env, int(inflater_->fault()));
    object["consumed"] = Napi::Number::New(env, inflater_->consumed());
    object["padding"] = Napi::Number::New(env, inflater_->padding());
    auto points = Napi::Array::New(env);
    for (const RestartPoint& point : inflater_->take_points()) {
      points[points.Length()] = to_object(env, point);
    }
    object["points"] = points;
    return object;
  }

  std::unique_ptr<GzipInflater> inflater_;
  Array<uint8_t> out_;
  GzipInflater::State state_ = GzipInflater::State::needs_input;
  Turn turn_;
};

struct BlocksWork {
  std::vector<uint8_t> bytes;
  Array<uint8_t> out;
  BlocksInflated result{GzipFault::none, 0};
};

/** (bytes) => promise of { bytes, consumed, fault } */
Napi::Value inflate_blocks_of(const Napi::CallbackInfo& info) {
  auto work = std::make_shared<BlocksWork>();
  work->bytes = copied_bytes(info[0]);
  auto run = [work] {
    work->result = inflate_blocks(work->bytes.data(), work->bytes.size(), work->out);
  };
  auto finish = [work](Napi::Env env) -> Napi::Value {
    auto object = Napi::Object::New(env);
    object["bytes"] = handed_over<uint8_t, Napi::Uint8Array>(env, work->out);
    object["consumed"] = Napi::Number::New(env, double(work->result.consumed));
    object["fault"] = Napi::Number::New(env, int(work->result.fault));
    return object;
  };
  return Job::start(info.Env(), Napi::Object::New(info.Env()), run, finish);
}

}  // namespace

void export_gzip(Napi::Env env, Napi::Object exports) {
  exports["GzipInflater"] = InflaterObject::define(env);
  exports["inflateBlocks"] = Napi::Function::New<inflate_blocks_of>(env, "inflateBlocks");
}
#else
void export_gzip(Napi::Env, Napi::Object) {}
#endif

}  // namespace ligase
