// Expected failures travel as Result<T>; its Error already reads like the line the operator will
// see, in the one grammar of the project: `cannot <verb> <object>: <cause>`. Broken preconditions
// are asserts, not Results.
#pragma once

#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace holdfast {

struct Error {
  std::string message;  // "cannot bind 127.0.0.1:80: Permission denied"
  int code = 0;         // errno when the kernel refused, else 0

  bool operator==(const Error&) const = default;
};

// Makes `result.value()` on a failure throw std::runtime_error(message); start-up code only.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

template <typename T>
using Result = boost::system::result<T, Error>;

// "cannot <action>: <strerror(code)>", e.g. errno_error("bind 127.0.0.1:80", EACCES).
Error errno_error(std::string_view action, int code);

// "cannot <action>: <cause>".
Error plain_error(std::string_view action, std::string_view cause);

}  // namespace holdfast

// Returns the error of `expression` from the enclosing function, or goes on.
#define HOLDFAST_TRY(expression)                                       \
  do {                                                                 \
    if (auto holdfast_try_result = (expression); !holdfast_try_result) \
      return std::move(holdfast_try_result).error();                   \
  } while (false)

// As above, and binds the value: HOLDFAST_ASSIGN(auto fd, open_file(path)).
#define HOLDFAST_CONCAT_INNER(a, b) a##b
#define HOLDFAST_CONCAT(a, b) HOLDFAST_CONCAT_INNER(a, b)
#define HOLDFAST_ASSIGN(declaration, expression)                           \
  auto HOLDFAST_CONCAT(holdfast_result_, __LINE__) = (expression);         \
  if (!HOLDFAST_CONCAT(holdfast_result_, __LINE__))                        \
    return std::move(HOLDFAST_CONCAT(holdfast_result_, __LINE__)).error(); \
  declaration = std::move(HOLDFAST_CONCAT(holdfast_result_, __LINE__)).value()
