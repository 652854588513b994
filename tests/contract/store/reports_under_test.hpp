// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reports as tests see them: rows, and the bytes of each format against those that are written down (tests/data/reports;
// HANSA_WRITE_GOLDEN=1 writes them anew).
#include "broker/ledger/report_writer.hpp"

#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace hansa::contract {

/// A run of the job on eight cores, as its site tells it.
inline domain::UsageRecord told_run_of(const domain::Job& job, std::int64_t started, std::int64_t elapsed = 100) {
  const auto& attempt = job.attempts.front();
  domain::UsageRecord record;
  record.site = attempt.site;
  record.cluster = "c";
  record.site_job_id = attempt.site_job_id;
  record.tag = domain::make_tag(job.id, attempt.number);
  record.account = attempt.account;
  record.scheduler_account = "proj1";
  record.queue = QueueName("batch");
  record.submitted_at = at(1);
  record.started_at = at(started);
  record.ended_at = at(started + elapsed);
  record.site_state = "COMPLETED";
  record.exit_code = 0;
  record.elapsed = Seconds{elapsed};
  record.nodes = 1;
  record.cores = 8;
  record.core_seconds = {elapsed * 8};
  record.node_seconds = {elapsed};
  record.source_line = attempt.site_job_id.str() + "|alice|COMPLETED";
  return record;
}

using ReportRows = std::vector<std::vector<ports::Cell>>;
struct Report {
  std::string text;
  ReportRows rows;
};

inline std::int64_t size_of(StoreUnderTest& store) { return store.wait(store.ledger().ledger_head()).value().size; }

inline Report report(StoreUnderTest& store, std::string_view name, ports::ReportQuery query, std::string_view format = "csv") {
  Report made;
  if (query.size == 0) query.size = size_of(store);
  query.now = from_unix_seconds(1'800'000'000);
  const auto* kind = ledger::find_report(name);
  REQUIRE(kind != nullptr);
  const auto writer = ledger::make_writer(format, [&](std::string_view bytes) { return made.text += bytes, Result<void>{}; });
  REQUIRE(writer->begin({.kind = kind,
                         .query = query,
                         .columns = ledger::columns_of(*kind, query.by, query.for_third_party),
                         .root = "ROOT",
                         .grade = {},
                         .origin = "hansa/test"}));
  const auto done = store.wait(store.reports().report_rows(std::string(name), query, [&](std::span<const ports::Cell> cells) {
    made.rows.emplace_back(cells.begin(), cells.end());
    return writer->row(cells);
  }));
  INFO(name << (done ? "" : done.error().message + done.error().detail));
  REQUIRE(done);
  REQUIRE(writer->end());
  return made;
}

/// What a row says in that column; "": nothing.
inline std::string said(const ledger::ReportKind& kind, const std::vector<ports::Cell>& row, std::string_view column) {
  std::size_t at = 0;
  while (at < kind.columns.size() && kind.columns[at].name != column) ++at;
  REQUIRE(at < row.size());
  if (const auto* text = std::get_if<std::string>(&row[at])) return *text;
  const auto* number = std::get_if<Wide>(&row[at]);
  return number == nullptr ? "" : ledger::wide_text(*number);
}

inline void is_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(HANSA_REPORT_DATA) + "/" + name;
  if (std::getenv("HANSA_WRITE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream file(path, std::ios::binary);
  std::stringstream expected;
  expected << file.rdbuf();
  INFO(name);
  CHECK(text == expected.str());
}

/// In each of its formats.
inline void is_golden(StoreUnderTest& store, const ledger::ReportKind& kind, const ports::ReportQuery& query) {
  for (const auto format : kind.formats)
    is_golden(std::string(kind.name) + "." + std::string(format == "table" ? "txt" : format),
              report(store, kind.name, query, format).text);
}

}  // namespace hansa::contract
