// The raw scan of a request's head that runs before any parser, because Beast 1.81 takes obs-fold,
// unknown and repeated codings, and Transfer-Encoding in HTTP/1.0, all of which let two servers see
// two different requests in the same bytes. What scan_head accepts has exactly one reading. Pure:
// owns nothing, allocates nothing; every view it hands out points into the caller's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace holdfast::worker {

struct HeadLimits {
  std::size_t max_head = 16 * 1024;   // 431 above; with a request line that never ends, 414
  std::size_t max_target = 8 * 1024;  // 414 above
  std::size_t max_fields = 100;       // 431 above
};

struct HeadScan {
  enum class Verdict : std::uint8_t { NeedMore, Complete, Reject };
  Verdict verdict = Verdict::NeedMore;
  std::uint16_t status = 0;  // when Reject: 400, 414, 417, 431, 501, 505
  const char* reason = "";   // when Reject: static text for the log, "bare LF in the head"
  std::size_t skip = 0;      // bytes of one leading CRLF (RFC 9112, 2.2) to drop before the head
  std::size_t size = 0;      // when Complete: bytes of the head after skip, with the empty line
};

// What a server needs to know of a head. The views point into the head.
struct RequestHead {
  std::string_view method;
  std::string_view target;  // as received
  std::string_view host;    // the Host field, or the authority of an absolute-form target, which
                            // beats it (RFC 9112, 3.2.2)
  std::uint8_t minor = 1;   // of HTTP/1.x: 0 or 1
  bool keep_alive = true;   // the client's wish, with the version's default applied
  bool expect_continue = false;
  bool chunked = false;
  bool has_length = false;
  bool upgrade = false;  // an Upgrade field that Connection names
  std::uint64_t content_length = 0;
  std::string_view user_agent;
  std::string_view referer;
  std::string_view request_id;  // empty unless 1-128 of [A-Za-z0-9._:/=+-]
  std::size_t field_count = 0;
};

struct ParsedField {
  std::string_view name;
  std::string_view value;  // without the white space around it
};

// What the scan read on its way; of a rejected head what came before the fault.
struct ScannedHead {
  RequestHead head;
  std::vector<ParsedField> fields;  // in the order received
};

// `bytes` begins where a request may begin and is never shorter than in an earlier call for the
// same request. `resume` is 0 at first; the scan keeps in it how far it looked for the end, so that
// a head that trickles in costs linear time overall.
HeadScan scan_head(std::string_view bytes, std::size_t& resume, const HeadLimits& limits,
                   ScannedHead* read = nullptr);

// Fields and the empty line behind a last chunk, held to the rules of a head's. REQUIRES: ends with
// the first "\r\n\r\n" in it.
bool valid_trailers(std::string_view section);

}  // namespace holdfast::worker
