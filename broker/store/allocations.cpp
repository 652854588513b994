// SPDX-License-Identifier: Apache-2.0
#include "broker/store/allocations.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/reservations.hpp"

#include <algorithm>
#include <utility>

namespace hansa::store {
namespace {

using domain::Allocation;
using domain::AllocationId;
using domain::Charge;

// Of charges `c`. By halves of 20 bits and the rest, since sum() fails beyond 64; as kMostUsed (charging.cpp) what would be more.
const std::string kSumOfCharges =
    "coalesce(min(sum(c.amount >> 20) + (sum(c.amount & 1048575) >> 20), 1 << 42) * 1048576 + "
    "(sum(c.amount & 1048575) & 1048575), 0)";
const std::string kAllocations =
    "SELECT a.row, a.id, a.kind, a.project, a.site, a.unit, a.granted, a.from_ms, a.until_ms, a.by_whom, a.at_ms, a.note, "
    "a.revoked_ms, a.reserved, a.used, ";
const std::string kWithLately = kAllocations + "(SELECT " + kSumOfCharges +
                                " FROM charges c WHERE c.project = a.project AND c.unit = a.unit AND c.ended_s >= ?1 AND "
                                "(c.grant_row = a.row OR (a.kind = 'balance' AND c.site = a.site))) FROM allocations a ";
const std::string kSelectForProject = kAllocations + "0 FROM allocations a WHERE a.project = ?1 AND a.unit = ?2 ORDER BY a.row";
const std::string kSelectAllocations = kWithLately +
                                       "WHERE a.project = ?2 OR (?2 IS NULL AND (a.reserved > 0 OR (a.revoked_ms IS NULL AND "
                                       "(a.until_ms IS NULL OR a.until_ms > ?3)))) "
                                       "ORDER BY a.project, a.site, a.unit, a.id";
const std::string kSelectAllocation = kWithLately + "WHERE a.id = ?2";

constexpr char kInsertAllocation[] =
    "INSERT INTO allocations(id, kind, project, site, unit, granted, from_ms, until_ms, by_whom, at_ms, note) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
constexpr char kRevokeAllocation[] = "UPDATE allocations SET revoked_ms = ?2 WHERE row = ?1";
constexpr char kInsertAllocationEvent[] =
    "INSERT INTO allocation_events(allocation, name, by_whom, at_ms, amount, note) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kSelectAllocationEvents[] =
    "SELECT name, by_whom, at_ms, amount, note FROM (SELECT e.* FROM allocation_events e JOIN allocations a ON a.row = "
    "e.allocation WHERE a.id = ?1 ORDER BY e.sequence DESC LIMIT 500) ORDER BY sequence";
constexpr char kSelectBalance[] =
    "SELECT row, from_ms, granted, by_whom FROM allocations WHERE kind = 'balance' AND project = ?1 AND site = ?2 AND unit = ?3";
// Whatever was added up before: what is kept for its jobs, and what was charged since.
const std::string kTellBalance =
    "UPDATE allocations SET granted = ?2, from_ms = ?3, by_whom = ?4, at_ms = ?5, note = ?6, "
    "reserved = (SELECT coalesce(sum(r.reserved), 0) FROM reservations r WHERE r.project = allocations.project AND r.site = "
    "allocations.site AND r.unit = allocations.unit AND r.reserved > 0), "
    "used = (SELECT " +
    kSumOfCharges +
    " FROM charges c WHERE c.project = allocations.project AND c.site = allocations.site AND c.unit = allocations.unit AND "
    "c.ended_s > ?7) WHERE row = ?1";

constexpr char kPutRule[] = "INSERT INTO charge_rules(body) VALUES(?1) ON CONFLICT DO NOTHING";
constexpr char kSelectRule[] = "SELECT row FROM charge_rules WHERE body = ?1";
constexpr char kInsertReservation[] =
    "INSERT INTO reservations(job, attempt, grant_row, rule, project, site, unit, asked, of_run, at_ms, not_over, ended, "
    "booked_of, booked, reserved, used) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, '', 0, ?12, 0)";
constexpr char kReservationsOfJob[] =
    "SELECT r.attempt, r.grant_row, r.project, r.site, r.unit, r.of_run, r.not_over, r.ended, r.booked_of, r.booked, "
    "r.reserved, r.used, r.at_ms, g.id, b.row FROM reservations r LEFT JOIN allocations g ON g.row = r.grant_row "
    "LEFT JOIN allocations b ON b.kind = 'balance' AND b.project = r.project AND b.site = r.site AND b.unit = r.unit "
    "WHERE r.job = ?1";
constexpr char kUpdateReservation[] =
    "UPDATE reservations SET not_over = ?3, ended = ?4, booked_of = ?5, booked = ?6, reserved = ?7, used = used + ?8 "
    "WHERE job = ?1 AND attempt = ?2";
constexpr char kAddToGrant[] = "UPDATE allocations SET reserved = reserved + ?2 WHERE row = ?1";
constexpr char kAddToBalance[] =
    "UPDATE allocations SET reserved = reserved + ?4 WHERE kind = 'balance' AND project = ?1 AND site = ?2 AND unit = ?3";
constexpr char kCountCharged[] =
    "SELECT coalesce(sum(iif(reverses IS NULL, 1, -1)), 0) FROM charges WHERE job = ?1 AND attempt = ?2 AND submission = ?3";
constexpr char kSelectReservations[] =
    "SELECT j.id, r.attempt, r.site, r.unit, g.id, r.of_run, r.reserved, r.used, r.at_ms FROM allocations a "
    "JOIN reservations r ON r.project = a.project AND r.unit = a.unit AND r.reserved > 0 AND "
    "(r.grant_row = a.row OR (a.kind = 'balance' AND r.site = a.site)) "
    "JOIN jobs j ON j.row = r.job LEFT JOIN allocations g ON g.row = r.grant_row "
    "WHERE a.id = ?1 ORDER BY r.at_ms, r.job LIMIT ?2";

Allocation allocation_of(const Statement& row) {
  return {.id = row.job_id(1),
          .kind = row.text(2) == "balance" ? domain::AllocationKind::balance : domain::AllocationKind::grant,
          .project = ProjectId(row.text(3)),
          .site = SiteId(row.text(4)),
          .unit = row.string(5),
          .granted = {row.integer(6)},
          .from = row.time_ms(7),
          .until = row.optional_time_ms(8),
          .by = Principal(row.text(9)),
          .at = row.time_ms(10),
          .note = row.string(11),
          .revoked_at = row.optional_time_ms(12),
          .reserved = {row.integer(13)},
          .used = {row.integer(14)},
          .lately = {row.integer(15)}};
}

/// Of kReservationsOfJob.
Kept kept_of(const Statement& row) {
  return {.attempt = row.integer32(0),
          .grant = optional_row(row, 1),
          .project = row.string(2),
          .site = row.string(3),
          .unit = row.string(4),
          .of_run = {row.integer(5)},
          .open = {.not_over = row.integer(6), .ended = row.integer(7)},
          .booked_of = row.string(8),
          .booked = row.integer(9),
          .reserved = {row.integer(10)}};
}

void add(Connection& db, const Kept& kept, Charge reserved) {
  if (kept.grant) db.execute(kAddToGrant, *kept.grant, reserved);
  db.execute(kAddToBalance, kept.project, kept.site, kept.unit, reserved);
}

/// The row follows `kept`, and the allocations the row.
void write(Connection& db, std::int64_t job_row, Kept& kept) {
  if (const auto more = follow(db, job_row, kept, {0}); more.value != 0) add(db, kept, more);
}

std::unexpected<Error> no_such_allocation(const AllocationId& id) {
  return fail(ErrorKind::not_found, "ALLOCATION_NOT_FOUND",
              "there is no allocation " + id.str() + "; see: hansa allocation list");
}

void note(Connection& db, std::int64_t row, const char* name, const Principal& by, UtcTime at, Charge amount,
          const std::string& text) {
  db.execute(kInsertAllocationEvent, row, name, by, at, amount, text);
}

bool insert(Connection& db, const Allocation& allocation) {
  return db.execute(kInsertAllocation, allocation.id, to_string(allocation.kind), allocation.project, allocation.site,
                    allocation.unit, allocation.granted, allocation.from, allocation.until, allocation.by, allocation.at,
                    allocation.note) == 1;
}

}  // namespace

Charge still_open(const Kept& kept) {
  return domain::times(kept.of_run, kept.open.not_over + std::max<std::int64_t>(kept.open.ended - kept.booked, 0));
}

std::optional<std::int64_t> optional_row(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

Charge follow(Connection& db, std::int64_t job_row, Kept& kept, Charge used) {
  const auto reserved = still_open(kept);
  db.execute(kUpdateReservation, job_row, kept.attempt, kept.open.not_over, kept.open.ended, kept.booked_of, kept.booked,
             reserved, used);
  return reserved - std::exchange(kept.reserved, reserved);
}

Result<void> reserve(Connection& db, std::int64_t job_row, const domain::Job& job, const domain::Hold& hold) {
  if (job.attempts.empty() || job.attempts.back().state != domain::AttemptState::intended)
    return fail(ErrorKind::invalid_argument, "NO_ATTEMPT", "only for an attempt that is intended something is kept");
  const auto& attempt = job.attempts.back();
  std::vector<Allocation> known;
  std::vector<std::int64_t> rows;
  for (auto row = db.query(kSelectForProject.c_str(), job.spec.project, hold.rule.unit); row.next();) {
    known.push_back(allocation_of(row));
    rows.push_back(row.integer(0));
  }
  const auto room = domain::find_room(known, job.spec.project, attempt.site, hold.rule.unit, hold.amount(), attempt.intended_at);
  if (room.lacking && !hold.dispensable) return fail(ErrorKind::conflict, room.lacking->code, room.lacking->message);
  Kept kept{
      .attempt = attempt.number,
      .grant = room.grant == nullptr ? std::nullopt : std::optional(rows[static_cast<std::size_t>(room.grant - known.data())]),
      .project = job.spec.project.str(),
      .site = attempt.site.str(),
      .unit = hold.rule.unit,
      .of_run = room.lacking ? Charge{0} : domain::charge(hold.rule, hold.most),
      .open = {.not_over = hold.runs}};
  kept.reserved = still_open(kept);
  const auto body = canonical_json(domain::to_json(hold.rule));
  db.execute(kPutRule, body);
  std::int64_t rule = 0;
  if (auto row = db.query(kSelectRule, body); row.next()) rule = row.integer(0);
  db.execute(kInsertReservation, job_row, attempt.number, kept.grant, rule, kept.project, kept.site, kept.unit,
             canonical_json(domain::to_json(hold.most)), kept.of_run, attempt.intended_at, kept.open.not_over, kept.reserved);
  add(db, kept, kept.reserved);
  return {};
}

void keep_what_is_open(Connection& db, std::int64_t job_row, const domain::Job& job) {
  std::vector<Kept> all;
  for (auto row = db.query(kReservationsOfJob, job_row); row.next();) all.push_back(kept_of(row));
  for (auto& kept : all) {
    const auto attempt = std::ranges::find(job.attempts, kept.attempt, &domain::Attempt::number);
    if (attempt == job.attempts.end()) continue;
    const auto open = domain::open_runs(job, *attempt);
    const bool is_bound_anew = attempt->site_job_id.str() != kept.booked_of;
    if (open == kept.open && !is_bound_anew) continue;
    kept.open = open;
    if (is_bound_anew) {  // its runs may have been told already, as a twin's
      kept.booked_of = attempt->site_job_id.str();
      if (auto row = db.query(kCountCharged, job_row, kept.attempt, kept.booked_of); row.next()) kept.booked = row.integer(0);
    }
    write(db, job_row, kept);
  }
}

Result<std::vector<ports::Reservation>> release_reservations(Connection& db, const ports::Release& release) {
  const auto job_row = find_row(db, release.job);
  if (!job_row) return no_such_job(release.job);
  struct Stuck {
    Kept kept;
    std::optional<std::int64_t> balance;
  };
  std::vector<Stuck> stuck;
  std::vector<ports::Reservation> released;
  for (auto row = db.query(kReservationsOfJob, *job_row); row.next();) {
    auto kept = kept_of(row);
    if (kept.reserved.value == 0 || kept.attempt != release.attempt.value_or(kept.attempt)) continue;
    const auto name = "attempt " + std::to_string(kept.attempt) + " of job " + release.job.str();
    if (kept.open.not_over > 0)
      return fail(ErrorKind::conflict, "RUNS_NOT_OVER",
                  name + " may still run: cancel it (hansa cancel) or give it up (hansa resolve), and what is kept goes with it");
    released.push_back({.job = release.job,
                        .attempt = kept.attempt,
                        .site = SiteId(kept.site),
                        .unit = kept.unit,
                        .grant = row.is_null(13) ? std::nullopt : std::optional(row.job_id(13)),
                        .of_run = kept.of_run,
                        .reserved = kept.reserved,
                        .used = {row.integer(11)},
                        .at = row.time_ms(12)});
    stuck.push_back({.kept = std::move(kept), .balance = optional_row(row, 14)});
  }
  if (stuck.empty())
    return fail(ErrorKind::not_found, "NOTHING_RESERVED",
                "nothing is kept for job " + release.job.str() + "; see: hansa allocation show ALLOCATION");
  for (auto& [kept, balance] : stuck) {
    const auto amount = kept.reserved;
    kept.booked = std::max(kept.booked, kept.open.ended);  // as if they had been told
    write(db, *job_row, kept);
    const auto text = "job " + release.job.str() + " attempt " + std::to_string(kept.attempt) + ": " + release.why;
    for (const auto& of : {kept.grant, balance}) {
      if (of) note(db, *of, "released", release.by, release.at, amount, text);
    }
  }
  return released;
}

Result<void> record_grant(Connection& db, const Allocation& allocation) {
  if (!insert(db, allocation))
    return fail(ErrorKind::conflict, "ALLOCATION_EXISTS", "there is an allocation " + allocation.id.str() + " already");
  note(db, db.last_row(), "granted", allocation.by, allocation.at, allocation.granted, allocation.note);
  return {};
}

Result<Allocation> revoke_allocation(Connection& db, const Revocation& revocation) {
  std::int64_t row_id = 0;
  Allocation allocation;
  {
    auto row = db.query(kSelectAllocation.c_str(), 0, revocation.id);
    if (!row.next()) return no_such_allocation(revocation.id);
    row_id = row.integer(0);
    allocation = allocation_of(row);
  }
  if (allocation.kind != domain::AllocationKind::grant)
    return fail(ErrorKind::conflict, "NOT_A_GRANT",
                "allocation " + revocation.id.str() + " is a site's balance: what the site says next takes its place");
  if (allocation.revoked_at)
    return fail(ErrorKind::conflict, "ALREADY_REVOKED", "allocation " + revocation.id.str() + " was revoked already");
  db.execute(kRevokeAllocation, row_id, revocation.at);
  note(db, row_id, "revoked", revocation.by, revocation.at, allocation.left(), revocation.why);
  allocation.revoked_at = revocation.at;
  return allocation;
}

Result<std::size_t> tell_balances(Connection& db, const ports::BalanceReport& report, const std::vector<AllocationId>& ids) {
  if (ids.size() < report.balances.size())
    return fail(ErrorKind::invalid_argument, "NO_IDS", "each balance needs an id, in case it is the first");
  std::size_t taken = 0;
  for (std::size_t i = 0; i < report.balances.size(); ++i) {
    const auto& told = report.balances[i];
    std::optional<std::int64_t> row_id;
    bool news = true;
    {
      auto row = db.query(kSelectBalance, told.project, told.site, told.unit);
      if (row.next()) {
        if (row.time_ms(1) > told.as_of) continue;
        row_id = row.integer(0);
        news = row.text(3) != report.by.str() || (!report.by_itself && row.integer(2) != told.left.value);
      }
    }
    if (!row_id) {
      const Allocation first{.id = ids[i],
                             .kind = domain::AllocationKind::balance,
                             .project = told.project,
                             .site = told.site,
                             .unit = told.unit,
                             .granted = told.left,
                             .from = told.as_of,
                             .by = report.by,
                             .at = report.at,
                             .note = report.note};
      if (!insert(db, first))
        return fail(ErrorKind::conflict, "ALLOCATION_EXISTS", "there is an allocation " + ids[i].str() + " already");
      row_id = db.last_row();
    }
    db.execute(kTellBalance.c_str(), *row_id, told.left, told.as_of, report.by, report.at, report.note,
               to_unix_seconds(told.as_of));
    if (news) note(db, *row_id, "told", report.by, report.at, told.left, report.note);
    ++taken;
  }
  return taken;
}

Result<std::vector<Allocation>> read_allocations(Connection& db, const std::optional<ProjectId>& project, UtcTime since) {
  std::vector<Allocation> all;
  for (auto row = db.query(kSelectAllocations.c_str(), to_unix_seconds(since), project, since); row.next();)
    all.push_back(allocation_of(row));
  return all;
}

Result<Allocation> read_allocation(Connection& db, const AllocationId& id, UtcTime since) {
  auto row = db.query(kSelectAllocation.c_str(), to_unix_seconds(since), id);
  if (!row.next()) return no_such_allocation(id);
  return allocation_of(row);
}

Result<std::vector<ports::Reservation>> read_reservations(Connection& db, const AllocationId& id, std::size_t limit) {
  std::vector<ports::Reservation> all;
  for (auto row = db.query(kSelectReservations, id, limit); row.next();) {
    all.push_back({.job = row.job_id(0),
                   .attempt = row.integer32(1),
                   .site = SiteId(row.text(2)),
                   .unit = row.string(3),
                   .grant = row.is_null(4) ? std::nullopt : std::optional(row.job_id(4)),
                   .of_run = {row.integer(5)},
                   .reserved = {row.integer(6)},
                   .used = {row.integer(7)},
                   .at = row.time_ms(8)});
  }
  return all;
}

Result<std::vector<ports::AllocationEvent>> read_allocation_events(Connection& db, const AllocationId& id) {
  std::vector<ports::AllocationEvent> events;
  for (auto row = db.query(kSelectAllocationEvents, id); row.next();) {
    events.push_back({.allocation = id,
                      .name = row.string(0),
                      .by = Principal(row.text(1)),
                      .at = row.time_ms(2),
                      .amount = {row.integer(3)},
                      .note = row.string(4)});
  }
  return events;
}

}  // namespace hansa::store
