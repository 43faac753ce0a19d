#include "supervisor/cli/help_formatter.hpp"

#include <sstream>

namespace holdfast::supervisor {
namespace {

constexpr std::size_t kHelpWidth = 100;
constexpr std::size_t kHelpColumn = 30;  // where the words about an option begin

// Lines of words from `column` on; the first one begins where the caller is already.
std::string wrapped(const std::string& text, std::size_t column) {
  std::istringstream words(text);
  std::string out;
  std::size_t used = column;
  for (std::string word; words >> word; used += word.size()) {
    if (used > column && used + 1 + word.size() > kHelpWidth) {
      out += "\n" + std::string(column, ' ');
      used = column;
    } else if (used > column) {
      out += " ";
      ++used;
    }
    out += word;
  }
  return out;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  const bool all = mode == CLI::AppFormatMode::All;
  const auto shown = app->get_options([all](const CLI::Option* option) {
    return option->nonpositional() && (all || option->get_group() != kRarelyNeeded);
  });
  return make_description(app) + make_usage(app, std::move(name)) + make_positionals(app) +
         make_group("Options", false, shown) + "\n" + make_footer(app);
}

// Of a positional the usage line says what it takes.
std::string HelpFormatter::make_option(const CLI::Option* option, bool positional) const {
  std::string out = "  " + make_option_name(option, positional);
  if (!positional) out += make_option_opts(option);
  out += out.size() < kHelpColumn ? std::string(kHelpColumn - out.size(), ' ')
                                  : "\n" + std::string(kHelpColumn, ' ');
  return out + wrapped(make_option_desc(option), kHelpColumn) + "\n";
}

std::string HelpFormatter::make_footer(const CLI::App* app) const {
  const std::string footer = app->get_footer();
  return footer.empty() ? std::string() : wrapped(footer, 0) + "\n";
}

}  // namespace holdfast::supervisor
