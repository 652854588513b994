// SPDX-License-Identifier: Apache-2.0
#pragma once
// An issuer's public keys (RFC 7517), and whether one of them signed a token (RFC 7515). cjose does the arithmetic; what it is
// given has been taken apart and checked here. Immutable once made: any thread.

#include "broker/core/error.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::identity {

/// What may sign a token. There is no "none" and nothing with a shared secret, so that neither can be meant.
enum class Algorithm { rs256, ps256, es256 };

std::string_view to_string(Algorithm algorithm);  // "RS256", ...
std::optional<Algorithm> parse_algorithm(std::string_view text);

class KeySet {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{256} << 10;
  static constexpr std::size_t kMostKeys = 64;

  /// Of a key that can sign nothing here (another type, for encryption, without an id) the document may have as many as it likes,
  /// up to kMostKeys; one that cannot be used though it should is remembered with the reason. Errors: invalid_argument with
  /// KEYS_TOO_LONG, KEYS_TOO_MANY, KEYS_JSON, KEYS_NONE.
  static Result<KeySet> parse(std::string_view text);

  /// That key `kid` signed `token`, the whole of it in its compact form, whose header names `algorithm` and whose signature has
  /// `signature_size` bytes. Errors: unauthenticated with KEY_UNKNOWN, KEY_AMBIGUOUS, KEY_UNUSABLE, KEY_MISMATCH,
  /// SIGNATURE_LENGTH, SIGNATURE_WRONG.
  [[nodiscard]] Result<void> verify(std::string_view token, std::string_view kid, Algorithm algorithm,
                                    std::size_t signature_size) const;

  [[nodiscard]] bool knows(std::string_view kid) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  struct Material;
  struct Key {
    std::string kid;
    bool elliptic = false;
    std::optional<std::string> algorithm;  // the only one that it is for, as the issuer says
    std::size_t signature_size = 0;
    std::string fault;  // why it cannot be used
    std::shared_ptr<const Material> material;
  };
  KeySet() = default;

  std::vector<Key> keys_;
};

}  // namespace hansa::identity
