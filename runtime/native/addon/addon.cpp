/**
 * Regions as JavaScript sees them. TypeScript has validated what comes in; what could crash the
 * process is checked here once more and becomes a JavaScript error. A view's memory goes with its
 * ArrayBuffer's, wherever that was transferred to, and never before.
 */
#include <napi.h>
#include <node_version.h>
#include <sys/mman.h>

#include <cmath>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "region.h"

namespace ligase {
namespace {

/** Addresses of the views that live: only those are released. Shared by all threads. */
std::mutex views_mutex;
std::unordered_set<const void*> views;

constexpr double BYTES_MAX = 9007199254740991.0;
/** A buffer that can't be had ends the process, so that a copy is bounded. */
constexpr size_t READ_BYTES_MAX = size_t{16} << 20;

[[noreturn]] void refuse(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code));
  throw error;
}

/** What a body gives; its failures as JavaScript errors with a code. */
template <class Body>
auto guarded(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const Failure& failure) {
    refuse(env, failure);
  }
}

/** @throws TypeError, RangeError unless it is an integer in [least, BYTES_MAX]. */
size_t size_of(const Napi::Value& value, double least) {
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), "a number is needed");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= least && number <= BYTES_MAX) || number != std::floor(number)) {
    throw Napi::RangeError::New(value.Env(), "a number of bytes is out of its range");
  }
  return static_cast<size_t>(number);
}

std::string path_of(const Napi::Value& value) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), "a path is needed");
  std::string path = value.As<Napi::String>().Utf8Value();
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(value.Env(), "a path is needed");
  }
  return path;
}

/** An ArrayBuffer over a mapping that it owns from now on. */
Napi::ArrayBuffer view_of(Napi::Env env, std::shared_ptr<Mapping> mapping) {
  auto* owner = new std::shared_ptr<Mapping>(mapping);
  const void* data = mapping->data();
  {
    const std::scoped_lock lock(views_mutex);
    views.insert(data);
  }
  auto finish = [](Napi::Env, void* memory, std::shared_ptr<Mapping>* owner) {
    {
      const std::scoped_lock lock(views_mutex);
      views.erase(memory);
    }
    delete owner;
  };
  return Napi::ArrayBuffer::New(env, mapping->data(), mapping->bytes(), finish, owner);
}

class RegionObject : public Napi::ObjectWrap<RegionObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Region",
                       {InstanceAccessor<&RegionObject::bytes>("bytes"),
                        InstanceMethod<&RegionObject::write>("write"),
                        InstanceMethod<&RegionObject::read>("read"),
                        InstanceMethod<&RegionObject::view>("view"),
                        InstanceMethod<&RegionObject::writable>("writable"),
                        InstanceMethod<&RegionObject::keep>("keep"),
                        InstanceMethod<&RegionObject::seal>("seal"),
                        InstanceMethod<&RegionObject::reopen>("reopen"),
                        InstanceMethod<&RegionObject::try_lock>("tryLock"),
                        InstanceMethod<&RegionObject::unlock>("unlock"),
                        InstanceMethod<&RegionObject::close>("close")});
  }

  /** (path, bytes) makes a file; (path) opens one. */
  explicit RegionObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<RegionObject>(info),
        region_(guarded(info.Env(), [&] {
          const std::string path = path_of(info[0]);
          if (info[1].IsUndefined()) return Region::open(path);
          return Region::create(path, size_of(info[1], 1));
        })),
        sealed_(!region_.is_writable()) {}

 private:
  /** @throws Error for a closed one, and for a sealed one where it is to be written. */
  Region& open_region(Napi::Env env, bool to_write = false) {
    if (!region_.is_open()) throw Napi::Error::New(env, "the region is closed");
    if (to_write && sealed_) throw Napi::Error::New(env, "the region is sealed");
    return region_;
  }

  /** @throws RangeError unless [offset, offset + length) lies in the region. */
  void check_range(Napi::Env env, size_t offset, size_t length) const {
    if (offset <= region_.bytes() && length <= region_.bytes() - offset) return;
    throw Napi::RangeError::New(env, "the range lies outside of the region");
  }

  Napi::Value bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(region_.bytes()));
  }

  /** (offset, Uint8Array) */
  void write(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env(), true);
    if (!info[1].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "bytes are needed");
    const auto typed = info[1].As<Napi::TypedArray>();
    if (typed.TypedArrayType() != napi_uint8_array) {
      throw Napi::TypeError::New(info.Env(), "bytes are needed");
    }
    const auto from = info[1].As<Napi::Uint8Array>();
    const size_t length = from.ByteLength();
    const size_t offset = size_of(info[0], 0);
    check_range(info.Env(), offset, length);
    // A detached array has no address.
    const uint8_t* data = from.Data();
    if (length == 0 || data == nullptr) return;
    guarded(info.Env(), [&] { region.write(offset, data, length); });
  }

  /** (offset, length) => Uint8Array, a copy */
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Region& region = open_region(info.Env());
    const size_t offset = size_of(info[0], 0);
    const size_t length = size_of(info[1], 0);
    check_range(info.Env(), offset, length);
    if (length > READ_BYTES_MAX) throw Napi::RangeError::New(info.Env(), "a read of that size");
    auto to = Napi::Uint8Array::New(info.Env(), length);
    guarded(info.Env(), [&] { region.read(offset, to.Data(), length); });
    return to;
  }

  /** (whole at once) => ArrayBuffer; what is written into it stays in it */
  Napi::Value view(const Napi::CallbackInfo& info) {
    const Region& region = open_region(info.Env());
    if (region.bytes() == 0) throw Napi::RangeError::New(info.Env(), "an empty file");
    const bool whole = info[0].ToBoolean().Value();
    auto mapping = guarded(info.Env(), [&] {
      if (!region.is_whole()) throw Napi::Error::New(info.Env(), "the file has holes");
      return std::make_shared<Mapping>(region.file(), region.bytes(), MAP_PRIVATE);
    });
    if (whole) mapping->populate(false);
    return view_of(info.Env(), std::move(mapping));
  }

  /** () => ArrayBuffer over the file itself, until it is sealed */
  Napi::Value writable(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env(), true);
    if (exposed_.lock() != nullptr) throw Napi::Error::New(info.Env(), "it is mapped already");
    auto mapping = guarded(info.Env(), [&] {
      region.reserve();
      return std::make_shared<Mapping>(region.file(), region.bytes(), MAP_SHARED);
    });
    exposed_ = mapping;
    return view_of(info.Env(), std::move(mapping));
  }

  void keep(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env(), true);
    guarded(info.Env(), [&] { region.keep(); });
  }

  /** Wherever a writable view still is, it writes for itself alone from now on. */
  void seal(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env(), true);
    guarded(info.Env(), [&] {
      if (!region.is_whole()) region.reserve();
      if (const auto mapping = exposed_.lock()) mapping->make_private(region.file());
      region.set_writable(false);
    });
    sealed_ = true;
  }

  /** To be written again, by who made it; the caller has the lock alone. */
  void reopen(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env());
    if (!region.is_writable()) throw Napi::Error::New(info.Env(), "it was opened to be read");
    guarded(info.Env(), [&] { region.set_writable(true); });
    sealed_ = false;
  }

  /** (alone) => whether it could be had at once */
  Napi::Value try_lock(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env());
    const bool alone = info[0].ToBoolean().Value();
    const bool had = guarded(info.Env(), [&] { return region.try_lock(alone); });
    return Napi::Boolean::New(info.Env(), had);
  }

  void unlock(const Napi::CallbackInfo& info) {
    Region& region = open_region(info.Env());
    guarded(info.Env(), [&] { region.unlock(); });
  }

  void close(const Napi::CallbackInfo&) { region_.close(); }

  Region region_;
  bool sealed_;
  std::weak_ptr<Mapping> exposed_;
};

/** (ArrayBuffer) => whether it was a living view; it is detached, its memory unmapped soon */
Napi::Value release(const Napi::CallbackInfo& info) {
  if (!info[0].IsArrayBuffer()) throw Napi::TypeError::New(info.Env(), "an ArrayBuffer is needed");
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  if (buffer.IsDetached()) return Napi::Boolean::New(info.Env(), false);
  {
    const std::scoped_lock lock(views_mutex);
    if (!views.contains(buffer.Data())) {
      throw Napi::TypeError::New(info.Env(), "the ArrayBuffer is no view of a region");
    }
  }
  buffer.Detach();
  return Napi::Boolean::New(info.Env(), true);
}

/** () => views whose memory is mapped still, of all threads */
Napi::Value mapped(const Napi::CallbackInfo& info) {
  const std::scoped_lock lock(views_mutex);
  return Napi::Number::New(info.Env(), static_cast<double>(views.size()));
}

Napi::Object begin(Napi::Env env, Napi::Object exports) {
  exports["Region"] = RegionObject::define(env);
  exports["release"] = Napi::Function::New<release>(env, "release");
  exports["mapped"] = Napi::Function::New<mapped>(env, "mapped");
  exports["modules"] = Napi::String::New(env, std::to_string(NODE_MODULE_VERSION));
  return exports;
}

}  // namespace
}  // namespace ligase

using ligase::begin;
NODE_API_MODULE(ligase_regions, begin)
