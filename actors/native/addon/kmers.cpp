/** K-mers, sketches and frames as JavaScript sees them. */
#include "../kmers/frames.h"
#include "values.h"

namespace ligase {
namespace {

Sequences sequences_of(const Napi::Value& bases, const Napi::Value& ends) {
  Sequences sequences{copied_bytes(bases), copied_ints(ends)};
  bool is_whole = !sequences.ends.empty() && sequences.ends.front() == 0 &&
                  size_t(sequences.ends.back()) == sequences.bases.size();
  for (size_t i = 1; i < sequences.ends.size(); i++) {
    is_whole = is_whole && sequences.ends[i] >= sequences.ends[i - 1];
  }
  if (!is_whole) throw Napi::RangeError::New(bases.Env(), "bases and ends don't fit together");
  return sequences;
}

/** Runs `compute` on a pool thread and gives what `show` makes of its result. */
template <class Compute, class Show>
Napi::Value in_pool(const Napi::CallbackInfo& info, Compute compute, Show show) {
  using Result = decltype(compute(std::declval<const Sequences&>()));
  auto sequences = std::make_shared<Sequences>(sequences_of(info[0], info[1]));
  auto result = std::make_shared<Result>();
  auto work = [=] { *result = compute(*sequences); };
  auto finish = [=](Napi::Env env) -> Napi::Value { return show(env, *result); };
  return Job::start(info.Env(), Napi::Object::New(info.Env()), work, finish);
}

/** (bases, ends) => promise of int32 [n, 136] */
Napi::Value tetramers_of(const Napi::CallbackInfo& info) {
  return in_pool(info, count_tetramers, [](Napi::Env env, const std::vector<int32_t>& counts) {
    return typed<Napi::Int32Array>(env, counts);
  });
}

/** (bases, ends, k) => promise of uint64 [n] */
Napi::Value minimisers_of(const Napi::CallbackInfo& info) {
  const int k = info[2].ToNumber().Int32Value();
  auto compute = [k](const Sequences& sequences) { return minimisers(sequences, k); };
  return in_pool(info, compute, [](Napi::Env env, const std::vector<uint64_t>& least) {
    return typed<Napi::BigUint64Array>(env, least);
  });
}

/** (bases, ends, code, mode, least) => promise of the arrays of Frames */
Napi::Value frames_of(const Napi::CallbackInfo& info) {
  const std::string code = info[2].ToString();
  if (code.size() != 64) throw Napi::RangeError::New(info.Env(), "a code has 64 residues");
  const auto mode = static_cast<FrameMode>(info[3].ToNumber().Int32Value());
  const size_t least = info[4].ToNumber().Uint32Value();
  auto compute = [=](const Sequences& sequences) {
    return Translator(code).translate(sequences, mode, least);
  };
  return in_pool(info, compute, [](Napi::Env env, const Frames& frames) {
    auto object = Napi::Object::New(env);
    object["residues"] = typed<Napi::Uint8Array>(env, frames.residues);
    object["ends"] = typed<Napi::Int32Array>(env, frames.ends);
    object["sequences"] = typed<Napi::Int32Array>(env, frames.sequences);
    object["frames"] = typed<Napi::Int32Array>(env, frames.frames);
    object["begins"] = typed<Napi::Int32Array>(env, frames.begins);
    object["stops"] = typed<Napi::Int32Array>(env, frames.stops);
    return object;
  });
}

/** Keys and counts in rising order of the keys. */
Napi::Object table_object(Napi::Env env, const CountTable& table) {
  using Entry = CountTable::Entry;
  std::vector<Entry> entries = table.entries();
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.key < b.key; });
  auto keys = Napi::BigUint64Array::New(env, entries.size());
  auto counts = Napi::Float64Array::New(env, entries.size());
  for (size_t i = 0; i < entries.size(); i++) {
    keys[i] = entries[i].key;
    counts[i] = double(entries[i].count);
  }
  auto object = Napi::Object::New(env);
  object["keys"] = keys;
  object["counts"] = counts;
  return object;
}

/** What the two classes share: they are fed with sequences, and shown as a table. */
template <class Core>
class TableObject : public Napi::ObjectWrap<TableObject<Core>> {
 public:
  using Base = Napi::ObjectWrap<TableObject<Core>>;

  static Napi::Function define(Napi::Env env, const char* name) {
    return Base::DefineClass(env, name,
                             {Base::template InstanceMethod<&TableObject::add>("add"),
                              Base::template InstanceMethod<&TableObject::table>("table")});
  }

  explicit TableObject(const Napi::CallbackInfo& info) : Base(info), core_(core_of(info)) {}

 private:
  static Core core_of(const Napi::CallbackInfo& info);

  Napi::Value add(const Napi::CallbackInfo& info) {
    auto sequences = std::make_shared<Sequences>(sequences_of(info[0], info[1]));
    turn_.take(info.Env());
    auto work = [this, sequences] { core_.add(*sequences); };
    auto finish = [](Napi::Env env) { return env.Undefined(); };
    return Job::start(info.Env(), info.This().ToObject(), work, finish,
                      [this] { turn_.give_back(); });
  }

  Napi::Value table(const Napi::CallbackInfo& info);

  Core core_;
  Turn turn_;
};

/** (k, keysMax) */
template <>
KmerTable TableObject<KmerTable>::core_of(const Napi::CallbackInfo& info) {
  return KmerTable(info[0].ToNumber().Int32Value(), info[1].ToNumber().Uint32Value());
}

template <>
Napi::Value TableObject<KmerTable>::table(const Napi::CallbackInfo& info) {
  turn_.check(info.Env());
  auto object = table_object(info.Env(), core_.counts());
  object["halvings"] = Napi::Number::New(info.Env(), core_.halvings());
  object["windows"] = Napi::Number::New(info.Env(), core_.windows());
  return object;
}

/** (k, maxHash as bigint, level) */
template <>
Sketch TableObject<Sketch>::core_of(const Napi::CallbackInfo& info) {
  bool lossless = false;
  return Sketch(info[0].ToNumber().Int32Value(),
                info[1].As<Napi::BigInt>().Uint64Value(&lossless),
                static_cast<Level>(info[2].ToNumber().Int32Value()));
}

template <>
Napi::Value TableObject<Sketch>::table(const Napi::CallbackInfo& info) {
  turn_.check(info.Env());
  return table_object(info.Env(), core_.hashes());
}

}  // namespace

void export_kmers(Napi::Env env, Napi::Object exports) {
  exports["countTetramers"] = Napi::Function::New<tetramers_of>(env, "countTetramers");
  exports["minimisers"] = Napi::Function::New<minimisers_of>(env, "minimisers");
  exports["translate"] = Napi::Function::New<frames_of>(env, "translate");
  exports["KmerTable"] = TableObject<KmerTable>::define(env, "KmerTable");
  exports["Sketch"] = TableObject<Sketch>::define(env, "Sketch");
}

}  // namespace ligase
