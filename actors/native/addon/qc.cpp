/** Quality control as JavaScript sees it. */
#include "../qc/counter.h"
#include "values.h"

namespace ligase {
namespace {

Window window_of(const Napi::Object& options, const char* name) {
  const auto window = options.Get(name).ToObject();
  return Window{int_of(window, "window"), int_of(window, "mean")};
}

void read_mates(const Napi::Object& options, const char* name, int (&into)[2]) {
  const auto values = options.Get(name).ToObject();
  for (uint32_t mate = 0; mate < 2; mate++) into[mate] = values.Get(mate).ToNumber().Int32Value();
}

QcOptions options_of(const Napi::Object& from) {
  QcOptions options;
  options.quality_filter = flag_of(from, "qualityFilter");
  options.qualified_phred = int_of(from, "qualifiedPhred");
  options.unqualified_percent = int_of(from, "unqualifiedPercent");
  options.average_quality = int_of(from, "averageQuality");
  options.unknown_limit = int_of(from, "unknownLimit");
  options.length_filter = flag_of(from, "lengthFilter");
  options.length_required = int_of(from, "lengthRequired");
  options.length_limit = int_of(from, "lengthLimit");
  options.complexity = int_of(from, "complexity");
  options.front = window_of(from, "cutFront");
  options.tail = window_of(from, "cutTail");
  options.right = window_of(from, "cutRight");
  read_mates(from, "trimFront", options.trim_front);
  read_mates(from, "trimTail", options.trim_tail);
  read_mates(from, "maxLength", options.max_length);
  options.poly_g = int_of(from, "polyG");
  options.poly_x = int_of(from, "polyX");
  options.adapters = flag_of(from, "adapters");
  const auto adapter = from.Get("adapter").ToObject();
  for (uint32_t mate = 0; mate < 2; mate++) options.adapter[mate] = adapter.Get(mate).ToString();
  const auto table = from.Get("adapterTable").As<Napi::Array>();
  for (uint32_t i = 0; i < table.Length(); i++) {
    options.adapter_table.push_back(table.Get(i).ToString());
  }
  options.correction = flag_of(from, "correction");
  options.overlap_required = int_of(from, "overlapRequired");
  options.overlap_difference_limit = int_of(from, "overlapDifferenceLimit");
  options.overlap_difference_percent = int_of(from, "overlapDifferencePercent");
  options.phred64 = flag_of(from, "phred64");
  options.cycles_max = size_t(number_of(from, "cyclesMax"));
  return options;
}

QcBatch batch_of(const Napi::Value& value) {
  const auto object = value.ToObject();
  return QcBatch{copied_bytes(object.Get("bases")), copied_bytes(object.Get("qualities")),
                 copied_ints(object.Get("ends"))};
}

/** Whether the arrays fit together; what TypeScript has checked may have changed since. */
bool is_whole(const QcBatch& batch) {
  if (batch.ends.empty() || batch.ends.front() != 0) return false;
  for (size_t i = 1; i < batch.ends.size(); i++) {
    if (batch.ends[i] < batch.ends[i - 1]) return false;
  }
  const auto length = size_t(batch.ends.back());
  return batch.bases.size() == length && batch.qualities.size() == length;
}

Napi::Object stats_object(Napi::Env env, const ReadStats& stats) {
  auto object = Napi::Object::New(env);
  object["reads"] = Napi::Number::New(env, double(stats.reads()));
  object["bases"] = Napi::Number::New(env, double(stats.bases()));
  object["cycles"] = typed<Napi::Float64Array>(env, stats.cycles());
  object["fiveMers"] = typed<Napi::Float64Array>(env, stats.five_mers());
  object["lengths"] = typed<Napi::Float64Array>(env, stats.lengths());
  return object;
}

Napi::Object outcome_object(Napi::Env env, const QcOutcome& outcome, const QcBatch& batch) {
  auto object = Napi::Object::New(env);
  object["verdicts"] = typed<Napi::Uint8Array>(env, outcome.verdicts);
  object["begins"] = typed<Napi::Int32Array>(env, outcome.begins);
  object["lengths"] = typed<Napi::Int32Array>(env, outcome.lengths);
  object["bases"] = typed<Napi::Uint8Array>(env, batch.bases);
  object["qualities"] = typed<Napi::Uint8Array>(env, batch.qualities);
  return object;
}

struct QcWork {
  std::vector<QcBatch> batches;
  std::vector<QcOutcome> outcomes;
};

class QcObject : public Napi::ObjectWrap<QcObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "QcCounter",
                       {InstanceMethod<&QcObject::add>("add"),
                        InstanceMethod<&QcObject::counts>("counts")});
  }

  /** (options, level) */
  explicit QcObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<QcObject>(info),
        counter_(options_of(info[0].ToObject()),
                 static_cast<Level>(info[1].ToNumber().Int32Value())) {}

 private:
  /** (batches: one, or those of both mates) => promise of their outcomes */
  Napi::Value add(const Napi::CallbackInfo& info) {
    const auto given = info[0].As<Napi::Array>();
    auto work = std::make_shared<QcWork>();
    for (uint32_t i = 0; i < given.Length() && i < 2; i++) {
      work->batches.push_back(batch_of(given.Get(i)));
      if (!is_whole(work->batches.back())) {
        throw Napi::RangeError::New(info.Env(), "the arrays of a batch don't fit together");
      }
    }
    const bool is_pair = work->batches.size() == 2;
    if (is_pair && work->batches[0].ends.size() != work->batches[1].ends.size()) {
      throw Napi::RangeError::New(info.Env(), "mates have different numbers of reads");
    }
    turn_.take(info.Env());
    auto run = [this, work, is_pair] {
      if (!is_pair) {
        work->outcomes.push_back(counter_.add(work->batches[0]));
        return;
      }
      for (QcOutcome& one : counter_.add_pairs(work->batches[0], work->batches[1])) {
        work->outcomes.push_back(std::move(one));
      }
    };
    auto finish = [work](Napi::Env env) -> Napi::Value {
      auto list = Napi::Array::New(env);
      for (uint32_t i = 0; i < work->outcomes.size(); i++) {
        list[i] = outcome_object(env, work->outcomes[i], work->batches[i]);
      }
      return list;
    };
    return Job::start(info.Env(), info.This().ToObject(), run, finish,
                      [this] { turn_.give_back(); });
  }

  Napi::Value counts(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    turn_.check(env);
    auto object = Napi::Object::New(env);
    auto before = Napi::Array::New(env);
    auto after = Napi::Array::New(env);
    for (uint32_t mate = 0; mate < 2; mate++) {
      before[mate] = stats_object(env, counter_.before(int(mate)));
      after[mate] = stats_object(env, counter_.after(int(mate)));
    }
    object["before"] = before;
    object["after"] = after;
    object["filtered"] = typed<Napi::Float64Array>(env, counter_.filtered());
    object["inserts"] = typed<Napi::Float64Array>(env, counter_.inserts());
    const TrimCounts& trimmed = counter_.trimmed();
    const PairCounts& pairs = counter_.pairs();
    const std::vector<uint64_t> sums = {
        trimmed.adapter_reads,   trimmed.adapter_bases,   pairs.corrected_reads,
        pairs.corrected_bases,   trimmed.poly_x_reads[0], trimmed.poly_x_reads[1],
        trimmed.poly_x_reads[2], trimmed.poly_x_reads[3], trimmed.poly_x_bases[0],
        trimmed.poly_x_bases[1], trimmed.poly_x_bases[2], trimmed.poly_x_bases[3]};
    object["sums"] = typed<Napi::Float64Array>(env, sums);
    return object;
  }

  QcCounter counter_;
  Turn turn_;
};

}  // namespace

void export_qc(Napi::Env env, Napi::Object exports) {
  exports["QcCounter"] = QcObject::define(env);
}

}  // namespace ligase
