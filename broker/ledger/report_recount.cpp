// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/report_recount.hpp"

#include "broker/ledger/report_writer.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

namespace hansa::ledger {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::string_view kFigures[] = {"runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds"};

std::string day_of(std::int64_t seconds) {
  using namespace std::chrono;
  const year_month_day day{floor<days>(sys_seconds{std::chrono::seconds{seconds}})};
  const auto number = static_cast<unsigned>(day.day());
  return period_of(seconds) + (number < 10 ? "-0" : "-") + std::to_string(number);
}

std::unexpected<Error> bad(std::string what) {
  return fail(ErrorKind::invalid_argument, "BAD_REPORT", "the report's file: " + std::move(what));
}

bool is_for_third_party(const ReportManifest& manifest) {
  const auto query = "&" + manifest.query + "&";
  return query.contains("&for=third_party&");
}

std::optional<Wide> wide_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 38 || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  Wide value = 0;
  for (const char c : text) value = value * 10 + (c - '0');
  return negative ? -value : value;
}

/// One line of fields; moves `rest` behind it. None: it is no CSV.
std::optional<std::vector<std::string>> next_line(std::string_view& rest) {
  std::vector<std::string> fields(1);
  for (std::size_t at = 0; at < rest.size();) {
    if (rest[at] == '"' && fields.back().empty()) {
      for (++at;; ++at) {
        if (at >= rest.size()) return std::nullopt;
        if (rest[at] == '"') {
          if (at + 1 < rest.size() && rest[at + 1] == '"')
            ++at;
          else
            break;
        }
        fields.back() += rest[at];
      }
      ++at;
      if (at < rest.size() && rest[at] != ',' && rest[at] != '\r') return std::nullopt;
    } else if (rest[at] == ',') {
      fields.emplace_back();
      ++at;
    } else if (rest[at] == '\r') {
      if (at + 1 >= rest.size() || rest[at + 1] != '\n') return std::nullopt;
      rest.remove_prefix(at + 2);
      return fields;
    } else {
      fields.back() += rest[at++];
    }
  }
  return std::nullopt;
}

Result<ReportRecount::Told> read_csv(const ReportManifest& manifest, std::string_view rest) {
  const auto header = next_line(rest);
  if (!header) return bad("it has no header");
  std::vector<std::size_t> keys, figures;
  const auto find = [&](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(*header, name) - header->begin());
  };
  for (const auto& name : manifest.by) keys.push_back(find(name));
  for (const auto name : kFigures) figures.push_back(find(name));
  for (const auto* places : {&keys, &figures}) {
    if (std::ranges::any_of(*places, [&](std::size_t at) { return at == header->size(); })) return bad("a column is missing");
  }
  const bool may_withhold = is_for_third_party(manifest);
  const auto withheld = find("withheld");
  if (may_withhold && withheld == header->size()) return bad("a column is missing");
  ReportRecount::Told rows;
  while (!rest.empty()) {
    const auto line = next_line(rest);
    if (!line || line->size() != header->size()) return bad("a line is no line of it");
    ReportRecount::Keys key;
    for (const auto at : keys) key.push_back((*line)[at]);
    if (may_withhold && (*line)[withheld] == kWithheld) {
      if (std::ranges::any_of(figures, [&](std::size_t at) { return !(*line)[at].empty(); }))
        return bad("a withheld row has figures");
      if (!rows.emplace(std::move(key), std::nullopt).second) return bad("the same group twice");
      continue;
    }
    ReportRecount::Figures row{};
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto value = wide_of((*line)[figures[i]]);
      if (!value) return bad("a figure is no number");
      row[i] = *value;
    }
    if (!rows.emplace(std::move(key), row).second) return bad("the same group twice");
  }
  return rows;
}

Result<ReportRecount::Told> read_json(const ReportManifest& manifest, std::string_view file) {
  while (file.ends_with('\n')) file.remove_suffix(1);
  const auto json = parse_json(file, 8);
  if (!json) return bad(json.error().message);
  if (!json->is_object() || !json->value("rows", Json()).is_array()) return bad("it has no rows");
  const bool may_withhold = is_for_third_party(manifest);
  ReportRecount::Told rows;
  for (const auto& entry : (*json)["rows"]) {
    ReportRecount::Keys key;
    ReportRecount::Figures row{};
    if (!entry.is_object()) return bad("a row is no object");
    for (const auto& name : manifest.by) {
      const auto at = entry.find(name);
      if (at == entry.end() || !at->is_string()) return bad("a row without \"" + name + "\"");
      key.push_back(formula_safe(at->get<std::string>()));
    }
    if (may_withhold && entry.value("withheld", Json()) == kWithheld) {
      if (std::ranges::any_of(kFigures, [&](std::string_view name) { return !entry.value(std::string(name), Json()).is_null(); }))
        return bad("a withheld row has figures");
      if (!rows.emplace(std::move(key), std::nullopt).second) return bad("the same group twice");
      continue;
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto at = entry.find(std::string(kFigures[i]));
      if (at == entry.end() || !at->is_number_integer()) return bad("a row without \"" + std::string(kFigures[i]) + "\"");
      row[i] = at->get<std::int64_t>();
    }
    if (!rows.emplace(std::move(key), row).second) return bad("the same group twice");
  }
  return rows;
}

}  // namespace

bool ReportRecount::can_count(const ReportManifest& manifest) {
  if ((manifest.report != "usage" && manifest.report != "countries") || !manifest.everybody ||
      (manifest.file_format != "csv" && manifest.file_format != "json"))
    return false;
  const bool by_time = std::ranges::any_of(manifest.by, [](const std::string& name) { return name == "day" || name == "month"; });
  if (manifest.sliced && by_time && (!manifest.from_s || !manifest.to_s)) return false;
  return std::ranges::all_of(manifest.by, [](const std::string& name) {
    return name != "person" && std::ranges::find(ports::kDimensions, name) != ports::kDimensions.end();
  });
}

void ReportRecount::add(const RecordFields& record, const std::string& day, std::int64_t from, std::int64_t to, bool is_sliced) {
  Keys keys;
  for (const auto& name : manifest_.by) {
    if (name == "day" || name == "month")
      keys.push_back(name == "day" ? day : day.substr(0, 7));
    else
      keys.push_back(formula_safe(record.text(name == "state" ? "site_state" : name).value_or("")));
  }
  auto& sum = sums_[keys];
  const auto number = [&](std::string_view name) { return record.integer(name).value_or(0); };
  const auto ended = number("ended_s");
  const auto started = std::min(record.integer("started_s").value_or(ended), ended);
  for (std::size_t i = 0; i < sum.figures.size(); ++i) {
    const auto amount = number(kFigures[i]);
    sum.figures[i] += !is_sliced ? amount
                      : i == 0   ? (ended >= from && ended < to ? amount : 0)
                                 : part_of(amount, started, ended, from, to);
  }
  const auto energy = number("energy_j");
  sum.energy += is_sliced ? part_of(energy, started, ended, from, to) : energy;
}

void ReportRecount::take(const RecordFields& record) {
  const auto is_of = [&record](const std::vector<std::string>& names, std::string_view member) {
    return names.empty() || std::ranges::find(names, record.text(member).value_or("")) != names.end();
  };
  if (!is_of(manifest_.projects, "project") || !is_of(manifest_.sites, "site")) return;
  const auto from = manifest_.from_s.value_or(std::numeric_limits<std::int64_t>::min() / 4);
  const auto to = manifest_.to_s.value_or(std::numeric_limits<std::int64_t>::max() / 4);
  const auto ended = record.integer("ended_s").value_or(0);
  if (!manifest_.sliced) {
    if (ended >= from && ended < to) add(record, day_of(ended), from, to, false);
    return;
  }
  const auto started = std::min(record.integer("started_s").value_or(ended), ended);
  if (ended < from || started >= to) return;
  const bool by_time =
      std::ranges::any_of(manifest_.by, [](const std::string& name) { return name == "day" || name == "month"; });
  if (!by_time) return add(record, "", from, to, true);
  for (auto day = std::max(from, started / kDay * kDay); day < to && day <= ended; day = (day / kDay + 1) * kDay)
    add(record, day_of(day), day, std::min((day / kDay + 1) * kDay, to), true);
}

ReportRecount::Rows ReportRecount::rows() const {
  Rows rows;
  for (const auto& [keys, sum] : sums_) {
    if (manifest_.by.empty() || sum.energy != 0 || sum.figures != Figures{}) rows.emplace(keys, sum.figures);
  }
  if (manifest_.by.empty() && rows.empty()) rows.emplace(Keys{}, Figures{});
  return rows;
}

bool ReportRecount::agree(const Told& told, const Rows& counted) {
  return std::ranges::equal(told, counted, [](const auto& one, const auto& other) {
    return one.first == other.first && (!one.second || *one.second == other.second);
  });
}

Result<ReportRecount::Told> ReportRecount::read(const ReportManifest& manifest, std::string_view file) {
  return manifest.file_format == "csv" ? read_csv(manifest, file) : read_json(manifest, file);
}

}  // namespace hansa::ledger
