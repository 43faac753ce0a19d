// Workers with TLS, and their clients: openssl s_client, curl, and one in the hands of a test.
#pragma once

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "shared/io/syscall.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/certificate.hpp"
#include "tests/support/load_client_tls.hpp"

namespace holdfast::testing {

inline std::vector<std::string> demo_with(const Certificate& certificate,
                                          std::vector<std::string> more = {}) {
  std::vector<std::string> command{demo_path(), "--tls-cert", certificate.certificate, "--tls-key",
                                   certificate.key};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

inline std::string port_of(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

// One request by openssl s_client, which reads to the end of the connection.
inline CommandResult s_client(
    const std::string& address, std::vector<std::string> arguments,
    const std::string& request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") {
  arguments.insert(arguments.begin(), {"openssl", "s_client", "-connect", address, "-ign_eof"});
  return run_command(arguments, request);
}

inline bool says(const CommandResult& result, const std::string& what) {
  return (result.out + result.err).find(what) != std::string::npos;
}

// Trusts `certificate` alone; the address is reached by the name that it is for.
inline CommandResult curl_https(const std::string& address, const std::string& certificate,
                                std::vector<std::string> arguments, const std::string& path = "/",
                                std::string_view input = {}) {
  arguments.insert(arguments.begin(), {"curl", "-sS", "--max-time", "25", "--cacert", certificate});
  arguments.push_back("https://localhost:" + port_of(address) + path);
  return run_command(arguments, input);
}

// TLS over a connection that a test holds in its hands.
struct OwnClient {
  explicit OwnClient(const std::string& address) : raw(address) {
    int flags = ::fcntl(raw.fd(), F_GETFL);
    ::fcntl(raw.fd(), F_SETFL, flags | O_NONBLOCK);
    tls = std::make_unique<TlsClient>(context, raw.fd());
  }
  TlsClient::Step shake() {
    for (;;) {
      const auto step = tls->handshake();
      if (step != TlsClient::Step::Waiting || !wait_readable(raw.fd(), kCap)) return step;
    }
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = tls->send(bytes.data(), bytes.size());
      if (n < 0 && (errno != EAGAIN || !wait_writable(raw.fd(), kCap)))
        throw std::runtime_error("cannot send");
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  // Up to the end of `what`; what is behind it is kept for the next call.
  std::string read_until(const std::string& what) {
    std::array<char, 4096> piece{};
    bool emptied = false;
    while (in.find(what) == std::string::npos) {
      const ssize_t n = tls->receive(piece, emptied);
      if (n == 0 || (n < 0 && (errno != EAGAIN || !wait_readable(raw.fd(), kCap)))) break;
      if (n > 0) in.append(piece.data(), static_cast<std::size_t>(n));
    }
    const std::size_t at = in.find(what);
    std::string taken = in.substr(0, at == std::string::npos ? at : at + what.size());
    in.erase(0, taken.size());
    return taken;
  }
  Idle wait_end() {
    while (tls->probe() == Idle::Quiet && wait_readable(raw.fd(), kCap)) {
    }
    return tls->probe();
  }
  TlsClientContext context;
  RawClient raw;
  std::string in;
  std::unique_ptr<TlsClient> tls;
};

}  // namespace holdfast::testing
