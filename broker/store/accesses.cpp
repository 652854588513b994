// SPDX-License-Identifier: Apache-2.0
// Who has read whose data. Readers and those who were read about stand in a table of their own: a name can go, the log stays as
// it is.
#include "broker/store/privacy.hpp"
#include "broker/store/readers.hpp"

namespace hansa::store {
namespace {

constexpr char kFindReader[] = "SELECT row FROM access_people WHERE principal = ?1";
constexpr char kInsertReader[] = "INSERT INTO access_people(principal) VALUES(?1)";
constexpr char kInsertAccess[] =
    "INSERT INTO access_log(at_s, reader, role, subject, route, reason, times) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
constexpr char kSelectAccesses[] =
    "SELECT a.sequence, a.at_s, r.principal, a.role, s.principal, a.route, a.reason, a.times FROM access_log a "
    "JOIN access_people r ON r.row = a.reader LEFT JOIN access_people s ON s.row = a.subject "
    "WHERE (?1 IS NULL OR a.at_s >= ?1) AND (?2 IS NULL OR a.at_s < ?2) AND (?3 IS NULL OR a.subject = (SELECT row FROM "
    "access_people WHERE principal = ?3)) AND (?4 = 0 OR a.sequence < ?4) ORDER BY a.sequence DESC LIMIT ?5";

std::int64_t reader_row(Connection& db, const Principal& person) {
  {
    auto row = db.query(kFindReader, person);
    if (row.next()) return row.integer(0);
  }
  db.execute(kInsertReader, person);
  return db.last_row();
}

}  // namespace

Result<void> note_accesses(Connection& db, const std::vector<ports::Access>& accesses) {
  for (const auto& access : accesses) {
    const auto reader = reader_row(db, access.reader);
    const auto subject = access.subject.empty() ? std::nullopt : std::optional(reader_row(db, access.subject));
    db.execute(kInsertAccess, to_unix_seconds(access.at), reader, access.role, subject, access.route, access.reason,
               access.times);
  }
  return {};
}

Result<std::vector<ports::StoredAccess>> read_accesses(Connection& db, const ports::AccessQuery& query) {
  const auto seconds = [](const std::optional<UtcTime>& t) { return t ? std::optional(to_unix_seconds(*t)) : std::nullopt; };
  std::vector<ports::StoredAccess> all;
  auto rows =
      db.query(kSelectAccesses, seconds(query.from), seconds(query.to), query.subject, query.before, bounded(query.limit));
  while (rows.next()) {
    all.push_back({.sequence = rows.integer(0),
                   .access = {.at = from_unix_seconds(rows.integer(1)),
                              .reader = Principal(rows.text(2)),
                              .role = rows.string(3),
                              .subject = Principal(rows.text(4)),
                              .route = rows.string(5),
                              .reason = rows.string(6),
                              .times = rows.integer(7)}});
  }
  return all;
}

}  // namespace hansa::store
