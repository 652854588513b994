// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/agent_key.hpp"

#include "broker/core/descriptor.hpp"
#include "broker/core/digest.hpp"
#include "broker/core/secret.hpp"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

namespace hansa::connectors::websocket {

namespace {

constexpr std::string_view kKeyIdPrefix = "sha256:";

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* what) const {
    release(what);
  }
};
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;

std::unexpected<Error> bad_file(const std::filesystem::path& file, const std::string& why) {
  return fail(ErrorKind::invalid_argument, "KEY_FILE", file.string() + " " + why);
}

std::string system_words() { return std::generic_category().message(errno); }

std::string key_id_of_spki(unsigned char* der, int size) {
  if (size <= 0) return {};
  auto id = std::string(kKeyIdPrefix) + sha256_hex({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return id;
}

Result<Key> read_key(const std::filesystem::path& file) {
  struct stat facts{};
  if (::stat(file.c_str(), &facts) != 0) return bad_file(file, "cannot be read: " + system_words());
  if ((facts.st_mode & 077) != 0)
    return bad_file(file, "is a private key that others than its owner may use: chmod 600 it, and ask whether it was copied");
  const Bio bio(BIO_new_file(file.c_str(), "r"));
  if (!bio) return bad_file(file, "cannot be read: " + system_words());
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key) return bad_file(file, "holds no private key in PEM");
  return key;
}

/// In PEM.
Result<Secret> make_key() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio memory(BIO_new(BIO_s_mem()));
  if (!key || !memory || PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return fail(ErrorKind::internal, "KEY_NOT_MADE", "OpenSSL makes no key");
  char* text = nullptr;
  const auto size = BIO_get_mem_data(memory.get(), &text);
  return Secret(std::string(text, static_cast<std::size_t>(size)));
}

/// Of the key alone: what else a certificate must have stands in it so that every TLS library takes it.
Certificate certificate_for(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  if (!certificate) return nullptr;
  auto* name = X509_get_subject_name(certificate.get());
  const auto* words = reinterpret_cast<const unsigned char*>("hansa-agent");
  const bool made = X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate.get()), "20200101000000Z") == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate.get()), "99991231235959Z") == 1 &&  // RFC 5280: none
                    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, words, -1, -1, 0) == 1 &&
                    X509_set_issuer_name(certificate.get(), name) == 1 && X509_set_pubkey(certificate.get(), key) == 1 &&
                    X509_sign(certificate.get(), key, EVP_sha256()) > 0;
  return made ? std::move(certificate) : nullptr;
}

}  // namespace

Result<void> make_key_file(const std::filesystem::path& file) {
  const auto key = make_key();
  if (!key) return std::unexpected(key.error());
  return write_private_file(file, key->reveal());
}

Result<Descriptor> make_key_in_memory() {
  const auto key = make_key();
  if (!key) return std::unexpected(key.error());
  const auto text = key->reveal();
  Descriptor file(::memfd_create("agent.key", MFD_CLOEXEC));
  if (!file || ::fchmod(file.get(), 0600) != 0 ||
      ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail(ErrorKind::internal, "KEY_NOT_MADE", "a key cannot be kept in memory: " + system_words());
  return file;
}

std::filesystem::path file_of(const Descriptor& descriptor) { return "/proc/self/fd/" + std::to_string(descriptor.get()); }

bool sync_folder(const std::filesystem::path& folder) {
  const Descriptor at(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return at && ::fsync(at.get()) == 0;
}

Result<void> write_private_file(const std::filesystem::path& file, std::string_view text) {
  const Descriptor out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (out.get() < 0) return bad_file(file, "cannot be made: " + system_words());
  const bool written = ::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(out.get()) == 0 && sync_folder(file.parent_path());
  if (!written) {
    const auto why = system_words();
    ::unlink(file.c_str());
    return bad_file(file, "cannot be written: " + why);
  }
  return {};
}

Result<void> use_key_file(boost::asio::ssl::context& context, const std::filesystem::path& file) {
  const auto key = read_key(file);
  if (!key) return std::unexpected(key.error());
  const auto certificate = certificate_for(key->get());
  if (!certificate || SSL_CTX_use_certificate(context.native_handle(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.native_handle(), key->get()) != 1) {
    return bad_file(file, "holds a key that TLS does not take: make a new one (hansa-agent enroll --new-key)");
  }
  return {};
}

Result<std::string> key_id_of_key_file(const std::filesystem::path& file) {
  const auto key = read_key(file);
  if (!key) return std::unexpected(key.error());
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key->get(), &der);
  return key_id_of_spki(der, size);
}

Result<std::string> key_id_of_certificate_file(const std::filesystem::path& file) {
  const Bio bio(BIO_new_file(file.c_str(), "r"));
  if (!bio) return bad_file(file, "cannot be read: " + system_words());
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return bad_file(file, "holds no certificate in PEM");
  return key_id_of(certificate.get());
}

std::string key_id_of(X509* certificate) {
  if (certificate == nullptr) return {};
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  return key_id_of_spki(der, size);
}

std::string key_id_of_peer(SSL* tls) { return key_id_of(SSL_get0_peer_certificate(tls)); }

bool is_key_id(std::string_view text) {
  return text.starts_with(kKeyIdPrefix) && text.size() == kKeyIdPrefix.size() + 64 &&
         text.substr(kKeyIdPrefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace hansa::connectors::websocket
