/**
 * See inflater.h. Restart points: ISA-L doesn't stop between blocks, but fed with a few bytes at a
 * time it runs out of input inside most block headers, and then says where the header began.
 */
#include "inflater.h"

#include <isa-l.h>

#include <algorithm>

namespace ligase {
namespace {

constexpr size_t WINDOW = 32 * 1024;
/** Bytes fed at a time while a block header is looked for: under half of a common one. */
constexpr size_t LOOK = 16;
/** Bytes that a member shows itself by: its magic, its method, its flags. */
constexpr size_t MAGIC = 4;

/** Whether the n bytes at hand are how a member begins. */
bool may_be_member(const uint8_t* bytes, size_t n) {
  constexpr uint8_t magic[3] = {0x1f, 0x8b, 8};
  for (size_t i = 0; i < n && i < 3; i++) {
    if (bytes[i] != magic[i]) return false;
  }
  return n < MAGIC || (bytes[3] & 0xe0) == 0;
}

GzipFault fault_of(int result) {
  switch (result) {
    case ISAL_INVALID_WRAPPER:
    case ISAL_UNSUPPORTED_METHOD:
      return GzipFault::header;
    case ISAL_INCORRECT_CHECKSUM:
      return GzipFault::checksum;
    default:
      return GzipFault::data;
  }
}

}  // namespace

GzipInflater::GzipInflater(double spacing)
    : state_(std::make_unique<inflate_state>()), spacing_(spacing) {}

GzipInflater::GzipInflater(double spacing, const RestartPoint& from) : GzipInflater(spacing) {
  fed_ = double(uint64_t(from.bit) / 8);
  out_ = last_point_ = from.out;
  any_member_ = true;
  if (from.at_member) return;
  isal_inflate_init(state_.get());
  state_->crc_flag = ISAL_GZIP_NO_HDR_VER;
  state_->crc = from.crc;
  state_->total_out = from.member_out;
  const size_t size = std::min(WINDOW, from.window.size());
  std::vector<uint8_t> window(from.window.end() - ptrdiff_t(size), from.window.end());
  isal_inflate_set_dict(state_.get(), window.data(), uint32_t(size));
  history_ = std::move(window);
  skip_bits_ = int(uint64_t(from.bit) % 8);
  in_member_ = true;
}

GzipInflater::~GzipInflater() = default;

void GzipInflater::feed(const uint8_t* bytes, size_t n) {
  input_.drop_front(begin_);
  begin_ = 0;
  input_.append(bytes, n);
  fed_ += double(n);
}

GzipInflater::State GzipInflater::next(size_t most, Array<uint8_t>& out) {
  if (fault_ != GzipFault::none) return State::fault;
  const size_t before = out.size();
  out.room(most);
  State state = State::full;
  while (state == State::full && out.size() - before < most) {
    state = in_member_ && begin_ < input_.size() ? inflate_some(most, out, before)
                                                 : between(out, before);
  }
  remember(out, before);
  return state;
}

/** Where no member is under way, or nothing is left to read; full: go on. */
GzipInflater::State GzipInflater::between(Array<uint8_t>& out, size_t before) {
  const size_t rest = input_.size() - begin_;
  if (rest == 0) {
    if (!at_end_) return State::needs_input;
    return in_member_ || !any_member_ ? fail(GzipFault::cut) : State::ended;
  }
  if (pass_padding()) return State::full;
  if (padding_ > 0) return fail(GzipFault::tail);
  if (rest < MAGIC && !at_end_) return State::needs_input;
  if (!may_be_member(input_.data() + begin_, rest)) return fail(GzipFault::header);
  begin_member();
  if (spacing_ > 0 && out_ - last_point_ >= spacing_) {
    add_point(consumed() * 8, true, out, before);
  }
  return State::full;
}

void GzipInflater::begin_member() {
  isal_inflate_init(state_.get());
  state_->crc_flag = ISAL_GZIP;
  in_member_ = any_member_ = true;
  history_.clear();
}

/** Passes over zero bytes behind a member; false at another byte. */
bool GzipInflater::pass_padding() {
  const bool is_zero = any_member_ && input_[begin_] == 0;
  if (is_zero) {
    begin_ += 1;
    padding_ += 1;
  }
  return is_zero;
}

/** Bytes to hand over at once. */
size_t GzipInflater::piece() const {
  const size_t rest = input_.size() - begin_;
  return wants_point_ ? std::min(rest, LOOK) : std::min(rest, size_t(1) << 30);
}

GzipInflater::State GzipInflater::inflate_some(size_t most, Array<uint8_t>& out, size_t before) {
  inflate_state& state = *state_;
  const size_t wanted = most - (out.size() - before);
  if (skip_bits_ > 0) {
    state.read_in = uint64_t(input_[begin_]) >> skip_bits_;
    state.read_in_length = 8 - skip_bits_;
    begin_ += 1;
    skip_bits_ = 0;
  }
  const size_t given = piece();
  // Without an upper bound a call would go far past the next wanted point.
  const double to_point = spacing_ > 0 ? std::max(1.0, spacing_ - (out_ - last_point_)) : 1e18;
  const size_t room = wants_point_ ? wanted : size_t(std::min(double(wanted), to_point));
  state.next_in = input_.data() + begin_;
  state.avail_in = uint32_t(given);
  state.next_out = out.data() + out.size();
  state.avail_out = uint32_t(room);
  const int result = isal_inflate(&state);
  const size_t produced = room - state.avail_out;
  begin_ += given - state.avail_in;
  out.grow(produced);
  out_ += double(produced);
  if (result < 0) return fail(fault_of(result));
  if (state.block_state == ISAL_BLOCK_FINISH) in_member_ = false;
  if (wants_point_ || (spacing_ > 0 && out_ - last_point_ >= spacing_)) {
    look_for_point(out, before);
  }
  return State::full;
}

/** Notes a point when the inflater stands in a block header and all before it was given out. */
void GzipInflater::look_for_point(const Array<uint8_t>& out, size_t before) {
  const inflate_state& state = *state_;
  wants_point_ = in_member_;
  const bool in_header = in_member_ && state.block_state == ISAL_BLOCK_HDR &&
                         state.tmp_out_valid == state.tmp_out_processed && state.avail_out > 0;
  if (!in_header || state.bfinal != 0) return;
  const double bit = (consumed() - state.tmp_in_size) * 8 - state.read_in_length;
  add_point(bit, false, out, before);
}

void GzipInflater::add_point(double bit, bool at_member, const Array<uint8_t>& out,
                             size_t before) {
  RestartPoint point{bit, out_, 0, 0, at_member, {}};
  if (!at_member) {
    point.member_out = state_->total_out;
    point.crc = state_->crc;
    const size_t fresh = std::min(WINDOW, out.size() - before);
    const size_t old = std::min(WINDOW - fresh, history_.size());
    point.window.assign(history_.end() - ptrdiff_t(old), history_.end());
    point.window.insert(point.window.end(), out.data() + out.size() - fresh,
                        out.data() + out.size());
  }
  points_.push_back(std::move(point));
  last_point_ = out_;
  wants_point_ = false;
}

/** Keeps the last 32 KiB for the next points. */
void GzipInflater::remember(const Array<uint8_t>& out, size_t before) {
  if (spacing_ <= 0) return;
  const size_t fresh = std::min(WINDOW, out.size() - before);
  const size_t old = std::min(WINDOW - fresh, history_.size());
  history_.erase(history_.begin(), history_.end() - ptrdiff_t(old));
  history_.insert(history_.end(), out.data() + out.size() - fresh, out.data() + out.size());
}

GzipInflater::State GzipInflater::fail(GzipFault fault) {
  fault_ = fault;
  return State::fault;
}

}  // namespace ligase
