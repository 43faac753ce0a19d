// The whole path of a request in one process: bytes go into a real connection (one end of a
// socketpair) of real Sessions, responses and log lines come out. For tests and fuzzing that need
// thousands of connections; nothing waits for a timer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast::testing {

struct RequestPathOptions {
  enum class Handlers : std::uint8_t {
    ByPath,  // those below a path that begins with "/s" stream
    Plain,
    Stream,
  };
  Handlers handlers = Handlers::ByPath;
  bool proxy_protocol = false;
  std::size_t max_head = 2048;
  std::size_t max_body = 4096;
};

// What one connection came to.
struct PathResult {
  std::vector<std::string> handled;   // "GET /target" of each request that reached a handler, once
                                      // its whole body was there
  std::string sent;                   // by the server, up to its FIN
  std::vector<nlohmann::json> lines;  // of the access log
  std::string bad_line;               // the first one that is no JSON object
  bool hung = false;                  // no end within seconds, although the client has ended
  std::size_t left = 0;               // connections and requests that are still there
};

class RequestPath {
 public:
  explicit RequestPath(RequestPathOptions options = {});
  ~RequestPath();

  // Sends `bytes` in pieces of `step` bytes, lets the server work behind each, ends its side and
  // reads to the end.
  PathResult run(std::string_view bytes, std::size_t step);

 private:
  struct World;
  std::unique_ptr<World> world_;
};

// One response as the wire has it, taken apart by rules of its own (RFC 9112), not by ours.
struct WireResponse {
  int status = 0;
  bool close = false;
  bool whole = true;  // false: the connection ended within it
  std::string body;
};

// All of `sent`; 1xx are left out. `methods` are those of the requests in order, as far as known.
// What is wrong with the bytes is in `fault`.
std::vector<WireResponse> read_responses(std::string_view sent,
                                         const std::vector<std::string>& methods,
                                         std::string& fault);

}  // namespace holdfast::testing
