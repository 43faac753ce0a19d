// How our help looks: a usage line of our own, no line beyond a terminal's width, and the options
// that few need only where all are asked for.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace holdfast::supervisor {

// The group of options that only --help-all shows.
inline constexpr const char* kRarelyNeeded = "More options";

class HelpFormatter : public CLI::Formatter {
 public:
  // Behind "Usage: holdfast ".
  explicit HelpFormatter(const std::string& usage) : usage_("Usage: holdfast " + usage + "\n") {}
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_usage(const CLI::App*, std::string) const override { return usage_; }
  std::string make_option(const CLI::Option* option, bool positional) const override;
  std::string make_footer(const CLI::App* app) const override;

 private:
  std::string usage_;
};

}  // namespace holdfast::supervisor
