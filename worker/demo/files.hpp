// Plain files of one folder, by send_file: whole, or the one range that was asked for.
#pragma once

#include <string>

#include "holdfast/worker/request.hpp"
#include "holdfast/worker/response_writer.hpp"

namespace holdfast::demo {

// `name` is one path component, so nothing outside of `folder` can be named; 404 for what is no
// plain file.
void serve_file(const std::string& folder, const std::string& name, const worker::Request& request,
                worker::ResponseWriter& response);

}  // namespace holdfast::demo
