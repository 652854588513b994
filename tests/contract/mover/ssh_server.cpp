// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/mover/ssh_server.hpp"

#include "connectors/transport/own_account.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
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
#include <vector>

namespace hansa::contract {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

pid_t start(std::vector<std::string> argv, const std::string& output) {
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

void make_key(const std::filesystem::path& path) {
  const pid_t pid = start({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path}, "/dev/null");
  int status = 0;
  ::waitpid(pid, &status, 0);
  require(status == 0, "ssh-keygen");
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

SshServer::SshServer(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  for (const auto* key : {"host_key", "login_key", "other_key"}) make_key(folder_ / key);
  std::filesystem::copy_file(folder_ / "login_key.pub", folder_ / "authorized_keys");
  if (::geteuid() == 0) ::mkdir("/run/sshd", 0755);  // root's sshd wants it
  for (int attempt = 0; attempt < 5; ++attempt) {    // somebody may be quicker to bind
    port_ = free_port();
    std::ofstream(folder_ / "sshd_config") << "ListenAddress 127.0.0.1\nPort " << port_ << "\nHostKey "
                                           << (folder_ / "host_key").string() << "\nAuthorizedKeysFile "
                                           << (folder_ / "authorized_keys").string()
                                           << "\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
                                              "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 50\n"
                                              "Subsystem sftp internal-sftp\n";
    pid_ = start({"/usr/sbin/sshd", "-D", "-e", "-f", (folder_ / "sshd_config").string()}, folder_ / "log");
    for (int wait = 0; wait < 100 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++wait) {
      if (answers(port_)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    stop();
  }
  throw std::runtime_error("sshd does not start: " + text_of(folder_ / "log"));
}

SshServer::~SshServer() { stop(); }

void SshServer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

connectors::mover::SftpRoot SshServer::root(const std::string& folder) const {
  const auto host = "[127.0.0.1]:" + std::to_string(port_) + " ";
  std::ofstream(folder_ / "known_hosts") << host << text_of(folder_ / "host_key.pub");
  return {.host = "127.0.0.1",
          .port = port_,
          .user = connectors::transport::own_account().value().name,
          .key_file = folder_ / "login_key",
          .known_hosts = folder_ / "known_hosts",
          .folder = folder};
}

connectors::mover::SftpRoot SshServer::root_with_wrong_key(const std::string& folder) const {
  auto wrong = root(folder);
  wrong.known_hosts = folder_ / "other_hosts";
  std::ofstream(wrong.known_hosts) << "[127.0.0.1]:" << port_ << " " << text_of(folder_ / "other_key.pub");
  return wrong;
}

}  // namespace hansa::contract
