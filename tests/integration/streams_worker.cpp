#include "tests/integration/streams_worker.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <optional>
#include <string>
#include <unistd.h>

int main() {
  using namespace holdfast::testing;
  holdfast::worker::Options options;
  if (const char* text = std::getenv("BODY_TIMEOUT_MS"))
    options.body_timeout = std::chrono::milliseconds(std::atoi(text));
  if (const char* text = std::getenv("HANDOFF")) options.handoff = std::atoi(text) != 0;
  holdfast::worker::Server server(options);
  StreamsWorker worker(server);
  worker.routes["/"] = holdfast::worker::PlainHandler(
      [](const Request&, ResponseWriter& response) { response.write("Hello, world!"); });
  worker.routes["/open"] =
      holdfast::worker::PlainHandler([&](const Request& request, ResponseWriter&) {
        worker.open_gate(std::string(request.query()));
      });
  worker.routes["/counts"] =
      holdfast::worker::PlainHandler([&](const Request&, ResponseWriter& response) {
        std::string text;
        for (const auto& [name, count] : worker.counts)
          text += (text.empty() ? "{\"" : ",\"") + name + "\":" + std::to_string(count);
        response.write(text.empty() ? "{}" : text + "}");
      });
  // What the service remembers of a connection and gives along: how often it was asked.
  std::map<std::uint64_t, int> asked;
  worker.routes["/memory"] =
      holdfast::worker::PlainHandler([&](const Request& request, ResponseWriter& response) {
        response.write(std::to_string(++asked[request.connection()]));
      });
  const bool stay = std::getenv("STAY") != nullptr;
  server.on_handoff(
      [&, stay](const holdfast::worker::ConnectionInfo& connection) -> std::optional<std::string> {
        if (stay) return std::nullopt;
        return std::to_string(asked[connection.number]);
      },
      [&](const holdfast::worker::ConnectionInfo& connection, std::string_view state) {
        asked[connection.number] = std::stoi(std::string(state));
      });
  // What was executed, for a test that kills whoever executes it.
  int executions = -1;
  if (const char* path = std::getenv("EXECUTIONS"))
    executions = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  worker.routes["/append"] = holdfast::worker::PlainHandler(
      [executions](const Request& request, ResponseWriter& response) {
        const std::string line = std::string(request.header("X-Request-ID")) + "\n";
        if (::write(executions, line.data(), line.size()) < 0) response.status(500);
        response.write(request.body());
      });
  worker.add_responses();
  worker.add_takeovers();
  server.select([&](const Request& request) -> const Handler& {
    const auto found = worker.routes.find(request.path());
    return found == worker.routes.end() ? worker.routes.at("/") : found->second;
  });
  server.on_accepting([&] {
    server.default_header("X-Generation", std::to_string(server.generation()));
    server.default_header("X-Worker", std::to_string(::getpid()));
  });
  return server.run();
}
