// SPDX-License-Identifier: Apache-2.0
#include "broker/store/transfers.hpp"

#include "broker/core/canonical_json.hpp"

namespace hansa::store {
namespace {

constexpr char kBeginTransfer[] =
    "INSERT INTO transfers(id, dataset, from_site, to_site, body, begun_at_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO "
    "NOTHING";
constexpr char kEndTransfer[] =
    "UPDATE transfers SET ended_at_ms = ?2, end_code = ?3, message = ?4 WHERE id = ?1 AND ended_at_ms IS NULL";
constexpr char kSelectUnderWay[] = "SELECT body, begun_at_ms FROM transfers WHERE ended_at_ms IS NULL ORDER BY id";
constexpr char kPutSpeed[] =
    "INSERT OR REPLACE INTO link_speeds(from_site, to_site, bytes_per_second, measured_at_ms) VALUES(?1, ?2, ?3, ?4)";
constexpr char kSelectSpeeds[] = "SELECT from_site, to_site, bytes_per_second FROM link_speeds ORDER BY from_site, to_site";
constexpr char kSelectOccupied[] =
    "SELECT coalesce(sum(d.size_bytes), 0), coalesce(sum(d.files), 0) FROM replicas r JOIN datasets d ON d.id = r.dataset "
    "WHERE r.site = ?1 AND r.root = ?2 AND (r.expires_at_ms IS NULL OR r.expires_at_ms > ?3)";

}  // namespace

Result<void> begin_transfer(Connection& db, const ports::BegunTransfer& begun) {
  const auto& transfer = begun.transfer;
  const auto made = db.execute(kBeginTransfer, transfer.id, transfer.dataset, transfer.from.site, transfer.to.site,
                               canonical_json(domain::to_json(transfer)), begun.begun_at);
  if (made == 0) {
    return fail(ErrorKind::conflict, "TRANSFER_UNDER_WAY",
                "dataset " + transfer.dataset.str() + " is on its way to " + transfer.to.site.str() + " already");
  }
  return {};
}

Result<void> end_transfer(Connection& db, const EndRequest& request) {
  const auto& outcome = request.outcome;
  const auto changed = db.execute(kEndTransfer, request.id, outcome.at, domain::to_string(outcome.end), outcome.message);
  if (changed == 0 || !request.measured) return {};
  const auto& speed = *request.measured;
  db.execute(kPutSpeed, speed.from, speed.to, speed.per_second, outcome.at);
  return {};
}

Result<std::vector<ports::BegunTransfer>> read_transfers_under_way(Connection& db) {
  std::vector<ports::BegunTransfer> found;
  auto rows = db.query(kSelectUnderWay);
  while (rows.next()) {
    const auto json = parse_json(rows.text(0));
    auto transfer = json ? domain::transfer_from_json(*json) : std::unexpected(json.error());
    if (!transfer)
      return fail(ErrorKind::internal, "STORE_CORRUPT", "a transfer cannot be read as it is stored", transfer.error().message);
    found.push_back({.transfer = std::move(*transfer), .begun_at = rows.time_ms(1)});
  }
  return found;
}

Result<std::vector<ports::LinkSpeed>> read_link_speeds(Connection& db) {
  std::vector<ports::LinkSpeed> found;
  auto rows = db.query(kSelectSpeeds);
  while (rows.next())
    found.push_back({.from = SiteId(rows.text(0)), .to = SiteId(rows.text(1)), .per_second = {rows.integer(2)}});
  return found;
}

Result<ports::Occupied> read_occupied(Connection& db, const SiteId& site, const domain::RootName& root, UtcTime now) {
  auto row = db.query(kSelectOccupied, site, root, now);
  row.next();
  return ports::Occupied{.bytes = {row.integer(0)}, .files = row.integer(1)};
}

}  // namespace hansa::store
