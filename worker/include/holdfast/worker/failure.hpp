// What went wrong, as a value: calls that can fail in an ordinary way return one, or nothing.
#pragma once

#include <string>
#include <system_error>

namespace holdfast::worker {

struct Failure {
  std::string message;   // "cannot listen on 127.0.0.1:80: Permission denied"
  std::error_code code;  // the kernel's, comparable with std::errc; empty when it was not asked
};

}  // namespace holdfast::worker
