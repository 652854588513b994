// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/report_writer.hpp"

#include "broker/core/json_text.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace hansa::ledger {
namespace {

using ports::Cell;

/// What is printed beside an exact number: its name, and of what it is so many.
struct Beside {
  std::string name;
  Wide one = 1;
};
std::optional<Beside> beside(const Column& column) {
  const std::string name(column.name);
  const auto stem = [&name](std::string_view end) { return name.substr(0, name.size() - end.size()); };
  switch (column.kind) {
    case CellKind::seconds: return Beside{stem(name.ends_with("_seconds") ? "_seconds" : "_s") + "_hours", 3'600};
    case CellKind::joules: return Beside{stem("_j") + "_kwh", 3'600'000};
    case CellKind::units: return Beside{stem("_exact"), 3'600'000};
    default: return std::nullopt;
  }
}

constexpr Wide kGram = Wide{3'600'000} * 1'000'000;  // J to kWh, thousandths of PUE, mg to g

/// The column's own text; "": nothing.
std::string text_of(const Column& column, const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  const auto* number = std::get_if<Wide>(&cell);
  if (number == nullptr) return {};
  switch (column.kind) {
    case CellKind::time: return format_utc(from_unix_seconds(static_cast<std::int64_t>(*number)));
    case CellKind::grams: return decimal_text(*number, kGram);
    case CellKind::permille: return decimal_text(*number, 10, 1);
    default: return wide_text(*number);
  }
}

/// n/d in parts of 1/scale, halves to even.
Wide rounded(Wide n, Wide d, Wide scale = 1000) {
  const bool negative = n < 0;
  const Wide magnitude = negative ? -n : n;
  const Wide rest = magnitude % d;
  Wide parts = magnitude / d * scale + rest * scale / d;
  const Wide twice = rest * scale % d * 2;
  if (twice > d || (twice == d && parts % 2 != 0)) ++parts;
  return negative ? -parts : parts;
}

/// Totals, and of what is rounded the sum of the rounded: in thousandths.
class Totals {
 public:
  explicit Totals(const std::vector<Column>& columns) : columns_(columns), sums_(columns.size()) {}

  Result<void> add(std::span<const Cell> cells) {
    ++rows_;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto* number = columns_[i].summed ? std::get_if<Wide>(&cells[i]) : nullptr;
      if (number == nullptr) continue;
      auto& sum = sums_[i];
      if (__builtin_add_overflow(sum.exact, *number, &sum.exact))
        return fail(ErrorKind::internal, "SUM_TOO_LARGE", "a total of more than 128 bits");
      if (const auto one = one_of(columns_[i]); one > 1) sum.rounded += rounded(*number, one);
    }
    return {};
  }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] bool any() const { return std::ranges::any_of(columns_, &Column::summed); }
  [[nodiscard]] Wide exact(std::size_t i) const { return sums_[i].exact; }
  /// The rounded total less the sum of the rounded rows, in thousandths.
  [[nodiscard]] Wide residual(std::size_t i) const {
    const auto one = one_of(columns_[i]);
    return one > 1 ? rounded(sums_[i].exact, one) - sums_[i].rounded : 0;
  }

 private:
  struct Sum {
    Wide exact = 0, rounded = 0;
  };
  static Wide one_of(const Column& column) {
    if (column.kind == CellKind::grams) return kGram;
    const auto more = beside(column);
    return more ? more->one : Wide{1};
  }
  const std::vector<Column>& columns_;
  std::vector<Sum> sums_;
  std::int64_t rows_ = 0;
};

std::string name_of(const ports::Dimension dimension) { return std::string(to_string(dimension)); }

std::string names_of(const std::vector<ports::Dimension>& by) {
  std::string text;
  for (const auto dimension : by) text += (text.empty() ? "" : ",") + name_of(dimension);
  return text;
}

/// What the report is limited to, by the name of each kind that it is.
std::vector<std::pair<std::string_view, std::vector<std::string>>> limits_of(const ReportHead& head) {
  std::vector<std::pair<std::string_view, std::vector<std::string>>> all;
  const auto add = [&all](std::string_view name, const auto& ids) {
    if (ids.empty()) return;
    auto& texts = all.emplace_back(name, std::vector<std::string>()).second;
    for (const auto& id : ids) texts.push_back(id.str());
  };
  add("projects", head.query.within.projects);
  add("sites", head.query.within.sites);
  return all;
}

class CsvWriter final : public ReportWriter {
 public:
  explicit CsvWriter(ByteSink sink) : sink_(std::move(sink)) {}
  [[nodiscard]] std::string_view content_type() const override { return "text/csv; charset=utf-8; header=present"; }

  Result<void> begin(const ReportHead& head) override {
    columns_ = head.columns;
    std::string line;
    for (const auto& column : columns_) {
      if (const auto more = beside(column)) line += (line.empty() ? "" : ",") + more->name;
      line += (line.empty() ? "" : ",") + std::string(column.name);
    }
    return sink_(line + "\r\n");
  }
  Result<void> row(std::span<const Cell> cells) override {
    std::string line;
    bool first = true;
    const auto field = [&](const std::string& text) {
      if (!first) line += ',';
      first = false;
      line += text;
    };
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (const auto more = beside(columns_[i])) {
        const auto* number = std::get_if<Wide>(&cells[i]);
        field(number == nullptr ? "" : decimal_text(*number, more->one));
      }
      const auto text = text_of(columns_[i], cells[i]);
      field(std::holds_alternative<std::string>(cells[i]) ? report_csv_field(text) : text);
    }
    return sink_(line + "\r\n");
  }
  Result<void> end() override { return {}; }

 private:
  ByteSink sink_;
  std::vector<Column> columns_;
};

class JsonWriter final : public ReportWriter {
 public:
  explicit JsonWriter(ByteSink sink) : sink_(std::move(sink)) {}
  [[nodiscard]] std::string_view content_type() const override { return "application/json"; }

  Result<void> begin(const ReportHead& head) override {
    columns_ = head.columns;
    totals_.emplace(columns_);
    std::string text = "{\"report\":";
    append_json_string(text, head.kind->name);
    text += ",\"title\":";
    append_json_string(text, head.kind->title);
    text += ",\"by\":[";
    for (std::size_t i = 0; i < head.query.by.size(); ++i) {
      if (i > 0) text += ',';
      append_json_string(text, to_string(head.query.by[i]));
    }
    text += "],\"from\":" + moment(head.query.from) + ",\"to\":" + moment(head.query.to);
    text += std::string(",\"period\":") + (head.query.sliced ? "\"time-sliced\"" : "\"by-end\"");
    text += std::string(",\"whose\":") + (head.query.owner ? "\"own\"" : "\"everybody\"");
    for (const auto& [name, ids] : limits_of(head)) {
      text += ",\"" + std::string(name) + "\":[";
      for (const auto& id : ids) {
        if (&id != ids.data()) text += ',';
        append_json_string(text, id);
      }
      text += "]";
    }
    if (head.query.for_third_party) text += ",\"for\":\"third_party\"";
    text += ",\"ledger\":{\"origin\":";
    append_json_string(text, head.origin);
    text += ",\"size\":" + std::to_string(head.query.size) + ",\"root\":";
    append_json_string(text, head.root);
    text += "}";
    if (!head.grade.empty()) {
      text += ",\"grade\":";
      append_json_string(text, head.grade);
    }
    return sink_(text + ",\"rows\":[");
  }
  Result<void> row(std::span<const Cell> cells) override {
    if (auto added = totals_->add(cells); !added) return added;
    std::string text = totals_->rows() == 1 ? "\n{" : ",\n{";
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text += ',';
      const auto* number = std::get_if<Wide>(&cells[i]);
      if (const auto more = beside(columns_[i]))
        text += "\"" + more->name + "\":" + (number == nullptr ? "null" : "\"" + decimal_text(*number, more->one) + "\"") + ",";
      text += "\"" + std::string(columns_[i].name) + "\":";
      if (std::holds_alternative<std::monostate>(cells[i]))
        text += "null";
      else if (number != nullptr && is_whole(columns_[i].kind))
        text += wide_text(*number);
      else
        append_json_string(text, text_of(columns_[i], cells[i]));
    }
    return sink_(text + "}");
  }
  Result<void> end() override {
    std::string text = "],\"count\":" + std::to_string(totals_->rows());
    if (totals_->any()) {
      text += ",\"total\":{";
      bool first = true;
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (!columns_[i].summed) continue;
        const std::string name(columns_[i].name);
        if (!first) text += ',';
        first = false;
        if (const auto more = beside(columns_[i])) {
          text += "\"" + more->name + "\":\"" + decimal_text(totals_->exact(i), more->one) + "\",\"" + more->name +
                  "_residual\":\"" + decimal_text(totals_->residual(i), 1000) + "\",";
        }
        if (columns_[i].kind == CellKind::grams) {
          text += "\"" + name + "\":\"" + decimal_text(totals_->exact(i), kGram) + "\",\"" + name + "_residual\":\"" +
                  decimal_text(totals_->residual(i), 1000) + "\"";
        } else {
          text += "\"" + name + "\":" + wide_text(totals_->exact(i));
        }
      }
      text += "}";
    }
    return sink_(text + "}\n");
  }

 private:
  static bool is_whole(CellKind kind) {
    return kind == CellKind::count || kind == CellKind::seconds || kind == CellKind::joules || kind == CellKind::units;
  }
  static std::string moment(const std::optional<UtcTime>& time) { return time ? "\"" + format_utc(*time) + "\"" : "null"; }

  ByteSink sink_;
  std::vector<Column> columns_;
  std::optional<Totals> totals_;
};

/// Control characters are blanks.
std::string on_one_line(std::string text) {
  for (auto& c : text) {
    if ((c >= 0 && c < ' ') || c == 0x7F) c = ' ';
  }
  return text;
}

/// As wide as a terminal shows it: code points, which is close enough for names.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

class TableWriter final : public ReportWriter {
 public:
  explicit TableWriter(ByteSink sink) : sink_(std::move(sink)) {}
  [[nodiscard]] std::string_view content_type() const override { return "text/plain; charset=utf-8"; }

  Result<void> begin(const ReportHead& head) override {
    columns_ = head.columns;
    totals_.emplace(columns_);
    std::string text(head.kind->title);
    if (!head.query.by.empty()) text += ", by " + names_of(head.query.by);
    text += "\n";
    if (head.query.from || head.query.to) {
      text += (head.query.from ? "from " + format_utc(*head.query.from) + " " : "") +
              (head.query.to ? "to before " + format_utc(*head.query.to) : "until now");
    } else {
      text += "of all time";
    }
    text += head.kind->may_slice ? head.query.sliced ? ", what was used in that time" : ", runs by their ends" : "";
    text += "; ledger " + head.origin + ", " + std::to_string(head.query.size) + " records\n";
    for (const auto& [name, ids] : limits_of(head)) {
      text += std::string(name) + ":";
      for (const auto& id : ids) text += " " + on_one_line(id);
      text += "\n";
    }
    if (!head.grade.empty()) text += "grade " + head.grade + "\n";
    if (head.query.for_third_party)
      text +=
          "for a third party: groups of few persons are withheld, and what would give them away; totals are of what is shown\n";
    std::vector<std::string> titles;
    for (const auto& column : columns_) {
      if (const auto more = beside(column)) titles.push_back(title(more->name)), right_.push_back(true);
      titles.push_back(title(column.name));
      right_.push_back(column.kind != CellKind::text && column.kind != CellKind::time);
    }
    held_.push_back(std::move(titles));
    return sink_(text);
  }
  Result<void> row(std::span<const Cell> cells) override {
    if (auto added = totals_->add(cells); !added) return added;
    std::vector<std::string> line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto* number = std::get_if<Wide>(&cells[i]);
      if (const auto more = beside(columns_[i])) line.push_back(number == nullptr ? "-" : decimal_text(*number, more->one));
      auto text = on_one_line(text_of(columns_[i], cells[i]));
      line.push_back(text.empty() ? "-" : std::move(text));
    }
    if (!settled_) {
      held_.push_back(std::move(line));
      return held_.size() > kHeld ? settle() : Result<void>{};
    }
    return print(line);
  }
  Result<void> end() override {
    if (totals_->any() && totals_->rows() > 1) {
      std::vector<std::string> total, residual;
      bool is_off = false;
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        const bool summed = columns_[i].summed;
        const bool grams = columns_[i].kind == CellKind::grams;
        is_off = is_off || (summed && totals_->residual(i) != 0);
        if (const auto more = beside(columns_[i])) {
          total.push_back(summed ? decimal_text(totals_->exact(i), more->one) : "");
          residual.push_back(summed ? decimal_text(totals_->residual(i), 1000) : "");
        }
        total.push_back(!summed ? "" : grams ? decimal_text(totals_->exact(i), kGram) : wide_text(totals_->exact(i)));
        residual.push_back(summed && grams ? decimal_text(totals_->residual(i), 1000) : "");
      }
      const auto label = [](std::vector<std::string>& line, const char* text) {
        if (line.front().empty()) line.front() = text;
      };
      label(total, "total");
      label(residual, "residual");
      for (auto* line : {&total, &residual}) {
        if (line == &residual && !is_off) break;
        if (!settled_) {
          held_.push_back(*line);
        } else if (auto printed = print(*line); !printed) {
          return printed;
        }
      }
    }
    if (!settled_) return settle();
    return {};
  }

 private:
  static constexpr std::size_t kHeld = 200;

  static std::string title(std::string_view name) {
    std::string text(name);
    for (auto& c : text) c = c == '_' ? '-' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return text;
  }
  Result<void> settle() {
    settled_ = true;
    widths_.assign(right_.size(), 0);
    for (const auto& line : held_) {
      for (std::size_t i = 0; i < line.size(); ++i) widths_[i] = std::max(widths_[i], width_of(line[i]));
    }
    for (const auto& line : held_) {
      if (auto printed = print(line); !printed) return printed;
    }
    held_.clear();
    return {};
  }
  Result<void> print(const std::vector<std::string>& line) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const auto width = width_of(line[i]);
      const std::string blanks(widths_[i] > width ? widths_[i] - width : 0, ' ');
      text += (i == 0 ? "" : "  ") + (right_[i] ? blanks + line[i] : line[i] + blanks);
    }
    while (text.ends_with(' ')) text.pop_back();
    return sink_(text + "\n");
  }

  ByteSink sink_;
  std::vector<Column> columns_;
  std::optional<Totals> totals_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> held_;
  std::vector<std::size_t> widths_;
  bool settled_ = false;
};

}  // namespace

std::unique_ptr<ReportWriter> make_writer(std::string_view format, ByteSink sink) {
  if (format == "csv") return std::make_unique<CsvWriter>(std::move(sink));
  if (format == "json") return std::make_unique<JsonWriter>(std::move(sink));
  if (format == "table") return std::make_unique<TableWriter>(std::move(sink));
  return nullptr;
}

std::string wide_text(Wide n) {
  std::array<char, 48> digits{};
  auto at = digits.end();
  const bool negative = n < 0;
  do {
    const auto digit = static_cast<int>(n % 10);
    *--at = static_cast<char>('0' + (digit < 0 ? -digit : digit));
    n /= 10;
  } while (n != 0);
  if (negative) *--at = '-';
  return {at, digits.end()};
}

std::string decimal_text(Wide n, Wide d, int decimals) {
  Wide scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  const Wide signed_parts = rounded(n, d, scale);
  const bool negative = signed_parts < 0;
  const Wide parts = negative ? -signed_parts : signed_parts;
  auto fraction = wide_text(parts % scale);
  fraction.insert(0, static_cast<std::size_t>(decimals) - fraction.size(), '0');
  return (negative ? "-" : "") + wide_text(parts / scale) + "." + fraction;
}

std::string formula_safe(std::string_view text) {
  std::string safe(text);
  if (!safe.empty() && std::string_view("=+-@\t\r").contains(safe.front())) safe.insert(0, 1, '\'');
  return safe;
}

std::string report_csv_field(std::string_view text) {
  auto safe = formula_safe(text);
  if (safe.find_first_of(",\"\r\n") == std::string::npos) return safe;
  std::string quoted = "\"";
  for (const char c : safe) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string report_schema(const ReportKind& kind) {
  const auto object = [](const std::string& properties, const std::string& required) {
    return "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [" + required + "], \"properties\": {" +
           properties + "}}";
  };
  constexpr std::string_view kDecimal = R"({"type": ["string", "null"], "pattern": "^-?[0-9]+\\.[0-9]{3}$"})";
  constexpr std::string_view kInteger = R"({"type": ["integer", "null"]})";
  constexpr std::string_view kNames =
      R"({"type": "array", "minItems": 1, "items": {"type": "string"}, "description": "it is of the records of these alone"})";
  std::string row, row_names, total, total_names;
  const auto add = [](std::string& to, std::string& names, const std::string& name, std::string_view type, std::string_view about,
                      bool needed) {
    std::string described(type);
    if (!about.empty()) {
      described.pop_back();
      described += ", \"description\": ";
      append_json_string(described, about);
      described += "}";
    }
    to += (to.empty() ? "\n      " : ",\n      ") + ("\"" + name + "\": " + described);
    if (needed) names += (names.empty() ? "\"" : ", \"") + name + "\"";
  };
  for (const auto dimension : kind.may_by)
    add(row, row_names, std::string(to_string(dimension)), R"({"type": "string"})", "if it is grouped by it", false);
  for (const auto& column : kind.columns) {
    const std::string name(column.name);
    const auto more = beside(column);
    if (more) add(row, row_names, more->name, kDecimal, "", true);
    const bool whole = column.kind == CellKind::count || more.has_value();
    const auto type = whole                            ? kInteger
                      : column.kind == CellKind::grams ? kDecimal
                      : column.kind == CellKind::time ? std::string_view(R"({"type": ["string", "null"], "format": "date-time"})")
                                                      : std::string_view(R"({"type": ["string", "null"]})");
    add(row, row_names, name, type, column.about, true);
    if (!column.summed) continue;
    if (more) {
      add(total, total_names, more->name, kDecimal, "", true);
      add(total, total_names, more->name + "_residual", kDecimal, "the rounded total less the sum of the rounded rows", true);
    }
    add(total, total_names, name, whole ? kInteger : kDecimal, "", true);
    if (column.kind == CellKind::grams) add(total, total_names, name + "_residual", kDecimal, "", true);
  }
  if (kind.may_withhold)
    add(row, row_names, "withheld", R"({"type": ["string", "null"]})", "for third parties: why there are no figures", false);
  std::string title;
  append_json_string(title, kind.title);
  const std::string name(kind.name);
  const std::string ledger = object(R"("origin": {"type": "string"}, "size": {"type": "integer"}, "root": {"type": "string"})",
                                    R"("origin", "size", "root")");
  std::string properties =
      "\n    \"report\": {\"const\": \"" + name +
      "\"}, \"title\": {\"type\": \"string\"},\n    \"by\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}},\n"
      "    \"from\": {\"type\": [\"string\", \"null\"], \"format\": \"date-time\"}, \"to\": {\"type\": [\"string\", \"null\"], "
      "\"format\": \"date-time\"},\n"
      "    \"period\": {\"enum\": [\"by-end\", \"time-sliced\"]}, \"whose\": {\"enum\": [\"everybody\", \"own\"]},\n    " +
      (kind.of_projects ? "\"projects\": " + std::string(kNames) + ",\n    " : "") +
      (kind.of_sites ? "\"sites\": " + std::string(kNames) + ",\n    " : "") +
      (kind.may_withhold ? "\"for\": {\"const\": \"third_party\"},\n    " : "") + "\"ledger\": " + ledger +
      ",\n    \"grade\": {\"type\": \"string\"},\n    \"rows\": {\"type\": \"array\", \"items\": " + object(row, row_names) +
      "},\n    \"count\": {\"type\": \"integer\"}";
  std::string required = R"("report", "title", "by", "from", "to", "period", "whose", "ledger", "rows", "count")";
  if (!total.empty()) {
    properties += ",\n    \"total\": " + object(total, total_names);
    required += ", \"total\"";
  }
  return "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"title\": " + title +
         ",\n  \"type\": \"object\", \"additionalProperties\": false,\n  \"required\": [" + required + "],\n  \"properties\": {" +
         properties + "\n  }\n}\n";
}

}  // namespace hansa::ledger
