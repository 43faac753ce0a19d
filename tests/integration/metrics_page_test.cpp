// The status page in a real browser.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/integration/metrics_fixture.hpp"

namespace holdfast::testing {
namespace {

std::string browser() {
  for (const char* name : {"chromium-headless-shell", "chromium", "google-chrome"}) {
    if (installed(name)) return name;
  }
  return {};
}

// A profile of its own: one that a browser still leaves cannot be opened.
CommandResult browse(const std::string& program, std::vector<std::string> flags,
                     const std::string& url) {
  const TempDir home;
  std::vector<std::string> argv{program,
                                "--headless",
                                "--no-sandbox",
                                "--disable-gpu",
                                "--disable-dev-shm-usage",
                                "--user-data-dir=" + home.file("profile")};
  argv.insert(argv.end(), flags.begin(), flags.end());
  argv.push_back(url);
  return run_command(argv, {}, kCap * 2);
}

TEST(MetricsPageTest, ABrowserShowsTheServiceInLightAndDark) {
  const std::string program = browser();
  if (program.empty())
    GTEST_SKIP() << "no browser (Debian: chromium-headless-shell, or chromium) is installed";
  MetricsRun metrics({.flags = {"--label", "<b>v1.2</b>"}, .workers = "2"});
  metrics->wait_ready();
  RawClient(metrics->address()).get("/");
  ASSERT_TRUE(
      metrics.eventually_says(R"(holdfast_http_requests_total{listener="http",code="2xx"})", 1));
  const std::string url = "http://" + metrics.address() + "/";

  const std::string dom = browse(program, {"--dump-dom"}, url).out;
  EXPECT_NE(dom.find("holdfast: " + metrics->name()), std::string::npos) << dom;
  EXPECT_NE(dom.find("Generation 1 serves"), std::string::npos);
  EXPECT_NE(dom.find("2 of 2 workers accept"), std::string::npos);
  EXPECT_NE(dom.find(metrics->address()), std::string::npos);

  EXPECT_NE(dom.find("(&lt;b&gt;v1.2&lt;/b&gt;)"), std::string::npos) << "a label is text";
  EXPECT_EQ(dom.find("<script"), std::string::npos) << "it needs none, and its policy allows none";

  // For people who look at what CI has made.
  const std::filesystem::path folder = HOLDFAST_ARTEFACTS;
  std::filesystem::create_directories(folder);
  std::vector<std::uintmax_t> sizes;
  for (const auto& [name, scheme] :
       {std::pair("status_dark.png", "0"), std::pair("status_light.png", "1")}) {
    const std::string file = (folder / name).string();
    std::filesystem::remove(file);
    const auto shot = browse(program,
                             {std::string("--blink-settings=preferredColorScheme=") + scheme,
                              "--window-size=1100,900", "--screenshot=" + file},
                             url);
    ASSERT_TRUE(std::filesystem::exists(file)) << shot.err;
    EXPECT_GT(std::filesystem::file_size(file), 10'000u) << "an empty page is smaller";
  }
  std::string light;
  std::string dark;
  for (auto* each : {&light, &dark}) {
    std::ifstream in(folder / (each == &light ? "status_light.png" : "status_dark.png"));
    *each = {std::istreambuf_iterator<char>(in), {}};
  }
  EXPECT_NE(light, dark) << "the page follows the reader's choice of colours";
}

}  // namespace
}  // namespace holdfast::testing
