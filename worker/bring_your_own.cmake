# Worker, ConnectionTracker and the C header: for services whose HTTP server is not ours.
target_sources(holdfast_worker PRIVATE
  core/connection_book.cpp
  io/channel_variable.cpp
  io/connection_tracker.cpp
  io/dispatch_fd.cpp
  io/dispatch_handoff_loop.cpp
  io/drain_signals.cpp
  io/shared_access_log.cpp
  io/tracked_socket.cpp
  io/worker.cpp
  io/worker_c.cpp
  io/worker_drain.cpp
  io/worker_handoff.cpp
  io/worker_impl.cpp
  io/worker_link.cpp)
# It needs linux/tcp.h, whose tcp_info is not that of netinet/tcp.h.
set_source_files_properties(io/tracked_socket.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
