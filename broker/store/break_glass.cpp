// SPDX-License-Identifier: Apache-2.0
#include "broker/store/break_glass.hpp"

#include "broker/core/time_text.hpp"
#include "broker/domain/two_persons.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/sqlite_store_impl.hpp"
#include "broker/store/tokens.hpp"

namespace hansa::store {
namespace {

using domain::BreakGlass;
using domain::BreakGlassId;
using domain::BreakGlassState;

constexpr char kInsertGlass[] =
    "INSERT INTO break_glass(id, job, person, reason, by_whom, at_ms, lasts_s, state, makers) VALUES(?1, ?2, ?3, ?4, ?5, ?6, "
    "?7, 'pending', ?8)";
constexpr char kSelectGlass[] =
    "SELECT row, id, job, person, reason, by_whom, at_ms, lasts_s, state, ruled_by, ruled_at_ms, until_ms, seen_ms, ended_by, "
    "ended_at_ms, why, uses, makers FROM break_glass ";
const std::string kSelectOneGlass = std::string(kSelectGlass) + "WHERE id = ?1";
const std::string kSelectSomeGlass =
    std::string(kSelectGlass) + "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR by_whom = ?2) ORDER BY row DESC LIMIT ?3";
constexpr char kRuleGlass[] =
    "UPDATE break_glass SET state = ?2, ruled_by = ?3, ruled_at_ms = ?4, until_ms = ?5, seen_ms = ?6 WHERE row = ?1";
constexpr char kSeeGlass[] = "UPDATE break_glass SET seen_ms = ?2 WHERE id = ?1 AND state = 'open' AND seen_ms < ?2";
constexpr char kCountUse[] = "UPDATE break_glass SET uses = uses + 1, seen_ms = max(seen_ms, ?2) WHERE row = ?1";
constexpr char kEndGlass[] = "UPDATE break_glass SET state = 'ended', ended_by = ?2, ended_at_ms = ?3, why = ?4 WHERE row = ?1";
constexpr char kUseAgain[] =
    "UPDATE break_glass_uses SET last_ms = max(last_ms, ?4), times = times + 1 WHERE glass = ?1 AND operation = ?2 AND job = ?3";
constexpr char kUseFirst[] =
    "INSERT INTO break_glass_uses(glass, operation, job, first_ms, last_ms, times) VALUES(?1, ?2, ?3, ?4, ?4, 1)";
constexpr char kSelectGlassUses[] =
    "SELECT operation, job, first_ms, last_ms, times FROM break_glass_uses WHERE glass = ?1 ORDER BY job, operation";
constexpr char kInsertGlassStep[] =
    "INSERT INTO break_glass_steps(record, glass, event, at_ms, salt, personal) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kSelectGlassSteps[] =
    "SELECT record, event, at_ms, salt, personal FROM break_glass_steps WHERE glass = ?1 ORDER BY record";

// The text of the table as step 16 wrote it, and what stands there from this step on.
constexpr char kLearnKind[] =
    "UPDATE sqlite_schema SET sql = replace(sql, '''period_close'', ''tombstone'')', '''period_close'', ''tombstone'', "
    "''breakglass'')') WHERE type = 'table' AND name = 'ledger'";
constexpr char kReadSchemaVersion[] = "PRAGMA schema_version";

struct StoredGlass {
  std::int64_t row = 0;
  BreakGlass glass;
};

StoredGlass stored_glass(const Statement& row) {
  StoredGlass stored{.row = row.integer(0), .glass = {}};
  auto& glass = stored.glass;
  glass.id = row.job_id(1);
  if (!row.is_null(2)) glass.scope.job = row.job_id(2);
  glass.scope.person = Principal(row.text(3));
  glass.reason = row.string(4);
  glass.by = Principal(row.text(5));
  glass.at = row.time_ms(6);
  glass.lasts = Seconds{row.integer(7)};
  glass.state = domain::parse_break_glass_state(row.text(8)).value_or(BreakGlassState::ended);
  glass.ruled_by = Principal(row.text(9));
  glass.ruled_at = row.optional_time_ms(10);
  glass.until = row.optional_time_ms(11);
  glass.seen_at = row.optional_time_ms(12);
  glass.ended_by = Principal(row.text(13));
  glass.ended_at = row.optional_time_ms(14);
  glass.why = row.string(15);
  glass.uses = row.integer(16);
  glass.makers = makers_in(row.text(17));
  return stored;
}

Result<StoredGlass> find_glass(Connection& db, BreakGlassId id) {
  auto row = db.query(kSelectOneGlass.c_str(), id);
  if (!row.next())
    return fail(ErrorKind::not_found, "BREAK_GLASS_NOT_FOUND",
                "there is no break-glass " + id.str() + "; see: hansa break-glass list");
  return stored_glass(row);
}

/// The same for whoever is about to write.
Result<StoredGlass> find_glass(Connection& db, BreakGlassId id, std::int64_t epoch) {
  if (const auto current = current_epoch(db); epoch < current) return stale_epoch(epoch, current);
  return find_glass(db, id);
}

std::optional<Principal> name_or_nothing(const Principal& name) { return name.empty() ? std::nullopt : std::optional(name); }

/// The ledger's record of a step; `fields` are public.
Result<void> say_step(Connection& db, const StoredGlass& of, std::string_view event, UtcTime at, Json fields) {
  const auto salt = random_bytes(kSaltBytes);
  const auto personal = domain::personal_text(of.glass);
  fields["id"] = of.glass.id.str();
  fields["event"] = event;
  fields["personal"] = ledger::hex_of(ledger::bytes_of(ledger::commitment(salt, personal)));
  const auto record = LedgerAppender(db).add(ledger::Kind::breakglass, to_unix_seconds(at), fields);
  if (!record) return std::unexpected(record.error());
  db.execute(kInsertGlassStep, *record, of.row, event, at, Blob{salt}, personal);
  return {};
}

}  // namespace

void let_ledger_hold_break_glass(Connection& db, UtcTime) {
  // SQLite's own procedure for a constraint that becomes laxer (lang_altertable.html, section 7): no row is rewritten.
  std::int64_t version = 0;
  {
    auto row = db.query(kReadSchemaVersion);
    version = row.next() ? row.integer(0) : 0;
  }
  db.run_script("PRAGMA writable_schema=ON");
  db.execute(kLearnKind);
  db.run_script("PRAGMA schema_version=" + std::to_string(version + 1) + "; PRAGMA writable_schema=OFF");
}

Result<void> ask_break_glass(Connection& db, const BreakGlass& glass, std::int64_t epoch) {
  if (const auto current = current_epoch(db); epoch < current) return stale_epoch(epoch, current);
  db.execute(kInsertGlass, glass.id, glass.scope.job, glass.scope.person, glass.reason, glass.by, glass.at, glass.lasts.count(),
             text_of(glass.makers));
  return say_step(db, {.row = db.last_row(), .glass = glass}, "requested", glass.at, {{"lasts_s", glass.lasts.count()}});
}

Result<BreakGlass> rule_break_glass(Connection& db, BreakGlassId id, const ports::BreakGlassRuling& ruling, UtcTime at,
                                    std::int64_t epoch) {
  const auto asked = find_glass(db, id, epoch);
  if (!asked) return std::unexpected(asked.error());
  if (auto waits = domain::may_be_ruled(asked->glass, at); !waits) return std::unexpected(waits.error());
  if (ruling.approve) {
    if (auto second =
            domain::second_person(domain::TwoPersons::break_glass, "break-glass " + id.str(), {ruling.by, ruling.makers},
                                  asked->glass.by, asked->glass.scope.person, asked->glass.makers);
        !second)
      return std::unexpected(second.error());
  }
  const auto until = ruling.approve ? std::optional<UtcTime>(at + asked->glass.lasts) : std::nullopt;
  db.execute(kRuleGlass, asked->row, ruling.approve ? "open" : "rejected", ruling.by, at, until,
             ruling.approve ? std::optional(at) : std::nullopt);
  auto ruled = find_glass(db, id);
  if (!ruled) return std::unexpected(ruled.error());
  auto said = ruling.approve ? say_step(db, *ruled, "approved", at, {{"until", to_unix_seconds(*until)}})
                             : say_step(db, *ruled, "rejected", at, Json::object());
  if (!said) return std::unexpected(said.error());
  return std::move(ruled->glass);
}

Result<void> use_break_glass(Connection& db, BreakGlassId id, const ports::BreakGlassUse& use, UtcTime at, std::int64_t epoch) {
  const auto open = find_glass(db, id, epoch);
  if (!open) return std::unexpected(open.error());
  if (open->glass.state != BreakGlassState::open || at >= *open->glass.until)
    return fail(ErrorKind::permission_denied, "BREAK_GLASS_ENDED",
                "break-glass " + id.str() + " is over; if there is still need, ask again: hansa break-glass request");
  db.execute(kCountUse, open->row, at);
  if (db.execute(kUseAgain, open->row, use.operation, use.job, at) > 0) return {};
  db.execute(kUseFirst, open->row, use.operation, use.job, at);
  Json done{{"operation", use.operation}};
  if (use.job != JobId{}) done["job"] = use.job.str();
  return say_step(db, *open, "used", at, std::move(done));
}

Result<void> see_break_glass(Connection& db, BreakGlassId id, UtcTime at, std::int64_t epoch) {
  if (auto found = find_glass(db, id, epoch); !found) return std::unexpected(found.error());
  db.execute(kSeeGlass, id, at);
  return {};
}

Result<BreakGlass> end_break_glass(Connection& db, BreakGlassId id, const Principal& by, const std::string& why, UtcTime at,
                                   std::int64_t epoch) {
  auto found = find_glass(db, id, epoch);
  if (!found) return std::unexpected(found.error());
  const auto state = found->glass.state;
  if (state == BreakGlassState::ended || state == BreakGlassState::rejected) return std::move(found->glass);
  db.execute(kEndGlass, found->row, name_or_nothing(by), at, why);
  auto ended = find_glass(db, id);
  if (!ended) return std::unexpected(ended.error());
  if (auto said = say_step(db, *ended, "ended", at, {{"uses", ended->glass.uses}, {"why", why}}); !said)
    return std::unexpected(said.error());
  return std::move(ended->glass);
}

Result<ports::BreakGlassDetails> read_break_glass(Connection& db, BreakGlassId id) {
  auto found = find_glass(db, id);
  if (!found) return std::unexpected(found.error());
  ports::BreakGlassDetails details{.glass = std::move(found->glass), .used = {}, .steps = {}};
  {
    auto uses = db.query(kSelectGlassUses, found->row);
    while (uses.next())
      details.used.push_back({.use = {.operation = uses.string(0), .job = uses.job_id(1)},
                              .first_at = uses.time_ms(2),
                              .last_at = uses.time_ms(3),
                              .times = uses.integer(4)});
  }
  auto steps = db.query(kSelectGlassSteps, found->row);
  while (steps.next())
    details.steps.push_back({.record = steps.integer(0),
                             .event = steps.string(1),
                             .at = steps.time_ms(2),
                             .salt = steps.string(3),
                             .personal = steps.string(4)});
  return details;
}

Result<std::vector<BreakGlass>> read_break_glasses(Connection& db, const ports::BreakGlassQuery& query) {
  std::vector<BreakGlass> all;
  const auto state = query.state ? std::optional(std::string(domain::to_string(*query.state))) : std::nullopt;
  auto rows = db.query(kSelectSomeGlass.c_str(), state, query.by, bounded(query.limit));
  while (rows.next()) all.push_back(stored_glass(rows).glass);
  return all;
}

Task<> SqliteStore::ask_break_glass(BreakGlass glass, std::int64_t epoch) {
  co_return co_await impl_->write<void>(
      1024, [glass = std::move(glass), epoch](Connection& db) { return store::ask_break_glass(db, glass, epoch); });
}

Task<BreakGlass> SqliteStore::rule_break_glass(BreakGlassId id, ports::BreakGlassRuling ruling, UtcTime at, std::int64_t epoch) {
  co_return co_await impl_->write<BreakGlass>(
      1024, [=, ruling = std::move(ruling)](Connection& db) { return store::rule_break_glass(db, id, ruling, at, epoch); });
}

Task<> SqliteStore::use_break_glass(BreakGlassId id, ports::BreakGlassUse use, UtcTime at, std::int64_t epoch) {
  co_return co_await impl_->write<void>(
      512, [=, use = std::move(use)](Connection& db) { return store::use_break_glass(db, id, use, at, epoch); });
}

Task<> SqliteStore::see_break_glass(BreakGlassId id, UtcTime at, std::int64_t epoch) {
  co_return co_await impl_->write<void>(64, [=](Connection& db) { return store::see_break_glass(db, id, at, epoch); });
}

Task<BreakGlass> SqliteStore::end_break_glass(BreakGlassId id, Principal by, std::string why, UtcTime at, std::int64_t epoch) {
  co_return co_await impl_->write<BreakGlass>(512, [=, by = std::move(by), why = std::move(why)](Connection& db) {
    return store::end_break_glass(db, id, by, why, at, epoch);
  });
}

Task<ports::BreakGlassDetails> SqliteStore::break_glass(BreakGlassId id) {
  co_return co_await impl_->read<ports::BreakGlassDetails>(&Impl::scans_,
                                                           [id](Connection& db) { return read_break_glass(db, id); });
}

Task<std::vector<BreakGlass>> SqliteStore::break_glasses(ports::BreakGlassQuery query) {
  co_return co_await impl_->read<std::vector<BreakGlass>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_break_glasses(db, query); });
}

}  // namespace hansa::store
