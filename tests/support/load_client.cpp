#include "tests/support/load_client.hpp"

#include "tests/support/load_client_engine.hpp"

namespace holdfast::testing {

LoadClient::LoadClient(LoadOptions options)
    : engine_(std::make_unique<Engine>(std::move(options))) {}

LoadClient::~LoadClient() {
  if (!thread_.joinable()) return;
  engine_->stop();
  engine_->stop();
  thread_.join();
}

LoadResult LoadClient::run() { return engine_->run(); }

void LoadClient::start() {
  thread_ = std::thread([this] {
    try {
      result_ = std::make_unique<LoadResult>(engine_->run());
    } catch (...) {
      error_ = std::current_exception();
      engine_->recorder().finish(std::chrono::steady_clock::now());  // wakes who waits for requests
    }
  });
}

LoadResult LoadClient::finish() {
  engine_->stop();
  return join();
}

LoadResult LoadClient::join() {
  thread_.join();
  if (error_) std::rethrow_exception(error_);
  return std::move(*result_);
}

void LoadClient::stop() { engine_->stop(); }
void LoadClient::expect_stop() { engine_->expect_stop(); }
void LoadClient::mark(TimePoint instant) { engine_->recorder().mark(instant); }
void LoadClient::wake() { engine_->wake(); }
bool LoadClient::over() const { return engine_->recorder().over(); }
std::uint64_t LoadClient::requests_done() const { return engine_->recorder().done(); }
std::uint64_t LoadClient::requests_failed() const { return engine_->recorder().failures(); }
std::uint64_t LoadClient::connections_open() const { return engine_->recorder().open(); }
std::uint64_t LoadClient::connections_parked() const { return engine_->recorder().parked_now(); }
std::uint64_t LoadClient::wakes() const { return engine_->recorder().wakes(); }
std::uint64_t LoadClient::connections_awake() const { return engine_->recorder().awake_now(); }
bool LoadClient::wait_for_requests(std::uint64_t count, Nanos timeout) {
  return engine_->recorder().wait_for(count, timeout);
}

}  // namespace holdfast::testing
