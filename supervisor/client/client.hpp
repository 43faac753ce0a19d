// The commands that ask a running supervisor. Each talks to the terminal by itself and returns the
// exit code of docs/exit_codes.md.
#pragma once

#include "supervisor/client/client_options.hpp"

namespace holdfast::supervisor {

int run_reload(const ClientOptions& options);
int run_status(const ClientOptions& options);
int run_events(const ClientOptions& options);
int run_metrics(const ClientOptions& options);
int run_stop(const ClientOptions& options);
int run_scale(const ClientOptions& options);
int run_reopen_logs(const ClientOptions& options);

int run_client(const ClientOptions& options);

}  // namespace holdfast::supervisor
