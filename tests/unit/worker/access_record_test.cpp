#include "worker/core/access_record.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace holdfast::worker {
namespace {

using Json = nlohmann::ordered_json;

AccessRecord typical() {
  AccessRecord record;
  record.logged_at = WallTime(std::chrono::microseconds(1'767'323'045'000'006));
  record.start_at = WallTime(std::chrono::microseconds(1'767'323'044'999'883));
  record.response_time = std::chrono::microseconds(123);
  record.protocol = "HTTP/1.1";
  record.http_method = "GET";
  record.url = "/index.html?q=1";
  record.http_host = "example.org:8080";
  record.http_status_code = 200;
  record.request_size = 0;
  record.response_size = 13;
  record.bytes_received = 87;
  record.bytes_sent = 128;
  record.remote_ipaddr = "192.0.2.7";
  record.remote_port = 40122;
  record.http_user_agent = "curl/7.88.1";
  record.request_id = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
  record.listener = "http";
  record.conn_id = {3, 7, 1042};
  record.conn_requests = 2;
  record.pid = 4711;
  record.worker = 7;
  record.generation = 3;
  return record;
}

std::string line_of(const AccessRecord& record) {
  std::string line;
  append_access_line(line, record);
  return line;
}

// What every line promises, whatever is in it.
Json checked(const std::string& line) {
  EXPECT_LE(line.size(), kMaxAccessLine);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  for (const char c : line) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  const Json json = Json::parse(line, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << line;
  return json;
}

TEST(AccessRecordTest, LabelOfTheDeployFollowsItsGeneration) {
  AccessRecord record = typical();
  record.label = "v1.2 \"hot\"";
  EXPECT_NE(line_of(record).find(R"("generation":3,"label":"v1.2 \"hot\"","completion")"),
            std::string::npos)
      << line_of(record);
}

TEST(AccessRecordTest, LineHasTheSchemasKeysInItsOrder) {
  EXPECT_EQ(
      line_of(typical()),
      R"({"logged_at":"2026-01-02T03:04:05.000006Z","type":"access","severity":"info",)"
      R"("start_at":"2026-01-02T03:04:04.999883Z","response_time":0.000123,"protocol":"HTTP/1.1",)"
      R"("http_method":"GET","url":"/index.html?q=1","http_host":"example.org:8080",)"
      R"("http_status_code":200,"request_size":0,"response_size":13,"bytes_received":87,)"
      R"("bytes_sent":128,"remote_ipaddr":"192.0.2.7","remote_port":40122,)"
      R"("http_user_agent":"curl/7.88.1","request_id":"0a1b2c3d4e5f60718293a4b5c6d7e8f9",)"
      R"("listener":"http","conn_id":"3-7-1042","conn_requests":2,"pid":4711,"worker":7,)"
      R"("generation":3,"completion":"ok"})"
      "\n");
}

TEST(AccessRecordTest, TlsIsAnObjectBehindTheCompletion) {
  AccessRecord record = typical();
  TlsInfo tls{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "example.org", "http/1.1", true};
  record.tls = &tls;
  const std::vector<LogField> fields{{"user", "anne"}};
  record.fields = fields;
  EXPECT_TRUE(line_of(record).ends_with(
      R"("completion":"ok","tls":{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384",)"
      R"("server_name":"example.org","alpn":"http/1.1","resumed":true},"user":"anne"})"
      "\n"))
      << line_of(record);
  tls.server_name = tls.alpn = {};
  tls.resumed = false;
  const Json json = checked(line_of(record));
  EXPECT_EQ(json["tls"].size(), 3u) << json;
  EXPECT_EQ(json["tls"]["resumed"], false);
}

TEST(AccessRecordTest, AHostileServerNameIsTextLikeAnyOther) {
  AccessRecord record = typical();
  const std::string name = "\"},\"url\":\"/forged\n" + std::string(250, '\xff');
  const TlsInfo tls{"TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", name, "http/1.1", false};
  record.tls = &tls;
  Json json = checked(line_of(record));
  EXPECT_TRUE(json["tls"]["server_name"].get<std::string>().starts_with("\"},\"url\":\"/forged\n"));
  EXPECT_EQ(json["url"], "/index.html?q=1");

  // Where there is no room for it, it gives way after the user agent and before the host.
  const std::string url = "/" + std::string(2047, 'u');
  const std::string control(512, '\x01');
  record.url = url;
  record.http_host = control;
  json = checked(line_of(record));
  EXPECT_EQ(json["truncated"], Json::array({"http_host", "http_user_agent", "tls.server_name"}));
  EXPECT_EQ(json["tls"]["version"], "TLSv1.2");
}

TEST(AccessRecordTest, UnknownFieldsAreAbsent) {
  const Json json = checked(line_of(AccessRecord{}));
  for (const char* key :
       {"protocol", "http_method", "url", "http_host", "remote_ipaddr", "remote_port", "client_ip",
        "http_user_agent", "http_referer", "request_id", "listener", "draining", "handed_off_from",
        "tls", "truncated"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
}

TEST(AccessRecordTest, DrainingAndHandedOffFromAppearWhenTrue) {
  AccessRecord record = typical();
  record.draining = true;
  record.handed_off_from = 6;
  const Json json = checked(line_of(record));
  EXPECT_EQ(json["draining"], true);
  EXPECT_EQ(json["handed_off_from"], 6);
}

TEST(AccessRecordTest, SeverityFollowsTheStatusAndTheHandler) {
  const auto severity = [](int status, Completion completion) {
    AccessRecord record = typical();
    record.http_status_code = status;
    record.completion = completion;
    return checked(line_of(record))["severity"].get<std::string>();
  };
  EXPECT_EQ(severity(200, Completion::Ok), "info");
  EXPECT_EQ(severity(399, Completion::Ok), "info");
  EXPECT_EQ(severity(400, Completion::Rejected), "warning");
  EXPECT_EQ(severity(499, Completion::ClientAborted), "warning");
  EXPECT_EQ(severity(500, Completion::Ok), "error");
  EXPECT_EQ(severity(503, Completion::Cut), "error");
  EXPECT_EQ(severity(200, Completion::HandlerError), "error");
}

TEST(AccessRecordTest, EveryCompletionHasItsName) {
  const std::vector<std::string_view> names{
      "ok", "client_aborted", "timeout", "cut", "handler_error", "rejected", "hijacked"};
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(to_string(static_cast<Completion>(i)), names[i]);
}

TEST(AccessRecordTest, ResponseTimeHasMicrosecondDigits) {
  const auto time = [](std::int64_t micros) {
    AccessRecord record;
    record.response_time = std::chrono::microseconds(micros);
    const std::string line = line_of(record);
    const std::size_t at = line.find("\"response_time\":") + 16;
    return line.substr(at, line.find(',', at) - at);
  };
  EXPECT_EQ(time(0), "0.000000");
  EXPECT_EQ(time(1), "0.000001");
  EXPECT_EQ(time(999'999), "0.999999");
  EXPECT_EQ(time(61'000'001), "61.000001");
  EXPECT_EQ(time(-5), "0.000000");
}

TEST(AccessRecordTest, LongValuesAreCutAndNamed) {
  AccessRecord record = typical();
  const std::string url = "/" + std::string(3000, 'u');
  const std::string agent(600, 'a');
  record.url = url;
  record.http_user_agent = agent;
  const Json json = checked(line_of(record));
  EXPECT_EQ(json["url"].get<std::string>().size(), kMaxLoggedUrl);
  EXPECT_EQ(json["http_user_agent"].get<std::string>().size(), kMaxLoggedText);
  EXPECT_EQ(json["truncated"], Json::array({"url", "http_user_agent"}));
}

TEST(AccessRecordTest, ACutFallsBetweenCharacters) {
  AccessRecord record = typical();
  const std::string agent = std::string(511, 'a') + "\xC3\xA9";
  record.http_user_agent = agent;
  EXPECT_EQ(checked(line_of(record))["http_user_agent"].get<std::string>(), std::string(511, 'a'));
}

TEST(AccessRecordTest, BytesThatExpandNeverBreakTheLine) {
  for (const std::string_view unit : {"\x01", "\xff", "\x7f", "\"", "\n", "\\", "\xC3\xA9"}) {
    std::string bytes;
    while (bytes.size() < 5000) bytes += unit;
    std::vector<LogField> fields(40, LogField{"key", bytes});
    AccessRecord record = typical();
    record.url = record.http_method = record.http_host = record.http_user_agent = bytes;
    record.http_referer = record.request_id = record.listener = record.client_ip = bytes;
    record.protocol = record.remote_ipaddr = bytes;
    const TlsInfo tls{bytes, bytes, bytes, bytes, true};
    record.tls = &tls;
    record.fields = fields;
    const Json json = checked(line_of(record));
    EXPECT_TRUE(json.contains("truncated"));
    EXPECT_EQ(json["http_status_code"], 200);
  }
}

TEST(AccessRecordTest, WhatMattersLeastIsShortenedFirst) {
  AccessRecord record = typical();
  const std::string url = "/" + std::string(2047, 'u');
  const std::string text(512, 't');
  record.url = url;
  record.http_user_agent = record.http_referer = text;
  const std::vector<LogField> fields{{"first", text}, {"second", text}};
  record.fields = fields;
  Json json = checked(line_of(record));
  EXPECT_EQ(json["truncated"], Json::array({"first", "second"}));
  EXPECT_EQ(json["http_referer"].get<std::string>(), text);

  const std::string control(512, '\x01');
  record.fields = {};
  record.http_referer = control;
  json = checked(line_of(record));
  EXPECT_EQ(json["truncated"], Json::array({"http_referer"}));
  EXPECT_EQ(json["url"].get<std::string>(), url);
  EXPECT_EQ(json["http_user_agent"].get<std::string>(), text);
  EXPECT_GT(line_of(record).size(), kMaxAccessLine - 200) << "shortened more than needed";
}

TEST(AccessRecordTest, HandlerFieldsComeLastAndKeepTheirKind) {
  AccessRecord record = typical();
  const std::vector<LogField> fields{
      {"user", "ann\"e"},
      {"rows", "42", LogField::Kind::Literal},
      {"ratio", "-1.5e-3", LogField::Kind::Literal},
      {"cached", "true", LogField::Kind::Literal},
      {"none", "null", LogField::Kind::Literal},
  };
  record.fields = fields;
  const std::string line = line_of(record);
  checked(line);
  EXPECT_TRUE(line.ends_with(R"("completion":"ok","user":"ann\"e","rows":42,"ratio":-1.5e-3,)"
                             R"("cached":true,"none":null})"
                             "\n"))
      << line;
}

TEST(AccessRecordTest, ALiteralThatIsNoneBecomesText) {
  for (const char* value : {"", "01", "-", "1.", ".5", "1e", "1e999", "+1", "0x1", "NaN", "tru",
                            "1,\"a\":2", "{}", "1 ", "111111111111111111111111111111111"}) {
    AccessRecord record = typical();
    const std::vector<LogField> fields{{"value", value, LogField::Kind::Literal}};
    record.fields = fields;
    EXPECT_EQ(checked(line_of(record))["value"], value);
  }
}

TEST(AccessRecordTest, HandlerFieldsCannotForgeTheSchemasOwn) {
  AccessRecord record = typical();
  const std::vector<LogField> fields{{"url", "/forged"}, {"type", "event"},  {"a\"b", "x"},
                                     {"", "x"},          {"truncated", "x"}, {"ok", "x"}};
  record.fields = fields;
  const std::string line = line_of(record);
  EXPECT_EQ(line.find("forged"), std::string::npos);
  EXPECT_TRUE(line.ends_with(",\"completion\":\"ok\",\"ok\":\"x\"}\n")) << line;
}

TEST(AccessRecordTest, RandomBytesInEveryFieldStillGiveOneValidLine) {
  const unsigned seed = 20'260'102;
  std::mt19937 random(seed);
  const auto bytes = [&random](std::size_t most) {
    std::string text(random() % most, '\0');
    const bool narrow = random() % 2 == 0;
    for (char& c : text) c = static_cast<char>(narrow ? random() % 32 : random() % 256);
    return text;
  };
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    std::vector<std::string> texts;
    for (int i = 0; i < 45; ++i) texts.push_back(bytes(i == 0 ? 4000 : 700));
    std::vector<LogField> fields;
    for (std::size_t i = 10; i < 10 + random() % 30; ++i)
      fields.push_back({i % 2 == 0 ? "key_that_is_exactly_forty_bytes_long____" : "k", texts[i]});
    AccessRecord record = typical();
    record.url = texts[0];
    record.http_method = texts[1];
    record.http_host = texts[2];
    record.http_user_agent = texts[3];
    record.http_referer = texts[4];
    record.request_id = texts[5];
    record.protocol = texts[6];
    record.listener = texts[7];
    record.remote_ipaddr = texts[8];
    record.client_ip = texts[9];
    record.label = texts[44];
    const TlsInfo tls{texts[40], texts[41], texts[42], texts[43], round % 2 == 0};
    if (round % 4 != 0) record.tls = &tls;
    record.fields = fields;
    record.conn_id = {~0ULL, ~0ULL, ~0ULL};
    record.request_size = record.response_size = record.bytes_received = record.bytes_sent = ~0ULL;
    record.conn_requests = record.pid = record.worker = record.generation = ~0ULL;
    record.handed_off_from = ~0ULL;
    record.draining = true;
    record.response_time = std::chrono::microseconds::max();
    checked(line_of(record));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace holdfast::worker
