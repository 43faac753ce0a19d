/* GNU libmicrohttpd in an external poll loop, made to drain: C over holdfast/worker.h. */
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holdfast/worker.h"

struct request {
  char body[4096];
  size_t size;
};

static holdfast_worker* worker;
static struct MHD_Daemon* server;

static holdfast_connection* tracked(struct MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void on_connection(void* data, struct MHD_Connection* connection, void** context,
                          enum MHD_ConnectionNotificationCode code) {
  (void)data;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = holdfast_connection_open(worker, info->connect_fd);
  } else {
    holdfast_connection_closed(*context);
  }
}

static enum MHD_Result answer(void* data, struct MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* upload,
                              size_t* upload_size, void** context) {
  (void)data, (void)version;
  struct request* request = *context;
  if (request == NULL) { /* the head is here, the body is not yet */
    holdfast_connection_active(tracked(connection));
    *context = request = calloc(1, sizeof *request);
    return request != NULL ? MHD_YES : MHD_NO;
  }
  if (*upload_size > 0) {
    if (*upload_size > sizeof request->body - request->size) return MHD_NO;
    memcpy(request->body + request->size, upload, *upload_size);
    request->size += *upload_size;
    *upload_size = 0;
    return MHD_YES;
  }
  if (request->size == 0) request->size = strlen(strcpy(request->body, "Hello, world!"));
  struct MHD_Response* response =
      MHD_create_response_from_buffer(request->size, request->body, MHD_RESPMEM_MUST_COPY);
  char generation[24];
  snprintf(generation, sizeof generation, "%llu", (unsigned long long)holdfast_generation(worker));
  MHD_add_response_header(response, "X-Generation", generation);
  if (holdfast_connection_should_close(tracked(connection)))
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  holdfast_connection_answering(tracked(connection));
  const enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  const holdfast_access_entry entry = {
      .method = method,
      .url = url,
      .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
      .status = MHD_HTTP_OK,
      .response_size = request->size,
      .request_id = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Request-ID")};
  holdfast_log(worker, &entry);
  return queued;
}

static void on_answered(void* data, struct MHD_Connection* connection, void** context,
                        enum MHD_RequestTerminationCode code) {
  (void)data, (void)code;
  holdfast_connection_idle(tracked(connection));
  free(*context);
}

static void on_accept(void* data) {
  (void)data;
  if (server != NULL) return; /* it never paused: both generations accept until the commit */
  server =
      MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, NULL, MHD_OPTION_LISTEN_SOCKET,
                       holdfast_listener_fd(worker, 0), MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                       NULL, MHD_OPTION_NOTIFY_COMPLETED, on_answered, NULL, MHD_OPTION_END);
  if (server == NULL) exit(1);
}

static void on_close_listeners(void* data, int accept_queued) {
  (void)data;
  int listener = holdfast_listener_fd(worker, 0);
  if (server != NULL) listener = MHD_quiesce_daemon(server);
  for (int fd; accept_queued && (fd = holdfast_accept(listener, 1)) >= 0;)
    MHD_add_connection(server, fd, NULL, 0);
  close(listener); /* never shutdown(): the socket is everybody's */
}

int main(void) {
  char error[256];
  worker = holdfast_worker_new(NULL, error, sizeof error);
  if (worker == NULL) return fprintf(stderr, "mhd_server: %s\n", error), 1;
  const holdfast_callbacks callbacks = {.accept = on_accept, .close_listeners = on_close_listeners};
  holdfast_set_callbacks(worker, &callbacks);
  holdfast_ready(worker);
  struct pollfd fds[2] = {{.fd = holdfast_fd(worker), .events = POLLIN}, {.fd = -1}};
  do {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    const int bounded = server != NULL && MHD_get_timeout(server, &timeout) == MHD_YES;
    if (server != NULL) {
      fds[1].fd = MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
      fds[1].events = POLLIN;
    }
    poll(fds, 2, bounded ? (int)timeout : -1);
    if (server != NULL) MHD_run(server);
  } while (holdfast_dispatch(worker));
  const int code = holdfast_wait(worker);
  if (server != NULL) MHD_stop_daemon(server);
  holdfast_worker_free(worker);
  return code;
}
