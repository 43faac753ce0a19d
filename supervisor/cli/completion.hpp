// Shell completion, made from the commands and options themselves, so that it knows them all.
#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace holdfast::supervisor {

// `shell` is bash, zsh or fish.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace holdfast::supervisor
