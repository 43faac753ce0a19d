// A reload as people read it: while it goes on, and its verdict. Pure.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace holdfast::supervisor {

// Of a status: "generation 4 starting, 1 of 2 workers ready, 59s left"; "" when there is none.
std::string render_progress(const nlohmann::json& status);

// "generation 2: 1 worker, 3 connections, 2 in flight, killed in 30s".
std::string render_draining(const nlohmann::json& draining);

// Of a `reload_failed` event: why, how the worker ended, and its last lines, each indented.
std::string render_failure(const nlohmann::json& event);

// One line for a good verdict; for a bad one why, without "holdfast: ", then the last lines.
std::string render_verdict(const nlohmann::json& verdict);

}  // namespace holdfast::supervisor
