// What is wrong with a command line, in one line that says it in our words and guesses what was
// meant.
#pragma once

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
class ParseError;
}  // namespace CLI

namespace holdfast::supervisor {

// "cannot parse the command line: ...". `app` has tried to parse `arguments` and thrown `error`.
std::string describe_parse_failure(const CLI::App& app, const std::vector<std::string>& arguments,
                                   const CLI::ParseError& error);

}  // namespace holdfast::supervisor
