// Builds the requests of a group: constant where they can be, unique where they must be.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/load_client.hpp"
#include "tests/support/load_client_connection.hpp"

namespace holdfast::testing {

class RequestFactory {
 public:
  RequestFactory(const GroupOptions& options, const std::string& host);

  // Fills `request` with the group's number `serial`. Only the parts that differ from the last
  // request in the same object are written anew.
  void build(Request& request, std::uint64_t serial, bool post) const;

  bool to_head() const { return to_head_; }

 private:
  std::string head(const std::string& method, const std::string& path, std::uint64_t length,
                   bool has_body, std::uint64_t serial) const;
  void build_post(Request& request, std::uint64_t serial) const;

  const GroupOptions& options_;
  std::string host_;
  std::string plain_;
  bool to_head_;
};

}  // namespace holdfast::testing
