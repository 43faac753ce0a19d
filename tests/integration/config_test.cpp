// `holdfast run --config`: read at the start, and again at each reload.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/integration/scenario.hpp"
#include "tests/support/child_process.hpp"

namespace holdfast::testing {
namespace {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// A file whose keys a test changes one by one.
struct ConfigFile {
  explicit ConfigFile(std::string where) : path(std::move(where)) {}
  ConfigFile& set(const std::string& key, nlohmann::json value) {
    keys[key] = std::move(value);
    write_file(path, "// of a test\n" + keys.dump(2));
    return *this;
  }
  std::string path;
  nlohmann::json keys = nlohmann::json::object();
};

struct ConfigTest : ::testing::Test {
  // The run has no --listen, --workers or command of its own: the file has them.
  SupervisorRun& start(SupervisorOptions options = {}) {
    options.listen = {};
    options.workers = {};
    options.bare = true;
    options.flags.insert(options.flags.end(), {"--config", config.path});
    run = std::make_unique<SupervisorRun>(std::move(options));
    run->wait_ready();
    return *run;
  }

  TempDir files;
  ConfigFile config{files.file("holdfast.json")};
  std::unique_ptr<SupervisorRun> run;
};

}  // namespace
}  // namespace holdfast::testing
