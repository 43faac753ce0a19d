#include "supervisor/core/operator_message.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

std::string fault_of(std::string_view line) {
  const auto request = decode_request(line);
  return request ? "" : request.error().message;
}

TEST(OperatorMessageTest, EveryRequestComesBackAsItWasSent) {
  const std::vector<OperatorRequest> all{
      StatusRequest{},
      ReloadOrder{},
      ReloadOrder{ReloadWait::Committed},
      ReloadOrder{ReloadWait::Drained},
      StopOrder{},
      StopOrder{true},
      ScaleOrder{-3},
      ScaleOrder{0, 7},
      ReopenLogsOrder{},
      EventsRequest{},
      EventsRequest{true, true},
  };
  std::vector<bool> seen(std::variant_size_v<OperatorRequest>);
  for (const OperatorRequest& request : all) {
    seen[request.index()] = true;
    const auto again = decode_request(encode_request(request));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, request) << encode_request(request);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0) << "an op without a round trip";
}

TEST(OperatorMessageTest, BytesOnTheWireStayAsTheyAre) {
  EXPECT_EQ(encode_request(StatusRequest{}), R"({"holdfast":1,"op":"status"})");
  EXPECT_EQ(encode_request(ReloadOrder{ReloadWait::Drained}),
            R"({"holdfast":1,"op":"reload","wait":"drained"})");
  EXPECT_EQ(encode_request(ScaleOrder{-1}), R"({"by":-1,"holdfast":1,"op":"scale"})");
  EXPECT_EQ(ok_reply(), "{\"holdfast\":1,\"reply\":\"ok\"}\n");
  EXPECT_EQ(accepted_reply(), "{\"holdfast\":1,\"reply\":\"accepted\"}\n");
  EXPECT_EQ(scaled_reply(3), "{\"holdfast\":1,\"reply\":\"ok\",\"wanted_workers\":3}\n");
  EXPECT_EQ(status_reply("{}"), "{\"holdfast\":1,\"reply\":\"status\",\"status\":{}}\n");
  EXPECT_EQ(error_reply("cannot x", ExitCode::Usage),
            "{\"holdfast\":1,\"reply\":\"error\",\"error\":\"cannot x\",\"code\":2}\n");
}

TEST(OperatorMessageTest, OnlyStatusAndEventsChangeNothing) {
  EXPECT_TRUE(only_reads(StatusRequest{}));
  EXPECT_TRUE(only_reads(EventsRequest{}));
  EXPECT_FALSE(only_reads(ReloadOrder{}));
  EXPECT_FALSE(only_reads(StopOrder{}));
  EXPECT_FALSE(only_reads(ScaleOrder{}));
  EXPECT_FALSE(only_reads(ReopenLogsOrder{}));
}

TEST(OperatorMessageTest, BadRequestIsRefusedWithItsCause) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "cannot read the request: it is no JSON object"},
      {"reload", "cannot read the request: it is no JSON object"},
      {"[]", "cannot read the request: it is no JSON object"},
      {R"({"op":"stop"})", "cannot read the request: it has no version, \"holdfast\":1"},
      {R"({"holdfast":"1","op":"stop"})",
       "cannot read the request: it has no version, \"holdfast\":1"},
      {R"({"holdfast":2,"op":"stop"})",
       "cannot read the request: this supervisor speaks version 1 of the protocol"},
      {R"({"holdfast":1})", "cannot read the request: it has no op"},
      {R"({"holdfast":1,"op":7})", "cannot read the request: it has no op"},
      {R"({"holdfast":1,"op":"explode"})", "cannot read the request: there is no op 'explode'"},
      {R"({"holdfast":1,"op":"stop","now":1})", "cannot stop: now is neither true nor false"},
      {R"({"holdfast":1,"op":"stop","nwo":true})", "cannot stop: there is no field 'nwo'"},
      {R"({"holdfast":1,"op":"status","now":true})",
       "cannot tell the status: there is no field 'now'"},
      {R"({"holdfast":1,"op":"reload","wait":true})",
       "cannot reload: wait is not committed or drained"},
      {R"({"holdfast":1,"op":"reload","wait":"ready"})",
       "cannot reload: wait is not committed or drained"},
      {R"({"holdfast":1,"op":"scale"})", "cannot scale: to or by must be there, not both"},
      {R"({"holdfast":1,"op":"scale","to":2,"by":1})",
       "cannot scale: to or by must be there, not both"},
      {R"({"holdfast":1,"op":"scale","to":0})", "cannot scale: to is no number from 1 to 1024"},
      {R"({"holdfast":1,"op":"scale","to":1.5})", "cannot scale: to is no number from 1 to 1024"},
      {R"({"holdfast":1,"op":"scale","to":18446744073709551615})",
       "cannot scale: to is no number from 1 to 1024"},
      {R"({"holdfast":1,"op":"scale","by":-9223372036854775808})",
       "cannot scale: by is no number from -1024 to 1024"},
      {R"({"holdfast":1,"op":"events","follow":null})",
       "cannot tell events: follow is neither true nor false"},
  };
  for (const auto& [line, fault] : cases) EXPECT_EQ(fault_of(line), fault) << line;
}

TEST(OperatorMessageTest, OverlongRequestIsRefused) {
  const std::string line = R"({"holdfast":1,"op":")" + std::string(kMaxOperatorLine, 'x') + "\"}";
  EXPECT_EQ(fault_of(line), "cannot read the request: it is longer than 8 KiB");
}

TEST(OperatorMessageTest, RefusalQuotesNoMoreThanALineOfWhatWasSent) {
  const std::string line = R"({"holdfast":1,"op":")" + std::string(4'000, 'x') + "\"}";
  EXPECT_LT(fault_of(line).size(), 300u);
}

TEST(OperatorLinesTest, LinesComeWholeHoweverTheyWereCut) {
  OperatorLines lines;
  EXPECT_TRUE(lines.add("on"));
  EXPECT_FALSE(lines.next());
  EXPECT_TRUE(lines.half_sent());
  EXPECT_TRUE(lines.add("e\ntwo\nthr"));
  EXPECT_EQ(lines.next(), "one");
  EXPECT_EQ(lines.next(), "two");
  EXPECT_FALSE(lines.next());
  EXPECT_TRUE(lines.add("ee\n"));
  EXPECT_EQ(lines.next(), "three");
  EXPECT_FALSE(lines.half_sent());
}

TEST(OperatorLinesTest, LineWithoutEndIsNotKept) {
  OperatorLines lines;
  const std::string piece(1'024, 'x');
  int taken = 0;
  while (lines.add(piece)) ++taken;
  EXPECT_EQ(taken, 8);
}

}  // namespace
}  // namespace holdfast::supervisor
