// The chunked coding of a response's body (RFC 9112, 7.1), appended to the caller's buffer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::worker {

// Nothing for empty data: an empty chunk would end the body.
void append_chunk(std::string& out, std::string_view data);

// Only the line before `size` bytes of data, which the caller sends itself (then "\r\n").
// REQUIRES: size > 0.
void append_chunk_header(std::string& out, std::size_t size);

// The last chunk and the trailer section (RFC 9112, 7.1.2).
// REQUIRES: valid names and values.
using Trailers = std::vector<std::pair<std::string, std::string>>;
void append_last_chunk(std::string& out, const Trailers& trailers = {});

}  // namespace holdfast::worker
