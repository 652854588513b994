// SPDX-License-Identifier: Apache-2.0
#pragma once
// SHA-256 of what is too large for memory, by OpenSSL.

#include <memory>
#include <string>
#include <string_view>

namespace hansa {

class Sha256Stream {
 public:
  Sha256Stream();
  void add(std::string_view bytes);
  /// Hex, lower case; once, at the end.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;  // EVP_MD_CTX
};

}  // namespace hansa
