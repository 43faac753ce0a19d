# The pieces of HTTP that know no connection: scanning, parsing, heads, chunks, log lines, deadlines.
add_library(holdfast_http STATIC
  core/access_line.cpp
  core/access_record.cpp
  core/byte_range.cpp
  core/chunk.cpp
  core/default_headers.cpp
  core/forwarded.cpp
  core/handshake_record.cpp
  core/head_reader.cpp
  core/head_scan.cpp
  core/ip_address.cpp
  core/keep_alive_hint.cpp
  core/log_field.cpp
  core/proxy_protocol.cpp
  core/reason_phrase.cpp
  core/request_line.cpp
  core/response_head.cpp
  core/timer_wheel.cpp
  io/request_parser.cpp)
holdfast_unity(holdfast_http)
target_include_directories(holdfast_http PUBLIC ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/include)
target_link_libraries(holdfast_http PUBLIC holdfast_shared PRIVATE holdfast_warnings)
