// SPDX-License-Identifier: Apache-2.0
#include "broker/core/digest.hpp"

#include "broker/core/encoding.hpp"

#include <openssl/evp.h>

#include <span>
#include <stdexcept>

namespace hansa {

Sha256 sha256(std::string_view bytes) {
  // Looked up once: to find it by its name takes OpenSSL longer than to hash a job. Never freed: threads may outlive main().
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Sha256 digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm, nullptr) != 1)
    throw std::runtime_error("OpenSSL has no SHA-256");
  return digest;
}

std::string sha256_hex(std::string_view bytes) {
  const auto digest = sha256(bytes);
  return to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace hansa
