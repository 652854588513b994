// SPDX-License-Identifier: Apache-2.0
#include "config/broker_config.hpp"

#include <catch2/catch.hpp>
#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <fstream>
#include <set>

using namespace hansa;
using namespace hansa::config;

namespace {

const std::filesystem::path kExamples = std::filesystem::path(HANSA_SOURCE_DIR) / "config/examples";

BrokerConfig loaded(const std::filesystem::path& file) {
  auto config = load_broker_config(file);
  INFO((config ? std::string() : describe_errors(config.error())));
  REQUIRE(config);
  return std::move(*config);
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "hansa-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path write(const char* name, std::string_view text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("every example loads, and no other file stands beside them") {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kExamples)) names.insert(entry.path().filename());
  CHECK(names == std::set<std::string>{"agent", "alpha-accounts.toml", "issuers.toml", "local-demo.toml", "minimal.toml",
                                       "remote-sites.toml", "slurmrest.toml", "sovereign.toml", "three-slurm-sites.toml"});

  const auto minimal = loaded(kExamples / "minimal.toml");
  REQUIRE(minimal.sites.size() == 1);
  CHECK(minimal.sites[0].name == "here");  // the id stands in for the name
  CHECK(minimal.sites[0].accounts == AccountMap{{Principal("local:alice"), LocalAccount("hansa")}});
  CHECK(minimal.engine == EngineConfig{});
  CHECK(minimal.api == ApiConfig{});

  const auto by_rest = loaded(kExamples / "slurmrest.toml").sites.at(0);
  CHECK(by_rest.run_as == RunAs::by_token);
  CHECK(by_rest.slurmrest.url == "https://slurm.example.eu:6820");
  CHECK(by_rest.slurmrest.token_file == "/run/hansa-tokens/{account}.jwt");

  const auto sovereign = loaded(kExamples / "sovereign.toml");
  CHECK(sovereign.rules.packs == std::vector<std::string>{"open-science", "gdpr-eea"});
  CHECK(pack_files(sovereign.rules, "/shipped")[1] == "/shipped/gdpr-eea.toml");
  CHECK(sovereign.sites.at(1).facts.operator_country == "CH");
  CHECK(sovereign.people.at(0).assurance == "medium");

  const auto demo = loaded(kExamples / "local-demo.toml");
  REQUIRE(demo.sites.size() == 2);
  CHECK(demo.sites[0].local.cpus == 8);
  CHECK(demo.sites[0].local.memory.value == 16384);
  CHECK(demo.sites[0].local.gpu_model == "a100");
  CHECK(demo.engine.status_interval == Milliseconds{500});

  const auto national = loaded(kExamples / "three-slurm-sites.toml");
  REQUIRE(national.sites.size() == 3);
  const auto& alpha = national.sites[0];
  CHECK(alpha.id == SiteId("alpha"));
  CHECK(alpha.connector == Connector::slurm);
  CHECK(alpha.run_as == RunAs::by_switch);
  CHECK(alpha.slurm.conf == "/etc/slurm/alpha/slurm.conf");
  CHECK(alpha.slurm.bin_dir == "/usr/bin");
  CHECK(alpha.accounts_file == kExamples / "alpha-accounts.toml");
  CHECK(alpha.accounts.at(Principal("local:bob")) == LocalAccount("bob"));
  CHECK(alpha.projects.at(ProjectId("climate")) == "proj2");
  CHECK(national.sites[1].allocation == AllocationRule::ignore);
  CHECK(national.broker.log.format == LogFormat::json);
  CHECK(national.broker.switch_socket == "/run/hansa/switch.sock");
  CHECK(national.api.listen == ListenAddress{"0.0.0.0", 7717});
  CHECK(national.projects[0].members == std::vector{Principal("local:alice"), Principal("local:bob")});
}

TEST_CASE("a file with eight faults is told all eight, in the order of its lines") {
  const auto config = parse_broker_config(
      "[broker]\n"
      "name = \"x\"\n"
      "country = \"fi\"\n"             // 1
      "colour = \"red\"\n"             // 2
      "[api]\n"
      "listen = \"0.0.0.0:80\"\n"      // 3
      "threads = 900\n"                // 4
      "[[site]]\n"
      "id = \"a\"\n"
      "country = \"FI\"\n"
      "connector = \"local\"\n"
      "slurm.conf = \"/x\"\n"          // 5
      "budget.waiting_jobs = 0\n"      // 6
      "accounts = { \"bob\" = \"b\" }\n"  // 7
      "projects = { p = \"x\" }\n",    // 8
      "/etc/hansa/hansad.toml");
  REQUIRE_FALSE(config);
  CHECK(config.error().message == "/etc/hansa/hansad.toml has 8 errors");
  std::vector<std::string> where;
  for (const auto& fault : config.error().faults) where.push_back(fault.where.substr(fault.where.find(':') + 1));
  CHECK(where == std::vector<std::string>{"3: broker.country", "4: broker.colour", "6: api.listen", "7: api.threads",
                                          "12: site[a].slurm", "13: site[a].budget.waiting_jobs", "14: site[a].accounts.\"bob\"",
                                          "15: site[a].projects.\"p\""});
  const auto told = describe_errors(config.error());
  CHECK(std::ranges::count(told, '\n') == 9);
  CHECK_THAT(told,
             Catch::Contains(
                 "  /etc/hansa/hansad.toml:3: broker.country is \"fi\"; allowed: an ISO 3166-1 alpha-2 country code, as \"FI\" "
                 "(did you mean \"FI\"?)\n"));
}

TEST_CASE("an empty file says what is needed") {
  const auto config = parse_broker_config("", "f.toml");
  REQUIRE_FALSE(config);
  REQUIRE(config.error().faults.size() == 2);
  CHECK(config.error().faults[0].where == "f.toml:1: broker.name");
  CHECK_THAT(config.error().faults[0].message,
             Catch::Contains("is missing") && Catch::Contains("example: name = \"hansa-demo\""));
  CHECK(config.error().faults[1].where == "f.toml:1: broker.country");
}

TEST_CASE("a message shows no value of an unknown key: it may be a secret", "[T22]") {
  const auto config = parse_broker_config("password = \"hunter2\"\n[broker]\nname = \"x\"\ncountry = \"FI\"\n", "f.toml");
  REQUIRE_FALSE(config);
  CHECK_THAT(describe_errors(config.error()), !Catch::Contains("hunter2"));
}

TEST_CASE("faults beyond a thousand are counted as one") {
  std::string text = "[broker]\nname = \"x\"\ncountry = \"FI\"\n";
  for (int i = 0; i < 3000; ++i) text += "k" + std::to_string(i) + " = 1\n";
  const auto config = parse_broker_config(text, "f.toml");
  REQUIRE_FALSE(config);
  REQUIRE(config.error().faults.size() == 1001);
  CHECK_THAT(config.error().faults.back().message, Catch::Contains("the rest is not listed"));
}

TEST_CASE("relative files are taken from the folder of the configuration") {
  const auto config = parse_broker_config(
      "[broker]\nname = \"x\"\ncountry = \"FI\"\n"
      "[api]\nlisten = \"0.0.0.0:1\"\ntls_certificate = \"tls/../tls/cert.pem\"\ntls_key = \"/elsewhere/key.pem\"\n"
      "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts_file = \"a.toml\"\n",
      "/etc/hansa/hansad.toml");
  REQUIRE(config);
  CHECK(config->api.tls_certificate == "/etc/hansa/tls/cert.pem");
  CHECK(config->api.tls_key == "/elsewhere/key.pem");
  CHECK(config->sites[0].accounts_file == "/etc/hansa/a.toml");
  CHECK(database_path(*config) == "/var/lib/hansa/hansa.db");
  auto elsewhere = *config;
  elsewhere.store.url = "sqlite:/srv/db/h.db";
  CHECK(database_path(elsewhere) == "/srv/db/h.db");
}

TEST_CASE("run_as = \"switch\" needs a folder for each account") {
  const auto text = [](std::string_view work_dir) {
    return "[broker]\nname = \"x\"\ncountry = \"FI\"\nswitch_socket = \"/run/s\"\n[[site]]\nid = \"a\"\ncountry = "
           "\"FI\"\nconnector = \"slurm\"\n"
           "run_as = \"switch\"\naccounts = {}\nwork_dir = \"" +
           std::string(work_dir) + "\"\n";
  };
  CHECK(parse_broker_config(text("~/.hansa"), "f.toml"));
  CHECK(parse_broker_config(text("/scratch/{account}/h"), "f.toml"));
  const auto shared = parse_broker_config(text("/scratch/hansa"), "f.toml");
  REQUIRE_FALSE(shared);
  REQUIRE(shared.error().faults.size() == 1);
  CHECK(shared.error().faults[0].where == "f.toml:11: site[a].work_dir");
  CHECK_THAT(shared.error().faults[0].message, Catch::Contains("one folder for all accounts"));
}

TEST_CASE("a transfer job at a site with run_as = \"switch\" says as whom it runs, and rsync may have two servers") {
  const std::string text =
      "[broker]\nname = \"t\"\ncountry = \"FI\"\nswitch_socket = \"/run/s\"\n"
      "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"slurm\"\nrun_as = \"switch\"\naccounts = {}\n"
      "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nhost = \"a\"\nuser = \"u\"\nkey_file = \"k\"\nknown_hosts = \"h\"\n"
      "[[site]]\nid = \"b\"\ncountry = \"FI\"\nconnector = \"slurm\"\nrun_as = \"switch\"\naccounts = {}\n"
      "[[site.root]]\nid = \"q\"\nfolder = \"/q\"\nstaging = true\nhost = \"b\"\nuser = \"u\"\nkey_file = \"k\"\nknown_hosts = "
      "\"h\"\n"
      "[[link]]\nfrom = \"a\"\nto = \"b\"\ntool = \"rsync\"\n";
  const auto without = parse_broker_config(text + "job = { queue = \"transfer\" }\n", "f.toml");
  REQUIRE_FALSE(without);
  REQUIRE(without.error().faults.size() == 1);
  CHECK(without.error().faults[0].where == "f.toml:36: link[#1].job.account");
  const auto with = parse_broker_config(text + "job = { queue = \"transfer\", account = \"data\" }\n", "f.toml");
  REQUIRE(with);
  CHECK(with->links[0].job->site == SiteId("b"));
  CHECK(with->links[0].job->account == LocalAccount("data"));
  CHECK_FALSE(parse_broker_config(text, "f.toml"));  // without a job the broker's host would be a third one
}

TEST_CASE("a site's work_dir is made for an account") {
  SiteConfig site;
  CHECK(work_dir_of(site, LocalAccount("alice"), "/home/alice") == "/home/alice/.hansa");
  site.work_dir = "/scratch/{account}/x/{account}";
  CHECK(work_dir_of(site, LocalAccount("alice"), "/home/alice") == "/scratch/alice/x/alice");
}

TEST_CASE("an accounts file's faults come with those of the configuration") {
  const TemporaryFolder folder;
  folder.write("bad.toml", "\"local:alice\" = \"alice\"\n\"bob\" = \"bob\"\n\"local:eve\" = \"0\"\n");
  const auto site = [](std::string_view id, std::string_view file) {
    return "[[site]]\nid = \"" + std::string(id) + "\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts_file = \"" +
           std::string(file) + "\"\n";
  };
  const auto file =
      folder.write("hansad.toml", "[broker]\nname = \"x\"\ncountry = \"XX\"\n" + site("a", "bad.toml") + site("b", "none.toml"));
  const auto config = load_broker_config(file);
  REQUIRE_FALSE(config);
  const auto& faults = config.error().faults;
  REQUIRE(faults.size() == 4);
  CHECK(faults[0].where == file.string() + ":3: broker.country");
  CHECK(faults[1].where == file.string() + ":13: site[b].accounts_file");
  CHECK_THAT(faults[1].message, Catch::Contains("there is no such file"));
  CHECK(faults[2].where == (folder.path() / "bad.toml").string() + ":2: \"bob\"");
  CHECK(faults[3].where == (folder.path() / "bad.toml").string() + ":3: \"local:eve\"");
}

TEST_CASE("a configuration that cannot be read says why") {
  const TemporaryFolder folder;
  CHECK(load_broker_config(folder.path() / "none.toml").error().code == "CONFIG_NOT_FOUND");
  CHECK(load_broker_config(folder.path()).error().code == "CONFIG_UNREADABLE");
  CHECK(load_broker_config(folder.write("big.toml", std::string((1 << 20) + 1, '\n'))).error().code == "CONFIG_TOO_LARGE");
  CHECK(load_broker_config(folder.write("exact.toml", std::string(1 << 20, '\n'))).error().code == "BAD_CONFIGURATION");
}

TEST_CASE("loopback is 127.0.0.0/8 and ::1, nothing else") {
  for (const auto* text : {"127.0.0.1:0", "127.255.0.9:1", "[::1]:7717"}) {
    const auto address = ListenAddress::parse(text);
    REQUIRE(address);
    CHECK(address->is_loopback());
    CHECK(address->str() == text);
  }
  for (const auto* text : {"128.0.0.1:1", "0.0.0.0:1", "[::]:1", "[fe80::1]:1"}) {
    const auto address = ListenAddress::parse(text);
    REQUIRE(address);
    CHECK_FALSE(address->is_loopback());
  }
  for (const auto* text : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:+1", "127.0.0.1: 1", "127.1:1", "[::1:1",
                           "::1]:1", "[127.0.0.1]:1"}) {
    CHECK_FALSE(ListenAddress::parse(text));
  }
  CHECK_FALSE(ListenAddress::parse(std::string_view("127.0.0.1\0:1", 12)));
}
