// SPDX-License-Identifier: Apache-2.0
// The suite against sites behind the connector protocol. HANSA_REMOTE says which: "local" and "slurm" behind hansa-agent as a
// child, "local_ws" and "slurm_ws" behind one that connects by itself, "local_ssh" and "slurm_ssh" behind OpenSSH's client and a
// real sshd, whose forced command is the agent and which lets in whom a CA has signed for. Slurm needs root: for hansa-switch, to
// be alice.
#include "connectors/remote/ssh.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/websocket/agent_carrier.hpp"
#include "tests/contract/connectors/remote_site.hpp"
#include "tests/testbed/bed_transport.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/testbed/ssh_server.hpp"
#include "tests/unit/connectors_websocket/test_door.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace hansa::contract {

namespace {

namespace fs = std::filesystem;

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

/// Never root: the agent refuses to be.
std::string agents_account() {
  return ::geteuid() == 0 ? from_environment("HANSA_DEV_USER", "hansa-dev") : connectors::transport::own_account()->name;
}

/// hansa-agent in a folder that its account can read, with its configuration.
class Installed {
 public:
  /// In the section {folder} stands for that folder.
  explicit Installed(std::string site_section) {
    for (auto at = site_section.find("{folder}"); at != std::string::npos; at = site_section.find("{folder}"))
      site_section.replace(at, 8, folder_.path());
    ::chmod(folder_.path().c_str(), 0755);
    for (const fs::path program : {HANSA_AGENT, HANSA_LOCAL_RUN}) fs::copy_file(program, path(program.filename()));
    std::ofstream(path("agent.toml")) << "[agent]\nstate_dir = \"" << path("state") << "\"\nswitch_socket = \"" << switch_folder_
                                      << "/socket\"\n"
                                      << "[site]\ncountry = \"FI\"\n"
                                      << site_section;
    fs::create_directory(path("state"));
    ::chmod(path("state").c_str(), 0700);
    fs::create_directory(path("work"));
    if (::geteuid() == 0) {
      for (const auto* name : {"state", "work"}) testbed::run_program({"/usr/bin/chown", agents_account(), path(name)});
    }
  }
  ~Installed() {
    std::error_code ignored;
    fs::remove_all(switch_folder_, ignored);
  }
  Installed(const Installed&) = delete;
  Installed& operator=(const Installed&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  /// Where nobody but root writes, made with the switch.
  [[nodiscard]] const std::string& switch_folder() const { return switch_folder_; }
  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& mode = {"--stdio"}) const {
    std::vector<std::string> argv{path("hansa-agent"), "--config", path("agent.toml")};
    argv.insert(argv.end(), mode.begin(), mode.end());
    if (::geteuid() == 0) {
      const auto account = agents_account();
      argv.insert(argv.begin(), {"/usr/bin/setpriv", "--reuid=" + account, "--regid=" + account, "--init-groups", "--"});
    }
    return argv;
  }

 private:
  test::TemporaryFolder folder_;
  const std::string switch_folder_ = "/run/" + fs::path(folder_.path()).filename().string();
};

/// An sshd that starts that agent, whatever is asked for, for whoever has a certificate of its CA.
class WayBySsh {
 public:
  explicit WayBySsh(const Installed& agent)
      : server_(agent.path("sshd"), agents_account(),
                "AuthorizedKeysFile none\nTrustedUserCAKeys {folder}/ca.pub\nForceCommand " + agent.path("hansa-agent") +
                    " --config " + agent.path("agent.toml") + " --stdio\n") {
    testbed::run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", server_.file("ca")});
    // Ours: what the client uses lies in a folder of our own account.
    fs::create_directory(agent.path("client"));
    testbed::run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", agent.path("client/key")});
    testbed::run_program({"/usr/bin/ssh-keygen", "-q", "-s", server_.file("ca"), "-I", "the broker", "-n", server_.account(),
                          "-V", "+1h", agent.path("client/key.pub")});
    options_ = {.host = "127.0.0.1",
                .user = server_.account(),
                .port = server_.port(),
                .known_hosts = server_.known_hosts().string(),
                .identity = agent.path("client/key")};
    fs::permissions(server_.file("ca.pub"), fs::perms::others_read | fs::perms::group_read, fs::perm_options::add);
  }
  [[nodiscard]] const connectors::remote::SshOptions& options() const { return options_; }

 private:
  testbed::SshServer server_;
  connectors::remote::SshOptions options_;
};

/// A door at which that agent has enrolled, and to which it connects.
class WayByWebSocket {
 public:
  WayByWebSocket(const Installed& agent, async::Scheduler& scheduler, ports::Log& log)
      : berths_(scheduler, {.arrived = [this](const auto&) { arrived_ = true; }}) {
    certificates_.make("broker", "IP:127.0.0.1");
    listener_ = std::make_unique<connectors::websocket::Listener>(
        connectors::websocket::ListenerOptions{
            .tls = {.certificate = certificates_.certificate("broker"), .key = certificates_.key("broker")}},
        door_, berths_, scheduler, log);
    if (auto listening = listener_->listen(); !listening) throw std::runtime_error(listening.error().message);
    listener_->start();
    std::ofstream(agent.path("token")) << "good\n";
    testbed::run_program(agent.command({"enroll", "--broker", "wss://127.0.0.1:" + std::to_string(listener_->port()), "--pin",
                                        listener_->key_id(), "--token-file", agent.path("token")}));
    agent_ = testbed::start_program(agent.command({"--connect"}), agent.path("log"));
    for (int i = 0; i < 400 && !arrived_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (!arrived_) throw std::runtime_error("the agent does not connect: " + testbed::text_of(agent.path("log")));
  }
  ~WayByWebSocket() {
    ::kill(agent_, SIGTERM);
    ::waitpid(agent_, nullptr, 0);
  }
  WayByWebSocket(const WayByWebSocket&) = delete;
  WayByWebSocket& operator=(const WayByWebSocket&) = delete;

  connectors::websocket::Berths& berths() { return berths_; }

 private:
  test::Certificates certificates_;
  connectors::websocket::test::TestDoor door_;
  std::atomic<bool> arrived_ = false;
  connectors::websocket::Berths berths_;
  std::unique_ptr<connectors::websocket::Listener> listener_;
  pid_t agent_ = -1;
};

class BehindAgent : public RemoteSite {
 protected:
  BehindAgent(const SiteId& site, const std::string& site_section) : site_(site), agent_(site_section) {}
  /// Once the agent can be started.
  void connect(const std::string& way) {
    if (way == "ws") {
      web_socket_ = std::make_unique<WayByWebSocket>(agent_, scheduler_, log_);
      return open(site_, std::make_unique<connectors::websocket::AgentCarrier>(context_.get_executor(), web_socket_->berths(),
                                                                               connectors::websocket::BerthId{.site = site_}));
    }
    if (way != "ssh") return open(site_, agent_.command());
    ssh_ = std::make_unique<WayBySsh>(agent_);
    auto explain = [this](async::ChildEnd end, std::string words, Error why) {
      return connectors::remote::explain_ssh(&scheduler_, ssh_->options(), end, std::move(words), std::move(why));
    };
    open(site_, std::make_unique<connectors::remote::ChildCarrier>(
                    scheduler_, log_, site_, connectors::remote::ssh_command(ssh_->options()), std::move(explain)));
  }
  const SiteId site_;
  Installed agent_;
  std::unique_ptr<WayBySsh> ssh_;
  std::unique_ptr<WayByWebSocket> web_socket_;
};

class LocalBehindAgent final : public BehindAgent {
 public:
  explicit LocalBehindAgent(const std::string& way)
      : BehindAgent(SiteId("here"),
                    "id = \"here\"\nconnector = \"local\"\nwork_dir = \"{folder}/work\"\n"
                    "local = { cpus = 4, memory_mib = 4096 }\naccounts = { \"local:tester\" = \"" +
                        agents_account() + "\" }\n") {
    connect(way);
  }
  ~LocalBehindAgent() override { close(); }

  [[nodiscard]] LocalAccount account() const override { return LocalAccount(agents_account()); }
  [[nodiscard]] QueueName queue() const override { return QueueName("local"); }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-else"); }
  [[nodiscard]] domain::Resources whole_site() const override { return {.nodes = 1, .tasks = 4, .cpus_per_task = 1}; }
  [[nodiscard]] std::size_t site_calls() const override { return 0; }
};

constexpr std::string_view kPrograms[] = {"sbatch", "scancel",  "scontrol", "squeue", "sacct",     "mkdir",
                                          "ln",     "readlink", "dd",       "stat",   "sha256sum", "mv"};

class SlurmBehindAgent final : public BehindAgent {
 public:
  explicit SlurmBehindAgent(const std::string& way)
      : BehindAgent(SiteId("beta"), "id = \"beta\"\nconnector = \"slurm\"\nrun_as = \"switch\"\nslurm.conf = \"" +
                                        testbed::path_in_bed(from_environment("HANSA_TESTBED_CLUSTER", "beta") + "/slurm.conf") +
                                        "\"\naccounts = { \"local:tester\" = \"alice\" }\n") {
    start_switch();
    connect(way);
  }
  ~SlurmBehindAgent() override {
    close();
    if (switch_ > 0) {
      ::kill(switch_, SIGTERM);
      ::waitpid(switch_, nullptr, 0);
    }
  }

  [[nodiscard]] LocalAccount account() const override { return LocalAccount("alice"); }
  [[nodiscard]] QueueName queue() const override { return QueueName("main"); }
  [[nodiscard]] std::string scheduler_account() const override { return "proj1"; }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("bob"); }  // somebody else's
  [[nodiscard]] domain::Resources whole_site() const override {
    return {.nodes = 2, .tasks = 8, .cpus_per_task = 1, .memory_per_node = Mebibytes{0}, .gpus_per_node = 0, .gpu_model = ""};
  }
  [[nodiscard]] std::size_t site_calls() const override { return 0; }  // the agent's, which nobody counts here
  [[nodiscard]] Seconds time_unit() const override { return Seconds{60}; }
  [[nodiscard]] Seconds patience() const override { return Seconds{45}; }

 private:
  void start_switch() {
    fs::create_directory(agent_.switch_folder());
    ::chmod(agent_.switch_folder().c_str(), 0755);
    std::string programs;
    for (const auto name : kPrograms) programs += (programs.empty() ? "\"/usr/bin/" : ", \"/usr/bin/") + std::string(name) + "\"";
    std::ofstream(agent_.switch_folder() + "/switch.toml")
        << "callers = [\"" << agents_account() << "\"]\nprograms = [" << programs
        << "]\nminimum_uid = 1000\nenvironment = [\"SLURM_CONF\", \"SLURM_TIME_FORMAT\", "
           "\"TZ\", \"LC_ALL\"]\n";
    switch_ = testbed::start_program({HANSA_SWITCH, "--listen", agent_.switch_folder() + "/socket", "--config",
                                      agent_.switch_folder() + "/switch.toml", "--log", "stderr"},
                                     agent_.switch_folder() + "/log");
    for (int i = 0; i < 100 && !fs::exists(agent_.switch_folder() + "/socket"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (!fs::exists(agent_.switch_folder() + "/socket"))
      throw std::runtime_error("hansa-switch does not start: " + testbed::text_of(agent_.switch_folder() + "/log"));
  }

  pid_t switch_ = -1;
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() {
  const auto kind = from_environment("HANSA_REMOTE", "local");
  const auto way = kind.contains('_') ? kind.substr(kind.find('_') + 1) : "";
  if (kind.starts_with("slurm")) return std::make_unique<SlurmBehindAgent>(way);
  return std::make_unique<LocalBehindAgent>(way);
}

}  // namespace hansa::contract
