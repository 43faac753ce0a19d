#include "tests/support/raw_client.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <variant>

#include "shared/core/listen_address.hpp"

namespace holdfast::testing {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& text) {
  const ListenAddress parsed = parse_listen_address(text).value();
  SocketAddress found;
  if (const auto* path = std::get_if<UnixAddress>(&parsed)) {
    auto* address = reinterpret_cast<sockaddr_un*>(&found.storage);
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, path->path.data(), path->path.size());
    // An abstract name begins with a zero byte and has no end but the length (unix(7)).
    if (path->abstract()) address->sun_path[0] = '\0';
    found.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path->path.size() +
                                        (path->abstract() ? 0 : 1));
    return found;
  }
  const auto& tcp = std::get<TcpAddress>(parsed);
  if (tcp.host.find(':') != std::string::npos) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&found.storage);
    address->sin6_family = AF_INET6;
    address->sin6_addr = tcp.host == "::1" ? in6addr_loopback : in6addr_any;
    address->sin6_port = htons(tcp.port);
    found.size = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&found.storage);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons(tcp.port);
    found.size = sizeof *address;
  }
  return found;
}

UniqueFd connected(const std::string& address, int& error) {
  const SocketAddress target = socket_address(address);
  UniqueFd fd(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  error = ::connect(fd.get(), target.get(), target.size) == 0 ? 0 : errno;
  if (error == 0 && target.storage.ss_family != AF_UNIX) {
    const int on = 1;  // each send() is a segment of its own: half a head stays half a head
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string Response::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

pid_t Response::pid() const { return std::stoi(header("x-worker")); }
int Response::generation() const { return std::stoi(header("x-generation")); }

std::ostream& operator<<(std::ostream& out, End end) {
  constexpr const char* kNames[] = {"closed", "reset", "bytes came", "still open"};
  return out << kNames[static_cast<int>(end)];
}

RawClient::RawClient(const std::string& address, Millis cap) : cap_(cap) {
  int error = 0;
  fd_ = connected(address, error);
  if (error == ECONNREFUSED || error == ENOENT)
    throw ConnectRefused("cannot connect to " + address + ": " + std::strerror(error));
  if (error != 0) fail("cannot connect to " + address + ": " + std::strerror(error));
}

RawClient& RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail(std::string("cannot send: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return *this;
}

RawClient& RawClient::half_close() {
  ::shutdown(fd_.get(), SHUT_WR);
  return *this;
}

void RawClient::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

Response RawClient::read_response(bool head_only) {
  Response response = read_head();
  if (!head_only) read_body(response);
  return response;
}

Response RawClient::read_head() {
  Response response;
  const std::string status_line = read_line();
  if (status_line.size() < 12 || !status_line.starts_with("HTTP/1.")) {
    fail("no status line: " + status_line);
  }
  response.version = status_line.substr(0, 8);
  response.status = std::stoi(status_line.substr(9, 3));
  response.headers = read_fields();
  return response;
}

std::map<std::string, std::string> RawClient::read_fields() {
  std::map<std::string, std::string> fields;
  for (std::string line = read_line(); !line.empty(); line = read_line()) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) fail("no header: " + line);
    const auto value = line.find_first_not_of(' ', colon + 1);
    std::string& place = fields[lower(line.substr(0, colon))];
    if (!place.empty()) place += ", ";
    if (value != std::string::npos) place += line.substr(value);
  }
  return fields;
}

void RawClient::read_body(Response& response) {
  if (response.status < 200 || response.status == 204 || response.status == 304) return;
  if (lower(response.header("transfer-encoding")) == "chunked") {
    read_chunks(response);
  } else if (const std::string length = response.header("content-length"); !length.empty()) {
    response.body = take(std::stoull(length));
  } else {
    response.body = read_all();
  }
}

Response RawClient::get(const std::string& target, const std::string& headers) {
  return send(get_request(target, headers)).read_response();
}

Response RawClient::post(const std::string& target, const std::string& body) {
  return send(post_request(target, body)).read_response();
}

std::string RawClient::read_until(std::string_view end) {
  std::size_t at = 0;
  while ((at = in_.find(end)) == std::string::npos) {
    if (!fill()) fail("end of file instead of \"" + std::string(end) + "\"");
  }
  return take(at + end.size());
}

std::string RawClient::read_some(std::size_t most) {
  if (in_.empty()) fill();
  return take(std::min(most, in_.size()));
}

std::string RawClient::read_all() {
  while (fill()) {
  }
  return std::exchange(in_, {});
}

End RawClient::wait_end() { return wait_end(cap_); }

End RawClient::wait_end(Millis cap) {
  if (!in_.empty()) return End::Bytes;
  if (!wait_readable(fd_.get(), cap)) return End::StillOpen;
  char byte = 0;
  const ssize_t got = ::recv(fd_.get(), &byte, 1, MSG_PEEK);
  if (got == 0) return End::Closed;
  return got > 0 ? End::Bytes : End::Reset;
}

int RawClient::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

bool RawClient::fill() {
  if (!wait_readable(fd_.get(), cap_)) fail("nothing came in time");
  char bytes[65536];
  const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (got < 0) fail(std::string("cannot receive: ") + std::strerror(errno));
  in_.append(bytes, static_cast<std::size_t>(got));
  if (seen_.size() < 300)
    seen_.append(bytes, std::min<std::size_t>(static_cast<std::size_t>(got), 300));
  return got > 0;
}

std::string RawClient::take(std::size_t size) {
  while (in_.size() < size) {
    if (!fill()) {
      fail("end of file after " + std::to_string(in_.size()) + " of " + std::to_string(size) +
           " bytes");
    }
  }
  std::string taken = in_.substr(0, size);
  in_.erase(0, size);
  return taken;
}

std::string RawClient::read_line() {
  std::string line = read_until("\r\n");
  line.resize(line.size() - 2);
  return line;
}

void RawClient::read_chunks(Response& response) {
  for (;; ++response.chunks) {
    const std::string line = read_line();
    std::size_t size = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    if (parsed.ec != std::errc{}) fail("no chunk size: " + line);
    if (size == 0) break;
    response.body += take(size);
    if (take(2) != "\r\n") fail("a chunk without its end");
  }
  response.trailers = read_fields();
}

void RawClient::fail(const std::string& what) const {
  throw RawClientError(what + (seen_.empty() ? "; nothing was received"
                                             : "; received first: " + seen_.substr(0, 300)));
}

bool is_refused(const std::string& address) {
  int error = 0;
  const UniqueFd fd = connected(address, error);
  if (error == ECONNREFUSED || error == ENOENT) return true;
  if (error != 0) throw RawClientError(std::string("cannot connect: ") + std::strerror(error));
  return false;
}

std::string get_request(const std::string& target, const std::string& headers) {
  return "GET " + target + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n";
}

std::string post_request(const std::string& target, const std::string& body) {
  return "POST " + target +
         " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

}  // namespace holdfast::testing
