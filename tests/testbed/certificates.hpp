// SPDX-License-Identifier: Apache-2.0
#pragma once
// Self-signed certificates for tests, with their keys, in a folder of their own. Whoever includes this links OpenSSL.

#include "tests/testbed/temporary_folder.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace hansa::test {

class Certificates {
 public:
  /// `names` as OpenSSL's subjectAltName has them: "IP:127.0.0.1,DNS:localhost". Valid between these seconds from now.
  void make(const std::string& name, const std::string& names, long from = -3'600, long until = 86'400) const {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), from);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), until);
    auto* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("hansa-test"), -1, -1, 0);
    X509_set_issuer_name(made.get(), subject);
    X509_set_pubkey(made.get(), pair.get());
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()), X509_EXTENSION_free);
    X509_add_ext(made.get(), extension.get(), -1);
    if (X509_sign(made.get(), pair.get(), EVP_sha256()) == 0) throw std::runtime_error("no certificate");
    const auto write = [](const std::string& file, auto how) {
      const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "w"), std::fclose);
      if (!out || how(out.get()) != 1) throw std::runtime_error("cannot write " + file);
    };
    write(certificate(name), [&](std::FILE* out) { return PEM_write_X509(out, made.get()); });
    write(key(name),
          [&](std::FILE* out) { return PEM_write_PrivateKey(out, pair.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    std::filesystem::permissions(key(name), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  [[nodiscard]] std::string key(const std::string& name) const { return folder_.path() + "/" + name + ".key"; }
  [[nodiscard]] std::string certificate(const std::string& name) const { return folder_.path() + "/" + name + ".crt"; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace hansa::test
