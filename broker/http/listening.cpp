// SPDX-License-Identifier: Apache-2.0
#include "broker/http/listening.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <ctime>
#include <string>

namespace hansa::http {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

namespace {

constexpr const char* kCiphers =  // of TLS 1.2
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kSuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";  // of TLS 1.3
constexpr const char* kGroups = "X25519MLKEM768:X25519:prime256v1:secp384r1";
constexpr const char* kOldGroups = "X25519:prime256v1:secp384r1";

bool use_modern_parameters(SSL_CTX* context) {
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
         SSL_CTX_set_ciphersuites(context, kSuites) == 1 &&
         (SSL_CTX_set1_groups_list(context, kGroups) == 1 || SSL_CTX_set1_groups_list(context, kOldGroups) == 1);
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> server_context(const TlsFiles& files) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorKind::invalid_argument, "TLS_FILES", what + ": " + error.message());
  };
  if (!use_modern_parameters(context->native_handle()))
    return fail(ErrorKind::internal, "TLS", "this OpenSSL does not have the ciphers that TLS is spoken with here");
  ERR_clear_error();  // of groups that an older one does not know
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  context->use_certificate_chain_file(files.certificate, error);
  if (error) return refuse("cannot use the TLS certificate " + files.certificate);
  if (struct stat found{}; ::stat(files.key.c_str(), &found) == 0 && (found.st_mode & S_IROTH) != 0)
    return fail(ErrorKind::invalid_argument, "TLS_FILES",
                "everybody on this machine can read the TLS key " + files.key +
                    ": chmod 0640 it, for the group of the account that runs this; and change it if others may have read it");
  context->use_private_key_file(files.key, asio::ssl::context::pem, error);
  if (error) return refuse("cannot use the TLS key " + files.key + " with the certificate " + files.certificate);
  return context;
}

std::optional<UtcTime> end_of_certificate(asio::ssl::context& context) {
  const auto* certificate = SSL_CTX_get0_certificate(context.native_handle());
  std::tm parts{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return std::nullopt;
  return from_unix_seconds(::timegm(&parts));
}

Result<Tcp::acceptor> listen_on(asio::io_context& io, const std::string& address, std::uint16_t port) {
  const auto where = address + " port " + std::to_string(port);
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error) return fail(ErrorKind::invalid_argument, "BAD_ADDRESS", "\"" + address + "\" is no IP address to listen on");
  const Tcp::endpoint endpoint(parsed, port);
  Tcp::acceptor listener(io);
  if (!error) listener.open(endpoint.protocol(), error);
  if (!error) listener.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) listener.bind(endpoint, error);
  if (!error) listener.listen(Tcp::acceptor::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return fail(ErrorKind::conflict, "ADDRESS_IN_USE", "cannot listen on " + where + ": another program does already");
  }
  if (error == asio::error::access_denied) {
    return fail(ErrorKind::permission_denied, "ADDRESS_DENIED",
                "cannot listen on " + where + ": not permitted (ports below 1024?)");
  }
  if (error) return fail(ErrorKind::unavailable, "CANNOT_LISTEN", "cannot listen on " + where + ": " + error.message());
  return listener;
}

std::string name_of(const Tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  auto text = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return text + ":" + std::to_string(endpoint.port());
}

}  // namespace hansa::http
