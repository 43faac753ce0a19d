#include "worker/core/chunk.hpp"

#include <cassert>
#include <charconv>

namespace holdfast::worker {

void append_chunk_header(std::string& out, std::size_t size) {
  assert(size > 0);
  char line[18];
  char* end = std::to_chars(line, line + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(line, end);
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  append_chunk_header(out, data.size());
  out += data;
  out += "\r\n";
}

void append_last_chunk(std::string& out, const Trailers& trailers) {
  out += "0\r\n";
  for (const auto& [name, value] : trailers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "\r\n";
}

}  // namespace holdfast::worker
