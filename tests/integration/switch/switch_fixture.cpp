// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/switch/switch_fixture.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace hansa::tests {
namespace {

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

constexpr const char* kProbe = R"sh(#!/bin/sh
case "$1" in
  env) exec /usr/bin/env ;;
  args) shift; for a in "$@"; do printf '[%s]' "$a"; done ;;
  fds) ls /proc/self/fd ;;
  sleep) echo $$ > "$HOME/PID_FILE"; exec sleep "$2" ;;
  goodbye) trap 'echo bye; exit 7' TERM; echo $$ > "$HOME/PID_FILE"; sleep 600 & wait ;;
  timeless) trap '' ALRM; exec sleep "$2" ;;
  stubborn) trap '' TERM; echo $$ > "$HOME/PID_FILE"; while :; do sleep 1; done ;;
  tree) sleep 600 & echo $! > "$HOME/PID_FILE"; wait ;;
  escape)
    setsid sh -c 'echo $$ > "$HOME/PID_FILE"; exec yes' &
    until grep -qx yes "/proc/$(cat "$HOME/PID_FILE")/comm"; do :; done 2>/dev/null
    sleep 0.2 ;;
  leave) sleep 600 & echo $! > "$HOME/PID_FILE"; exit 0 ;;
  flood) head -c "$2" /dev/zero | tr '\0' x; echo done >&2 ;;
  exit) exit "$2" ;;
  count) wc -c ;;
  sum) sha256sum ;;
  kill) kill -"$2" $$ ;;
  *)
    echo "uid $(id -ru) $(id -u)"; echo "gid $(id -rg) $(id -g)"; echo "groups $(id -G)"
    echo "cwd $(pwd -P)"; echo "umask $(umask)"; echo "core $(ulimit -c)"
    grep -E '^(NoNewPrivs|CapPrm|CapEff|CapInh|CapAmb|SigBlk|SigIgn|Uid|Gid)' /proc/self/status
    awk '{ print ($1 == $5 && $1 == $6) ? "leader yes" : "leader no" }' "/proc/$$/stat"
    ;;
esac
)sh";

}  // namespace

Account real_account(const std::string& name) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (const auto* entry = ::getpwnam(name.c_str()); entry != nullptr) {
      return {name, entry->pw_uid, entry->pw_gid, entry->pw_dir, entry->pw_shell};
    }
    const auto command =
        "useradd --create-home --shell /bin/bash " + name + " 2>/dev/null || sleep 0.3";  // the lock may be another's
    require(std::system(command.c_str()) != -1, "useradd");
  }
  throw std::runtime_error("cannot make the account " + name);
}

std::string why_skipped() { return ::geteuid() == 0 ? "" : "hansa-switch becomes other accounts: these tests need root"; }

SwitchFixture::SwitchFixture() : alice(real_account("alice")), bob(real_account("bob")), caller(real_account("hansa-dev")) {
  std::string pattern = "/var/lib/hansa-switch-test-XXXXXX";  // root's alone all the way up, as /tmp is not
  require(::mkdtemp(pattern.data()) != nullptr, "mkdtemp");
  folder_ = pattern;
  ::chmod(pattern.c_str(), 0755);
  configuration_ = path("switch.toml");
  // Named after the folder: another run of these tests uses the same accounts.
  pid_file_ = "." + folder_.filename().string() + ".pid";
  std::string probe = kProbe;
  for (std::size_t at = 0; (at = probe.find("PID_FILE")) != std::string::npos;) probe.replace(at, 8, pid_file_);
  write_file("probe", probe, 0755);
  configure("");
}

SwitchFixture::~SwitchFixture() {
  stop();
  std::filesystem::remove_all(folder_);
  std::filesystem::remove(pid_file());
}

void SwitchFixture::write_file(const std::string& name, const std::string& text, unsigned mode) const {
  // Renamed into place: the daemon never sees half a file.
  std::ofstream(path(name + ".new")) << text;
  ::chmod(path(name + ".new").c_str(), mode);
  std::filesystem::rename(path(name + ".new"), path(name));
}

void SwitchFixture::configure(const std::string& more_lines, const std::vector<std::string>& callers) {
  write_file("switch.toml",
             "callers = " + Json(callers).dump() + "\nprograms = [\"" + path("probe") +
                 "\", \"/usr/bin/true\", \"/usr/bin/grep\", \"/usr/bin/mkdir\", \"/usr/bin/ln\", \"/usr/bin/readlink\", "
                 "\"/usr/bin/dd\", \"/usr/bin/stat\", \"/usr/bin/sha256sum\", \"/usr/bin/mv\"]\n" +
                 more_lines,
             0644);
}

namespace {

/// The file is there from bind() on, and answers from listen() on: flag 00010000 of proc_net_unix (__SO_ACCEPTCON).
bool listens(const std::string& path) {
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    if (line.ends_with(" " + path) && line.contains(" 00010000 ")) return true;
  }
  return false;
}

}  // namespace

void SwitchFixture::start(std::vector<std::string> more_arguments, const std::function<void()>& before_exec) {
  std::vector<std::string> arguments = {HANSA_SWITCH_PROGRAM, "--listen", socket(), "--config", configuration_};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  pid_ = ::fork();
  require(pid_ >= 0, "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves no daemon of root's
    const int log = ::open(path("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, 2);
    if (before_exec) before_exec();
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  require(eventually([&] { return listens(socket()); }), "hansa-switch did not start: " + log());
}

int SwitchFixture::stop() {
  if (pid_ < 0) return -1;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Json SwitchFixture::request() const {
  return {{"protocol", 1},           {"account", "alice"},      {"program", path("probe")}, {"limit_s", 30},
          {"output_limit", 1 << 20}, {"person", "local:alice"}, {"tag", "hansa-1-1"}};
}

int SwitchFixture::connect_as(uid_t uid) const {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket().copy(address.sun_path, sizeof address.sun_path - 1);
  require(::seteuid(uid) == 0, "seteuid");  // SO_PEERCRED tells the effective uid at connect()
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  require(::seteuid(0) == 0, "seteuid back");
  require(connected, "connect: " + std::string(std::strerror(error)));
  return fd;
}

Reply SwitchFixture::ask(const Json& request, const std::string& input) const {
  const int fd = connect_as(caller.uid);
  send_bytes(fd, framed(request.dump(), input));
  auto reply = read_reply(fd);
  ::close(fd);
  return reply;
}

std::string SwitchFixture::log() const { return read_whole(path("log")); }

std::string framed(const std::string& header, const std::string& input) {
  std::string bytes;
  for (const auto* part : {&header, &input}) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(part->size() >> shift & 0xffU);
    bytes += *part;
  }
  return bytes;
}

void send_bytes(int socket, const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto sent = ::send(socket, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent <= 0) return;  // refused early: the answer says why
    done += static_cast<std::size_t>(sent);
  }
}

Reply read_reply(int socket) {
  Reply reply;
  const auto read_exactly = [&](std::size_t count) {
    std::string bytes(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const auto got = ::read(socket, bytes.data() + done, count - done);
      if (got <= 0) return std::string();
      done += static_cast<std::size_t>(got);
    }
    return bytes;
  };
  while (true) {
    const auto head = read_exactly(5);
    if (head.empty()) return reply;
    std::size_t length = 0;
    for (const char c : head.substr(1)) length = length << 8U | static_cast<unsigned char>(c);
    const auto payload = read_exactly(length);
    if (head[0] == 'o') reply.out += payload;
    if (head[0] == 'e') reply.err += payload;
    if (head[0] == 'x') {
      reply.end = Json::parse(payload);
      return reply;
    }
  }
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace hansa::tests
