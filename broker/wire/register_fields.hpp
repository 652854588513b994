// SPDX-License-Identifier: Apache-2.0
#pragma once
// Fields that requests to all registers have.

#include "broker/core/time_text.hpp"
#include "broker/wire/object_reader.hpp"

#include <optional>

namespace hansa::wire {

inline constexpr std::size_t kMaxReason = 1'000;

/// One line for people.
inline std::string read_line(ObjectReader& fields, std::string_view name) {
  auto line = fields.text(name, kMaxReason);
  if (std::ranges::any_of(line, is_control)) fields.fault(name, "must not hold control characters");
  return line;
}
inline std::string read_reason(ObjectReader& fields) { return read_line(fields, "reason"); }

inline std::optional<UtcTime> read_time(ObjectReader& fields, std::string_view name) {
  const auto text = fields.text(name, 64);
  if (text.empty()) return std::nullopt;
  auto time = parse_utc(text);
  if (time) return *time;
  fields.fault(name, time.error().message);
  return std::nullopt;
}

template <typename Request>
Result<Request> finished(ObjectReader& fields, std::vector<Fault>& faults, Request request) {
  fields.no_others();
  if (!faults.empty()) return refusal("BAD_REQUEST", std::move(faults));
  return request;
}

}  // namespace hansa::wire
