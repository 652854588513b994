// SPDX-License-Identifier: Apache-2.0
// All that is held of a person, part by part.
#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/privacy.hpp"
#include "broker/store/readers.hpp"

#include <charconv>

namespace hansa::store {
namespace {

using ports::PersonPage;
using ports::PersonPart;

constexpr std::int64_t kJobsInPage = 20;  // in a page: each has its script, and an event for whatever happened to it
constexpr std::int64_t kRowsInPage = 500;

constexpr char kJobsOfPerson[] = "SELECT row, id, spec FROM jobs WHERE owner = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
constexpr char kPayloadOfJob[] = "SELECT script, arguments, environment FROM payloads WHERE job = ?1";
constexpr char kAttemptsOfJob[] =
    "SELECT number, site, queue, account, scheduler_account, state, intended_at_ms, site_job_id, outcome, reason_code, "
    "reason_message FROM attempts WHERE job = ?1 ORDER BY number";
constexpr char kEventsOfJob[] = "SELECT at_ms, name, body FROM events WHERE job = ?1 ORDER BY version";
constexpr char kUsageOfJob[] =
    "SELECT u.seq, u.site, u.site_job_id, u.project, u.submitted_s, u.started_s, u.ended_s, u.core_seconds, u.gpu_seconds, "
    "u.node_seconds, p.account, p.pseudonym, p.source_line FROM ledger u JOIN ledger_persons p ON p.seq = u.seq WHERE u.job = ?1 "
    "ORDER BY u.seq";

/// Of a part that is one statement: its columns as they are called. ?1 is the principal; rows from ?2 on, at most ?3.
const char* statement_of(PersonPart part) {
  switch (part) {
    case PersonPart::tokens:
      return "SELECT id, role, note, created_at_ms, expires_at_ms, revoked_at_ms FROM tokens WHERE principal = ?1 ORDER BY id "
             "LIMIT ?3 OFFSET ?2";
    case PersonPart::secrets:
      return "SELECT name, bytes, changed_at_ms FROM secrets WHERE owner = ?1 ORDER BY name LIMIT ?3 OFFSET ?2";
    case PersonPart::datasets:
      return "SELECT id, project, labels, sha256, created_at_ms, changed_at_ms FROM datasets WHERE owner = ?1 ORDER BY id LIMIT "
             "?3 OFFSET ?2";
    case PersonPart::facts:
      return "SELECT attribute, statement, changed_at_ms FROM facts WHERE subject = 'person:' || ?1 UNION ALL "
             "SELECT 'projects, as the issuer has them', projects, seen_at_ms FROM memberships WHERE person = ?1 UNION ALL "
             "SELECT 'assurance, as the issuer vouches for it', json_object('user.assurance', assurance, 'user.authentication', "
             "authentication), seen_at_ms FROM memberships WHERE person = ?1 AND assurance || authentication <> '' ORDER BY 1 "
             "LIMIT "
             "?3 OFFSET ?2";
    case PersonPart::changes:
      return "SELECT * FROM (SELECT 'dataset' AS about, dataset AS id, name, at_ms, reason FROM dataset_changes WHERE by_whom = "
             "?1 UNION ALL SELECT 'fact', subject || ' ' || attribute, name, at_ms, reason FROM fact_changes WHERE by_whom = ?1 "
             "UNION ALL SELECT 'dataset, ruled', hex(change), iif(approved, 'approved', 'rejected'), at_ms, reason FROM "
             "dataset_rulings WHERE by_whom = ?1 "
             "UNION ALL SELECT 'fact, ruled', hex(change), iif(approved, 'approved', 'rejected'), at_ms, reason FROM "
             "fact_rulings WHERE by_whom = ?1 "
             "UNION ALL SELECT 'allocation', CAST(allocation AS TEXT), name, at_ms, note FROM allocation_events WHERE by_whom = "
             "?1 UNION ALL SELECT 'agent', site, what, at_ms, reason FROM agent_events WHERE by_whom = ?1 "
             "UNION ALL SELECT 'reconciliation', id, 'asked', at_s * 1000, '' FROM reconciliations WHERE asked_by = ?1 "
             "UNION ALL SELECT 'difference', site || ' ' || key, 'explained', at_ms, reason FROM explanations WHERE explained_by "
             "= "
             "?1 UNION ALL SELECT 'adjustment', id, 'asked', at_ms, reason FROM adjustments WHERE asked_by = ?1 "
             "UNION ALL SELECT 'adjustment, ruled', a.id, iif(r.approved, 'approved', 'rejected'), r.at_ms, r.reason FROM "
             "adjustment_rulings r JOIN adjustments a ON a.row = r.adjustment WHERE r.ruled_by = ?1 "
             "UNION ALL SELECT 'break-glass', hex(id), 'asked', at_ms, reason FROM break_glass WHERE by_whom = ?1 "
             "UNION ALL SELECT 'break-glass', hex(id), iif(until_ms IS NULL, 'rejected', 'approved'), ruled_at_ms, '' FROM "
             "break_glass WHERE ruled_by = ?1 "
             "UNION ALL SELECT 'break-glass', hex(id), 'ended', ended_at_ms, '' FROM break_glass WHERE ended_by = ?1 "
             "UNION ALL SELECT 'erasure', hex(id), 'asked', at_ms, reason FROM erasures WHERE by_whom = ?1 "
             "UNION ALL SELECT 'erasure', hex(id), state, ruled_at_ms, reason FROM erasures WHERE ruled_by = ?1) "
             "ORDER BY at_ms, about, id LIMIT ?3 OFFSET ?2";
    case PersonPart::sessions:
      return "SELECT site, what, at_ms, session_until_ms, by_whom, key, peer, reason FROM person_agent_events WHERE person = ?1 "
             "ORDER BY sequence LIMIT ?3 OFFSET ?2";
    case PersonPart::requests:
      return "SELECT key, request_hash, at_ms, jobs FROM idempotency WHERE owner = ?1 ORDER BY key LIMIT ?3 OFFSET ?2";
    case PersonPart::accesses:
      // Who they are is the readers' own matter; their role is the person's.
      return "SELECT a.at_s * 1000 AS at_ms, a.role AS reader, a.route, a.reason, a.times FROM access_people s JOIN access_log a "
             "ON a.subject = s.row WHERE s.principal = ?1 ORDER BY a.sequence LIMIT ?3 OFFSET ?2";
    case PersonPart::break_glass:
      return "SELECT iif(job IS NULL, 'all jobs', 'one job') AS opened, reason, state, at_ms, ruled_at_ms, until_ms, "
             "ended_at_ms, "
             "why, uses FROM break_glass WHERE person = ?1 ORDER BY row LIMIT ?3 OFFSET ?2";
    case PersonPart::jobs:
    case PersonPart::usage: break;
  }
  return nullptr;
}

Json text_or_base64(std::string_view bytes) { return is_utf8(bytes) ? Json(bytes) : Json{{"base64", to_base64(bytes)}}; }

Json texts_of(std::string_view packed) {
  Json list = Json::array();
  for (const auto& text : unpack(packed).value_or(std::vector<std::string>{})) list.push_back(text_or_base64(text));
  return list;
}

Json parsed(std::string_view text) {
  auto json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

Json seconds_json(std::int64_t s) { return s < 0 ? Json() : Json(format_utc(from_unix_seconds(s))); }

Json job_json(Connection& db, std::int64_t row, const JobId& id, std::string_view spec) {
  Json job{{"id", id.str()}, {"spec", parsed(spec)}, {"attempts", Json::array()}, {"events", Json::array()}};
  {
    auto payload = db.query(kPayloadOfJob, row);
    if (payload.next()) {
      job["script"] = text_or_base64(payload.text(0));
      job["arguments"] = texts_of(payload.text(1));
      job["environment"] = texts_of(payload.text(2));
    }
  }
  {
    auto attempts = db.query(kAttemptsOfJob, row);
    while (attempts.next()) {
      job["attempts"].push_back({{"number", attempts.integer(0)},
                                 {"site", attempts.string(1)},
                                 {"queue", attempts.string(2)},
                                 {"account", attempts.string(3)},
                                 {"scheduler_account", attempts.string(4)},
                                 {"state", attempts.string(5)},
                                 {"intended_at", format_utc(attempts.time_ms(6))},
                                 {"site_job_id", attempts.string(7)},
                                 {"outcome", attempts.string(8)},
                                 {"reason", {{"code", attempts.string(9)}, {"message", attempts.string(10)}}}});
    }
  }
  auto events = db.query(kEventsOfJob, row);
  while (events.next())
    job["events"].push_back(
        {{"at", format_utc(events.time_ms(0))}, {"name", events.string(1)}, {"body", parsed(events.text(2))}});
  return job;
}

void add_usage(Connection& db, std::int64_t row, const JobId& id, std::vector<Json>& entries) {
  auto u = db.query(kUsageOfJob, row);
  while (u.next()) {
    entries.push_back({{"record", u.integer(0)},
                       {"job", id.str()},
                       {"site", u.string(1)},
                       {"site_job_id", u.string(2)},
                       {"project", u.string(3)},
                       {"submitted_at", seconds_json(u.integer(4))},
                       {"started_at", seconds_json(u.integer(5))},
                       {"ended_at", seconds_json(u.integer(6))},
                       {"core_seconds", u.integer(7)},
                       {"gpu_seconds", u.integer(8)},
                       {"node_seconds", u.integer(9)},
                       {"account", u.string(10)},
                       {"pseudonym", u.string(11)},
                       {"source_line", text_or_base64(u.text(12))}});
  }
}

Result<PersonPage> jobs_of(Connection& db, const Principal& person, bool usage, const std::string& after) {
  const auto from = after.empty() ? std::optional(JobId{}) : Ulid::parse(after);
  if (!from) return fail(ErrorKind::invalid_argument, "BAD_CURSOR", "that is no place to go on from");
  PersonPage page;
  std::vector<std::tuple<std::int64_t, JobId, std::string>> found;
  {
    auto rows = db.query(kJobsOfPerson, person, *from, kJobsInPage);
    while (rows.next()) found.emplace_back(rows.integer(0), rows.job_id(1), rows.string(2));
  }
  for (const auto& [row, id, spec] : found) {
    if (usage)
      add_usage(db, row, id, page.entries);
    else
      page.entries.push_back(job_json(db, row, id, spec));
  }
  if (std::ssize(found) == kJobsInPage) page.next = std::get<JobId>(found.back()).str();
  return page;
}

Json cell_json(const Statement& row, int column, std::string_view name) {
  if (row.is_null(column)) return {};
  if (name.ends_with("_ms")) return format_utc(row.time_ms(column));
  return row.is_integer(column) ? Json(row.integer(column)) : text_or_base64(row.text(column));
}

}  // namespace

Result<PersonPage> read_person_part(Connection& db, const Principal& person, PersonPart part, const std::string& after) {
  if (part == PersonPart::jobs || part == PersonPart::usage) return jobs_of(db, person, part == PersonPart::usage, after);
  std::int64_t from = 0;
  std::from_chars(after.data(), after.data() + after.size(), from);
  PersonPage page;
  auto rows = db.query(statement_of(part), person, from, kRowsInPage);
  while (rows.next()) {
    Json entry = Json::object();
    for (int i = 0; i < rows.columns(); ++i) {
      const auto name = rows.column_name(i);
      entry[std::string(name.ends_with("_ms") ? name.substr(0, name.size() - 3) : name)] = cell_json(rows, i, name);
    }
    page.entries.push_back(std::move(entry));
  }
  if (std::ssize(page.entries) == kRowsInPage) page.next = std::to_string(from + kRowsInPage);
  return page;
}

}  // namespace hansa::store
