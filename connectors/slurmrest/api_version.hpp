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
  /// Before 0.0.40 numbers and environments are plain, and what a query has must be known.
  [[nodiscard]] bool is_plain() const { return number < 40; }
  friend bool operator==(const ApiVersion&, const ApiVersion&) = default;
};

/// 0.0.38 is tested against a live 22.05.8, and 0.0.42 to 0.0.45 by what a 26.05.3 answered. 0.0.40 and 0.0.41 (23.11, 24.05) are
/// spoken by their published documents, which differ from 0.0.42's in no field that is read or written here
/// (tests/data/slurm/rest/published.tsv). 0.0.39 is not: it does not tell which partitions are up, and who serves it serves
/// 0.0.38 or 0.0.40 as well.
inline constexpr std::array kSpoken{ApiVersion{38}, ApiVersion{40}, ApiVersion{41}, ApiVersion{42},
                                    ApiVersion{43}, ApiVersion{44}, ApiVersion{45}};

/// The highest of them that slurmrestd serves for both daemons, by its own OpenAPI document. unavailable, SITE_VERSION: none,
/// with what is served.
Result<ApiVersion> choose_version(const JsonNode& openapi);

}  // namespace hansa::connectors::slurmrest
