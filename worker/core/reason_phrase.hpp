// The names of the status codes (the IANA registry that RFC 9110, 16.2.1 sets up).
#pragma once

#include <string_view>

namespace holdfast::worker {

// "Not Found"; empty for a status without a name.
std::string_view reason_phrase(int status);

}  // namespace holdfast::worker
