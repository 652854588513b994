// SPDX-License-Identifier: Apache-2.0
// Sites behind the connector protocol, at both of its ends.
#include "config/agent_config.hpp"

#include <catch2/catch.hpp>

#include <tuple>

using namespace hansa;
using namespace hansa::config;
using Catch::Contains;

namespace {

const std::filesystem::path kRemoteExamples = std::filesystem::path(HANSA_SOURCE_DIR) / "config/examples";

std::string faults_told(const Error& error) { return describe_errors(error); }

std::string broker_with(const std::string& site) {
  return "[broker]\nname = \"b\"\ncountry = \"FI\"\n[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"remote\"\naccounts = "
         "{}\n" +
         site;
}
std::string agent_with(const std::string& site, const std::string& agent = "") {
  return "[agent]\n" + agent + "[site]\nid = \"a\"\ncountry = \"FI\"\n" + site;
}

/// A site where each person logs in as themselves.
std::string certified(const std::string& certificates, const std::string& more = "run_as = \"certificate\"\n",
                      const std::string& ssh = R"(host = "login", user = "hansa", known_hosts = "/k")") {
  return more + "remote.ssh = { " + ssh + ", certificates = { " + certificates + " } }\n";
}

constexpr const char* kSsh = R"(host = "login", user = "hansa", known_hosts = "/k", identity = "/i")";

}  // namespace

TEST_CASE("a broker's site behind SSH or a plug-in") {
  const auto config = load_broker_config(kRemoteExamples / "remote-sites.toml");
  REQUIRE(config.has_value());
  const auto& delta = config->sites.at(0);
  CHECK(delta.run_as == RunAs::agent);
  REQUIRE(delta.remote.ssh.has_value());
  CHECK(delta.remote.ssh->host == "login.delta.example.org");
  CHECK(delta.remote.ssh->port == 22);
  CHECK(delta.remote.ssh->identity == "/etc/hansa/delta-key");
  const auto& spool = config->sites.at(2);
  CHECK_FALSE(spool.remote.ssh.has_value());
  CHECK(spool.remote.command.size() == 3);
  const auto twice = parse_broker_config(broker_with("remote.command = [\"/x\", \"-v\", \"-v\"]\n"), "f");
  REQUIRE(twice.has_value());
  CHECK(twice->sites[0].remote.command == std::vector<std::string>{"/x", "-v", "-v"});
}

TEST_CASE("a broker's site where each person logs in with a certificate") {
  const auto config = parse_broker_config(
      broker_with(certified(R"(command = ["/opt/sign", "{person}"], principal = "{subject}", renewed = false, connections = 3)")),
      "f");
  REQUIRE(config.has_value());
  const auto& site = config->sites[0];
  CHECK(site.run_as == RunAs::by_certificate);
  CHECK_FALSE(site.remote.ssh->identity.has_value());
  const auto& certificates = site.remote.ssh->certificates.value();
  CHECK(certificates.command == std::vector<std::string>{"/opt/sign", "{person}"});
  CHECK(certificates.principal == "{subject}");
  CHECK_FALSE(certificates.renewed);
  CHECK(certificates.connections == 3);
  CHECK(certificates.memory_dir == "/dev/shm");
  CHECK(parse_broker_config(to_toml(*config), "f") == *config);
}

TEST_CASE("transfer jobs at a site where each logs in as themselves say as whom") {
  const auto with = [](const std::string& job) {
    return parse_broker_config(
        broker_with(certified("command = [\"/opt/sign\"]")) +
            "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\n[[site]]\nid = \"b\"\ncountry = \"FI\"\nconnector = "
            "\"local\"\naccounts = {}\n[[site.root]]\nid = \"q\"\nfolder = \"/q\"\nstaging = true\n[[link]]\nfrom = "
            "\"a\"\nto = \"b\"\n" +
            job,
        "f");
  };
  const auto named = with("job = { queue = \"t\", site = \"a\", account = \"data\" }\n");
  INFO((named ? "" : faults_told(named.error())));
  REQUIRE(named);
  CHECK(named->links.front().job->account == LocalAccount("data"));
  const auto unnamed = with("job = { queue = \"t\", site = \"a\" }\n");
  REQUIRE_FALSE(unnamed);
  CHECK_THAT(faults_told(unnamed.error()), Contains("run_as = \"certificate\" it says as whom"));
}

TEST_CASE("a broker's site that is served by its people's own agents") {
  constexpr const char* kDoor = "[agents]\ntls_certificate = \"/c\"\ntls_key = \"/k\"\n";
  const auto config = parse_broker_config(broker_with("run_as = \"person\"\nremote.people = { login = \"login.a.example\", terms "
                                                      "= \"allowed\", longest_session_s = 7200 }\n" +
                                                      std::string(kDoor)),
                                          "f");
  REQUIRE(config.has_value());
  const auto& site = config->sites[0];
  CHECK(site.run_as == RunAs::by_person);
  REQUIRE(site.remote.people.has_value());
  CHECK(site.remote.people->login == "login.a.example");
  CHECK(site.remote.people->terms == TermsWord::allowed);
  CHECK(site.remote.people->longest == Seconds{7'200});
  const auto bare = parse_broker_config(broker_with("run_as = \"person\"\nremote.people = {}\n" + std::string(kDoor)), "f");
  REQUIRE(bare.has_value());
  CHECK(bare->sites[0].remote.people->terms == TermsWord::not_stated);
  CHECK(bare->sites[0].remote.people->longest == Seconds{43'200});
}

TEST_CASE("a site whose agent comes to the broker needs a door for it, which may have the API's certificate") {
  const auto site = broker_with("remote.agent = true\n");
  const auto own = parse_broker_config(site +
                                           "[agents]\nlisten = \"0.0.0.0:7718\"\naddress = \"wss://b.example:7718\"\n"
                                           "tls_certificate = \"/c\"\ntls_key = \"/k\"\n",
                                       "f");
  REQUIRE(own);
  CHECK(own->sites[0].remote.agent);
  CHECK(own->sites[0].run_as == RunAs::agent);
  REQUIRE(own->agents);
  CHECK(own->agents->listen.str() == "0.0.0.0:7718");
  CHECK(own->agents->address == "wss://b.example:7718");
  const auto shared = parse_broker_config(site + "[agents]\n[api]\ntls_certificate = \"/c\"\ntls_key = \"/k\"\n", "f");
  REQUIRE(shared);
  CHECK_FALSE(shared->agents->tls_certificate);
}

TEST_CASE("a transfer job at a remote site runs as whom its agent says, one with tokens as an account that is named") {
  const std::string broker = "[broker]\nname = \"b\"\ncountry = \"FI\"\nswitch_socket = \"/s\"\n";
  const std::string far =
      "[[site]]\nid = \"far\"\ncountry = \"FI\"\nconnector = \"remote\"\nremote.command = [\"/x\"]\naccounts = {}\n"
      "root = [{ id = \"r\", folder = \"/r\", staging = true }]\n";
  const std::string rest =
      "[[site]]\nid = \"rest\"\ncountry = \"FI\"\nconnector = \"slurmrest\"\nrun_as = \"token\"\naccounts = {}\n"
      "slurmrest = { url = \"https://h\", token_file = \"/t/{account}\" }\nroot = [{ id = \"r\", folder = \"/r\", staging = true "
      "}]\n";
  const auto with_link = [&](const std::string& to, const std::string& job) {
    const auto from = to == "far" ? "rest" : "far";
    return parse_broker_config(
        broker + far + rest + "[[link]]\nfrom = \"" + from + "\"\nto = \"" + to + "\"\njob = { queue = \"q\"" + job + " }\n",
        "f");
  };
  const auto told = [](const auto& config) { return config ? std::string("good") : faults_told(config.error()); };
  CHECK(told(with_link("far", "")) == "good");
  CHECK_THAT(told(with_link("far", ", account = \"hansa-data\"")), Contains("counts only at a site with run_as"));
  CHECK(told(with_link("rest", ", account = \"hansa-data\"")) == "good");
  CHECK_THAT(told(with_link("rest", "")), Contains("account") && Contains("is missing"));
}

TEST_CASE("what OpenSSH could take for something else is refused", "[T09]") {
  const auto [site, where, what] = GENERATE(table<std::string, std::string, std::string>({
      {"", "site[a].remote.command", "one of the four says what speaks the connector protocol"},
      {"remote.command = []\n", "site[a].remote.command", "is missing, and so are ssh, agent and people"},
      {"remote.command = [\"/x\"]\nremote.ssh = { " + std::string(kSsh) + " }\n", "site[a].remote.command",
       "stands beside another way"},
      {"remote.command = [\"/x\"]\nremote.agent = true\n", "site[a].remote.command", "one of command, ssh, agent and people"},
      {"remote.agent = true\nremote.ssh = { " + std::string(kSsh) + " }\n", "site[a].remote.agent", "stands beside another way"},
      {"remote.agent = false\n", "site[a].remote.command", "is missing"},
      {"remote.agent = true\n", "site[a].remote.agent", "needs a table [agents]"},
      {"remote.command = [\"/x\"]\n[agents]\n", "agents.tls_certificate", "is missing, and api.tls_certificate"},
      {"remote.command = [\"/x\"]\n[agents]\ntls_certificate = \"/c\"\n", "agents.tls_certificate",
       "needs agents.tls_key as well"},
      {"remote.command = [\"/x\"]\n[agents]\ntls_certificate = \"/c\"\ntls_key = \"/k\"\nping_after_ms = 500\ndead_after_ms = "
       "400\n",
       "agents.dead_after_ms", "must be more than ping_after_ms"},
      {"remote.command = [\"/x\"]\n[agents]\ntls_certificate = \"/c\"\ntls_key = \"/k\"\naddress = \"https://h\"\n",
       "agents.address", "wss://host"},
      {"remote.command = [\"/x\"]\n[agents]\ntls_certificate = \"/c\"\ntls_key = \"/k\"\nlisten = \"0.0.0.0:7718\"\n",
       "agents.address", "sites must be told how they reach it"},
      {"remote.command = [\"/x\"]\n[agents]\ntls_certificate = \"/c\"\ntls_key = \"/k\"\nlisten = \"[::]:7718\"\n",
       "agents.address", "sites must be told how they reach it"},
      {"remote.command = [\"plug-in\"]\n", "site[a].remote.command[0]", "an absolute path"},
      {"remote.command = [\"/x\", \"a\\nb\"]\n", "site[a].remote.command[1]", "one line of text"},
      {"remote.command = \"/x\"\n", "site[a].remote.command", "a list"},
      {"remote.comand = [\"/x\"]\n", "site[a].remote.comand", "did you mean \"command\""},
      {"remote.ssh = { host = \"login\" }\n", "site[a].remote.ssh.user", "is missing"},
      {"remote.ssh = { host = \"-oProxyCommand=id\", user = \"hansa\", known_hosts = \"/k\", identity = \"/i\" }\n",
       "site[a].remote.ssh.host", "a host's name"},
      {"remote.ssh = { host = \"a b\", user = \"hansa\", known_hosts = \"/k\", identity = \"/i\" }\n", "site[a].remote.ssh.host",
       "a host's name"},
      {"remote.ssh = { host = \"login\\n\", user = \"hansa\", known_hosts = \"/k\", identity = \"/i\" }\n",
       "site[a].remote.ssh.host", "a host's name"},
      {"remote.ssh = { host = \"login\", user = \"-l\", known_hosts = \"/k\", identity = \"/i\" }\n", "site[a].remote.ssh.user",
       "allowed"},
      {"remote.ssh = { host = \"login\", user = \"hansa\", known_hosts = \"-k\", identity = \"/i\" }\n",
       "site[a].remote.ssh.known_hosts", "an absolute path"},
      {"remote.ssh = { host = \"login\", user = \"hansa\", known_hosts = \"/a b\", identity = \"/i\" }\n",
       "site[a].remote.ssh.known_hosts", "letters, digits"},
      {"remote.ssh = { host = \"login\", user = \"hansa\", known_hosts = \"/k\", identity = \"/%h\" }\n",
       "site[a].remote.ssh.identity", "letters, digits"},
      {"remote.ssh = { host = \"login\", user = \"hansa\", known_hosts = \"/k\", identity = \"/${HOME}/i\" }\n",
       "site[a].remote.ssh.identity", "letters, digits"},
      {"remote.ssh = { " + std::string(kSsh) + ", port = 0 }\n", "site[a].remote.ssh.port", "from 1 to 65535"},
      {"run_as = \"switch\"\nremote.command = [\"/x\"]\n", "site[a].run_as", "allowed with this connector: \"agent\""},
      {"run_as = \"certificate\"\nremote.command = [\"/x\"]\n", "site[a].run_as", "needs remote.ssh.certificates"},
      {"run_as = \"certificate\"\nremote.ssh = { " + std::string(kSsh) + " }\n", "site[a].run_as",
       "needs remote.ssh.certificates"},
      {"run_as = \"person\"\nremote.people = {}\n", "site[a].remote.people", "needs a table [agents]"},
      {"run_as = \"person\"\nremote.command = [\"/x\"]\n", "site[a].run_as", "needs remote.people"},
      {"remote.people = {}\n", "site[a].run_as", "must be \"person\""},
      {"run_as = \"person\"\nremote.people = {}\nremote.command = [\"/x\"]\n", "site[a].remote.command",
       "stands beside another way"},
      {"run_as = \"person\"\nremote.people = { terms = \"maybe\" }\n", "site[a].remote.people.terms", "\"forbidden\""},
      {"run_as = \"person\"\nremote.people = { login = \"-oProxyCommand=id\" }\n", "site[a].remote.people.login",
       "a host's name"},
      {"run_as = \"person\"\nremote.people = { agent = \"/a b\" }\n", "site[a].remote.people.agent", "an absolute path"},
      {"run_as = \"person\"\nremote.people = { longest_session_s = 59 }\n", "site[a].remote.people.longest_session_s", "from 60"},
      {certified(R"(command = ["/x"])", ""), "site[a].run_as", "must be \"certificate\""},
      {certified(R"(command = ["/x"])", "run_as = \"agent\"\n"), "site[a].run_as", "must be \"certificate\""},
      {certified(R"(command = ["/x"])", "run_as = \"certificate\"\n", kSsh), "site[a].remote.ssh.identity",
       "stands beside certificates"},
      {"remote.ssh = { host = \"login\", user = \"hansa\", known_hosts = \"/k\" }\n", "site[a].remote.ssh.identity",
       "and so is certificates"},
      {certified(""), "site[a].remote.ssh.certificates.command", "is missing"},
      {certified(R"(command = ["sign"])"), "site[a].remote.ssh.certificates.command[0]", "an absolute path"},
      {certified(R"(command = ["-x"])"), "site[a].remote.ssh.certificates.command[0]", "an absolute path"},
      {certified(R"(command = ["/x", "a\nb"])"), "site[a].remote.ssh.certificates.command[1]", "one line of text"},
      {certified(R"(command = ["/x"], memory_dir = "/%h")"), "site[a].remote.ssh.certificates.memory_dir", "letters, digits"},
      {certified(R"(command = ["/x"], connections = 0)"), "site[a].remote.ssh.certificates.connections", "from 1 to 256"},
      {certified(R"(command = ["/x"], idle = 1)"), "site[a].remote.ssh.certificates.idle", "is no key here"},
      {"slurm.conf = \"/x\"\nremote.command = [\"/x\"]\n", "site[a].slurm", "belongs to connector = \"slurm\""},
  }));
  const auto config = parse_broker_config(broker_with(site), "f");
  CAPTURE(site);
  REQUIRE_FALSE(config.has_value());
  CAPTURE(faults_told(config.error()));
  CHECK_THAT(faults_told(config.error()), Contains(where) && Contains(what));
}

TEST_CASE("an agent's file has a site's keys, and its own") {
  const auto config = load_agent_config(kRemoteExamples / "agent/agent.toml");
  REQUIRE(config.has_value());
  CHECK(config->agent.switch_socket == "/run/hansa/switch.sock");
  CHECK(config->site.id.str() == "delta");
  CHECK(config->site.run_as == RunAs::by_switch);
  CHECK(config->site.accounts.at(Principal("local:alice")).str() == "x_alice");
  CHECK(config->site.projects.at(ProjectId("ai-lab")) == "proj1");

  const auto [text, where, what] = GENERATE(table<std::string, std::string, std::string>({
      {"", "site.id", "is missing"},
      {"[[site]]\nid = \"a\"\n", "site", "one table, [site]"},
      {agent_with("connector = \"slurm\"\nrun_as = \"switch\"\naccounts = {}\n"), "site.run_as", "needs agent.switch_socket"},
      {agent_with("connector = \"remote\"\nremote.command = [\"/x\"]\naccounts = {}\n"), "site.connector",
       "what is at its own site"},
      {agent_with("connector = \"local\"\n"), "site.accounts_file", "is missing, and so is accounts"},
      {agent_with("connector = \"local\"\naccounts = {}\n", "state_dir = \"x\"\n"), "agent.state_dir", "an absolute path"},
      {agent_with("connector = \"local\"\naccounts = {}\n", "ping_after_ms = 5000\ndead_after_ms = 5000\n"),
       "agent.dead_after_ms", "must be more than ping_after_ms"},
      {agent_with("connector = \"local\"\naccounts = {}\n", "socket = \"/x\"\n"), "agent.socket", "is no key here"},
      {agent_with("connector = \"local\"\naccounts = { alice = \"alice\" }\n"), "site.accounts", "the key"},
      {agent_with("connector = \"local\"\naccounts = {}\n[broker]\nname = \"x\"\n"), "broker", "is no key here"},
      {agent_with("connector = \"local\"\naccounts = {}\nbudget = { waiting_jobs = 10 }\n"), "site.budget.waiting_jobs",
       "counts calls and not jobs"},
      {agent_with("connector = \"local\"\naccounts = {}\nbudget = { submits_per_minute = 0 }\n"),
       "site.budget.submits_per_minute", "an integer from 1"},
      {agent_with("connector = \"local\"\naccounts = {}\nallocation = \"required\"\n"), "site.allocation",
       "has no effect at an agent"},
      {agent_with("connector = \"local\"\naccounts = {}\nignore_findings = [\"CLOCK\"]\n"), "site.ignore_findings",
       "has no effect at an agent"},
      {agent_with("connector = \"slurm\"\nrun_as = \"certificate\"\naccounts = {}\nbudget = { submits_per_minute = 6 }\n"),
       "site.budget", "they can share no budget"},
      {agent_with("connector = \"local\"\naccounts = {}\n[rules]\npack = [\"x\"]\n"), "rules.pack", "is no key here"},
      {agent_with("connector = \"local\"\naccounts = {}\n[[project]]\nid = \"p\"\nmembers = []\n"), "project[p].members",
       "is no key here"},
      {agent_with("connector = \"local\"\naccounts = {}\n[[person]]\nid = \"alice\"\n"), "person", "id"},
      {"[site", "", ""},
  }));
  const auto bad = parse_agent_config(text, "agent.toml");
  CAPTURE(text);
  REQUIRE_FALSE(bad.has_value());
  CHECK_THAT(faults_told(bad.error()), Contains(where) && Contains(what));
}

TEST_CASE("a site sets its own budget, rules and facts") {
  const auto none = parse_agent_config(agent_with("connector = \"local\"\naccounts = {}\n"), "agent.toml");
  REQUIRE(none.has_value());
  CHECK_FALSE(none->has_budget);
  CHECK(none->rules.packs.empty());
  const auto all = parse_agent_config(
      agent_with(
          "connector = \"local\"\naccounts = {}\nbudget = { queries_per_minute = 4, quiet_hours = [\"22:00-06:00 UTC\"] }\n"
          "facts = { as_of = 2026-11-01, status = \"member\" }\n[rules]\npacks = [\"open-science\", \"./own.toml\"]\n"
          "[[project]]\nid = \"ai-lab\"\n[project.facts]\nlabels = [\"open\"]\n[[person]]\nid = \"local:alice\"\n"
          "country = \"FI\"\n"),
      "/etc/hansa/agent.toml");
  INFO((all ? "" : faults_told(all.error())));
  REQUIRE(all.has_value());
  CHECK(all->has_budget);
  CHECK(all->site.budget.queries_per_minute == 4);
  CHECK(all->site.budget.submits_per_minute == 600);
  CHECK(all->site.facts.status == "member");
  CHECK(all->rules.packs.size() == 2);
  CHECK(all->projects.at(0).facts.labels == std::vector<std::string>{"open"});
  CHECK(all->people.at(0).country == "FI");
}

TEST_CASE("the accounts of an agent's site may have a file of their own") {
  CHECK_THAT(faults_told(load_agent_config("/no/such/agent.toml").error()), Contains("/no/such/agent.toml"));
  const auto missing =
      parse_agent_config(agent_with("connector = \"local\"\naccounts_file = \"accounts.toml\"\n"), "/etc/hansa/agent.toml");
  REQUIRE(missing.has_value());
  CHECK(missing->site.accounts_file == "/etc/hansa/accounts.toml");
}

TEST_CASE("an agent's proxy is an address or none; what is neither is not repeated, for it may hold a password") {
  const auto with = [](const std::string& agent) {
    return parse_agent_config(agent_with("connector = \"model\"\naccounts = {}\n", agent), "/etc/hansa/agent.toml");
  };
  const auto plain = with("");
  INFO((plain ? "" : faults_told(plain.error())));
  REQUIRE(plain.has_value());
  CHECK_FALSE(plain->agent.proxy);
  const auto set = with("proxy = \"http://proxy.example.org:3128\"\nproxy_login_file = \"proxy-login\"\n");
  REQUIRE(set.has_value());
  CHECK(set->agent.proxy == "http://proxy.example.org:3128");
  CHECK(set->agent.proxy_login_file == "/etc/hansa/proxy-login");
  CHECK(with("proxy = \"none\"\n")->agent.proxy == "none");
  for (const std::string text :
       {"http://user:hunter2@proxy:3128", "https://hunter2:1", "socks5://hunter2:1", "hunter2:3128", "http://hunter2/x", ""}) {
    const auto config = with("proxy = \"" + text + "\"\n");
    CAPTURE(text);
    REQUIRE_FALSE(config.has_value());
    CHECK_THAT(faults_told(config.error()), Contains("agent.proxy") && Contains("proxy_login_file") && !Contains("hunter2"));
  }
}
