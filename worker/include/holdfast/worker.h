/* A worker for services in C, and for languages that speak with C. The same as
 * holdfast/worker/worker.hpp and connection_tracker.hpp, where every promise is written: who owns
 * the listeners, when callbacks come, on which thread. Times are milliseconds unless said
 * otherwise. C99. */
#ifndef HOLDFAST_WORKER_H
#define HOLDFAST_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "holdfast/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct holdfast_worker holdfast_worker;
typedef struct holdfast_connection holdfast_connection;

/* All zero is the default. The first two are used only without a supervisor. */
typedef struct holdfast_settings {
  const char* const* listen; /* [NAME=]ADDRESS, ..., NULL; none: 127.0.0.1:8080 */
  const char* access_log;    /* a path, "stdout" (default), "stderr" or "off" */
  int untracked;             /* the service keeps its own book and calls holdfast_drained() */
} holdfast_settings;

/* Any may be NULL. They come inside holdfast_dispatch(), holdfast_wait(), or on the thread of
 * holdfast_start_thread(). */
typedef struct holdfast_callbacks {
  void* data; /* given to each */
  void (*accept)(void* data);
  void (*pause)(void* data);
  void (*close_listeners)(void* data, int accept_queued);
  void (*drain)(void* data, const char* reason, int64_t time_left);
  void (*cut)(void* data);
} holdfast_callbacks;

/* NULL after an error, which is written to `error` as a text of at most `size` bytes with its NUL.
 * One worker a process. */
HOLDFAST_API holdfast_worker* holdfast_worker_new(const holdfast_settings* settings, char* error,
                                                  size_t size);
/* Every connection must have ended. */
HOLDFAST_API void holdfast_worker_free(holdfast_worker* worker);

HOLDFAST_API size_t holdfast_listener_count(const holdfast_worker* worker);
/* The service closes it once, and never calls shutdown(2) on it. -1 behind the last one. */
HOLDFAST_API int holdfast_listener_fd(const holdfast_worker* worker, size_t index);
/* Valid as long as the worker; NULL behind the last one. */
HOLDFAST_API const char* holdfast_listener_name(const holdfast_worker* worker, size_t index);
HOLDFAST_API const char* holdfast_listener_address(const holdfast_worker* worker, size_t index);
HOLDFAST_API uint64_t holdfast_generation(const holdfast_worker* worker);

/* Before the first dispatch. */
HOLDFAST_API void holdfast_set_callbacks(holdfast_worker* worker,
                                         const holdfast_callbacks* callbacks);

HOLDFAST_API void holdfast_ready(holdfast_worker* worker);
HOLDFAST_API void holdfast_drain(holdfast_worker* worker);
HOLDFAST_API void holdfast_drained(holdfast_worker* worker, uint64_t served, uint64_t closed_idle,
                                   uint64_t cut);

HOLDFAST_API int holdfast_fd(const holdfast_worker* worker);
HOLDFAST_API int holdfast_dispatch(holdfast_worker* worker); /* 0 once finished */
/* 0, or -1 where no thread can be made. */
HOLDFAST_API int holdfast_start_thread(holdfast_worker* worker);
HOLDFAST_API int holdfast_wait(holdfast_worker* worker); /* the exit code for main() */

/* accept4(2) with SOCK_CLOEXEC; -1 and errno EAGAIN when nothing waits. */
HOLDFAST_API int holdfast_accept(int listener, int nonblocking);

/* NULL when memory is short; every function below does nothing with NULL. */
HOLDFAST_API holdfast_connection* holdfast_connection_open(holdfast_worker* worker, int fd);
HOLDFAST_API void holdfast_connection_active(holdfast_connection* connection);
HOLDFAST_API void holdfast_connection_answering(holdfast_connection* connection);
HOLDFAST_API void holdfast_connection_idle(holdfast_connection* connection);
HOLDFAST_API int holdfast_connection_should_close(const holdfast_connection* connection);
/* Before close(fd). The handle is gone. */
HOLDFAST_API void holdfast_connection_closed(holdfast_connection* connection);

/* Texts may be NULL: unknown. */
typedef struct holdfast_access_entry {
  int64_t started_ns;   /* CLOCK_MONOTONIC; 0: now */
  const char* protocol; /* NULL: HTTP/1.1 */
  const char* method;
  const char* url;
  const char* host;
  const char* user_agent;
  const char* referer;
  int status;
  uint64_t request_size;
  uint64_t response_size;
  uint64_t bytes_received;
  uint64_t bytes_sent;
  const char* remote_address;
  uint16_t remote_port;
  const char* request_id;
  const char* listener;
  uint64_t connection;
  uint64_t connection_requests;
  const char* completion; /* NULL: ok */
} holdfast_access_entry;

HOLDFAST_API void holdfast_answered(holdfast_worker* worker, int status);
HOLDFAST_API void holdfast_log(holdfast_worker* worker, const holdfast_access_entry* entry);

#ifdef __cplusplus
}
#endif

#endif
