#include "shared/core/prometheus_text.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "shared/core/exposition.hpp"

namespace holdfast {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file(std::string(HOLDFAST_GOLDEN_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class PrometheusTextGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PrometheusTextGoldenTest, AStatusIsThisText) {
  const auto text = prometheus_text(golden(std::string("status/") + GetParam() + ".json"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, golden(std::string("metrics/") + GetParam() + ".txt"));
}

INSTANTIATE_TEST_SUITE_P(OfTheSupervisor, PrometheusTextGoldenTest,
                         ::testing::Values("starting", "serving", "reloading"));

TEST(PrometheusTextTest, EveryMetricIsInTheDocumentation) {
  const std::string docs = golden("../../docs/metrics.md");
  std::istringstream lines(golden("metrics/reloading.txt"));
  int found = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const std::string name = line.substr(7, line.rfind(' ') - 7);
    EXPECT_NE(docs.find("`" + name + "`"), std::string::npos) << name;
    ++found;
  }
  EXPECT_GT(found, 20);
}

TEST(PrometheusTextTest, AListenerWithoutTrafficHasZeros) {
  const auto text = prometheus_text(R"({"listeners":[{"name":"admin"}]})");
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("holdfast_http_requests_total{listener=\"admin\",code=\"5xx\"} 0\n"),
            std::string::npos);
  EXPECT_NE(text->find("holdfast_http_request_duration_seconds_count{listener=\"admin\"} 0\n"),
            std::string::npos);
}

TEST(PrometheusTextTest, ALabelThatHoldsQuotesAndNewlinesStaysInItsLine) {
  const auto text = prometheus_text(R"({"name":"a\"b\\c\nd","label":"x"})");
  ASSERT_TRUE(text);
  EXPECT_NE(text->find(R"(holdfast_info{name="a\"b\\c\nd",version="",label="x"} 1)"),
            std::string::npos);
}

TEST(PrometheusTextTest, FieldsOfAnotherShapeCountAsNothing) {
  const auto text = prometheus_text(
      R"({"workers":7,"listeners":{"a":1},"counters":[1],"uptime_ms":-1,"draining":"x",
          "generations":[3,null,{}],"last_reload":[]})");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->find("holdfast_uptime_seconds 0\n"), std::string::npos);
}

TEST(PrometheusTextTest, WhatIsNoJsonObjectIsRefusedWithAReason) {
  for (const char* bad : {"", "[]", "{", "null", "7"}) {
    const auto text = prometheus_text(bad);
    ASSERT_FALSE(text) << bad;
    EXPECT_EQ(text.error().message, "cannot render metrics: the status is no JSON object");
  }
}

TEST(PrometheusTextTest, ABucketHoldsAllThatWasFaster) {
  const auto text = prometheus_text(
      R"({"counters":{"listeners":[{"name":"http","latency_us":1500000,
          "latency":[1,0,2,0,0,0,0,0,0,0,0,0,0,0,4]}]}})");
  ASSERT_TRUE(text);
  const auto has = [&](const std::string& line) {
    return text->find("holdfast_http_request_duration_seconds_" + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has(R"(bucket{listener="http",le="0.0005"} 1)"));
  EXPECT_TRUE(has(R"(bucket{listener="http",le="0.0025"} 3)"));
  EXPECT_TRUE(has(R"(bucket{listener="http",le="10"} 3)"));
  EXPECT_TRUE(has(R"(bucket{listener="http",le="+Inf"} 7)"));
  EXPECT_TRUE(has(R"(count{listener="http"} 7)"));
  EXPECT_TRUE(has(R"(sum{listener="http"} 1.5)"));
}

TEST(ExpositionTest, SecondsAreExactDecimals) {
  EXPECT_EQ(seconds_text(0), "0");
  EXPECT_EQ(seconds_text(500), "0.0005");
  EXPECT_EQ(seconds_text(1'000'001), "1.000001");
  EXPECT_EQ(seconds_text(10'000'000), "10");
  EXPECT_EQ(seconds_text(18'446'744'073'709'551'615U), "18446744073709.551615");
}

}  // namespace
}  // namespace holdfast
