// SPDX-License-Identifier: Apache-2.0
#pragma once
// An OpenSSH user certificate (PROTOCOL.certkeys), as far as whoever shows it looks into it before: for which key, for whom, how
// long. Its signature is for the site's sshd to check. Read in its own form, not from ssh-keygen's listing: what a certificate
// holds may have been chosen to look like other lines of it.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::remote {

struct Certificate {
  std::string line;                     // as a file holds it: "ssh-ed25519-cert-v01@openssh.com AAAA..."
  std::string key;                      // the 32 bytes of the public key that it is for
  std::string id;                       // for people and logs, printable
  std::vector<std::string> principals;  // none: anybody
  UtcTime begins{};
  UtcTime ends{};                       // UtcTime::max(): never
};

inline constexpr std::size_t kMaxCertificateBytes = std::size_t{16} << 10;

/// One line of text, a comment behind it, white space around it. invalid_argument, CREDENTIAL_BAD: anything else. `where` stands
/// in the message.
Result<Certificate> read_certificate(std::string_view text, const std::string& where);

/// The 32 bytes of "ssh-ed25519 AAAA... comment". invalid_argument, CREDENTIAL_BAD.
Result<std::string> read_public_key(std::string_view text, const std::string& where);

/// Whether it lets the owner of `key` in as `principal` now. invalid_argument, CREDENTIAL_BAD, with what is wrong.
Result<void> check_certificate(const Certificate& certificate, std::string_view key, std::string_view principal, UtcTime now,
                               const std::string& where);

}  // namespace hansa::connectors::remote
