#include "worker/core/head_scan.hpp"

#include <algorithm>
#include <cstring>

#include "worker/core/head_reader.hpp"

namespace holdfast::worker {
namespace {

constexpr HeadFault bad_request(const char* reason) { return {400, reason}; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Where the run of bytes that a value may have ends: neither controls nor DEL, but HTAB. Eight
// bytes at a time: a byte's high bit in `special` is set when it is below 0x20 or 0x7f; a borrow
// can set it for a byte above such a one too, never below, so the plain loop finds the place.
const char* value_end(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  for (;;) {
    while (end - at >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, sizeof word);
      const std::uint64_t del = word ^ (kOnes * 0x7f);
      const std::uint64_t special = ((word - kOnes * 0x20) & ~word) | ((del - kOnes) & ~del);
      if ((special & kHighs) != 0) break;
      at += 8;
    }
    while (at != end && !is_control(*at)) ++at;
    if (at == end || *at != '\t') return at;
    ++at;
  }
}

// A head that is whole: its lines end with CRLF, and the last one is empty. So no loop below needs
// to look for the end: each stops at a line's CR at the latest.
class HeadTokens {
 public:
  HeadTokens(std::string_view head, const HeadLimits& limits, ScannedHead* read)
      : at_(head.data()), end_(head.data() + head.size()), limits_(limits), read_(read) {
    if (read_ != nullptr) read_->fields.clear();
  }

  HeadFault check() {
    const HeadFault fault = walk();
    if (read_ != nullptr) read_->head = reader_.head();
    return fault;
  }

  HeadFault fields() {
    while (*at_ != '\r') {
      if (const HeadFault fault = field()) return fault;
    }
    return at_ + 2 == end_ ? HeadFault() : bad_request("bare CR in the head");
  }

 private:
  HeadFault walk() {
    if (const HeadFault fault = request_line()) return fault;
    if (const HeadFault fault = fields()) return fault;
    return reader_.finish();
  }

  HeadFault request_line() {
    const char* const method = at_;
    while (is_token_byte(*at_)) ++at_;
    const std::string_view method_text(method, static_cast<std::size_t>(at_ - method));
    if (*at_ != ' ') return bad_request("the method is not a token");
    const char* const target = ++at_;
    while (!is_control(*at_) && *at_ != ' ') ++at_;
    const std::string_view target_text(target, static_cast<std::size_t>(at_ - target));
    if (target_text.size() > limits_.max_target) return {414, "the target is too long"};
    if (target_text.empty()) return bad_request("the target is missing");
    if (*at_ == '\r') return bad_request("the version is missing");
    if (*at_ != ' ') return bad_request("control character in the target");
    return version(method_text, target_text);
  }

  HeadFault version(std::string_view method, std::string_view target) {
    const char* const line_end = std::find(++at_, end_, '\r');
    const std::string_view text(at_, static_cast<std::size_t>(line_end - at_));
    const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
    if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(5) || text[6] != '.' || !digit(7))
      return bad_request("the version is malformed");
    if (text[5] != '1' || text[7] > '1') return {505, "neither HTTP/1.0 nor HTTP/1.1"};
    if (line_end[1] != '\n') return bad_request("bare CR in the head");
    at_ = line_end + 2;
    return reader_.request_line(method, target, static_cast<std::uint8_t>(text[7] - '0'));
  }

  HeadFault field() {
    if (++fields_ > limits_.max_fields) return {431, "too many fields"};
    const char* const name = at_;
    while (is_token_byte(*at_)) ++at_;
    const std::string_view name_text(name, static_cast<std::size_t>(at_ - name));
    if (*at_ != ':' || name_text.empty()) return bad_name(name_text);
    ++at_;
    while (*at_ == ' ' || *at_ == '\t') ++at_;
    const char* const value = at_;
    at_ = value_end(at_, end_);
    if (*at_ != '\r') return bad_request("control character in a field's value");
    if (at_[1] != '\n') return bad_request("bare CR in the head");
    const char* value_last = at_;
    while (value_last != value && (value_last[-1] == ' ' || value_last[-1] == '\t')) --value_last;
    at_ += 2;
    const std::string_view value_text(value, static_cast<std::size_t>(value_last - value));
    if (read_ != nullptr) read_->fields.push_back({name_text, value_text});
    return reader_.field(name_text, value_text);
  }

  HeadFault bad_name(std::string_view name) const {
    const bool blank = *at_ == ' ' || *at_ == '\t';
    if (blank && name.empty()) return bad_request("a folded line");  // RFC 9112, 5.2
    if (blank) return bad_request("white space in a field's name");  // RFC 9112, 5.1
    return bad_request("a field's name is not a token");
  }

  const char* at_;
  const char* const end_;
  const HeadLimits& limits_;
  ScannedHead* const read_;
  std::size_t fields_ = 0;
  HeadReader reader_;
};

HeadScan reject(HeadScan scan, HeadFault fault) {
  scan.verdict = HeadScan::Verdict::Reject;
  scan.status = fault.status;
  scan.reason = fault.reason;
  return scan;
}

}  // namespace

bool valid_trailers(std::string_view section) {
  const HeadLimits limits;
  return !HeadTokens(section, limits, nullptr).fields();
}

HeadScan scan_head(std::string_view bytes, std::size_t& resume, const HeadLimits& limits,
                   ScannedHead* read) {
  HeadScan scan;
  if (bytes.starts_with('\r')) {
    if (bytes.size() == 1) return scan;
    if (bytes[1] != '\n') return reject(scan, bad_request("bare CR in the head"));
    scan.skip = 2;
  }
  bytes.remove_prefix(scan.skip);
  if (bytes.empty()) return scan;
  // At once, not when the line ends: a TLS hello has no line.
  if (!is_token_byte(bytes.front())) return reject(scan, bad_request("the method is not a token"));

  const std::string_view window = bytes.substr(0, limits.max_head);
  std::size_t at = std::max(resume, scan.skip) - scan.skip;
  for (;;) {
    at = window.find('\n', at);
    if (at == std::string_view::npos) break;
    if (window[at - 1] != '\r') return reject(scan, bad_request("bare LF in the head"));
    if (window[at - 2] == '\n') {
      scan.size = at + 1;
      if (const HeadFault fault = HeadTokens(window.substr(0, scan.size), limits, read).check())
        return reject(scan, fault);
      scan.verdict = HeadScan::Verdict::Complete;
      return scan;
    }
    ++at;
  }
  if (window.size() == limits.max_head) {
    if (window.find('\n') == std::string_view::npos)
      return reject(scan, {414, "the request line is too long"});
    return reject(scan, {431, "the head is too long"});
  }
  resume = scan.skip + window.size();
  return scan;
}

}  // namespace holdfast::worker
