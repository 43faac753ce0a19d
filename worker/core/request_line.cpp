#include "worker/core/request_line.hpp"

#include <algorithm>

#include "worker/core/head_reader.hpp"

namespace holdfast::worker {
namespace {

bool is_protocol(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  return text.size() == 8 && text.starts_with("HTTP/") && digit(5) && text[6] == '.' && digit(7);
}

}  // namespace

std::string_view first_line(std::string_view bytes) {
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  bytes = bytes.substr(0, kMaxRequestLine);
  return bytes.substr(0, bytes.find_first_of("\r\n"));
}

RequestLine read_request_line(std::string_view line) {
  RequestLine read;
  const std::size_t space = line.find(' ');
  const std::string_view method = line.substr(0, space);
  if (method.empty() || !std::all_of(method.begin(), method.end(), is_token_byte)) return read;
  read.method = method;
  if (space == std::string_view::npos) return read;
  const std::string_view rest = line.substr(space + 1);
  const std::size_t end = rest.find(' ');
  read.target = rest.substr(0, end);
  if (end != std::string_view::npos && is_protocol(rest.substr(end + 1)))
    read.protocol = rest.substr(end + 1);
  return read;
}

}  // namespace holdfast::worker
