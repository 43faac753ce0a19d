// The public face of a Server: everything is its Impl's.
#include "holdfast/worker/server.hpp"
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {

Server::Server(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;
void Server::handle(Handler handler) { impl_->handle(std::move(handler)); }
void Server::select(Selector selector) { impl_->select(std::move(selector)); }
void Server::default_header(std::string name, std::string value) {
  impl_->default_header(std::move(name), std::move(value));
}
void Server::on_accepting(std::function<void()> hook) { impl_->on_accepting(std::move(hook)); }
void Server::on_lame_duck(std::function<void()> hook) { impl_->on_lame_duck(std::move(hook)); }
void Server::on_connection_state(ConnectionHook hook) {
  impl_->on_connection_state(std::move(hook));
}
void Server::on_handoff(GiveHook give, TakeHook take) {
  impl_->on_handoff(std::move(give), std::move(take));
}
int Server::run() { return impl_->run(); }
std::optional<Failure> Server::serve(int listener, std::string name) {
  return impl_->serve(UniqueFd(listener), std::move(name));
}
std::optional<Failure> Server::listen_and_serve(const std::string& address) {
  return impl_->listen_and_serve(address);
}
std::optional<Failure> Server::wait() { return impl_->wait(); }
StopResult Server::stop() { return impl_->stop(); }
void Server::request_stop() { impl_->request_stop(); }
std::optional<Failure> Server::reopen_log() { return impl_->reopen_log(); }
bool Server::ready() const { return impl_->ready(); }
std::uint64_t Server::generation() const { return impl_->identity().generation; }
std::uint64_t Server::worker() const { return impl_->identity().worker; }
const std::vector<std::string>& Server::addresses() const { return impl_->addresses(); }

}  // namespace holdfast::worker
