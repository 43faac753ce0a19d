// The C header: no exception leaves it.
#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "holdfast/worker.h"
#include "holdfast/worker/worker.hpp"

using holdfast::worker::AccessEntry;
using holdfast::worker::Worker;
using holdfast::worker::WorkerSettings;

struct holdfast_worker {
  explicit holdfast_worker(WorkerSettings settings) : worker(std::move(settings)) {}
  Worker worker;
};

struct holdfast_connection {
  Worker::Connection connection;
};

namespace {

std::string_view view(const char* text) { return text != nullptr ? text : std::string_view{}; }

WorkerSettings settings_from(const holdfast_settings* given) {
  WorkerSettings settings;
  if (given == nullptr) return settings;
  if (given->listen != nullptr && *given->listen != nullptr) {
    settings.listen.clear();
    for (const char* const* each = given->listen; *each != nullptr; ++each)
      settings.listen.emplace_back(*each);
  }
  if (given->access_log != nullptr) settings.access_log = given->access_log;
  settings.track_connections = given->untracked == 0;
  return settings;
}

}  // namespace

holdfast_worker* holdfast_worker_new(const holdfast_settings* settings, char* error, size_t size) {
  try {
    return new holdfast_worker(settings_from(settings));
  } catch (const std::exception& failed) {
    if (error != nullptr && size > 0) {
      const std::size_t length = std::min(std::strlen(failed.what()), size - 1);
      std::memcpy(error, failed.what(), length);
      error[length] = '\0';
    }
    return nullptr;
  }
}

void holdfast_worker_free(holdfast_worker* worker) { delete worker; }

size_t holdfast_listener_count(const holdfast_worker* worker) {
  return worker->worker.listeners().size();
}
int holdfast_listener_fd(const holdfast_worker* worker, size_t index) {
  const auto& all = worker->worker.listeners();
  return index < all.size() ? all[index].fd : -1;
}
const char* holdfast_listener_name(const holdfast_worker* worker, size_t index) {
  const auto& all = worker->worker.listeners();
  return index < all.size() ? all[index].name.c_str() : nullptr;
}
const char* holdfast_listener_address(const holdfast_worker* worker, size_t index) {
  const auto& all = worker->worker.listeners();
  return index < all.size() ? all[index].address.c_str() : nullptr;
}
uint64_t holdfast_generation(const holdfast_worker* worker) { return worker->worker.generation(); }

void holdfast_set_callbacks(holdfast_worker* worker, const holdfast_callbacks* callbacks) {
  const holdfast_callbacks c = *callbacks;
  Worker& w = worker->worker;
  if (c.accept != nullptr) w.on_accept([c] { c.accept(c.data); });
  if (c.pause != nullptr) w.on_pause([c] { c.pause(c.data); });
  if (c.close_listeners != nullptr)
    w.on_close_listeners([c](bool accept_queued) { c.close_listeners(c.data, accept_queued); });
  if (c.drain != nullptr) {
    w.on_drain([c](std::string_view reason, std::chrono::steady_clock::time_point deadline) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      c.drain(c.data, std::string(reason).c_str(), std::max<std::int64_t>(left.count(), 0));
    });
  }
  if (c.cut != nullptr) w.on_cut([c] { c.cut(c.data); });
}

void holdfast_ready(holdfast_worker* worker) { worker->worker.ready(); }
void holdfast_drain(holdfast_worker* worker) { worker->worker.drain(); }
void holdfast_drained(holdfast_worker* worker, uint64_t served, uint64_t closed_idle,
                      uint64_t cut) {
  worker->worker.drained({served, closed_idle, cut});
}

int holdfast_fd(const holdfast_worker* worker) { return worker->worker.fd(); }
int holdfast_dispatch(holdfast_worker* worker) { return worker->worker.dispatch() ? 1 : 0; }
int holdfast_start_thread(holdfast_worker* worker) {
  try {
    worker->worker.start_thread();
    return 0;
  } catch (const std::exception&) {
    return -1;
  }
}
int holdfast_wait(holdfast_worker* worker) { return worker->worker.wait(); }

int holdfast_accept(int listener, int nonblocking) {
  return Worker::accept(listener, nonblocking != 0);
}

holdfast_connection* holdfast_connection_open(holdfast_worker* worker, int fd) {
  try {
    return new holdfast_connection{worker->worker.connections().open(fd)};
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void holdfast_connection_active(holdfast_connection* connection) {
  if (connection != nullptr) connection->connection.active();
}
void holdfast_connection_answering(holdfast_connection* connection) {
  if (connection != nullptr) connection->connection.answering();
}
void holdfast_connection_idle(holdfast_connection* connection) {
  if (connection != nullptr) connection->connection.idle();
}
int holdfast_connection_should_close(const holdfast_connection* connection) {
  return connection == nullptr || connection->connection.should_close() ? 1 : 0;
}
void holdfast_connection_closed(holdfast_connection* connection) { delete connection; }

void holdfast_answered(holdfast_worker* worker, int status) { worker->worker.answered(status); }

void holdfast_log(holdfast_worker* worker, const holdfast_access_entry* given) {
  AccessEntry entry;
  entry.started =
      std::chrono::steady_clock::time_point(std::chrono::nanoseconds(given->started_ns));
  if (given->protocol != nullptr) entry.protocol = given->protocol;
  entry.method = view(given->method);
  entry.url = view(given->url);
  entry.host = view(given->host);
  entry.user_agent = view(given->user_agent);
  entry.referer = view(given->referer);
  entry.status = given->status;
  entry.request_size = given->request_size;
  entry.response_size = given->response_size;
  entry.bytes_received = given->bytes_received;
  entry.bytes_sent = given->bytes_sent;
  entry.remote_address = view(given->remote_address);
  entry.remote_port = given->remote_port;
  entry.request_id = view(given->request_id);
  entry.listener = view(given->listener);
  entry.connection = given->connection;
  entry.connection_requests = given->connection_requests;
  if (given->completion != nullptr) entry.completion = given->completion;
  worker->worker.log(entry);
}
