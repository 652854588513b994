// SPDX-License-Identifier: Apache-2.0
#include "tests/testbed/ssh_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace hansa::testbed {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  require(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  require(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  ::close(socket);
  return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(port);
  const bool connected = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return connected;
}

std::string own_name() {
  const auto* entry = ::getpwuid(::geteuid());
  require(entry != nullptr, "this account has no name");
  return entry->pw_name;
}

}  // namespace

pid_t start_program(std::vector<std::string> argv, const std::string& output) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::vector<char*> pointers;
  for (auto& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  ::_exit(127);
}

void run_program(std::vector<std::string> argv, const std::string& output) {
  const auto name = argv.front();
  const pid_t pid = start_program(std::move(argv), output);
  int status = 0;
  ::waitpid(pid, &status, 0);
  require(status == 0, name + " failed");
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

SshServer::SshServer(std::filesystem::path folder, std::string account, std::string settings)
    : folder_(std::move(folder)), account_(account.empty() ? own_name() : std::move(account)), settings_(std::move(settings)) {
  std::filesystem::create_directories(folder_);
  for (const auto* key : {"host_key", "login_key", "other_key"})
    run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder_ / key});
  std::filesystem::copy_file(folder_ / "login_key.pub", folder_ / "authorized_keys");
  for (auto at = settings_.find("{folder}"); at != std::string::npos; at = settings_.find("{folder}"))
    settings_.replace(at, 8, folder_.string());
  if (account_ != own_name()) {
    ::chmod(folder_.c_str(), 0755);
    run_program({"/usr/bin/chown", "-R", account_, folder_});
  } else if (::geteuid() == 0) {
    ::mkdir("/run/sshd", 0755);  // root's sshd wants it
  }
  for (int attempt = 0; attempt < 5; ++attempt) {  // somebody may be quicker to bind
    port_ = free_port();
    if (try_to_start()) return;
  }
  throw std::runtime_error("sshd does not start: " + text_of(folder_ / "log"));
}

SshServer::~SshServer() { stop(); }

void SshServer::start() { require(try_to_start(), "sshd does not start again"); }

bool SshServer::try_to_start() {
  std::ofstream(folder_ / "sshd_config") << "ListenAddress 127.0.0.1\nPort " << port_ << "\nHostKey "
                                         << (folder_ / "host_key").string() << "\nAuthorizedKeysFile "
                                         << (folder_ / "authorized_keys").string()
                                         << "\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
                                            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 50\n"
                                            "Subsystem sftp internal-sftp\n"
                                         << settings_;
  std::vector<std::string> argv{"/usr/sbin/sshd", "-D", "-e", "-f", (folder_ / "sshd_config").string()};
  if (account_ != own_name())
    argv.insert(argv.begin(), {"/usr/bin/setpriv", "--reuid=" + account_, "--regid=" + account_, "--init-groups", "--"});
  pid_ = start_program(std::move(argv), folder_ / "log");
  for (int wait = 0; wait < 100 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++wait) {
    if (answers(port_)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  stop();
  return false;
}

void SshServer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::filesystem::path SshServer::known_hosts(const std::string& key) const {
  const auto path = folder_ / ("hosts_with_" + key);
  std::ofstream(path) << "[127.0.0.1]:" << port_ << " " << text_of(folder_ / key);
  return path;
}

}  // namespace hansa::testbed
