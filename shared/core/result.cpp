#include "shared/core/result.hpp"

#include <cstring>
#include <stdexcept>

namespace holdfast {

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

Error errno_error(std::string_view action, int code) {
  return {"cannot " + std::string(action) + ": " + std::strerror(code), code};
}

Error plain_error(std::string_view action, std::string_view cause) {
  return {"cannot " + std::string(action) + ": " + std::string(cause), 0};
}

}  // namespace holdfast
