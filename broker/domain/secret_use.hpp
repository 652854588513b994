// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a job says of a secret of its owner's: its name, and the file that the job finds it in. Never what it is.

#include "broker/core/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace hansa::domain {

inline constexpr std::size_t kMaxSecretBytes = std::size_t{64} << 10;  // of one
inline constexpr std::size_t kMaxSecrets = 100;  // of a person
inline constexpr std::size_t kMaxSecretsOfJob = 16;

struct SecretUse {
  std::string name;
  std::string file;  // in the job's folder of secrets; the name where the request gives no other
  friend bool operator==(const SecretUse&, const SecretUse&) = default;
};

/// 1 to 64 letters, digits, '.', '_' and '-', the first a letter or a digit: names of secrets and of their files.
bool is_secret_name(std::string_view text);

/// "NAME" or "NAME=FILE". invalid_argument: BAD_SECRET.
Result<SecretUse> parse_secret_use(std::string_view text);
std::string to_text(const SecretUse& use);

}  // namespace hansa::domain
