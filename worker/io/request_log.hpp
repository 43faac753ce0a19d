// Who a request, its connection and its client are, their lines in the access log, and the counts
// that go with them. One thread.
//   request_log.cpp  ids and lines       client_address.cpp  clients, behind proxies too
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/worker/options.hpp"
#include "shared/core/result.hpp"
#include "worker/core/forwarded.hpp"
#include "worker/core/listener_counters.hpp"
#include "worker/io/access_log.hpp"
#include "worker/io/connection.hpp"
#include "worker/io/exchange.hpp"
#include "worker/io/request_ids.hpp"
#include "worker/io/wall_clock.hpp"

namespace holdfast::worker {

class RequestLog {
 public:
  // All must outlive this.
  RequestLog(AccessLog& log, WallClock& wall, const Options& options);

  // Whose X-Forwarded-For is believed (Options::trusted_proxies).
  Result<void> trust(const std::vector<std::string>& networks);
  void set_identity(Identity identity) { identity_ = std::move(identity); }
  const Identity& identity() const { return identity_; }

  // What every line adds up to; kept without an access log too.
  ListenerCounters& listeners() { return listeners_; }
  const ListenerCounters& listeners() const { return listeners_; }

  ConnectionName name_of(const Connection& connection) const;
  std::string& request_id(Exchange& exchange);
  // Where every response says it; nothing where none does.
  std::string_view request_id_field() const;
  std::string_view remote_address(Exchange& exchange) const;
  std::string_view client_address(Exchange& exchange) const;

  void add(Exchange& exchange, const Connection& connection, TimePoint now, bool draining);
  // What came before the first request and was not what the listener demands.
  void add_refusal(const Connection& connection, const char* type, std::string_view error,
                   TimePoint now);

 private:
  std::string_view given_request_id(const Exchange& exchange) const;
  std::optional<PeerAddress> told_client(const Exchange& exchange,
                                         const Connection& connection) const;

  AccessLog& log_;
  WallClock& wall_;
  const Options& options_;
  TrustedProxies trusted_;
  Identity identity_;
  ListenerCounters listeners_;
  std::uint64_t pid_;
  RequestIds ids_;
  bool usual_request_id_;  // X-Request-ID, which every head is read for anyway
};

}  // namespace holdfast::worker
