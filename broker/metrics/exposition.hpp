// SPDX-License-Identifier: Apache-2.0
#pragma once
// A page of metrics, written family by family: Prometheus' text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/), or OpenMetrics 1.0.0
// (https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md), which differ in the name of a counter's
// family and in the last line.

#include "broker/core/clock.hpp"
#include "broker/metrics/histogram.hpp"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace hansa::metrics {

enum class Format { text, openmetrics };
/// By the scraper's Accept header.
Format format_for(std::string_view accept);
std::string_view content_type(Format format);

enum class Kind { counter, gauge, histogram };

/// `value` divided by ten to the power of `digits`: no unit is rounded on its way into a decimal.
struct Decimal {
  template <std::integral T>
  Decimal(T number, int after_point = 0) : value(static_cast<std::int64_t>(number)), digits(after_point) {}
  Decimal(Milliseconds time) : Decimal(time.count(), 3) {}
  Decimal(UtcTime time) : Decimal(to_unix_ms(time), 3) {}

  std::int64_t value;
  int digits;

  [[nodiscard]] std::string str() const;
};

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Exposition {
 public:
  explicit Exposition(Format format = Format::text) : format_(format) {}

  /// Begins a family; all of its samples follow before the next begins, or none. A counter's name ends in "_total". `help` is
  /// one line.
  void family(std::string_view name, Kind kind, std::string_view help);
  void sample(Decimal value, Labels labels = {});
  /// `digits`: the unit of what was observed, as a Decimal's.
  void sample(const Histogram::Reading& reading, int digits, Labels labels = {});

  [[nodiscard]] std::string text() &&;

 private:
  void line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value);

  const Format format_;
  std::string text_;
  std::string name_;
};

}  // namespace hansa::metrics
