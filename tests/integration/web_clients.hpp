// What tests of several kinds of clients share: a demo worker with files, with TLS or without, and
// curl before it.
#pragma once

#include <memory>
#include <optional>

#include "tests/integration/streams_fixture.hpp"
#include "tests/integration/tls_fixture.hpp"

namespace holdfast::testing {

enum class Scheme : std::uint8_t { Http, Https };
inline std::ostream& operator<<(std::ostream& out, Scheme scheme) {
  return out << (scheme == Scheme::Http ? "Http" : "Https");
}

class WebClientsTest : public ::testing::TestWithParam<Scheme> {
 protected:
  bool secure() const { return GetParam() == Scheme::Https; }

  void start(std::vector<std::string> flags = {}) {
    std::vector<std::string> command = {demo_path()};
    if (secure()) {
      certificate.emplace(folder, "server");
      command = demo_with(*certificate);
    }
    for (const char* more : {"--files", folder.path().c_str(), "--ws-grace", "200ms"})
      command.emplace_back(more);
    run = std::make_unique<SupervisorRun>(
        SupervisorOptions{.flags = std::move(flags), .command = command});
    address = run->wait_ready().address();
  }
  std::vector<std::string> curl(std::vector<std::string> arguments, const std::string& path) {
    arguments.insert(arguments.begin(), {"curl", "-sS", "--fail"});
    if (secure()) arguments.insert(arguments.end(), {"--cacert", certificate->certificate});
    arguments.push_back(secure() ? "https://localhost:" + port_of(address) + path
                                 : "http://" + address + path);
    return arguments;
  }

  TempDir folder;
  std::optional<Certificate> certificate;
  std::unique_ptr<SupervisorRun> run;
  std::string address;
};

// FNV-1a, as the demo sums up an upload.
class Checksum {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) sum_ = (sum_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  std::string text() const { return std::to_string(sum_); }
  bool operator==(const Checksum&) const = default;

 private:
  std::uint64_t sum_ = 0xcbf29ce484222325;
};

}  // namespace holdfast::testing
