// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/daemon.hpp"

#include "connectors/switch/audit_log.hpp"
#include "connectors/switch/configuration.hpp"
#include "connectors/switch/session.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <tuple>

namespace hansa::connectors::account_switch {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int kBacklog = 128;
constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
constexpr std::chrono::seconds kStopGrace{10};

std::unexpected<Error> socket_failure(const std::string& path, int error) {
  return fail(ErrorKind::unavailable, "SOCKET", path + ": " + std::strerror(error));
}

/// The configuration as the file has it now.
class CurrentConfiguration {
 public:
  explicit CurrentConfiguration(std::string path) : path_(std::move(path)) {}

  const Result<Configuration>& get() {
    const auto version = version_now();
    if (!read_ || version != version_) {
      version_ = version;
      const bool first = !std::exchange(read_, true);
      value_ = load_configuration(path_);
      if (!value_) {
        log_notice("everything is refused: " + one_line(value_.error()));
      } else if (!first) {
        log_notice("read " + path_ + " again");
      }
    }
    return value_;
  }

 private:
  using Version = std::tuple<dev_t, ino_t, off_t, time_t, long, time_t, long>;

  static Version version_of(const std::string& path) {
    struct stat file{};
    if (::stat(path.c_str(), &file) != 0) return {};
    return {file.st_dev,          file.st_ino,         file.st_size,        file.st_mtim.tv_sec,
            file.st_mtim.tv_nsec, file.st_ctim.tv_sec, file.st_ctim.tv_nsec};
  }
  [[nodiscard]] std::pair<Version, Version> version_now() const { return {version_of(path_), version_of(off_file(path_))}; }

  std::string path_;
  bool read_ = false;
  std::pair<Version, Version> version_;
  Result<Configuration> value_ = Configuration{};
};

class Daemon {
 public:
  Daemon(Descriptor listener, const std::string& configuration_path)
      : listener_(std::move(listener)), signals_(open_signals()), configuration_(configuration_path) {}

  void run() {
    load_name_services();
    while (listener_ || !sessions_.empty()) {
      const auto& configuration = configuration_.get();
      const auto room = configuration ? configuration->max_concurrent : Configuration{}.max_concurrent;
      std::array<pollfd, 2> ready{{{signals_.get(), POLLIN, 0}, {sessions_.size() < room ? listener_.get() : -1, POLLIN, 0}}};
      const int polled = ::poll(ready.data(), ready.size(), stop_at_ ? 100 : -1);
      if (polled > 0 && ready[0].revents != 0) take_signals();
      if (polled > 0 && ready[1].revents != 0 && listener_) accept_one();
      if (stop_at_ && SteadyClock::now() >= *stop_at_) end_sessions();
    }
  }

 private:
  /// The modules behind getpwnam and getgrouplist (LDAP, systemd, ...), once for all processes to come: else each loads them.
  void load_name_services() {
    const auto& configuration = configuration_.get();
    if (!configuration) return;
    std::array<gid_t, 64> groups{};
    int count = static_cast<int>(groups.size());
    ::getgrouplist(configuration->callers.front().name.c_str(), static_cast<gid_t>(-1), groups.data(), &count);
  }

  void accept_one() {
    const Descriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log_notice(std::string("cannot accept a connection: ") + std::strerror(errno));
        ::usleep(100'000);
      }
      return;
    }
    const auto& configuration = configuration_.get();
    const pid_t pid = ::fork();
    if (pid == 0) {
      listener_.close();
      signals_ = Descriptor(open_signals());
      auto channel = Channel::socket(connection.get());
      ucred peer{};
      socklen_t size = sizeof peer;
      if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) ::_exit(1);
      serve(channel, peer.uid, configuration, signals_.get());
      ::_exit(0);
    }
    if (pid > 0) {
      sessions_.insert(pid);
    } else {
      const auto error = fail(ErrorKind::unavailable, "SWITCH_BUSY",
                              std::string("not started: no process for this connection: ") + std::strerror(errno))
                             .error();
      log_notice(error.message);
      Channel::socket(connection.get()).send_error(error, false);
    }
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stop();
    }
    for (pid_t pid = 0; (pid = ::waitpid(-1, nullptr, WNOHANG)) > 0;) sessions_.erase(pid);
  }

  void stop() {
    listener_.close();
    stop_at_ = stop_at_ ? SteadyClock::now() : SteadyClock::now() + kStopGrace;  // told twice: now
  }

  void end_sessions() {
    for (const pid_t pid : sessions_) ::kill(pid, SIGTERM);  // each ends its program, with a grace of its own
    stop_at_ = SteadyClock::now() + kStopGrace;
  }

  Descriptor listener_;
  Descriptor signals_;
  CurrentConfiguration configuration_;
  std::set<pid_t> sessions_;
  std::optional<SteadyClock::time_point> stop_at_;
};

}  // namespace

Result<Descriptor> inherited_socket() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || std::to_string(::getpid()) != pid) return Descriptor();
  if (std::string_view(count) != "1") return fail(ErrorKind::invalid_argument, "SOCKET", "systemd must pass exactly one socket");
  int type = 0;
  int listening = 0;
  int domain = 0;
  socklen_t size = sizeof type;
  const auto option = [&](int name, int& value) { return ::getsockopt(kFirstInherited, SOL_SOCKET, name, &value, &size) == 0; };
  if (!option(SO_TYPE, type) || !option(SO_ACCEPTCONN, listening) || !option(SO_DOMAIN, domain) || type != SOCK_STREAM ||
      listening == 0 || domain != AF_UNIX) {
    return fail(ErrorKind::invalid_argument, "SOCKET",
                "what systemd passed is not a listening Unix stream socket (ListenStream=)");
  }
  ::fcntl(kFirstInherited, F_SETFD, FD_CLOEXEC);
  ::fcntl(kFirstInherited, F_SETFL, O_NONBLOCK);
  return Descriptor(kFirstInherited);
}

Result<Descriptor> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.front() != '/' || path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::invalid_argument, "SOCKET", path + ": must be a full path of at most 107 bytes");
  }
  path.copy(address.sun_path, path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);

  if (struct stat existing{}; ::lstat(path.c_str(), &existing) == 0) {
    if (!S_ISSOCK(existing.st_mode)) return socket_failure(path, EEXIST);
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), generic, sizeof address) == 0 || errno == EAGAIN) {
      return fail(ErrorKind::conflict, "ALREADY_RUNNING", path + ": another hansa-switch listens there");
    }
    ::unlink(path.c_str());
  }
  Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto old_mask = ::umask(0111);
  const bool bound = listener && ::bind(listener.get(), generic, sizeof address) == 0;
  const int error = errno;
  ::umask(old_mask);
  if (!bound) return socket_failure(path, error);
  if (::listen(listener.get(), kBacklog) != 0) return socket_failure(path, errno);
  return listener;
}

void serve_connections(Descriptor listener, const std::string& configuration_path) {
  Daemon(std::move(listener), configuration_path).run();
}

}  // namespace hansa::connectors::account_switch
