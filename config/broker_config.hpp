// SPDX-License-Identifier: Apache-2.0
#pragma once
// What hansad.toml says, as plain values. The initialisers are the defaults; keys.cpp has the record of each member
// (limits, documentation), and reference.md is made from both.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::config {

enum class LogLevel { debug, info, warning, error };
enum class LogFormat { text, json };
enum class Connector { local, slurm, slurmrest, pbs, model, remote };
enum class RunAs {
  self,             // everything runs as the broker's own account
  by_switch,        // "switch": each person's jobs run as the person's account, through hansa-switch
  by_token,         // "token": the same, of slurmrest: the scheduler is asked with a token of that account
  agent,            // as the site's end of the connector protocol says
  by_certificate,   // "certificate": each person logs in there as themselves; at an agent: it serves whose login started it
  by_person,        // "person": each person starts an agent of their own there
};
enum class TermsWord { not_stated, allowed, forbidden };
enum class MoveTool { rclone, rsync, plugin };
enum class Readers { account, group, everyone };
enum class ClaimsSource { token, userinfo, introspection };
enum class GroupNames { aarc_g069, plain };
enum class AllocationRule { ignore, required, budget, opportunistic };
enum class Infrastructure { grid, local };
enum class CpuDuration { allocated };

struct LogConfig {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

/// What a place (a site, the broker itself) is, as its operator told it: evidence for rules (policies/rules/vocabulary.hpp). The
/// names of the keys are those of the vocabulary's attributes; a fact that is not told is missing.
struct PlaceFacts {
  std::optional<UtcTime> as_of;         // when the facts, the place's country among them, were told or confirmed
  std::optional<UtcTime> status_as_of;  // of the membership, if at another time
  std::optional<std::string> evidence;  // where that is written down; for people
  std::optional<std::string> status;
  std::optional<std::string> operator_country;
  std::optional<std::string> operator_parent_country;
  std::optional<std::vector<std::string>> labels;  // certificates; [] says that there are none
  std::optional<bool> secure_processing;
  std::optional<std::string> tenant_isolation;
  std::optional<bool> encryption_at_rest;
  std::optional<std::string> egress;
  std::optional<bool> eurohpc;
  friend bool operator==(const PlaceFacts&, const PlaceFacts&) = default;
};

/// The same of a project: the register of projects is this file.
struct ProjectFacts {
  std::optional<UtcTime> as_of;  // for facts copied from another register; none: they are so until the file says otherwise
  std::optional<std::vector<std::string>> labels;
  std::optional<std::string> purpose;
  std::optional<std::string> access_mode;
  std::optional<std::string> lead_country;
  std::optional<std::vector<std::string>> member_countries;
  std::optional<std::vector<std::string>> permits;
  std::optional<bool> export_licence;
  std::optional<UtcTime> export_licence_until;
  std::optional<bool> members_cleared;
  std::optional<std::string> ai_training;
  std::optional<std::int64_t> training_petaflop;
  std::optional<bool> commission_notified;
  friend bool operator==(const ProjectFacts&, const ProjectFacts&) = default;
};

/// What the broker, as issuer of its own tokens, knows of a person.
struct PersonConfig {
  Principal id;
  std::optional<std::string> country;
  std::optional<std::string> assurance;
  std::optional<std::string> affiliation;
  friend bool operator==(const PersonConfig&, const PersonConfig&) = default;
};

/// The rule packs in force, all together.
struct RulesConfig {
  std::vector<std::string> packs;  // a shipped pack's name, or a file's path
  std::optional<std::filesystem::path> pack_dir;
  friend bool operator==(const RulesConfig&, const RulesConfig&) = default;
};

struct BrokerSection {
  std::string name;
  std::string country;
  std::filesystem::path state_dir = "/var/lib/hansa";
  std::optional<std::filesystem::path> switch_socket;
  std::vector<std::string> witnesses;  // their public keys
  std::optional<std::filesystem::path> secrets_key;  // none: in state_dir
  Milliseconds shutdown_grace{10'000};
  LogConfig log;
  PlaceFacts facts;
  friend bool operator==(const BrokerSection&, const BrokerSection&) = default;
};

/// An IP address (without brackets) and a port; port 0 asks the system for a free one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 7717;

  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_unspecified() const;  // all addresses of this host
  [[nodiscard]] std::string str() const;  // "127.0.0.1:7717", "[::1]:7717"
  static std::optional<ListenAddress> parse(std::string_view text);
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

struct ApiLimits {
  std::int64_t connections = 1024;
  std::int64_t network_connections = 256;
  std::int64_t person_requests_per_minute = 60'000;
  std::int64_t person_requests_at_once = 256;
  std::int64_t network_requests_per_minute = 600;
  std::int64_t network_failures_per_minute = 60;
  std::int64_t event_streams = 256;
  std::int64_t job_kib = 4096;
  std::int64_t bulk_kib = 16384;
  Milliseconds header_timeout{10'000};
  Milliseconds body_timeout{30'000};
  Milliseconds idle_timeout{60'000};
  friend bool operator==(const ApiLimits&, const ApiLimits&) = default;
};

struct ApiConfig {
  ListenAddress listen;
  std::optional<std::filesystem::path> tls_certificate;
  std::optional<std::filesystem::path> tls_key;
  Seconds hsts_max_age{63'072'000};
  std::int64_t threads = 2;
  ApiLimits limits;
  friend bool operator==(const ApiConfig&, const ApiConfig&) = default;
};

/// Where sites' agents come in, where any may.
struct AgentsConfig {
  ListenAddress listen{.host = "127.0.0.1", .port = 7718};
  std::optional<std::string> address;  // as sites are told it: "wss://hansa.example.org:7718"
  std::optional<std::filesystem::path> tls_certificate;  // none: the API's
  std::optional<std::filesystem::path> tls_key;
  Milliseconds ping_after{20'000};
  Milliseconds dead_after{90'000};
  friend bool operator==(const AgentsConfig&, const AgentsConfig&) = default;
};

struct StoreConfig {
  std::string url = "sqlite:hansa.db";
  friend bool operator==(const StoreConfig&, const StoreConfig&) = default;
};

struct EngineConfig {
  Milliseconds status_interval{30'000};
  Milliseconds snapshot_interval{60'000};
  Milliseconds usage_interval{60'000};
  Milliseconds balance_interval{1'800'000};
  Milliseconds snapshot_max_age{300'000};
  Milliseconds visibility_window{180'000};
  Seconds clock_skew{60};
  Milliseconds call_timeout{60'000};
  Milliseconds submit_timeout{60'000};
  Milliseconds second_look_after{30'000};
  Milliseconds first_poll_after{500};
  std::int64_t breaker_failures = 5;
  Milliseconds first_probe_after{30'000};
  Milliseconds longest_probe_after{120'000};
  std::int64_t max_sends = 3;
  std::int64_t max_attempts = 20;
  std::int64_t active_jobs = 1'000'000;
  Milliseconds transfer_interval{10'000};
  Milliseconds transfer_linger{600'000};
  friend bool operator==(const EngineConfig&, const EngineConfig&) = default;
};

struct PlacementConfig {
  std::int64_t place_percent = 15;
  Seconds place_after{7200};
  bool moves = true;
  Seconds move_gain{3600};
  std::int64_t moves_per_thousand = 95;
  Seconds fair_share_half_life{0};
  std::int64_t gpu_as_cores = 16;
  friend bool operator==(const PlacementConfig&, const PlacementConfig&) = default;
};

/// How the ledger is held against sites' own accounting.
struct LedgerConfig {
  Seconds reconcile_interval{86'400};
  Seconds reconciled_apart{86'400};
  friend bool operator==(const LedgerConfig&, const LedgerConfig&) = default;
};

/// What a site lets Hansa ask of it, over all its users together.
struct BudgetConfig {
  std::int64_t queries_per_minute = 10;
  std::int64_t submits_per_minute = 600;
  std::int64_t cancels_per_minute = 600;
  std::int64_t concurrent_calls = 4;
  std::int64_t waiting_jobs = 50;
  std::vector<std::string> quiet_hours;
  friend bool operator==(const BudgetConfig&, const BudgetConfig&) = default;
};

struct SlurmConfig {
  std::filesystem::path conf = "/etc/slurm/slurm.conf";
  std::filesystem::path bin_dir = "/usr/bin";
  friend bool operator==(const SlurmConfig&, const SlurmConfig&) = default;
};

struct SlurmrestConfig {
  std::string url;
  std::optional<std::filesystem::path> ca_file;
  std::optional<std::filesystem::path> token_file;  // one of these two
  std::vector<std::string> token_command;
  std::optional<std::string> cluster;
  bool private_jobs = false;
  std::int64_t max_array_size = 1'001;
  std::int64_t answer_limit_mib = 64;
  friend bool operator==(const SlurmrestConfig&, const SlurmrestConfig&) = default;
};

struct PbsConfig {
  std::filesystem::path conf = "/etc/pbs.conf";
  std::optional<std::string> server;
  std::filesystem::path bin_dir = "/opt/pbs/bin";
  std::optional<std::filesystem::path> accounting;
  std::string gpu_resource = "ngpus";
  std::optional<std::string> gpu_model_resource;
  friend bool operator==(const PbsConfig&, const PbsConfig&) = default;
};

struct LocalConfig {
  std::int64_t cpus = 2;
  Mebibytes memory{2048};
  std::int64_t gpus = 0;
  std::optional<std::string> gpu_model;
  friend bool operator==(const LocalConfig&, const LocalConfig&) = default;
};

/// Each person's short-lived SSH certificate, and what their connections may come to.
struct CertificatesConfig {
  std::vector<std::string> command;
  std::string principal = "{account}";
  bool renewed = true;
  std::int64_t connections = 8;
  std::int64_t connections_per_minute = 30;
  Seconds idle{300};
  std::filesystem::path memory_dir = "/dev/shm";
  friend bool operator==(const CertificatesConfig&, const CertificatesConfig&) = default;
};

/// OpenSSH's client, behind which a site's hansa-agent answers.
struct SshConfig {
  std::string host;
  LocalAccount user;
  std::int64_t port = 22;
  std::filesystem::path known_hosts;
  std::optional<std::filesystem::path> identity;  // one of these two
  std::optional<CertificatesConfig> certificates;
  std::filesystem::path program = "/usr/bin/ssh";
  friend bool operator==(const SshConfig&, const SshConfig&) = default;
};

/// Agents that people start at a site by their own login.
struct PeopleConfig {
  std::optional<std::string> login;  // the host that they log in to
  std::optional<std::filesystem::path> agent;  // hansa-agent there; none: where the login finds it
  TermsWord terms = TermsWord::not_stated;
  std::optional<std::string> terms_evidence;
  Seconds longest{43'200};           // a session
  friend bool operator==(const PeopleConfig&, const PeopleConfig&) = default;
};

/// What its operator states of a site's energy; nothing is worked out from what is not stated.
struct EnergyConfig {
  std::optional<std::string> method;
  std::optional<std::int64_t> pue_milli;
  std::optional<std::int64_t> carbon_mg_per_kwh;
  std::optional<std::int64_t> core_milliwatts;
  std::optional<std::int64_t> gpu_milliwatts;
  std::optional<std::int64_t> node_milliwatts;
  std::optional<std::string> source;
  friend bool operator==(const EnergyConfig&, const EnergyConfig&) = default;
};

/// What a site's machines are, and what its jobs can run in.
struct ProfileConfig {
  std::optional<std::string> gpu_vendor;
  std::optional<std::string> architecture;
  std::int64_t devices_per_gpu = 1;
  std::map<std::string, std::string> modules;
  std::optional<std::filesystem::path> module_init;
  std::optional<std::filesystem::path> container_runtime;
  std::vector<std::string> container_images;
  std::vector<std::string> container_binds;
  std::vector<std::string> outbound;
  friend bool operator==(const ProfileConfig&, const ProfileConfig&) = default;
};

/// The jobs that a quality of service of Slurm's is for.
struct QosConfig {
  std::string name;
  std::optional<QueueName> queue;
  std::optional<Seconds> max_time;
  std::optional<std::int64_t> max_nodes;
  friend bool operator==(const QosConfig&, const QosConfig&) = default;
};

/// What a job costs there, by the rule that the site publishes; weights in thousandths of `unit` for one hour.
struct ChargeConfig {
  std::vector<std::string> queues;     // none: each that no other block names
  std::string unit;
  std::optional<std::string> limit;
  std::optional<UtcTime> from;
  std::int64_t per_core = 0;
  std::int64_t per_gpu = 0;
  std::int64_t per_node = 0;
  std::int64_t per_memory_slice = 0;
  std::int64_t core_slice = 1;
  std::int64_t memory_slice_mib = 0;
  bool sum = false;
  bool whole_nodes = false;
  std::int64_t node_cores = 0;
  std::int64_t node_gpus = 0;
  std::int64_t node_memory_mib = 0;
  std::int64_t minimum = 0;
  std::optional<std::string> source;
  friend bool operator==(const ChargeConfig&, const ChargeConfig&) = default;
};

/// What speaks the connector protocol: exactly one of the four.
struct RemoteConfig {
  bool agent = false;  // the site's hansa-agent, which connects to us
  std::vector<std::string> command;
  std::optional<SshConfig> ssh;
  std::optional<PeopleConfig> people;
  friend bool operator==(const RemoteConfig&, const RemoteConfig&) = default;
};

struct ModelConfig {
  std::int64_t nodes = 4;
  std::int64_t cpus_per_node = 32;
  Mebibytes memory_per_node{131072};
  std::int64_t gpus_per_node = 0;
  std::optional<std::string> gpu_model;
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

/// A folder at a site that holds replicas, and how the movers' host reaches it: mounted, by SSH if there is a host, or by a
/// remote of rclone's.
struct RootConfig {
  std::string id;
  std::filesystem::path folder;  // as jobs see it
  std::optional<std::filesystem::path> mover_folder;  // as the movers do; none: the same
  std::optional<std::string> host;
  std::int64_t port = 22;
  std::optional<LocalAccount> user;
  std::optional<std::filesystem::path> key_file;
  std::optional<std::filesystem::path> known_hosts;
  std::optional<std::string> remote;
  Readers readers = Readers::group;
  bool staging = false;  // the one that copies are brought to
  Seconds lifetime{30 * 86'400};
  std::optional<std::int64_t> quota_mib;
  std::optional<std::int64_t> quota_files;

  [[nodiscard]] const std::filesystem::path& reached() const { return mover_folder ? *mover_folder : folder; }
  friend bool operator==(const RootConfig&, const RootConfig&) = default;
};

/// The queue of a site whose jobs copy.
struct TransferJobConfig {
  SiteId site;                   // one of the link's ends; read as its `to` if it is not set
  QueueName queue;
  std::optional<LocalAccount> account;  // with run_as = "switch" or "token"; else the broker's own
  std::optional<std::string> scheduler_account;
  Seconds time_limit{4 * 3600};
  std::optional<std::filesystem::path> program;  // hansa-move-run as that site's jobs see it; none: as the broker does
  friend bool operator==(const TransferJobConfig&, const TransferJobConfig&) = default;
};

/// Datasets may be brought from one site to another, by this program.
struct LinkConfig {
  SiteId from;
  SiteId to;
  MoveTool tool = MoveTool::rclone;
  std::optional<std::filesystem::path> program;  // of a plug-in
  std::int64_t expected_kib = 102'400;
  std::int64_t most_kib = 0;
  std::optional<TransferJobConfig> job;          // none: the broker's host copies
  friend bool operator==(const LinkConfig&, const LinkConfig&) = default;
};

/// What is kept of the code that people bring for their jobs.
struct CodeConfig {
  std::int64_t most_mib = 64;      // of one archive
  std::int64_t quota_mib = 1024;   // of one person's
  Seconds keep{30 * 86'400};       // that no job needs
  friend bool operator==(const CodeConfig&, const CodeConfig&) = default;
};

/// What is opened to operators in an incident (docs/identity.md).
struct BreakGlassConfig {
  Seconds longest{28'800};         // of any
  friend bool operator==(const BreakGlassConfig&, const BreakGlassConfig&) = default;
};

/// How many days what is held of people is kept (broker/domain/retention.hpp has the table); 0: it stays.
struct RetentionConfig {
  std::int64_t payloads_days = 30;
  std::int64_t requests_days = 7;
  std::int64_t decision_inputs_days = 30;
  std::int64_t jobs_days = 548;
  std::int64_t usage_persons_days = 548;
  std::int64_t tokens_days = 30;
  std::int64_t sessions_days = 90;
  std::int64_t changes_days = 2190;
  std::int64_t accesses_days = 548;
  std::int64_t logs_days = 30;
  std::int64_t backups_days = 35;
  friend bool operator==(const RetentionConfig&, const RetentionConfig&) = default;
};

/// Who answers for people's data, as the record of processing names them.
struct PrivacyConfig {
  std::optional<std::string> controller;
  std::optional<std::string> processor;
  std::optional<std::string> contact;
  std::optional<std::string> legal_basis;
  RetentionConfig retention;
  friend bool operator==(const PrivacyConfig&, const PrivacyConfig&) = default;
};

struct MoverConfig {
  std::filesystem::path rclone = "/usr/bin/rclone";
  std::optional<std::filesystem::path> rclone_config;
  std::filesystem::path rsync = "/usr/bin/rsync";
  friend bool operator==(const MoverConfig&, const MoverConfig&) = default;
};

using AccountMap = std::map<Principal, LocalAccount>;

/// What the site is in APEL (docs/exchange-formats.md).
struct ApelConfig {
  std::string site;
  std::string submit_host;
  CpuDuration cpu_duration = CpuDuration::allocated;
  Infrastructure infrastructure = Infrastructure::grid;
  std::string description = "HANSA";
  std::map<std::string, std::string> service_level;  // one: the benchmark, and what a core comes to by it
  friend bool operator==(const ApelConfig&, const ApelConfig&) = default;
};

/// What one unit of a component of Waldur's is: "60000 core-minutes".
struct ComponentUnit {
  enum class Of { core, gpu, node };
  Of of = Of::core;
  std::int64_t seconds = 1;
  friend bool operator==(const ComponentUnit&, const ComponentUnit&) = default;
};
std::optional<ComponentUnit> parse_component_unit(std::string_view text);

/// What the site is in Waldur (docs/exchange-formats.md).
struct WaldurConfig {
  std::map<std::string, std::string> components;  // type -> unit
  std::map<ProjectId, std::string> resources;     // UUIDs
  friend bool operator==(const WaldurConfig&, const WaldurConfig&) = default;
};

struct SiteConfig {
  SiteId id;
  std::string name;
  std::string country;
  std::optional<std::string> centre;
  Connector connector = Connector::local;
  RunAs run_as = RunAs::self;
  std::string work_dir = "~/.hansa";
  AllocationRule allocation = AllocationRule::ignore;
  std::optional<std::filesystem::path> accounts_file;
  AccountMap accounts;  // as written in place, or as load_broker_config read accounts_file
  std::map<ProjectId, std::string> projects;
  std::map<std::string, std::string> environment;
  std::optional<std::string> scratch;
  std::vector<std::string> ignore_findings;
  std::optional<std::string> controller;  // of people's data there
  std::optional<std::string> processor;
  std::optional<std::string> contact;
  std::optional<std::string> ledger_key;  // by which the site signs
  PlaceFacts facts;
  ProfileConfig profile;
  EnergyConfig energy;
  std::vector<QosConfig> qos;  // the first that takes a job counts
  std::vector<ChargeConfig> charges;
  std::optional<ApelConfig> apel;
  std::optional<WaldurConfig> waldur;
  BudgetConfig budget;
  SlurmConfig slurm;  // of these five only the connector's own counts
  SlurmrestConfig slurmrest;
  PbsConfig pbs;
  LocalConfig local;
  ModelConfig model;
  RemoteConfig remote;
  std::vector<RootConfig> roots;
  friend bool operator==(const SiteConfig&, const SiteConfig&) = default;
};

struct ProjectConfig {
  ProjectId id;
  std::vector<Principal> members;
  std::vector<Principal> leads;  // members too
  std::int64_t shares = 1;
  std::optional<std::string> home;
  std::optional<std::string> home_country;
  std::optional<std::string> funding_body;
  std::optional<std::string> call;
  ProjectFacts facts;
  friend bool operator==(const ProjectConfig&, const ProjectConfig&) = default;
};

/// Whose access tokens are taken, and what its word on a person comes to.
struct IssuerConfig {
  std::string id;
  std::string url;
  std::string audience;
  std::optional<std::string> name;
  std::optional<std::string> login_client;
  std::vector<std::string> scopes{"openid"};
  std::optional<std::string> resource;
  std::vector<std::string> clients;
  std::vector<std::string> algorithms{"RS256", "ES256"};
  bool typed_tokens = false;
  Seconds longest_token{21'600};
  ClaimsSource claims_from = ClaimsSource::token;
  Seconds claims_last{300};
  std::optional<std::string> introspection_client;
  std::optional<std::filesystem::path> introspection_secret_file;
  GroupNames groups = GroupNames::aarc_g069;
  std::string groups_claim = "eduperson_entitlement";
  std::map<std::string, ProjectId> projects;
  std::map<std::string, ProjectId> leads;
  std::map<std::string, std::string> roles;
  std::map<std::string, SiteId> site_operators;
  std::string assurance_claim = "eduperson_assurance";
  std::vector<std::string> required_assurance;
  std::vector<std::string> refused_subjects;
  std::vector<std::string> other_origins;
  std::optional<std::filesystem::path> ca_file;
  bool private_addresses = false;
  friend bool operator==(const IssuerConfig&, const IssuerConfig&) = default;
};

struct AcceleratorConfig {
  std::string id;
  std::int64_t teraflops = 1;
  friend bool operator==(const AcceleratorConfig&, const AcceleratorConfig&) = default;
};

struct BrokerConfig {
  BrokerSection broker;
  ApiConfig api;
  std::optional<AgentsConfig> agents;
  StoreConfig store;
  EngineConfig engine;
  PlacementConfig placement;
  LedgerConfig ledger;
  RulesConfig rules;
  std::vector<SiteConfig> sites;
  std::vector<ProjectConfig> projects;
  std::vector<PersonConfig> people;
  MoverConfig mover;
  CodeConfig code;
  PrivacyConfig privacy;
  BreakGlassConfig break_glass;
  std::vector<LinkConfig> links;
  std::vector<AcceleratorConfig> accelerators;
  std::vector<IssuerConfig> issuers;
  friend bool operator==(const BrokerConfig&, const BrokerConfig&) = default;
};

/// Validates the whole text at once: code BAD_CONFIGURATION with every fault (where = "file:line: key") or TOML_SYNTAX.
/// Touches no file; relative paths are taken from the folder of `file`.
Result<BrokerConfig> parse_broker_config(std::string_view text, const std::filesystem::path& file);

/// Reads the file, and every accounts_file it names into SiteConfig::accounts; the faults of all of them come together.
Result<BrokerConfig> load_broker_config(const std::filesystem::path& file);

/// The configuration with every key written out; parses back to an equal one.
std::string to_toml(const BrokerConfig& config);

/// One fault a line, ready for a terminal.
std::string describe_errors(const Error& error);

/// The file of each of rules.packs, in their order; a shipped pack's lies in rules.pack_dir, or else in `shipped`.
std::vector<std::filesystem::path> pack_files(const RulesConfig& config, const std::filesystem::path& shipped);

/// Where store.url = "sqlite:..." lies: relative names are beneath state_dir.
std::filesystem::path database_path(const BrokerConfig& config);

/// A site's work_dir for one account: "~" is its home, "{account}" its name.
std::filesystem::path work_dir_of(const SiteConfig& site, const LocalAccount& account, const std::filesystem::path& home);

}  // namespace hansa::config
