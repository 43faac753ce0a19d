// `holdfast status` as people read it. Pure: from the reply's JSON, which may be of a supervisor of
// another age, so every field may be missing.
#pragma once

#include <cstddef>
#include <string>

#include <nlohmann/json.hpp>

namespace holdfast::supervisor {

// At most `rows` lines; 0: as many as there are.
std::string render_status(const nlohmann::json& status, std::size_t rows = 0);

bool is_degraded(const nlohmann::json& status);

// What a reload that failed was; a text for when none did.
std::string render_last_failure(const nlohmann::json& status);

}  // namespace holdfast::supervisor
