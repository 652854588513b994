// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/sealing.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <span>
#include <stdexcept>

namespace hansa::engine {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kMostSealedBytes = std::size_t{1} << 30;  // OpenSSL counts in int

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* as_octets(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* as_octets(std::string& text, std::size_t at = 0) { return reinterpret_cast<unsigned char*>(text.data()) + at; }

void require_cipher(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL cannot use AES-256-GCM");
}

/// Ready for the text: key, nonce and what it is about are in.
Cipher begin_cipher(const Secret& key, std::string_view nonce, std::string_view about, bool sealing) {
  Cipher context(EVP_CIPHER_CTX_new());
  int size = 0;
  require_cipher(about.size() < kMostSealedBytes && context != nullptr &&
                 EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, as_octets(key.reveal()), as_octets(nonce),
                                   sealing ? 1 : 0) == 1 &&
                 EVP_CipherUpdate(context.get(), nullptr, &size, as_octets(about), static_cast<int>(about.size())) == 1);
  return context;
}

}  // namespace

SealingKey::SealingKey(Secret bytes) : bytes_(std::move(bytes)), id_(sha256_hex(bytes_.reveal()).substr(0, 16)) {}

SealingKey SealingKey::draw(Random& random) {
  std::string bytes(kBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes)));
  return SealingKey(Secret(std::move(bytes)));
}

Result<SealingKey> SealingKey::parse(std::string_view text) {
  auto bytes = from_base64(text);
  if (!bytes || bytes->size() != kBytes)
    return fail(ErrorKind::invalid_argument, "BAD_KEY", "is no key: base 64 of " + std::to_string(kBytes) + " bytes");
  return SealingKey(Secret(std::move(*bytes)));
}

Secret SealingKey::text() const { return Secret(to_base64(bytes_.reveal())); }

std::string SealingKey::seal(const Secret& secret, std::string_view about, Random& random) const {
  const auto plain = secret.reveal();
  std::string sealed(kNonceBytes + plain.size() + kTagBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(sealed).first(kNonceBytes)));
  const auto context = begin_cipher(bytes_, std::string_view(sealed).substr(0, kNonceBytes), about, true);
  int size = 0, rest = 0;
  require_cipher(
      plain.size() < kMostSealedBytes &&
      EVP_CipherUpdate(context.get(), as_octets(sealed, kNonceBytes), &size, as_octets(plain), static_cast<int>(plain.size())) ==
          1 &&
      EVP_CipherFinal_ex(context.get(), as_octets(sealed, kNonceBytes + plain.size()), &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, as_octets(sealed, kNonceBytes + plain.size())) == 1);
  return sealed;
}

Result<Secret> SealingKey::open(std::string_view sealed, std::string_view about) const {
  const auto broken = fail(ErrorKind::invalid_argument, "SEAL_BROKEN", "what was sealed does not open with this key");
  if (sealed.size() < kNonceBytes + kTagBytes || sealed.size() > kMostSealedBytes) return broken;
  const auto text = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const auto context = begin_cipher(bytes_, sealed.substr(0, kNonceBytes), about, false);
  std::string plain(text.size(), '\0');
  int size = 0, rest = 0;
  unsigned char none = 0;
  const bool good =
      EVP_CipherUpdate(context.get(), as_octets(plain), &size, as_octets(text), static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_CipherFinal_ex(context.get(), &none, &rest) == 1;
  Secret secret(std::move(plain));  // wiped, whatever it is
  if (!good) return broken;
  return secret;
}

const SealingKey* SealingKeys::find(std::string_view id) const {
  const auto at = std::ranges::find(keys_, id, &SealingKey::id);
  return at == keys_.end() ? nullptr : &*at;
}

}  // namespace hansa::engine
