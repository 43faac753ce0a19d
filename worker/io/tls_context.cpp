#include "worker/io/tls_context.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

namespace holdfast::worker {
namespace {

// Forward secrecy and AEAD only; TLS 1.3 has nothing else (RFC 9325, 4.2).
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
// How long a session may be resumed, so that a stolen ticket key is worth little.
constexpr long kSessionSeconds = 2 * 60 * 60;
constexpr unsigned char kProtocols[] = "\x08http/1.1\x08http/1.0";

// The first entry of OpenSSL's queue is where it went wrong; later ones only say who noticed.
std::string cause() {
  const unsigned long code = ERR_peek_error();
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown";
}

bool first_error_is(int library, int reason) {
  return ERR_GET_LIB(ERR_peek_error()) == library && ERR_GET_REASON(ERR_peek_error()) == reason;
}

std::string certificate_cause() {
  if (first_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE))
    return "it holds no certificate in PEM format";
  return cause();
}

std::string key_cause(const std::string& certificate) {
  if (first_error_is(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH) ||
      first_error_is(ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH))
    return "it does not belong to certificate " + certificate;
  if (first_error_is(ERR_LIB_OSSL_DECODER, ERR_R_UNSUPPORTED))
    return "it holds no key in PEM format, or an encrypted one";
  return cause();
}

// A password prompt would hold a worker up for ever.
int no_password(char*, int, int, void*) { return -1; }

// Who offers nothing that we speak gets an alert, so that no other protocol's client can be led
// here (RFC 7301, 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* found = nullptr;
  const int result =
      SSL_select_next_proto(&found, size, kProtocols, sizeof kProtocols - 1, offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Every name is answered with the one certificate; accepting it makes OpenSSL keep it.
int accept_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

bool start_mac(EVP_MAC_CTX* mac, const TicketKey& key) {
  char digest[] = "SHA256";
  auto* secret = const_cast<unsigned char*>(key.mac().data());
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, key.mac().size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): < 0 fails, 0 means no ticket or a full handshake, 1
// uses the key, 2 uses it and sends a new ticket.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
               EVP_MAC_CTX* mac, int sealing) {
  const auto& keys =
      *static_cast<const std::vector<TicketKey>*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (sealing == 1) {
    const TicketKey& key = keys.front();
    if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) return -1;
    std::copy(key.name().begin(), key.name().end(), name);
    const bool sealed =
        EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher().data(), iv, nullptr) == 1 &&
        start_mac(mac, key);
    return sealed ? 1 : -1;
  }
  const auto found = std::find_if(keys.begin(), keys.end(), [name](const TicketKey& key) {
    return std::equal(key.name().begin(), key.name().end(), name);
  });
  if (found == keys.end()) return 0;
  if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), found->cipher().data(), iv, nullptr) != 1 ||
      !start_mac(mac, *found))
    return -1;
  // A TLS 1.3 ticket is meant to be used once (RFC 8446, C.4).
  return found != keys.begin() || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

TlsContext::TlsContext() : context_(SSL_CTX_new(TLS_server_method())) {}

Result<TlsContext> TlsContext::load(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  TlsContext loaded;
  SSL_CTX* context = loaded.context_.get();
  if (context == nullptr) return plain_error("set up TLS", cause());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);  // HTTP has its own framing
  // An idle connection keeps no record buffer; out-buffers move when they grow.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A record's head and body come with one read(2) instead of two.
  SSL_CTX_set_read_ahead(context, 1);
  if (SSL_CTX_set_cipher_list(context, kCiphers12) != 1) return plain_error("set up TLS", cause());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, kSessionSeconds);
  constexpr unsigned char kContext[] = "holdfast";
  SSL_CTX_set_session_id_context(context, kContext, sizeof kContext - 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  // What the macro SSL_CTX_set_tlsext_servername_callback does with an old-style cast.
  SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(accept_name));
  SSL_CTX_set_default_passwd_cb(context, no_password);

  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return plain_error("load certificate " + certificate, certificate_cause());
  ERR_clear_error();
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return plain_error("load key " + key, key_cause(certificate));
  if (SSL_CTX_check_private_key(context) != 1)
    return plain_error("load key " + key, "it does not belong to certificate " + certificate);
  return loaded;
}

void TlsContext::use_ticket_keys(std::vector<TicketKey> keys) {
  if (keys.empty()) return;
  ticket_keys_ = std::make_unique<std::vector<TicketKey>>(std::move(keys));
  SSL_CTX_set_app_data(context_.get(), ticket_keys_.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context_.get(), ticket_key);
}

std::unique_ptr<TlsStream> TlsContext::accept(int fd) const {
  ERR_clear_error();
  SSL* ssl = SSL_new(context_.get());
  if (ssl == nullptr) return nullptr;
  auto stream = std::make_unique<TlsStream>(ssl);
  if (SSL_set_fd(ssl, fd) != 1) return nullptr;
  SSL_set_accept_state(ssl);
  return stream;
}

}  // namespace holdfast::worker
