// What can be told of a request whose head was refused or never became whole: its first line, read
// with less rigour, for the access log only. Pure; views into the caller's bytes.
#pragma once

#include <string_view>

namespace holdfast::worker {

// Empty where it is not there or not readable; the last one that is there may be incomplete.
struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view protocol;  // "HTTP/<digit>.<digit>"
};

// The line's bytes without its end: up to CR, LF or the end of `bytes`, and at most
// kMaxRequestLine; a leading CRLF is skipped.
inline constexpr std::size_t kMaxRequestLine = 4096;  // more of it would not be logged
std::string_view first_line(std::string_view bytes);

RequestLine read_request_line(std::string_view line);

}  // namespace holdfast::worker
