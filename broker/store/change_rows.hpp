// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the logs of the registers keep changes and rulings: two tables each, the same columns in all of them.

#include "broker/domain/change.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

/// Of `c`, the changes, joined with `r`, their rulings; what was changed follows.
inline constexpr char kChangeColumns[] =
    "c.id, c.version, c.by_whom, c.at_ms, c.reason, c.needs_second_person, c.name, c.body, r.approved, r.by_whom, r.at_ms, "
    "r.reason, r.version";
inline constexpr int kChangeName = 6, kChangeBody = 7, kChangeOf = 13;  // places of columns
/// The state of a row, as ChangeState spells it.
inline constexpr char kChangeState[] =
    "CASE WHEN NOT c.needs_second_person THEN 'applied' WHEN r.approved IS NULL THEN 'pending' WHEN r.approved THEN 'approved' "
    "ELSE 'rejected' END";

template <typename Of, typename Body>
domain::Change<Of, Body> change_of(const Statement& row, Of of, Body body) {
  domain::Change<Of, Body> change{.id = row.job_id(0),
                                  .of = std::move(of),
                                  .version = row.integer(1),
                                  .by = Principal(row.text(2)),
                                  .at = row.time_ms(3),
                                  .reason = row.string(4),
                                  .body = std::move(body),
                                  .needs_second_person = row.boolean(5),
                                  .ruling = std::nullopt};
  if (!row.is_null(8)) {
    change.ruling = {.approved = row.boolean(8),
                     .by = Principal(row.text(9)),
                     .at = row.time_ms(10),
                     .reason = row.string(11),
                     .version = row.integer(12)};
  }
  return change;
}

/// `ruled` tells whether there is one for ?1; `insert` takes change, version, approved, by whom, when and why.
inline Result<void> insert_ruling(Connection& db, const char* ruled, const char* insert, const domain::ChangeId& change,
                                  const domain::Ruling& ruling) {
  if (db.query(ruled, change).next())
    return fail(ErrorKind::conflict, "ALREADY_RULED", "change " + change.str() + " was approved or rejected already");
  db.execute(insert, change, ruling.version, ruling.approved, ruling.by, ruling.at, ruling.reason);
  return {};
}

}  // namespace hansa::store
