// SPDX-License-Identifier: Apache-2.0
#pragma once
// A JSON Web Token (RFC 7519) as far as its holder may look into it: whose it is and when it ends. Its signature is for Slurm to
// check.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::slurmrest {

struct Token {
  Secret text;
  std::optional<UtcTime> ends;  // exp
  std::string user;             // sun, as Slurm writes it; "": not told
};

inline constexpr std::size_t kMaxTokenBytes = std::size_t{16} << 10;

/// One token, with white space around it, and "SLURM_JWT=" before it as scontrol prints it. invalid_argument, TOKEN_ODD: anything
/// else, above all a key; `where` stands in the message, nothing of the text does.
Result<Token> read_token(std::string_view text, const std::string& where);

}  // namespace hansa::connectors::slurmrest
