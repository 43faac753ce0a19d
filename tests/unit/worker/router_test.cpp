#include "holdfast/worker/router.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "worker/core/request_target.hpp"

namespace holdfast::worker {
namespace {

Handler nothing() {
  return PlainHandler([](const Request&, ResponseWriter&) {});
}

std::string pattern_of(const Router& router, std::string_view path) {
  const auto match = router.match("GET", path);
  return match.status == 0 ? std::string(match.pattern) : std::to_string(match.status);
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    for (const char* pattern :
         {"/", "/users/{id}", "/users/me", "/users/{id}/posts/{post}", "/files/{rest...}",
          "/files/{name}", "/files/a/b", "/dir/", "/dir", "/a/{x}/c", "/a/b/d", "/caf\xc3\xa9"}) {
      router.add("GET", pattern, nothing());
    }
  }
  Router router;
};

TEST_F(RouterTest, ThePathPicksThePattern) {
  EXPECT_EQ(pattern_of(router, "/"), "/");
  EXPECT_EQ(pattern_of(router, "/users/7"), "/users/{id}");
  EXPECT_EQ(pattern_of(router, "/users/7/posts/8"), "/users/{id}/posts/{post}");
  EXPECT_EQ(pattern_of(router, "/dir"), "/dir");
  EXPECT_EQ(pattern_of(router, "/dir/"), "/dir/");
  EXPECT_EQ(pattern_of(router, "/files/"), "/files/{rest...}");
  EXPECT_EQ(pattern_of(router, "/files/x/y/"), "/files/{rest...}");
  for (const char* path : {"", "x", "/users", "/users/", "/users//", "/users/7/", "/files", "/DIR",
                           "//", "/nothing", "http:/x", "host:80"}) {
    EXPECT_EQ(pattern_of(router, path), "404") << path;
  }
}

TEST_F(RouterTest, LiteralTextBeatsAParameterAndAParameterBeatsARest) {
  EXPECT_EQ(pattern_of(router, "/users/me"), "/users/me");
  EXPECT_EQ(pattern_of(router, "/files/a"), "/files/{name}");
  EXPECT_EQ(pattern_of(router, "/files/a/b"), "/files/a/b");
  EXPECT_EQ(pattern_of(router, "/a/b/d"), "/a/b/d");
  // A literal that leads nowhere does not hide a parameter that does.
  EXPECT_EQ(pattern_of(router, "/a/b/c"), "/a/{x}/c");
}

TEST(Router, TheOrderOfAddingDoesNotMatter) {
  std::vector<std::string> patterns{"/a/{x}", "/a/b", "/a/{x...}", "/{y}/b", "/{y...}", "/a/{x}/c"};
  std::sort(patterns.begin(), patterns.end());
  const std::vector<std::string> paths{"/a/b", "/a/c", "/a/", "/z/b", "/z/c", "/a/q/c", "/a/q/d"};
  std::vector<std::string> first;
  do {
    Router router;
    for (const auto& pattern : patterns) router.add("GET", pattern, nothing());
    std::vector<std::string> found;
    found.reserve(paths.size());
    for (const auto& path : paths) found.push_back(pattern_of(router, path));
    if (first.empty()) first = found;
    ASSERT_EQ(found, first);
  } while (std::next_permutation(patterns.begin(), patterns.end()));
  EXPECT_EQ(first, (std::vector<std::string>{"/a/b", "/a/{x}", "/a/{x...}", "/{y}/b", "/{y...}",
                                             "/a/{x}/c", "/a/{x...}"}));
}

TEST_F(RouterTest, ParametersAreDecodedOnceAfterThePathIsDivided) {
  EXPECT_EQ(router.parameter("/users/a%20b", "id"), "a b");
  EXPECT_EQ(router.parameter("/users/a%2Fb", "id"), "a/b");
  EXPECT_EQ(router.parameter("/users/%252e", "id"), "%2e");
  EXPECT_EQ(router.parameter("/users/a+b", "id"), "a+b");
  EXPECT_EQ(router.parameter("/users/7/posts/8", "id"), "7");
  EXPECT_EQ(router.parameter("/users/7/posts/8", "post"), "8");
  EXPECT_EQ(router.parameter("/files/x/y%20z/", "rest"), "x/y z/");
  EXPECT_EQ(router.parameter("/files/", "rest"), "");
  EXPECT_EQ(pattern_of(router, "/caf%C3%A9"), "/caf\xc3\xa9");
  EXPECT_EQ(pattern_of(router, "/%75sers/%6De"), "/users/me");
  EXPECT_THROW(router.parameter("/users/7", "name"), std::out_of_range);
  EXPECT_THROW(router.parameter("/users/7", "users"), std::out_of_range);
  EXPECT_THROW(router.parameter("/nowhere", "id"), std::out_of_range);
  EXPECT_THROW(router.parameter("/users/%", "id"), std::out_of_range);
}

TEST_F(RouterTest, WhatHasTwoReadingsIsRefused) {
  for (const char* path : {"/users/%", "/users/%4", "/users/%zz", "/users/a%00b", "/%"})
    EXPECT_EQ(pattern_of(router, path), "400") << path;
  // No head that was accepted has one; a test of a user's may.
  EXPECT_EQ(pattern_of(router, std::string_view("/users/\0", 8)), "400");
  for (const char* path : {"/files/../x", "/files/./x", "/files/%2e%2E/x", "/files/.%2e",
                           "/users/..", "/files/x/a%2fb", "/files/x/..%2Fy", "/.."}) {
    EXPECT_EQ(pattern_of(router, path), "404") << path;
  }
  EXPECT_EQ(pattern_of(router, "/users/..."), "/users/{id}");
  EXPECT_EQ(pattern_of(router, "/users/.a"), "/users/{id}");
}

TEST(Router, TheMethodPicksTheHandlerOfThePattern) {
  Router router;
  router.add("GET", "/a", nothing());
  router.add("POST", "/a", nothing());
  router.add("DELETE", "/{any}", nothing());
  router.add("OPTIONS", "/own", nothing());
  router.add("HEAD", "/own", nothing());
  router.add("GET", "/own", nothing());
  const auto& get = router.match("GET", "/a").handler;
  EXPECT_EQ(&router.match("HEAD", "/a").handler, &get);
  EXPECT_NE(&router.match("POST", "/a").handler, &get);
  EXPECT_NE(&router.match("HEAD", "/own").handler, &router.match("GET", "/own").handler);
  EXPECT_EQ(router.match("OPTIONS", "/own").status, 0);
  // The path comes first: /a is not /{any}, whatever the method.
  const auto refused = router.match("DELETE", "/a");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.allow, "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(router.match("get", "/a").status, 405);
  EXPECT_EQ(router.match("HEAD", "/b").status, 405);
  EXPECT_EQ(router.match("HEAD", "/b").allow, "DELETE, OPTIONS");
  const auto options = router.match("OPTIONS", "/a");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.allow, "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(router.match("OPTIONS", "*").status, 204);
  EXPECT_EQ(router.match("OPTIONS", "*").allow, "DELETE, GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(router.match("OPTIONS", "/x/y").status, 404);
}

TEST(Router, APatternThatCannotWorkIsRefusedAtTheStart) {
  Router router;
  router.add("GET", "/users/{id}", nothing());
  for (const char* pattern :
       {"", "users", "/{", "/}", "/{}", "/{...}", "/a{b}", "/{b}a", "/{a...}/b", "/{a}/{a}",
        "/{a.b}", "/a/../b", "/.", "/users/{id}", "/users/{name}"}) {
    EXPECT_THROW(router.add("GET", pattern, nothing()), std::invalid_argument) << pattern;
  }
  EXPECT_THROW(router.add("", "/x", nothing()), std::invalid_argument);
  EXPECT_THROW(router.add("GE T", "/x", nothing()), std::invalid_argument);
  router.add("POST", "/users/{id}", nothing());
  EXPECT_EQ(router.match("GET", "/users/7").pattern, "/users/{id}");
}

TEST(RequestTarget, PathAndQueryOfEveryForm) {
  EXPECT_EQ(target_path("/a/b?c=/d"), "/a/b");
  EXPECT_EQ(target_path("/a://b"), "/a://b");
  EXPECT_EQ(target_path("http://host:80/a/b?c"), "/a/b");
  EXPECT_EQ(target_path("http://host"), "/");
  EXPECT_EQ(target_path("http://host?c=/d"), "/");
  EXPECT_EQ(target_path("*"), "*");
  EXPECT_EQ(target_path("host:80"), "host:80");
  EXPECT_EQ(target_query("http://host/a?c?d"), "c?d");
  EXPECT_EQ(target_query("/a"), "");
}

}  // namespace
}  // namespace holdfast::worker
