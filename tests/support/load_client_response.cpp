#include "tests/support/load_client_response.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <strings.h>

namespace holdfast::testing {
namespace {

constexpr std::size_t kMaxHead = 64 * 1024;

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool parse_number(std::string_view text, int base, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

void ResponseReader::begin(bool to_head, const std::string* expected) {
  state_ = State::Head;
  to_head_ = to_head;
  expected_ = expected;
  began_ = close_ = has_length_ = chunked_ = false;
  same_ = true;
  status_ = 0;
  left_ = body_ = 0;
  generation_.clear();
  worker_.clear();
  partial_.clear();
}

void ResponseReader::watch(std::string_view generation, std::string_view worker) {
  generation_name_ = generation;
  worker_name_ = worker;
}

std::size_t ResponseReader::feed(std::string_view bytes) {
  const std::size_t offered = bytes.size();
  if (!bytes.empty()) began_ = true;
  while (!bytes.empty() && !done() && !bad()) {
    std::size_t used = 0;
    switch (state_) {
      case State::Head:
        used = feed_head(bytes);
        break;
      case State::ChunkSize:
      case State::ChunkEnd:
      case State::Trailer:
        used = feed_line(bytes);
        break;
      default:
        used = feed_body(bytes);
    }
    bytes.remove_prefix(used);
  }
  return offered - bytes.size();
}

bool ResponseReader::feed_eof() {
  if (state_ == State::ToEof) state_ = State::Done;
  return done();
}

std::size_t ResponseReader::feed_head(std::string_view bytes) {
  if (partial_.empty()) {  // the common case: the whole head in one read, no copy
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      if (parse_head(bytes.substr(0, end + 2))) {
        after_head();
      } else {
        state_ = State::Bad;
      }
      return end + 4;
    }
  }
  const std::size_t before = partial_.size();
  partial_.append(bytes);
  const std::size_t end = partial_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    if (partial_.size() > kMaxHead) state_ = State::Bad;
    return bytes.size();
  }
  const std::string head = partial_.substr(0, end + 2);
  partial_.clear();
  if (parse_head(head)) {
    after_head();
  } else {
    state_ = State::Bad;
  }
  return end + 4 - before;
}

// `head` ends with the CRLF of its last line.
bool ResponseReader::parse_head(std::string_view head) {
  const std::size_t first = head.find("\r\n");
  const std::string_view line = head.substr(0, first);
  std::uint64_t status = 0;
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ' ||
      (line[7] != '0' && line[7] != '1') || (line.size() > 12 && line[12] != ' ') ||
      !parse_number(line.substr(9, 3), 10, status)) {
    return false;
  }
  status_ = static_cast<int>(status);
  close_ = line[7] == '0';
  head.remove_prefix(first + 2);
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    if (!parse_field(head.substr(0, end))) return false;
    head.remove_prefix(end + 2);
  }
  return !(has_length_ && chunked_);
}

bool ResponseReader::parse_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  if (line.find('\n') != std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim(line.substr(colon + 1));
  if (same_name(name, "content-length")) {
    if (has_length_) return false;
    has_length_ = true;
    return parse_number(value, 10, left_);
  }
  if (same_name(name, "transfer-encoding")) {
    if (chunked_ || !same_name(value, "chunked")) return false;
    chunked_ = true;
  } else if (same_name(name, "connection")) {
    if (same_name(value, "close")) close_ = true;
    if (same_name(value, "keep-alive")) close_ = false;
  } else if (same_name(name, generation_name_)) {
    generation_ = value;
  } else if (same_name(name, worker_name_)) {
    worker_ = value;
  }
  return true;
}

void ResponseReader::after_head() {
  if (status_ >= 100 && status_ < 200 && status_ != 101) {  // interim: the real one follows
    const bool to_head = to_head_;
    begin(to_head, expected_);
    began_ = true;
    return;
  }
  const bool no_body = to_head_ || status_ == 204 || status_ == 304 || status_ == 101;
  if (no_body || (has_length_ && left_ == 0)) {
    if (to_head_) expected_ = nullptr;
    state_ = State::Done;
  } else if (chunked_) {
    state_ = State::ChunkSize;
  } else if (has_length_) {
    state_ = State::Length;
  } else {
    close_ = true;  // RFC 9112 6.3: the body ends where the connection does
    state_ = State::ToEof;
  }
}

std::size_t ResponseReader::feed_line(std::string_view bytes) {
  const std::size_t lf = bytes.find('\n');
  const std::size_t used = lf == std::string_view::npos ? bytes.size() : lf + 1;
  partial_.append(bytes.substr(0, used));
  if (partial_.size() > kMaxHead) {
    state_ = State::Bad;
  } else if (lf != std::string_view::npos) {
    const std::string line = std::move(partial_);
    partial_.clear();
    if (!line.ends_with("\r\n") || !take_line(std::string_view(line).substr(0, line.size() - 2))) {
      state_ = State::Bad;
    }
  }
  return used;
}

bool ResponseReader::take_line(std::string_view line) {
  switch (state_) {
    case State::ChunkSize:
      if (!parse_number(line.substr(0, line.find(';')), 16, left_)) return false;
      state_ = left_ == 0 ? State::Trailer : State::ChunkData;
      return true;
    case State::ChunkEnd:
      state_ = State::ChunkSize;
      return line.empty();
    default:
      if (line.empty()) state_ = State::Done;
      return true;
  }
}

std::size_t ResponseReader::feed_body(std::string_view bytes) {
  std::size_t used = bytes.size();
  if (state_ != State::ToEof) used = static_cast<std::size_t>(std::min<std::uint64_t>(used, left_));
  if (expected_ != nullptr && same_) {
    same_ = body_ + used <= expected_->size() &&
            std::memcmp(expected_->data() + body_, bytes.data(), used) == 0;
  }
  body_ += used;
  if (state_ == State::ToEof) return used;
  left_ -= used;
  if (left_ == 0) state_ = state_ == State::Length ? State::Done : State::ChunkEnd;
  return used;
}

}  // namespace holdfast::testing
