// One request at a time out of a connection's bytes: the head by scan_head; where a body follows,
// the same head and then the body, de-chunked, by Beast's basic_parser. A reusable object that owns
// only its table of fields: once warm, a request costs no allocation. It neither reads nor keeps
// bytes; everything it hands out points into the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

#include "worker/core/head_scan.hpp"

namespace holdfast::worker {

// Refers to a callable taking a std::string_view; valid for the call it is passed to.
class BodySink {
 public:
  // The constraint keeps copies apart.
  template <typename F>  // NOLINTNEXTLINE(bugprone-forwarding-reference-overload)
  requires(!std::is_same_v<std::remove_cvref_t<F>, BodySink>) BodySink(F&& callable)
      : target_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* target, std::string_view piece) {
          (*static_cast<std::remove_reference_t<F>*>(target))(piece);
        }) {}
  void operator()(std::string_view piece) const { call_(target_, piece); }

 private:
  void* target_;
  void (*call_)(void*, std::string_view);
};

class RequestParser {
 public:
  RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;
  ~RequestParser();

  // As scan_head. When Complete, head() and fields() point into `bytes`, which must stay where they
  // are until the request ends; when Reject they have what came before the fault.
  HeadScan scan(std::string_view bytes, std::size_t& resume, const HeadLimits& limits);

  // `head` is exactly one head, without anything to skip. Returns 0, or the status to reject with.
  int parse_head(std::string_view head, const HeadLimits& limits);

  const RequestHead& head() const;
  std::span<const ParsedField> fields() const;  // in the order received; never trailers

  struct BodyStep {
    std::size_t consumed = 0;  // these bytes are done with
    int reject_status = 0;     // 400: bad chunking, the connection must close; 0: fine so far
    bool done = false;         // the body ends here; the next byte belongs to the next request
  };

  // REQUIRES: parse_head returned 0. Feeds body bytes and passes pieces of the body, without
  // chunk framing, to `sink`; they point into `bytes`. What was not consumed must come again at the
  // front of the next call, with more behind it: a chunk's header is read only when it is whole.
  // The rest stays below kMaxChunkOverhead, or the body is rejected. Trailers are read over. At
  // most `most` bytes of the body are passed on; what follows them in `bytes` may then be left too.
  BodyStep feed_body(std::string_view bytes, BodySink sink, std::size_t most = SIZE_MAX);

  bool body_done() const;  // true at once for a request without a body

  // Forgets the request; the views handed out end here. parse_head() does it by itself.
  void reset();

 private:
  class Reader;  // the basic_parser
  std::unique_ptr<Reader> reader_;
};

// The largest chunk header, last chunk with its trailers, and sum of a request's chunk extensions.
inline constexpr std::size_t kMaxChunkOverhead = 8 * 1024;

}  // namespace holdfast::worker
