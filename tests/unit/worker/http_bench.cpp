// What the hot path costs a request, in nanoseconds: http_bench [--benchmark_filter=...].
#include <string>

#include <benchmark/benchmark.h>

#include "worker/core/access_record.hpp"

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

}  // namespace
}  // namespace holdfast::worker

BENCHMARK_MAIN();
