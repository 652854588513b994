// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ed25519 (RFC 8032), by OpenSSL.

#include "broker/core/secret.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace hansa::ledger {

using PublicKey = std::array<std::uint8_t, 32>;

/// `seed` is the private key: 32 bytes.
PublicKey public_key_of(const Secret& seed);
/// 64 bytes.
std::string sign(const Secret& seed, std::string_view message);
bool is_signed_by(const PublicKey& key, std::string_view message, std::string_view signature);

}  // namespace hansa::ledger
