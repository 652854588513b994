// SPDX-License-Identifier: Apache-2.0
#include "broker/metrics/exposition.hpp"

#include <algorithm>

namespace hansa::metrics {
namespace {

constexpr std::string_view kTotal = "_total";

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
}

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: return "histogram";
  }
  return "unknown";
}

/// Both formats name the same series: OpenMetrics wants a point in every bound.
std::string bound_text(Decimal bound) {
  auto text = bound.str();
  return text.contains('.') ? text : text + ".0";
}

}  // namespace

Format format_for(std::string_view accept) {
  return accept.contains("application/openmetrics-text") ? Format::openmetrics : Format::text;
}

std::string_view content_type(Format format) {
  return format == Format::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                       : "text/plain; version=0.0.4; charset=utf-8";
}

std::string Decimal::str() const {
  if (digits == 0) return std::to_string(value);
  auto text = std::to_string(value);
  const bool negative = text.front() == '-';
  if (negative) text.erase(0, 1);
  const auto places = static_cast<std::size_t>(digits);
  if (text.size() <= places) text.insert(0, places + 1 - text.size(), '0');
  text.insert(text.size() - places, ".");
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return negative ? "-" + text : text;
}

void Exposition::family(std::string_view name, Kind kind, std::string_view help) {
  name_ = name;
  if (format_ == Format::openmetrics && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  const std::string named(name);
  text_ += "# HELP " + named + " " + std::string(help) + "\n# TYPE " + named + " " + std::string(to_string(kind)) + "\n";
}

void Exposition::line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  const auto label = [&](std::string_view name, std::string_view text) {
    text_ += std::exchange(before, ',');
    text_ += name;
    text_ += "=\"";
    append_escaped(text_, text);
    text_ += '"';
  };
  for (const auto& [name, text] : labels) label(name, text);
  if (!bound.empty()) label("le", bound);
  if (before == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void Exposition::sample(Decimal value, Labels labels) { line("", labels, "", value.str()); }

void Exposition::sample(const Histogram::Reading& reading, int digits, Labels labels) {
  std::uint64_t up_to = 0;
  for (std::size_t i = 0; i < reading.bounds.size(); ++i) {
    up_to += reading.counts[i];
    line("_bucket", labels, bound_text({reading.bounds[i], digits}), std::to_string(up_to));
  }
  const auto all = std::to_string(reading.count());
  line("_bucket", labels, "+Inf", all);
  line("_sum", labels, "", Decimal(reading.sum, digits).str());
  line("_count", labels, "", all);
}

std::string Exposition::text() && {
  if (format_ == Format::openmetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace hansa::metrics
