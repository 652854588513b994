// SPDX-License-Identifier: Apache-2.0
#pragma once
// ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, 26 characters of Crockford's base 32.

#include "broker/core/clock.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace hansa {

class Ulid {
 public:
  Ulid() = default;
  explicit Ulid(std::array<std::uint8_t, 16> bytes) : bytes_(bytes) {}

  /// Upper case; lower case and Crockford's aliases (O, I, L) are refused: one id has one spelling.
  static std::optional<Ulid> parse(std::string_view text);

  [[nodiscard]] std::string str() const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] UtcTime time() const;

  friend auto operator<=>(const Ulid&, const Ulid&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

using JobId = Ulid;

/// Makes ULIDs that rise strictly, also within a millisecond and across a clock that steps back. Thread-safe.
class UlidSource {
 public:
  UlidSource(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
  Ulid next();

 private:
  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::int64_t last_ms_ = -1;
  std::array<std::uint8_t, 16> last_{};
};

}  // namespace hansa

template <>
struct std::hash<hansa::Ulid> {
  std::size_t operator()(const hansa::Ulid& id) const noexcept {
    std::uint64_t low = 0;  // the random part: already uniform
    for (std::size_t i = 8; i < 16; ++i) low = (low << 8U) | id.bytes()[i];
    return low;
  }
};
