// SPDX-License-Identifier: Apache-2.0
#include "broker/core/sha256_stream.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"

#include <openssl/evp.h>

#include <span>
#include <stdexcept>

namespace hansa {
namespace {

/// Out of memory, or an OpenSSL without SHA-256: nothing that a transfer could go on with.
void require(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL cannot make a SHA-256");
}

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

void Sha256Stream::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr) == 1);
}

void Sha256Stream::add(std::string_view bytes) {
  require(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()) == 1);
}

std::string Sha256Stream::finish() {
  Sha256 digest{};
  require(EVP_DigestFinal_ex(context_of(context_.get()), digest.data(), nullptr) == 1);
  return to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace hansa
