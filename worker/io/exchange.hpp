// One request in flight, from its first byte to the last byte of its response: the buffers and the
// state that an idle connection does not need. Exchanges are pooled by Sessions, so a warm worker
// allocates nothing for a small request. An exchange whose client left stays alive, without a
// connection, until its handler is done.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/worker/handler.hpp"
#include "holdfast/worker/hijacked.hpp"
#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/access_record.hpp"
#include "worker/core/body_pace.hpp"
#include "worker/core/chunk.hpp"
#include "worker/core/head_scan.hpp"
#include "worker/core/response_head.hpp"
#include "worker/io/peer_address.hpp"
#include "worker/io/request_parser.hpp"

namespace holdfast::worker {

class Sessions;
struct Connection;
class Exchange;

enum class Stage : std::uint8_t {
  Head,      // reading the head
  Body,      // reading the body for a plain handler
  Handling,  // a streaming handler is at work, or has taken the stream
  Sending,   // the handler is done; the kernel does not take the rest yet
};

// What a Hijacked and its exchange know of each other; the one that ends first clears it.
struct HijackState {
  Exchange* exchange = nullptr;
};

// Throws std::invalid_argument where the field could break the framing of a response.
void check_header(std::string_view name, std::string_view value);

class Exchange {
 public:
  explicit Exchange(Sessions& sessions) : sessions_(sessions), request_(*this), response_(*this) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Forgets the request and keeps the input that is not consumed yet.
  void reset_request();

  // Copies the head to memory of its own: from now on the request outlives the bytes it was read
  // from.
  void persist_head(std::string_view head);

  // Response side, called by ResponseWriter and Sessions
  // -------------------------------------------------------------
  void set_header(std::string_view name, std::string_view value);
  void set_log_field(std::string_view key, std::string_view value);
  void write_body(std::string_view bytes);
  void start_stream();   // puts the head into `out` unless it is there
  void frame_pending();  // moves what was written behind the head, as a chunk where chunked
  void finish_body();  // all that is left of the response goes into `out`; decides the length where
                       // it is whole
  // Instead of whatever a handler was about to say; only before the head is sent.
  void set_plain_answer(int code, std::string_view text);

  // Bytes behind the head, of a file that the kernel reads by itself.
  void append_file(UniqueFd descriptor, std::uint64_t offset, std::uint64_t length);

  // What the kernel has not taken: `out`, then the file, then `behind_file`.
  bool unsent() const { return out_begin != out.size() || file_left != 0 || !behind_file.empty(); }

  std::uint32_t place = 0;  // in the table of Sessions

  // Connection side
  // ---------------------------------------------------------------------------------------------------
  Connection* connection = nullptr;  // none once the client has left
  Stage stage = Stage::Head;
  std::string in;   // received, not consumed
  std::string out;  // for the kernel, from out_begin
  std::size_t out_begin = 0;
  UniqueFd file;
  off_t file_at = 0;
  std::uint64_t file_left = 0;
  std::string behind_file;
  std::size_t scan_resume = 0;
  bool read_ahead = false;  // a plain handler's request came with bytes of the next one

  // Request
  // -----------------------------------------------------------------------------------------------------------
  RequestParser parser;
  bool head_parsed = false;
  std::string head_copy;
  std::string body;  // of a plain handler, where it did not come whole with the head
  std::string_view body_view;
  bool body_done = true;
  bool expects_continue = false;
  BodyPace pace;
  const Handler* handler = nullptr;
  Request::BodyCallback body_callback;
  std::span<char> body_into;
  std::string request_id;

  // Response
  // ----------------------------------------------------------------------------------------------------------
  int status = 200;
  bool head_sent = false;  // the head is in `out` or in the kernel
  bool close_after = false;
  bool is_head_request = false;
  bool length_broken = false;  // the handler wrote more or less than it declared
  BodyFraming framing = BodyFraming::Length;
  std::optional<std::uint64_t> declared_length;
  std::string pending;  // written, not framed
  ResponseWriter::FlushCallback flush_callback;
  Trailers trailers;

  // Handler
  // -----------------------------------------------------------------------------------------------------------
  bool handler_running = false;          // a streaming handler has not called done
  bool in_handler_call = false;          // it may call done before it returns
  std::uint32_t call = 0;                // of a streaming handler: only its own done ends it
  using Notice = std::function<void()>;  // told once; its end is the end of who wants to know
  std::shared_ptr<Notice> client_closed;
  std::shared_ptr<Notice> drain_callback;
  std::shared_ptr<HijackState> hijacked;

  // Log
  // ---------------------------------------------------------------------------------------------------------------
  TimePoint started;
  PeerAddress::Text remote_text;
  PeerAddress::Text client_text;
  Completion completion = Completion::Ok;
  bool logged = false;
  std::uint64_t request_size = 0;
  std::uint64_t response_size = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t moved = 0;  // bytes both ways at the last look of a drain

  Sessions& sessions() { return sessions_; }
  const Request& request() const { return request_; }
  ResponseWriter& response() { return response_; }
  std::span<const Field> request_fields();
  const std::vector<LogField>& log_fields();

 private:
  friend class Request;
  struct Span {
    std::uint32_t key_at, key_size, value_at, value_size;
  };
  void put_head(BodyFraming how, std::uint64_t length);
  void frame(std::string_view bytes);
  std::string& sink() { return file_left != 0 ? behind_file : out; }
  void push(std::vector<Span>& spans, std::string_view key, std::string_view value);

  Sessions& sessions_;
  Request request_;
  ResponseWriter response_;
  std::string texts_;  // what fields_ and log_ point into
  std::vector<Span> fields_;
  std::vector<Span> log_;
  std::vector<HeaderField> header_views_;
  std::vector<LogField> log_views_;
  std::vector<Field> request_views_;
  std::uint64_t framed_ = 0;  // body bytes given so far, towards declared_length
};

}  // namespace holdfast::worker
