// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/ed25519.hpp"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

namespace hansa::ledger {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// A key of another length, or an OpenSSL without Ed25519.
void require(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL cannot use an Ed25519 key");
}

Key private_key(const Secret& seed) {
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(seed.reveal()), seed.reveal().size()));
  require(key != nullptr);
  return key;
}

}  // namespace

PublicKey public_key_of(const Secret& seed) {
  PublicKey out{};
  auto size = out.size();
  require(EVP_PKEY_get_raw_public_key(private_key(seed).get(), out.data(), &size) == 1 && size == out.size());
  return out;
}

std::string sign(const Secret& seed, std::string_view message) {
  const auto key = private_key(seed);
  const Context context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  auto size = signature.size();
  require(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
          EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, raw(message),
                         message.size()) == 1 &&
          size == signature.size());
  return signature;
}

bool is_signed_by(const PublicKey& key, std::string_view message, std::string_view signature) {
  const Key opened(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const Context context(EVP_MD_CTX_new());
  require(opened != nullptr && context != nullptr);
  return signature.size() == 64 && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, opened.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message), message.size()) == 1;
}

}  // namespace hansa::ledger
