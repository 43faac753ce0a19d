// holdfast-metrics: metrics, probes and a status page of one supervisor, on holdfast's own worker
// library. `holdfast run --metrics ADDRESS` starts it, and again when it dies; it ends when the
// supervisor closes its end of the socketpair.
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include "holdfast/version.h"
#include "holdfast/worker/asio.hpp"
#include "holdfast/worker/router.hpp"
#include "holdfast/worker/server.hpp"
#include "shared/core/metrics_program.hpp"
#include "shared/core/whole_number.hpp"
#include "shared/io/syscall.hpp"
#include "worker/metrics/pages.hpp"
#include "worker/metrics/privileges.hpp"
#include "worker/metrics/supervisor_link.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::metrics;
using namespace std::chrono_literals;

constexpr int kUsage = 2;

int fail(const std::string& cause, int code = 1) {
  write_fully(STDERR_FILENO, "holdfast-metrics: " + cause + "\n");
  return code;
}

bool is_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

worker::Options server_options() {
  worker::Options options;
  options.access_log = "off";
  options.max_head = 8 * 1024;
  options.max_body = 1024;
  // Nobody who holds connections open takes those of the probes: they end soon, and there are many.
  options.header_timeout = 2s;
  options.body_timeout = 2s;
  options.keep_alive_timeout = 2s;
  options.max_connections = 2'048;
  options.stop_timeout = 500ms;
  options.kill_timeout = 200ms;
  options.handoff = false;
  return options;
}

void add_page(worker::Router& router, const char* path, SupervisorLink& link, RenderPage render) {
  router.add("GET", path,
             worker::StreamHandler([&link, render](const worker::Request&,
                                                   worker::ResponseWriter& response,
                                                   const worker::Done& done) {
               link.ask([&response, done, render](const std::string* status_json) {
                 const Page page = render(status_json);
                 response.status(page.status);
                 response.header("Content-Type", page.type);
                 response.write(page.body);
                 done(nullptr);
               });
             }));
}

int serve() {
  worker::Server server(server_options());
  server.default_header("Cache-Control", "no-store");
  server.default_header("X-Content-Type-Options", "nosniff");
  server.default_header("Referrer-Policy", "no-referrer");
  server.default_header("Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
                        "base-uri 'none'; form-action 'none'");
  SupervisorLink link(worker::io_context(server), UniqueFd(kMetricsStatusFd),
                      [&server] { server.request_stop(); });
  worker::Router router;
  add_page(router, "/", link, status_page);
  add_page(router, "/metrics", link, metrics_page);
  add_page(router, "/livez", link, live_page);
  add_page(router, "/readyz", link, ready_page);
  server.select(router.selector());
  if (const auto failure = server.serve(kMetricsListenerFd, "metrics"))
    return fail(failure->message);
  const auto failure = server.wait();
  server.stop();
  return failure ? fail(failure->message) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    write_fully(STDOUT_FILENO, "holdfast-metrics " + std::string(HOLDFAST_VERSION_STRING) + "\n");
    return 0;
  }
  const auto uid = argc == 3 ? whole_number<uid_t>(argv[1]) : std::nullopt;
  const auto gid = argc == 3 ? whole_number<gid_t>(argv[2]) : std::nullopt;
  if (!uid || !gid || !is_socket(kMetricsListenerFd) || !is_socket(kMetricsStatusFd))
    return fail("is started by 'holdfast run --metrics ADDRESS'", kUsage);
  // They are the supervisor's; TERM ends this process as it is, for nothing is lost with it.
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2})
    ::signal(signal, SIG_IGN);
  if (const auto dropped = drop_privileges(*uid, *gid); !dropped)
    return fail(dropped.error().message);
  try {
    return serve();
  } catch (const std::exception& error) {
    return fail(std::string("cannot serve: ") + error.what());
  }
}
