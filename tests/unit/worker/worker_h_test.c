/* That holdfast/worker.h is C99, and that its calls do what they say; called by worker_test.cpp.
 * Returns 0, or the line that failed. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "holdfast/worker.h"

#define REQUIRE(condition)             \
  do {                                 \
    if (!(condition)) return __LINE__; \
  } while (0)

struct calls {
  int accepted;
  int closed;
  int queued;
  int drained;
  int64_t time_left;
  char reason[32];
  holdfast_worker* worker;
};

static void on_accept(void* data) { ++((struct calls*)data)->accepted; }

static void on_close(void* data, int accept_queued) {
  struct calls* calls = data;
  ++calls->closed;
  calls->queued = accept_queued;
  close(holdfast_listener_fd(calls->worker, 0));
}

static void on_drain(void* data, const char* reason, int64_t time_left) {
  struct calls* calls = data;
  ++calls->drained;
  calls->time_left = time_left;
  strncpy(calls->reason, reason, sizeof calls->reason - 1);
}

int drive_worker_from_c(const char* log_path) {
  char error[64];
  const char* const nonsense[] = {"nonsense", NULL};
  const holdfast_settings wrong = {.listen = nonsense, .access_log = "off"};
  REQUIRE(holdfast_worker_new(&wrong, error, sizeof error) == NULL);
  REQUIRE(strncmp(error, "cannot ", 7) == 0 && strlen(error) < sizeof error);

  const char* const listen[] = {"api=127.0.0.1:0", NULL};
  const holdfast_settings settings = {.listen = listen, .access_log = log_path};
  holdfast_worker* worker = holdfast_worker_new(&settings, error, sizeof error);
  REQUIRE(worker != NULL);
  struct calls calls = {.worker = worker};
  const holdfast_callbacks callbacks = {
      .data = &calls, .accept = on_accept, .close_listeners = on_close, .drain = on_drain};
  holdfast_set_callbacks(worker, &callbacks);
  REQUIRE(holdfast_listener_count(worker) == 1);
  REQUIRE(strcmp(holdfast_listener_name(worker, 0), "api") == 0);
  REQUIRE(strncmp(holdfast_listener_address(worker, 0), "127.0.0.1:", 10) == 0);
  REQUIRE(holdfast_listener_fd(worker, 1) == -1 && holdfast_listener_name(worker, 1) == NULL);
  REQUIRE(holdfast_generation(worker) == 0);
  REQUIRE(holdfast_accept(holdfast_listener_fd(worker, 0), 1) == -1 && errno == EAGAIN);

  holdfast_ready(worker);
  REQUIRE(calls.accepted == 0);
  REQUIRE(holdfast_fd(worker) >= 0 && holdfast_dispatch(worker) == 1);
  REQUIRE(calls.accepted == 1);

  holdfast_connection* connection = holdfast_connection_open(worker, -1);
  holdfast_connection_active(connection);
  REQUIRE(!holdfast_connection_should_close(connection));
  const holdfast_access_entry entry = {.method = "GET", .url = "/\xff\n", .status = 200};
  holdfast_log(worker, &entry);
  holdfast_connection_answering(connection);
  holdfast_drain(worker);
  REQUIRE(holdfast_dispatch(worker) == 1);
  REQUIRE(calls.drained == 1 && strcmp(calls.reason, "shutdown") == 0);
  REQUIRE(calls.time_left > 0 && calls.time_left <= 60000);
  REQUIRE(calls.closed == 1 && calls.queued);
  REQUIRE(holdfast_connection_should_close(connection));
  holdfast_connection_idle(connection);
  holdfast_connection_closed(connection);
  REQUIRE(holdfast_wait(worker) == 0);
  REQUIRE(holdfast_dispatch(worker) == 0);
  holdfast_worker_free(worker);
  return 0;
}
