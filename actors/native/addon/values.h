/**
 * Between JavaScript's values and the core's: arrays in as owned copies, arrays out as their own
 * memory, work off the event loop. TypeScript has validated what comes in; what could crash the
 * process is checked here once more and becomes a JavaScript error.
 */
#pragma once
#include <napi.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "../text/batch.h"

namespace ligase {

/** Values of a typed array, copied; empty for a detached one. @throws TypeError otherwise. */
template <class T, class Typed>
std::vector<T> copied(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), "a typed array is needed");
  const auto array = value.As<Typed>();
  if (array.ElementSize() != sizeof(T)) {
    throw Napi::TypeError::New(value.Env(), "an array of another type is needed");
  }
  const T* data = array.Data();
  const size_t size = data == nullptr ? 0 : array.ElementLength();
  return size == 0 ? std::vector<T>() : std::vector<T>(data, data + size);
}

inline std::vector<uint8_t> copied_bytes(const Napi::Value& value) {
  return copied<uint8_t, Napi::Uint8Array>(value);
}
inline std::vector<int32_t> copied_ints(const Napi::Value& value) {
  return copied<int32_t, Napi::Int32Array>(value);
}
inline std::vector<double> copied_doubles(const Napi::Value& value) {
  return copied<double, Napi::Float64Array>(value);
}

/** A typed array over the array's own memory, which comes back when JavaScript collects it. */
template <class T, class Typed>
Typed handed_over(Napi::Env env, Array<T>& array) {
  const size_t size = array.size();
  if (size == 0) return Typed::New(env, 0);
  const Memory block = array.release();
  const auto give = [block](Napi::Env, void*) { KeptBlocks::shared().give(block); };
  const auto buffer = Napi::ArrayBuffer::New(env, block.data, size * sizeof(T), give);
  return Typed::New(env, size, buffer, 0);
}

/** A typed array with these values. */
template <class Typed, class Values>
Typed typed(Napi::Env env, const Values& values) {
  auto array = Typed::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

inline double number_of(const Napi::Object& object, const char* name) {
  return object.Get(name).ToNumber().DoubleValue();
}
inline int int_of(const Napi::Object& object, const char* name) {
  return object.Get(name).ToNumber().Int32Value();
}
inline bool flag_of(const Napi::Object& object, const char* name) {
  return object.Get(name).ToBoolean().Value();
}

/** Work on a thread of the pool, and a promise of what `finish` then makes of it. */
class Job : public Napi::AsyncWorker {
 public:
  using Work = std::function<void()>;
  using Finish = std::function<Napi::Value(Napi::Env)>;

  /** Starts it. @param keep - lives until the end. @param done - runs first at the end. */
  static Napi::Value start(Napi::Env env, Napi::Object keep, Work work, Finish finish,
                           std::function<void()> done = [] {}) {
    auto* job = new Job(env, keep, std::move(work), std::move(finish), std::move(done));
    const Napi::Value promise = job->deferred_.Promise();
    job->Queue();
    return promise;
  }

 protected:
  void Execute() override { work_(); }
  void OnOK() override {
    done_();
    const Napi::Env env = Env();
    try {
      deferred_.Resolve(finish_(env));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(Napi::Error::New(env, error.what()).Value());
    }
  }
  void OnError(const Napi::Error& error) override {
    done_();
    deferred_.Reject(error.Value());
  }

 private:
  Job(Napi::Env env, Napi::Object keep, Work work, Finish finish, std::function<void()> done)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        keep_(Napi::Persistent(keep)),
        work_(std::move(work)),
        finish_(std::move(finish)),
        done_(std::move(done)) {}

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference keep_;
  Work work_;
  Finish finish_;
  std::function<void()> done_;
};

/** Whether a call is under way on an object; a second one is refused. */
class Turn {
 public:
  /** @throws Error while another call is under way. */
  void check(Napi::Env env) const {
    if (taken_) throw Napi::Error::New(env, "a call on this object is still under way");
  }
  void take(Napi::Env env) {
    check(env);
    taken_ = true;
  }
  void give_back() { taken_ = false; }

 private:
  bool taken_ = false;
};

/** Exports of the addon's parts. */
void export_text(Napi::Env env, Napi::Object exports);
void export_gzip(Napi::Env env, Napi::Object exports);
void export_qc(Napi::Env env, Napi::Object exports);
void export_kmers(Napi::Env env, Napi::Object exports);

}  // namespace ligase
