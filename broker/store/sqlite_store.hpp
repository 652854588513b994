// SPDX-License-Identifier: Apache-2.0
#pragma once
// The store ports on one SQLite file: one thread that writes and commits in groups, others that read.
//
// Strand: any. Every call resumes its coroutine on the coroutine's own executor, which must outlive close().
// A write whose caller is cancelled is finished and answered all the same: what is on disk is never in doubt.

#include "broker/domain/accounting.hpp"
#include "broker/metrics/histogram.hpp"
#include "broker/ports/agents.hpp"
#include "broker/ports/allocations.hpp"
#include "broker/ports/break_glass.hpp"
#include "broker/ports/catalogue.hpp"
#include "broker/ports/decisions.hpp"
#include "broker/ports/estimates.hpp"
#include "broker/ports/facts.hpp"
#include "broker/ports/ledger.hpp"
#include "broker/ports/periods.hpp"
#include "broker/ports/privacy.hpp"
#include "broker/ports/reconciliation.hpp"
#include "broker/ports/reports.hpp"
#include "broker/ports/revocations.hpp"
#include "broker/ports/secrets.hpp"
#include "broker/ports/stores.hpp"
#include "broker/ports/transfers.hpp"
#include "broker/ports/usage_lines.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace hansa::store {

/// Called once, on the writer's thread, when the disk failed in a way that leaves the outcome of a commit unknown
/// (DESIGN 9: never retried). The product's ends the process; nothing is written afterwards.
using OnFatal = std::function<void(const Error&)>;

struct Options {
  std::filesystem::path state_dir;           // exists, ours; locked for as long as the store is open
  std::filesystem::path file = "hansa.db";   // relative to state_dir, or absolute; ":memory:" in inline mode only
  std::string broker_id;                     // given to a new database; an old one keeps its own
  std::filesystem::path backups;             // where a copy is kept before schema steps; "": none is
  UtcTime opened_at{};                       // stands beside the schema steps that this opening takes
  std::string boot;                          // of this machine: within one, monotonic times of different processes compare
  std::map<SiteId, std::string> countries;   // recorded with every usage record that is booked: where it ran
  std::map<SiteId, domain::SiteAccounting> accounting;         // the same, of what else is told of sites
  std::map<ProjectId, domain::ProjectAccounting> projects;     // and of projects

  std::size_t lookup_threads = 1;            // answers about one job or token
  std::size_t scan_threads = 1;              // lists and reports, which must not delay the former
  std::size_t queued_operations = 8192;      // of the writer, and of each kind of reader; beyond: unavailable, STORE_BUSY
  std::size_t queued_bytes = std::size_t{64} << 20;

  // One commit takes what is queued when it begins, up to these; it never waits for more.
  std::size_t group_operations = 512;
  std::size_t group_bytes = std::size_t{8} << 20;

  int checkpoint_pages = 4000;               // of 4 KiB in the write-ahead log, between two commits
  Milliseconds busy_timeout{5000};           // for the lock that a backup tool may hold
  std::uint64_t quick_check_bytes = std::uint64_t{64} << 20;  // larger files are not read whole at start

  /// No threads: each call is run and committed on the caller's own executor, after one turn of it. For simulation.
  bool inline_mode = false;
  std::string vfs;                           // SQLite's name of the file layer; "" is the system's
  OnFatal on_fatal;                          // empty: std::abort()
};

/// For the metrics page; since open().
struct Figures {
  metrics::Histogram::Reading commit_ms;     // from taking the lock to the end of the fsync; empty in inline mode
  metrics::Histogram::Reading group;         // operations that each commit carried
  std::uint64_t checkpoints = 0;
  std::size_t queued = 0;                    // now
};

class SqliteStore final : public ports::JobStore,
                          public ports::UsageStore,
                          public ports::SiteStore,
                          public ports::TokenStore,
                          public ports::CatalogueStore,
                          public ports::EstimateStore,
                          public ports::DecisionStore,
                          public ports::TransferStore,
                          public ports::FactStore,
                          public ports::AgentStore,
                          public ports::PersonAgentStore,
                          public ports::AllocationStore,
                          public ports::LedgerStore,
                          public ports::ReconciliationStore,
                          public ports::PeriodStore,
                          public ports::ReportStore,
                          public ports::UsageLineStore,
                          public ports::RevocationStore,
                          public ports::MembershipStore,
                          public ports::PrivacyStore,
                          public ports::BreakGlassStore,
                          public ports::SecretStore {
 public:
  /// Locks the state folder, checks the file, brings its schema up to date. Codes of refusal: STATE_LOCKED (with the
  /// holder's process id), STATE_DIR_UNUSABLE, STATE_DIR_REMOTE, NOT_A_HANSA_STORE, SCHEMA_TOO_NEW, SCHEMA_ALTERED,
  /// STORE_CORRUPT, STORE_SETTINGS, STORAGE_FULL, and those of keep_before_migration() (backup.hpp).
  static Result<std::unique_ptr<SqliteStore>> open(Options options);
  ~SqliteStore() override;

  /// The number of this life of the broker, durable before it returns. Blocks; for start-up. From then on every write of an
  /// older epoch is refused.
  Result<std::int64_t> begin_epoch();
  [[nodiscard]] const std::string& broker_id() const;
  [[nodiscard]] Figures figures() const;

  /// Refuses new calls (STORE_CLOSED), finishes the queued ones, tidies the file, unlocks the folder. Blocks; repeatable.
  /// The last error of tidying up, if any: nothing acknowledged depends on it.
  Result<void> close();

  async::Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs,
                                               std::optional<ports::Idempotency> idempotency) override;
  async::Task<std::optional<ports::AcceptedJobs>> accepted_under(Principal owner, ports::Idempotency idempotency) override;
  async::Task<> record(ports::JobChange change) override;
  async::Task<domain::Job> job(JobId id) override;
  async::Task<domain::JobPayload> payload(JobId id) override;
  async::Task<std::vector<domain::Job>> jobs(ports::JobQuery query) override;
  async::Task<std::vector<domain::Job>> active_jobs(std::optional<JobId> after, std::size_t limit) override;
  async::Task<std::vector<ports::StoredEvent>> events(JobId id) override;
  async::Task<std::vector<ports::StoredEvent>> events_after(std::int64_t after, std::size_t limit) override;
  async::Task<ports::Tally> tally() override;
  async::Task<std::int64_t> last_event() override;
  async::Task<domain::Decision> decision(JobId id) override;
  async::Task<std::string> document(std::string hash) override;
  async::Task<ports::DecisionPage> decisions(ports::DecisionQuery query) override;

  async::Task<std::size_t> book_usage(SiteId site, std::vector<domain::UsageRecord> records, ports::UsageCursor next,
                                      UtcTime at) override;
  async::Task<ports::UsageCursor> usage_cursor(SiteId site) override;
  async::Task<std::vector<ports::UsageRow>> usage_report(ports::UsageQuery query) override;
  async::Task<std::vector<domain::UsageRecord>> usage_of(JobId id) override;
  async::Task<ports::GpuUsePage> gpu_use_after(std::int64_t last) override;

  async::Task<ports::LedgerHead> ledger_head() override;
  async::Task<std::vector<ports::LedgerRecord>> ledger_records(std::int64_t from, std::size_t limit, bool personal) override;
  async::Task<std::vector<std::int64_t>> ledger_records_of(JobId id) override;
  async::Task<ports::LedgerProof> prove_record(std::int64_t seq, std::int64_t size) override;
  async::Task<std::vector<Sha256>> prove_growth(std::int64_t from, std::int64_t to) override;
  async::Task<Sha256> ledger_root(std::int64_t size) override;
  async::Task<std::vector<std::pair<std::int64_t, std::string>>> ledger_keys() override;
  async::Task<std::int64_t> append_record(ports::LedgerAddition addition) override;
  async::Task<std::optional<ports::KeptCheckpoint>> last_checkpoint() override;
  async::Task<> keep_checkpoint(ports::KeptCheckpoint checkpoint) override;
  async::Task<> keep_cosignature(std::int64_t size, ports::Cosignature cosignature) override;
  async::Task<std::vector<std::pair<std::int64_t, ports::Cosignature>>> last_cosignatures() override;
  async::Task<std::vector<ports::Correction>> corrections(std::size_t limit) override;
  async::Task<std::vector<ports::UsageRefusal>> usage_refusals() override;
  async::Task<std::vector<ports::UsageLine>> usage_lines(ports::UsageLinesQuery query) override;

  async::Task<ports::Compared> compare_usage(SiteId site, std::vector<domain::UsageRecord> records, Seconds tolerance,
                                             UtcTime at) override;
  async::Task<std::vector<ports::StandingRun>> standing_runs(SiteId site, UtcTime from, UtcTime to,
                                                             std::optional<ports::StandingRun> after, std::size_t limit) override;
  async::Task<> keep_reconciliation(ports::Reconciliation made, std::vector<ports::Difference> differences) override;
  async::Task<std::vector<ports::Reconciliation>> reconciliations(ports::ReconciliationQuery query) override;
  async::Task<std::vector<ports::Difference>> differences(std::string reconciliation) override;
  async::Task<> explain(SiteId site, std::string key, ports::Explanation explanation) override;
  async::Task<std::optional<ports::Explanation>> explanation(SiteId site, std::string key) override;

  async::Task<std::vector<ports::Month>> months() override;
  async::Task<std::int64_t> open_month(std::string period, UtcTime at) override;
  async::Task<std::pair<std::int64_t, std::int64_t>> unseen_records(std::string period) override;
  async::Task<ports::MonthSums> sum_month(std::string period, ports::MonthSums so_far, std::size_t limit) override;
  async::Task<std::int64_t> close_month(ports::MonthClose close) override;
  async::Task<std::optional<ports::KeptCheckpoint>> checkpoint_of(std::int64_t record) override;
  async::Task<std::vector<SiteId>> sites_in(std::string period) override;
  async::Task<> propose_adjustment(ports::Adjustment adjustment) override;
  async::Task<std::vector<ports::Adjustment>> adjustments(std::optional<std::string> id, std::size_t limit) override;
  async::Task<ports::Adjustment> rule_on_adjustment(std::string id, ports::Adjustment::Ruling ruling) override;
  async::Task<std::string> newest_record(std::string kind) override;
  async::Task<std::vector<ports::DecisionLeaf>> decision_leaves(std::int64_t from, std::size_t limit, bool anew) override;

  async::Task<> report_rows(std::string name, ports::ReportQuery query, ports::RowSink sink) override;

  async::Task<std::vector<domain::SiteState>> site_states() override;
  async::Task<> record_site_state(domain::SiteState state) override;
  async::Task<> record_call(ports::SiteCall call) override;
  async::Task<std::vector<ports::SiteCall>> recent_calls(MonotonicTime now) override;

  async::Task<> create_token(ports::ApiToken token) override;
  async::Task<ports::ApiToken> token_by_hash(std::string hash) override;
  async::Task<std::vector<ports::ApiToken>> tokens() override;
  async::Task<ports::ApiToken> revoke_token(std::string id, UtcTime at) override;

  async::Task<std::int64_t> record_revocation(ports::Revocation revocation) override;
  async::Task<> lift_revocation(std::int64_t number, Principal by, UtcTime at) override;
  async::Task<std::vector<ports::Revocation>> revocations() override;
  async::Task<> keep_membership(ports::Membership membership) override;
  async::Task<std::vector<ports::Membership>> memberships() override;

  async::Task<std::int64_t> record_agent_event(ports::AgentEvent event) override;
  async::Task<std::vector<ports::AgentEvent>> agent_events() override;
  async::Task<std::int64_t> record_person_agent_event(ports::PersonAgentEvent event) override;
  async::Task<std::vector<ports::PersonAgentEvent>> person_agent_events(UtcTime since) override;

  async::Task<std::vector<domain::WaitScore>> recent_waits(SiteId site, std::size_t limit) override;
  async::Task<std::vector<ports::EstimateRow>> estimate_report(ports::EstimateQuery query) override;

  async::Task<> record_step(ports::CatalogueStep step) override;
  async::Task<domain::Dataset> dataset(DatasetId id) override;
  async::Task<std::vector<domain::Dataset>> datasets(ports::DatasetQuery query) override;
  async::Task<domain::DatasetChange> change(domain::ChangeId id) override;
  async::Task<std::vector<domain::DatasetChange>> changes(ports::ChangeQuery query) override;

  async::Task<> record_fact(ports::FactStep step) override;
  async::Task<domain::RegisteredFact> registered_fact(domain::FactKey key) override;
  async::Task<std::vector<domain::RegisteredFact>> registered_facts() override;
  async::Task<domain::FactChange> fact_change(domain::ChangeId id) override;
  async::Task<std::vector<domain::FactChange>> fact_changes(ports::FactChangeQuery query) override;

  async::Task<> begin_transfer(ports::BegunTransfer begun) override;
  async::Task<> end_transfer(domain::TransferId id, domain::TransferOutcome outcome,
                             std::optional<ports::LinkSpeed> measured) override;
  async::Task<std::vector<ports::BegunTransfer>> transfers_under_way() override;
  async::Task<std::vector<ports::LinkSpeed>> link_speeds() override;
  async::Task<ports::Occupied> occupied(SiteId site, domain::RootName root, UtcTime now) override;

  async::Task<> grant(domain::Allocation allocation) override;
  async::Task<domain::Allocation> revoke(domain::AllocationId id, Principal by, UtcTime at, std::string why) override;
  async::Task<std::size_t> tell_balances(ports::BalanceReport report, std::vector<domain::AllocationId> ids) override;
  async::Task<std::vector<domain::Allocation>> allocations(std::optional<ProjectId> project, UtcTime since) override;
  async::Task<domain::Allocation> allocation(domain::AllocationId id, UtcTime since) override;
  async::Task<std::vector<ports::Reservation>> reservations(domain::AllocationId id, std::size_t limit) override;
  async::Task<std::vector<ports::AllocationEvent>> allocation_events(domain::AllocationId id) override;
  async::Task<std::vector<ports::Reservation>> release(ports::Release release) override;

  async::Task<ports::ErasedSome> expire(domain::Holding holding, UtcTime before, std::int64_t after, UtcTime now) override;
  async::Task<ports::DueHolding> held(domain::Holding holding) override;
  async::Task<ports::InTheWay> in_the_way_of_erasing(Principal person, UtcTime now) override;
  async::Task<> ask_erasure(ports::Erasure erasure) override;
  async::Task<ports::Erasure> rule_erasure(ports::ErasureId id, Principal by, UtcTime at, bool approve) override;
  async::Task<ports::Erasure> erasure(ports::ErasureId id) override;
  async::Task<std::vector<ports::Erasure>> erasures(std::size_t limit) override;
  async::Task<bool> erase_some(ports::ErasureId id, std::vector<std::string> names, UtcTime now) override;
  async::Task<> end_erasure(ports::ErasureId id, UtcTime at) override;
  async::Task<ports::ErasedSome> wipe_unused(std::int64_t page) override;
  async::Task<std::int64_t> wipe_owed() override;
  async::Task<> wiped(std::int64_t owed) override;
  async::Task<ports::PersonPage> person_part(Principal person, ports::PersonPart part, std::string after) override;
  async::Task<> note_accesses(std::vector<ports::Access> accesses) override;

  async::Task<> ask_break_glass(domain::BreakGlass glass, std::int64_t epoch) override;
  async::Task<domain::BreakGlass> rule_break_glass(domain::BreakGlassId id, ports::BreakGlassRuling ruling, UtcTime at,
                                                   std::int64_t epoch) override;
  async::Task<> use_break_glass(domain::BreakGlassId id, ports::BreakGlassUse use, UtcTime at, std::int64_t epoch) override;
  async::Task<> see_break_glass(domain::BreakGlassId id, UtcTime at, std::int64_t epoch) override;
  async::Task<domain::BreakGlass> end_break_glass(domain::BreakGlassId id, Principal by, std::string why, UtcTime at,
                                                  std::int64_t epoch) override;
  async::Task<ports::BreakGlassDetails> break_glass(domain::BreakGlassId id) override;
  async::Task<std::vector<domain::BreakGlass>> break_glasses(ports::BreakGlassQuery query) override;

  async::Task<> put_secret(ports::SealedSecret secret, std::size_t most) override;
  async::Task<std::vector<ports::SealedSecret>> secrets_of(Principal owner) override;
  async::Task<std::vector<ports::SealedSecret>> sealed_secrets(Principal owner, std::vector<std::string> names) override;
  async::Task<> delete_secret(Principal owner, std::string name) override;
  async::Task<std::vector<ports::SealedSecret>> sealed_by_others(std::string key_id, std::size_t limit) override;
  async::Task<> reseal(ports::SealedSecret before, ports::SealedSecret now) override;
  async::Task<> note_secret_copy(JobId job, std::int32_t attempt) override;
  async::Task<std::vector<ports::SecretCopy>> secret_copies() override;
  async::Task<> secret_copy_gone(JobId job, std::int32_t attempt) override;

 private:
  class Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hansa::store
