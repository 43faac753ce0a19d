/* One connection at a time, one request each: what a service in C needs of holdfast/worker.h. */
#include <holdfast/version.h>
#include <holdfast/worker.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static holdfast_worker* worker;
static struct pollfd fds[2] = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

/* 0: nobody waits. */
static int serve_one(void) {
  const int fd = holdfast_accept(holdfast_listener_fd(worker, 0), 0);
  if (fd < 0) return 0;
  holdfast_connection* connection = holdfast_connection_open(worker, fd);
  char bytes[4096];
  if (read(fd, bytes, sizeof bytes) > 0) {
    holdfast_connection_active(connection);
    char body[100];
    snprintf(body, sizeof body, "c %s generation %d\n", HOLDFAST_VERSION_STRING,
             (int)holdfast_generation(worker));
    const int size = snprintf(
        bytes, sizeof bytes, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
        (int)strlen(body), body);
    if (write(fd, bytes, (size_t)size) == size) holdfast_answered(worker, 200);
  }
  holdfast_connection_closed(connection);
  close(fd);
  return 1;
}

static void on_accept(void* data) {
  (void)data;
  fds[1].fd = holdfast_listener_fd(worker, 0);
}

static void on_pause(void* data) {
  (void)data;
  fds[1].fd = -1;
}

static void on_close_listeners(void* data, int accept_queued) {
  (void)data;
  while (accept_queued && serve_one()) {
  }
  close(holdfast_listener_fd(worker, 0));
  fds[1].fd = -1;
}

int main(void) {
  char error[256];
  worker = holdfast_worker_new(NULL, error, sizeof error);
  if (worker == NULL) {
    fprintf(stderr, "c_service: %s\n", error);
    return 1;
  }
  holdfast_callbacks callbacks = {0};
  callbacks.accept = on_accept;
  callbacks.pause = on_pause;
  callbacks.close_listeners = on_close_listeners;
  holdfast_set_callbacks(worker, &callbacks);
  holdfast_ready(worker);
  fds[0].fd = holdfast_fd(worker);
  do {
    poll(fds, 2, -1);
    if (fds[1].fd >= 0 && fds[1].revents != 0) serve_one();
  } while (holdfast_dispatch(worker));
  const int code = holdfast_wait(worker);
  holdfast_worker_free(worker);
  return code;
}
