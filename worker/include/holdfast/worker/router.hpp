// Which handler answers a request, by method and path. The path picks one pattern, then the method
// picks one of that pattern's handlers; the order of add() never matters.
//
//   holdfast::worker::Router router;
//   router.add("GET", "/users/{id}", PlainHandler([&](const Request& q, ResponseWriter& r) {
//     r.write("Hello, " + router.parameter(q, "id"));
//   }));
//   server.select(router.selector());
//
// A pattern begins with '/' and is divided at '/'; each segment is literal text or {name}, which
// stands for one segment of at least one byte. {name...}, last, stands for all that is left,
// slashes included, and may be empty. "/a" and "/a/" are two patterns.
//   Of the patterns that match, the one whose first difference is more definite wins: literal text
// before {name} before {name...}.
//   Paths are divided before they are percent-decoded, so an encoded slash never divides: {name}
// may hold one, {name...} does not match it. Literal text is compared decoded, byte by byte. What
// has no good meaning is refused: a broken escape or %00 is a 400; a segment "." or "..", encoded
// or not, is a 404 (browsers and curl resolve them before they ask).
//   404 where no pattern matches, 405 with Allow where the pattern has no such method. GET's
// handler answers HEAD and OPTIONS is answered with Allow, unless they have handlers of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/export.h"
#include "holdfast/worker/handler.hpp"

namespace holdfast::worker {

class HOLDFAST_API Router {
 public:
  Router();
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Throws std::invalid_argument for a pattern or method that is malformed, a pair that is there
  // already, and a pattern that differs from another by the names of its parameters only. Before
  // the server runs.
  void add(std::string_view method, std::string_view pattern, Handler handler);

  // For Server::select. This must outlive the server's run().
  Selector selector() const {
    return [this](const Request& request) -> const Handler& {
      return match(request.method(), request.path()).handler;
    };
  }

  // The decoded value of a parameter in the request's path: any bytes but NUL. Throws
  // std::out_of_range where the path's pattern has no such name: a mistake in the program.
  std::string parameter(const Request& request, std::string_view name) const {
    return parameter(request.path(), name);
  }

  // The same without a server, for tests.
  // ------------------------------------------------------------------------------
  struct Match {
    int status = 0;                 // 0: a handler that was added; 204 (OPTIONS), 400, 404, 405
    const Handler& handler;         // that one, or the one that answers so
    std::string_view pattern = {};  // empty for 400, 404 and "OPTIONS *"
    std::string_view allow = {};    // of 204 and 405
  };
  Match match(std::string_view method, std::string_view path) const;
  std::string parameter(std::string_view path, std::string_view name) const;

 private:
  struct HOLDFAST_LOCAL Route;
  const Route* find(std::string_view path) const;

  std::vector<std::unique_ptr<Route>> routes_;  // the more definite first
  std::unique_ptr<Route> server_;               // "OPTIONS *"
  Handler bad_path_;
  Handler not_found_;
};

}  // namespace holdfast::worker
