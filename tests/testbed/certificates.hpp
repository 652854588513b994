// SPDX-License-Identifier: Apache-2.0
#pragma once
// Certificates for tests, self-signed or by an authority of their own, with their keys, in a folder of their own. Whoever
// includes this links OpenSSL.

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
  /// `names` as OpenSSL's subjectAltName has them: "IP:127.0.0.1,DNS:localhost". Valid between these seconds from now. Signed
  /// with the key of `authority`, or with its own.
  void make(const std::string& name, const std::string& names, long from = -3'600, long until = 86'400,
            const std::string& authority = "") const {
    issue(name, NID_subject_alt_name, names, from, until, authority);
  }
  void make_authority(const std::string& name, long from = -3'600, long until = 86'400) const {
    issue(name, NID_basic_constraints, "critical,CA:TRUE", from, until, "");
  }
  [[nodiscard]] std::string key(const std::string& name) const { return folder_.path() + "/" + name + ".key"; }
  [[nodiscard]] std::string certificate(const std::string& name) const { return folder_.path() + "/" + name + ".crt"; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  static auto open(const std::string& file, const char* how) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(std::fopen(file.c_str(), how), std::fclose);
    if (!opened) throw std::runtime_error("cannot open " + file);
    return opened;
  }

  void issue(const std::string& name, int what, const std::string& value, long from, long until,
             const std::string& authority) const {
    const Key own(EVP_EC_gen("P-256"), EVP_PKEY_free);
    Key above(nullptr, EVP_PKEY_free);
    const Certificate made(X509_new(), X509_free);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), from);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), until);
    const auto common = what == NID_basic_constraints ? "hansa-test " + name : "hansa-test";
    auto* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
    X509_set_issuer_name(made.get(), subject);
    if (!authority.empty()) {
      const Certificate issuer(PEM_read_X509(open(certificate(authority), "r").get(), nullptr, nullptr, nullptr), X509_free);
      above.reset(PEM_read_PrivateKey(open(key(authority), "r").get(), nullptr, nullptr, nullptr));
      if (!issuer || !above) throw std::runtime_error("no authority " + authority);
      X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
    }
    X509_set_pubkey(made.get(), own.get());
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str()), X509_EXTENSION_free);
    X509_add_ext(made.get(), extension.get(), -1);
    if (X509_sign(made.get(), above ? above.get() : own.get(), EVP_sha256()) == 0) throw std::runtime_error("no certificate");
    const auto write = [](const std::string& file, auto how) {
      if (how(open(file, "w").get()) != 1) throw std::runtime_error("cannot write " + file);
    };
    write(certificate(name), [&](std::FILE* out) { return PEM_write_X509(out, made.get()); });
    write(key(name), [&](std::FILE* out) { return PEM_write_PrivateKey(out, own.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    std::filesystem::permissions(key(name), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }

  TemporaryFolder folder_;
};

}  // namespace hansa::test
