// Reads one HTTP/1.x response from bytes as they come, and compares its body with the expected one
// on the way. Pure: no socket, no clock. Stricter than a browser on purpose: both Content-Length
// and Transfer-Encoding, two lengths, a bad chunk size or a bare LF are failures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::testing {

class ResponseReader {
 public:
  enum class State : std::uint8_t {
    Head,
    Length,
    ChunkSize,
    ChunkData,
    ChunkEnd,
    Trailer,
    ToEof,
    Done,
    Bad
  };

  // Starts over. `expected` (not copied) must outlive the response; null compares nothing.
  void begin(bool to_head, const std::string* expected);
  // The names of the two headers to remember; they must outlive the reader.
  void watch(std::string_view generation, std::string_view worker);

  // Takes the bytes of this response and returns how many were its own.
  std::size_t feed(std::string_view bytes);
  // The peer has closed: true when that was the right end of this response.
  bool feed_eof();

  State state() const { return state_; }
  bool done() const { return state_ == State::Done; }
  bool bad() const { return state_ == State::Bad; }
  bool began() const { return began_; }
  int status() const { return status_; }
  bool says_close() const { return close_; }
  bool body_matches() const {
    return expected_ == nullptr || (same_ && body_ == expected_->size());
  }
  std::uint64_t body_size() const { return body_; }
  const std::string& generation() const { return generation_; }
  const std::string& worker() const { return worker_; }

 private:
  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_line(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  bool parse_head(std::string_view head);
  bool parse_field(std::string_view line);
  bool take_line(std::string_view line);
  void after_head();

  State state_ = State::Done;
  bool to_head_ = false;
  bool began_ = false;
  bool close_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool same_ = true;
  int status_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t body_ = 0;
  const std::string* expected_ = nullptr;
  std::string_view generation_name_;
  std::string_view worker_name_;
  std::string generation_;
  std::string worker_;
  std::string partial_;  // a head or line that came in pieces
};

}  // namespace holdfast::testing
