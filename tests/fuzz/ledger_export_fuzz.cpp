// SPDX-License-Identifier: Apache-2.0
// Any bytes are an export of a ledger, or none and a line that says so, however they come in. What does not begin like one is
// taken for records that somebody has signed: what is found whole then has the sums of its records.

#include "broker/core/canonical_json.hpp"
#include "broker/ledger/export_check.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/ledger/sample_ledger.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::ledger;

namespace {

Result<ExportCheck::Facts> in_pieces(std::string_view text, std::size_t piece) {
  ExportCheck check({});
  for (std::size_t at = 0; at < text.size(); at += piece) {
    if (auto taken = check.take(text.substr(at, piece)); !taken) return std::unexpected(taken.error());
  }
  return check.finish();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  test::Sample sample;
  if (!text.starts_with("{\"checkpoint\"")) {
    for (auto& line : lines_of(text)) {
      if (line.starts_with('[') && !sample.records.empty())  // what a close rests on
        sample.closes.insert_or_assign(sample.records.size() - 1, std::move(line));
      else
        sample.records.push_back(std::move(line));
    }
  }
  const auto all = sample.records.empty() ? std::string(text) : test::joined(sample.lines(false, false));
  const auto whole = in_pieces(all, std::max<std::size_t>(all.size(), 1));
  const auto pieces = in_pieces(all, 7);
  require(whole.has_value() == pieces.has_value());
  for (const auto& line : sample.records) {
    RecordFields fields;
    if (!fields.parse(line)) continue;
    const auto json = parse_json(line, 1);
    require(json && json->is_object() && canonical_json(*json) == line);
  }
  if (!whole) {
    require(whole.error().code == "LEDGER_ALTERED" && whole.error().message == pieces.error().message);
    return 0;
  }
  __extension__ using Wide = __int128;
  Wide told = 0, summed = 0;
  for (const auto& [of, sum] : whole->sums) told += sum.amounts.core_seconds;
  for (const auto& line : lines_of(all)) {
    const auto json = parse_json(line, 1);
    if (!json || !json->contains("runs") || (*json)["kind"] == "summary") continue;
    summed += (*json)["core_seconds"].get<std::int64_t>();
  }
  require(told == summed);
  return 0;
}
