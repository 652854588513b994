// SPDX-License-Identifier: Apache-2.0
#include "broker/app/application.hpp"

#include "broker/api/routes.hpp"
#include "broker/app/accounting.hpp"
#include "broker/app/agents.hpp"
#include "broker/app/connectors.hpp"
#include "broker/app/data_ways.hpp"
#include "broker/app/exchange_sites.hpp"
#include "broker/app/figures.hpp"
#include "broker/app/issuers.hpp"
#include "broker/app/ledger_key.hpp"
#include "broker/app/protection.hpp"
#include "broker/app/regulations.hpp"
#include "broker/app/secrets_key.hpp"
#include "broker/app/serving.hpp"
#include "broker/app/signals.hpp"
#include "broker/app/spd_log.hpp"
#include "broker/app/state_folder.hpp"
#include "broker/app/version.hpp"
#include "broker/async/real_scheduler.hpp"
#include "broker/async/run_on.hpp"
#include "broker/async/task.hpp"
#include "broker/engine/daybook.hpp"
#include "broker/engine/secret_vault.hpp"
#include "broker/http/server.hpp"
#include "broker/identity/account_directory.hpp"
#include "broker/identity/outward_calls.hpp"
#include "broker/store/code_folder.hpp"
#include "broker/store/old_copies.hpp"
#include "broker/store/sqlite_store.hpp"
#include "config/accounts.hpp"
#include "connectors/assembly/regulations.hpp"
#include "policies/rules/check.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <optional>
#include <thread>

namespace hansa::app {
namespace {

constexpr int kCheckpointPages = 12'000;  // of the log, 47 MiB: commits wait while it is copied, so that is done seldom

ports::LogLevel level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::debug: return ports::LogLevel::debug;
    case config::LogLevel::info: return ports::LogLevel::info;
    case config::LogLevel::warning: return ports::LogLevel::warning;
    case config::LogLevel::error: return ports::LogLevel::error;
  }
  return ports::LogLevel::info;
}

int exit_status(const Error& error) {
  if (error.code == "STATE_LOCKED") return kExitAlreadyRunning;
  if (error.code == "BAD_SITE" || error.code == "BAD_ISSUER") return kExitConfiguration;
  return kExitStorage;
}

int complain(const Error& error, int status) {
  std::fprintf(stderr, "hansad: %s\n", error.message.c_str());
  for (const auto& fault : error.faults) std::fprintf(stderr, "  %s: %s\n", fault.where.c_str(), fault.message.c_str());
  if (!error.detail.empty()) std::fprintf(stderr, "  (%s)\n", error.detail.c_str());
  return status;
}

/// Linux's number of this boot (random(4)). Without it each start counts as one, and waits out its sites' budgets of a minute.
std::string boot_of_this_machine(UlidSource& ids) {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return boot.empty() ? ids.next().str() : boot;
}

std::string listen_remedy(const Error& error) {
  return error.code == "TLS_FILES" ? "; see api.tls_certificate and api.tls_key, which the broker's account must be able to read"
                                   : "; change api.listen, or what is in its way";
}

/// The engine's strand: a context that one thread runs, from start() on. On its way out it runs what is left.
class Strand {
 public:
  Strand() : guard_(boost::asio::make_work_guard(context_)) {}
  ~Strand() {
    guard_.reset();
    if (thread_.joinable()) thread_.join();
  }
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  void start() {
    thread_ = std::thread([this] { context_.run(); });
  }

  boost::asio::any_io_executor executor() { return context_.get_executor(); }

  /// Runs a task on the strand and blocks the calling thread until its end.
  Result<void> run(async::Task<> task) {
    return boost::asio::co_spawn(context_, async::without_exceptions(std::move(task)), boost::asio::use_future).get();
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
};

engine::EngineOptions engine_options(const config::BrokerConfig& broker, std::string broker_id, std::int64_t epoch) {
  const auto& config = broker.engine;
  const auto& placement = broker.placement;
  std::map<std::string, std::int64_t> teraflops;
  for (const auto& accelerator : broker.accelerators) teraflops.emplace(accelerator.id, accelerator.teraflops);
  std::map<ProjectId, std::int64_t> shares;
  for (const auto& project : broker.projects) shares.emplace(project.id, project.shares);
  return {.broker_id = std::move(broker_id),
          .epoch = epoch,
          .status_interval = config.status_interval,
          .snapshot_interval = config.snapshot_interval,
          .usage_interval = config.usage_interval,
          .balance_interval = config.balance_interval,
          .snapshot_freshness = config.snapshot_max_age,
          .call_timeout = config.call_timeout,
          .submit_timeout = config.submit_timeout,
          .visibility_window = config.visibility_window,
          .second_look_after = config.second_look_after,
          .clock_skew = config.clock_skew,
          .first_poll_after = config.first_poll_after,
          .transfer_interval = config.transfer_interval,
          .transfer_linger = config.transfer_linger,
          .breaker_failures = static_cast<std::int32_t>(config.breaker_failures),
          .first_probe_after = config.first_probe_after,
          .longest_probe_after = config.longest_probe_after,
          .max_sends = static_cast<std::int32_t>(config.max_sends),
          .max_attempts = static_cast<std::int32_t>(config.max_attempts),
          .place_percent = static_cast<std::int32_t>(placement.place_percent),
          .place_after = placement.place_after,
          .move_gain = placement.move_gain,
          .moves_per_thousand = placement.moves ? static_cast<std::int32_t>(placement.moves_per_thousand) : 0,
          .fair_share_half_life = placement.fair_share_half_life,
          .gpu_as_cores = placement.gpu_as_cores,
          .shares = std::move(shares),
          .active_jobs = static_cast<std::size_t>(config.active_jobs),
          .teraflops = std::move(teraflops)};
}

identity::AccountDirectory account_directory(const config::BrokerConfig& config, ports::Log& log) {
  std::vector<identity::SiteAccounts> sites;
  for (const auto& site : config.sites) {
    sites.push_back({.site = site.id,
                     .accounts = site.accounts,
                     .own_account = site.run_as == config::RunAs::self || site.run_as == config::RunAs::agent ||
                                    site.run_as == config::RunAs::by_person,
                     .file = site.accounts_file});
  }
  std::vector<identity::ProjectMembers> projects;
  for (const auto& project : config.projects) projects.push_back({project.id, project.members, project.leads});
  return {std::move(sites), std::move(projects), config::load_accounts, [&log](const SiteId& site, const Error& error) {
            log.write(ports::LogLevel::error, "accounts file cannot be read; the last good one stays in force",
                      {{"site", site.str()}, {"code", error.code}, {"error", config::describe_errors(error)}});
          }};
}

std::vector<std::string> site_ids(const config::BrokerConfig& config) {
  std::vector<std::string> ids;
  for (const auto& site : config.sites) ids.push_back(site.id.str());
  return ids;
}

/// A ledger that cannot be signed is still written: jobs go on, and what they use is booked.
void open_ledger(const Result<void>& opened, ports::Log& log) {
  if (opened) return;
  log.write(ports::LogLevel::error, "the ledger cannot be signed",
            {{"code", opened.error().code}, {"error", opened.error().message}});
}

/// Those by which sites sign.
Result<std::map<SiteId, ledger::Verifier>> ledger_keys_of_sites(const config::BrokerConfig& config) {
  std::map<SiteId, ledger::Verifier> keys;
  for (const auto& site : config.sites) {
    if (!site.ledger_key) continue;
    auto key = witness_key("site " + site.id.str() + ", ledger_key", *site.ledger_key);
    if (!key) return std::unexpected(std::move(key.error()));
    keys.emplace(site.id, std::move(*key));
  }
  return keys;
}

engine::Reconciliations::Options reconciliation_options(const config::BrokerConfig& config) {
  constexpr Seconds kPbsRounds{1};  // its history and its log tell times that are a second apart
  engine::Reconciliations::Options options{.sites = {},
                                           .interval = config.ledger.reconcile_interval,
                                           .apart = config.ledger.reconciled_apart,
                                           .settling = std::chrono::ceil<Seconds>(2 * config.engine.usage_interval)};
  for (const auto& site : config.sites)
    options.sites.emplace(site.id, site.connector == config::Connector::pbs ? kPbsRounds : Seconds{0});
  return options;
}

engine::Periods::Options period_options(const config::BrokerConfig& config, std::map<SiteId, ledger::Verifier> keys) {
  engine::Periods::Options options{.sites = {}, .keys = std::move(keys), .apart = config.ledger.reconciled_apart};
  for (const auto& site : config.sites) options.sites.push_back(site.id);
  return options;
}

using Vouching = std::function<engine::RegisterFacts(const Principal&)>;

/// What is in force is said whenever it comes into force.
void regulate(engine::Engine& engine, engine::Daybook& daybook, engine::Regulations regulations, const Vouching& vouched,
              UtcTime now, ports::Log& log) {
  regulations.vouched = vouched;
  daybook.policy_in_force(regulations.rules ? regulations.rules->hash() : "");
  if (regulations.rules) {
    log.write(ports::LogLevel::info, "rules are in force",
              {{"packs", connectors::assembly::packs_in(*regulations.rules)}, {"policy_hash", regulations.rules->hash()}});
    for (const auto& [place, what] : rules::ended(regulations.rules->packs(), now))
      log.write(ports::LogLevel::warning, "a rule in force needs its owner", {{"place", place}, {"detail", what}});
  } else {
    log.write(ports::LogLevel::info,
              "no rule is in force: jobs go by room and accounts alone, and jobs that name datasets nowhere", {});
  }
  engine.regulate(std::move(regulations));
}

/// Of a file with any fault nothing is taken: what was in force stays.
void reload_regulations(engine::Engine& engine, engine::Daybook& daybook, const Start& start, const Vouching& vouched,
                        UtcTime now, ports::Log& log) {
  const auto config = config::load_broker_config(start.file);
  auto regulations = config ? regulations_of(*config, connectors::assembly::shipped_packs(start.program_folder))
                            : Result<engine::Regulations>(std::unexpected(config.error()));
  if (regulations) return regulate(engine, daybook, std::move(*regulations), vouched, now, log);
  log.write(ports::LogLevel::error, "rules and facts stay as they were",
            {{"code", regulations.error().code}, {"error", config::describe_errors(regulations.error())}});
}

/// Without its key everything else goes on: jobs that name secrets are held.
async::Task<> open_secrets(engine::SecretVault* vault, std::filesystem::path file, Random* random, ports::Log* log) {
  const auto any = co_await vault->store().sealed_by_others("", 1);
  if (!any) co_return std::unexpected(any.error());
  auto keys = secrets_keys(file, !any->empty(), *random);
  if (!keys) {
    log->write(ports::LogLevel::error, "people's secrets cannot be opened",
               {{"code", keys.error().code}, {"error", keys.error().message}});
    vault->use(std::move(keys));
    co_return Result<void>{};
  }
  const auto newest = keys->newest().id();
  vault->use(std::move(keys));
  const auto done = co_await vault->reseal();
  if (!done) co_return std::unexpected(done.error());
  if (done->sealed > 0)
    log->write(ports::LogLevel::info, "people's secrets are sealed with the newest key",
               {{"key", newest}, {"secrets", std::to_string(done->sealed)}});
  if (done->lost > 0)
    log->write(ports::LogLevel::error,
               "secrets of people open with no key that is here; put the key's line back, or have them put again",
               {{"secrets", std::to_string(done->lost)}, {"file", file.string()}});
  co_return Result<void>{};
}

async::Task<std::optional<Principal>> owner_of(ports::JobStore* jobs, JobId id) {
  const auto job = co_await jobs->job(id);
  if (job) co_return job->owner;
  if (job.error().kind == ErrorKind::not_found) co_return std::nullopt;
  co_return std::unexpected(job.error());
}

}  // namespace

int run(Start start) {
  const auto& config = start.config;
  Signals signals;  // first: threads inherit the blocked ones
  SpdLog log(level_of(config.broker.log.level), config.broker.log.format == config::LogFormat::json);
  async::RealScheduler scheduler;
  async::SystemRandom random;
  UlidSource ids(scheduler, random);
  const auto started_at = scheduler.now_utc();

  store::Options store_options{.state_dir = config.broker.state_dir,
                               .file = config::database_path(config),
                               .broker_id = config.broker.name,
                               .backups = config.broker.state_dir / "backups",
                               .opened_at = started_at,
                               .boot = boot_of_this_machine(ids),
                               .checkpoint_pages = kCheckpointPages,
                               .on_fatal = [&log](const Error& error) {
                                 log.write(ports::LogLevel::error,
                                           "the disk failed under the database; ending before anything wrong is said",
                                           {{"code", error.code}, {"error", error.message}, {"detail", error.detail}});
                                 std::_Exit(kExitStorage);
                               }};
  for (const auto& site : config.sites) {
    store_options.countries.emplace(site.id, site.country);
    store_options.accounting.emplace(site.id, accounting_of(site));
  }
  for (const auto& project : config.projects) store_options.projects.emplace(project.id, accounting_of(project));
  if (auto made = make_state_folder(config.broker.state_dir); !made) return complain(made.error(), kExitStorage);
  auto store = store::SqliteStore::open(std::move(store_options));
  if (!store) return complain(store.error(), exit_status(store.error()));
  const auto epoch = (*store)->begin_epoch();
  if (!epoch) return complain(epoch.error(), kExitStorage);

  auto witnesses = ledger_witnesses(config.broker.witnesses);
  if (!witnesses) return complain(witnesses.error(), kExitConfiguration);
  const auto site_keys = ledger_keys_of_sites(config);
  if (!site_keys) return complain(site_keys.error(), kExitConfiguration);
  for (const auto& [site, key] : *site_keys) {
    if (std::ranges::find(*witnesses, key) == witnesses->end()) witnesses->push_back(key);
  }
  const auto origin = ledger_origin((*store)->broker_id());
  auto keys = ledger_keys(config.broker.state_dir, origin, random);
  if (!keys) return complain(keys.error(), kExitStorage);
  auto issuers = issuers_of(config);
  if (!issuers) return complain(issuers.error(), kExitConfiguration);

  int status = kExitOk;
  {
    Strand strand;
    Strand outside;  // what waits for issuers keeps nobody else waiting
    identity::TokenAuthority tokens(scheduler, random, **store);
    identity::OutwardCalls outward(scheduler);
    identity::Authenticator authenticator({.strand = outside.executor(),
                                           .scheduler = scheduler,
                                           .outward = outward,
                                           .log = log,
                                           .tokens = tokens,
                                           .revocations = **store,
                                           .memberships = **store},
                                          std::move(*issuers),
                                          [&](const std::string& issuer) { return kept_keys(config.broker.state_dir, issuer); });
    const auto configured = account_directory(config, log);
    const identity::FederatedAccounts accounts(configured, authenticator);
    Agents agents(config, scheduler, random, **store, **store, accounts, log);  // before the connectors: they go first
    connectors::assembly::Ground ground{.scheduler = scheduler,
                                        .random = random,
                                        .strand = strand.executor(),
                                        .log = log,
                                        .program_folder = start.program_folder,
                                        .program_name = "hansad " + std::string(kVersion),
                                        .state_dir = config.broker.state_dir,
                                        .switch_socket = config.broker.switch_socket.value_or(""),
                                        .agents = agents.door(),
                                        .owner_of = [jobs = store->get()](JobId id) { return owner_of(jobs, id); }};
    const auto close_connectors = [&] {
      for (const auto& close : ground.closers) (void)strand.run(close());
    };
    std::vector<engine::SiteSetup> sites;
    if (auto built = build_sites(config, ground, sites); !built) {
      strand.start();
      close_connectors();
      return complain(built.error(), exit_status(built.error()));
    }
    store::CodeFolder code({.folder = config.broker.state_dir / "code",
                            .most_bytes = static_cast<std::uint64_t>(config.code.most_mib) << 20,
                            .quota_bytes = static_cast<std::uint64_t>(config.code.quota_mib) << 20,
                            .keep = config.code.keep},
                           scheduler);
    std::vector<ports::PersonalFiles*> personal_files{&code};
    std::vector<SiteId> with_accounts;
    for (const auto& site : sites) {
      with_accounts.push_back(site.site.id);
      if (auto* files = dynamic_cast<ports::PersonalFiles*>(site.connector.get())) personal_files.push_back(files);
    }
    engine::SecretVault vault(**store, scheduler, random);
    DataWays ways(config, scheduler, log, start.program_folder);
    engine::Engine engine({.strand = strand.executor(),
                           .scheduler = scheduler,
                           .ids = ids,
                           .jobs = **store,
                           .usage = **store,
                           .sites = **store,
                           .accounts = accounts,
                           .log = log,
                           .datasets = store->get(),
                           .estimates = store->get(),
                           .transfers = store->get(),
                           .data = ways.setup(),
                           .code = &code,
                           .allocations = store->get(),
                           .secrets = &vault},
                          engine_options(config, (*store)->broker_id(), *epoch), std::move(sites));
    engine::Catalogue catalogue(scheduler, ids, **store, accounts, log, [&engine] { engine.facts_changed(); });
    engine::Notary notary({.origin = origin, .witnesses = *witnesses}, std::move(*keys), **store, scheduler, log);
    engine::Reconciliations reconciliations(reconciliation_options(config), scheduler, ids, engine, **store, **store, log);
    engine::Periods periods(period_options(config, *site_keys), scheduler, ids, notary, **store, **store, **store, log);
    engine::Daybook daybook(strand.executor(), scheduler, **store, periods, log);
    const Vouching vouched = [&authenticator](const Principal& person) { return vouched_for(authenticator.heard_of(person)); };
    regulate(engine, daybook, std::move(start.regulations), vouched, scheduler.now_utc(), log);
    engine::FactRegister facts(scheduler, ids, **store, engine, log);
    engine::AllocationRegister allocations(scheduler, ids, **store, engine, log);
    store::OldCopiesOnDisk copies(config::database_path(config));
    engine::DataProtection protection(
        {.strand = strand.executor(),
         .scheduler = scheduler,
         .ids = ids,
         .store = **store,
         .facts = **store,
         .accounts = configured,  // of people who are shut out, too
         .log = log,
         .sites = std::move(with_accounts),
         .files = std::move(personal_files),
         .copies = &copies,
         .forget_tokens = [&tokens](Principal person) { return tokens.forget(std::move(person)); },
         .forget_ended_tokens = [&tokens](UtcTime before) { tokens.forget_ended(before); },
         .forget_names =
             [&engine, &authenticator](const Principal& person, const domain::Names& names) {
               authenticator.forget(person);
               return async::run_on(engine.executor(), engine.forget(names));
             },
         .amend = [&engine](const std::vector<domain::RegisteredFact>& facts_gone) { engine.amend(facts_gone); }},
        protection_options(config));
    engine::BreakGlassRegister break_glass({.strand = strand.executor(),
                                            .scheduler = scheduler,
                                            .ids = ids,
                                            .store = **store,
                                            .log = log,
                                            .epoch = *epoch,
                                            .longest = config.break_glass.longest});
    RequestFigures requests;
    RequestLog request_log(log, scheduler);
    std::optional<http::Server> server;
    auto open_to_agents = agents.listen();
    api::Api api({.engine = engine,
                  .jobs = **store,
                  .usage = **store,
                  .datasets = **store,
                  .estimates = **store,
                  .decisions = **store,
                  .facts = **store,
                  .ledger = **store,
                  .reports = **store,
                  .usage_lines = **store,
                  .catalogue = catalogue,
                  .fact_register = facts,
                  .allocations = allocations,
                  .notary = notary,
                  .reconciliations = reconciliations,
                  .periods = periods,
                  .tokens = tokens,
                  .authenticator = authenticator,
                  .accounts = accounts,
                  .agents = agents.agent_register(),
                  .person_agents = agents.person_register(),
                  .scheduler = scheduler,
                  .log = log,
                  .more_metrics =
                      [&](metrics::Exposition& page) {
                        requests.write(page);
                        write_server(page, server->load(), server->certificate_ends());
                        write_store(page, (*store)->figures(), config.broker.state_dir);
                        agents.write(page);
                        authenticator.write(page);
                        write_process(page, kVersion, started_at);
                      },
                  .protection = &protection,
                  .privacy = store->get(),
                  .break_glass = &break_glass,
                  .rates = {.of_person = config.api.limits.person_requests_per_minute,
                            .of_network = config.api.limits.network_requests_per_minute,
                            .failures = config.api.limits.network_failures_per_minute,
                            .at_once = config.api.limits.person_requests_at_once},
                  .secrets = &vault},
                 {.name = config.broker.name,
                  .country = config.broker.country,
                  .version = std::string(kVersion),
                  .sites = site_ids(config),
                  .spool_folder = config.broker.state_dir,
                  .agents_address = agents.address(),
                  .agents_key = [&agents] { return agents.key_id(); },
                  .privacy = privacy_facts(config),
                  .exchange = exchange_sites(config)});
    auto options = server_options(config.api, log, [&](const http::ServerEvent& event) {
      requests.count(event);
      request_log.write(event);
    });
    options.refuse_body = [&api](const http::Request& head) { return api.refuse_body(head); };
    server.emplace(std::move(options), [&api](http::Request request) { return api.handle(std::move(request)); });

    strand.start();
    outside.start();
    auto started = server->listen();  // first: a broker that nobody can reach does nothing to sites
    if (!started)
      started.error().message += listen_remedy(started.error());
    else
      started = std::move(open_to_agents);
    const bool reachable = started.has_value();
    if (started) started = api::check_routes(api::routes());
    if (started) started = strand.run(tokens.load());
    if (started) started = strand.run(agents.load());
    if (started) started = outside.run(authenticator.load());
    if (started) started = strand.run(ensure_operator_token(tokens, config.broker.state_dir));
    if (started) open_ledger(strand.run(notary.start()), log);  // before anything is booked
    if (started) started = strand.run(open_secrets(&vault, secrets_key_file(config), &random, &log));
    if (started) started = strand.run(facts.load());            // before anything is decided
    if (started) started = strand.run(engine.start());
    if (started) started = strand.run(protection.start());
    if (started) started = strand.run(break_glass.start());
    if (started) started = strand.run(reconciliations.start());
    if (started) started = strand.run(daybook.start());
    if (started) started = server->start();
    if (started) {
      agents.start();
      (void)outside.run(authenticator.start());
      api.set_ready(true);
      log.write(ports::LogLevel::info, "serving",
                {{"version", std::string(kVersion)},
                 {"address", config::ListenAddress{config.api.listen.host, server->port()}.str()},
                 {"broker", config.broker.name},
                 {"sites", std::to_string(config.sites.size())},
                 {"epoch", std::to_string(*epoch)}});
      auto signal = signals.wait();
      for (; signal == SIGHUP; signal = signals.wait()) {
        reload_certificate(*server, log);
        agents.reload_certificate();
        reload_regulations(engine, daybook, start, vouched, scheduler.now_utc(), log);
      }
      log.write(ports::LogLevel::info, "stopping; a second signal ends at once", {{"signal", std::to_string(signal)}});
      signals.next_stop_ends_at_once();
      api.set_ready(false);
    } else {
      status = complain(started.error(), started.error().kind == ErrorKind::internal ? kExitSoftware
                                         : reachable                                 ? kExitStorage
                                                                                     : kExitUnavailable);
    }
    agents.stop();
    server->stop(status == kExitOk ? config.broker.shutdown_grace : Milliseconds{0});
    (void)strand.run(daybook.stop());
    (void)strand.run(reconciliations.stop());
    (void)strand.run(break_glass.stop());
    (void)strand.run(protection.stop());
    if (auto flushed = strand.run(protection.accesses().flush()); !flushed)
      log.write(ports::LogLevel::error, "who has read whose data of late is lost", {{"error", flushed.error().message}});
    (void)strand.run(engine.stop());
    (void)outside.run(authenticator.close());
    close_connectors();
  }
  if (auto closed = (*store)->close(); !closed) {
    log.write(ports::LogLevel::warning, "the database was not tidied up", {{"error", closed.error().message}});
  }
  log.write(ports::LogLevel::info, "stopped", {});
  return status;
}

}  // namespace hansa::app
