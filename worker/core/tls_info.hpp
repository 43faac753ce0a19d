// What is worth knowing about a connection's TLS. Views into whatever made it.
#pragma once

#include <string_view>

namespace holdfast::worker {

struct TlsInfo {
  std::string_view version;      // "TLSv1.3"
  std::string_view cipher;       // "TLS_AES_256_GCM_SHA384"
  std::string_view server_name;  // as the client sent it; empty: it sent none
  std::string_view alpn;         // what was agreed on; empty: the client offered nothing
  bool resumed = false;          // by a session ticket
};

}  // namespace holdfast::worker
