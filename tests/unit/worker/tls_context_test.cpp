// TLS contexts and streams over a socket pair, with the load client's TLS at the other end.
#include "worker/io/tls_context.hpp"

#include <array>
#include <cerrno>
#include <sys/socket.h>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/support/certificate.hpp"
#include "tests/support/load_client_tls.hpp"

namespace holdfast::worker {
namespace {

using testing::TlsClient;
using testing::TlsClientContext;

TicketKey key_of(unsigned char byte) {
  TicketKey key;
  key.bytes.fill(byte);
  return key;
}

class TlsContextTest : public ::testing::Test {
 protected:
  TlsContext context(std::vector<TicketKey> keys = {}) const {
    auto loaded = TlsContext::load(certificate.certificate, certificate.key);
    EXPECT_TRUE(loaded) << loaded.error().message;
    loaded->use_ticket_keys(std::move(keys));
    return std::move(*loaded);
  }
  testing::TempDir files;
  testing::Certificate certificate{files, "server"};
};

// Both ends of one connection; the handshake is done.
struct Pair {
  Pair(const TlsContext& server_context, TlsClientContext& client_context) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    near = UniqueFd(ends[0]);
    far = UniqueFd(ends[1]);
    server = server_context.accept(near.get());
    client = std::make_unique<TlsClient>(client_context, far.get());
    bool done = false;
    for (int i = 0; i < 10 && !done; ++i) {
      const bool ours = server->handshake() == TlsStream::Progress::Complete;
      done = client->handshake() == TlsClient::Step::Complete && ours;
    }
    EXPECT_TRUE(done) << server->failure();
    // What the server says next makes the client read its tickets.
    EXPECT_EQ(server->write("x", 1), 1);
    std::array<char, 8> byte{};
    bool emptied = false;
    EXPECT_EQ(client->receive(byte, emptied), 1);
  }
  UniqueFd near, far;
  std::unique_ptr<TlsStream> server;
  std::unique_ptr<TlsClient> client;
};

bool resumes(const TlsContext& server, TlsClientContext& client) {
  return Pair(server, client).server->info().resumed;
}

TEST_F(TlsContextTest, ATicketOfTheKeyBeforeIsOpenedAndRenewed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClientContext client;
    SSL_CTX_set_max_proto_version(client.get(), version);
    EXPECT_FALSE(resumes(context({key_of(1)}), client));
    EXPECT_TRUE(resumes(context({key_of(1)}), client)) << "in another process";
    EXPECT_TRUE(resumes(context({key_of(2), key_of(1)}), client));
    EXPECT_TRUE(resumes(context({key_of(3), key_of(2)}), client)) << "it was not renewed";
    EXPECT_FALSE(resumes(context({key_of(4), key_of(1)}), client)) << "its key is gone";
    EXPECT_TRUE(resumes(context({key_of(4)}), client)) << "it was not replaced";
  }
}

TEST_F(TlsContextTest, WithoutKeysSessionsResumeInThisContextOnly) {
  const TlsContext one = context();
  const TlsContext other = context();
  TlsClientContext client;
  EXPECT_FALSE(resumes(one, client));
  EXPECT_TRUE(resumes(one, client));
  EXPECT_FALSE(resumes(other, client));
}

TEST_F(TlsContextTest, WhatCannotBeLoadedIsNamed) {
  const auto error = [](const std::string& crt, const std::string& key) {
    const auto loaded = TlsContext::load(crt, key);
    return loaded ? "" : loaded.error().message;
  };
  const std::string& crt = certificate.certificate;
  const std::string& key = certificate.key;
  const testing::Certificate other(files, "other");
  const std::string text = files.write("text", "hello\n");
  const std::string missing = files.file("missing");
  EXPECT_EQ(error(missing, key),
            "cannot load certificate " + missing + ": No such file or directory");
  EXPECT_EQ(error(crt, missing), "cannot load key " + missing + ": No such file or directory");
  EXPECT_EQ(error(text, key),
            "cannot load certificate " + text + ": it holds no certificate in PEM format");
  EXPECT_EQ(error(crt, text),
            "cannot load key " + text + ": it holds no key in PEM format, or an encrypted one");
  EXPECT_EQ(error(crt, other.key),
            "cannot load key " + other.key + ": it does not belong to certificate " + crt);
  const std::string locked = files.file("locked");
  ASSERT_EQ(testing::run_command(
                {"openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:x"})
                .status,
            testing::exited(0));
  EXPECT_NE(error(crt, locked), "") << "it asked for a password";
  EXPECT_EQ(error(crt, key), "");
}

TEST_F(TlsContextTest, AReadTakesWhatHasComeOrSaysThatThereIsMore) {
  const TlsContext server_context = context();
  TlsClientContext client_context;
  Pair pair(server_context, client_context);
  std::string sent(150'000, 'a');
  for (std::size_t i = 0; i < sent.size(); i += 13) sent[i] = static_cast<char>('a' + i % 26);
  std::string received;
  std::vector<char> piece(64 * 1024);
  bool more = false;
  EXPECT_EQ(pair.server->read(piece.data(), piece.size(), more), -1);
  EXPECT_EQ(errno, EAGAIN);
  for (std::size_t at = 0; received.size() < sent.size();) {
    while (at < sent.size()) {
      const ssize_t n = pair.client->send(sent.data() + at, sent.size() - at);
      if (n < 0) break;
      at += static_cast<std::size_t>(n);
    }
    do {
      const ssize_t n = pair.server->read(piece.data(), piece.size(), more);
      if (n < 0) break;
      received.append(piece.data(), static_cast<std::size_t>(n));
    } while (more);
    EXPECT_FALSE(pair.server->holds_bytes() && at == sent.size());
  }
  EXPECT_TRUE(received == sent);
  pair.client.reset();
  EXPECT_EQ(pair.server->read(piece.data(), piece.size(), more), 0) << "close_notify";
}

TEST_F(TlsContextTest, ARecordThatIsHalfWrittenIsNotEndedWithCloseNotify) {
  const TlsContext server_context = context();
  TlsClientContext client_context;
  for (const bool whole : {true, false}) {
    Pair pair(server_context, client_context);
    const std::string bytes(16 * 1024, 'b');
    if (whole) {
      EXPECT_EQ(pair.server->write(bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    } else {
      while (pair.server->write(bytes.data(), bytes.size()) > 0) {
      }
      EXPECT_EQ(errno, EAGAIN);
    }
    pair.server->close_notify();
    ::shutdown(pair.near.get(), SHUT_WR);
    std::vector<char> piece(64 * 1024);
    bool emptied = false;
    ssize_t n = 0;
    while ((n = pair.client->receive(piece, emptied)) > 0) {
    }
    EXPECT_EQ(n, whole ? 0 : -1);
  }
}

}  // namespace
}  // namespace holdfast::worker
