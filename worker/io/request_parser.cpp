#include "worker/io/request_parser.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace holdfast::worker {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

std::string_view view(string_view text) { return {text.data(), text.size()}; }

// No chunk of a body that goes on is shorter: "0", CRLF, CRLF. Beast 1.81 asserts that it never
// sees less behind a last chunk that it has read in part.
constexpr std::size_t kShortestChunk = 5;

constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
constexpr std::string_view kBehindSize = "\r; \t";
constexpr std::size_t kNowhere = std::string_view::npos;

// True when the trailer section is all there and Beast would read it more kindly than a head:
// folded lines (RFC 9112, 5.2).
bool broken_trailers(std::string_view rest) {
  if (rest.starts_with("\r\n")) return false;
  const std::size_t end = rest.find("\r\n\r\n");
  return end != kNowhere && !valid_trailers(rest.substr(0, end + 4));
}

// True when the line of a chunk's size that `rest` begins with, so far as it is there, is broken.
// Beast 1.81 lets a quoted string of an extension hold any byte and run over the line's end, and
// waits for the end of the trailers before it looks at what follows a size of 0; RFC 9112, 7.1.1.
bool broken_chunk_line(std::string_view rest, bool behind_chunk) {
  const std::size_t digits = behind_chunk ? 2 : 0;
  const std::size_t behind = std::min(rest.find_first_not_of(kHexDigits, digits), rest.size());
  if (behind == digits || (behind < rest.size() && kBehindSize.find(rest[behind]) == kNowhere))
    return true;
  bool quoted = false;
  bool escaped = false;
  for (std::size_t i = behind; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '\r') {
      if (quoted || (i + 1 < rest.size() && rest[i + 1] != '\n')) return true;
      const bool last = rest.substr(digits, behind - digits).find_first_not_of('0') == kNowhere;
      return last && i + 2 < rest.size() && broken_trailers(rest.substr(i + 2));
    }
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return true;
    if (escaped) {
      escaped = false;
    } else if (quoted && c == '\\') {
      escaped = true;
    } else if (c == '"') {
      quoted = !quoted;
    }
  }
  return false;
}

// The body of one message; basic_parser cannot be used for a second one, and finds a body's framing
// only by reading the head too.
class Message final : public http::basic_parser<true> {
 public:
  Message() {
    eager(false);
    header_limit(std::numeric_limits<std::uint32_t>::max());  // scan_head has the limits
    body_limit(boost::none);                                  // and the server this one
  }

  void take_pieces(const BodySink* sink) { sink_ = sink; }
  bool between_chunks() const { return chunk_left_ == 0; }
  bool behind_chunk() const { return chunks_begun_; }
  std::size_t extensions() const { return extensions_; }

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_field_impl(http::field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}

  std::size_t on_body_impl(string_view piece, error_code&) override {
    if (!piece.empty()) (*sink_)(view(piece));
    return piece.size();
  }

  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code&) override {
    chunks_begun_ = true;
    chunk_left_ = size;
    extensions_ += extensions.size();
  }

  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code&) override {
    if (!piece.empty()) (*sink_)(view(piece));
    chunk_left_ -= piece.size();
    return piece.size();
  }

  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  const BodySink* sink_ = nullptr;
  std::uint64_t chunk_left_ = 0;
  std::size_t extensions_ = 0;
  bool chunks_begun_ = false;
};

}  // namespace

class RequestParser::Reader {
 public:
  HeadScan scan(std::string_view bytes, std::size_t& resume, const HeadLimits& limits) {
    reset();
    HeadScan scan = scan_head(bytes, resume, limits, &read_);
    if (scan.verdict == HeadScan::Verdict::Complete && has_body() &&
        !begin_body(bytes.substr(scan.skip, scan.size))) {
      scan.verdict = HeadScan::Verdict::Reject;
      scan.status = 400;
      scan.reason = "the request's head is malformed";
    }
    return scan;
  }

  BodyStep feed_body(std::string_view bytes, const BodySink& sink, std::size_t most) {
    BodyStep step;
    step.done = body_done();
    if (step.done) return step;
    message_->take_pieces(&sink);
    // Beast remembers how far it looked into the bytes that it left.
    if (bytes.size() >= left_) step = feed(bytes, most);
    message_->take_pieces(nullptr);
    return step;
  }

  void reset() {
    message_.reset();
    read_.fields.clear();
    read_.head = RequestHead();
    left_ = 0;
  }

  bool body_done() const { return !message_ || message_->is_done(); }
  const RequestHead& head() const { return read_.head; }
  std::span<const ParsedField> fields() const { return read_.fields; }

 private:
  bool has_body() const { return read_.head.chunked || read_.head.content_length != 0; }

  bool begin_body(std::string_view head) {
    message_.emplace();
    error_code failed;
    const std::size_t size = message_->put(boost::asio::buffer(head.data(), head.size()), failed);
    // Two readings of the framing would be a way to smuggle.
    const auto length = message_->content_length();
    return !failed && size == head.size() && read_.head.chunked == message_->chunked() &&
           read_.head.has_length == length.has_value() &&
           (!length || *length == read_.head.content_length);
  }

  BodyStep feed(std::string_view bytes, std::size_t most) {
    BodyStep step;
    const bool chunked = message_->chunked();
    left_ = 0;
    while (!message_->is_done() && step.consumed < bytes.size()) {
      std::string_view rest = bytes.substr(step.consumed);
      const bool framing = chunked && message_->between_chunks();
      if (!framing) rest = rest.substr(0, most);
      if (rest.empty() || (framing && rest.size() < kShortestChunk)) break;
      if (framing && broken_chunk_line(rest, message_->behind_chunk())) return rejected(step);
      error_code failed;
      const std::size_t size = message_->put(boost::asio::buffer(rest.data(), rest.size()), failed);
      const bool more = failed == http::error::need_more;
      // The same bound for a header that came at once as for one that trickles in.
      if ((failed && !more) || (framing && (more ? rest.size() : size) > kMaxChunkOverhead) ||
          message_->extensions() > kMaxChunkOverhead) {
        return rejected(step);
      }
      step.consumed += size;
      if (!framing) most -= size;
      if (more) {
        left_ = rest.size();
        break;
      }
    }
    step.done = message_->is_done();
    return step;
  }

  static BodyStep rejected(BodyStep step) {
    step.reject_status = 400;
    return step;
  }

  ScannedHead read_;
  std::optional<Message> message_;  // where a body follows
  std::size_t left_ = 0;            // bytes that Beast has looked at and that must come again
};

RequestParser::RequestParser() : reader_(std::make_unique<Reader>()) {}
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;
RequestParser::~RequestParser() = default;

HeadScan RequestParser::scan(std::string_view bytes, std::size_t& resume,
                             const HeadLimits& limits) {
  return reader_->scan(bytes, resume, limits);
}
int RequestParser::parse_head(std::string_view head, const HeadLimits& limits) {
  std::size_t resume = 0;
  const HeadScan scan = reader_->scan(head, resume, limits);
  if (scan.verdict == HeadScan::Verdict::Reject) return scan.status;
  return scan.skip == 0 && scan.size == head.size() ? 0 : 400;
}
const RequestHead& RequestParser::head() const { return reader_->head(); }
std::span<const ParsedField> RequestParser::fields() const { return reader_->fields(); }
RequestParser::BodyStep RequestParser::feed_body(std::string_view bytes, BodySink sink,
                                                 std::size_t most) {
  return reader_->feed_body(bytes, sink, most);
}
bool RequestParser::body_done() const { return reader_->body_done(); }
void RequestParser::reset() { reader_->reset(); }

}  // namespace holdfast::worker
