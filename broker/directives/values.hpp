// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers, sizes, times and lists as sbatch and qsub write them.

#include "broker/core/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::directives {

/// Digits only, at most `most`.
std::optional<std::int64_t> whole(std::string_view text, std::int64_t most);

/// sbatch's sizes: "4G", "512M", "1T", "2048K", MiB without a unit, and "4GB"; K is rounded up to a whole MiB. At most
/// kMaxMebibytes.
std::optional<std::int64_t> sbatch_mebibytes(std::string_view text);

/// PBS's sizes: bytes without a unit; "b", "kb", "mb", "gb", "tb", "pb", and words of eight bytes: "w", "kw", ...; any case.
std::optional<std::int64_t> pbs_mebibytes(std::string_view text);

/// PBS's times: "[[hours:]minutes:]seconds[.fraction]", rounded; at least a second.
std::optional<Seconds> pbs_duration(std::string_view text);

/// At the commas that stand in no quotes.
std::vector<std::string> list_of(std::string_view text);

/// Of a directive's words for a message: at most 80 bytes, control characters shown as '?'. `text` is UTF-8, so is the answer.
std::string shown(std::string_view text);

/// a * b, or `most` if that is less; both not negative.
std::int64_t product(std::int64_t a, std::int64_t b, std::int64_t most);

}  // namespace hansa::directives
