// SPDX-License-Identifier: Apache-2.0
#include "config/keys.hpp"

#include "config/agent_config.hpp"
#include "config/codec.hpp"

namespace hansa::config {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

/// Every duration in the file is a whole number of milliseconds or seconds, as the key's ending says.
constexpr std::string_view kMs = "milliseconds";

template <typename S>
Section section(std::string_view heading, std::string_view doc) {
  Section out{heading, doc, {}};
  for (const auto& key : keys_of<S>()) out.rows.push_back({&key.record, key.record.required ? std::nullopt : key.get(S{})});
  return out;
}

}  // namespace

template <>
std::span<const Key<BrokerSection>> keys_of() {
  static const Key<BrokerSection> kKeys[] = {
      key<&BrokerSection::name>({.name = "name",
                                 .doc = "What this broker calls itself in logs and to its users.",
                                 .example = "\"hansa-demo\"",
                                 .required = true,
                                 .form = &kLabel}),
      key<&BrokerSection::country>({.name = "country",
                                    .doc = "Where the broker's machine stands, and with it the scripts of jobs that wait.",
                                    .example = "\"FI\"",
                                    .required = true,
                                    .form = &kCountry}),
      key<&BrokerSection::state_dir>({.name = "state_dir",
                                      .doc = "The folder (0700) of the database, the operator's token, the keys of the ledger "
                                             "and of people's secrets, and the spool of "
                                             "local sites.",
                                      .example = "\"/var/lib/hansa\"",
                                      .form = &kAbsolutePath}),
      key<&BrokerSection::switch_socket>(
          {.name = "switch_socket",
           .doc = "The Unix socket on which `hansa-switch` listens; needed if any site has `run_as = \"switch\"`.",
           .example = "\"/run/hansa/switch.sock\"",
           .form = &kSocketPath,
           .otherwise = "no switch"}),
      key<&BrokerSection::witnesses>(
          {.name = "witnesses",
           .doc = "Public keys of the ledger's witnesses, as `hansa ledger witness` prints them: what others hand in is refused "
                  "(docs/ledger.md).",
           .example = "[\"auditor.example+f8558cb0+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\"]",
           .form = &kWitnessKey}),
      key<&BrokerSection::secrets_key>({.name = "secrets_key",
                                        .doc = "The file (0600) of the keys that people's own secrets are sealed with, made at "
                                               "the first start; it is in no backup "
                                               "of `hansad backup` (docs/running-a-broker.md).",
                                        .example = "\"/etc/hansa/keys/secrets.key\"",
                                        .form = &kFile,
                                        .otherwise = "`secrets.key` in `state_dir`"}),
      key<&BrokerSection::shutdown_grace>({.name = "shutdown_grace_ms",
                                           .doc = "How long a stop waits for requests under way before it cuts them off.",
                                           .example = "10000",
                                           .unit = kMs,
                                           .min = 0,
                                           .max = 600'000}),
  };
  return kKeys;
}

template <>
std::span<const Key<LogConfig>> keys_of() {
  static const Key<LogConfig> kKeys[] = {
      key<&LogConfig::level>({.name = "level", .doc = "The least severe kind of line that is logged.", .example = "\"info\""}),
      key<&LogConfig::format>({.name = "format", .doc = "Lines for people, or one JSON object a line.", .example = "\"json\""}),
  };
  return kKeys;
}

template <>
std::span<const Key<ApiConfig>> keys_of() {
  static const Key<ApiConfig> kKeys[] = {
      key<&ApiConfig::listen>({.name = "listen",
                               .doc = "Where the REST API is served; anything but loopback needs `tls_certificate` and "
                                      "`tls_key`, and port 0 takes any free port.",
                               .example = "\"127.0.0.1:7717\"",
                               .form = &kListenAddress}),
      key<&ApiConfig::tls_certificate>({.name = "tls_certificate",
                                        .doc = "The server's certificate chain, PEM.",
                                        .example = "\"/etc/hansa/tls/cert.pem\"",
                                        .form = &kFile,
                                        .otherwise = "plain HTTP"}),
      key<&ApiConfig::tls_key>({.name = "tls_key",
                                .doc = "The certificate's private key, PEM; readable by the broker's account only.",
                                .example = "\"/etc/hansa/tls/key.pem\"",
                                .form = &kFile,
                                .otherwise = "plain HTTP"}),
      key<&ApiConfig::hsts_max_age>(
          {.name = "hsts_max_age_s",
           .doc = "Answers over TLS tell browsers to come to this host by HTTPS alone for so long (`Strict-Transport-Security`), "
                  "on all of its ports; 0: they are not told.",
           .example = "63072000",
           .unit = "seconds",
           .min = 0,
           .max = 1'000'000'000}),
      key<&ApiConfig::threads>(
          {.name = "threads", .doc = "Threads that serve HTTP; the engine has its own.", .example = "2", .min = 1, .max = 64}),
  };
  return kKeys;
}

template <>
std::span<const Key<ApiLimits>> keys_of() {
  static const Key<ApiLimits> kKeys[] = {
      key<&ApiLimits::connections>({.name = "connections",
                                    .doc = "Open connections. For a further one the oldest is closed that waits for a request, "
                                           "first of those on which no good token was shown, of the network that has the most; "
                                           "if all are busy it gets 503.",
                                    .example = "1024",
                                    .min = 1,
                                    .max = 65'536}),
      key<&ApiLimits::network_connections>({.name = "network_connections",
                                            .doc = "Of these, from one network (IPv4 /24, IPv6 /48), on which no good token was "
                                                   "shown yet; for a further one the oldest of them is closed.",
                                            .example = "256",
                                            .min = 1,
                                            .max = 65'536}),
      key<&ApiLimits::person_requests_per_minute>(
          {.name = "person_requests_per_minute",
           .doc = "Requests of one person, wherever they come from; further ones get 429 with `Retry-After`. Unused ones add up "
                  "for a minute; 0: no limit.",
           .example = "60000",
           .min = 0,
           .max = 6'000'000}),
      key<&ApiLimits::person_requests_at_once>(
          {.name = "person_requests_at_once",
           .doc = "Requests of one person that are not answered to their end, event streams and those that wait for a job among "
                  "them; further ones get 429. 0: no limit.",
           .example = "256",
           .min = 0,
           .max = 65'536}),
      key<&ApiLimits::network_requests_per_minute>(
          {.name = "network_requests_per_minute",
           .doc = "The same of one network, for what needs no token; `/healthz` and `/readyz` do not count.",
           .example = "600",
           .min = 0,
           .max = 6'000'000}),
      key<&ApiLimits::network_failures_per_minute>(
          {.name = "network_failures_per_minute",
           .doc = "The same of one network, for requests whose token is missing or refused. Who shows a good one is not kept "
                  "waiting for others of their network.",
           .example = "60",
           .min = 0,
           .max = 6'000'000}),
      key<&ApiLimits::event_streams>({.name = "event_streams",
                                      .doc = "How many of the connections may follow `/v1/events`; further ones get 503.",
                                      .example = "256",
                                      .min = 0,
                                      .max = 65'536}),
      key<&ApiLimits::job_kib>({.name = "job_kib",
                                .doc = "The largest request with one job; a larger one gets 413.",
                                .example = "4096",
                                .unit = "KiB",
                                .min = 1,
                                .max = 4'096}),
      key<&ApiLimits::bulk_kib>({.name = "bulk_kib",
                                 .doc = "The largest request with many jobs; a larger one gets 413.",
                                 .example = "16384",
                                 .unit = "KiB",
                                 .min = 1,
                                 .max = 16'384}),
      key<&ApiLimits::header_timeout>({.name = "header_timeout_ms",
                                       .doc = "How long a client may take to send a request's head.",
                                       .example = "10000",
                                       .unit = kMs,
                                       .min = 10,
                                       .max = 600'000}),
      key<&ApiLimits::body_timeout>({.name = "body_timeout_ms",
                                     .doc = "How long a client may take to send a request's body, and to take an answer.",
                                     .example = "30000",
                                     .unit = kMs,
                                     .min = 10,
                                     .max = 600'000}),
      key<&ApiLimits::idle_timeout>({.name = "idle_timeout_ms",
                                     .doc = "How long a connection may stay open without a request.",
                                     .example = "60000",
                                     .unit = kMs,
                                     .min = 10,
                                     .max = kDayMs}),
  };
  return kKeys;
}

template <>
std::span<const Key<AgentsConfig>> keys_of() {
  static const Key<AgentsConfig> kKeys[] = {
      key<&AgentsConfig::listen>({.name = "listen",
                                  .doc = "Where sites' agents come in, always by TLS; port 0 takes any free port.",
                                  .example = "\"0.0.0.0:7718\"",
                                  .form = &kListenAddress}),
      key<&AgentsConfig::address>({.name = "address",
                                   .doc = "How sites reach that, as `hansa site enroll` tells them; needed if `listen` names no "
                                          "address of its own (0.0.0.0, [::]).",
                                   .example = "\"wss://hansa.example.org:7718\"",
                                   .form = &kAgentsAddress,
                                   .otherwise = "made of `listen`"}),
      key<&AgentsConfig::tls_certificate>(
          {.name = "tls_certificate",
           .doc = "The certificate chain that agents see, PEM. Agents that were enrolled with its key's id (`--pin`) know the "
                  "broker by that key: keep it when the certificate is renewed. Read again on SIGHUP.",
           .example = "\"/etc/hansa/tls/agents-cert.pem\"",
           .form = &kFile,
           .otherwise = "`api.tls_certificate`"}),
      key<&AgentsConfig::tls_key>({.name = "tls_key",
                                   .doc = "The certificate's private key, PEM; readable by the broker's account only.",
                                   .example = "\"/etc/hansa/tls/agents-key.pem\"",
                                   .form = &kFile,
                                   .otherwise = "`api.tls_key`"}),
      key<&AgentsConfig::ping_after>({.name = "ping_after_ms",
                                      .doc = "After so much silence an agent is asked whether it lives.",
                                      .example = "20000",
                                      .unit = kMs,
                                      .min = 100,
                                      .max = 600'000}),
      key<&AgentsConfig::dead_after>({.name = "dead_after_ms",
                                      .doc = "After so much silence its connection is ended, as one that was cut.",
                                      .example = "90000",
                                      .unit = kMs,
                                      .min = 200,
                                      .max = 3'600'000}),
  };
  return kKeys;
}

template <>
std::span<const Key<StoreConfig>> keys_of() {
  static const Key<StoreConfig> kKeys[] = {
      key<&StoreConfig::url>({.name = "url", .doc = "The database.", .example = "\"sqlite:hansa.db\"", .form = &kStoreUrl}),
  };
  return kKeys;
}

template <>
std::span<const Key<EngineConfig>> keys_of() {
  static const Key<EngineConfig> kKeys[] = {
      key<&EngineConfig::status_interval>(
          {.name = "status_interval_ms",
           .doc = "How often each site is asked how our jobs there are: one shared query, however many jobs.",
           .example = "30000",
           .unit = kMs,
           .min = 10,
           .max = kDayMs}),
      key<&EngineConfig::snapshot_interval>({.name = "snapshot_interval_ms",
                                             .doc = "How often each site is asked for its queues, nodes and reservations.",
                                             .example = "60000",
                                             .unit = kMs,
                                             .min = 10,
                                             .max = kDayMs}),
      key<&EngineConfig::usage_interval>({.name = "usage_interval_ms",
                                          .doc = "How often each site's accounting is read for finished runs.",
                                          .example = "60000",
                                          .unit = kMs,
                                          .min = 10,
                                          .max = kDayMs}),
      key<&EngineConfig::balance_interval>(
          {.name = "balance_interval_ms",
           .doc =
               "How often each site is asked what is left to projects there, where a `[[site.charge]]` names a `limit`. Between "
               "two answers what jobs of this broker are charged counts against it.",
           .example = "1800000",
           .unit = kMs,
           .min = 10,
           .max = kDayMs}),
      key<&EngineConfig::snapshot_max_age>(
          {.name = "snapshot_max_age_ms",
           .doc = "A site whose snapshot is older takes no new jobs; must be more than `snapshot_interval_ms`.",
           .example = "300000",
           .unit = kMs,
           .min = 20,
           .max = 7 * kDayMs}),
      key<&EngineConfig::visibility_window>({.name = "visibility_window_ms",
                                             .doc = "How long an unknown submission is looked for in a healthy queue and history "
                                                    "before it is sent again under the same tag.",
                                             .example = "180000",
                                             .unit = kMs,
                                             .min = 10,
                                             .max = kDayMs}),
      key<&EngineConfig::second_look_after>(
          {.name = "second_look_after_ms",
           .doc = "How far apart the two looks must be that do not find a submission before it is sent again.",
           .example = "30000",
           .unit = kMs,
           .min = 10,
           .max = kDayMs}),
      key<&EngineConfig::first_poll_after>(
          {.name = "first_poll_after_ms",
           .doc = "How soon after a submission a job's state is asked for, if the site's budget has room; each next look waits "
                  "twice as long, up to `status_interval_ms`, but after short jobs' ends no longer than they ran.",
           .example = "500",
           .unit = kMs,
           .min = 10,
           .max = kDayMs}),
      key<&EngineConfig::breaker_failures>(
          {.name = "breaker_failures",
           .doc =
               "After so many calls in a row without an answer a site is left alone: nothing is asked but one probe at a time, "
               "until one is answered.",
           .example = "5",
           .unit = "calls",
           .min = 1,
           .max = 1000}),
      key<&EngineConfig::first_probe_after>(
          {.name = "first_probe_after_ms",
           .doc = "How soon a site that is left alone is probed; each next probe waits twice as long, up to "
                  "`longest_probe_after_ms`, all of them a fifth more or less, by site.",
           .example = "30000",
           .unit = kMs,
           .min = 10,
           .max = kDayMs}),
      key<&EngineConfig::longest_probe_after>({.name = "longest_probe_after_ms",
                                               .doc = "The longest time between two probes of a site that is left alone.",
                                               .example = "120000",
                                               .unit = kMs,
                                               .min = 10,
                                               .max = kDayMs}),
      key<&EngineConfig::max_sends>(
          {.name = "max_sends",
           .doc = "How often one attempt is sent to its site, always under the same tag, before the job goes elsewhere.",
           .example = "3",
           .unit = "submissions",
           .min = 1,
           .max = 100}),
      key<&EngineConfig::max_attempts>({.name = "max_attempts",
                                        .doc = "After so many attempts that never started, a job fails with `NO_SITE_TOOK_IT`.",
                                        .example = "20",
                                        .unit = "attempts",
                                        .min = 1,
                                        .max = 1000}),
      key<&EngineConfig::clock_skew>({.name = "clock_skew_s",
                                      .doc = "How far a site's clock may be behind ours: a job seen there counts as ours only if "
                                             "submitted no earlier than the intent less this.",
                                      .example = "60",
                                      .unit = "seconds",
                                      .min = 0,
                                      .max = 3600}),
      key<&EngineConfig::call_timeout>({.name = "call_timeout_ms",
                                        .doc = "The deadline of one call to a site other than a submit.",
                                        .example = "60000",
                                        .unit = kMs,
                                        .min = 10,
                                        .max = 3'600'000}),
      key<&EngineConfig::submit_timeout>(
          {.name = "submit_timeout_ms",
           .doc = "The deadline of one submit; when it passes, the attempt is unknown and is looked for.",
           .example = "60000",
           .unit = kMs,
           .min = 10,
           .max = 3'600'000}),
      key<&EngineConfig::active_jobs>({.name = "active_jobs",
                                       .doc = "Jobs that may be in the broker and not over; beyond that a submission gets 429.",
                                       .example = "1000000",
                                       .unit = "jobs",
                                       .min = 1,
                                       .max = 100'000'000}),
      key<&EngineConfig::transfer_interval>(
          {.name = "transfer_interval_ms",
           .doc = "How often a mover is asked how far a dataset has come; sooner at the beginning.",
           .example = "10000",
           .unit = kMs,
           .min = 10,
           .max = 3'600'000}),
      key<&EngineConfig::transfer_linger>(
          {.name = "transfer_linger_ms",
           .doc = "How long a dataset goes on to a site that cannot take the jobs just now that wait for it.",
           .example = "600000",
           .unit = kMs,
           .min = 10,
           .max = 7 * kDayMs}),
  };
  return kKeys;
}

template <>
std::span<const Key<PlacementConfig>> keys_of() {
  static const Key<PlacementConfig> kKeys[] = {
      key<&PlacementConfig::place_percent>(
          {.name = "place_percent",
           .doc = "Where other people's jobs wait, a job that asks for so much of the site's cores takes its place among them at "
                  "once; others wait with the broker for the first site that would start them.",
           .example = "15",
           .unit = "percent",
           .min = 0,
           .max = 100}),
      key<&PlacementConfig::place_after>({.name = "place_after_s",
                                          .doc = "After so long every job takes its place there.",
                                          .example = "7200",
                                          .unit = "seconds",
                                          .min = 0,
                                          .max = 2'592'000}),
      key<&PlacementConfig::moves>(
          {.name = "moves",
           .doc =
               "Whether a job that waits at a site is taken to another one that would start it now: once, never after its start.",
           .example = "true"}),
      key<&PlacementConfig::move_gain>({.name = "move_gain_s",
                                        .doc = "How much earlier than predicted where it waits a move must let a job start.",
                                        .example = "3600",
                                        .unit = "seconds",
                                        .min = 60,
                                        .max = 2'592'000}),
      key<&PlacementConfig::moves_per_thousand>(
          {.name = "moves_per_thousand",
           .doc = "Of a thousand jobs ever accepted, so many moves are begun at most; each costs a site a cancel and another a "
                  "submission.",
           .example = "95",
           .unit = "moves",
           .min = 0,
           .max = 1000}),
      key<&PlacementConfig::fair_share_half_life>(
          {.name = "fair_share_half_life_s",
           .doc = "Jobs of projects that have used less than their share (`project.shares`) have their turn sooner, up to twice "
                  "as urgent "
                  "as others; what was used counts half after so long (docs/allocations.md). 0: it counts for nothing.",
           .example = "604800",
           .unit = "seconds",
           .min = 0,
           .max = 31'536'000}),
      key<&PlacementConfig::gpu_as_cores>({.name = "gpu_as_cores",
                                           .doc = "What a GPU counts as in that, over all sites.",
                                           .example = "16",
                                           .unit = "cores",
                                           .min = 0,
                                           .max = 10'000}),
  };
  return kKeys;
}

template <>
std::span<const Key<LedgerConfig>> keys_of() {
  static const Key<LedgerConfig> kKeys[] = {
      key<&LedgerConfig::reconcile_interval>(
          {.name = "reconcile_interval_s",
           .doc = "Each site's own accounting is asked anew so often, in what its budget leaves, and held against the ledger. 0: "
                  "only when an operator asks (`hansa ledger reconcile`).",
           .example = "86400",
           .unit = "seconds",
           .min = 0,
           .max = 2'678'400}),
      key<&LedgerConfig::reconciled_apart>(
          {.name = "reconciled_apart_s",
           .doc = "A month is closed only when each site was found to agree twice, so far apart at least: accounting comes late. "
                  "What it was stands in the record of the close.",
           .example = "86400",
           .unit = "seconds",
           .min = 1,
           .max = 2'678'400}),
  };
  return kKeys;
}

template <>
std::span<const Key<SiteConfig>> keys_of() {
  static const Key<SiteConfig> kKeys[] = {
      key<&SiteConfig::id>({.name = "id",
                            .doc = "The site's name in commands, decisions and the ledger; never used for another site later.",
                            .example = "\"alpha\"",
                            .required = true,
                            .form = &kSiteId}),
      key<&SiteConfig::name>({.name = "name",
                              .doc = "The site's name for people.",
                              .example = "\"Alpha, Kajaani\"",
                              .form = &kLabel,
                              .otherwise = "the id"}),
      key<&SiteConfig::country>({.name = "country",
                                 .doc = "Where the site's machines and disks stand.",
                                 .example = "\"FI\"",
                                 .required = true,
                                 .form = &kCountry}),
      key<&SiteConfig::centre>({.name = "centre",
                                .doc =
                                    "Who runs it, where centres run several: what people of another centre use there, this one "
                                    "gives (`hansa report clearing`).",
                                .example = "\"csc\"",
                                .form = &kSchedulerName,
                                .otherwise = "`id`"}),
      key<&SiteConfig::connector>(
          {.name = "connector",
           .doc = "How the site is spoken to: processes of this machine, Slurm's commands or its `slurmrestd`, PBS's commands, a "
                  "simulated site, or whatever answers to the connector protocol (`remote`: a site's `hansa-agent`, a plug-in).",
           .example = "\"slurm\"",
           .required = true}),
      key<&SiteConfig::run_as>({.name = "run_as",
                                .doc =
                                    "Whose account runs the jobs: the broker's own (`self`), or each person's through "
                                    "`hansa-switch` (`switch`, Slurm and PBS only); a Slurm or PBS site must say it. With "
                                    "`slurmrest` `switch` and `token` are one: jobs are sent with a token of the person's "
                                    "account, and its files go through `hansa-switch`. `agent` is what a "
                                    "`remote` site has: the account map at the site decides, and `accounts` here says who may "
                                    "go there at all. With `certificate` (`remote.ssh.certificates`) each person logs in "
                                    "there as themselves, as the account that `accounts` gives. With `person` (`remote.people`) "
                                    "each person starts an agent of their own there (`hansa connect`), which serves them "
                                    "alone; `accounts` says who may. In an agent's file "
                                    "`certificate` says that a person's own login starts it, and that it serves the people of "
                                    "that account alone.",
                                .example = "\"switch\""}),
      key<&SiteConfig::work_dir>(
          {.name = "work_dir",
           .doc = "Where scripts, output and fences lie (0700): `~` is the account's home, `{account}` its name.",
           .example = "\"/scratch/{account}/.hansa\"",
           .form = &kWorkDir}),
      key<&SiteConfig::allocation>(
          {.name = "allocation",
           .doc = "Whether a project needs an allocation at the site: `required` takes only those in `projects`; "
                  "`ignore` charges others to the person's default account there. With `budget` a job runs only within what its "
                  "project was granted or has left there (docs/allocations.md), in the currency of `[[site.charge]]`; "
                  "`opportunistic` counts the same, and lets run who has nothing left.",
           .example = "\"required\""}),
      key<&SiteConfig::accounts_file>({.name = "accounts_file",
                                       .doc = "A TOML file of lines `\"local:alice\" = \"alice\"`: who runs as which account; "
                                              "reloaded on change, and without an entry there is no job.",
                                       .example = "\"alpha-accounts.toml\"",
                                       .form = &kFile,
                                       .otherwise = "`accounts`"}),
      key<&SiteConfig::accounts>({.name = "accounts",
                                  .doc = "The same, written in place; exactly one of `accounts` and `accounts_file` is needed.",
                                  .example = "{ \"local:alice\" = \"alice\" }",
                                  .form = &kLocalAccount,
                                  .key_form = &kPrincipal,
                                  .otherwise = "`accounts_file`"}),
      key<&SiteConfig::projects>(
          {.name = "projects",
           .doc = "Hansa project -> the scheduler's account that is charged; other projects use the account's default.",
           .example = "{ \"ai-lab\" = \"proj1\" }",
           .form = &kSchedulerName,
           .key_form = &kProjectId}),
      key<&SiteConfig::environment>({.name = "environment",
                                     .doc = "Variables that every job at the site gets, as those of its fabric; what a job's "
                                            "user sets wins. `HANSA_` is Hansa's.",
                                     .example = "{ NCCL_SOCKET_IFNAME = \"hsn0\", FI_PROVIDER = \"cxi\" }",
                                     .form = &kVariableValue,
                                     .key_form = &kVariableName,
                                     .otherwise = "none"}),
      key<&SiteConfig::scratch>(
          {.name = "scratch",
           .doc = "A folder for temporary files, as the site's jobs see it: `HANSA_SCRATCH`. `{account}` is the account's name.",
           .example = "\"/scratch/{account}\"",
           .form = &kScratch,
           .otherwise = "the `TMPDIR` that the scheduler sets, else `/tmp`"}),
      key<&SiteConfig::ledger_key>({.name = "ledger_key",
                                    .doc = "The site's own key as a witness of the ledger, as `hansa ledger witness` prints it: "
                                           "a month whose close it vouches "
                                           "for is signed by the site (docs/ledger.md).",
                                    .example = "\"alpha.example+f8558cb0+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\"",
                                    .form = &kWitnessKey,
                                    .otherwise = "the site signs nothing"}),
      key<&SiteConfig::ignore_findings>(
          {.name = "ignore_findings",
           .doc = "Checks of `hansa site doctor` whose faults keep no job from going there (`HISTORY`, `CLOCK`, ...). The "
                  "others' do, for a "
                  "day, or an hour if they are measured values, unless the next look finds them mended.",
           .example = "[\"HISTORY\"]",
           .form = &kCheckName,
           .otherwise = "none"}),
      key<&SiteConfig::controller>({.name = "controller",
                                    .doc = "Who decides why and how people's data are handled at the site: name and address.",
                                    .example = "\"Alpha Supercomputing Centre, Kajaani\"",
                                    .form = &kLabel,
                                    .otherwise = "the record of processing says that it is missing"}),
      key<&SiteConfig::processor>({.name = "processor",
                                   .doc = "Who runs the site for its controller, if that is somebody else.",
                                   .example = "\"Example Hosting Oy, Espoo\"",
                                   .form = &kLabel,
                                   .otherwise = "the controller runs it"}),
      key<&SiteConfig::contact>({.name = "contact",
                                 .doc = "Whom people write to about their data at the site.",
                                 .example = "\"privacy@alpha.example\"",
                                 .form = &kLabel,
                                 .otherwise = "the record of processing says that it is missing"}),
  };
  return kKeys;
}

template <>
std::span<const Key<EnergyConfig>> keys_of() {
  constexpr std::int64_t kMostPower = 1'000'000'000;
  static constexpr std::string_view kNotKnown = "not stated: nothing is worked out from it";
  static const Key<EnergyConfig> kKeys[] = {
      key<&EnergyConfig::method>({.name = "method",
                                  .doc = "What the site's scheduler measures jobs' energy by (Slurm: AcctGatherEnergyType), as "
                                         "`ipmi`, `rapl`, `pm_counters` or `gpu`; stands beside what it measured.",
                                  .example = "\"ipmi\"",
                                  .form = &kSchedulerName,
                                  .otherwise = "`unstated`"}),
      key<&EnergyConfig::pue_milli>({.name = "pue_milli",
                                     .doc = "Power usage effectiveness of the site: of the whole for one of its machines.",
                                     .example = "1090",
                                     .unit = "thousandths",
                                     .min = 1'000,
                                     .max = 10'000,
                                     .otherwise = kNotKnown}),
      key<&EnergyConfig::carbon_mg_per_kwh>({.name = "carbon_mg_per_kwh",
                                             .doc = "Carbon intensity of its electricity, CO2e.",
                                             .example = "58000",
                                             .unit = "mg/kWh",
                                             .min = 1,
                                             .max = 10'000'000,
                                             .otherwise = kNotKnown}),
      key<&EnergyConfig::core_milliwatts>({.name = "core_milliwatts",
                                           .doc = "Power of a core in use, for runs of which nothing was measured: these are "
                                                  "shown as estimated.",
                                           .example = "3500",
                                           .unit = "mW",
                                           .min = 1,
                                           .max = kMostPower,
                                           .otherwise = kNotKnown}),
      key<&EnergyConfig::gpu_milliwatts>({.name = "gpu_milliwatts",
                                          .doc = "The same of a GPU, as the scheduler counts them.",
                                          .example = "400000",
                                          .unit = "mW",
                                          .min = 1,
                                          .max = kMostPower,
                                          .otherwise = kNotKnown}),
      key<&EnergyConfig::node_milliwatts>({.name = "node_milliwatts",
                                           .doc = "The same of a node besides its cores and GPUs.",
                                           .example = "150000",
                                           .unit = "mW",
                                           .min = 1,
                                           .max = kMostPower,
                                           .otherwise = kNotKnown}),
      key<&EnergyConfig::source>({.name = "source",
                                  .doc = "Who says so, and of when; needed with any of the figures.",
                                  .example = "\"CSC environmental report 2026\"",
                                  .form = &kLabel}),
  };
  return kKeys;
}

template <>
std::span<const Key<ProfileConfig>> keys_of() {
  static const Key<ProfileConfig> kKeys[] = {
      key<&ProfileConfig::gpu_vendor>({.name = "gpu_vendor",
                                       .doc = "Whose GPUs all of its GPU nodes have, for a job's variants and for containers.",
                                       .example = "\"amd\"",
                                       .form = &kGpuVendor,
                                       .otherwise = "what the model says that the scheduler gives them"}),
      key<&ProfileConfig::architecture>({.name = "architecture",
                                         .doc = "Of the processors of all of its nodes, as `uname -m` has it.",
                                         .example = "\"aarch64\"",
                                         .form = &kArchitecture,
                                         .otherwise = "what the scheduler says of each node; Slurm does"}),
      key<&ProfileConfig::devices_per_gpu>(
          {.name = "devices_per_gpu",
           .doc = "How many GPUs a program sees for each that the scheduler counts: 2 where that counts MI250X by modules of "
                  "two dies. Jobs count as programs do.",
           .example = "2",
           .unit = "devices",
           .min = 1,
           .max = 16}),
      key<&ProfileConfig::modules>(
          {.name = "modules",
           .doc = "What jobs call its environment modules by, and what is loaded for each, in that order.",
           .example = "{ pytorch = \"GCC/13.2.0 PyTorch/2.3.0-CUDA-12.1\" }",
           .form = &kModules,
           .key_form = &kModuleName,
           .otherwise = "none: jobs that name any do not go there"}),
      key<&ProfileConfig::module_init>({.name = "module_init",
                                        .doc = "The file that defines `module` in bash, on the nodes where jobs run.",
                                        .example = "\"/usr/share/lmod/lmod/init/bash\"",
                                        .form = &kPlainPath,
                                        .otherwise = "what the account's shell has, else `/etc/profile.d`"}),
      key<&ProfileConfig::container_runtime>(
          {.name = "container_runtime",
           .doc = "Apptainer, or what takes the same command line, on the nodes where jobs run.",
           .example = "\"/usr/bin/apptainer\"",
           .form = &kPlainPath,
           .otherwise = "jobs with an image go there once one is found in `/usr/bin` (`hansa site doctor`)"}),
      key<&ProfileConfig::container_images>({.name = "container_images",
                                             .doc = "What the name of an image begins with, of those that are started here.",
                                             .example = "[\"oras://registry.example.org/\", \"/appl/images/\"]",
                                             .form = &kImagePrefix,
                                             .otherwise = "any, pinned by its digest"}),
      key<&ProfileConfig::container_binds>(
          {.name = "container_binds",
           .doc =
               "Folders that jobs may have in their containers, with all beneath them; their own and `HANSA_SCRATCH` they have "
               "always.",
           .example = "[\"/scratch\", \"/appl/data\"]",
           .form = &kPlainPath,
           .otherwise = "no others"}),
      key<&ProfileConfig::outbound>({.name = "outbound",
                                     .doc = "Queues whose nodes reach the network outside, for jobs that need it; `\"*\"`: all.",
                                     .example = "[\"gpu\", \"transfer\"]",
                                     .form = &kQueueOrAll,
                                     .otherwise = "what was found there (`hansa site doctor`); jobs that need it go nowhere on "
                                                  "trust"}),
  };
  return kKeys;
}

template <>
std::span<const Key<QosConfig>> keys_of() {
  static const Key<QosConfig> kKeys[] = {
      key<&QosConfig::name>({.name = "name",
                             .doc = "What Slurm calls it. The first block that takes a job is its; none, and Slurm chooses.",
                             .example = "\"short\"",
                             .required = true,
                             .form = &kSchedulerName}),
      key<&QosConfig::queue>({.name = "queue",
                              .doc = "For jobs in this queue only.",
                              .example = "\"gpu\"",
                              .form = &kSchedulerName,
                              .otherwise = "in any"}),
      key<&QosConfig::max_time>({.name = "max_time_s",
                                 .doc = "For jobs with no longer time limit.",
                                 .example = "3600",
                                 .unit = "seconds",
                                 .min = 1,
                                 .max = 366 * 86'400,
                                 .otherwise = "with any"}),
      key<&QosConfig::max_nodes>({.name = "max_nodes",
                                  .doc = "For jobs of no more nodes.",
                                  .example = "4",
                                  .unit = "nodes",
                                  .min = 1,
                                  .max = 1'000'000,
                                  .otherwise = "of any number"}),
  };
  return kKeys;
}

template <>
std::span<const Key<ChargeConfig>> keys_of() {
  constexpr std::int64_t kMostWeight = 1'000'000'000;
  static constexpr std::string_view kWeight = "thousandths of the unit for one hour";
  static const Key<ChargeConfig> kKeys[] = {
      key<&ChargeConfig::queues>({.name = "queues",
                                  .doc = "The queues that it is for. Without any it is for each that no other block names.",
                                  .example = "[\"small\", \"dev\"]",
                                  .form = &kSchedulerName}),
      key<&ChargeConfig::unit>(
          {.name = "unit",
           .doc = "The site's currency, as people are granted it. The same word is the same currency, at whatever "
                  "site.",
           .example = "\"core-hours\"",
           .required = true,
           .form = &kSchedulerName}),
      key<&ChargeConfig::limit>(
          {.name = "limit",
           .doc =
               "The scheduler's resource of which an hour is a unit, where it limits what accounts may use of it in all (Slurm's "
               "`GrpTRESMins`). What is left to the accounts in `projects` is then read at the site (`sshare`) every "
               "`engine.balance_interval_ms`, and counts as if it had been imported. With `connector = \"slurm\"`, or `remote` "
               "and "
               "a `hansa-agent` there.",
           .example = "\"cpu\"",
           .form = &kResourceName,
           .otherwise = "balances are imported, if there are any"}),
      key<&ChargeConfig::from>({.name = "from",
                                .doc =
                                    "For what is sent to the site from then on. The latest that has begun counts; what is there "
                                    "already is charged by the rule that it came under.",
                                .example = "2027-01-01",
                                .otherwise = "from the beginning"}),
      key<&ChargeConfig::per_core>({.name = "per_core",
                                    .doc = "For each core, or each `core_slice` of them.",
                                    .example = "1000",
                                    .unit = kWeight,
                                    .min = 0,
                                    .max = kMostWeight}),
      key<&ChargeConfig::per_gpu>({.name = "per_gpu",
                                   .doc = "For each GPU, as the site's scheduler counts them.",
                                   .example = "500",
                                   .unit = kWeight,
                                   .min = 0,
                                   .max = kMostWeight}),
      key<&ChargeConfig::per_node>(
          {.name = "per_node", .doc = "For each node.", .example = "1000", .unit = kWeight, .min = 0, .max = kMostWeight}),
      key<&ChargeConfig::per_memory_slice>({.name = "per_memory_slice",
                                            .doc = "For each `memory_slice_mib` that is begun.",
                                            .example = "1000",
                                            .unit = kWeight,
                                            .min = 0,
                                            .max = kMostWeight}),
      key<&ChargeConfig::core_slice>({.name = "core_slice",
                                      .doc = "Cores count in slices of so many.",
                                      .example = "8",
                                      .unit = "cores",
                                      .min = 1,
                                      .max = 65'536}),
      key<&ChargeConfig::memory_slice_mib>({.name = "memory_slice_mib",
                                            .doc = "Memory of all nodes together counts in slices of so much. 0: not at all.",
                                            .example = "2048",
                                            .unit = "MiB",
                                            .min = 0,
                                            .max = 1'000'000'000}),
      key<&ChargeConfig::sum>({.name = "sum",
                               .doc = "Whether cores, memory, GPUs and nodes are added up; else the dearest of them counts.",
                               .example = "true"}),
      key<&ChargeConfig::whole_nodes>(
          {.name = "whole_nodes",
           .doc = "Whether nodes count whole, whatever is used of them. Those of jobs that want them for "
                  "themselves always do.",
           .example = "true"}),
      key<&ChargeConfig::node_cores>({.name = "node_cores",
                                      .doc = "The cores of a whole node.",
                                      .example = "128",
                                      .unit = "cores",
                                      .min = 0,
                                      .max = 1'000'000}),
      key<&ChargeConfig::node_gpus>(
          {.name = "node_gpus", .doc = "The GPUs of a whole node.", .example = "8", .unit = "GPUs", .min = 0, .max = 1'000}),
      key<&ChargeConfig::node_memory_mib>({.name = "node_memory_mib",
                                           .doc = "The memory of a whole node.",
                                           .example = "262144",
                                           .unit = "MiB",
                                           .min = 0,
                                           .max = 1'000'000'000}),
      key<&ChargeConfig::minimum>({.name = "minimum",
                                   .doc = "What a run costs at least that has begun.",
                                   .example = "1000",
                                   .unit = "thousandths of the unit",
                                   .min = 0,
                                   .max = kMostWeight}),
      key<&ChargeConfig::source>({.name = "source",
                                  .doc = "Where the site publishes the rule; for people.",
                                  .example = "\"https://docs.example.org/billing, read 2026-11-01\"",
                                  .form = &kLabel}),
  };
  return kKeys;
}

template <>
std::span<const Key<ApelConfig>> keys_of() {
  static const Key<ApelConfig> kKeys[] = {
      key<&ApelConfig::site>({.name = "site",
                              .doc = "Its name in GOCDB. Sites with one name are one site there.",
                              .example = "\"ALPHA-HPC\"",
                              .required = true,
                              .form = &kApelName}),
      key<&ApelConfig::submit_host>({.name = "submit_host",
                                     .doc = "What its jobs are submitted to: the CE's id, or the batch system's host.",
                                     .example = "\"login.alpha.example.org\"",
                                     .required = true,
                                     .form = &kApelName}),
      key<&ApelConfig::cpu_duration>(
          {.name = "cpu_duration",
           .doc =
               "What stands in `CpuDuration`, which APEL demands and no site's accounting tells Hansa. `allocated`: the seconds "
               "of the cores that were allocated, as APEL's own parser of Slurm has it; efficiency is always 100 % then. To be "
               "written out, so that nobody takes it for a measurement unawares.",
           .example = "\"allocated\"",
           .required = true}),
      key<&ApelConfig::infrastructure>({.name = "infrastructure",
                                        .doc = "Whether its jobs count as grid jobs or as the site's local ones.",
                                        .example = "\"local\""}),
      key<&ApelConfig::description>({.name = "description",
                                     .doc = "`InfrastructureDescription` of individual records: the software in between.",
                                     .example = "\"HANSA-SLURM\"",
                                     .form = &kSchedulerName}),
      key<&ApelConfig::service_level>({.name = "service_level",
                                       .doc = "A benchmark and what one core comes to by it. APEL keeps no record without.",
                                       .example = "{ hepscore23 = \"12.5\" }",
                                       .required = true,
                                       .form = &kServiceLevel,
                                       .key_form = &kBenchmark}),
  };
  return kKeys;
}

template <>
std::span<const Key<WaldurConfig>> keys_of() {
  static const Key<WaldurConfig> kKeys[] = {
      key<&WaldurConfig::components>(
          {.name = "components",
           .doc = "The offering's components that are reported, by type, and what one unit of each is. The number is "
                  "waldur-site-agent's `unit_factor`, where that is one of Slurm's TRES-minutes.",
           .example = "{ cpu = \"60000 core-minutes\", gpu = \"60 gpu-minutes\" }",
           .required = true,
           .form = &kComponentUnit,
           .key_form = &kComponentType}),
      key<&WaldurConfig::resources>({.name = "resources",
                                     .doc = "Hansa project -> the UUID of its resource in Waldur; others are not reported.",
                                     .example = "{ ai-lab = \"6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11\" }",
                                     .required = true,
                                     .form = &kUuid,
                                     .key_form = &kProjectId}),
  };
  return kKeys;
}

template <>
std::span<const Key<BudgetConfig>> keys_of() {
  static const Key<BudgetConfig> kKeys[] = {
      key<&BudgetConfig::queries_per_minute>({.name = "queries_per_minute",
                                              .doc = "Commands that only ask (`squeue`, `sacct`, `scontrol show`).",
                                              .example = "10",
                                              .unit = "per minute",
                                              .min = 1,
                                              .max = 60'000}),
      key<&BudgetConfig::submits_per_minute>({.name = "submits_per_minute",
                                              .doc = "Jobs handed to the site.",
                                              .example = "600",
                                              .unit = "per minute",
                                              .min = 1,
                                              .max = 60'000}),
      key<&BudgetConfig::cancels_per_minute>({.name = "cancels_per_minute",
                                              .doc = "Cancels, holds and releases.",
                                              .example = "600",
                                              .unit = "per minute",
                                              .min = 1,
                                              .max = 60'000}),
      key<&BudgetConfig::concurrent_calls>(
          {.name = "concurrent_calls", .doc = "Calls to the site at the same moment.", .example = "4", .min = 1, .max = 256}),
      key<&BudgetConfig::waiting_jobs>({.name = "waiting_jobs",
                                        .doc = "Jobs of ours that may wait in the site's queue; further ones wait in the broker.",
                                        .example = "50",
                                        .unit = "jobs",
                                        .min = 1,
                                        .max = 1'000'000}),
      key<&BudgetConfig::quiet_hours>({.name = "quiet_hours",
                                       .doc = "Hours of every day, by the clocks of a place, in which nothing new is sent to the "
                                              "site and it is asked at a quarter "
                                              "of the rate; cancels go through, jobs that are there go on.",
                                       .example = "[\"22:00-06:00 Europe/Helsinki\"]",
                                       .form = &kQuietHours}),
  };
  return kKeys;
}

template <>
std::span<const Key<RemoteConfig>> keys_of() {
  static const Key<RemoteConfig> kKeys[] = {
      key<&RemoteConfig::agent>(
          {.name = "agent",
           .doc = "The site's `hansa-agent` connects to this broker (`[agents]`), from behind whatever firewall, "
                  "once it is enrolled (`hansa site enroll`); exactly one of `agent`, `command`, "
                  "`remote.ssh` and `remote.people` is needed.",
           .example = "true"}),
      key<&RemoteConfig::command>({.name = "command",
                                   .doc =
                                       "A program on this machine that speaks the connector protocol on its standard input and "
                                       "output, by its absolute path, and its arguments; exactly one of `agent`, `command`, "
                                       "`remote.ssh` and `remote.people` is needed.",
                                   .example = "[\"/opt/hansa/tsp-plugin\", \"--slots\", \"8\"]",
                                   .form = &kCommandWord,
                                   .otherwise = "`remote.ssh`, `remote.agent` or `remote.people`",
                                   .repeats = true}),
  };
  return kKeys;
}

template <>
std::span<const Key<SshConfig>> keys_of() {
  static const Key<SshConfig> kKeys[] = {
      key<&SshConfig::host>({.name = "host",
                             .doc = "The site's login node: `hansa-agent --stdio` is started there.",
                             .example = "\"login.alpha.example.org\"",
                             .required = true,
                             .form = &kHostName}),
      key<&SshConfig::user>({.name = "user",
                             .doc = "The agent's account there; with `certificates` the broker's own, which is asked what the "
                                    "site's queues are like.",
                             .example = "\"hansa\"",
                             .required = true,
                             .form = &kLocalAccount}),
      key<&SshConfig::port>({.name = "port", .doc = "Of its sshd.", .example = "22", .min = 1, .max = 65'535}),
      key<&SshConfig::known_hosts>(
          {.name = "known_hosts",
           .doc = "Its host keys, or the CA that signs them (`@cert-authority`): no other is taken, and none "
                  "is learnt.",
           .example = "\"/etc/hansa/alpha-known-hosts\"",
           .required = true,
           .form = &kPlainPath}),
      key<&SshConfig::identity>({.name = "identity",
                                 .doc = "The broker's private key for it, without a passphrase, readable by the broker's account "
                                        "only; a certificate in the file of that name with `-cert.pub` is shown with it. Exactly "
                                        "one of `identity` and `certificates` is needed.",
                                 .example = "\"/etc/hansa/alpha-key\"",
                                 .form = &kPlainPath,
                                 .otherwise = "`certificates`"}),
      key<&SshConfig::program>(
          {.name = "program", .doc = "OpenSSH's client.", .example = "\"/usr/bin/ssh\"", .form = &kAbsolutePath}),
  };
  return kKeys;
}

template <>
std::span<const Key<CertificatesConfig>> keys_of() {
  static const Key<CertificatesConfig> kKeys[] = {
      key<&CertificatesConfig::command>(
          {.name = "command",
           .doc =
               "A program on this machine that has a certificate signed, by its absolute path, and its arguments, in which "
               "`{account}` is the account at the site, `{person}` the person, `{principal}` what the certificate is to name. It "
               "reads one public key (Ed25519, as OpenSSH writes it) and prints the certificate for it. With another exit status "
               "than 0 the last line of its standard error is what people are told, such as where to log in.",
           .example = "[\"/usr/local/bin/sign-for\", \"{person}\", \"{account}\"]",
           .required = true,
           .form = &kCommandWord,
           .repeats = true}),
      key<&CertificatesConfig::principal>(
          {.name = "principal",
           .doc =
               "The principal that a certificate must name, with `{account}`, `{person}` or `{subject}` (the person without the "
               "issuer); how the site's sshd knows whose it is (`AuthorizedPrincipalsFile`).",
           .example = "\"{subject}\"",
           .form = &kCommandWord}),
      key<&CertificatesConfig::renewed>(
          {.name = "renewed",
           .doc =
               "Whether the command gives another certificate whenever it is asked. `false`: a person has to log in for each, so "
               "that a job is held (`CREDENTIAL_ENDS_TOO_EARLY`) unless its certificate lasts for its time limit and ten "
               "minutes.",
           .example = "false"}),
      key<&CertificatesConfig::connections>({.name = "connections",
                                             .doc = "People's connections that may be open at once, over all of them.",
                                             .example = "8",
                                             .min = 1,
                                             .max = 256}),
      key<&CertificatesConfig::connections_per_minute>({.name = "connections_per_minute",
                                                        .doc = "New ones, over all people, evenly spaced.",
                                                        .example = "30",
                                                        .unit = "per minute",
                                                        .min = 1,
                                                        .max = 6'000}),
      key<&CertificatesConfig::idle>({.name = "idle_s",
                                      .doc = "One that is not used for so long is closed.",
                                      .example = "300",
                                      .unit = "seconds",
                                      .min = 1,
                                      .max = 86'400}),
      key<&CertificatesConfig::memory_dir>(
          {.name = "memory_dir",
           .doc = "A folder in memory (tmpfs) in which a private key lies while `ssh` reads it, in a folder of the broker's own.",
           .example = "\"/run/hansa\"",
           .form = &kPlainPath}),
  };
  return kKeys;
}

template <>
std::span<const Key<PeopleConfig>> keys_of() {
  static const Key<PeopleConfig> kKeys[] = {
      key<&PeopleConfig::login>({.name = "login",
                                 .doc = "The site's login node, as people's own OpenSSH knows it; `hansa connect --login` comes "
                                        "before it.",
                                 .example = "\"login.alpha.example.org\"",
                                 .form = &kHostName,
                                 .otherwise = "each person says it"}),
      key<&PeopleConfig::agent>({.name = "agent",
                                 .doc = "Where `hansa-agent` lies there; `hansa connect --agent` comes before it.",
                                 .example = "\"/opt/hansa/bin/hansa-agent\"",
                                 .form = &kPlainPath,
                                 .otherwise = "on the `PATH` of the login, or in `~/.local/bin`"}),
      key<&PeopleConfig::terms>({.name = "terms",
                                 .doc = "What the site's terms of use say of agents that people start for themselves, as far as "
                                        "you have read them. `forbidden`: nobody is let in. While it is not stated "
                                        "`hansa site doctor` asks for it.",
                                 .example = "\"allowed\""}),
      key<&PeopleConfig::terms_evidence>({.name = "terms_evidence",
                                          .doc = "Where that is written down, for people.",
                                          .example = "\"user agreement 4.2, 2026-03\"",
                                          .form = &kCommandWord}),
      key<&PeopleConfig::longest>({.name = "longest_session_s",
                                   .doc = "So long a person's agent serves at most; then they log in again. Without "
                                          "`hansa connect --for` it is as long as that.",
                                   .example = "43200",
                                   .unit = "seconds",
                                   .min = 60,
                                   .max = 604'800}),
  };
  return kKeys;
}

template <>
std::span<const Key<AgentProjectConfig>> keys_of() {
  static const Key<AgentProjectConfig> kKeys[] = {
      key<&AgentProjectConfig::id>({.name = "id",
                                    .doc = "The project's name, as brokers call it.",
                                    .example = "\"ai-lab\"",
                                    .required = true,
                                    .form = &kProjectId}),
  };
  return kKeys;
}

template <>
std::span<const Key<AgentSection>> keys_of() {
  static const Key<AgentSection> kKeys[] = {
      key<&AgentSection::state_dir>({.name = "state_dir",
                                     .doc = "The folder (0700) of the spool of a `local` site, of what of `[site.budget]` is "
                                            "used, and of the key and enrolment "
                                            "of an agent that connects to its broker.",
                                     .example = "\"/var/lib/hansa-agent\"",
                                     .form = &kAbsolutePath}),
      key<&AgentSection::switch_socket>(
          {.name = "switch_socket",
           .doc = "The Unix socket on which the site's `hansa-switch` listens; needed with `run_as = \"switch\"`.",
           .example = "\"/run/hansa/switch.sock\"",
           .form = &kSocketPath,
           .otherwise = "no switch"}),
      key<&AgentSection::ping_after>({.name = "ping_after_ms",
                                      .doc = "With `--connect`: after so much silence the broker is asked whether it lives.",
                                      .example = "20000",
                                      .unit = kMs,
                                      .min = 100,
                                      .max = 600'000}),
      key<&AgentSection::dead_after>({.name = "dead_after_ms",
                                      .doc = "After so much silence the connection is ended, and made anew.",
                                      .example = "90000",
                                      .unit = kMs,
                                      .min = 200,
                                      .max = 3'600'000}),
      key<&AgentSection::longest_pause>(
          {.name = "longest_pause_ms",
           .doc = "Between two attempts to connect the pause doubles from a second up to this, half of it "
                  "by chance.",
           .example = "120000",
           .unit = kMs,
           .min = 1'000,
           .max = 3'600'000}),
      key<&AgentSection::proxy>(
          {.name = "proxy",
           .doc = "The HTTP proxy (`CONNECT`) through which `--connect` and `enroll` reach the broker, or `none`: straight. If "
                  "it is "
                  "set, `https_proxy`, `HTTPS_PROXY`, `no_proxy` and `NO_PROXY` of the environment do not count.",
           .example = "\"http://proxy.example.org:3128\"",
           .form = &kProxy,
           .otherwise = "the environment's"}),
      key<&AgentSection::proxy_login_file>(
          {.name = "proxy_login_file",
           .doc = "A file that holds `USER:PASSWORD` for the proxy (Basic), whichever way the proxy is named; only the agent's "
                  "account should be able to read it.",
           .example = "\"proxy-login\"",
           .form = &kFile,
           .otherwise = "what the environment's address says"}),
  };
  return kKeys;
}

template <>
std::span<const Key<SlurmConfig>> keys_of() {
  static const Key<SlurmConfig> kKeys[] = {
      key<&SlurmConfig::conf>({.name = "conf",
                               .doc = "The cluster's `slurm.conf`, given to the commands as `SLURM_CONF`.",
                               .example = "\"/etc/slurm/slurm.conf\"",
                               .form = &kAbsolutePath}),
      key<&SlurmConfig::bin_dir>({.name = "bin_dir",
                                  .doc = "The folder of `sbatch`, `squeue`, `sacct`, `scancel` and `scontrol`.",
                                  .example = "\"/opt/slurm/bin\"",
                                  .form = &kAbsolutePath}),
  };
  return kKeys;
}

template <>
std::span<const Key<SlurmrestConfig>> keys_of() {
  static const Key<SlurmrestConfig> kKeys[] = {
      key<&SlurmrestConfig::url>({.name = "url",
                                  .doc = "Where `slurmrestd` answers.",
                                  .example = "\"https://slurm.example.eu:6820\"",
                                  .required = true,
                                  .form = &kSlurmrestUrl}),
      key<&SlurmrestConfig::ca_file>({.name = "ca_file",
                                      .doc = "The authorities (PEM) that its certificate is checked against.",
                                      .example = "\"slurm-ca.pem\"",
                                      .form = &kFile,
                                      .otherwise = "the system's"}),
      key<&SlurmrestConfig::token_file>(
          {.name = "token_file",
           .doc =
               "A file with one JSON Web Token for `slurmrestd`, as `scontrol token` prints it, that somebody renews before it "
               "ends; `{account}` in its name is the account whose token it is. Never the key that signs them.",
           .example = "\"tokens/{account}.jwt\"",
           .form = &kFile,
           .otherwise = "`token_command`"}),
      key<&SlurmrestConfig::token_command>({.name = "token_command",
                                            .doc = "A program and its arguments, run as the broker's account without a shell, "
                                                   "that prints a token of the account that "
                                                   "stands for `{account}` in them; run again before that token ends.",
                                            .example = "[\"/opt/site/bin/slurm-token\", \"{account}\"]",
                                            .form = &kCommandWord,
                                            .otherwise = "`token_file`"}),
      key<&SlurmrestConfig::cluster>(
          {.name = "cluster",
           .doc =
               "The cluster's name (`ClusterName`), which a `slurmrestd` older than Slurm 24.11 does not tell; needed there if "
               "the accounting knows several clusters. With it a `slurmrestd` of another cluster is not used.",
           .example = "\"alpha\"",
           .form = &kSchedulerName}),
      key<&SlurmrestConfig::private_jobs>(
          {.name = "private_jobs",
           .doc =
               "The site shows each account its own jobs only (`PrivateData=jobs`): each is asked for its own, and the room that "
               "others take is seen by their nodes. Not needed where the broker's own account is an operator of Slurm's.",
           .example = "true"}),
      key<&SlurmrestConfig::max_array_size>({.name = "max_array_size",
                                             .doc = "The cluster's `MaxArraySize`, which `slurmrestd` does not tell: indices of "
                                                    "arrays are less. 0: no arrays go there.",
                                             .example = "10001",
                                             .min = 0,
                                             .max = 4'000'001}),
      key<&SlurmrestConfig::answer_limit_mib>(
          {.name = "answer_limit_mib",
           .doc = "The longest answer that is read; a job takes some 3 KiB (0.0.38) to 9 KiB (0.0.45) of the list of jobs.",
           .example = "256",
           .unit = "MiB",
           .min = 1,
           .max = 2048}),
  };
  return kKeys;
}

template <>
std::span<const Key<PbsConfig>> keys_of() {
  static const Key<PbsConfig> kKeys[] = {
      key<&PbsConfig::conf>({.name = "conf",
                             .doc = "The site's `pbs.conf`, given to the commands as `PBS_CONF_FILE`.",
                             .example = "\"/etc/pbs.conf\"",
                             .form = &kAbsolutePath}),
      key<&PbsConfig::server>({.name = "server",
                               .doc = "The PBS server, given to the commands as `PBS_SERVER`; else the one that `conf` names.",
                               .example = "\"pbs01.example.eu\"",
                               .form = &kSchedulerName}),
      key<&PbsConfig::bin_dir>({.name = "bin_dir",
                                .doc = "The folder of `qsub`, `qstat`, `qselect`, `qdel`, `qhold`, `qrls` and `pbsnodes`.",
                                .example = "\"/opt/pbs/bin\"",
                                .form = &kAbsolutePath}),
      key<&PbsConfig::accounting>({.name = "accounting",
                                   .doc = "The folder of the server's accounting log, where the broker's account may read it: "
                                          "of a job that was started again it alone tells the runs before the last.",
                                   .example = "\"/var/spool/pbs/server_priv/accounting\"",
                                   .form = &kAbsolutePath}),
      key<&PbsConfig::gpu_resource>({.name = "gpu_resource",
                                     .doc = "The site's resource that counts a node's GPUs.",
                                     .example = "\"ngpus\"",
                                     .form = &kSchedulerName}),
      key<&PbsConfig::gpu_model_resource>(
          {.name = "gpu_model_resource",
           .doc =
               "The site's resource that names the model of a node's GPUs; without it jobs that ask for a model do not go there.",
           .example = "\"gpu_model\"",
           .form = &kSchedulerName}),
  };
  return kKeys;
}

template <>
std::span<const Key<LocalConfig>> keys_of() {
  static const Key<LocalConfig> kKeys[] = {
      key<&LocalConfig::cpus>(
          {.name = "cpus", .doc = "Cores the site offers.", .example = "2", .unit = "cores", .min = 1, .max = 65'536}),
      key<&LocalConfig::memory>({.name = "memory_mib",
                                 .doc = "Memory the site offers.",
                                 .example = "2048",
                                 .unit = "MiB",
                                 .min = 1,
                                 .max = 1'073'741'824}),
      key<&LocalConfig::gpus>({.name = "gpus",
                               .doc = "GPUs the site offers; more than 0 needs `gpu_model`.",
                               .example = "1",
                               .unit = "GPUs",
                               .min = 0,
                               .max = 1024}),
      key<&LocalConfig::gpu_model>({.name = "gpu_model",
                                    .doc = "Their model, as jobs ask for it.",
                                    .example = "\"a100\"",
                                    .form = &kSchedulerName,
                                    .otherwise = "no GPUs"}),
  };
  return kKeys;
}

template <>
std::span<const Key<ModelConfig>> keys_of() {
  static const Key<ModelConfig> kKeys[] = {
      key<&ModelConfig::nodes>(
          {.name = "nodes", .doc = "Simulated nodes.", .example = "4", .unit = "nodes", .min = 1, .max = 1'000'000}),
      key<&ModelConfig::cpus_per_node>(
          {.name = "cpus_per_node", .doc = "Cores of each.", .example = "32", .unit = "cores", .min = 1, .max = 65'536}),
      key<&ModelConfig::memory_per_node>({.name = "memory_per_node_mib",
                                          .doc = "Memory of each.",
                                          .example = "131072",
                                          .unit = "MiB",
                                          .min = 1,
                                          .max = 1'073'741'824}),
      key<&ModelConfig::gpus_per_node>({.name = "gpus_per_node",
                                        .doc = "GPUs of each; more than 0 needs `gpu_model`.",
                                        .example = "4",
                                        .unit = "GPUs",
                                        .min = 0,
                                        .max = 1024}),
      key<&ModelConfig::gpu_model>({.name = "gpu_model",
                                    .doc = "Their model, as jobs ask for it.",
                                    .example = "\"a100\"",
                                    .form = &kSchedulerName,
                                    .otherwise = "no GPUs"}),
  };
  return kKeys;
}

template <>
std::span<const Key<IssuerConfig>> keys_of() {
  static const Key<IssuerConfig> kKeys[] = {
      key<&IssuerConfig::id>({.name = "id",
                              .doc =
                                  "What stands before the colon of its people's names here, as in `egi:28c5353b@egi.eu`: never "
                                  "change it.",
                              .example = "\"egi\"",
                              .required = true,
                              .form = &kSiteId}),
      key<&IssuerConfig::url>({.name = "url",
                               .doc = "The issuer, byte for byte as its tokens have it in `iss`; its description lies at "
                                      "`/.well-known/openid-configuration` beneath.",
                               .example = "\"https://aai.egi.eu/auth/realms/egi\"",
                               .required = true,
                               .form = &kIssuerUrl}),
      key<&IssuerConfig::audience>(
          {.name = "audience",
           .doc = "What its tokens must have in `aud`, byte for byte: this broker, and no other service.",
           .example = "\"https://hansa.example.org\"",
           .required = true,
           .form = &kTokenWord}),
      key<&IssuerConfig::name>({.name = "name",
                                .doc = "What people call it, for `hansa login --list`.",
                                .example = "\"EGI Check-in\"",
                                .form = &kLabel,
                                .otherwise = "its `id`"}),
      key<&IssuerConfig::login_client>(
          {.name = "login_client",
           .doc = "The public client (no secret, PKCE) that `hansa login` is to the issuer.",
           .example = "\"hansa-cli\"",
           .form = &kTokenWord,
           .otherwise = "people bring tokens by oidc-agent or `BEARER_TOKEN`, and cannot log in by `hansa login`"}),
      key<&IssuerConfig::scopes>({.name = "scopes",
                                  .doc = "What `hansa login` asks for; `offline_access` gives a refresh token where the issuer "
                                         "wants it asked for.",
                                  .example = "[\"openid\", \"offline_access\", \"eduperson_entitlement\"]",
                                  .form = &kTokenWord}),
      key<&IssuerConfig::resource>({.name = "resource",
                                    .doc = "The resource that `hansa login` asks for a token for (RFC 8707), where the issuer "
                                           "makes `aud` of that.",
                                    .example = "\"https://hansa.example.org\"",
                                    .form = &kTokenWord,
                                    .otherwise = "none"}),
      key<&IssuerConfig::clients>({.name = "clients",
                                   .doc = "Clients whose tokens are taken (`azp`, or `client_id`); [] is any.",
                                   .example = "[\"hansa-cli\"]",
                                   .form = &kTokenWord}),
      key<&IssuerConfig::algorithms>(
          {.name = "algorithms", .doc = "What its tokens may be signed by.", .example = "[\"RS256\"]", .form = &kAlgorithm}),
      key<&IssuerConfig::typed_tokens>({.name = "typed_tokens",
                                        .doc =
                                            "Whether its access tokens say that they are some (`typ` is `at+jwt`, RFC 9068): set "
                                            "it where the issuer sends that, and no ID token is taken for one.",
                                        .example = "true"}),
      key<&IssuerConfig::longest_token>({.name = "longest_token_s",
                                         .doc = "Tokens that are good for longer are refused.",
                                         .example = "21600",
                                         .unit = "seconds",
                                         .min = 60,
                                         .max = 7 * 86'400}),
      key<&IssuerConfig::claims_from>(
          {.name = "claims_from",
           .doc = "Where groups and assurance are told: in the token, by the UserInfo endpoint, or by introspection.",
           .example = "\"userinfo\""}),
      key<&IssuerConfig::claims_last>({.name = "claims_last_s",
                                       .doc = "For how long what the issuer said counts before it is asked again: with "
                                              "`claims_from` other than \"token\" also how "
                                              "soon a token counts no more that the issuer revoked.",
                                       .example = "300",
                                       .unit = "seconds",
                                       .min = 1,
                                       .max = 300}),
      key<&IssuerConfig::introspection_client>({.name = "introspection_client",
                                                .doc = "As which client the broker introspects tokens (RFC 7662).",
                                                .example = "\"hansad\"",
                                                .form = &kTokenWord,
                                                .otherwise = "none"}),
      key<&IssuerConfig::introspection_secret_file>({.name = "introspection_secret_file",
                                                     .doc = "The file with its secret, for the broker's account alone (0600).",
                                                     .example = "\"/etc/hansa/egi-secret\"",
                                                     .form = &kFile,
                                                     .otherwise = "none"}),
      key<&IssuerConfig::groups>({.name = "groups",
                                  .doc = "How the issuer names groups: by AARC-G069, or by texts of its own.",
                                  .example = "\"aarc-g069\""}),
      key<&IssuerConfig::groups_claim>({.name = "groups_claim",
                                        .doc = "The claim that lists a person's groups.",
                                        .example = "\"eduperson_entitlement\"",
                                        .form = &kTokenWord}),
      key<&IssuerConfig::projects>(
          {.name = "projects",
           .doc = "Which group is which project's members, exactly as the issuer names it: namespace, role and authority "
                  "included; a parent is not implied.",
           .example = "{ \"urn:geant:example.org:group:ai-lab:role=member#aai.example.org\" = \"ai-lab\" }",
           .form = &kProjectId,
           .key_form = &kGroup}),
      key<&IssuerConfig::leads>(
          {.name = "leads",
           .doc = "Which group leads which project: it sees, holds and cancels the jobs of all members, and is a member itself.",
           .example = "{ \"urn:geant:example.org:group:ai-lab:role=lead#aai.example.org\" = \"ai-lab\" }",
           .form = &kProjectId,
           .key_form = &kGroup}),
      key<&IssuerConfig::site_operators>(
          {.name = "site_operators",
           .doc = "Which group operates which site, and no other; the role operator is for all sites.",
           .example = "{ \"urn:geant:example.org:group:alpha-staff#aai.example.org\" = \"alpha\" }",
           .form = &kSiteId,
           .key_form = &kGroup}),
      key<&IssuerConfig::roles>({.name = "roles",
                                 .doc = "Which group has which role; without one a person is a user. Of several the first of "
                                        "operator, policy-officer, operator of sites, auditor counts.",
                                 .example = "{ \"urn:geant:example.org:group:hansa:role=operator\" = \"operator\" }",
                                 .form = &kRole,
                                 .key_form = &kGroup}),
      key<&IssuerConfig::assurance_claim>(
          {.name = "assurance_claim",
           .doc = "The claim that lists what the issuer vouches for (REFEDS Assurance Framework).",
           .example = "\"eduperson_assurance\"",
           .form = &kTokenWord}),
      key<&IssuerConfig::required_assurance>({.name = "required_assurance",
                                              .doc = "What must be in it, all of it, or the person gets nowhere.",
                                              .example = "[\"https://refeds.org/assurance/IAP/medium\"]",
                                              .form = &kTokenWord}),
      key<&IssuerConfig::refused_subjects>({.name = "refused_subjects",
                                            .doc = "Subjects that get nowhere: the issuer's test accounts.",
                                            .example = "[\"test@MyAccessID.org\"]",
                                            .form = &kTokenWord}),
      key<&IssuerConfig::other_origins>({.name = "other_origins",
                                         .doc = "Where else than at its own host its keys and endpoints may lie.",
                                         .example = "[\"https://keys.example.org\"]",
                                         .form = &kOrigin}),
      key<&IssuerConfig::ca_file>({.name = "ca_file",
                                   .doc = "The authorities that may sign its certificate, PEM.",
                                   .example = "\"/etc/hansa/ca.pem\"",
                                   .form = &kFile,
                                   .otherwise = "the system's"}),
      key<&IssuerConfig::private_addresses>(
          {.name = "private_addresses",
           .doc = "Whether it may be at a private address, as a centre's own Keycloak is; else none such is ever called.",
           .example = "true"}),
  };
  return kKeys;
}

template <>
std::span<const Key<ProjectConfig>> keys_of() {
  static const Key<ProjectConfig> kKeys[] = {
      key<&ProjectConfig::id>({.name = "id",
                               .doc = "The project's name in jobs, reports and sites' `projects`.",
                               .example = "\"ai-lab\"",
                               .required = true,
                               .form = &kProjectId}),
      key<&ProjectConfig::members>({.name = "members",
                                    .doc = "Who may charge the project; nobody else may (403).",
                                    .example = "[\"local:alice\", \"local:bob\"]",
                                    .required = true,
                                    .form = &kPrincipal}),
      key<&ProjectConfig::leads>({.name = "leads",
                                  .doc = "Who leads it: they see, hold and cancel the jobs of all its members, and may charge it "
                                         "as these do.",
                                  .example = "[\"local:alice\"]",
                                  .form = &kPrincipal}),
      key<&ProjectConfig::shares>({.name = "shares",
                                   .doc = "Its share among all projects, with `placement.fair_share_half_life_s`.",
                                   .example = "3",
                                   .unit = "shares",
                                   .min = 1,
                                   .max = 1'000'000}),
      key<&ProjectConfig::home>({.name = "home",
                                 .doc =
                                     "The centre that its people belong to, as sites' `centre` has it: what they use elsewhere "
                                     "that centre takes (`hansa report clearing`).",
                                 .example = "\"csc\"",
                                 .form = &kSchedulerName,
                                 .otherwise = "not told: reports say so"}),
      key<&ProjectConfig::home_country>({.name = "home_country",
                                         .doc = "Of that centre (`hansa report countries`).",
                                         .example = "\"FI\"",
                                         .form = &kCountry,
                                         .otherwise = "not told"}),
      key<&ProjectConfig::funding_body>({.name = "funding_body",
                                         .doc = "Who pays for what it uses (`hansa report funding`).",
                                         .example = "\"EuroHPC JU\"",
                                         .form = &kLabel,
                                         .otherwise = "not told"}),
      key<&ProjectConfig::call>({.name = "call",
                                 .doc = "The call that it was granted in (`hansa report grants`).",
                                 .example = "\"EHPC-REG-2026R01\"",
                                 .form = &kLabel,
                                 .otherwise = "not told"}),
  };
  return kKeys;
}

template <>
std::span<const Key<PlaceFacts>> keys_of() {
  static const Key<PlaceFacts> kKeys[] = {
      key<&PlaceFacts::as_of>({.name = "as_of",
                               .doc = "When the place's operator told or confirmed these facts and `country`; needed with any of "
                                      "them. Most count for 366 days from then, `status` for 30.",
                               .example = "2026-11-01"}),
      key<&PlaceFacts::status_as_of>({.name = "status_as_of",
                                      .doc = "When the membership was confirmed, if not with the other facts.",
                                      .example = "2026-11-20",
                                      .otherwise = "`as_of`"}),
      key<&PlaceFacts::evidence>({.name = "evidence",
                                  .doc = "Where that is written down, for people: a report, a certificate, a contract.",
                                  .example = "\"audit report 2026-114\"",
                                  .form = &kLabel}),
      key<&PlaceFacts::status>({.name = "status",
                                .doc = "Membership in the federation; counts for 30 days.",
                                .example = "\"member\"",
                                .form = &kSiteStatus}),
      key<&PlaceFacts::operator_country>(
          {.name = "operator_country", .doc = "Where the operator is established.", .example = "\"FI\"", .form = &kCountry}),
      key<&PlaceFacts::operator_parent_country>(
          {.name = "operator_parent_country",
           .doc = "The country of whoever controls the operator; the operator's own where nobody else does.",
           .example = "\"FI\"",
           .form = &kCountry}),
      key<&PlaceFacts::labels>({.name = "labels",
                                .doc = "Certificates that are valid; `[]` says that there are none.",
                                .example = "[\"iso-27001\"]",
                                .form = &kSiteLabel}),
      key<&PlaceFacts::secure_processing>(
          {.name = "secure_processing",
           .doc = "Whether it is a secure processing environment in the sense of Regulation (EU) 2025/327.",
           .example = "true"}),
      key<&PlaceFacts::tenant_isolation>({.name = "tenant_isolation",
                                          .doc = "What a job shares with others.",
                                          .example = "\"exclusive-nodes\"",
                                          .form = &kIsolation}),
      key<&PlaceFacts::encryption_at_rest>({.name = "encryption_at_rest",
                                            .doc = "Whether all file systems that a job can write to are encrypted.",
                                            .example = "true"}),
      key<&PlaceFacts::egress>({.name = "egress",
                                .doc = "Control of outgoing data; with `airlock` nothing leaves without review.",
                                .example = "\"logged\"",
                                .form = &kEgress}),
      key<&PlaceFacts::eurohpc>(
          {.name = "eurohpc", .doc = "Whether the EuroHPC Joint Undertaking owns it, wholly or in part.", .example = "false"}),
  };
  return kKeys;
}

template <>
std::span<const Key<ProjectFacts>> keys_of() {
  static const Key<ProjectFacts> kKeys[] = {
      key<&ProjectFacts::as_of>({.name = "as_of",
                                 .doc = "For facts that are copied from another register: when. They count for one day from "
                                        "then, so that a copy that nobody renews stops to count.",
                                 .example = "2026-11-22T06:00:00Z",
                                 .otherwise = "this file is the register"}),
      key<&ProjectFacts::labels>({.name = "labels",
                                  .doc = "What the project works with; `[]` says nothing that restricts.",
                                  .example = "[\"internal\"]",
                                  .form = &kDataLabel}),
      key<&ProjectFacts::purpose>(
          {.name = "purpose", .doc = "As its grant has it.", .example = "\"civilian-research\"", .form = &kPurpose}),
      key<&ProjectFacts::access_mode>({.name = "access_mode",
                                       .doc = "The call under which its time was granted.",
                                       .example = "\"regular\"",
                                       .form = &kAccessMode}),
      key<&ProjectFacts::lead_country>({.name = "lead_country",
                                        .doc = "Of the principal investigator's organisation.",
                                        .example = "\"FI\"",
                                        .form = &kCountry}),
      key<&ProjectFacts::member_countries>({.name = "member_countries",
                                            .doc = "Of all members' organisations.",
                                            .example = "[\"FI\", \"EE\"]",
                                            .form = &kCountry}),
      key<&ProjectFacts::permits>({.name = "permits",
                                   .doc = "Data permits that the project holds; `[]` says that it holds none.",
                                   .example = "[\"FI-0143\"]",
                                   .form = &kPermitId}),
      key<&ProjectFacts::export_licence>({.name = "export_licence",
                                          .doc =
                                              "Whether a licence decision under export control covers it: a person's decision, "
                                              "recorded here.",
                                          .example = "true"}),
      key<&ProjectFacts::export_licence_until>(
          {.name = "export_licence_until", .doc = "When that decision ends.", .example = "2027-06-30"}),
      key<&ProjectFacts::members_cleared>(
          {.name = "members_cleared",
           .doc = "Whether all members are cleared for controlled technology: a person's decision.",
           .example = "true"}),
      key<&ProjectFacts::ai_training>({.name = "ai_training",
                                       .doc = "Whether it trains a model, and of which kind.",
                                       .example = "\"none\"",
                                       .form = &kAiTraining}),
      key<&ProjectFacts::training_petaflop>(
          {.name = "training_petaflop",
           .doc = "Training compute of its model so far, at all sites, in 10^15 floating-point operations.",
           .example = "1000000",
           .unit = "10^15 operations",
           .min = 0,
           .max = 1'000'000'000'000'000}),
      key<&ProjectFacts::commission_notified>({.name = "commission_notified",
                                               .doc = "Whether the Commission has been notified of the model (AI Act, Art. 52).",
                                               .example = "false"}),
  };
  return kKeys;
}

template <>
std::span<const Key<PersonConfig>> keys_of() {
  static const Key<PersonConfig> kKeys[] = {
      key<&PersonConfig::id>({.name = "id",
                              .doc = "A person with a token of this broker.",
                              .example = "\"local:alice\"",
                              .required = true,
                              .form = &kPrincipal}),
      key<&PersonConfig::country>(
          {.name = "country", .doc = "Of the person's home organisation.", .example = "\"FI\"", .form = &kCountry}),
      key<&PersonConfig::assurance>({.name = "assurance",
                                     .doc = "How well the identity was proven (REFEDS Assurance Framework).",
                                     .example = "\"medium\"",
                                     .form = &kAssurance}),
      key<&PersonConfig::affiliation>(
          {.name = "affiliation", .doc = "Kind of the home organisation.", .example = "\"academic\"", .form = &kAffiliation}),
  };
  return kKeys;
}

template <>
std::span<const Key<RootConfig>> keys_of() {
  static const Key<RootConfig> kKeys[] = {
      key<&RootConfig::id>({.name = "id",
                            .doc = "The folder's name in the register of datasets (`hansa data replica add --root`).",
                            .example = "\"scratch\"",
                            .required = true,
                            .form = &kRootName}),
      key<&RootConfig::folder>({.name = "folder",
                                .doc = "Where it is, as the site's jobs see it: `HANSA_DATA_1` begins with it.",
                                .example = "\"/scratch/hansa\"",
                                .required = true,
                                .form = &kAbsolutePath}),
      key<&RootConfig::mover_folder>({.name = "mover_folder",
                                      .doc = "The same as the broker's host sees it or, with `host`, as that host does.",
                                      .example = "\"/mnt/alpha/scratch\"",
                                      .form = &kAbsolutePath,
                                      .otherwise = "`folder`"}),
      key<&RootConfig::host>({.name = "host",
                              .doc = "An SSH server that it lies behind; needs `user`, `key_file` and `known_hosts`.",
                              .example = "\"data.alpha.example.org\"",
                              .form = &kHostName,
                              .otherwise = "mounted on the broker's host"}),
      key<&RootConfig::port>({.name = "port", .doc = "Of that server.", .example = "22", .min = 1, .max = 65'535}),
      key<&RootConfig::user>({.name = "user",
                              .doc = "The account there, which nobody else writes as or beneath (docs/moving-data.md).",
                              .example = "\"hansa-data\"",
                              .form = &kLocalAccount}),
      key<&RootConfig::key_file>({.name = "key_file",
                                  .doc = "Its private key, without a passphrase, readable by the broker's account only.",
                                  .example = "\"/etc/hansa/alpha-data-key\"",
                                  .form = &kFile}),
      key<&RootConfig::known_hosts>({.name = "known_hosts",
                                     .doc = "The server's host keys, all types: no other is taken, and none is learnt.",
                                     .example = "\"/etc/hansa/alpha-known-hosts\"",
                                     .form = &kFile}),
      key<&RootConfig::remote>(
          {.name = "remote",
           .doc = "A remote of rclone's (WebDAV, S3, ...) in `mover.rclone_config` that it lies behind, `mover_folder` being the "
                  "path there: rclone takes datasets from it, and brings none.",
           .example = "\"dcache\"",
           .form = &kRootName}),
      key<&RootConfig::readers>({.name = "readers",
                                 .doc = "Who may read what is put there: the account, its group, or everyone. Behind SSH the "
                                        "server's umask says so.",
                                 .example = "\"group\""}),
      key<&RootConfig::staging>(
          {.name = "staging", .doc = "Whether it is the one folder of the site that copies are brought to.", .example = "true"}),
      key<&RootConfig::lifetime>({.name = "lifetime_s",
                                  .doc = "How long a copy that was brought there counts: less than the site takes to purge it.",
                                  .example = "2592000",
                                  .unit = "seconds",
                                  .min = 1,
                                  .max = 366 * 86'400}),
      key<&RootConfig::quota_mib>({.name = "quota_mib",
                                   .doc = "What may lie there of the register's copies.",
                                   .example = "10485760",
                                   .unit = "MiB",
                                   .min = 1,
                                   .max = std::int64_t{1} << 40}),
      key<&RootConfig::quota_files>({.name = "quota_inodes",
                                     .doc = "The same in files; the mover counts folders as well.",
                                     .example = "1000000",
                                     .unit = "inodes",
                                     .min = 1,
                                     .max = std::int64_t{1} << 40}),
  };
  return kKeys;
}

template <>
std::span<const Key<LinkConfig>> keys_of() {
  static const Key<LinkConfig> kKeys[] = {
      key<&LinkConfig::from>({.name = "from",
                              .doc = "A site that datasets may be taken from.",
                              .example = "\"alpha\"",
                              .required = true,
                              .form = &kSiteId}),
      key<&LinkConfig::to>({.name = "to",
                            .doc = "A site that they may be brought to: it needs a root with `staging = true`.",
                            .example = "\"beta\"",
                            .required = true,
                            .form = &kSiteId}),
      key<&LinkConfig::tool>({.name = "tool",
                              .doc = "What copies: rclone goes on with the next file after a cut, rsync within one, but not "
                                     "between two ends behind SSH; or a program of your own (docs/moving-data.md).",
                              .example = "\"rsync\""}),
      key<&LinkConfig::program>({.name = "program",
                                 .doc = "Of your own, with `tool = \"plugin\"`.",
                                 .example = "\"/usr/local/lib/hansa/move-by-fts\"",
                                 .form = &kAbsolutePath}),
      key<&LinkConfig::expected_kib>({.name = "expected_kib_per_second",
                                      .doc = "How fast it is believed to be until it has been measured.",
                                      .example = "102400",
                                      .unit = "KiB",
                                      .min = 1,
                                      .max = std::int64_t{1} << 30}),
      key<&LinkConfig::most_kib>({.name = "most_kib_per_second",
                                  .doc = "How fast one transfer may be; 0: as fast as it goes.",
                                  .example = "0",
                                  .unit = "KiB",
                                  .min = 0,
                                  .max = std::int64_t{1} << 30}),
  };
  return kKeys;
}

template <>
std::span<const Key<TransferJobConfig>> keys_of() {
  static const Key<TransferJobConfig> kKeys[] = {
      key<&TransferJobConfig::site>({.name = "site",
                                     .doc = "The end of the link whose jobs copy.",
                                     .example = "\"beta\"",
                                     .form = &kSiteId,
                                     .otherwise = "the link's `to`"}),
      key<&TransferJobConfig::queue>({.name = "queue",
                                      .doc = "Its queue for transfers, as the site's scheduler calls it.",
                                      .example = "\"transfer\"",
                                      .required = true,
                                      .form = &kSchedulerName}),
      key<&TransferJobConfig::account>(
          {.name = "account",
           .doc = "The account there that these jobs run as, with `run_as = \"switch\"`, `\"token\"` or "
                  "`\"certificate\"`: one that nobody else writes as or beneath (docs/moving-data.md).",
           .example = "\"hansa-data\"",
           .form = &kLocalAccount}),
      key<&TransferJobConfig::scheduler_account>({.name = "scheduler_account",
                                                  .doc = "What the site's scheduler charges them to.",
                                                  .example = "\"data\"",
                                                  .form = &kSchedulerName,
                                                  .otherwise = "the account's default"}),
      key<&TransferJobConfig::time_limit>({.name = "time_limit_s",
                                           .doc = "Wall time of one job; what it did not finish, the next one goes on with.",
                                           .example = "14400",
                                           .unit = "seconds",
                                           .min = 60,
                                           .max = 30 * 86'400}),
      key<&TransferJobConfig::program>({.name = "program",
                                        .doc = "`hansa-move-run` where the site's jobs find it.",
                                        .example = "\"/opt/hansa/bin/hansa-move-run\"",
                                        .form = &kAbsolutePath,
                                        .otherwise = "as on the broker's host, beside `hansad`"}),
  };
  return kKeys;
}

template <>
std::span<const Key<AcceleratorConfig>> keys_of() {
  static const Key<AcceleratorConfig> kKeys[] = {
      key<&AcceleratorConfig::id>({.name = "id",
                                   .doc = "A model of GPU, as sites call it and jobs ask for it (`gpu_model`).",
                                   .example = "\"a100\"",
                                   .required = true,
                                   .form = &kSchedulerName}),
      key<&AcceleratorConfig::teraflops>({.name = "teraflops",
                                          .doc = "Its peak rate in the precision that models are trained in, in 10^12 "
                                                 "floating-point operations a second.",
                                          .example = "312",
                                          .required = true,
                                          .min = 1,
                                          .max = 1'000'000}),
  };
  return kKeys;
}

template <>
std::span<const Key<MoverConfig>> keys_of() {
  static const Key<MoverConfig> kKeys[] = {
      key<&MoverConfig::rclone>(
          {.name = "rclone", .doc = "The program, 1.60 or later.", .example = "\"/usr/bin/rclone\"", .form = &kAbsolutePath}),
      key<&MoverConfig::rclone_config>(
          {.name = "rclone_config",
           .doc = "Its configuration, with the remotes that roots name and what opens them: for the broker's "
                  "account alone (0600).",
           .example = "\"/etc/hansa/rclone.conf\"",
           .form = &kAbsolutePath,
           .otherwise = "none"}),
      key<&MoverConfig::rsync>(
          {.name = "rsync", .doc = "The program, 3.2 or later.", .example = "\"/usr/bin/rsync\"", .form = &kAbsolutePath}),
  };
  return kKeys;
}

template <>
std::span<const Key<RetentionConfig>> keys_of() {
  static const Key<RetentionConfig> kKeys[] = {
      key<&RetentionConfig::payloads_days>({.name = "payloads_days",
                                            .doc = "How long a job's script, arguments and environment are kept after its end.",
                                            .example = "30",
                                            .unit = "days",
                                            .min = 0,
                                            .max = 36'500}),
      key<&RetentionConfig::requests_days>(
          {.name = "requests_days",
           .doc = "How long a client's idempotency key is known: a request that is repeated later is a new one.",
           .example = "7",
           .unit = "days",
           .min = 0,
           .max = 36'500}),
      key<&RetentionConfig::decision_inputs_days>({.name = "decision_inputs_days",
                                                   .doc = "How long what a decision was taken from is kept; its verdicts stay.",
                                                   .example = "30",
                                                   .unit = "days",
                                                   .min = 0,
                                                   .max = 36'500}),
      key<&RetentionConfig::jobs_days>({.name = "jobs_days",
                                        .doc = "How long it is known after a job's end whose it was; then it is nobody's.",
                                        .example = "548",
                                        .unit = "days",
                                        .min = 0,
                                        .max = 36'500}),
      key<&RetentionConfig::usage_persons_days>(
          {.name = "usage_persons_days",
           .doc = "How long it is known after a run's end whose usage it was; the funder's rule may want longer.",
           .example = "548",
           .unit = "days",
           .min = 0,
           .max = 36'500}),
      key<&RetentionConfig::tokens_days>({.name = "tokens_days",
                                          .doc = "How long a token is listed after its revocation or expiry.",
                                          .example = "30",
                                          .unit = "days",
                                          .min = 0,
                                          .max = 36'500}),
      key<&RetentionConfig::sessions_days>(
          {.name = "sessions_days",
           .doc = "How long sessions of people's own agents are known after their end, with the address they came from.",
           .example = "90",
           .unit = "days",
           .min = 0,
           .max = 36'500}),
      key<&RetentionConfig::changes_days>({.name = "changes_days",
                                           .doc = "How long it is known who changed or approved something.",
                                           .example = "2190",
                                           .unit = "days",
                                           .min = 0,
                                           .max = 36'500}),
      key<&RetentionConfig::accesses_days>({.name = "accesses_days",
                                            .doc = "How long it is known who read whose data.",
                                            .example = "548",
                                            .unit = "days",
                                            .min = 0,
                                            .max = 36'500}),
      key<&RetentionConfig::logs_days>(
          {.name = "logs_days",
           .doc = "How long the host keeps the broker's log: told in the record of processing, done by the host.",
           .example = "30",
           .unit = "days",
           .min = 0,
           .max = 36'500}),
      key<&RetentionConfig::backups_days>(
          {.name = "backups_days",
           .doc =
               "How long copies of the database are kept: those that the broker puts aside before a schema step or a restore it "
               "deletes then (0: never); of all others the operator does, and the record of processing tells it.",
           .example = "35",
           .unit = "days",
           .min = 0,
           .max = 36'500}),
  };
  return kKeys;
}

template <>
std::span<const Key<PrivacyConfig>> keys_of() {
  static const Key<PrivacyConfig> kKeys[] = {
      key<&PrivacyConfig::controller>({.name = "controller",
                                       .doc = "Who decides why and how this broker handles people's data: name and address.",
                                       .example = "\"CSC - IT Center for Science, P.O. Box 405, FI-02101 Espoo\"",
                                       .form = &kLabel,
                                       .otherwise = "the record of processing says that it is missing"}),
      key<&PrivacyConfig::processor>({.name = "processor",
                                      .doc = "Who runs the broker for the controller, if that is somebody else.",
                                      .example = "\"Example Hosting Oy, Espoo\"",
                                      .form = &kLabel,
                                      .otherwise = "the controller runs it"}),
      key<&PrivacyConfig::contact>({.name = "contact",
                                    .doc = "Whom people write to about their data: the data protection officer.",
                                    .example = "\"privacy@example.org\"",
                                    .form = &kLabel,
                                    .otherwise = "the record of processing says that it is missing"}),
      key<&PrivacyConfig::legal_basis>({.name = "legal_basis",
                                        .doc = "On what the handling rests, as the controller has settled it.",
                                        .example = "\"Regulation (EU) 2018/1725, Article 5(1)(a)\"",
                                        .form = &kLabel,
                                        .otherwise = "the record of processing says that it is missing"}),
  };
  return kKeys;
}

template <>
std::span<const Key<CodeConfig>> keys_of() {
  static const Key<CodeConfig> kKeys[] = {
      key<&CodeConfig::most_mib>(
          {.name = "most_mib", .doc = "How long one archive may be.", .example = "64", .unit = "MiB", .min = 1, .max = 1024}),
      key<&CodeConfig::quota_mib>(
          {.name = "quota_mib",
           .doc = "What is kept of one person's. To make room, what no job needs goes, the longest unused first.",
           .example = "1024",
           .unit = "MiB",
           .min = 1,
           .max = std::int64_t{1} << 30}),
      key<&CodeConfig::keep>({.name = "keep_s",
                              .doc = "How long what no job needs is kept after its last use: until then nobody sends it again.",
                              .example = "2592000",
                              .unit = "seconds",
                              .min = 3'600,
                              .max = 366 * 86'400}),
  };
  return kKeys;
}

template <>
std::span<const Key<BreakGlassConfig>> keys_of() {
  static const Key<BreakGlassConfig> kKeys[] = {
      key<&BreakGlassConfig::longest>({.name = "longest_s",
                                       .doc = "How long, from its approval on, anything may be opened at most.",
                                       .example = "28800",
                                       .unit = "seconds",
                                       .min = 60,
                                       .max = 86'400}),
  };
  return kKeys;
}

template <>
std::span<const Key<RulesConfig>> keys_of() {
  static const Key<RulesConfig> kKeys[] = {
      key<&RulesConfig::packs>({.name = "packs",
                                .doc = "The packs in force, all together; read again on SIGHUP. Without any no rule is in force, "
                                       "and jobs that name datasets go nowhere.",
                                .example = "[\"open-science\", \"/etc/hansa/packs/own.toml\"]",
                                .form = &kRulePack}),
      key<&RulesConfig::pack_dir>({.name = "pack_dir",
                                   .doc = "The folder of the packs that are called by name.",
                                   .example = "\"/etc/hansa/packs\"",
                                   .form = &kAbsolutePath,
                                   .otherwise = "`../share/hansa/packs` from `hansad`"}),
  };
  return kKeys;
}

template <>
std::span<const Key<ClientSettings>> keys_of() {
  static const Key<ClientSettings> kKeys[] = {
      key<&ClientSettings::url>({.name = "url",
                                 .doc = "The broker; `--url` and `HANSA_URL` come before it.",
                                 .example = "\"https://hansa.example.org\"",
                                 .form = &kBrokerUrl,
                                 .otherwise = "`http://127.0.0.1:7717`"}),
      key<&ClientSettings::token_file>(
          {.name = "token_file",
           .doc = "The file with your token, readable by you alone; `--token-file` and `HANSA_TOKEN_FILE` come before it.",
           .example = "\"~/.config/hansa/token\"",
           .form = &kHomeFile,
           .otherwise = "no token"}),
      key<&ClientSettings::ca_file>({.name = "ca_file",
                                     .doc = "Certificates that sign the broker's, PEM; `--ca-file` comes before it.",
                                     .example = "\"/etc/hansa/ca.pem\"",
                                     .form = &kHomeFile,
                                     .otherwise = "the system's certificates"}),
      key<&ClientSettings::project>({.name = "project",
                                     .doc = "The project that jobs are charged to; `--project` comes before it.",
                                     .example = "\"ai-lab\"",
                                     .form = &kProjectId,
                                     .otherwise = "your only project, if you have one"}),
      key<&ClientSettings::oidc_issuer>(
          {.name = "oidc_issuer",
           .doc = "Of whose tokens oidc-agent (`OIDC_SOCK`) is asked for one, for the broker of `url` "
                  "alone; its operator tells you.",
           .example = "\"https://aai.egi.eu/auth/realms/egi\"",
           .form = &kIssuerUrl,
           .otherwise = "that of your last login at this broker; without one the agent is not asked"}),
      key<&ClientSettings::oidc_audience>({.name = "oidc_audience",
                                           .doc = "Whom that token is for; it counts with `oidc_issuer` alone.",
                                           .example = "\"https://hansa.example.org\"",
                                           .form = &kTokenWord,
                                           .otherwise = "as `oidc_issuer`"}),
  };
  return kKeys;
}

std::string allowed_values(const Record& record) {
  std::string text;
  switch (record.type) {
    case Type::text: return std::string(record.form->allowed);
    case Type::integer:
      text = "an integer from " + std::to_string(record.min) + " to " + std::to_string(record.max);
      return record.unit.empty() ? text : text + " (" + std::string(record.unit) + ")";
    case Type::boolean: return "true or false";
    case Type::date: return "a date, with or without a time";
    case Type::choice:
      for (const auto choice : record.choices) text += (text.empty() ? "one of \"" : ", \"") + std::string(choice) + '"';
      return text;
    case Type::list: return "a list, each element " + std::string(record.form->allowed);
    case Type::map:
      return "a table, each key " + std::string(record.key_form->allowed) + ", each value " + std::string(record.form->allowed);
  }
  return text;
}

std::vector<Section> broker_sections() {
  return {
      section<BrokerSection>("[broker]", "The broker itself."),
      section<LogConfig>("[broker.log]", "What it logs, on standard error."),
      section<PlaceFacts>("[broker.facts]",
                          "What rules may ask of the broker itself: it is where a script lies before it has a site."),
      section<ApiConfig>("[api]", "The REST API."),
      section<ApiLimits>("[api.limits]", "What a client may take of it."),
      section<AgentsConfig>("[agents]",
                            "Where sites' agents come in that connect to the broker by themselves (`remote.agent`). Without this "
                            "table none does."),
      section<StoreConfig>("[store]", "Where jobs, events and usage are kept."),
      section<EngineConfig>("[engine]", "The loops and the submission protocol. The defaults suit a centre; tests set them low."),
      section<PlacementConfig>(
          "[placement]",
          "When a job is bound to a site, and when it is moved to another. The defaults are the measured ones "
          "(docs/adr/0010 and 0017)."),
      section<LedgerConfig>("[ledger]", "How the ledger is held against sites' own accounting (docs/ledger.md)."),
      section<RulesConfig>("[rules]", "Which rule packs are in force (docs/policies)."),
      section<SiteConfig>("[[site]]", "One block for each site."),
      section<PlaceFacts>(
          "[site.facts]",
          "What rules may ask of the site, as its operator told it. A fact that is not told, or that was told too "
          "long ago, is missing, and a rule that asks for it denies. Read again on SIGHUP. What the broker's register says of "
          "one (`hansa facts`) takes its place."),
      section<ProfileConfig>(
          "[site.profile]",
          "What the site's machines are, and what its jobs can run in (docs/using-hansa.md, \"One job for two "
          "kinds of machine\"). A site behind `hansa-agent` has it in the agent's file, which counts there, and "
          "here, where the broker chooses sites by it."),
      section<EnergyConfig>(
          "[site.energy]",
          "What its operator states of the site's energy, for `hansa report energy`. Recorded with each run that is "
          "booked: a later change changes nothing of before."),
      section<QosConfig>("[[site.qos]]", "One block for each quality of service that jobs at a Slurm site are given."),
      section<ChargeConfig>("[[site.charge]]",
                            "One block for each rule by which a job is charged, for `allocation = \"budget\"` and "
                            "`\"opportunistic\"` (docs/allocations.md)."),
      section<ApelConfig>(
          "[site.apel]",
          "What the site is called in APEL, for `hansa report apel` (docs/exchange-formats.md). Often written in "
          "one line: `apel = { site = \"...\", submit_host = \"...\", cpu_duration = \"allocated\", service_level = { ... } }`."),
      section<WaldurConfig>("[site.waldur]",
                            "What the site's projects are in Waldur, for `hansa report waldur` (docs/exchange-formats.md)."),
      section<BudgetConfig>("[site.budget]",
                            "What the site lets the broker ask of it, over all users together. Often written in one line: "
                            "`budget = { queries_per_minute = 10, waiting_jobs = 50 }`."),
      section<SlurmConfig>("[site.slurm]", "For `connector = \"slurm\"` only. Often written with dots: `slurm.conf = \"...\"`."),
      section<SlurmrestConfig>("[site.slurmrest]",
                               "For `connector = \"slurmrest\"` only. Often written with dots: `slurmrest.url = \"...\"`."),
      section<PbsConfig>("[site.pbs]", "For `connector = \"pbs\"` only. Often written with dots: `pbs.server = \"...\"`."),
      section<LocalConfig>("[site.local]", "For `connector = \"local\"` only."),
      section<ModelConfig>("[site.model]", "For `connector = \"model\"` only."),
      section<RemoteConfig>("[site.remote]",
                            "For `connector = \"remote\"` only (docs/connector-protocol.md). Often written with dots: "
                            "`remote.command = [...]`."),
      section<SshConfig>("[site.remote.ssh]",
                         "The way to a site's `hansa-agent` by OpenSSH. Often written in one line: "
                         "`remote.ssh = { host = \"...\", user = \"...\", known_hosts = \"...\", identity = \"...\" }`."),
      section<CertificatesConfig>(
          "[site.remote.ssh.certificates]",
          "With `run_as = \"certificate\"`: each person logs in with a short-lived certificate. Pairs of keys "
          "are the broker's, made anew for each certificate, in memory only (docs/running-a-broker.md)."),
      section<PeopleConfig>("[site.remote.people]",
                            "With `run_as = \"person\"`: the site is served by agents that its people start there by their own "
                            "logins, each of them "
                            "that person alone (docs/running-a-broker.md). Often written in one line: "
                            "`remote.people = { login = \"...\", terms = \"allowed\" }`."),
      section<RootConfig>("[[site.root]]",
                          "One block for each folder of the site that holds datasets (docs/moving-data.md). Jobs find those "
                          "they name in `HANSA_DATA_1`, `HANSA_DATA_2`, ..., in the order in which they name them."),
      section<LinkConfig>("[[link]]",
                          "One block for each direction between two sites in which datasets may be brought to where jobs wait "
                          "for them."),
      section<TransferJobConfig>("[link.job]",
                                 "With it the link's copying is done by jobs in a queue of one of its two sites, not on the "
                                 "broker's host (docs/moving-data.md). Often written in one line: "
                                 "`job = { queue = \"transfer\", account = \"hansa-data\" }`."),
      section<CodeConfig>("[code]", "The code that people bring for their jobs (`hansa submit --code`), in `state_dir/code`."),
      section<BreakGlassConfig>(
          "[break_glass]",
          "What is a job's owner's alone is opened to an operator in an incident, by a second one's word and "
          "for a time (`hansa break-glass`, docs/identity.md)."),
      section<PrivacyConfig>("[privacy]", "Who answers for people's data: what `hansa privacy record` says (docs/privacy.md)."),
      section<RetentionConfig>(
          "[privacy.retention]",
          "How long what the broker holds of people is kept (docs/privacy.md has what, where and why). 0: it stays."),
      section<MoverConfig>("[mover]", "The programs that copy, on the broker's host."),
      section<AcceleratorConfig>("[[accelerator]]",
                                 "One block for each model of GPU. Where there is any, `project.training_petaflop` is what the "
                                 "project's facts say of elsewhere, and what its jobs have used and may use through this broker "
                                 "(docs/policies/ai-act-compute.md). A job that names no model, or another, counts by the "
                                 "fastest."),
      section<ProjectConfig>("[[project]]", "One block for each project."),
      section<ProjectFacts>("[project.facts]",
                            "What rules may ask of the project. Read again on SIGHUP. What the broker's register says of one "
                            "(`hansa facts`) takes its place."),
      section<IssuerConfig>(
          "[[issuer]]",
          "One block for each issuer whose access tokens are taken (docs/identity.md). A person is an issuer and a "
          "subject there, `egi:28c5353b@egi.eu`."),
      section<PersonConfig>("[[person]]",
                            "One block for each person of whom rules may ask more than the name. Read again on SIGHUP. What the "
                            "broker's register says of one (`hansa facts`) takes its place."),
  };
}

std::vector<Section> agent_sections() {
  return {
      section<AgentSection>("[agent]", "The site's end of the connector protocol."),
      section<AgentProjectConfig>(
          "[[project]]",
          "One block for each project of which the site knows something itself, in `[project.facts]` with "
          "the keys above. What stands there takes the place of what a broker tells."),
  };
}

std::vector<Section> client_sections() {
  return {
      section<ClientSettings>("", "The settings of the `hansa` command, in `~/.config/hansa/config.toml`, without any table.")};
}

}  // namespace hansa::config
