// SPDX-License-Identifier: Apache-2.0
#pragma once
// A real hansa-switch, started as root on a socket of its own, with real accounts (alice, bob, hansa-dev; made if missing) and a
// probe program that tells what it was started with.

#include "broker/core/canonical_json.hpp"

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace hansa::tests {

struct Account {
  std::string name;
  uid_t uid;
  gid_t gid;
  std::string home;
  std::string shell;
};
/// The account of this name, made with a home if the machine has none.
Account real_account(const std::string& name);

/// "" if these tests can run, else why not.
std::string why_skipped();

/// The answer's frames, put together.
struct Reply {
  std::string out;
  std::string err;
  Json end;             // the end frame; null if the connection closed without one

  [[nodiscard]] bool refused() const { return end.is_object() && end.contains("error"); }
  [[nodiscard]] std::string code() const { return refused() ? end["error"].value("code", "") : ""; }
  [[nodiscard]] std::string message() const { return refused() ? end["error"].value("message", "") : ""; }
  [[nodiscard]] bool started() const { return !refused() || end.value("started", true); }
  [[nodiscard]] int exit_status() const { return end.is_object() ? end.value("exit_status", -1) : -1; }
  [[nodiscard]] int signal() const { return end.is_object() ? end.value("signal", -1) : -1; }
};

class SwitchFixture {
 public:
  SwitchFixture();
  ~SwitchFixture();
  SwitchFixture(const SwitchFixture&) = delete;
  SwitchFixture& operator=(const SwitchFixture&) = delete;

  /// `before_exec` runs in the daemon's process, as root.
  void start(std::vector<std::string> more_arguments = {"--log", "stderr"}, const std::function<void()>& before_exec = {});
  /// SIGTERM, and its exit status.
  int stop();

  /// Replaces the configuration: these lines after callers and programs.
  void configure(const std::string& more_lines, const std::vector<std::string>& callers = {"hansa-dev"});
  void write_file(const std::string& name, const std::string& text, unsigned mode) const;

  /// A request for the probe as alice, to be changed.
  [[nodiscard]] Json request() const;
  [[nodiscard]] int connect_as(uid_t uid) const;
  [[nodiscard]] Reply ask(const Json& request, const std::string& input = "") const;

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string socket() const { return path("switch.sock"); }
  [[nodiscard]] std::string log() const;  // what the daemon wrote to stderr
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Where the probe as alice writes down which process it is.
  [[nodiscard]] std::string pid_file() const { return alice.home + "/" + pid_file_; }
  [[nodiscard]] const std::string& configuration() const { return configuration_; }

  Account alice;
  Account bob;
  Account caller;

 private:
  std::filesystem::path folder_;
  std::string configuration_;
  std::string pid_file_;
  pid_t pid_ = -1;
};

std::string framed(const std::string& header, const std::string& input);
void send_bytes(int socket, const std::string& bytes);
Reply read_reply(int socket);
/// Polls for up to ten seconds.
bool eventually(const std::function<bool()>& condition);
std::string read_whole(const std::string& path);

}  // namespace hansa::tests
