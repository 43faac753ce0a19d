// What the hot path costs a request, in nanoseconds: http_bench [--benchmark_filter=...].
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "worker/core/access_record.hpp"
#include "worker/core/head_scan.hpp"
#include "worker/core/response_head.hpp"
#include "worker/core/timer_wheel.hpp"
#include "worker/io/request_parser.hpp"

namespace holdfast::worker {
namespace {

void access_line(benchmark::State& state) {
  AccessRecord record;
  record.protocol = "HTTP/1.1";
  record.http_method = "GET";
  record.url = "/index.html?q=1";
  record.http_host = "example.org:8080";
  record.http_status_code = 200;
  record.response_size = 13;
  record.bytes_received = 87;
  record.bytes_sent = 128;
  record.remote_ipaddr = "192.0.2.7";
  record.remote_port = 40122;
  record.http_user_agent =
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 "
      "Safari/537.36";
  record.http_referer = "https://example.org/from/here";
  record.request_id = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
  record.listener = "http";
  record.conn_id = {3, 7, 1042};
  record.conn_requests = 2;
  record.pid = 4711;
  record.worker = 7;
  record.generation = 3;
  std::string out;
  out.reserve(1 << 16);
  std::int64_t micros = 1'767'323'045'000'006;
  for (auto _ : state) {
    if (out.size() > 32'768) out.clear();
    record.start_at = WallTime(std::chrono::microseconds(micros));
    record.logged_at = WallTime(std::chrono::microseconds(micros += 123));
    append_access_line(out, record);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(access_line);

constexpr std::string_view kWrk = "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
constexpr std::string_view kCurl =
    "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\n"
    "Accept: */*\r\n\r\n";
constexpr std::string_view kBrowser =
    "GET /static/app.js?v=17 HTTP/1.1\r\nHost: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\nReferer: https://www.example.org/start\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: script\r\nSec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Site: same-origin\r\nIf-None-Match: \"17-abcdef\"\r\n\r\n";

void scan(benchmark::State& state, std::string_view head) {
  for (auto _ : state) {
    std::size_t resume = 0;
    benchmark::DoNotOptimize(head);
    benchmark::DoNotOptimize(scan_head(head, resume, {}));
  }
}
BENCHMARK_CAPTURE(scan, wrk, kWrk);
BENCHMARK_CAPTURE(scan, curl, kCurl);
BENCHMARK_CAPTURE(scan, browser, kBrowser);

void parse(benchmark::State& state, std::string_view head) {
  RequestParser parser;
  for (auto _ : state) {
    benchmark::DoNotOptimize(head);
    benchmark::DoNotOptimize(parser.parse_head(head, {}));
  }
}
BENCHMARK_CAPTURE(parse, wrk, kWrk);
BENCHMARK_CAPTURE(parse, curl, kCurl);
BENCHMARK_CAPTURE(parse, browser, kBrowser);

void response_head(benchmark::State& state) {
  const HeaderField fields[] = {{"Content-Type", "text/plain"}};
  ResponseHead head;
  head.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  head.fields = fields;
  head.content_length = 13;
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_response_head(out, head);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(response_head);

// What a request does: its header deadline at its first byte, its idle deadline at its end.
void deadlines_of_a_request(benchmark::State& state) {
  TimerWheel wheel;
  std::vector<Timer> timers(10'000);
  TimePoint now{Millis{1'000'000}};
  for (Timer& timer : timers) wheel.schedule(timer, now + Millis{75'000});
  std::size_t i = 0;
  for (auto _ : state) {
    Timer& timer = timers[i++ % timers.size()];
    now += std::chrono::microseconds(10);
    wheel.schedule(timer, now + Millis{10'000});
    wheel.schedule(timer, now + Millis{75'000});
    wheel.advance(now, [](Timer&) {});
  }
}
BENCHMARK(deadlines_of_a_request);

}  // namespace
}  // namespace holdfast::worker

BENCHMARK_MAIN();
