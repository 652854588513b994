// SPDX-License-Identifier: Apache-2.0
#include "broker/core/ulid.hpp"

#include <algorithm>

namespace hansa {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kLength = 26;  // 130 bits: the first two are zero

}  // namespace

std::string Ulid::str() const {
  std::string text(kLength, '0');
  unsigned bits = 0;  // not written yet: `count` of them, and two zeros before the first byte
  unsigned count = 2;
  auto* at = text.data();
  for (const unsigned byte : bytes_) {
    bits = (bits << 8U) | byte;
    for (count += 8; count >= 5; count -= 5) *at++ = kAlphabet[(bits >> (count - 5)) & 31U];
  }
  return text;
}

std::optional<Ulid> Ulid::parse(std::string_view text) {
  if (text.size() != kLength || text[0] > '7') return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < kLength; ++i) {
    const auto value = kAlphabet.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    for (std::size_t b = 0; b < 5; ++b) {
      const std::size_t bit = i * 5 + b;
      if (bit >= 2 && ((value >> (4 - b)) & 1U) != 0) {
        auto& byte = bytes[(bit - 2) / 8];
        byte = static_cast<std::uint8_t>(byte | (1U << (7 - (bit - 2) % 8)));
      }
    }
  }
  return Ulid{bytes};
}

UtcTime Ulid::time() const {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = (ms << 8) | bytes_[i];
  return from_unix_ms(ms);
}

Ulid UlidSource::next() {
  const std::lock_guard lock(mutex_);
  const auto now = std::clamp<std::int64_t>(to_unix_ms(clock_.now_utc()), 0, (1LL << 48) - 1);
  if (now > last_ms_) {
    last_ms_ = now;
    for (std::size_t i = 0; i < 6; ++i) last_[i] = static_cast<std::uint8_t>(now >> (40 - 8 * i));
    random_.fill(std::as_writable_bytes(std::span(last_)).subspan(6));
  } else {
    // The same millisecond, or a clock that went back: count up from the last one, carrying into the time if need be.
    for (std::size_t i = 16; i-- > 0 && ++last_[i] == 0;) {}
  }
  return Ulid{last_};
}

}  // namespace hansa
