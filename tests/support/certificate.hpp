// A self-signed certificate for localhost and 127.0.0.1 with its key, made by openssl(1) for one
// test. Replacing it keeps its paths.
#pragma once

#include <stdexcept>
#include <string>

#include "tests/support/child_process.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {

class Certificate {
 public:
  Certificate(const TempDir& files, const std::string& name)
      : certificate(files.file(name + ".crt")), key(files.file(name + ".key")) {
    replace();
  }

  void replace() const {
    const auto made =
        run_command({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                     "-addext", "subjectAltName=DNS:localhost,DNS:other.test,IP:127.0.0.1",
                     "-keyout", key, "-out", certificate});
    if (made.status != exited(0)) throw std::runtime_error("cannot make certificate: " + made.err);
  }

  const std::string certificate;
  const std::string key;
};

}  // namespace holdfast::testing
