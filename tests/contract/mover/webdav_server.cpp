// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/mover/webdav_server.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

namespace hansa::contract {

namespace {

/// As rclone.conf has passwords.
std::string obscured(const std::string& password) {
  FILE* pipe = ::popen(("/usr/bin/rclone obscure " + password).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text(256, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  REQUIRE(::pclose(pipe) == 0);
  return text;
}

}  // namespace

WebdavServer::WebdavServer(const std::filesystem::path& folder) : configuration_(folder / "rclone.conf") {
  const auto log = folder / "webdav.log";
  server_ = ::fork();
  REQUIRE(server_ >= 0);
  if (server_ == 0) {
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    // What changes behind its back is seen at once.
    ::execl("/usr/bin/rclone", "rclone", "serve", "webdav", folder.c_str(), "--config", "", "--addr", "127.0.0.1:0", "--user",
            "hansa", "--pass", "secret", "--read-only", "--dir-cache-time", "0s", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  for (int wait = 0; wait < 3'000 && url_.empty(); ++wait) {
    std::ostringstream text;
    text << std::ifstream(log).rdbuf();
    const auto at = text.str().find("started on http://");
    if (at != std::string::npos && text.str().find('\n', at) != std::string::npos)
      url_ = text.str().substr(at + 11, text.str().find('\n', at) - at - 11);
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(!url_.empty());
  configure("secret");
}

void WebdavServer::configure(const std::string& password) const {
  std::ofstream(configuration_) << "[store]\ntype = webdav\nvendor = other\nurl = " << url_
                                << "\nuser = hansa\npass = " << obscured(password) << "\n";
}

connectors::mover::RemoteRoot WebdavServer::root(const std::string& below) const {
  return {.remote = "store", .configuration = configuration_, .folder = "/" + below};
}

void WebdavServer::stop() {
  if (server_ < 0) return;
  ::kill(server_, SIGKILL);
  ::waitpid(server_, nullptr, 0);
  server_ = -1;
}

}  // namespace hansa::contract
