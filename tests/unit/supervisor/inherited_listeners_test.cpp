#include "supervisor/io/inherited_listeners.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

InheritedListener given(const std::string& name, const std::string& address) {
  return {name, address, UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))};
}

// What each spec gets, or why nobody gets anything.
std::string match(const std::vector<std::string>& specs, std::vector<InheritedListener> sockets) {
  std::vector<ListenerSpec> parsed;
  for (const std::string& spec : specs) parsed.push_back(parse_listener_spec(spec).value());
  auto matched = match_listeners(parsed, std::move(sockets));
  if (!matched) return matched.error().message;
  std::string text;
  for (const InheritedListener& one : *matched) text += (one.fd ? one.address : "-") + " ";
  return text;
}

std::vector<InheritedListener> sockets(
    std::initializer_list<std::pair<const char*, const char*>> list) {
  std::vector<InheritedListener> all;
  for (const auto& [name, address] : list) all.push_back(given(name, address));
  return all;
}

TEST(ListenFdsTest, TheNameComesFirst) {
  EXPECT_EQ(match({"a=:1", "b=:2"}, sockets({{"b", ":1"}, {"a", ":2"}})), ":2 :1 ");
}

TEST(ListenFdsTest, WithoutANameTheAddressCounts) {
  EXPECT_EQ(match({"a=:1", "unix:/x,mode=0600"}, sockets({{"", "unix:/x"}, {"u.socket", ":1"}})),
            ":1 unix:/x ");
}

TEST(ListenFdsTest, OfSeveralNamesakesTheAddressChooses) {
  EXPECT_EQ(match({"web=:2", "web=:1"}, sockets({{"web", ":1"}, {"web", ":2"}})), ":2 :1 ");
  EXPECT_EQ(match({"web=:3"}, sockets({{"web", ":1"}, {"web", ":2"}})),
            "cannot choose a socket for web=:3: 2 are named web and none has that address");
}

TEST(ListenFdsTest, WhatWasNotGivenIsBound) {
  EXPECT_EQ(match({"a=:1", "b=:2"}, sockets({{"b", ":2"}})), "- :2 ");
  EXPECT_EQ(match({"a=:1"}, {}), "- ");
}

TEST(ListenFdsTest, EveryAddressMayBeIpv4Alone) {
  EXPECT_EQ(match({"a=:1"}, sockets({{"", "0.0.0.0:1"}})), "0.0.0.0:1 ");
  EXPECT_EQ(match({"a=127.0.0.1:1"}, sockets({{"", "0.0.0.0:1"}})),
            "cannot use the socket 0.0.0.0:1 of LISTEN_FDS: no --listen names it");
}

TEST(ListenFdsTest, VariablesForAnotherProcessAreForgotten) {
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_FDNAMES", "a", 1);
  const auto taken = take_inherited_listeners();
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->empty());
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
    EXPECT_EQ(std::getenv(name), nullptr) << name;
}

// What LISTEN_FDS says, to this process: how many are taken, or why none.
std::string take(const char* count) {
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", count, 1);
  const auto taken = take_inherited_listeners();
  return taken ? std::to_string(taken->size()) : taken.error().message;
}

TEST(ListenFdsTest, NoSocketsAreNoErrorAndNonsenseIsOne) {
  EXPECT_EQ(take("0"), "0");
  EXPECT_EQ(take(""), "0");
  for (const char* nonsense : {"a", "-1", "1x", "5000"})
    EXPECT_EQ(take(nonsense), "cannot use LISTEN_FDS: it is no number of sockets") << nonsense;
}

TEST(ListenFdsTest, ANumberOfNamesThatDoesNotFitIsAnError) {
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_FDNAMES", "a:b", 1);
  const auto taken = take_inherited_listeners();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message, "cannot use LISTEN_FDNAMES: there are 2 names for 1 sockets");
}

}  // namespace
}  // namespace holdfast::supervisor
