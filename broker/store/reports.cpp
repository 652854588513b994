// SPDX-License-Identifier: Apache-2.0
#include "broker/store/reports.hpp"

#include "broker/ledger/record.hpp"
#include "broker/ledger/report.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/usage_query.hpp"

#include <algorithm>
#include <iterator>
#include <map>

namespace hansa::store {
namespace {

using ports::Cell;
using ports::Dimension;
using ports::ReportQuery;
using ports::RowSink;

using Produce = Result<void> (*)(Connection&, const Options&, const ReportQuery&, const RowSink&);
struct Producer {
  std::string_view name;
  Produce produce;
};
constexpr Producer kProducers[] = {{"usage", write_usage},
                                   {"countries", write_usage},
                                   {"funding", write_funding},
                                   {"corrections", write_corrections},
                                   {"sovereignty", write_sovereignty},
                                   {"energy", write_energy},
                                   {"clearing", write_clearing},
                                   {"grants", write_grants},
                                   {"period", write_period},
                                   {"reconciliation", write_reconciliation},
                                   {"completeness", write_completeness},
                                   {"access", write_access},
                                   {"retention", write_retention}};

std::vector<Cell> cells_of(const std::vector<std::string>& keys, std::size_t count) {
  std::vector<Cell> cells;
  cells.reserve(keys.size() + 9);
  for (std::size_t i = 0; i < count; ++i) cells.emplace_back(keys[i]);
  return cells;
}

Wide number_of(const std::string& text) {
  Wide value = 0;
  for (const char c : text) value = value * 10 + (c - '0');
  return value;
}

/// Energy of one group, which its contexts come to one by one.
struct Energy {
  Wide runs = 0, with_energy = 0, measured = 0, shared = 0, estimated = 0, with_carbon = 0, co2e = 0;

  void add(const Used& used, std::string_view scope, Wide pue_milli, Wide carbon_mg_per_kwh) {
    runs += used.runs;
    with_energy += used.with_energy;
    if (scope == "exclusive") measured += used.energy_j;
    if (scope == "shared") shared += used.energy_j;
    if (scope == "estimated") estimated += used.energy_j;
    if (pue_milli == 0 || carbon_mg_per_kwh == 0) return;
    with_carbon += used.energy_j;
    co2e += used.energy_j * pue_milli * carbon_mg_per_kwh;
  }
};

}  // namespace

Result<void> write_usage(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  return each_sum(db, query, {}, [&](const std::vector<std::string>& keys, const Used& used) {
    auto cells = cells_of(keys, keys.size());
    for (const auto amount : {used.runs, used.elapsed_s, used.core_seconds, used.gpu_seconds, used.node_seconds})
      cells.emplace_back(amount);
    return sink(cells);
  });
}

Result<void> write_energy(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  std::optional<std::vector<std::string>> of;
  Energy sum;
  const auto tell = [&]() -> Result<void> {
    auto cells = cells_of(*of, of->size());
    const auto known = sum.measured + sum.shared + sum.estimated;
    for (const auto amount : {sum.runs, sum.with_energy, sum.measured, sum.shared, sum.estimated}) cells.emplace_back(amount);
    cells.push_back(known > 0 ? Cell(sum.measured * 1000 / known) : Cell());
    cells.emplace_back(sum.with_carbon);
    cells.push_back(sum.with_carbon > 0 ? Cell(sum.co2e) : Cell());
    return sink(cells);
  };
  auto taken = each_sum(db, query, {"energy_scope", "pue_milli", "carbon_mg_per_kwh"},
                        [&](std::vector<std::string> keys, const Used& used) -> Result<void> {
                          const auto carbon = number_of(keys.back()), pue = number_of(keys[keys.size() - 2]);
                          const auto scope = std::move(keys[keys.size() - 3]);
                          keys.resize(keys.size() - 3);
                          if (of && *of != keys) {
                            if (auto told = tell(); !told) return told;
                            sum = {};
                          }
                          of = std::move(keys);
                          sum.add(used, scope, pue, carbon);
                          return {};
                        });
  if (!taken || !of) return taken;
  return tell();
}

Result<void> write_clearing(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  // Of each moment (or none) what was used at each centre by people of each: as many as there are centres, squared.
  ReportQuery pairs = query;
  std::erase_if(pairs.by, [](Dimension d) { return d == Dimension::centre || d == Dimension::home; });
  const auto times = pairs.by.size();
  pairs.by.insert(pairs.by.end(), {Dimension::centre, Dimension::home});
  struct Moved {
    Used given, taken;
  };
  // Of some sites only what they gave: what their people took is in others' records.
  const bool is_given_alone = !query.within.sites.empty();
  std::map<std::vector<std::string>, Moved> rows;  // by the keys that were asked for, in their order
  const auto key_of = [&](const std::vector<std::string>& time, const std::string& centre, const std::string& home) {
    std::vector<std::string> key;
    std::size_t at = 0;
    for (const auto dimension : query.by)
      key.push_back(dimension == Dimension::centre ? centre : dimension == Dimension::home ? home : time[at++]);
    return key;
  };
  const auto taken = each_sum(db, pairs, {}, [&](const std::vector<std::string>& keys, const Used& used) -> Result<void> {
    const auto &centre = keys[times], &home = keys[times + 1];
    rows[key_of(keys, centre, home)].given += used;
    if (!is_given_alone) rows[key_of(keys, home, centre)].taken += used;
    return {};
  });
  if (!taken) return taken;
  for (const auto& [key, moved] : rows) {
    auto cells = cells_of(key, key.size());
    for (const auto& [given, took] : {std::pair(moved.given.core_seconds, moved.taken.core_seconds),
                                      std::pair(moved.given.gpu_seconds, moved.taken.gpu_seconds),
                                      std::pair(moved.given.node_seconds, moved.taken.node_seconds)}) {
      cells.emplace_back(given);
      for (const auto amount : {took, given - took}) cells.push_back(is_given_alone ? Cell() : Cell(amount));
    }
    if (auto told = sink(cells); !told) return told;
  }
  return {};
}

Result<void> write_corrections(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  auto row = db.query_composed(corrections_query("r.at_s >= ?2 AND r.at_s < ?3 ORDER BY r.seq"), query.size,
                               second_of(query.from, INT64_MIN), second_of(query.to, INT64_MAX));
  while (row.next()) {
    if (!query.within.has(ProjectId(row.text(4))) || !query.within.has(SiteId(row.text(5)))) continue;
    std::vector<Cell> cells{Wide{row.integer(0)}, ledger::period_of(row.integer(1)), ledger::period_of(row.integer(0))};
    for (int column = 2; column <= 6; ++column) cells.emplace_back(row.string(column));
    cells.emplace_back(row.job_id(7).str());
    for (int column = 8; column <= 16; ++column) cells.push_back(row.is_null(column) ? Cell() : Cell(Wide{row.integer(column)}));
    if (auto taken = sink(cells); !taken) return taken;
  }
  return {};
}

Result<void> write_report(Connection& db, const Options& options, const std::string& name, const ReportQuery& query,
                          const RowSink& sink) {
  const auto at = std::ranges::find(kProducers, name, &Producer::name);
  if (at == std::end(kProducers)) return fail(ErrorKind::not_found, "NO_SUCH_REPORT", "there is no report of the name " + name);
  if (!query.for_third_party) return at->produce(db, options, query, sink);
  auto withheld = groups_withheld(db, name, query);
  if (!withheld) return std::unexpected(withheld.error());
  return at->produce(db, options, query, [&](std::span<const Cell> cells) {
    std::vector<Cell> row(cells.begin(), cells.end());
    const auto key = row.begin() + static_cast<std::ptrdiff_t>(query.by.size());
    std::vector<std::string> keys;
    std::transform(row.begin(), key, std::back_inserter(keys), [](const Cell& cell) { return std::get<std::string>(cell); });
    const bool is_withheld = withheld->contains(keys);
    if (is_withheld) std::fill(key, row.end(), Cell());
    row.push_back(is_withheld ? Cell(std::string(ledger::kWithheld)) : Cell());
    return sink(row);
  });
}

}  // namespace hansa::store
