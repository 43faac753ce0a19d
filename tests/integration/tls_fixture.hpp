// Certificates made for one test, and clients that we did not write: openssl s_client and curl.
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
#include "tests/support/load_client_tls.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {

// A self-signed certificate for localhost and 127.0.0.1 with its key. Replacing one keeps its
// paths.
class Certificate {
 public:
  Certificate(const TempDir& files, const std::string& name)
      : certificate(files.file(name + ".crt")), key(files.file(name + ".key")) {
    replace();
  }

  void replace() const {
    const auto made =
        run_command({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                     "-addext", "subjectAltName=DNS:localhost,DNS:other.test,IP:127.0.0.1",
                     "-keyout", key, "-out", certificate});
    if (made.status != exited(0)) throw std::runtime_error("cannot make certificate: " + made.err);
  }

  std::vector<std::string> demo(std::vector<std::string> more = {}) const {
    std::vector<std::string> command{demo_path(), "--tls-cert", certificate, "--tls-key", key};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  const std::string certificate;
  const std::string key;
};

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
  // Up to the end of `what`.
  std::string read_until(const std::string& what) {
    std::string text;
    std::array<char, 4096> piece{};
    bool emptied = false;
    while (text.find(what) == std::string::npos) {
      const ssize_t n = tls->receive(piece, emptied);
      if (n == 0 || (n < 0 && (errno != EAGAIN || !wait_readable(raw.fd(), kCap)))) break;
      if (n > 0) text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return text;
  }
  Idle wait_end() {
    while (tls->probe() == Idle::Quiet && wait_readable(raw.fd(), kCap)) {
    }
    return tls->probe();
  }
  TlsClientContext context;
  RawClient raw;
  std::unique_ptr<TlsClient> tls;
};

}  // namespace holdfast::testing
