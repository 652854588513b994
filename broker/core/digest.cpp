// SPDX-License-Identifier: Apache-2.0
#include "broker/core/digest.hpp"

#include "broker/core/encoding.hpp"

#include <openssl/sha.h>

#include <span>

namespace hansa {

Sha256 sha256(std::string_view bytes) {
  Sha256 digest{};
  SHA256(std::as_bytes(std::span(bytes)).empty() ? nullptr : reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         digest.data());
  return digest;
}

std::string sha256_hex(std::string_view bytes) {
  const auto digest = sha256(bytes);
  return to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace hansa
