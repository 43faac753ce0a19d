// Bytes that two servers may read as different requests (RFC 9112, 11.2). For each it is known how
// many requests there are; a request behind the last of them, smuggled in what the first one's body
// or head is to somebody else, must never reach a handler. Each row is sent whole, in two, and byte
// by byte, to handlers of both kinds.
#include <gtest/gtest.h>

#include "tests/support/request_path.hpp"

namespace holdfast::testing {
namespace {

using namespace std::string_literals;

struct Row {
  const char* name;
  std::string bytes;
  std::vector<int> statuses;  // of all responses; a rejection is the last one, and says close
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

const std::string kNext = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kOther = "GET /other HTTP/1.1\r\nHost: a\r\n\r\n";

// A POST with these framing fields, and behind it whatever comes.
std::string post(const std::string& fields, const std::string& rest) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + rest;
}
// A chunked one with this body.
std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}
std::string te(const std::string& line) { return post(line, "0\r\n\r\n" + kNext); }
std::string length(const std::string& line) { return post(line, "hello" + kNext); }
// A GET whose head has this line.
std::string get(const std::string& line) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n" + kNext;
}
std::string request_line(const std::string& line) { return line + "\r\nHost: a\r\n\r\n" + kNext; }

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows{
      // Lawful, to see that the table can see: all of these are requests.
      {"two_requests", kOther + kOther, {200, 200}},
      {"smuggled_is_a_body", post("Content-Length: 35\r\n", kNext + kOther), {200, 200}},
      {"smuggled_is_a_chunk", chunked("23\r\n" + kNext + "\r\n0\r\n\r\n" + kOther), {200, 200}},
      {"leading_crlf", "\r\n" + kOther + "\r\n" + kOther, {200, 200}},
      {"chunk_extension", chunked("5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n" + kOther), {200, 200}},
      {"trailers", chunked("0\r\nX: y\r\n\r\n" + kOther), {200, 200}},
      {"zeros_before_chunk", chunked("00005\r\nhello\r\n000\r\n\r\n" + kOther), {200, 200}},
      {"length_zero_padded", post("Content-Length: 005\r\n", "hello" + kOther), {200, 200}},
      {"te_case", post("tRANSFER-eNCODING: ChUnKeD\r\n", "0\r\n\r\n" + kOther), {200, 200}},
      {"absolute_form_beats_host",
       "GET http://b/other HTTP/1.1\r\nHost: a\r\n\r\n" + kOther,
       {200, 200}},

      // Two framings
      {"cl_te",
       post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + kNext),
       {400}},
      {"te_cl",
       post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n" + kNext),
       {400}},
      {"cl_te_zero",
       post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + kNext),
       {400}},
      {"cl_te_http10",
       "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
           kNext,
       {400}},
      {"te_http10",
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kNext,
       {400}},
      {"te_http10_keep_alive",
       "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
           kNext,
       {400}},

      // Transfer-Encoding in disguise
      {"te_twice", te("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), {400}},
      {"te_identity_then_chunked",
       te("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
       {501}},
      {"te_chunked_then_identity",
       te("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
       {400}},
      {"te_list", te("Transfer-Encoding: gzip, chunked\r\n"), {501}},
      {"te_chunked_not_last", te("Transfer-Encoding: chunked, gzip\r\n"), {400}},
      {"te_chunked_chunked", te("Transfer-Encoding: chunked, chunked\r\n"), {400}},
      {"te_empty_element", te("Transfer-Encoding: , chunked\r\n"), {400}},
      {"te_identity", te("Transfer-Encoding: identity\r\n"), {501}},
      {"te_xchunked", te("Transfer-Encoding: xchunked\r\n"), {501}},
      {"te_quoted", te("Transfer-Encoding: \"chunked\"\r\n"), {501}},
      {"te_parameter", te("Transfer-Encoding: chunked;a=b\r\n"), {501}},
      {"te_empty", te("Transfer-Encoding:\r\n"), {400}},
      {"te_space_before_colon", te("Transfer-Encoding : chunked\r\n"), {400}},
      {"te_tab_before_colon", te("Transfer-Encoding\t: chunked\r\n"), {400}},
      {"te_leading_space", te(" Transfer-Encoding: chunked\r\n"), {400}},
      {"te_leading_tab", te("\tTransfer-Encoding: chunked\r\n"), {400}},
      {"te_folded", te("Transfer-Encoding:\r\n chunked\r\n"), {400}},
      {"te_folded_behind", te("X: y\r\n Transfer-Encoding: chunked\r\n"), {400}},
      {"te_vertical_tab",
       te("Transfer-Encoding:\x0b"
          "chunked\r\n"),
       {400}},
      {"te_form_feed", te("Transfer-Encoding: chunked\x0c\r\n"), {400}},
      {"te_nul", te("Transfer-Encoding: chunked\0\r\n"s), {400}},
      {"te_nul_in_name", te("Transfer\0-Encoding: chunked\r\n"s), {400}},
      {"te_bare_cr_before", te("X: y\rTransfer-Encoding: chunked\r\n"), {400}},
      {"te_bare_lf_before", te("X: y\nTransfer-Encoding: chunked\r\n"), {400}},
      {"te_underscore",
       post("Transfer_Encoding: chunked\r\nContent-Length: 0\r\n", kOther),
       {200, 200}},

      // Content-Length in disguise
      {"cl_twice_equal", length("Content-Length: 5\r\nContent-Length: 5\r\n"), {400}},
      {"cl_twice_other", length("Content-Length: 5\r\nContent-Length: 0\r\n"), {400}},
      {"cl_list_equal", length("Content-Length: 5, 5\r\n"), {400}},
      {"cl_list_other", length("Content-Length: 5, 0\r\n"), {400}},
      {"cl_plus", length("Content-Length: +5\r\n"), {400}},
      {"cl_minus", length("Content-Length: -5\r\n"), {400}},
      {"cl_minus_zero", length("Content-Length: -0\r\n"), {400}},
      {"cl_hex", length("Content-Length: 0x5\r\n"), {400}},
      {"cl_fraction", length("Content-Length: 5.0\r\n"), {400}},
      {"cl_exponent", length("Content-Length: 5e0\r\n"), {400}},
      {"cl_inner_space", length("Content-Length: 5 0\r\n"), {400}},
      {"cl_empty", length("Content-Length: \r\n"), {400}},
      {"cl_word", length("Content-Length: five\r\n"), {400}},
      {"cl_semicolon", length("Content-Length: 5;a\r\n"), {400}},
      {"cl_wraps_32", length("Content-Length: 4294967301\r\n"), {413}},
      {"cl_wraps_64", length("Content-Length: 18446744073709551621\r\n"), {400}},
      {"cl_wide_digits", length("Content-Length: \xef\xbc\x95\r\n"), {400}},
      {"cl_space_before_colon", length("Content-Length : 5\r\n"), {400}},
      {"cl_folded", length("Content-Length:\r\n 5\r\n"), {400}},

      // Chunks
      {"chunk_0x", chunked("0x5\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_plus", chunked("+5\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_minus", chunked("-5\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_leading_space", chunked(" 5\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_leading_tab", chunked("\t5\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_empty_size", chunked("\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_underscore", chunked("1_0\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_overflow_64", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_overflow_long",
       chunked(std::string(40, 'f') + "\r\nhello\r\n0\r\n\r\n" + kNext),
       {400}},
      {"chunk_bare_lf_behind_size", chunked("5\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_bare_cr_behind_size", chunked("5\rhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_bare_lf_behind_data", chunked("5\r\nhello\n0\r\n\r\n" + kNext), {400}},
      {"chunk_no_crlf_behind_data", chunked("5\r\nhello0\r\n\r\n" + kNext), {400}},
      {"chunk_longer_than_said", chunked("5\r\nhello!!\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_shorter_than_said", chunked("9\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_extension_bare_lf", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_extension_bare_cr", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_extension_nul", chunked("5;a\0b\r\nhello\r\n0\r\n\r\n"s + kNext), {400}},
      {"chunk_extension_open_quote", chunked("5;a=\"\r\nhello\r\n0\r\n\r\n" + kNext), {400}},
      {"chunk_extension_quoted_crlf",
       chunked("5;a=\"\r\n0\r\n\r\n" + kNext + "\"\r\nhello\r\n0\r\n\r\n"),
       {400}},
      {"chunk_extension_huge",
       chunked("5;" + std::string(20'000, 'a') + "\r\nhello\r\n0\r\n\r\n" + kNext),
       {400}},
      {"last_chunk_bare_lf", chunked("0\n\n" + kNext), {400}},
      {"last_chunk_bare_cr", chunked("0\r\r" + kNext), {400}},
      {"last_chunk_lf_trailer_end", chunked("0\r\n\n" + kNext), {400}},
      // "5\r\nhello\r\n" is not the end of anything: the next request is more of its chunks.
      {"chunk_without_last", chunked("5\r\nhello\r\n" + kNext), {400}},

      // Trailers never frame
      {"trailer_length", chunked("0\r\nContent-Length: 35\r\n\r\n" + kNext), {400}},
      {"trailer_coding", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n" + kNext), {400}},
      {"trailer_host", chunked("0\r\nHost: b\r\n\r\n" + kOther), {200, 200}},
      {"trailer_folded", chunked("0\r\nX: y\r\n z\r\n\r\n" + kNext), {400}},
      {"trailer_no_colon", chunked("0\r\nGET /smuggled HTTP/1.1\r\n\r\n"), {400}},
      {"trailer_tab_folded", chunked("0\r\nX: y\r\n\tz\r\n\r\n" + kNext), {400}},
      {"trailer_space_before_colon", chunked("0\r\nX : y\r\n\r\n" + kNext), {400}},
      {"trailer_nul", chunked("0\r\nX: \0\r\n\r\n"s + kNext), {400}},
      {"trailer_bare_cr", chunked("0\r\nX: y\rZ: z\r\n\r\n" + kNext), {400}},
      {"trailer_escape", chunked("0\r\nX: \x1b\r\n\r\n" + kNext), {400}},
      {"trailer_empty_name", chunked("0\r\n: y\r\n\r\n" + kNext), {400}},
      {"trailers_many", chunked("0\r\nX: y\r\nZ:\r\n\r\n" + kOther), {200, 200}},
      {"trailer_bare_lf", chunked("0\r\nX: y\n\r\n" + kNext), {400}},

      // Lines that end in other ways, and bytes that are in no line
      {"head_lf_only", "GET / HTTP/1.1\nHost: a\n\n" + kNext, {400}},
      {"head_lf_at_the_end", "GET / HTTP/1.1\r\nHost: a\r\n\n" + kNext, {400}},
      {"head_cr_only", "GET / HTTP/1.1\rHost: a\r\r" + kNext, {400}},
      {"head_cr_cr_lf", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n" + kNext, {400}},
      {"field_bare_cr", get("X: a\rContent-Length: 35"), {400}},
      {"field_nul", get("X: a\0b"s), {400}},
      {"field_del", get("X: a\x7f"), {400}},
      {"field_escape", get("X: a\x1b[0m"), {400}},
      {"field_no_colon", get("X"), {400}},
      {"field_empty_name", get(": x"), {400}},
      {"field_name_space_inside", get("X Y: z"), {400}},
      {"field_name_bracket", get("X(: z"), {400}},
      {"field_name_utf8", get("X\xc3\xa9: z"), {400}},
      {"field_obs_text", "GET /other HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n" + kOther, {200, 200}},
      {"obs_fold_space", get("X: a\r\n b"), {400}},
      {"obs_fold_tab", get("X: a\r\n\tContent-Length: 35"), {400}},
      {"fold_first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n" + kNext, {400}},

      // The request line
      {"http09", "GET /\r\n" + kNext, {400}},
      {"http09_lf", "GET /\n" + kNext, {400}},
      {"no_target", request_line("GET  HTTP/1.1"), {400}},
      {"two_spaces", request_line("GET  / HTTP/1.1"), {400}},
      {"two_spaces_before_version", request_line("GET /  HTTP/1.1"), {400}},
      {"tab_for_space", request_line("GET\t/ HTTP/1.1"), {400}},
      {"leading_space", request_line(" GET / HTTP/1.1"), {400}},
      {"trailing_space", request_line("GET / HTTP/1.1 "), {400}},
      {"space_in_target", request_line("GET /a HTTP/1.1 b HTTP/1.1"), {400}},
      {"two_leading_crlf", "\r\n\r\n" + kNext, {400}},
      {"leading_lf", "\n" + kNext, {400}},
      {"leading_cr", "\r" + kNext, {400}},
      {"method_nul", request_line("GE\0T / HTTP/1.1"s), {400}},
      {"method_colon", request_line("GET: / HTTP/1.1"), {400}},
      {"method_empty", request_line(" / HTTP/1.1"), {400}},
      {"target_nul", request_line("GET /\0 HTTP/1.1"s), {400}},
      {"target_escape", request_line("GET /\x1b HTTP/1.1"), {400}},
      {"target_del", request_line("GET /\x7f HTTP/1.1"), {400}},
      {"target_vertical_tab", request_line("GET /\x0b HTTP/1.1"), {400}},
      {"target_relative", request_line("GET other HTTP/1.1"), {400}},
      {"target_star_get", request_line("GET * HTTP/1.1"), {400}},
      {"target_ftp", request_line("GET ftp://a/ HTTP/1.1"), {400}},
      {"target_no_authority", request_line("GET http:/// HTTP/1.1"), {400}},
      {"target_userinfo", request_line("GET http://u@a/ HTTP/1.1"), {400}},
      {"version_11_0", request_line("GET / HTTP/1.10"), {400}},
      {"version_01_1", request_line("GET / HTTP/01.1"), {400}},
      {"version_2", request_line("GET / HTTP/2.0"), {505}},
      {"version_1_2", request_line("GET / HTTP/1.2"), {505}},
      {"version_0_9", request_line("GET / HTTP/0.9"), {505}},
      {"version_lower", request_line("GET / http/1.1"), {400}},
      {"version_comma", request_line("GET / HTTP/1,1"), {400}},
      {"version_plus", request_line("GET / HTTP/+1.1"), {400}},
      {"version_missing_dot", request_line("GET / HTTP/11"), {400}},
      {"preface_http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + kNext, {505}},

      // Host
      {"host_missing", "GET / HTTP/1.1\r\n\r\n" + kNext, {400}},
      {"host_twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" + kNext, {400}},
      {"host_list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" + kNext, {400}},
      {"host_path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" + kNext, {400}},
      {"host_userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" + kNext, {400}},
      {"host_port_word", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n" + kNext, {400}},
      {"host_space_before_colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n" + kNext, {400}},
      {"host_twice_with_absolute",
       "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + kNext,
       {400}},
      {"host_missing_with_absolute", "GET http://a/ HTTP/1.1\r\n\r\n" + kNext, {400}},

      // Expect, Upgrade, Connection
      {"expect_unknown", post("Expect: 200-ok\r\nContent-Length: 35\r\n", kNext), {417}},
      {"expect_list", post("Expect: 100-continue, x\r\nContent-Length: 35\r\n", kNext), {417}},
      {"expect_without_body",
       "GET /other HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n" + kOther,
       {200, 200}},
      {"expect_and_body_at_once",
       post("Expect: 100-continue\r\nContent-Length: 35\r\n", kNext + kOther),
       {200, 200}},
      {"upgrade_h2c",
       "GET /other HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
       "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" +
           kOther,
       {200, 200}},
      {"upgrade_with_body",
       post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 35\r\n", kNext + kOther),
       {200, 200}},
      {"connection_names_length",
       post("Connection: Content-Length\r\nContent-Length: 35\r\n", kNext + kOther),
       {200, 200}},
      {"connection_not_a_token", get("Connection: close;x"), {400}},
      {"connection_close", post("Connection: close\r\nContent-Length: 0\r\n", kNext), {200}},
      {"http10_has_no_next", "GET /other HTTP/1.0\r\n\r\n" + kNext, {200}},
      {"connect", "CONNECT /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" + kNext, {400}},

      // A body where none is usual is still a body
      {"get_with_length",
       "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n" + kNext + kOther,
       {200, 200}},
      {"head_with_chunks",
       "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n23\r\n" + kNext +
           "\r\n0\r\n\r\n" + kOther,
       {200, 200}},
      {"delete_with_length",
       "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n" + kNext + kOther,
       {200, 200}},

      // Behind a rejection nothing is read
      {"rejected_in_front", "GET / HTTP/1.1\r\n\r\n" + kNext + kNext, {400}},
      {"second_is_rejected",
       kOther + "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" + kNext,
       {200, 400}},
      {"too_large", post("Content-Length: 100000\r\n", kNext), {413}},
      {"head_too_large", get("X: " + std::string(20'000, 'x')), {431}},
      {"too_many_fields",
       "GET / HTTP/1.1\r\nHost: a\r\n" +
           [] {
             std::string s;
             for (int i = 0; i < 101; ++i) s += "X: y\r\n";
             return s;
           }() +
           "\r\n" + kNext,
       {431}},
  };
  return kRows;
}

class SmugglingTest : public ::testing::TestWithParam<Row> {};

void expect_row(RequestPath& path, const Row& row, bool streaming) {
  std::vector<int> first;
  for (const std::size_t step : {row.bytes.size(), row.bytes.size() / 2 + 1, std::size_t{1}}) {
    SCOPED_TRACE((streaming ? "streaming, pieces of " : "plain, pieces of ") +
                 std::to_string(step));
    const PathResult result = path.run(row.bytes, step);
    ASSERT_FALSE(result.hung);
    EXPECT_EQ(result.left, 0U);
    EXPECT_EQ(result.bad_line, "");
    std::vector<std::string> methods;
    for (const auto& request : result.handled) {
      EXPECT_EQ(request.find("smuggled"), std::string::npos) << request;
      methods.push_back(request.substr(0, request.find(' ')));
    }
    std::string fault;
    const auto responses = read_responses(result.sent, methods, fault);
    EXPECT_EQ(fault, "");
    std::vector<int> statuses;
    for (const auto& response : responses) {
      EXPECT_TRUE(response.whole);
      EXPECT_TRUE(response.close || response.status < 400);
      statuses.push_back(response.status);
    }
    EXPECT_EQ(statuses, row.statuses);
    std::vector<int> logged;
    for (const auto& line : result.lines) logged.push_back(line.value("http_status_code", 0));
    EXPECT_EQ(logged, row.statuses) << "one line a response";
  }
}

TEST_P(SmugglingTest, HasOneReading) {
  using Handlers = RequestPathOptions::Handlers;
  static RequestPath plain({.handlers = Handlers::Plain, .max_head = 16 * 1024});
  static RequestPath streaming({.handlers = Handlers::Stream, .max_head = 16 * 1024});
  expect_row(plain, GetParam(), false);
  // A body without a limit of its own is a streaming handler's.
  if (GetParam().statuses != std::vector<int>{413}) expect_row(streaming, GetParam(), true);
}

INSTANTIATE_TEST_SUITE_P(Bytes, SmugglingTest, ::testing::ValuesIn(rows()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace holdfast::testing
