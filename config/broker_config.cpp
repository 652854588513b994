// SPDX-License-Identifier: Apache-2.0
#include "config/broker_config.hpp"

#include "broker/core/suggest.hpp"
#include "config/accounts.hpp"
#include "config/reader.hpp"
#include "config/site_section.hpp"
#include "config/text_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

namespace hansa::config {
namespace {

using Names = std::span<const std::string_view>;
constexpr std::array<std::string_view, 18> kRootTables{"broker",      "api",  "agents", "store",   "engine",  "placement",
                                                       "rules",       "site", "person", "link",    "project", "mover",
                                                       "accelerator", "code", "issuer", "privacy", "ledger",  "break_glass"};
constexpr std::array<std::string_view, 2> kBrokerTables{"facts", "log"};
constexpr std::array<std::string_view, 1> kApiTables{"limits"};
constexpr std::array<std::string_view, 1> kPrivacyTables{"retention"};
constexpr std::array<std::string_view, 6> kConnectorTables{"local", "slurm", "slurmrest",
                                                           "pbs",   "model", "remote"};  // by Connector's values
constexpr std::array<std::string_view, 15> kSiteTables{"apel",   "budget",    "charge", "facts",  "local",
                                                       "slurm",  "slurmrest", "pbs",    "model",  "profile",
                                                       "remote", "qos",       "root",   "energy", "waldur"};
constexpr std::array<std::string_view, 2> kRemoteTables{"people", "ssh"};
constexpr std::array<std::string_view, 1> kSshTables{"certificates"};
constexpr std::array<std::string_view, 1> kProjectTables{"facts"};
constexpr std::array<std::string_view, 1> kLinkTables{"job"};

bool contains(Names names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

void check_api(const Table& api, const ApiConfig& config, Findings& findings) {
  const bool certificate = api.find("tls_certificate") != nullptr;
  const bool key = api.find("tls_key") != nullptr;
  if (certificate != key) {
    const std::string_view there = certificate ? "tls_certificate" : "tls_key";
    const std::string_view missing = certificate ? "tls_key" : "tls_certificate";
    findings.add(api.mark_of(there), api.path_of(there), "needs " + api.path_of(missing) + " as well");
  } else if (!certificate && !config.listen.is_loopback()) {
    findings.add(
        api.mark_of("listen"), api.path_of("listen"),
        "is " + shown(config.listen.str()) + ", which is not loopback: set tls_certificate and tls_key, or listen on 127.0.0.1");
  }
}

/// After [api], whose certificate it may share, and the sites.
void check_agents(const Table& root, BrokerConfig& config, Findings& findings) {
  std::optional<Table> table;
  if (root.find("agents") != nullptr) table = sub_table(root, "agents", findings);
  if (table) {
    auto& agents = config.agents.emplace();
    read_keys(*table, {}, agents, findings);
    const bool certificate = table->find("tls_certificate") != nullptr;
    if (certificate != (table->find("tls_key") != nullptr)) {
      const std::string_view there = certificate ? "tls_certificate" : "tls_key";
      findings.add(table->mark_of(there), table->path_of(there),
                   "needs " + table->path_of(certificate ? "tls_key" : "tls_certificate") + " as well");
    } else if (!certificate && !config.api.tls_certificate) {
      findings.add(table->mark_of(""), table->path_of("tls_certificate"),
                   "is missing, and api.tls_certificate, which would be taken, is as well: agents come in by TLS only");
    }
    if (agents.listen.is_unspecified() && table->find("address") == nullptr)
      findings.add(table->mark_of("listen"), table->path_of("address"),
                   "is missing, and listen (" + agents.listen.str() +
                       ") is all of this host's addresses: sites must be told how they reach it, as "
                       "\"wss://hansa.example.org:" +
                       std::to_string(agents.listen.port) + "\"");
    if (agents.dead_after <= agents.ping_after)
      findings.add(table->mark_of("dead_after_ms"), table->path_of("dead_after_ms"),
                   "must be more than ping_after_ms (" + std::to_string(agents.ping_after.count()) +
                       "): else a connection ends before anybody has asked whether it lives");
  }
  for (const auto& site : config.sites) {
    if (site.connector != Connector::remote || table || (!site.remote.agent && !site.remote.people)) continue;
    findings.add(root.mark_of("site"), "site[" + site.id.str() + "].remote." + (site.remote.agent ? "agent" : "people"),
                 std::string("needs a table [agents]: where ") +
                     (site.remote.agent ? "this site's agent comes" : "people's agents come") + " in");
  }
}

void check_limits(const Table& limits, const ApiLimits& config, Findings& findings) {
  if (config.bulk_kib < config.job_kib) {
    const std::string_view key = limits.find("bulk_kib") != nullptr ? "bulk_kib" : "job_kib";
    findings.add(limits.mark_of(key), limits.path_of(key),
                 "bulk_kib (" + std::to_string(config.bulk_kib) + ") must not be less than job_kib (" +
                     std::to_string(config.job_kib) + ")");
  }
}

void check_engine(const Table& engine, const EngineConfig& config, Findings& findings) {
  if (config.snapshot_max_age <= config.snapshot_interval) {
    const std::string_view key = engine.find("snapshot_max_age_ms") != nullptr ? "snapshot_max_age_ms" : "snapshot_interval_ms";
    findings.add(engine.mark_of(key), engine.path_of(key),
                 "snapshot_max_age_ms (" + std::to_string(config.snapshot_max_age.count()) +
                     ") must be more than snapshot_interval_ms (" + std::to_string(config.snapshot_interval.count()) +
                     "), or every snapshot is stale");
  }
}

void check_gpus(const Table& table, std::string_view count_key, std::int64_t count, const std::optional<std::string>& model,
                Findings& findings) {
  const Node* model_node = table.find("gpu_model");
  if (count > 0 && model_node == nullptr) {
    findings.add(table.mark_of(count_key), table.path_of(count_key),
                 "is " + std::to_string(count) + ", which needs gpu_model as well");
  } else if (count == 0 && model) {
    findings.add(model_node->at, table.path_of("gpu_model"), "is " + shown(*model) + ", but " + std::string(count_key) + " is 0");
  }
}

/// How the connector, run_as, work_dir and the switch hang together; `program` is the table where its socket stands.
void check_run_as(const Table& site, const SiteConfig& config, const Table& program, bool at_agent, Findings& findings) {
  const Node* run_as = site.find("run_as");
  const bool by_token = config.connector == Connector::slurmrest;
  const bool has_accounts = by_token || config.connector == Connector::slurm || config.connector == Connector::pbs;
  if (run_as == nullptr && has_accounts) {
    findings.add(site.mark_of(""), site.path_of("run_as"),
                 "is missing; with connector = \"" + std::string(kConnectorTables[static_cast<std::size_t>(config.connector)]) +
                     "\" it must say whose account runs the jobs: one of \"self\", " + (by_token ? "\"token\"" : "\"switch\""));
    return;
  }
  const bool is_remote = config.connector == Connector::remote;
  const bool fits = config.run_as == RunAs::by_certificate ? is_remote || at_agent
                    : config.run_as == RunAs::by_person    ? is_remote
                    : config.run_as == RunAs::by_token     ? by_token
                    : has_accounts                         ? config.run_as != RunAs::agent
                                                           : config.run_as == (is_remote ? RunAs::agent : RunAs::self);
  const auto said = run_as == nullptr ? std::string() : shown(run_as->text);
  if (!fits) {
    findings.add(run_as->at, site.path_of("run_as"),
                 "is " + said + "; allowed with this connector: " +
                     (by_token       ? "\"self\", \"switch\", \"token\""
                      : has_accounts ? "\"self\", \"switch\""
                      : is_remote    ? "\"agent\", \"certificate\", \"person\""
                                     : "\"self\"") +
                     (at_agent ? ", \"certificate\"" : ""));
    return;
  }
  if (config.run_as != RunAs::by_switch && config.run_as != RunAs::by_token) return;
  if (program.find("switch_socket") == nullptr) {
    findings.add(run_as->at, site.path_of("run_as"),
                 "is " + said + ", which needs " + program.path_of("switch_socket") + ": where hansa-switch listens");
  }
  if (config.work_dir.starts_with('/') && !config.work_dir.contains("{account}")) {
    findings.add(site.mark_of("work_dir"), site.path_of("work_dir"),
                 "is " + shown(config.work_dir) + ", one folder for all accounts; with run_as = " + said +
                     " start with \"~/\" or have \"{account}\" in it");
  }
}

void check_connector_tables(const Table& site, Connector connector, Findings& findings) {
  const auto own = kConnectorTables[static_cast<std::size_t>(connector)];
  for (const auto name : kConnectorTables) {
    if (name == own || site.find(name) == nullptr) continue;
    findings.add(site.mark_of(name), site.path_of(name),
                 "belongs to connector = \"" + std::string(name) + "\"; this site has connector = \"" + std::string(own) + "\"");
  }
}

/// Where its tokens come from.
void check_slurmrest(const Table& site, const SiteConfig& config, Findings& findings) {
  const auto& rest = config.slurmrest;
  const auto path = site.path_of("slurmrest");
  const auto at = site.mark_of("slurmrest");
  if (site.find("slurmrest") == nullptr) {
    findings.add(site.mark_of(""), path, "is missing; with connector = \"slurmrest\" it says where slurmrestd answers (url)");
    return;
  }
  if (rest.token_file.has_value() == !rest.token_command.empty()) {
    findings.add(at, path + ".token_file", "or token_command must be there, and only one of the two: where tokens come from");
    return;
  }
  if (!rest.token_command.empty() && !kAbsolutePath.matches(rest.token_command.front()))
    findings.add(at, path + ".token_command", "must begin with a program's path: allowed: " + std::string(kAbsolutePath.allowed));
  const auto names_account = [](std::string_view text) { return text.contains("{account}"); };
  const bool named =
      rest.token_file ? names_account(rest.token_file->native()) : std::ranges::any_of(rest.token_command, names_account);
  if (config.run_as == RunAs::self || named) return;
  findings.add(at, path + (rest.token_file ? ".token_file" : ".token_command"),
               "has no \"{account}\" in it; unless run_as is \"self\", each account's jobs need a token of that account");
}

/// Who logs in there, and with what.
void read_certificates(const Table& ssh, SshConfig& config, Findings& findings) {
  CertificatesConfig certificates;
  if (ssh.find("certificates") != nullptr) {
    const auto table = read_table(ssh, "certificates", {}, certificates, findings);
    const auto& command = certificates.command;
    if (table && !command.empty() && !kAbsolutePath.matches(command.front())) {
      findings.add(table->mark_of("command"), table->path_of("command") + "[0]",
                   "is " + shown(command.front()) + "; allowed: the program, by " + std::string(kAbsolutePath.allowed));
    }
    config.certificates = std::move(certificates);
  }
  if (config.identity && config.certificates) {
    findings.add(
        ssh.mark_of("identity"), ssh.path_of("identity"),
        "stands beside certificates; allowed: one of the two, for with certificates the broker's own account has one as well");
  } else if (!config.certificates && ssh.find("identity") == nullptr) {
    findings.add(ssh.mark_of(""), ssh.path_of("identity"),
                 "is missing, and so is certificates; one of the two says how to log in there");
  }
}

/// What answers to the connector protocol.
void read_remote(const Table& site, SiteConfig& config, Findings& findings) {
  const auto remote = read_table(site, "remote", kRemoteTables, config.remote, findings);
  if (!remote) return;
  if (remote->find("ssh") != nullptr) {
    SshConfig ssh;
    if (const auto table = read_table(*remote, "ssh", kSshTables, ssh, findings)) {
      read_certificates(*table, ssh, findings);
      config.remote.ssh = std::move(ssh);
    }
  }
  if (remote->find("people") != nullptr) read_table(*remote, "people", {}, config.remote.people.emplace(), findings);
  if (config.connector != Connector::remote) return;
  if (site.find("run_as") == nullptr) config.run_as = RunAs::agent;
  if (config.remote.people.has_value() != (config.run_as == RunAs::by_person)) {
    findings.add(site.mark_of("run_as"), site.path_of("run_as"),
                 config.remote.people ? "must be \"person\": remote.people has each person start an agent of their own"
                                      : "is \"person\", which needs remote.people: what holds for people's own agents");
  }
  const bool by_certificate = config.remote.ssh && config.remote.ssh->certificates;
  if (by_certificate != (config.run_as == RunAs::by_certificate)) {
    findings.add(site.mark_of("run_as"), site.path_of("run_as"),
                 by_certificate ? "must be \"certificate\": remote.ssh.certificates has each person log in as themselves"
                                : "is \"certificate\", which needs remote.ssh.certificates: where each person's comes from");
  }
  const auto& command = config.remote.command;
  const int ways = int{!command.empty()} + int{config.remote.ssh.has_value()} + int{config.remote.agent} +
                   int{config.remote.people.has_value()};
  if (ways != 1) {
    const std::string_view first = !command.empty() ? "command" : config.remote.agent ? "agent" : "";
    findings.add(remote->mark_of(first), remote->path_of(first.empty() ? "command" : first),
                 ways == 0
                     ? "is missing, and so are ssh, agent and people; one of the four says what speaks the connector protocol"
                     : "stands beside another way; allowed: one of command, ssh, agent and people");
  } else if (!command.empty() && !kAbsolutePath.matches(command.front())) {
    findings.add(remote->mark_of("command"), remote->path_of("command") + "[0]",
                 "is " + shown(command.front()) + "; allowed: the program, by " + std::string(kAbsolutePath.allowed));
  }
}

void check_accounts(const Table& site, Findings& findings) {
  const bool in_file = site.find("accounts_file") != nullptr;
  const bool in_place = site.find("accounts") != nullptr;
  if (in_file && in_place) {
    findings.add(site.mark_of("accounts"), site.path_of("accounts"), "stands beside accounts_file; allowed: one of the two");
  } else if (!in_file && !in_place) {
    findings.add(site.mark_of(""), site.path_of("accounts_file"),
                 "is missing, and so is accounts; one of the two says who runs as which account, and without it nobody could");
  }
}

/// The keys of `name`.
void check_known_projects(const Table& table, std::string_view name, const std::vector<std::string_view>& project_ids,
                          Findings& findings) {
  const Node* projects = table.find(name);
  if (projects == nullptr || projects->kind != Node::Kind::table) return;
  for (const auto& entry : projects->items) {
    if (!kProjectId.matches(entry.key) || contains(project_ids, entry.key)) continue;
    findings.add(entry.key_at, table.path_of(name) + "." + shown(entry.key),
                 "there is no [[project]] with this id" + did_you_mean(entry.key, project_ids));
  }
}

/// How an issuer's keys hang together.
void check_issuer(const Table& table, const IssuerConfig& issuer, const std::vector<std::string_view>& project_ids,
                  const std::vector<std::string_view>& site_ids, Findings& findings) {
  if (issuer.id == "local")
    findings.add(table.mark_of("id"), table.path_of("id"), "is \"local\", which is the issuer of the broker's own tokens");
  const Node* algorithms = table.find("algorithms");
  if (algorithms != nullptr && algorithms->kind == Node::Kind::list && algorithms->items.empty())
    findings.add(table.mark_of("algorithms"), table.path_of("algorithms"), "is empty: no token would ever be taken");
  const bool introspects = issuer.claims_from == ClaimsSource::introspection;
  for (const auto* key : {"introspection_client", "introspection_secret_file"}) {
    const bool there = table.find(key) != nullptr;
    if (introspects && !there)
      findings.add(table.mark_of("claims_from"), table.path_of(key), "is missing; claims_from = \"introspection\" needs it");
    if (!introspects && there)
      findings.add(table.mark_of(key), table.path_of(key), "is of no use without claims_from = \"introspection\"");
  }
  for (const auto* name : {"projects", "leads", "roles", "site_operators"}) {
    const Node* map = table.find(name);
    if (map == nullptr || map->kind != Node::Kind::table) continue;
    const std::string_view key = name;
    const bool of_site = key == "site_operators";
    const auto& known = of_site ? site_ids : project_ids;
    for (const auto& entry : map->items) {
      const auto place = table.path_of(name) + "." + shown(entry.key);
      const bool urn = entry.key.starts_with("urn:") && entry.key.contains(":group:");
      if (issuer.groups == GroupNames::aarc_g069 && !urn)
        findings.add(entry.key_at, place,
                     "is no group's name by AARC-G069 (urn:...:group:...); an issuer that names groups otherwise needs "
                     "groups = \"plain\"");
      if (key == "roles" || entry.kind != Node::Kind::text || !(of_site ? kSiteId : kProjectId).matches(entry.text)) continue;
      if (!contains(known, entry.text))
        findings.add(entry.at, place,
                     std::string("there is no ") + (of_site ? "[[site]]" : "[[project]]") + " with the id " + shown(entry.text) +
                         did_you_mean(entry.text, known));
    }
  }
}

void read_issuers(const Table& root, BrokerConfig& config, const std::vector<std::string_view>& project_ids,
                  const std::vector<std::string_view>& site_ids, Findings& findings) {
  const auto issuers = blocks_of(root, "issuer", kSiteId, findings);
  for (const auto& table : issuers) {
    auto& issuer = config.issuers.emplace_back();
    read_keys(table, {}, issuer, findings);
    check_issuer(table, issuer, project_ids, site_ids, findings);
    const auto same = std::ranges::find(config.issuers, issuer.url, &IssuerConfig::url);
    if (same != config.issuers.end() - 1 && !issuer.url.empty())
      findings.add(table.mark_of("url"), table.path_of("url"),
                   "is issuer " + shown(same->id) + "'s already: nobody would be known twice");
  }
  check_unique_ids(issuers, findings);
}

/// What somebody said has a day on which it was said.
void read_place_facts(const Table& place, PlaceFacts& out, Findings& findings) {
  const auto facts = read_table(place, "facts", {}, out, findings);
  if (!facts || facts->node->items.empty() || facts->find("as_of") != nullptr) return;
  findings.add(place.mark_of("facts"), facts->path_of("as_of"),
               "is missing: facts count from the day on which they were told or confirmed; example: as_of = 2026-11-01");
}

/// How a root's keys hang together.
void check_root(const Table& table, const RootConfig& root, Findings& findings) {
  constexpr std::array<std::string_view, 3> kOfHost{"user", "key_file", "known_hosts"};
  for (const auto name : kOfHost) {
    const bool there = table.find(name) != nullptr;
    if (root.host && !there)
      findings.add(table.mark_of("host"), table.path_of("host"), "needs " + table.path_of(name) + " as well");
    else if (!root.host && there && table.find("host") == nullptr)
      findings.add(table.mark_of(name), table.path_of(name), "counts only with host: what is mounted is reached without it");
  }
  if (root.remote && root.host)
    findings.add(table.mark_of("remote"), table.path_of("remote"), "is another way than host: give one of the two");
  if (root.remote && root.staging)
    findings.add(
        table.mark_of("staging"), table.path_of("staging"),
        "is true of a root behind a remote, where nothing can be brought in one step: mount it, or give it an SSH server");
  constexpr std::array<std::string_view, 3> kOfStaging{"lifetime_s", "quota_mib", "quota_inodes"};
  for (const auto name : kOfStaging) {
    const bool is_default = name == kOfStaging[0] && root.lifetime == RootConfig{}.lifetime;  // as to_toml writes it
    if (!root.staging && table.find(name) != nullptr && !is_default)
      findings.add(table.mark_of(name), table.path_of(name), "counts only with staging = true");
  }
}

void read_roots(const Table& site, std::vector<RootConfig>& out, Findings& findings) {
  const auto tables = blocks_of(site, "root", kRootName, findings);
  const Table* staging = nullptr;
  for (const auto& table : tables) {
    auto& root = out.emplace_back();
    read_keys(table, {}, root, findings);
    check_root(table, root, findings);
    if (!root.staging) continue;
    if (staging != nullptr) {
      findings.add(table.mark_of("staging"), table.path_of("staging"),
                   "is true of another root of this site already, at " + line_of(staging->mark_of("staging")));
    }
    staging = &table;
  }
  check_unique_ids(tables, findings);
}

void read_qos(const Table& site, SiteConfig& out, Findings& findings) {
  const auto tables = blocks_of(site, "qos", kSchedulerName, findings);
  for (const auto& table : tables) read_keys(table, {}, out.qos.emplace_back(), findings);
  if (!tables.empty() && out.connector != Connector::slurm && out.connector != Connector::slurmrest) {
    findings.add(tables.front().mark_of(""), tables.front().path,
                 "is Slurm's: at other sites a job's queue decides, and behind hansa-agent its own file says it");
  }
}

/// Which of two rules counts must never be a question, and none may charge by what it does not know.
void check_charge(const Table& table, const ChargeConfig& charge, const SiteConfig& site, Findings& findings) {
  if ((charge.per_memory_slice > 0) != (charge.memory_slice_mib > 0)) {
    const bool priced = charge.per_memory_slice > 0;
    findings.add(table.mark_of(priced ? "per_memory_slice" : "memory_slice_mib"),
                 table.path_of(priced ? "memory_slice_mib" : "per_memory_slice"),
                 "is missing or 0, and the other of the two is not: memory counts by slices of a size, each at a price");
  }
  if (charge.whole_nodes && charge.per_core > 0 && charge.node_cores == 0)
    findings.add(table.mark_of("whole_nodes"), table.path_of("node_cores"), "is missing: what a whole node counts as");
  if (charge.whole_nodes && charge.per_gpu > 0 && charge.node_gpus == 0)
    findings.add(table.mark_of("whole_nodes"), table.path_of("node_gpus"), "is missing: what a whole node counts as");
  if (charge.limit && site.connector != Connector::slurm && site.connector != Connector::remote)
    findings.add(table.mark_of("limit"), table.path_of("limit"),
                 "is read with connector = \"slurm\" or \"remote\" alone: import balances (hansa allocation import)");
  else if (charge.limit && site.projects.empty())
    findings.add(table.mark_of("limit"), table.path_of("limit"),
                 "needs the site's `projects`, which say whose account each is: without, there is nobody to ask about");
  for (const auto& other : site.charges) {
    if (&other == &charge) break;
    if (charge.limit && other.limit && (charge.limit == other.limit) != (charge.unit == other.unit))
      findings.add(table.mark_of("limit"), table.path_of("limit"),
                   charge.unit == other.unit
                       ? "is another one than in another block for the same unit: which of them is its balance?"
                       : "is that of another block for another unit: of which of them is it the balance?");
    const bool overlap =
        charge.queues.empty() ? other.queues.empty() : std::ranges::any_of(charge.queues, [&](const auto& queue) {
          return std::ranges::find(other.queues, queue) != other.queues.end();
        });
    if (overlap && other.from == charge.from)
      findings.add(table.mark_of("queues"), table.path_of("from"),
                   "is the same as of another block for the same queue: which of them counts?");
  }
}

/// A figure without anybody who vouches for it is an invention.
void read_energy(const Table& site, EnergyConfig& energy, Findings& findings) {
  const auto table = read_table(site, "energy", {}, energy, findings);
  const bool stated =
      energy.pue_milli || energy.carbon_mg_per_kwh || energy.core_milliwatts || energy.gpu_milliwatts || energy.node_milliwatts;
  if (table && stated && !energy.source)
    findings.add(table->mark_of(""), table->path_of("source"), "is missing: who states these figures, and of when");
  if (table && energy.pue_milli.has_value() != energy.carbon_mg_per_kwh.has_value())
    findings.add(table->mark_of(""), table->path_of(energy.pue_milli ? "carbon_mg_per_kwh" : "pue_milli"),
                 "is missing: carbon is worked out from both");
}

void read_charges(const Table& site, SiteConfig& out, Findings& findings) {
  const auto tables = blocks_of(site, "charge", kSchedulerName, findings);
  for (const auto& table : tables) read_keys(table, {}, out.charges.emplace_back(), findings);
  for (std::size_t i = 0; i < tables.size(); ++i) check_charge(tables[i], out.charges[i], out, findings);
  const bool counts = out.allocation == AllocationRule::budget || out.allocation == AllocationRule::opportunistic;
  if (counts && tables.empty())
    findings.add(site.mark_of("allocation"), site.path_of("allocation"),
                 "needs a [[site.charge]], which says what a job costs there");
  if (!counts && !tables.empty())
    findings.add(tables.front().mark_of(""), tables.front().path,
                 "has no effect: with this `allocation` nothing is charged; give \"budget\" or \"opportunistic\"");
}

/// What the site is called in others' accounting.
void read_exchange(const Table& site, const std::vector<std::string_view>* project_ids, SiteConfig& out, Findings& findings) {
  if (site.find("apel") != nullptr) {
    const auto table = read_table(site, "apel", {}, out.apel.emplace(), findings);
    const Node* levels = table ? table->find("service_level") : nullptr;
    if (levels != nullptr && levels->kind == Node::Kind::table && levels->items.size() != 1)
      findings.add(levels->at, table->path_of("service_level"), "must name one benchmark");
  }
  if (site.find("waldur") == nullptr) return;
  const auto table = read_table(site, "waldur", {}, out.waldur.emplace(), findings);
  if (!table) return;
  if (project_ids != nullptr) check_known_projects(*table, "resources", *project_ids, findings);
  const Node* components = table->find("components");
  if (components != nullptr && components->kind == Node::Kind::table && components->items.empty())
    findings.add(table->mark_of("components"), table->path_of("components"), "is empty: what is to be reported?");
}

/// What is told of a resource takes the place of what was told before: one project at one site tells of each.
void check_resources(const std::vector<Table>& tables, const std::vector<SiteConfig>& sites, Findings& findings) {
  std::map<std::string_view, std::string> first;
  for (std::size_t s = 0; s < sites.size(); ++s) {
    if (!sites[s].waldur) continue;
    for (const auto& [project, resource] : sites[s].waldur->resources) {
      const auto path = tables[s].path_of("waldur") + ".resources." + project.str();
      const auto [other, is_new] = first.emplace(resource, path);
      if (!is_new) findings.add(tables[s].mark_of("waldur"), path, "is the resource of " + other->second + " as well");
    }
  }
}

/// A link's ends are sites, and something can be taken from one and put at the other.
void check_link(const Table& table, const LinkConfig& link, const std::vector<SiteConfig>& sites, Findings& findings) {
  std::vector<std::string_view> ids;
  for (const auto& site : sites) ids.push_back(site.id.str());
  const auto end = [&](std::string_view key, const SiteId& id) -> const SiteConfig* {
    if (id.empty()) return nullptr;
    const auto site = std::ranges::find(sites, id, &SiteConfig::id);
    if (site != sites.end()) return &*site;
    findings.add(table.mark_of(key), table.path_of(key), "there is no [[site]] with this id" + did_you_mean(id.str(), ids));
    return nullptr;
  };
  const auto* from = end("from", link.from);
  const auto* to = end("to", link.to);
  if (from != nullptr && from == to) findings.add(table.mark_of("to"), table.path_of("to"), "is where it comes from");
  if (from != nullptr && from->roots.empty())
    findings.add(table.mark_of("from"), table.path_of("from"), "has no [[site.root]] that something could be taken from");
  if (link.tool == MoveTool::plugin && !link.program)
    findings.add(table.mark_of("tool"), table.path_of("tool"),
                 "is \"plugin\", which needs " + table.path_of("program") + " as well");
  if (link.tool != MoveTool::plugin && link.program)
    findings.add(table.mark_of("program"), table.path_of("program"), "counts only with tool = \"plugin\"");
  if (from != nullptr && link.tool != MoveTool::rclone &&
      std::ranges::any_of(from->roots, [](const RootConfig& root) { return root.remote.has_value(); })) {
    findings.add(table.mark_of("tool"), table.path_of("tool"),
                 "cannot take from a root behind a remote; allowed here: \"rclone\"");
  }
  if (to == nullptr) return;
  const auto staging = std::ranges::find(to->roots, true, &RootConfig::staging);
  if (staging == to->roots.end()) {
    findings.add(table.mark_of("to"), table.path_of("to"), "has no [[site.root]] with staging = true");
  } else if (from != nullptr && link.tool == MoveTool::rsync && staging->host && !link.job &&
             std::ranges::any_of(from->roots, [](const RootConfig& root) { return root.host.has_value(); })) {
    findings.add(table.mark_of("tool"), table.path_of("tool"),
                 "is \"rsync\", which cannot copy between two ends behind SSH; allowed here: \"rclone\"");
  }
}

/// They run at one of its ends, as an account that the broker may be there.
void check_transfer_job(const Table& table, const LinkConfig& link, const std::vector<SiteConfig>& sites, Findings& findings) {
  const auto& job = *link.job;
  if (job.site != link.from && job.site != link.to) {
    findings.add(table.mark_of("site"), table.path_of("site"),
                 "is neither end of the link: one of its ends must see its own folder");
    return;
  }
  const auto site = std::ranges::find(sites, job.site, &SiteConfig::id);
  if (site == sites.end()) return;  // told already
  const bool as_accounts =
      site->run_as == RunAs::by_switch || site->run_as == RunAs::by_token || site->run_as == RunAs::by_certificate;
  if (site->connector == Connector::model) {
    findings.add(table.mark_of("site"), table.path_of("site"), "is a model, which runs nothing");
  } else if (site->run_as == RunAs::by_person) {
    findings.add(table.mark_of("site"), table.path_of("site"),
                 "has run_as = \"person\", where only people have jobs: let the broker's host copy, or the other end");
  } else if (as_accounts && !job.account) {
    const auto* run_as = site->run_as == RunAs::by_token ? "token" : site->run_as == RunAs::by_switch ? "switch" : "certificate";
    findings.add(
        table.mark_of(""), table.path_of("account"),
        std::string("is missing; at a site with run_as = \"") + run_as + "\" it says as whom the broker's transfer jobs run");
  } else if (!as_accounts && job.account) {
    findings.add(table.mark_of("account"), table.path_of("account"),
                 "counts only at a site with run_as = \"switch\", \"token\" or \"certificate\": elsewhere all jobs run as the "
                 "broker's own account");
  }
}

/// What stands in [mover], which is read after the roots that need it.
void check_remotes(const Table& root, const BrokerConfig& config, Findings& findings) {
  Findings told_already(findings.file());
  const auto sites = blocks_of(root, "site", kSiteId, told_already);
  for (std::size_t s = 0; s < config.sites.size() && !config.mover.rclone_config; ++s) {
    const auto roots = blocks_of(sites[s], "root", kRootName, told_already);
    for (std::size_t r = 0; r < config.sites[s].roots.size(); ++r) {
      if (config.sites[s].roots[r].remote)
        findings.add(roots[r].mark_of("remote"), roots[r].path_of("remote"), "needs mover.rclone_config, which says what it is");
    }
  }
}

void read_transfer_job(const Table& table, const std::vector<SiteConfig>& sites, LinkConfig& link, Findings& findings) {
  if (table.find("job") == nullptr) return;
  TransferJobConfig job;
  const auto at = read_table(table, "job", {}, job, findings);
  if (!at) return;
  if (job.site.empty()) job.site = link.to;
  link.job = std::move(job);
  check_transfer_job(*at, link, sites, findings);
}

void read_links(const Table& root, BrokerConfig& config, Findings& findings) {
  std::map<std::pair<SiteId, SiteId>, Mark> first;
  for (const auto& table : blocks_of(root, "link", kSiteId, findings)) {
    auto& link = config.links.emplace_back();
    read_keys(table, kLinkTables, link, findings);
    read_transfer_job(table, config.sites, link, findings);
    check_link(table, link, config.sites, findings);
    const auto [at, is_new] = first.emplace(std::pair(link.from, link.to), table.mark_of(""));
    if (!is_new) findings.add(table.mark_of(""), table.path, "this link stands already at " + line_of(at->second));
  }
}

}  // namespace

SiteConfig read_site(const Table& table, const Table& program, const std::vector<std::string_view>* project_ids,
                     Findings& findings) {
  SiteConfig site;
  read_keys(table, kSiteTables, site, findings);
  if (site.name.empty()) site.name = site.id.str();
  read_place_facts(table, site.facts, findings);
  read_table(table, "profile", {}, site.profile, findings);
  read_energy(table, site.energy, findings);
  read_qos(table, site, findings);
  read_charges(table, site, findings);
  read_exchange(table, project_ids, site, findings);
  read_table(table, "budget", {}, site.budget, findings);
  read_table(table, "slurm", {}, site.slurm, findings);
  if (table.find("slurmrest") != nullptr) read_table(table, "slurmrest", {}, site.slurmrest, findings);  // it has a required key
  read_table(table, "pbs", {}, site.pbs, findings);
  read_roots(table, site.roots, findings);
  if (const auto local = read_table(table, "local", {}, site.local, findings)) {
    check_gpus(*local, "gpus", site.local.gpus, site.local.gpu_model, findings);
  }
  if (const auto model = read_table(table, "model", {}, site.model, findings)) {
    check_gpus(*model, "gpus_per_node", site.model.gpus_per_node, site.model.gpu_model, findings);
  }
  read_remote(table, site, findings);
  const Node* connector = table.find("connector");
  if (connector != nullptr && connector->kind == Node::Kind::text && contains(kConnectorTables, connector->text)) {
    check_connector_tables(table, site.connector, findings);
    check_run_as(table, site, program, project_ids == nullptr, findings);
    if (site.connector == Connector::slurmrest) check_slurmrest(table, site, findings);
  }
  check_accounts(table, findings);
  if (project_ids != nullptr) check_known_projects(table, "projects", *project_ids, findings);
  return site;
}

std::vector<Fault> read_accounts_file(const Table& table, SiteConfig& site, Findings& findings) {
  if (!site.accounts_file) return {};
  auto accounts = load_accounts(*site.accounts_file);
  if (accounts) {
    site.accounts = std::move(*accounts);
  } else if (accounts.error().faults.empty()) {
    findings.add(table.mark_of("accounts_file"), table.path_of("accounts_file"), accounts.error().message);
  } else {
    return std::move(accounts.error().faults);
  }
  return {};
}

namespace {

BrokerConfig read_broker_config(const Node& document, Findings& findings) {
  BrokerConfig config;
  const Table root{&document, ""};
  check_unknown_keys(root, kRootTables, findings);

  const auto broker = read_table(root, "broker", kBrokerTables, config.broker, findings);
  if (broker) {
    read_table(*broker, "log", {}, config.broker.log, findings);
    read_place_facts(*broker, config.broker.facts, findings);
  }
  if (const auto api = read_table(root, "api", kApiTables, config.api, findings)) {
    check_api(*api, config.api, findings);
    if (const auto limits = read_table(*api, "limits", {}, config.api.limits, findings))
      check_limits(*limits, config.api.limits, findings);
  }
  read_table(root, "store", {}, config.store, findings);
  if (const auto engine = read_table(root, "engine", {}, config.engine, findings)) check_engine(*engine, config.engine, findings);
  read_table(root, "placement", {}, config.placement, findings);
  read_table(root, "ledger", {}, config.ledger, findings);

  read_table(root, "rules", {}, config.rules, findings);

  const auto projects = blocks_of(root, "project", kProjectId, findings);
  std::vector<std::string_view> project_ids;
  for (const auto& table : projects) {
    auto& project = config.projects.emplace_back();
    read_keys(table, kProjectTables, project, findings);
    read_table(table, "facts", {}, project.facts, findings);
    if (const Node* id = table.find("id"); id != nullptr && id->kind == Node::Kind::text) project_ids.push_back(id->text);
  }
  check_unique_ids(projects, findings);

  const auto people = blocks_of(root, "person", kPrincipal, findings);
  for (const auto& table : people) read_keys(table, {}, config.people.emplace_back(), findings);
  check_unique_ids(people, findings);

  const auto sites = blocks_of(root, "site", kSiteId, findings);
  std::vector<std::string_view> site_ids;
  for (const auto& table : sites) {
    config.sites.push_back(read_site(table, broker.value_or(Table{nullptr, "broker"}), &project_ids, findings));
    if (const Node* id = table.find("id"); id != nullptr && id->kind == Node::Kind::text) site_ids.push_back(id->text);
  }
  check_unique_ids(sites, findings);
  read_issuers(root, config, project_ids, site_ids, findings);
  check_resources(sites, config.sites, findings);
  check_agents(root, config, findings);
  read_table(root, "mover", {}, config.mover, findings);
  read_table(root, "code", {}, config.code, findings);
  read_table(root, "break_glass", {}, config.break_glass, findings);
  if (const auto privacy = read_table(root, "privacy", kPrivacyTables, config.privacy, findings))
    read_table(*privacy, "retention", {}, config.privacy.retention, findings);
  check_remotes(root, config, findings);
  read_links(root, config, findings);
  const auto accelerators = blocks_of(root, "accelerator", kSchedulerName, findings);
  for (const auto& table : accelerators) read_keys(table, {}, config.accelerators.emplace_back(), findings);
  check_unique_ids(accelerators, findings);
  return config;
}

/// Fills in the accounts of sites that have a file of them; returns the faults within those files.
std::vector<Fault> read_accounts_files(const Node& document, BrokerConfig& config, Findings& findings) {
  Findings told_already(findings.file());
  const auto tables = blocks_of(Table{&document, ""}, "site", kSiteId, told_already);
  std::vector<Fault> elsewhere;
  for (std::size_t i = 0; i < config.sites.size(); ++i)
    std::ranges::move(read_accounts_file(tables[i], config.sites[i], findings), std::back_inserter(elsewhere));
  return elsewhere;
}

template <typename S>
void write_keys(std::string& out, std::string_view heading, const S& section) {
  out += (out.empty() ? "" : "\n") + std::string(heading) + "\n";
  for (const auto& key : keys_of<S>()) {
    if (const auto value = key.get(section)) out += std::string(key.record.name) + " = " + toml_literal(*value) + "\n";
  }
}

}  // namespace

Result<BrokerConfig> parse_broker_config(std::string_view text, const std::filesystem::path& file) {
  const auto document = parse_toml(text, file.string());
  if (!document) return std::unexpected(document.error());
  Findings findings(file.string());
  auto config = read_broker_config(*document, findings);
  if (!findings.empty()) return std::unexpected(configuration_error(file.string(), findings.faults()));
  return config;
}

Result<BrokerConfig> load_broker_config(const std::filesystem::path& file) {
  const auto text = read_text_file(file.string(), kMaxConfigBytes);
  if (!text) return std::unexpected(text.error());
  const auto document = parse_toml(*text, file.string());
  if (!document) return std::unexpected(document.error());
  Findings findings(file.string());
  auto config = read_broker_config(*document, findings);

  auto elsewhere = read_accounts_files(*document, config, findings);
  auto faults = findings.faults();
  std::ranges::move(elsewhere, std::back_inserter(faults));
  if (!faults.empty()) return std::unexpected(configuration_error(file.string(), std::move(faults)));
  return config;
}

std::string to_toml(const BrokerConfig& config) {
  std::string out;
  write_keys(out, "[broker]", config.broker);
  write_keys(out, "[broker.log]", config.broker.log);
  write_keys(out, "[broker.facts]", config.broker.facts);
  write_keys(out, "[api]", config.api);
  write_keys(out, "[api.limits]", config.api.limits);
  if (config.agents) write_keys(out, "[agents]", *config.agents);
  write_keys(out, "[store]", config.store);
  write_keys(out, "[engine]", config.engine);
  write_keys(out, "[placement]", config.placement);
  write_keys(out, "[ledger]", config.ledger);
  write_keys(out, "[rules]", config.rules);
  for (const auto& site : config.sites) {
    // Read from accounts_file, the accounts would stand there twice; written in place, even an empty map must be seen.
    out += "\n[[site]]\n";
    for (const auto& key : keys_of<SiteConfig>()) {
      if (key.record.name == "accounts" && site.accounts_file) continue;
      if (const auto value = key.get(site)) out += std::string(key.record.name) + " = " + toml_literal(*value) + "\n";
    }
    write_keys(out, "[site.facts]", site.facts);
    write_keys(out, "[site.profile]", site.profile);
    write_keys(out, "[site.energy]", site.energy);
    for (const auto& qos : site.qos) write_keys(out, "[[site.qos]]", qos);
    for (const auto& charge : site.charges) write_keys(out, "[[site.charge]]", charge);
    if (site.apel) write_keys(out, "[site.apel]", *site.apel);
    if (site.waldur) write_keys(out, "[site.waldur]", *site.waldur);
    write_keys(out, "[site.budget]", site.budget);
    switch (site.connector) {
      case Connector::slurm: write_keys(out, "[site.slurm]", site.slurm); break;
      case Connector::slurmrest: write_keys(out, "[site.slurmrest]", site.slurmrest); break;
      case Connector::pbs: write_keys(out, "[site.pbs]", site.pbs); break;
      case Connector::local: write_keys(out, "[site.local]", site.local); break;
      case Connector::model: write_keys(out, "[site.model]", site.model); break;
      case Connector::remote:
        write_keys(out, "[site.remote]", site.remote);
        if (site.remote.ssh) write_keys(out, "[site.remote.ssh]", *site.remote.ssh);
        if (site.remote.ssh && site.remote.ssh->certificates)
          write_keys(out, "[site.remote.ssh.certificates]", *site.remote.ssh->certificates);
        if (site.remote.people) write_keys(out, "[site.remote.people]", *site.remote.people);
        break;
    }
    for (const auto& root : site.roots) write_keys(out, "[[site.root]]", root);
  }
  for (const auto& project : config.projects) {
    write_keys(out, "[[project]]", project);
    write_keys(out, "[project.facts]", project.facts);
  }
  for (const auto& issuer : config.issuers) write_keys(out, "[[issuer]]", issuer);
  for (const auto& person : config.people) write_keys(out, "[[person]]", person);
  write_keys(out, "[mover]", config.mover);
  write_keys(out, "[code]", config.code);
  write_keys(out, "[break_glass]", config.break_glass);
  write_keys(out, "[privacy]", config.privacy);
  write_keys(out, "[privacy.retention]", config.privacy.retention);
  for (const auto& link : config.links) {
    write_keys(out, "[[link]]", link);
    if (link.job) write_keys(out, "[link.job]", *link.job);
  }
  for (const auto& accelerator : config.accelerators) write_keys(out, "[[accelerator]]", accelerator);
  return out;
}

std::string describe_errors(const Error& error) {
  std::string out = error.message + "\n";
  for (const auto& fault : error.faults) out += "  " + fault.where + " " + fault.message + "\n";
  return out;
}

std::vector<std::filesystem::path> pack_files(const RulesConfig& config, const std::filesystem::path& shipped) {
  std::vector<std::filesystem::path> files;
  for (const auto& pack : config.packs) {
    const bool by_name = !pack.contains('/');
    files.push_back(by_name ? config.pack_dir.value_or(shipped) / (pack + ".toml") : std::filesystem::path(pack));
  }
  return files;
}

std::optional<ComponentUnit> parse_component_unit(std::string_view text) {
  constexpr std::array<std::string_view, 3> kOf{"core", "gpu", "node"};  // by the values of Of
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 3> kTimes{{{"seconds", 1}, {"minutes", 60}, {"hours", 3600}}};
  constexpr std::int64_t kMost = 1'000'000'000'000;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 1 || number > kMost) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  const auto dash = text.find('-');
  if (!text.starts_with(' ') || dash == std::string_view::npos) return std::nullopt;
  const auto of = std::ranges::find(kOf, text.substr(1, dash - 1));
  const auto time = std::ranges::find(kTimes, text.substr(dash + 1), &std::pair<std::string_view, std::int64_t>::first);
  if (of == kOf.end() || time == kTimes.end()) return std::nullopt;
  return ComponentUnit{static_cast<ComponentUnit::Of>(of - kOf.begin()), number * time->second};
}

std::filesystem::path database_path(const BrokerConfig& config) {
  return config.broker.state_dir / config.store.url.substr(config.store.url.find(':') + 1);
}

std::filesystem::path work_dir_of(const SiteConfig& site, const LocalAccount& account, const std::filesystem::path& home) {
  constexpr std::string_view kPlaceholder = "{account}";
  std::string path = site.work_dir.starts_with("~/") ? (home / site.work_dir.substr(2)).string() : site.work_dir;
  for (auto at = path.find(kPlaceholder); at != std::string::npos; at = path.find(kPlaceholder, at + account.str().size())) {
    path.replace(at, kPlaceholder.size(), account.str());
  }
  return path;
}

}  // namespace hansa::config
