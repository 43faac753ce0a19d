#include "worker/io/exchange.hpp"

#include <stdexcept>

#include "worker/core/ascii.hpp"
#include "worker/core/chunk.hpp"
#include "worker/io/connection.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::worker {
namespace {

constexpr std::size_t kKeptCapacity = 64 * 1024;

// A pooled exchange keeps small buffers and gives big ones back.
void recycle(std::string& buffer) {
  if (buffer.capacity() > kKeptCapacity) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

void Exchange::reset_request() {
  stage = Stage::Head;
  recycle(out);
  out_begin = 0;
  file.reset();
  file_left = 0;
  behind_file.clear();
  scan_resume = 0;
  read_ahead = false;
  head_parsed = false;
  recycle(head_copy);
  recycle(body);
  body_view = {};
  body_done = true;
  expects_continue = false;
  handler = nullptr;
  body_callback = nullptr;
  request_id.clear();
  status = 200;
  head_sent = close_after = is_head_request = length_broken = false;
  framing = BodyFraming::Length;
  declared_length.reset();
  recycle(pending);
  flush_callback = nullptr;
  trailers.clear();
  client_closed.reset();
  drain_callback.reset();
  hijacked.reset();
  completion = Completion::Ok;
  logged = false;
  request_size = response_size = bytes_received = bytes_sent = moved = 0;
  texts_.clear();
  fields_.clear();
  log_.clear();
  request_views_.clear();
  framed_ = 0;
}

void Exchange::persist_head(std::string_view head) {
  head_copy.assign(head);
  // The head was accepted once; the same bytes elsewhere are accepted again.
  parser.parse_head(head_copy, sessions_.head_limits());
  request_views_.clear();
}

void Exchange::push(std::vector<Span>& spans, std::string_view key, std::string_view value) {
  const auto key_at = static_cast<std::uint32_t>(texts_.size());
  texts_ += key;
  const auto value_at = static_cast<std::uint32_t>(texts_.size());
  texts_ += value;
  spans.push_back({key_at, static_cast<std::uint32_t>(key.size()), value_at,
                   static_cast<std::uint32_t>(value.size())});
}

void check_header(std::string_view name, std::string_view value) {
  if (!valid_field_name(name) || !valid_field_value(value))
    throw std::invalid_argument("not a header field");
  for (const std::string_view ours : {"content-length", "transfer-encoding", "connection"}) {
    if (equals_ignoring_case(name, ours))
      throw std::invalid_argument("framing is the server's business");
  }
}

void Exchange::set_header(std::string_view name, std::string_view value) {
  if (head_sent) throw std::logic_error("the response's head is already sent");
  check_header(name, value);
  push(fields_, name, value);
}

void Exchange::set_log_field(std::string_view key, std::string_view value) {
  if (!valid_log_key(key)) throw std::invalid_argument("not a key for the access log");
  push(log_, key, value);
}

void Exchange::write_body(std::string_view bytes) { pending += bytes; }

void Exchange::put_head(BodyFraming how, std::uint64_t length) {
  head_sent = true;
  framing = how;
  const int minor = head_parsed ? parser.head().minor : 1;
  const bool client_keeps = head_parsed && parser.head().keep_alive;
  if (!body_done || how == BodyFraming::UntilClose || sessions_.must_close(*this))
    close_after = true;
  const ConnectionHeader connection_field = connection_header(minor, client_keeps, close_after);
  if (connection_field == ConnectionHeader::Close) close_after = true;
  header_views_.clear();
  const std::string_view texts = texts_;
  for (const Span& at : fields_) {
    header_views_.push_back(
        {texts.substr(at.key_at, at.key_size), texts.substr(at.value_at, at.value_size)});
  }
  if (const std::string_view field = sessions_.requests().request_id_field(); !field.empty())
    header_views_.push_back({field, sessions_.requests().request_id(*this)});
  const DefaultHeaders& always = sessions_.default_headers();
  append_response_head(out,
                       {.status = status,
                        .date = always.has_date() ? std::string_view{} : sessions_.http_date(*this),
                        .lines = always.lines(),
                        .fields = header_views_,
                        .framing = how,
                        .content_length = length,
                        .connection = connection_field,
                        .keep_alive = sessions_.keep_alive_lines()});
}

void Exchange::start_stream() {
  if (head_sent) return;
  const int minor = head_parsed ? parser.head().minor : 1;
  put_head(body_framing(status, minor, declared_length.has_value()), declared_length.value_or(0));
}

void Exchange::frame(std::string_view bytes) {
  if (bytes.empty() || is_head_request || framing == BodyFraming::None) return;
  if (framing == BodyFraming::Length && framed_ + bytes.size() > declared_length.value_or(0)) {
    length_broken = true;
    bytes = bytes.substr(0, declared_length.value_or(0) - framed_);
  }
  framed_ += bytes.size();
  response_size += bytes.size();
  if (framing == BodyFraming::Chunked) {
    append_chunk(sink(), bytes);
  } else {
    sink() += bytes;
  }
}

void Exchange::append_file(UniqueFd descriptor, std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || is_head_request || framing == BodyFraming::None) {
    // The head tells of it all the same.
    framed_ += length;
    return;
  }
  if (framing == BodyFraming::Length && framed_ + length > declared_length.value_or(0)) {
    length_broken = true;
    length = declared_length.value_or(0) - framed_;
  }
  framed_ += length;
  if (framing == BodyFraming::Chunked) append_chunk_header(out, length);
  file = std::move(descriptor);
  file_at = static_cast<off_t>(offset);
  file_left = length;
  if (framing == BodyFraming::Chunked && length != 0) behind_file = "\r\n";
}

void Exchange::frame_pending() {
  frame(pending);
  recycle(pending);
}

void Exchange::finish_body() {
  if (!head_sent) {
    if (!declared_length) declared_length = pending.size();
    const bool bodyless = never_has_body(status);
    put_head(bodyless ? BodyFraming::None : BodyFraming::Length, *declared_length);
  }
  frame_pending();
  if (framing == BodyFraming::Chunked && !is_head_request) append_last_chunk(sink(), trailers);
  if (framing == BodyFraming::Length && !is_head_request && framed_ < declared_length.value_or(0))
    length_broken = true;
}

void Exchange::set_plain_answer(int code, std::string_view text) {
  status = code;
  fields_.clear();
  declared_length.reset();
  pending.assign(text);
  push(fields_, "Content-Type", "text/plain; charset=utf-8");
}

std::span<const Field> Exchange::request_fields() {
  if (request_views_.empty()) {
    for (const ParsedField& field : parser.fields())
      request_views_.push_back({field.name, field.value});
  }
  return request_views_;
}

const std::vector<LogField>& Exchange::log_fields() {
  log_views_.clear();
  const std::string_view texts = texts_;
  for (const Span& at : log_) {
    log_views_.push_back(
        {texts.substr(at.key_at, at.key_size), texts.substr(at.value_at, at.value_size)});
  }
  return log_views_;
}

}  // namespace holdfast::worker
