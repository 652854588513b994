// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the `hansa` command needs to know. Flags come before the environment (HANSA_URL, HANSA_TOKEN_FILE), that before
// ~/.config/hansa/config.toml.

#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::config {

/// What one source says; the client's file has exactly these keys.
struct ClientSettings {
  std::optional<std::string> url;
  std::optional<std::filesystem::path> token_file;
  std::optional<std::filesystem::path> ca_file;
  std::optional<ProjectId> project;
  std::optional<std::string> oidc_issuer, oidc_audience;
  friend bool operator==(const ClientSettings&, const ClientSettings&) = default;
};

struct ClientConfig {
  std::string url = "http://127.0.0.1:7717";   // without a trailing slash
  std::optional<std::filesystem::path> token_file;
  std::optional<std::filesystem::path> ca_file;  // without one, the system's certificates
  std::optional<ProjectId> project;
  /// What oidc-agent may be asked for; "" where the file that says it is of another `url`.
  std::string oidc_issuer = {}, oidc_audience = {};
  friend bool operator==(const ClientConfig&, const ClientConfig&) = default;
};

/// std::getenv, or a test's table. Null or "" means not set.
using Environment = std::function<const char*(const char* name)>;

/// `home` is what "~/" stands for; `file` names the source in errors.
Result<ClientSettings> parse_client_config(std::string_view text, const std::filesystem::path& file,
                                           const std::filesystem::path& home);

/// Puts flags, environment and ~/.config/hansa/config.toml (beneath HOME; it need not exist) together. A fault is told with
/// its source: "--url", "HANSA_URL" or file:line.
Result<ClientConfig> load_client_config(const ClientSettings& flags, const Environment& environment);

}  // namespace hansa::config
