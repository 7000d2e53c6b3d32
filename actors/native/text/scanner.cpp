/** See scanner.h. */
#include "scanner.h"

#include "lines.h"

namespace ligase {
namespace {

void begin_batch(Batch& batch, double at) {
  batch.name_ends.push(0);
  batch.ends.push(0);
  batch.begins.push(at);
}

}  // namespace

Scanner::Scanner(const ScanOptions& options)
    : grammar_{options.format, options.protein ? residues() : nucleotides(),
               kernels_of(options.level), options.record_bytes_max},
      file_end_(options.file_end) {
  begin_batch(batch_, 0);
}

void Scanner::feed(const uint8_t* bytes, size_t n) {
  if (begin_ > 0) {
    window_.drop_front(begin_);
    begin_ = 0;
  }
  window_.append(bytes, n);
}

Scanner::State Scanner::next(size_t records_max, size_t bases_max) {
  if (fault_.kind == Parsed::Kind::fault) return State::fault;
  while (batch_.records() < records_max && batch_.bases.size() < bases_max) {
    if (begin_ == window_.size() || only_blank()) {
      return at_end_ ? State::ended : State::needs_input;
    }
    if (!step()) {
      return fault_.kind == Parsed::Kind::fault ? State::fault : State::needs_input;
    }
  }
  return State::full;
}

/** Parses one record; false when none came out. */
bool Scanner::step() {
  const Text text{window_.data(), window_.size(), at_end_ && file_end_};
  Parsed parsed = parse_record(grammar_, text, begin_, batch_);
  if (parsed.kind == Parsed::Kind::incomplete && at_end_) {
    parsed = ligase::fault(Fault::cut_off, begin_);
  }
  if (parsed.kind == Parsed::Kind::fault) fault_ = parsed;
  if (parsed.kind != Parsed::Kind::record) return false;
  bytes_ += double(parsed.at - begin_);
  begin_ = parsed.at;
  records_ += 1;
  batch_.begins.push(bytes_);
  return true;
}

/** Whether the rest of the window is line ends that a file may end with. */
bool Scanner::only_blank() const {
  const uint8_t first = window_[begin_];
  if (!file_end_ || (first != LF && first != CR)) return false;
  const size_t rest = window_.size() - begin_;
  return rest <= grammar_.record_bytes_max && is_blank(window_.data() + begin_, rest);
}

Batch Scanner::take() {
  Batch taken = std::move(batch_);
  batch_ = Batch();
  begin_batch(batch_, bytes_);
  return taken;
}

}  // namespace ligase
