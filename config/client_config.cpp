// SPDX-License-Identifier: Apache-2.0
#include "config/client_config.hpp"

#include "config/reader.hpp"
#include "config/text_file.hpp"

namespace hansa::config {
namespace {

std::string_view value_of(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

/// "~/x" beneath `home`; anything else as it is.
void expand_home(std::optional<std::filesystem::path>& path, const std::filesystem::path& home) {
  if (path && path->native().starts_with("~/")) path = home / path->native().substr(2);
}

template <typename M>
void overlay(std::optional<M>& under, const std::optional<M>& over) {
  if (over) under = over;
}

}  // namespace

Result<ClientSettings> parse_client_config(std::string_view text, const std::filesystem::path& file,
                                           const std::filesystem::path& home) {
  const auto document = parse_toml(text, file.string());
  if (!document) return std::unexpected(document.error());
  Findings findings(file.string());
  ClientSettings settings;
  read_keys(Table{&*document, ""}, {}, settings, findings);
  if (!findings.empty()) return std::unexpected(configuration_error(file.string(), findings.faults()));
  expand_home(settings.token_file, home);
  expand_home(settings.ca_file, home);
  return settings;
}

Result<ClientConfig> load_client_config(const ClientSettings& flags, const Environment& environment) {
  ClientSettings settings;
  const std::filesystem::path home = value_of(environment, "HOME");
  if (home.is_absolute()) {
    const auto file = home / ".config/hansa/config.toml";
    const auto text = read_text_file(file.string(), kMaxConfigBytes);
    if (text) {
      auto parsed = parse_client_config(*text, file, home);
      if (!parsed) return std::unexpected(parsed.error());
      settings = std::move(*parsed);
    } else if (text.error().kind != ErrorKind::not_found) {
      return std::unexpected(text.error());
    }
  }

  ClientSettings from_environment;
  if (const auto url = value_of(environment, "HANSA_URL"); !url.empty()) from_environment.url = url;
  if (const auto token = value_of(environment, "HANSA_TOKEN_FILE"); !token.empty()) from_environment.token_file = token;

  // A file's values have been checked with their lines; these are checked here, with the name of where they came from.
  std::vector<Fault> faults;
  const auto check = [&](std::string_view source, const Form& form, std::string_view value) {
    if (auto fault = text_fault(form, value)) faults.push_back({std::string(source), std::move(*fault)});
  };
  if (from_environment.url && !flags.url) check("HANSA_URL", kBrokerUrl, *from_environment.url);
  if (flags.url) check("--url", kBrokerUrl, *flags.url);
  if (flags.project) check("--project", kProjectId, flags.project->str());
  if (!faults.empty()) return std::unexpected(configuration_error("this call, or its environment,", std::move(faults)));

  const auto of_file = settings;
  for (const ClientSettings* source : {static_cast<const ClientSettings*>(&from_environment), &flags}) {
    overlay(settings.url, source->url);
    overlay(settings.token_file, source->token_file);
    overlay(settings.ca_file, source->ca_file);
    overlay(settings.project, source->project);
  }
  ClientConfig config;
  config.url = settings.url.value_or(config.url);
  if (config.url.ends_with('/')) config.url.pop_back();
  config.token_file = settings.token_file;
  config.ca_file = settings.ca_file;
  config.project = settings.project;
  auto own_url = of_file.url.value_or(ClientConfig{}.url);
  if (own_url.ends_with('/')) own_url.pop_back();
  if (config.url == own_url) {  // another broker's tokens are none of this one's
    config.oidc_issuer = of_file.oidc_issuer.value_or("");
    config.oidc_audience = of_file.oidc_audience.value_or("");
  }
  return config;
}

}  // namespace hansa::config
