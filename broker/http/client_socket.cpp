// SPDX-License-Identifier: Apache-2.0
#include "broker/http/client_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <expected>
#include <system_error>
#include <utility>

namespace hansa::http {

namespace {

std::string message_of(int number) { return std::generic_category().message(number); }

std::string tls_errors() {
  std::string text;
  while (const auto code = ERR_get_error()) {
    std::array<char, 256> line{};
    ERR_error_string_n(code, line.data(), line.size());
    if (!text.empty()) text += "; ";
    text += line.data();
  }
  return text;
}

/// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a broker that hangs up would kill the program by SIGPIPE.
int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  int fd = -1;
  BIO_get_fd(bio, &fd);
  const auto sent = ::send(fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

const BIO_METHOD* quiet_socket() {
  static const BIO_METHOD* const kMethod = [] {
    auto* method = BIO_meth_new(BIO_TYPE_SOCKET, "socket without SIGPIPE");
    const auto* socket = BIO_s_socket();
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, BIO_meth_get_read(socket));
    BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(socket));
    BIO_meth_set_create(method, BIO_meth_get_create(socket));
    BIO_meth_set_destroy(method, BIO_meth_get_destroy(socket));
    return method;
  }();
  return kMethod;
}

std::string remedy_of(long verdict, const std::string& host) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its operator renews it, or the authority above it, and reloads it there; or the clock of this machine is ahead";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "is the clock of this machine behind?";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "it is for another name than " + host + ": use a name that stands in it";
    default: return "set ca_file to the authority that signed it";
  }
}

struct Addresses {
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{nullptr, &::freeaddrinfo};
  int failed = 0;  // of getaddrinfo
  int number = 0;  // errno
};

Addresses addresses_of(const std::string& host, const std::string& port, bool numeric) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* found = nullptr;
  Addresses addresses;
  addresses.failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  addresses.number = errno;
  if (addresses.failed == 0) addresses.list.reset(found);
  return addresses;
}

}  // namespace

struct ClientSocket::Tls {
  SSL_CTX* context = nullptr;
  SSL* session = nullptr;
  Tls() = default;
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  ~Tls() {
    SSL_free(session);
    SSL_CTX_free(context);
  }
};

/// 0 if ready, else ETIMEDOUT, ECANCELED, or what poll says.
int ClientSocket::wait_for(short events, Time deadline) const {
  constexpr std::int64_t kLook = 100;  // milliseconds between two looks whether to stop
  for (;;) {
    if (stop_ && stop_->load()) return ECANCELED;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return ETIMEDOUT;
    pollfd wanted{.fd = fd_, .events = events, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left, stop_ ? kLook : INT32_MAX)));
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

ClientSocket::ClientSocket() = default;
ClientSocket::ClientSocket(ClientSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), stop_(std::move(other.stop_)), tls_(std::move(other.tls_)) {}
ClientSocket& ClientSocket::operator=(ClientSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(stop_, other.stop_);
  std::swap(tls_, other.tls_);
  return *this;
}
ClientSocket::~ClientSocket() {
  if (tls_ && tls_->session != nullptr) SSL_shutdown(tls_->session);  // says goodbye, waits for nothing
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
}

Result<std::vector<std::string>> look_up(const std::string& host) {
  auto found = addresses_of(host, "0", true);  // an address needs no resolver, which loads libraries and reads files
  if (found.failed == EAI_NONAME) found = addresses_of(host, "0", false);
  if (found.failed != 0) {
    return fail(ErrorKind::unavailable, "NO_ADDRESS",
                found.failed == EAI_SYSTEM ? message_of(found.number) : ::gai_strerror(found.failed));
  }
  std::vector<std::string> addresses;
  for (const auto* each = found.list.get(); each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0)
      addresses.emplace_back(text.data());
  }
  return addresses;
}

bool is_address(const std::string& host) { return addresses_of(host, "0", true).failed == 0; }

Result<ClientSocket> ClientSocket::connect(const Url& url, const Way& way, Time deadline) {
  const auto unreachable = [&](const std::string& why) {
    return fail(ErrorKind::unavailable, "UNREACHABLE",
                "cannot reach " + way.peer + " at " + (way.unix_socket.empty() ? url.str() : way.unix_socket) + ": " + why);
  };
  const auto connect_to = [&](const sockaddr* address, socklen_t size) -> std::expected<ClientSocket, int> {
    ClientSocket socket;
    socket.stop_ = way.stop;
    socket.fd_ = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket.fd_ < 0) return std::unexpected(errno);
    if (::connect(socket.fd_, address, size) == 0) return socket;
    if (errno != EINPROGRESS) return std::unexpected(errno);
    if (const int failed = socket.wait_for(POLLOUT, deadline)) return std::unexpected(failed);
    int error = 0;
    socklen_t error_size = sizeof error;
    if (::getsockopt(socket.fd_, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0) return std::unexpected(errno);
    if (error != 0) return std::unexpected(error);
    return socket;
  };
  const auto secured = [&](ClientSocket socket) -> Result<ClientSocket> {
    if (!url.tls) return socket;
    if (auto tls = socket.start_tls(url, way, deadline); !tls) return std::unexpected(tls.error());
    return socket;
  };
  if (!way.unix_socket.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (way.unix_socket.size() >= sizeof address.sun_path) return unreachable(message_of(ENAMETOOLONG));
    way.unix_socket.copy(address.sun_path, way.unix_socket.size());
    auto connected = connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return connected ? secured(std::move(*connected)) : unreachable(message_of(connected.error()));
  }

  auto hosts = way.addresses;
  if (hosts.empty()) {
    auto found = look_up(url.host);
    if (!found) return unreachable(found.error().message);
    hosts = std::move(*found);
  }
  int error = ENOENT;
  const auto port = std::to_string(url.port);
  for (const auto& host : hosts) {
    const auto found = addresses_of(host, port, true);
    if (!found.list) continue;
    auto connected = connect_to(found.list->ai_addr, found.list->ai_addrlen);
    if (!connected) {
      error = connected.error();
      continue;
    }
    const int on = 1;
    ::setsockopt(connected->fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return secured(std::move(*connected));
  }
  return unreachable(message_of(error));
}

Result<void> ClientSocket::start_tls(const Url& url, const Way& way, Time deadline) {
  const auto& ca_file = way.ca_file;
  const auto refuse = [&](ErrorKind kind, std::string_view code, const std::string& why) {
    return fail(kind, code, "no secure connection to " + way.peer + " at " + url.str() + ": " + why);
  };
  tls_ = std::make_unique<Tls>();
  tls_->context = SSL_CTX_new(TLS_client_method());
  if (tls_->context == nullptr) return refuse(ErrorKind::internal, "TLS", tls_errors());
  SSL_CTX_set_min_proto_version(tls_->context, TLS1_2_VERSION);
  SSL_CTX_set_mode(tls_->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(tls_->context, SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(tls_->context)
                                     : SSL_CTX_load_verify_file(tls_->context, ca_file.c_str());
  if (loaded != 1)
    return refuse(ErrorKind::invalid_argument, "CA_FILE", "cannot read authorities from " + ca_file + ": " + tls_errors());
  tls_->session = SSL_new(tls_->context);
  if (tls_->session == nullptr) return refuse(ErrorKind::internal, "TLS", tls_errors());
  auto* parameters = SSL_get0_param(tls_->session);
  std::array<unsigned char, sizeof(in6_addr)> address{};
  const bool numeric = ::inet_pton(url.host.contains(':') ? AF_INET6 : AF_INET, url.host.c_str(), address.data()) == 1;
  const int named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(parameters, url.host.c_str())
                            : X509_VERIFY_PARAM_set1_host(parameters, url.host.c_str(), url.host.size());
  auto* bio = BIO_new(quiet_socket());
  if (bio != nullptr) BIO_set_fd(bio, fd_, BIO_NOCLOSE);
  SSL_set_bio(tls_->session, bio, bio);
  if (bio == nullptr || named != 1 || (!numeric && SSL_set_tlsext_host_name(tls_->session, url.host.c_str()) != 1)) {
    return refuse(ErrorKind::internal, "TLS", tls_errors());
  }
  for (;;) {
    ERR_clear_error();
    const int result = SSL_connect(tls_->session);
    if (result == 1) return {};
    const int number = errno;
    const int why = SSL_get_error(tls_->session, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
      if (const int failed = wait_for(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) {
        return refuse(ErrorKind::unavailable, "UNREACHABLE", message_of(failed));
      }
      continue;
    }
    const long verdict = SSL_get_verify_result(tls_->session);
    const auto errors = tls_errors();
    if (verdict != X509_V_OK) {
      return refuse(ErrorKind::permission_denied, "TLS_REFUSED",
                    std::string("its certificate is not to be trusted: ") + X509_verify_cert_error_string(verdict) + " (" +
                        remedy_of(verdict, url.host) + ")");
    }
    return refuse(ErrorKind::unavailable, "UNREACHABLE",
                  !errors.empty() ? errors
                  : number != 0   ? message_of(number)
                                  : "it hung up");
  }
}

ClientSocket::Transfer ClientSocket::write(std::string_view bytes, Time deadline) {
  for (;;) {
    short wanted = POLLOUT;
    if (tls_) {
      ERR_clear_error();
      std::size_t size = 0;
      const int result = SSL_write_ex(tls_->session, bytes.data(), bytes.size(), &size);
      if (result == 1) return {End::ok, size};
      const int number = errno;
      const int why = SSL_get_error(tls_->session, result);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        const auto errors = tls_errors();
        return {End::failed, 0, errors.empty() ? message_of(number) : errors};
      }
      wanted = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    } else {
      const auto size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size >= 0) return {End::ok, static_cast<std::size_t>(size)};
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return {End::failed, 0, message_of(errno)};
    }
    if (const int failed = wait_for(wanted, deadline)) {
      return {failed == ETIMEDOUT ? End::timed_out : End::failed, 0, message_of(failed)};
    }
  }
}

ClientSocket::Transfer ClientSocket::read(std::span<char> into, Time deadline) {
  for (;;) {
    short wanted = POLLIN;
    if (tls_) {
      ERR_clear_error();
      std::size_t size = 0;
      const int result = SSL_read_ex(tls_->session, into.data(), into.size(), &size);
      if (result == 1) return {End::ok, size};
      const int number = errno;
      const int why = SSL_get_error(tls_->session, result);
      if (why == SSL_ERROR_ZERO_RETURN) return {End::closed};
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        const auto errors = tls_errors();
        return {End::failed, 0, errors.empty() ? message_of(number) : errors};
      }
      wanted = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    } else {
      const auto size = ::recv(fd_, into.data(), into.size(), 0);
      if (size > 0) return {End::ok, static_cast<std::size_t>(size)};
      if (size == 0) return {End::closed};
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return {End::failed, 0, message_of(errno)};
    }
    if (const int failed = wait_for(wanted, deadline)) {
      return {failed == ETIMEDOUT ? End::timed_out : End::failed, 0, message_of(failed)};
    }
  }
}

bool ClientSocket::stale() const {
  pollfd state{.fd = fd_, .events = POLLIN | POLLRDHUP, .revents = 0};
  if (::poll(&state, 1, 0) == 0) return false;
  if (!tls_ || (state.revents & (POLLHUP | POLLERR | POLLRDHUP)) != 0) return true;
  // TLS 1.3 sends session tickets after the handshake: bytes alone mean nothing.
  char byte = 0;
  std::size_t size = 0;
  ERR_clear_error();
  const int result = SSL_peek_ex(tls_->session, &byte, 1, &size);
  return result == 1 || SSL_get_error(tls_->session, result) != SSL_ERROR_WANT_READ;
}

bool ClientSocket::is_loopback() const {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_UNIX) return true;
  if (peer.ss_family == AF_INET) { return (ntohl(reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr.s_addr) >> 24U) == 127; }
  if (peer.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
  }
  return false;
}

}  // namespace hansa::http
