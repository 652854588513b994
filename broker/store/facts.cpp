// SPDX-License-Identifier: Apache-2.0
#include "broker/store/facts.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/store/change_rows.hpp"
#include "broker/store/readers.hpp"

namespace hansa::store {
namespace {

using domain::FactChange;
using domain::FactKey;
using domain::RegisteredFact;

constexpr char kSelectFactVersion[] = "SELECT version FROM facts WHERE subject = ?1 AND attribute = ?2";
constexpr char kPutFact[] =
    "INSERT INTO facts(subject, attribute, version, change, changed_at_ms, statement) VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
    "ON CONFLICT(subject, attribute) DO UPDATE SET version = excluded.version, change = excluded.change, "
    "changed_at_ms = excluded.changed_at_ms, statement = excluded.statement";
const std::string kFacts = "SELECT subject, attribute, version, change, changed_at_ms, statement FROM facts ";
const std::string kSelectFact = kFacts + "WHERE subject = ?1 AND attribute = ?2";
const std::string kSelectFacts = kFacts + "ORDER BY subject, attribute";

constexpr char kInsertFactChange[] =
    "INSERT INTO fact_changes(id, subject, attribute, version, by_whom, at_ms, reason, needs_second_person, name, body) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
constexpr char kInsertFactRuling[] =
    "INSERT INTO fact_rulings(change, version, approved, by_whom, at_ms, reason) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kSelectFactRuled[] = "SELECT 1 FROM fact_rulings WHERE change = ?1";

const std::string kFactChanges = std::string("SELECT ") + kChangeColumns +
                                 ", c.subject, c.attribute FROM fact_changes c LEFT JOIN fact_rulings r ON r.change = c.id ";
const std::string kSelectFactChange = kFactChanges + "WHERE c.id = ?1";
const std::string kSelectFactChanges = kFactChanges +
                                       "WHERE (?1 IS NULL OR c.id < ?1) AND (?2 IS NULL OR c.subject = ?2) "
                                       "AND (?3 IS NULL OR c.attribute = ?3) AND (?4 IS NULL OR ?4 = " +
                                       kChangeState + ") ORDER BY c.id DESC LIMIT ?5";

Result<FactKey> key_of(std::string_view subject, std::string attribute) {
  auto parsed = domain::parse_subject(subject);
  if (!parsed) return unreadable("the subject of a fact", std::string(subject));
  return FactKey{.subject = std::move(*parsed), .attribute = std::move(attribute)};
}

Result<RegisteredFact> fact_of(const Statement& row) {
  auto key = key_of(row.text(0), row.string(1));
  if (!key) return std::unexpected(key.error());
  RegisteredFact fact{.key = std::move(*key), .version = row.integer(2)};
  if (row.is_null(3)) return fact;
  fact.change = row.job_id(3);
  fact.changed_at = row.time_ms(4);
  if (row.is_null(5)) return fact;
  const auto json = parse_json(row.text(5));
  auto statement = json ? domain::statement_from_json(*json) : Result<domain::Statement>(std::unexpected(json.error()));
  if (!statement) return unreadable("what is said of " + row.string(0), statement.error().message);
  fact.statement = std::move(*statement);
  return fact;
}

Result<FactChange> fact_change_of(const Statement& row) {
  auto key = key_of(row.text(kChangeOf), row.string(kChangeOf + 1));
  if (!key) return std::unexpected(key.error());
  const auto json = parse_json(row.text(kChangeBody));
  auto body = json ? domain::fact_change_from_json(*json) : Result<domain::FactChangeBody>(std::unexpected(json.error()));
  if (!body) return unreadable("a change about " + row.string(kChangeOf), body.error().message);
  return change_of(row, std::move(*key), std::move(*body));
}

}  // namespace

Result<void> record_fact(Connection& db, const ports::FactStep& step) {
  const auto& fact = step.fact;
  const auto subject = fact.key.subject.str();
  const auto before = fact.version - static_cast<std::int64_t>(step.changes.size()) - (step.ruling ? 1 : 0);
  if (auto row = db.query(kSelectFactVersion, subject, fact.key.attribute); (row.next() ? row.integer(0) : 0) != before) {
    return fail(ErrorKind::conflict, "STALE_VERSION",
                fact.key.attribute + " of " + subject + " was changed at the same moment: look at it, and try again");
  }
  for (const auto& change : step.changes) {
    db.execute(kInsertFactChange, change.id, subject, fact.key.attribute, change.version, change.by, change.at, change.reason,
               change.needs_second_person, domain::change_name(change.body), canonical_json(domain::to_json(change.body)));
  }
  db.execute(kPutFact, subject, fact.key.attribute, fact.version, fact.change,
             fact.change ? std::optional(fact.changed_at) : std::nullopt,
             fact.statement ? std::optional(canonical_json(domain::to_json(*fact.statement))) : std::nullopt);
  if (!step.ruling) return {};
  return insert_ruling(db, kSelectFactRuled, kInsertFactRuling, step.ruling->change, step.ruling->ruling);
}

Result<RegisteredFact> read_fact(Connection& db, const FactKey& key) {
  auto row = db.query(kSelectFact.c_str(), key.subject.str(), key.attribute);
  return row.next() ? fact_of(row) : Result<RegisteredFact>(RegisteredFact{.key = key});
}

Result<std::vector<RegisteredFact>> read_facts(Connection& db) {
  std::vector<RegisteredFact> found;
  auto rows = db.query(kSelectFacts.c_str());
  while (rows.next()) {
    auto fact = fact_of(rows);
    if (!fact) return std::unexpected(fact.error());
    found.push_back(std::move(*fact));
  }
  return found;
}

Result<FactChange> read_fact_change(Connection& db, domain::ChangeId id) {
  auto row = db.query(kSelectFactChange.c_str(), id);
  if (!row.next()) return fail(ErrorKind::not_found, "CHANGE_NOT_FOUND", "there is no change " + id.str());
  return fact_change_of(row);
}

Result<std::vector<FactChange>> read_fact_changes(Connection& db, const ports::FactChangeQuery& query) {
  std::vector<FactChange> found;
  const auto subject = query.subject ? std::optional(query.subject->str()) : std::nullopt;
  const auto state = query.state ? std::optional(std::string(domain::to_string(*query.state))) : std::nullopt;
  auto rows = db.query(kSelectFactChanges.c_str(), query.before, subject, query.attribute, state, bounded(query.limit));
  while (rows.next()) {
    auto change = fact_change_of(rows);
    if (!change) return std::unexpected(change.error());
    found.push_back(std::move(*change));
  }
  return found;
}

}  // namespace hansa::store
