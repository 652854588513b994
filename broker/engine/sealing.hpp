// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sealing a secret with a key so that it can lie beside others' data: AES-256-GCM (NIST SP 800-38D). What is sealed is
// nonce (12 bytes, random) | ciphertext | tag (16 bytes), and opens only with what was said to be about it.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/secret.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::engine {

class SealingKey {
 public:
  static constexpr std::size_t kBytes = 32;

  static SealingKey draw(Random& random);
  /// Base 64 of its bytes; none for anything else.
  static Result<SealingKey> parse(std::string_view text);
  [[nodiscard]] Secret text() const;

  /// Tells keys apart and nothing of them: 16 hex digits of the SHA-256 of its bytes.
  [[nodiscard]] const std::string& id() const { return id_; }

  [[nodiscard]] std::string seal(const Secret& secret, std::string_view about, Random& random) const;
  /// invalid_argument, SEAL_BROKEN: another key's, about something else, or changed since.
  [[nodiscard]] Result<Secret> open(std::string_view sealed, std::string_view about) const;

 private:
  explicit SealingKey(Secret bytes);
  Secret bytes_;
  std::string id_;
};

/// The first seals; what older ones have sealed is opened all the same.
class SealingKeys {
 public:
  /// At least one.
  explicit SealingKeys(std::vector<SealingKey> keys) : keys_(std::move(keys)) {}
  [[nodiscard]] const SealingKey& newest() const { return keys_.front(); }
  /// Null: it is not among them.
  [[nodiscard]] const SealingKey* find(std::string_view id) const;

 private:
  std::vector<SealingKey> keys_;
};

}  // namespace hansa::engine
