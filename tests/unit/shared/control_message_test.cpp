#include "shared/core/control_message.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

struct Golden {
  std::string file;
  ControlMessage message;
};

TicketKey key_of(unsigned char first) {
  TicketKey key;
  for (unsigned char& byte : key.bytes) byte = first++;
  return key;
}

// One of each type; the files are what docs/control_protocol.md shows.
std::vector<Golden> goldens() {
  return {
      {"hello", Hello{{1, 1}, 4711, "0.1.0", {"stats"}}},
      {"hello_handoff", Hello{{1, 1}, 4711, "0.1.0", {}, ProtocolRange{1, 1}}},
      {"ready", Ready{}},
      {"accepting", Accepting{}},
      {"paused", Paused{}},
      {"draining", Draining{DrainReason::Operator}},
      {"listeners_closed", ListenersClosed{}},
      {"pong", Pong{}},
      {"stats", Stats{12, 10, 2, 345, 6, 0}},
      {"stats_tls", Stats{12, 10, 2, 345, 6, 7}},
      {"stats_proxy", Stats{12, 10, 2, 345, 6, 0, 8}},
      {"stats_listeners",
       Stats{12,
             10,
             2,
             345,
             6,
             0,
             0,
             {{"http", 20, {0, 339, 0, 0, 6}, 70'000, 130'000, 690'000, {300, 40, 5}}}}},
      {"drained", Drained{7, 0, 5, 1, 0}},
      {"drained_overtime", Drained{7, 0, 5, 4, 0, 3, 2}},
      {"welcome", Welcome{1,
                          {3},
                          {7},
                          {{"http", "127.0.0.1:8080"}, {"admin", "unix:/run/a.sock"}},
                          {"access_log", "stderr"},
                          {Millis{60'000}, Millis{5'000}, Millis{1'000}, Millis{100}, Millis{2'000},
                           Millis{600'000}}}},
      {"welcome_kept", Welcome{1, {1}, {1}, {{"http", ":80", true}}, {}, {}}},
      {"welcome_overtime",
       Welcome{1,
               {1},
               {1},
               {},
               {},
               {.stop_timeout = Millis{60'000}, .stop_timeout_max = Millis{600'000}}}},
      {"welcome_without_options", Welcome{1, {1}, {1}, {}, {}, {}}},
      {"welcome_ticket_keys", Welcome{1, {1}, {1}, {}, {}, {}, {key_of(0), key_of(0x80)}}},
      {"welcome_label", Welcome{1, {1}, {1}, {}, {}, {}, {}, "release-42"}},
      {"accept", Accept{}},
      {"pause", Pause{}},
      {"pause_except", Pause{{"admin"}}},
      {"lame_duck", LameDuck{}},
      {"drain", Drain{DrainReason::Reload, Millis{60'000}, IdlePolicy::Close}},
      {"drain_last_of",
       Drain{DrainReason::Reload, Millis{60'000}, IdlePolicy::Close, {}, {"admin"}}},
      {"drain_overtime",
       Drain{DrainReason::Reload, Millis{60'000}, IdlePolicy::Close, Millis{600'000}}},
      {"drain_handoff", Drain{DrainReason::Reload, Millis{60'000}, IdlePolicy::Handoff}},
      {"peer", Peer{Peer::Role::Give, {8}, {4}, 1}},
      {"handoff_done", HandoffDone{6, 5, 1}},
      {"close_listeners", CloseListeners{}},
      {"close_listeners_given_back", CloseListeners{true}},
      {"reopen_logs", ReopenLogs{{"access_log"}}},
      {"ping", Ping{}},
      {"stats_request", StatsRequest{}},
  };
}

std::string read_golden(const std::string& file) {
  std::ifstream in(HOLDFAST_GOLDEN_DIR "/control/" + file + ".json");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(text.ends_with('\n')) << file;
  if (!text.empty()) text.pop_back();  // files end with a newline, messages do not
  return text;
}

TEST(ControlMessageTest, EncodingIsTheGoldenBytes) {
  for (const Golden& golden : goldens())
    EXPECT_EQ(encode(golden.message), read_golden(golden.file)) << golden.file;
}

TEST(ControlMessageTest, GoldenBytesDecodeToTheValue) {
  for (const Golden& golden : goldens()) {
    const auto message = decode(read_golden(golden.file));
    ASSERT_TRUE(message) << message.error().message;
    EXPECT_EQ(*message, golden.message) << golden.file;
  }
}

TEST(ControlMessageTest, EveryTypeHasAGoldenFileAndEveryFileAType) {
  std::vector<bool> seen(std::variant_size_v<ControlMessage>);
  for (const Golden& golden : goldens()) seen[golden.message.index()] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 1) << "all but Unknown";
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(HOLDFAST_GOLDEN_DIR "/control")) {
    ++files;
  }
  EXPECT_EQ(files, goldens().size());
}

TEST(ControlMessageTest, UnknownFieldsAreIgnored) {
  for (const Golden& golden : goldens()) {
    std::string text = read_golden(golden.file);
    text.insert(1, R"("from_the_future":{"a":[1,2,null]},"required":true,)");
    const auto message = decode(text);
    ASSERT_TRUE(message) << golden.file << message.error().message;
    EXPECT_EQ(*message, golden.message) << golden.file;
  }
}

TEST(ControlMessageTest, UnknownTypesAreSkippedUnlessRequired) {
  EXPECT_EQ(*decode(R"({"type":"dance","steps":3})"), ControlMessage(Unknown{"dance"}));
  EXPECT_EQ(*decode(R"({"type":"dance","required":false})"), ControlMessage(Unknown{"dance"}));
  EXPECT_EQ(*decode(R"({"type":"dance","required":"true"})"), ControlMessage(Unknown{"dance"}));
  const auto refused = decode(R"({"type":"dance","required":true})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "cannot read control message: required type 'dance' is unknown");
}

TEST(ControlMessageTest, MissingFieldsHaveDefaults) {
  EXPECT_EQ(*decode(R"({"type":"stats"})"), ControlMessage(Stats{}));
  EXPECT_EQ(*decode(R"({"type":"drained"})"), ControlMessage(Drained{}));
  EXPECT_EQ(*decode(R"({"type":"drain","reason":"scale"})"),
            ControlMessage(Drain{DrainReason::Scale, Millis{60'000}, IdlePolicy::Close}));
  EXPECT_EQ(*decode(R"({"type":"welcome"})"), ControlMessage(Welcome{}));
  EXPECT_EQ(*decode(R"({"type":"hello","protocol":{}})"), ControlMessage(Hello{}));
}

TEST(ControlMessageTest, AnIdlePolicyFromTheFutureFallsBackToClose) {
  EXPECT_EQ(
      std::get<Drain>(*decode(R"({"type":"drain","reason":"reload","idle":"teleport"})")).idle,
      IdlePolicy::Close);
}

TEST(ControlMessageTest, WhatIsMalformedIsRefused) {
  for (const std::string_view text : {
           "",
           " ",
           "null",
           "[]",
           "1",
           "\"ready\"",
           "{",
           "{}",
           R"({"type":1})",
           R"({"type":""})",
           R"({"type":"ready"}x)",
           R"({"type":"ready",})",
           R"({"type":"stats","requests":-1})",
           R"({"type":"stats","requests":1.5})",
           R"({"type":"stats","requests":"1"})",
           R"({"type":"stats","requests":9223372036854775808})",
           R"({"type":"stats","requests":1e3})",
           R"({"type":"hello"})",
           R"({"type":"hello","protocol":1})",
           R"({"type":"hello","protocol":{"min":2,"max":1}})",
           R"({"type":"hello","protocol":{"max":1},"features":[1]})",
           R"({"type":"hello","protocol":{"max":1},"features":"x"})",
           R"({"type":"hello","protocol":{"max":1},"pid":2147483648})",
           R"({"type":"draining"})",
           R"({"type":"draining","reason":"boredom"})",
           R"({"type":"drain","reason":"reload","stop_timeout_ms":36000000001})",
           R"({"type":"drain","reason":"reload","idle":1})",
           R"({"type":"welcome","listeners":{}})",
           R"({"type":"welcome","listeners":[1]})",
           R"({"type":"welcome","options":[]})",
           R"({"type":"welcome","options":{"stop_timeout_ms":"1s"}})",
           R"({"type":"welcome","ticket_keys":{}})",
           R"({"type":"welcome","ticket_keys":[1]})",
           R"({"type":"welcome","ticket_keys":["00ff"]})",
           R"({"type":"reopen_logs","fds":"access_log"})",
           "{\"type\":\"\xff\"}",
           "{\"type\":\"ready\"\0}",
       }) {
    const auto message = decode(text);
    ASSERT_FALSE(message) << text;
    EXPECT_TRUE(message.error().message.starts_with("cannot read control message: ")) << text;
  }
}

TEST(ControlMessageTest, MessagesAreBounded) {
  const std::string text = R"({"type":"ready","x":")";
  const std::string fits = text + std::string(kMaxControlMessage - text.size() - 2, 'x') + "\"}";
  EXPECT_TRUE(decode(fits));
  EXPECT_FALSE(decode(fits + " "));
  EXPECT_FALSE(decode(std::string(kMaxControlMessage, '[')));
}

TEST(ControlMessageTest, TicketKeysAreBoundedAndWhole) {
  const std::string hex = to_hex(key_of(0));
  EXPECT_EQ(hex.size(), 160u);
  EXPECT_EQ(ticket_key_from_hex(hex), key_of(0));
  const auto welcome = [](const std::string& keys) {
    return R"({"type":"welcome","ticket_keys":[)" + keys + "]}";
  };
  std::string keys = '"' + hex + '"';
  for (std::size_t i = 1; i < kMaxTicketKeys; ++i) keys += ",\"" + hex + '"';
  EXPECT_TRUE(decode(welcome(keys)));
  EXPECT_FALSE(decode(welcome(keys + ",\"" + hex + '"')));
  EXPECT_FALSE(decode(welcome('"' + hex.substr(1) + "g\"")));
}

TEST(ControlMessageTest, DescriptorsAreBounded) {
  std::string names;
  for (std::size_t i = 0; i < kMaxControlFds; ++i) names += ",\"a\"";
  names.erase(0, 1);
  EXPECT_TRUE(decode(R"({"type":"reopen_logs","fds":[)" + names + "]}"));
  EXPECT_FALSE(decode(R"({"type":"reopen_logs","fds":["b",)" + names + "]}"));
  EXPECT_FALSE(decode(R"({"type":"welcome","listeners":[{}],"fds":[)" + names + "]}"));
}

TEST(ControlMessageTest, BytesThatAreNotUtf8AreReplacedNeverThrown) {
  const auto message = decode(encode(ReopenLogs{{"a\xff"}}));
  ASSERT_TRUE(message);
  EXPECT_EQ(std::get<ReopenLogs>(*message).fds.front(), "a\xEF\xBF\xBD");
}

TEST(ControlMessageTest, ExpectedDescriptorsAreThoseThatAreNamed) {
  for (const Golden& golden : goldens()) {
    const std::size_t expected = golden.file == "welcome"        ? 4
                                 : golden.file == "reopen_logs"  ? 1
                                 : golden.file == "peer"         ? 1
                                 : golden.file == "welcome_kept" ? 1
                                                                 : 0;
    EXPECT_EQ(expected_fds(golden.message), expected) << golden.file;
  }
}

TEST(ControlMessageTest, TheHighestCommonVersionIsSpoken) {
  EXPECT_EQ(common_protocol({1, 1}, {1, 1}), 1);
  EXPECT_EQ(common_protocol({1, 3}, {2, 5}), 3);
  EXPECT_EQ(common_protocol({2, 5}, {1, 3}), 3);
  EXPECT_EQ(common_protocol({1, 5}, {2, 3}), 3);
  EXPECT_EQ(common_protocol({1, 1}, {2, 3}), std::nullopt);
  EXPECT_EQ(common_protocol({2, 3}, {1, 1}), std::nullopt);
}

TEST(ControlMessageTest, EveryReasonSurvivesTheWire) {
  for (const DrainReason reason :
       {DrainReason::Reload, DrainReason::Shutdown, DrainReason::Scale, DrainReason::Recycle,
        DrainReason::Rollback, DrainReason::Orphaned, DrainReason::Operator}) {
    const ControlMessage message = Draining{reason};
    EXPECT_EQ(*decode(encode(message)), message) << to_string(reason);
  }
}

}  // namespace
}  // namespace holdfast
