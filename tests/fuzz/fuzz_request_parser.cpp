// A connection's bytes have one reading, however they arrive: whole, byte by byte, or split where
// the first byte of the input says. What the scan accepts the parser accepts too, and every view
// lies inside the bytes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/require.hpp"
#include "worker/io/request_parser.hpp"

using namespace holdfast::worker;

namespace {

constexpr HeadLimits kLimits{.max_head = 1024, .max_target = 256, .max_fields = 8};

// What was understood of the bytes.
struct Reading {
  std::vector<std::string> requests;  // line, fields and body of each that is complete
  int reject_status = 0;
  std::size_t used = 0;  // bytes up to the end of the last complete one
  bool operator==(const Reading&) const = default;
};

void inside(std::string_view view, std::string_view bytes) {
  if (view.empty()) return;
  HOLDFAST_REQUIRE(view.data() >= bytes.data() &&
                   view.data() + view.size() <= bytes.data() + bytes.size());
}

std::string describe(const RequestParser& parser, std::string_view head) {
  const RequestHead& read = parser.head();
  for (const std::string_view view :
       {read.method, read.target, read.host, read.user_agent, read.referer, read.request_id}) {
    inside(view, head);
  }
  HOLDFAST_REQUIRE(!read.method.empty() && !read.target.empty() && read.minor <= 1);
  HOLDFAST_REQUIRE(!(read.chunked && read.has_length));
  HOLDFAST_REQUIRE(read.minor == 1 || !read.chunked);
  HOLDFAST_REQUIRE(read.field_count == parser.fields().size());
  HOLDFAST_REQUIRE(read.field_count <= kLimits.max_fields);
  std::string text = std::string(read.method) + ' ' + std::string(read.target) + '\n';
  for (const ParsedField& field : parser.fields()) {
    inside(field.name, head);
    inside(field.value, head);
    HOLDFAST_REQUIRE(!field.name.empty());
    HOLDFAST_REQUIRE(field.value.find_first_of(std::string_view("\r\n\0", 3)) ==
                     std::string_view::npos);
    text += std::string(field.name) + ':' + std::string(field.value) + '\n';
  }
  return text;
}

// As a connection does it: bytes arrive in steps, and what is not consumed stays.
Reading read(std::string_view bytes, std::size_t step) {
  Reading reading;
  RequestParser parser;
  std::string head;  // stays where it is while its request lasts
  std::string text;
  std::size_t begin = 0;  // of what is not consumed
  std::size_t resume = 0;
  bool in_body = false;
  for (std::size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + step);
    for (bool progress = true; progress;) {
      // A copy of exactly the bytes that are there, for the sanitizer to guard.
      const std::vector<char> there(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                    bytes.begin() + static_cast<std::ptrdiff_t>(end));
      const std::string_view rest(there.data(), there.size());
      progress = false;
      if (!in_body) {
        const HeadScan scan = scan_head(rest, resume, kLimits);
        HOLDFAST_REQUIRE(resume <= rest.size());
        if (scan.verdict == HeadScan::Verdict::Reject) {
          HOLDFAST_REQUIRE(scan.status >= 400 && scan.reason[0] != '\0');
          reading.reject_status = scan.status;
          return reading;
        }
        if (scan.verdict == HeadScan::Verdict::NeedMore) {
          HOLDFAST_REQUIRE(rest.size() < kLimits.max_head + 2);
          break;
        }
        HOLDFAST_REQUIRE(scan.skip + scan.size <= rest.size());
        head = rest.substr(scan.skip, scan.size);
        HOLDFAST_REQUIRE(parser.parse_head(head, kLimits) == 0);
        text = describe(parser, head);
        begin += scan.skip + scan.size;
        resume = 0;
        in_body = true;
        progress = true;
      } else {
        const auto fed = parser.feed_body(rest, [&](std::string_view piece) {
          inside(piece, rest);
          text += piece;
        });
        HOLDFAST_REQUIRE(fed.consumed <= rest.size());
        HOLDFAST_REQUIRE(fed.done == parser.body_done() || fed.reject_status != 0);
        begin += fed.consumed;
        if (fed.reject_status != 0) {
          reading.reject_status = fed.reject_status;
          return reading;
        }
        if (!fed.done) break;
        HOLDFAST_REQUIRE(parser.fields().size() == parser.head().field_count);
        reading.requests.push_back(text);
        reading.used = begin;
        in_body = false;
        progress = begin < end;
      }
    }
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Reading whole = read(bytes, std::max<std::size_t>(bytes.size(), 1));
  HOLDFAST_REQUIRE(read(bytes, 1 + data[0]) == whole);
  if (size < 512) HOLDFAST_REQUIRE(read(bytes, 1) == whole);
  return 0;
}
