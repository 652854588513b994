// SPDX-License-Identifier: Apache-2.0
#pragma once
// ~/.config/hansa/login.json (0600): who this person is logged in as, one login for each broker. Only its owner may read it, or
// it is not used; a token in it goes to the broker that it was got for, and to no other.

#include "broker/cli/oauth.hpp"
#include "broker/core/descriptor.hpp"
#include "config/client_config.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::cli {

struct Login {
  std::string broker;  // its URL
  LoginIssuer issuer;
  Tokens tokens;
};

class LoginFile {
 public:
  /// Beneath HOME. Locked against other calls of `hansa` for as long as this lives: a refresh token is often good once.
  /// not_found, NO_HOME; permission_denied, LOGIN_EXPOSED; invalid_argument, LOGIN_UNREADABLE.
  static Result<LoginFile> open(const config::Environment& environment);
  /// Whether there is one; without a lock.
  static bool exists(const config::Environment& environment);

  [[nodiscard]] const Login* of(const std::string& broker) const;
  /// In the place of the broker's last; durable.
  Result<void> keep(Login login);
  Result<void> remove(const std::string& broker);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  LoginFile(std::string path, Descriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  Result<void> read();
  Result<void> write();

  std::string path_;
  Descriptor lock_;
  std::vector<Login> logins_;
};

}  // namespace hansa::cli
