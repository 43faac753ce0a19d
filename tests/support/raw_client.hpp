// One connection in the hands of a test: sends exactly the bytes it is told and says exactly what
// came back. Blocking, each wait ends at the deadline; what goes wrong throws RawClientError with
// all that is known, which gtest reports as a failure of the test.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "shared/io/unique_fd.hpp"
#include "tests/support/child_process.hpp"

namespace holdfast::testing {

struct RawClientError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ConnectRefused : RawClientError {
  using RawClientError::RawClientError;
};

struct Response {
  std::string version;  // "HTTP/1.1"
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "
  std::map<std::string, std::string> trailers;
  std::string body;  // without chunk framing
  int chunks = 0;

  std::string header(const std::string& name) const;  // "" when absent
  bool says_close() const { return header("connection") == "close"; }
  pid_t pid() const;       // of X-Worker
  int generation() const;  // of X-Generation
};

// How a connection went on when nothing more was expected of it.
enum class End : std::uint8_t { Closed, Reset, Bytes, StillOpen };
std::ostream& operator<<(std::ostream& out, End end);

class RawClient {
 public:
  // `address` as the supervisor prints it: 127.0.0.1:80, [::1]:80, unix:/path, unix:@name.
  explicit RawClient(const std::string& address, Millis cap = kCap);

  RawClient& send(std::string_view bytes);
  // shutdown(SHUT_WR): the server reads an end of file, and can still answer.
  RawClient& half_close();
  // With RST (SO_LINGER of zero): what a crashed client looks like.
  void reset();

  // Reads one response to its end; bytes of a next one are kept for the next call. `head_only` for
  // the answer to a HEAD. 1xx responses are returned like any other.
  Response read_response(bool head_only = false);
  // The same in two steps, for what must happen in the middle of a response.
  Response read_head();
  void read_body(Response& response);
  Response get(const std::string& target, const std::string& headers = "");
  Response post(const std::string& target, const std::string& body);
  // Up to and with `end`, for tests that look inside a response.
  std::string read_until(std::string_view end);
  // Whatever comes next, at most `most` bytes; "" at the end of file.
  std::string read_some(std::size_t most = 65536);
  // So many bytes, or all until the end of file.
  std::string read_bytes(std::size_t size) { return take(size); }
  std::string read_all();

  // Waits for the end of the connection. Bytes: something came instead.
  End wait_end();
  End wait_end(Millis cap);

  int local_port() const;
  int fd() const { return fd_.get(); }

 private:
  bool fill();  // reads more; false at the end of file
  std::string take(std::size_t size);
  std::string read_line();
  std::map<std::string, std::string> read_fields();
  void read_chunks(Response& response);
  [[noreturn]] void fail(const std::string& what) const;

  UniqueFd fd_;
  Millis cap_;
  std::string in_;
  std::string seen_;  // the first bytes ever received, for messages
};

// True when nobody listens there any more. Throws on anything but a connect or a refusal.
bool is_refused(const std::string& address);

std::string get_request(const std::string& target, const std::string& headers = "");
std::string post_request(const std::string& target, const std::string& body);

}  // namespace holdfast::testing
