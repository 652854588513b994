// SPDX-License-Identifier: Apache-2.0
// Configurations made at random from the records themselves: written out and read again they are the same, and one value
// outside its record's limits is one fault.
#include "config/keys.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <set>

using namespace hansa;
using namespace hansa::config;

namespace {

std::string one_of(std::vector<std::string> texts) { return *rc::gen::elementOf(std::move(texts)); }

/// Those that a form names in quotes.
std::vector<std::string> words_of(const Form& form) {
  std::vector<std::string> words;
  std::string_view text = form.allowed;
  for (auto at = text.find('"'); at != std::string_view::npos; at = text.find('"')) {
    const auto end = text.find('"', at + 1);
    words.emplace_back(text.substr(at + 1, end - at - 1));
    text.remove_prefix(end + 1);
  }
  return words;
}

std::string random_text(const Record& record) {
  const auto letters =
      *rc::gen::container<std::string>(*rc::gen::inRange<std::size_t>(1, 12), rc::gen::elementOf(std::string("abcxyz019")));
  const auto name = "n" + letters;
  const auto* form = record.form;
  if (form == &kLabel) return one_of({name, "Ätna \"quoted\" \\ 'x' #", "日本", "a | b"});
  if (form == &kCountry) return one_of({"FI", "EE", "ZW", "AD"});
  if (form == &kPrincipal) return "local:" + one_of({name, name + "@example.org", "a:b\\\"c'"});
  if (form == &kAbsolutePath || form == &kSocketPath || form == &kFile) return "/" + one_of({name, name + "/x y", "ü/\"" + name});
  if (form == &kPlainPath) return "/" + name + "/a-b.c";
  if (form == &kWorkDir) return one_of({"~/" + name, "/s/{account}/" + name});
  if (form == &kQuietHours) return one_of({"22:00-06:00 Europe/Helsinki", "00:00-24:00 UTC", "12:30-13:00 America/New_York"});
  if (form == &kCheckName) return one_of({"HISTORY", "CLOCK", "ROOM"});
  if (form == &kScratch) return one_of({"/scratch", "/s/{account}/" + name});
  if (form == &kModules) return one_of({name, "GCC/13.2 PyTorch/2.3-CUDA~12", name + "/1"});
  if (form == &kQueueOrAll) return one_of({"*", "gpu"});
  if (form == &kImagePrefix) return one_of({"/appl/" + name, "oras://r.example.org/", "docker://" + name + ":5000/"});
  if (form == &kVariableValue) return one_of({name, "a 'b' \"c\" \\ $d", ""});
  if (form == &kListenAddress) return one_of({"127.0.0.1:0", "[::1]:65535", "127.9.9.9:80"});
  if (form == &kStoreUrl) return one_of({"sqlite:" + name, "sqlite:/" + name + "/x.db"});
  if (form == &kAgentsAddress) return one_of({"wss://" + name + ":7718", "wss://[::1]:1"});
  if (form == &kSlurmrestUrl) return one_of({"https://" + name + "/slurm", "unix:/" + name, "http://127.0.0.1:6820"});
  if (form == &kIssuerUrl) return one_of({"https://" + name + ".example.org/realms/x", "http://127.0.0.1:1"});
  if (form == &kOrigin) return "https://" + name + ".example.org:8443";
  if (form == &kTokenWord) return one_of({name, "https://refeds.org/assurance/IAP/medium", "a\"b\\c"});
  if (form == &kGroup) return one_of({"urn:geant:" + name + ":group:x", "/ü \"" + name});
  if (form == &kWitnessKey) return name + "+f8558cb0+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
  if (form == &kBenchmark) return one_of({"hepscore23", "HEPSPEC", "Si2k"});
  if (form == &kServiceLevel) return one_of({"12.5", "1", "0.001", "9999999.999"});
  if (form == &kComponentUnit) return one_of({"60000 core-minutes", "1 gpu-hours", "1000000000000 node-seconds"});
  if (form == &kUuid) return "6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11";
  if (form == &kCommandWord) return "/" + name;
  if (form == &kRulePack) return one_of({"open-science", "/etc/packs/" + name + ".toml"});
  for (const auto* words : {&kDataLabel, &kPurpose, &kAccessMode, &kAiTraining, &kAssurance, &kAffiliation, &kSiteStatus,
                            &kSiteLabel, &kIsolation, &kEgress, &kGpuVendor, &kArchitecture, &kAlgorithm, &kRole}) {
    if (form == words) return one_of(words_of(*words));
  }
  return name;  // every other form takes plain names
}

Node random_value(const Record& record) {
  Node node;
  switch (record.type) {
    case Type::text: return Node::of_text(random_text(record));
    case Type::integer:
      return Node::of_integer(
          *rc::gen::elementOf(std::vector{record.min, record.max, *rc::gen::inRange(record.min, record.max)}));
    case Type::boolean: return Node::of_boolean(*rc::gen::arbitrary<bool>());
    case Type::date:
      node = Node::of_text(one_of({"2026-11-01T00:00:00Z", "2027-12-31T23:59:59Z"}));
      node.kind = Node::Kind::date;
      return node;
    case Type::choice:
      return Node::of_text(std::string(*rc::gen::elementOf(std::vector(record.choices.begin(), record.choices.end()))));
    case Type::list: {
      node.kind = Node::Kind::list;
      std::set<std::string> seen;
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        const auto text = random_text(record);
        if (seen.insert(text).second) node.items.push_back(Node::of_text(text));
      }
      return node;
    }
    case Type::map:
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        Record key = record;
        key.form = record.key_form;
        auto item = Node::of_text(random_text(record));
        item.key = random_text(key);
        node.items.push_back(std::move(item));
      }
      return node;
  }
  return node;
}

template <typename S>
S random_section() {
  S section;
  for (const auto& key : keys_of<S>()) {
    if (key.record.required || *rc::gen::arbitrary<bool>()) key.set(section, random_value(key.record));
  }
  return section;
}

void settle_gpus(std::int64_t& count, std::optional<std::string>& model) {
  if (count == 0) model.reset();
  if (count > 0 && !model) model = "a100";
}

PlaceFacts random_facts() {
  auto facts = random_section<PlaceFacts>();
  if (facts != PlaceFacts{} && !facts.as_of) facts.as_of = UtcTime{std::chrono::hours{500'000}};
  return facts;
}

/// Only the first of a site may be its staging one.
RootConfig random_root(int number) {
  auto root = random_section<RootConfig>();
  root.id = "r" + std::to_string(number);
  root.staging = root.staging && number == 1;
  if (!root.staging) {
    root.lifetime = RootConfig{}.lifetime;
    root.quota_mib = root.quota_files = std::nullopt;
  }
  if (root.host) {
    root.user = LocalAccount("hansa-data");
    root.key_file = root.known_hosts = "/etc/hansa/file";
  } else {
    root.user.reset();
    root.key_file = root.known_hosts = std::nullopt;
  }
  if (root.host || root.staging) root.remote.reset();
  return root;
}

/// Random values, then what the rules between keys ask for.
BrokerConfig random_config() {
  BrokerConfig config;
  config.broker = random_section<BrokerSection>();
  config.broker.log = random_section<LogConfig>();
  config.broker.facts = random_facts();
  config.rules = random_section<RulesConfig>();
  config.api = random_section<ApiConfig>();
  if (config.api.tls_certificate.has_value() != config.api.tls_key.has_value())
    config.api.tls_certificate = config.api.tls_key = "/both";
  config.api.limits = random_section<ApiLimits>();
  config.api.limits.bulk_kib = std::max(config.api.limits.bulk_kib, config.api.limits.job_kib);
  if (*rc::gen::arbitrary<bool>()) {
    auto& agents = config.agents.emplace(random_section<AgentsConfig>());
    if (agents.tls_certificate.has_value() != agents.tls_key.has_value() || !config.api.tls_key)
      agents.tls_certificate = agents.tls_key = "/both";
    agents.dead_after = std::max(agents.dead_after, agents.ping_after + Milliseconds{1});
  }
  config.store = random_section<StoreConfig>();
  config.engine = random_section<EngineConfig>();
  config.engine.snapshot_max_age = std::max(config.engine.snapshot_max_age, config.engine.snapshot_interval + Milliseconds{1});
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    config.projects.push_back(random_section<ProjectConfig>());
    config.projects.back().id = ProjectId("p" + std::to_string(i));
    config.projects.back().facts = random_section<ProjectFacts>();
  }
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    auto site = random_section<SiteConfig>();
    site.id = SiteId("s" + std::to_string(i));
    if (site.name.empty()) site.name = site.id.str();
    site.projects.clear();
    for (const auto& project : config.projects) site.projects.emplace(project.id, "acct");
    if (site.accounts_file) site.accounts.clear();
    const bool by_token = site.connector == Connector::slurmrest;
    const bool has_accounts = by_token || site.connector == Connector::slurm || site.connector == Connector::pbs;
    const bool theirs = site.run_as == RunAs::agent || site.run_as == RunAs::by_certificate || site.run_as == RunAs::by_person;
    if (!has_accounts || !config.broker.switch_socket || theirs) site.run_as = RunAs::self;
    if (site.run_as == RunAs::by_token && !by_token) site.run_as = RunAs::by_switch;
    if (site.connector == Connector::remote) {
      site.run_as = RunAs::agent;
      site.remote = random_section<RemoteConfig>();
      site.remote.agent = site.remote.agent && config.agents;
      if (site.remote.agent && *rc::gen::arbitrary<bool>()) {
        site.remote.agent = false;
        site.remote.command.clear();
        site.run_as = RunAs::by_person;
        site.remote.people = random_section<PeopleConfig>();
      } else if (site.remote.agent) {
        site.remote.command.clear();
      } else if (!site.remote.command.empty()) {
        site.remote.command.front() = "/opt/plug-in";
      } else {
        site.remote.ssh = random_section<SshConfig>();
        if (!site.remote.ssh->identity) {
          site.run_as = RunAs::by_certificate;
          site.remote.ssh->certificates = random_section<CertificatesConfig>();
          site.remote.ssh->certificates->command.insert(site.remote.ssh->certificates->command.begin(), "/opt/sign");
        }
      }
    }
    if (*rc::gen::arbitrary<bool>()) {
      site.apel = random_section<ApelConfig>();
      site.apel->service_level = {{"hepscore23", "12.5"}};
    }
    if (*rc::gen::arbitrary<bool>()) {
      site.waldur = random_section<WaldurConfig>();
      site.waldur->components["cpu"] = "60000 core-minutes";
      site.waldur->resources.clear();  // of projects that there are
    }
    site.facts = random_facts();
    site.budget = random_section<BudgetConfig>();
    site.profile = random_section<ProfileConfig>();
    for (int q = *rc::gen::inRange(0, 3); q > 0 && (by_token || site.connector == Connector::slurm); --q)
      site.qos.push_back(random_section<QosConfig>());
    if (site.allocation == AllocationRule::budget || site.allocation == AllocationRule::opportunistic) {
      for (int c = *rc::gen::inRange(1, 3); c > 0; --c) {
        auto charge = random_section<ChargeConfig>();
        charge.queues = {"q" + std::to_string(c)};
        if (c != 1 || site.connector != Connector::slurm || site.projects.empty()) charge.limit.reset();
        if (charge.per_memory_slice == 0 || charge.memory_slice_mib == 0) charge.per_memory_slice = charge.memory_slice_mib = 0;
        charge.whole_nodes = charge.whole_nodes && charge.node_cores > 0 && charge.node_gpus > 0;
        site.charges.push_back(std::move(charge));
      }
    }
    if (site.connector == Connector::slurm) site.slurm = random_section<SlurmConfig>();
    if (by_token) {
      site.slurmrest = random_section<SlurmrestConfig>();
      if (site.slurmrest.token_file) {
        site.slurmrest.token_file = "/t/{account}";
        site.slurmrest.token_command.clear();
      } else {
        site.slurmrest.token_command.emplace_back("/t");
        site.slurmrest.token_command.emplace_back("{account}");
      }
    }
    if (site.connector == Connector::pbs) site.pbs = random_section<PbsConfig>();
    if (site.connector == Connector::local) site.local = random_section<LocalConfig>();
    if (site.connector == Connector::model) site.model = random_section<ModelConfig>();
    settle_gpus(site.local.gpus, site.local.gpu_model);
    settle_gpus(site.model.gpus_per_node, site.model.gpu_model);
    for (int r = *rc::gen::inRange(0, 3); r > 0; --r) site.roots.push_back(random_root(r));
    config.sites.push_back(std::move(site));
  }
  config.mover = random_section<MoverConfig>();
  config.code = random_section<CodeConfig>();
  config.break_glass = random_section<BreakGlassConfig>();
  for (auto& site : config.sites) {
    for (auto& root : site.roots) {
      if (!config.mover.rclone_config) root.remote.reset();
    }
  }
  for (const auto& to : config.sites) {
    if (std::ranges::none_of(to.roots, &RootConfig::staging)) continue;
    for (const auto& from : config.sites) {
      if (from.id == to.id || from.roots.empty()) continue;
      auto link = random_section<LinkConfig>();
      link.from = from.id;
      link.to = to.id;
      link.tool = MoveTool::rclone;  // what others cannot do is in malformed_test.cpp
      link.program.reset();
      const auto& runs = *rc::gen::arbitrary<bool>() ? from : to;
      const bool copies =
          runs.connector != Connector::model && runs.run_as != RunAs::by_certificate && runs.run_as != RunAs::by_person;
      if (copies && *rc::gen::arbitrary<bool>()) {
        link.job = random_section<TransferJobConfig>();
        link.job->site = runs.id;
        link.job->account.reset();
        if (runs.run_as == RunAs::by_switch || runs.run_as == RunAs::by_token) link.job->account = LocalAccount("hansa-data");
      }
      config.links.push_back(std::move(link));
    }
  }
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    config.accelerators.push_back(random_section<AcceleratorConfig>());
    config.accelerators.back().id = "gpu" + std::to_string(i);
  }
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    auto issuer = random_section<IssuerConfig>();
    issuer.id = "i" + std::to_string(i);
    issuer.url += "/" + issuer.id;
    issuer.projects = config.projects.empty() ? decltype(issuer.projects){}
                                              : decltype(issuer.projects){{"urn:x:y:group:a", config.projects[0].id}};
    issuer.leads = issuer.projects;
    issuer.roles = {{"urn:x:y:group:\"o\"", "policy-officer"}};
    issuer.site_operators.clear();
    if (!config.sites.empty()) issuer.site_operators = {{"urn:x:y:group:s", config.sites.back().id}};
    if (issuer.algorithms.empty()) issuer.algorithms = {"PS256"};
    issuer.introspection_client.reset();
    issuer.introspection_secret_file.reset();
    if (issuer.claims_from == ClaimsSource::introspection) {
      issuer.introspection_client = "hansad";
      issuer.introspection_secret_file = "/etc/hansa/secret";
    }
    config.issuers.push_back(std::move(issuer));
  }
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    config.people.push_back(random_section<PersonConfig>());
    config.people.back().id = Principal("local:p" + std::to_string(i));
  }
  return config;
}

template <typename S>
void check_records() {
  std::set<std::string_view> names;
  for (const auto& key : keys_of<S>()) {
    INFO(key.record.name);
    CHECK(names.insert(key.record.name).second);
    CHECK(key.record.doc.ends_with('.'));
    CHECK_FALSE(allowed_values(key.record).empty());
    if (key.record.type == Type::integer) CHECK(key.record.min < key.record.max);
    CHECK((key.record.type == Type::text || key.record.type == Type::list || key.record.type == Type::map) ==
          (key.record.form != nullptr));
    CHECK((key.record.type == Type::map) == (key.record.key_form != nullptr));

    // What the documentation shows is a value that the record takes, and so is the default.
    const auto example = parse_toml("x = " + std::string(key.record.example), "example");
    REQUIRE(example);
    const Node& value = example->items[0];
    if (key.record.type == Type::text) CHECK(key.record.form->matches(value.text));
    if (key.record.type == Type::choice) CHECK(std::ranges::count(key.record.choices, value.text) == 1);
    for (const auto& node : {value, key.get(S{}).value_or(value)}) {
      if (key.record.type == Type::integer) CHECK((node.integer >= key.record.min && node.integer <= key.record.max));
      if (key.record.type == Type::text) CHECK(key.record.form->matches(node.text));
    }
  }
}

}  // namespace

TEST_CASE("a configuration that is written out and read again is the same") {
  CHECK(rc::check("to_toml and parse_broker_config are inverse", [] {
    const auto config = random_config();
    const auto text = to_toml(config);
    const auto again = parse_broker_config(text, "/etc/hansa/hansad.toml");
    if (!again) RC_FAIL(describe_errors(again.error()) + text);
    RC_ASSERT(*again == config);
  }));
}

TEST_CASE("one integer outside its limits is one fault, at its line") {
  CHECK(rc::check("limits are kept", [] {
    const auto base = to_toml(random_config());
    const auto keys = keys_of<BudgetConfig>();
    const auto& record = keys[*rc::gen::inRange<std::size_t>(0, keys.size())].record;
    const auto bad = *rc::gen::elementOf(std::vector{record.min - 1, record.max + 1});
    const auto lines = std::ranges::count(base, '\n');
    const auto text = base + "[[site]]\nid = \"x\"\ncountry = \"FI\"\nconnector = \"model\"\naccounts = {}\nbudget." +
                      std::string(record.name) + " = " + std::to_string(bad) + "\n";
    const auto config = parse_broker_config(text, "f");
    RC_ASSERT(!config);
    RC_ASSERT(config.error().faults.size() == 1U);
    RC_ASSERT(config.error().faults[0].where ==
              "f:" + std::to_string(lines + 6) + ": site[x].budget." + std::string(record.name));
  }));
}

TEST_CASE("every record is whole and its example is allowed") {
  check_records<BrokerSection>();
  check_records<LogConfig>();
  check_records<ApiConfig>();
  check_records<ApiLimits>();
  check_records<StoreConfig>();
  check_records<EngineConfig>();
  check_records<SiteConfig>();
  check_records<BudgetConfig>();
  check_records<SlurmConfig>();
  check_records<LocalConfig>();
  check_records<RootConfig>();
  check_records<LinkConfig>();
  check_records<TransferJobConfig>();
  check_records<AcceleratorConfig>();
  check_records<MoverConfig>();
  check_records<CodeConfig>();
  check_records<BreakGlassConfig>();
  check_records<ModelConfig>();
  check_records<ProjectConfig>();
  check_records<IssuerConfig>();
  check_records<PlaceFacts>();
  check_records<ProjectFacts>();
  check_records<PersonConfig>();
  check_records<RulesConfig>();
  check_records<ClientSettings>();
}
