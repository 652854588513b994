// SPDX-License-Identifier: Apache-2.0
#pragma once
// slurmrestd's versions: which are served, which we speak, which is used.

#include "broker/core/error.hpp"
#include "connectors/slurmrest/json.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace hansa::connectors::slurmrest {

struct ApiVersion {
  std::int32_t number = 0;  // 38 of "v0.0.38"

  [[nodiscard]] std::string str() const { return "v0.0." + std::to_string(number); }
  /// Before 0.0.42 numbers and environments are plain, and what a query has must be known.
  [[nodiscard]] bool is_plain() const { return number < 42; }
  friend bool operator==(const ApiVersion&, const ApiVersion&) = default;
};

/// Those that tests know: 0.0.38 of a live 22.05.8, the rest recorded of 26.05.3 (24.11 and later have 0.0.42).
inline constexpr std::array kSpoken{ApiVersion{38}, ApiVersion{42}, ApiVersion{43}, ApiVersion{44}, ApiVersion{45}};

/// The highest of them that slurmrestd serves for both daemons, by its own OpenAPI document. unavailable, SITE_VERSION: none,
/// with what is served.
Result<ApiVersion> choose_version(const JsonNode& openapi);

}  // namespace hansa::connectors::slurmrest
