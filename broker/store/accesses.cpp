// SPDX-License-Identifier: Apache-2.0
// Who has read whose data, as it is written down; report_protection.cpp tells it. Readers and those who were read about stand in
// a table of their own: a name can go, the log stays as it is.
#include "broker/store/privacy.hpp"

namespace hansa::store {
namespace {

constexpr char kFindReader[] = "SELECT row FROM access_people WHERE principal = ?1";
constexpr char kInsertReader[] = "INSERT INTO access_people(principal) VALUES(?1)";
constexpr char kInsertAccess[] =
    "INSERT INTO access_log(at_s, reader, role, subject, route, reason, times) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";

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

}  // namespace hansa::store
