// SPDX-License-Identifier: Apache-2.0
#include "broker/store/agents.hpp"
#include "broker/store/allocations.hpp"
#include "broker/store/backup.hpp"
#include "broker/store/catalogue.hpp"
#include "broker/store/decisions.hpp"
#include "broker/store/estimates.hpp"
#include "broker/store/facts.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/report_functions.hpp"
#include "broker/store/reports.hpp"
#include "broker/store/revocations.hpp"
#include "broker/store/sites.hpp"
#include "broker/store/sqlite_store_impl.hpp"
#include "broker/store/state_folder.hpp"
#include "broker/store/tokens.hpp"
#include "broker/store/transfers.hpp"
#include "broker/store/usage.hpp"

#include <chrono>
#include <future>

namespace hansa::store {
namespace {

constexpr int kWriterCacheKib = 32 * 1024;
constexpr int kReaderCacheKib = 8 * 1024;
constexpr char kReportSettings[] = "PRAGMA temp_store=FILE";  // what is sorted for a report need not fit into memory
constexpr int kLongLog = 10'000;  // pages; a log that may become so long has that length from the start
constexpr std::int64_t kLogPageBytes = 4096 + 24;  // with its header
constexpr std::uintmax_t kLogShareOfDisk = 20;
constexpr char kQuickCheck[] = "PRAGMA quick_check(1)";
constexpr char kFirstRead[] = "SELECT count(*) FROM sqlite_schema";

Error about(const std::string& path, Error error) {
  error.message = path + ": " + error.message;
  return error;
}

Result<void> check_contents(Connection& db, std::uint64_t size, std::uint64_t limit) {
  if (size > limit) return db.execute(kFirstRead), Result<void>{};
  auto answer = db.query(kQuickCheck);
  if (!answer.next() || answer.text(0) != "ok") {
    // The check tells a page that the disk would not give as one that is damaged.
    return fail(ErrorKind::internal, "STORE_CORRUPT",
                "the database is damaged or cannot be read: if the kernel's log shows no failing disk, restore the last backup",
                answer.string(0));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SqliteStore::Impl>> SqliteStore::Impl::open(Options options) {
  std::unique_ptr<Impl> impl(new Impl(std::move(options)));
  const auto& o = impl->options_;
  const bool in_memory = o.file == ":memory:";
  if (in_memory && !o.inline_mode) {
    return fail(ErrorKind::invalid_argument, "STORE_SETTINGS", "a database in memory has one connection: it needs inline_mode");
  }
  const auto path = in_memory ? o.file : o.state_dir / o.file;
  if (!in_memory) {
    std::vector<std::filesystem::path> folders{o.state_dir};
    std::error_code ignored;
    if (!std::filesystem::equivalent(o.state_dir, path.parent_path(), ignored)) folders.push_back(path.parent_path());
    for (const auto& folder : folders) {
      if (auto usable = check_folder(folder); !usable) return std::unexpected(usable.error());
      auto lock = StateLock::take(folder);
      if (!lock) return std::unexpected(lock.error());
      impl->locks_.push_back(std::move(*lock));
    }
    if (auto made = create_private_file(path); !made) return std::unexpected(made.error());
  }
  try {
    if (auto opened = impl->open_file(path.string()); !opened) return std::unexpected(about(path.string(), opened.error()));
  } catch (const SqliteFailure& failure) { return std::unexpected(about(path.string(), failure.error())); }
  return impl;
}

Result<void> SqliteStore::Impl::open_file(const std::string& path) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path, ignored);
  const Connection::Settings settings{
      .path = path, .vfs = options_.vfs, .busy_timeout = options_.busy_timeout, .cache_kib = kWriterCacheKib};
  auto db = std::make_unique<Connection>(settings, Connection::Mode::read_write);
  if (auto set = db->apply_settings(Connection::Mode::read_write); !set) return set;
  if (auto sound = check_contents(*db, ignored ? 0 : size, options_.quick_check_bytes); !sound) return sound;
  db->rewrite_log();
  if (!options_.backups.empty()) {
    if (auto kept = keep_before_migration(*db, options_.backups); !kept) return kept;
  }
  if (options_.inline_mode) add_report_functions(*db);
  if (auto migrated = migrate(*db, migrations(), options_.opened_at); !migrated) return migrated;
  auto broker_id = establish_broker_id(*db, options_.broker_id);
  if (!broker_id) return std::unexpected(broker_id.error());
  broker_id_ = std::move(*broker_id);
  lengthen_log(*db);

  if (!options_.inline_mode) {
    auto lookups = open_readers(settings, options_.lookup_threads);
    if (!lookups) return std::unexpected(lookups.error());
    auto scans = open_readers(settings, options_.scan_threads);
    if (!scans) return std::unexpected(scans.error());
    lookups_ = std::move(*lookups);
    scans_ = std::move(*scans);
    auto reports = open_readers(settings, 1, kReportSettings);
    if (!reports) return std::unexpected(reports.error());
    reports_ = std::move(*reports);
  }
  writer_ = std::make_unique<Writer>(std::move(db), options_);
  return {};
}

/// For speed alone: not on a disk on which it would take much of what is left.
void SqliteStore::Impl::lengthen_log(Connection& db) const {
  if (options_.checkpoint_pages < kLongLog || options_.file == ":memory:") return;
  const auto bytes = kLogPageBytes * options_.checkpoint_pages;
  std::error_code error;
  const auto room = std::filesystem::space((options_.state_dir / options_.file).parent_path(), error).available;
  if (error || room / kLogShareOfDisk < static_cast<std::uintmax_t>(bytes)) return;
  try {
    db.lengthen_log(bytes);
  } catch (const SqliteFailure& failure) {
    if (!failure.is_full()) throw;  // the owner's quota may be smaller
  }
}

Result<std::unique_ptr<Readers>> SqliteStore::Impl::open_readers(const Connection::Settings& settings, std::size_t threads,
                                                                 const char* more_settings) const {
  auto own = settings;
  own.cache_kib = kReaderCacheKib;
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    connections.push_back(std::make_unique<Connection>(own, Connection::Mode::read_only));
    if (auto set = connections.back()->apply_settings(Connection::Mode::read_only); !set) return std::unexpected(set.error());
    add_report_functions(*connections.back());
    if (*more_settings != '\0') connections.back()->run_script(more_settings);
  }
  return std::make_unique<Readers>(std::move(connections), options_.queued_operations);
}

Result<std::int64_t> SqliteStore::Impl::begin_epoch() {
  auto promise = std::make_shared<std::promise<Result<std::int64_t>>>();  // shared: the writer may still be in set_value() when
                                                                          // we have the value
  auto outcome = std::make_shared<Result<std::int64_t>>();
  writer_->submit({.bytes = 64, .run = keeping(outcome, advance_epoch), .settle = [outcome, promise](Result<void> end) {
                     promise->set_value(end ? std::move(*outcome)
                                            : Result<std::int64_t>(std::unexpected(std::move(end.error()))));
                   }});
  return promise->get_future().get();
}

Result<void> SqliteStore::Impl::close() {
  if (lookups_) lookups_->close();
  if (scans_) scans_->close();
  if (reports_) reports_->close();
  auto outcome = writer_->close();  // last: without readers the log can be emptied
  locks_.clear();
  return outcome;
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Options options) {
  auto impl = Impl::open(std::move(options));
  if (!impl) return std::unexpected(std::move(impl.error()));
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*impl)));
}

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() { static_cast<void>(close()); }

Result<std::int64_t> SqliteStore::begin_epoch() { return impl_->begin_epoch(); }
const std::string& SqliteStore::broker_id() const { return impl_->broker_id_; }
Figures SqliteStore::figures() const { return impl_->writer_->figures(); }
Result<void> SqliteStore::close() { return impl_->close(); }

Task<ports::AcceptedJobs> SqliteStore::accept_jobs(std::vector<ports::NewJob> jobs,
                                                   std::optional<ports::Idempotency> idempotency) {
  auto request = prepare_accept(std::move(jobs), std::move(idempotency), impl_->verdicts_);
  if (!request) co_return std::unexpected(std::move(request.error()));
  const auto bytes = request->bytes;
  co_return co_await impl_->write<ports::AcceptedJobs>(
      bytes, [request = std::move(*request)](Connection& db) { return store::accept_jobs(db, request); });
}

Task<std::optional<ports::AcceptedJobs>> SqliteStore::accepted_under(Principal owner, ports::Idempotency idempotency) {
  co_return co_await impl_->write<std::optional<ports::AcceptedJobs>>(
      idempotency.key.size(), [owner = std::move(owner), idempotency = std::move(idempotency)](Connection& db) {
        return store::accepted_under(db, owner, idempotency);
      });
}

Task<> SqliteStore::record(ports::JobChange change) {
  auto request = prepare_record(std::move(change), impl_->verdicts_);
  if (!request) co_return std::unexpected(std::move(request.error()));
  const auto bytes = request->bytes;
  co_return co_await impl_->write<void>(bytes,
                                        [request = std::move(*request)](Connection& db) { return store::record(db, request); });
}

Task<domain::Job> SqliteStore::job(JobId id) {
  co_return co_await impl_->read<domain::Job>(&Impl::lookups_, [id](Connection& db) { return read_job(db, id); });
}

Task<domain::JobPayload> SqliteStore::payload(JobId id) {
  co_return co_await impl_->read<domain::JobPayload>(&Impl::lookups_, [id](Connection& db) { return read_payload(db, id); });
}

Task<std::vector<domain::Job>> SqliteStore::jobs(ports::JobQuery query) {
  co_return co_await impl_->read<std::vector<domain::Job>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_jobs(db, query); });
}

Task<std::vector<domain::Job>> SqliteStore::active_jobs(std::optional<JobId> after, std::size_t limit) {
  co_return co_await impl_->read<std::vector<domain::Job>>(
      &Impl::scans_, [after, limit](Connection& db) { return read_active_jobs(db, after, limit); });
}

Task<std::vector<ports::StoredEvent>> SqliteStore::events(JobId id) {
  co_return co_await impl_->read<std::vector<ports::StoredEvent>>(&Impl::lookups_,
                                                                  [id](Connection& db) { return read_events(db, id); });
}

Task<std::vector<ports::StoredEvent>> SqliteStore::events_after(std::int64_t after, std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::StoredEvent>>(
      &Impl::scans_, [after, limit](Connection& db) { return read_events_after(db, after, limit); });
}

Task<ports::Tally> SqliteStore::tally() {
  co_return co_await impl_->read<ports::Tally>(&Impl::lookups_, [](Connection& db) { return read_tally(db); });
}

Task<std::int64_t> SqliteStore::last_event() {
  co_return co_await impl_->read<std::int64_t>(&Impl::lookups_, [](Connection& db) { return read_last_event(db); });
}

Task<domain::Decision> SqliteStore::decision(JobId id) {
  co_return co_await impl_->read<domain::Decision>(&Impl::lookups_, [id](Connection& db) { return read_decision(db, id); });
}

Task<std::string> SqliteStore::document(std::string hash) {
  co_return co_await impl_->read<std::string>(&Impl::lookups_,
                                              [hash = std::move(hash)](Connection& db) { return read_document(db, hash); });
}

Task<ports::DecisionPage> SqliteStore::decisions(ports::DecisionQuery query) {
  co_return co_await impl_->read<ports::DecisionPage>(&Impl::scans_,
                                                      [query](Connection& db) { return read_decisions(db, query); });
}

std::pair<std::size_t, BookRequest> SqliteStore::Impl::book_request(SiteId site, std::vector<domain::UsageRecord> records,
                                                                    ports::UsageCursor next, UtcTime at) {
  const auto country = options_.countries.find(site);
  const auto told = options_.accounting.find(site);
  std::size_t bytes = 256;
  for (auto& record : records) {
    make_well_formed(record);
    bytes += 1024 + record.source_line.size();
  }
  std::string salts(kSaltBytes * records.size(), '\0');
  random_.fill(std::as_writable_bytes(std::span(salts)));
  return {bytes,
          {.site = std::move(site),
           .country = country == options_.countries.end() ? "" : well_formed(country->second),
           .records = std::move(records),
           .next = std::move(next),
           .at = at,
           .salts = std::move(salts),
           .place = told == options_.accounting.end() ? domain::SiteAccounting{} : told->second,
           .projects = &options_.projects}};
}

Task<std::size_t> SqliteStore::book_usage(SiteId site, std::vector<domain::UsageRecord> records, ports::UsageCursor next,
                                          UtcTime at) {
  auto [bytes, asked] = impl_->book_request(std::move(site), std::move(records), std::move(next), at);
  co_return co_await impl_->write<std::size_t>(
      bytes, [request = std::move(asked)](Connection& db) { return store::book_usage(db, request); });
}

Task<> SqliteStore::report_rows(std::string name, ports::ReportQuery query, ports::RowSink sink) {
  co_return co_await impl_->read<void>(
      &Impl::reports_, [&options = impl_->options_, name = std::move(name), query = std::move(query),
                        sink = std::move(sink)](Connection& db) { return write_report(db, options, name, query, sink); });
}

Task<ports::UsageCursor> SqliteStore::usage_cursor(SiteId site) {
  co_return co_await impl_->read<ports::UsageCursor>(
      &Impl::lookups_, [site = std::move(site)](Connection& db) { return read_usage_cursor(db, site); });
}

Task<std::vector<ports::UsageRow>> SqliteStore::usage_report(ports::UsageQuery query) {
  co_return co_await impl_->read<std::vector<ports::UsageRow>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_usage_report(db, query); });
}

Task<std::vector<domain::UsageRecord>> SqliteStore::usage_of(JobId id) {
  co_return co_await impl_->read<std::vector<domain::UsageRecord>>(&Impl::lookups_,
                                                                   [id](Connection& db) { return read_usage_of(db, id); });
}

Task<ports::GpuUsePage> SqliteStore::gpu_use_after(std::int64_t last) {
  co_return co_await impl_->read<ports::GpuUsePage>(&Impl::scans_,
                                                    [last](Connection& db) { return read_gpu_use_after(db, last); });
}

Task<std::vector<domain::WaitScore>> SqliteStore::recent_waits(SiteId site, std::size_t limit) {
  co_return co_await impl_->read<std::vector<domain::WaitScore>>(
      &Impl::scans_, [site = std::move(site), limit](Connection& db) { return read_recent_waits(db, site, limit); });
}

Task<std::vector<ports::EstimateRow>> SqliteStore::estimate_report(ports::EstimateQuery query) {
  co_return co_await impl_->read<std::vector<ports::EstimateRow>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_estimate_report(db, query); });
}

Task<std::vector<domain::SiteState>> SqliteStore::site_states() {
  co_return co_await impl_->read<std::vector<domain::SiteState>>(&Impl::lookups_,
                                                                 [](Connection& db) { return read_site_states(db); });
}

Task<> SqliteStore::record_site_state(domain::SiteState state) {
  co_return co_await impl_->write<void>(
      512, [state = std::move(state)](Connection& db) { return store::record_site_state(db, state); });
}

Task<> SqliteStore::record_call(ports::SiteCall call) {
  co_return co_await impl_->write<void>(
      64, [call = std::move(call), boot = impl_->options_.boot](Connection& db) { return store::record_call(db, call, boot); });
}

Task<std::vector<ports::SiteCall>> SqliteStore::recent_calls(MonotonicTime now) {
  co_return co_await impl_->write<std::vector<ports::SiteCall>>(
      4096, [now, boot = impl_->options_.boot](Connection& db) { return store::recent_calls(db, now, boot); });
}

Task<> SqliteStore::create_token(ports::ApiToken token) {
  co_return co_await impl_->write<void>(512,
                                        [token = std::move(token)](Connection& db) { return store::create_token(db, token); });
}

Task<ports::ApiToken> SqliteStore::token_by_hash(std::string hash) {
  co_return co_await impl_->read<ports::ApiToken>(
      &Impl::lookups_, [hash = std::move(hash)](Connection& db) { return read_token_by_hash(db, hash); });
}

Task<std::vector<ports::ApiToken>> SqliteStore::tokens() {
  co_return co_await impl_->read<std::vector<ports::ApiToken>>(&Impl::lookups_, [](Connection& db) { return read_tokens(db); });
}

Task<ports::ApiToken> SqliteStore::revoke_token(std::string id, UtcTime at) {
  co_return co_await impl_->write<ports::ApiToken>(
      128, [id = std::move(id), at](Connection& db) { return store::revoke_token(db, id, at); });
}

Task<std::int64_t> SqliteStore::record_revocation(ports::Revocation revocation) {
  co_return co_await impl_->write<std::int64_t>(
      512, [revocation = std::move(revocation)](Connection& db) { return store::record_revocation(db, revocation); });
}

Task<> SqliteStore::lift_revocation(std::int64_t number, Principal by, UtcTime at) {
  co_return co_await impl_->write<void>(
      256, [number, by = std::move(by), at](Connection& db) { return store::lift_revocation(db, number, by, at); });
}

Task<std::vector<ports::Revocation>> SqliteStore::revocations() {
  co_return co_await impl_->read<std::vector<ports::Revocation>>(&Impl::lookups_,
                                                                 [](Connection& db) { return read_revocations(db); });
}

Task<> SqliteStore::keep_membership(ports::Membership membership) {
  co_return co_await impl_->write<void>(
      512, [membership = std::move(membership)](Connection& db) { return store::keep_membership(db, membership); });
}

Task<std::vector<ports::Membership>> SqliteStore::memberships() {
  co_return co_await impl_->read<std::vector<ports::Membership>>(&Impl::lookups_,
                                                                 [](Connection& db) { return read_memberships(db); });
}

Task<std::int64_t> SqliteStore::record_agent_event(ports::AgentEvent event) {
  co_return co_await impl_->write<std::int64_t>(
      512, [event = std::move(event)](Connection& db) { return store::record_agent_event(db, event); });
}

Task<std::vector<ports::AgentEvent>> SqliteStore::agent_events() {
  co_return co_await impl_->read<std::vector<ports::AgentEvent>>(&Impl::lookups_,
                                                                 [](Connection& db) { return read_agent_events(db); });
}

Task<std::int64_t> SqliteStore::record_person_agent_event(ports::PersonAgentEvent event) {
  co_return co_await impl_->write<std::int64_t>(
      512, [event = std::move(event)](Connection& db) { return store::record_person_agent_event(db, event); });
}

Task<std::vector<ports::PersonAgentEvent>> SqliteStore::person_agent_events(UtcTime since) {
  co_return co_await impl_->read<std::vector<ports::PersonAgentEvent>>(
      &Impl::lookups_, [since](Connection& db) { return read_person_agent_events(db, since); });
}

Task<> SqliteStore::record_step(ports::CatalogueStep step) {
  const auto bytes = 1024 + 512 * (step.changes.size() + step.dataset.replicas.size());
  co_return co_await impl_->write<void>(bytes, [step = std::move(step)](Connection& db) { return store::record_step(db, step); });
}

Task<domain::Dataset> SqliteStore::dataset(DatasetId id) {
  co_return co_await impl_->read<domain::Dataset>(&Impl::lookups_,
                                                  [id = std::move(id)](Connection& db) { return read_dataset(db, id); });
}

Task<std::vector<domain::Dataset>> SqliteStore::datasets(ports::DatasetQuery query) {
  co_return co_await impl_->read<std::vector<domain::Dataset>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_datasets(db, query); });
}

Task<domain::DatasetChange> SqliteStore::change(domain::ChangeId id) {
  co_return co_await impl_->read<domain::DatasetChange>(&Impl::lookups_, [id](Connection& db) { return read_change(db, id); });
}

Task<std::vector<domain::DatasetChange>> SqliteStore::changes(ports::ChangeQuery query) {
  co_return co_await impl_->read<std::vector<domain::DatasetChange>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_changes(db, query); });
}

Task<> SqliteStore::record_fact(ports::FactStep step) {
  co_return co_await impl_->write<void>(4096, [step = std::move(step)](Connection& db) { return store::record_fact(db, step); });
}

Task<domain::RegisteredFact> SqliteStore::registered_fact(domain::FactKey key) {
  co_return co_await impl_->read<domain::RegisteredFact>(&Impl::lookups_,
                                                         [key = std::move(key)](Connection& db) { return read_fact(db, key); });
}

Task<std::vector<domain::RegisteredFact>> SqliteStore::registered_facts() {
  co_return co_await impl_->read<std::vector<domain::RegisteredFact>>(&Impl::scans_,
                                                                      [](Connection& db) { return read_facts(db); });
}

Task<domain::FactChange> SqliteStore::fact_change(domain::ChangeId id) {
  co_return co_await impl_->read<domain::FactChange>(&Impl::lookups_, [id](Connection& db) { return read_fact_change(db, id); });
}

Task<std::vector<domain::FactChange>> SqliteStore::fact_changes(ports::FactChangeQuery query) {
  co_return co_await impl_->read<std::vector<domain::FactChange>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_fact_changes(db, query); });
}

Task<> SqliteStore::begin_transfer(ports::BegunTransfer begun) {
  co_return co_await impl_->write<void>(1024,
                                        [begun = std::move(begun)](Connection& db) { return store::begin_transfer(db, begun); });
}

Task<> SqliteStore::end_transfer(domain::TransferId id, domain::TransferOutcome outcome,
                                 std::optional<ports::LinkSpeed> measured) {
  EndRequest request{.id = id, .outcome = std::move(outcome), .measured = std::move(measured)};
  co_return co_await impl_->write<void>(
      1024, [request = std::move(request)](Connection& db) { return store::end_transfer(db, request); });
}

Task<std::vector<ports::BegunTransfer>> SqliteStore::transfers_under_way() {
  co_return co_await impl_->read<std::vector<ports::BegunTransfer>>(&Impl::lookups_,
                                                                    [](Connection& db) { return read_transfers_under_way(db); });
}

Task<std::vector<ports::LinkSpeed>> SqliteStore::link_speeds() {
  co_return co_await impl_->read<std::vector<ports::LinkSpeed>>(&Impl::lookups_,
                                                                [](Connection& db) { return read_link_speeds(db); });
}

Task<ports::Occupied> SqliteStore::occupied(SiteId site, domain::RootName root, UtcTime now) {
  co_return co_await impl_->read<ports::Occupied>(
      &Impl::lookups_,
      [site = std::move(site), root = std::move(root), now](Connection& db) { return read_occupied(db, site, root, now); });
}

Task<> SqliteStore::grant(domain::Allocation allocation) {
  co_return co_await impl_->write<void>(
      512, [allocation = std::move(allocation)](Connection& db) { return record_grant(db, allocation); });
}

Task<domain::Allocation> SqliteStore::revoke(domain::AllocationId id, Principal by, UtcTime at, std::string why) {
  Revocation revocation{.id = id, .by = std::move(by), .at = at, .why = std::move(why)};
  co_return co_await impl_->write<domain::Allocation>(
      512, [revocation = std::move(revocation)](Connection& db) { return revoke_allocation(db, revocation); });
}

Task<std::vector<ports::Reservation>> SqliteStore::release(ports::Release release) {
  co_return co_await impl_->write<std::vector<ports::Reservation>>(
      1024, [release = std::move(release)](Connection& db) { return release_reservations(db, release); });
}

Task<std::size_t> SqliteStore::tell_balances(ports::BalanceReport report, std::vector<domain::AllocationId> ids) {
  const auto bytes = 512 * (report.balances.size() + 1);
  co_return co_await impl_->write<std::size_t>(bytes, [report = std::move(report), ids = std::move(ids)](Connection& db) {
    return store::tell_balances(db, report, ids);
  });
}

Task<std::vector<domain::Allocation>> SqliteStore::allocations(std::optional<ProjectId> project, UtcTime since) {
  co_return co_await impl_->read<std::vector<domain::Allocation>>(
      &Impl::scans_, [project = std::move(project), since](Connection& db) { return read_allocations(db, project, since); });
}

Task<domain::Allocation> SqliteStore::allocation(domain::AllocationId id, UtcTime since) {
  co_return co_await impl_->read<domain::Allocation>(&Impl::lookups_,
                                                     [id, since](Connection& db) { return read_allocation(db, id, since); });
}

Task<std::vector<ports::Reservation>> SqliteStore::reservations(domain::AllocationId id, std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::Reservation>>(
      &Impl::scans_, [id, limit](Connection& db) { return read_reservations(db, id, limit); });
}

Task<std::vector<ports::AllocationEvent>> SqliteStore::allocation_events(domain::AllocationId id) {
  co_return co_await impl_->read<std::vector<ports::AllocationEvent>>(
      &Impl::lookups_, [id](Connection& db) { return read_allocation_events(db, id); });
}

}  // namespace hansa::store
