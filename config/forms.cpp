// SPDX-License-Identifier: Apache-2.0
#include "config/forms.hpp"

#include "broker/core/countries.hpp"
#include "broker/core/daily_hours.hpp"
#include "broker/core/encoding.hpp"
#include "config/broker_config.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace hansa::config {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

bool in(char c, std::string_view set) { return set.contains(c); }
bool is_word(char c) { return in(c, kLower) || in(c, kUpper) || in(c, kDigits); }

/// A first character that `first` takes, then up to `max_size` - 1 of those that `rest` takes.
template <typename First, typename Rest>
bool spelt(std::string_view text, std::size_t max_size, First first, Rest rest) {
  return !text.empty() && text.size() <= max_size && first(text.front()) && std::ranges::all_of(text.substr(1), rest);
}

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_label(std::string_view text) { return !text.empty() && text.size() <= 128 && is_one_line(text) && is_utf8(text); }

bool is_site_id(std::string_view text) {
  const auto plain = [](char c) { return in(c, kLower) || in(c, kDigits); };
  return spelt(text, 32, plain, [&](char c) { return plain(c) || c == '-'; });
}

bool is_root_name(std::string_view text) {
  const auto plain = [](char c) { return in(c, kLower) || in(c, kDigits) || in(c, "_-"); };
  return spelt(text, 32, plain, plain);
}

bool is_host_name(std::string_view text) {
  return spelt(text, 253, is_word, [](char c) { return is_word(c) || in(c, ".-:"); });
}

bool is_project_id(std::string_view text) {
  return spelt(text, 64, is_word, [](char c) { return is_word(c) || in(c, "_.-"); });
}

bool is_principal(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !is_site_id(text.substr(0, colon))) return false;
  const auto subject = text.substr(colon + 1);  // OpenID Connect Core 1.0, section 2: at most 255 ASCII characters
  return spelt(subject, 255, [](char c) { return c > ' ' && c < 0x7F; }, [](char c) { return c > ' ' && c < 0x7F; });
}

/// No leading digit: a number would be taken for a user id by many programs.
bool is_local_account(std::string_view text) {
  return spelt(
      text, 32, [](char c) { return is_word(c) ? !in(c, kDigits) : c == '_'; },
      [](char c) { return is_word(c) || in(c, "_.-"); });
}

bool is_scheduler_name(std::string_view text) {
  return spelt(text, 64, [](char c) { return is_word(c) || c == '_'; }, [](char c) { return is_word(c) || in(c, "_.-"); });
}

bool has_dot_dot(std::string_view path) {
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    if (path.substr(0, slash) == "..") return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

bool is_path(std::string_view text) { return !text.empty() && text.size() < 4096 && is_one_line(text); }
bool is_absolute_path(std::string_view text) {
  return is_path(text) && text.front() == '/' && text.size() > 1 && !has_dot_dot(text);
}
bool is_plain_path(std::string_view text) {
  return is_absolute_path(text) && std::ranges::all_of(text, [](char c) { return is_word(c) || in(c, "_./@+,=-"); });
}
bool is_socket_path(std::string_view text) { return is_absolute_path(text) && text.size() <= 107; }
bool is_file(std::string_view text) { return is_path(text) && text.front() != '~' && text.back() != '/'; }
bool is_home_file(std::string_view text) {
  return is_path(text) && text.back() != '/' && (text.front() != '~' || text.starts_with("~/"));
}

/// Braces only as "{account}".
bool is_work_dir(std::string_view text) {
  for (auto rest = text; !rest.empty();) {
    const auto brace = rest.find_first_of("{}");
    if (brace == std::string_view::npos) break;
    if (!rest.substr(brace).starts_with("{account}")) return false;
    rest.remove_prefix(brace + 9);
  }
  return is_path(text) && (text.front() == '/' || text.starts_with("~/")) && text.size() > 2 && !has_dot_dot(text);
}

/// What the wrapper takes for HANSA_SCRATCH (connectors/transport/wrapper.hpp).
bool is_scratch(std::string_view text) {
  if (!is_work_dir(text) || text.front() != '/') return false;
  std::string plain(text);
  for (auto at = plain.find("{account}"); at != std::string::npos; at = plain.find("{account}")) plain.replace(at, 9, "a");
  return std::ranges::all_of(plain, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-_./@+,").contains(c);
  });
}
bool is_check_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}

bool is_variable_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && !(text.front() >= '0' && text.front() <= '9') && !text.starts_with("HANSA_") &&
         std::ranges::all_of(
             text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}
bool is_variable_value(std::string_view text) { return text.size() <= 4096 && is_one_line(text) && is_utf8(text); }

bool is_apel_name(std::string_view text) {
  return spelt(text, 255, [](char c) { return is_word(c); }, [](char c) { return is_word(c) || in(c, "_.:/-"); });
}
bool is_service_level(std::string_view text) {
  const auto dot = text.find('.');
  const auto whole = text.substr(0, dot), rest = dot == std::string_view::npos ? "0" : text.substr(dot + 1);
  const auto digits = [](std::string_view of, std::size_t most) {
    return !of.empty() && of.size() <= most && std::ranges::all_of(of, [](char c) { return in(c, kDigits); });
  };
  return digits(whole, 7) && digits(rest, 3) && text.find_first_of("123456789") != std::string_view::npos;
}
bool is_component_type(std::string_view text) {
  return spelt(text, 50, [](char c) { return is_word(c); }, [](char c) { return is_word(c) || in(c, "_-"); });
}
bool is_uuid(std::string_view text) {
  constexpr std::string_view kPattern = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
  return std::ranges::equal(text, kPattern, [](char c, char want) { return want == '-' ? c == '-' : in(c, "0123456789abcdef"); });
}

bool is_listen_address(std::string_view text) { return ListenAddress::parse(text).has_value(); }

bool is_store_url(std::string_view text) {
  constexpr std::string_view kScheme = "sqlite:";
  if (!text.starts_with(kScheme)) return false;
  const auto name = text.substr(kScheme.size());
  return is_path(name) && !name.starts_with("//") && name.front() != ':' && name.back() != '/' && !has_dot_dot(name) &&
         name.find_first_of("?#") == std::string_view::npos;
}

/// A token goes with every request, so plain HTTP is for this machine only.
bool is_broker_url(std::string_view text) {
  const bool tls = text.starts_with("https://");
  if (!tls && !text.starts_with("http://")) return false;
  auto authority = text.substr(tls ? 8 : 7);
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.empty() || authority.size() > 255 || !is_one_line(authority)) return false;
  if (authority.find_first_of("/@?# \\") != std::string_view::npos) return false;
  std::string_view host = authority;
  std::string_view port;
  const auto bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.empty() || (colon != std::string_view::npos && port.empty())) return false;
  const bool is_name = std::ranges::all_of(host, [](char c) { return is_word(c) || in(c, ".-"); });
  const auto address = ListenAddress::parse(std::string(host) + ":" + std::string(port.empty() ? "443" : port));
  if (!port.empty() && !ListenAddress::parse("127.0.0.1:" + std::string(port))) return false;
  if (!is_name && !address) return false;
  return tls || host == "localhost" || (address && address->is_loopback());
}

bool is_agents_address(std::string_view text) {
  constexpr std::string_view kScheme = "wss://";
  return text.starts_with(kScheme) && !text.ends_with('/') &&
         is_broker_url("https://" + std::string(text.substr(kScheme.size())));
}

bool is_proxy(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  return text == "none" || (text.starts_with(kScheme) && !text.ends_with('/') &&
                            is_broker_url("https://" + std::string(text.substr(kScheme.size()))));
}

/// The same with a path behind it, as a proxy may have; or a Unix socket.
bool is_slurmrest_url(std::string_view text) {
  if (text.starts_with("unix:")) return is_socket_path(text.substr(5));
  const auto scheme = text.find("://");
  const auto path = scheme == std::string_view::npos ? scheme : text.find('/', scheme + 3);
  const auto plain = [](char c) { return is_word(c) || in(c, "/._~-"); };
  return is_broker_url(text.substr(0, path)) && (path == std::string_view::npos || std::ranges::all_of(text.substr(path), plain));
}

bool is_command_word(std::string_view text) { return !text.empty() && text.size() < 4096 && is_one_line(text) && is_utf8(text); }

/// A pack's own name (policies/rules: kPackId), or the path of one.
bool is_rule_pack(std::string_view text) {
  if (text.contains('/')) return is_path(text);
  const auto plain = [](char c) { return in(c, kLower) || in(c, kDigits) || c == '-'; };
  return spelt(text, 64, [](char c) { return in(c, kLower); }, plain);
}

bool is_permit_id(std::string_view text) {
  const auto plain = [](char c) { return is_word(c) || in(c, "._:@/+-"); };
  return spelt(text, 128, plain, plain);
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::string_view (&words)[N]) {
  return std::ranges::find(words, text) != std::end(words);
}

bool is_data_label(std::string_view text) {
  return is_one_of(text, {"open", "internal", "personal", "health", "trade-secret", "export-controlled"});
}
bool is_purpose(std::string_view text) {
  return is_one_of(text, {"civilian-research", "civilian-innovation", "public-service", "education", "defence"});
}
bool is_access_mode(std::string_view text) {
  return is_one_of(text, {"benchmark", "development", "regular", "extreme-scale", "ai-innovation", "strategic", "commercial"});
}
bool is_ai_training(std::string_view text) { return is_one_of(text, {"none", "specific-purpose", "general-purpose"}); }
bool is_assurance(std::string_view text) { return is_one_of(text, {"low", "medium", "high"}); }
bool is_affiliation(std::string_view text) { return is_one_of(text, {"academic", "public-sector", "industry"}); }
bool is_site_status(std::string_view text) { return is_one_of(text, {"member", "suspended", "leaving"}); }
bool is_site_label(std::string_view text) {
  return is_one_of(text, {"iso-27001", "c5", "ens-high", "secnumcloud", "gaia-x-l1", "gaia-x-l2", "gaia-x-l3", "eucs-basic",
                          "eucs-substantial", "eucs-high"});
}
bool is_isolation(std::string_view text) { return is_one_of(text, {"shared-nodes", "exclusive-nodes", "exclusive-cluster"}); }
bool is_module_name(std::string_view text) {
  return spelt(text, 64, [](char c) { return is_word(c) || in(c, "._+"); }, [](char c) { return is_word(c) || in(c, "._+-"); });
}
/// What the wrapper puts on a command line (connectors/transport/wrapper.cpp).
bool is_modules(std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto plain = [](char c) { return is_word(c) || in(c, "._/@:+=,~-"); };
    if (!spelt(text.substr(0, end), 256, [&](char c) { return plain(c) && c != '-'; }, plain)) return false;
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
  return false;
}
bool is_image_prefix(std::string_view text) {
  constexpr std::string_view kBegins[] = {"oras://", "docker://", "/", "code:", "data:"};
  return text.size() <= 512 && std::ranges::any_of(kBegins, [&](std::string_view begin) { return text.starts_with(begin); }) &&
         std::ranges::all_of(text, [](char c) { return is_word(c) || in(c, "._/@:+-"); });
}
bool is_witness_key(std::string_view text) {
  const auto id = text.find('+');
  if (id == std::string_view::npos || id == 0 || id > 128 || text.size() != id + 54 || text[id + 9] != '+') return false;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::ranges::all_of(text.substr(0, id), [](char c) { return c > ' ' && c < '\x7f'; }) &&
         std::ranges::all_of(text.substr(id + 1, 8), is_hex) && text[id + 10] == 'B' &&
         std::ranges::all_of(text.substr(id + 10), [](char c) { return is_word(c) || in(c, "+/"); });
}
bool is_egress(std::string_view text) { return is_one_of(text, {"open", "logged", "airlock"}); }

}  // namespace

const Form kGpuVendor{R"(one of "nvidia", "amd", "intel")",
                      [](std::string_view text) { return is_one_of(text, {"nvidia", "amd", "intel"}); }};
const Form kArchitecture{R"(one of "x86_64", "aarch64", "ppc64le", "riscv64")",
                         [](std::string_view text) { return is_one_of(text, {"x86_64", "aarch64", "ppc64le", "riscv64"}); }};
const Form kModuleName{"1 to 64 letters, digits, \".\", \"_\", \"+\" and \"-\", not beginning with \"-\"", is_module_name};
const Form kModules{"names of modules with one space between them, of letters, digits and ._/@:+=,~-", is_modules};
const Form kImagePrefix{R"("oras://...", "docker://...", "/...", "code:..." or "data:...")", is_image_prefix};
const Form kQueueOrAll{"\"*\", or the name of a queue: 1 to 64 letters, digits, \"_\", \".\" and \"-\"",
                       [](std::string_view text) { return text == "*" || is_scheduler_name(text); }};
const Form kLabel{"1 to 128 characters on one line", is_label};
const Form kQuietHours{"hours and a time zone, as \"22:00-06:00 Europe/Helsinki\"; the zone by its name in the IANA database",
                       [](std::string_view text) { return DailyHours::parse(text).has_value(); }};
const Form kCountry{"an ISO 3166-1 alpha-2 country code, as \"FI\"", is_country, country_meant_by};
const Form kSiteId{"1 to 32 of a-z, 0-9 and \"-\", not starting with \"-\"", is_site_id};
const Form kProjectId{"1 to 64 letters, digits, \"_\", \".\" and \"-\", starting with a letter or digit", is_project_id};
const Form kPrincipal{"a person as \"<issuer>:<subject>\", for example \"local:alice\"", is_principal};
const Form kLocalAccount{
    "a Unix account's name: 1 to 32 letters, digits, \"_\", \".\" and \"-\", starting with a letter or \"_\"", is_local_account};
const Form kWitnessKey{"a witness's public key, \"name+id+key\", as hansa ledger witness prints it", is_witness_key};
const Form kSchedulerName{"1 to 64 letters, digits, \"_\", \".\" and \"-\"", is_scheduler_name};
const Form kResourceName{
    "1 to 64 letters, digits, \"_\", \".\", \"-\", \":\" and \"/\", starting with a letter or digit",
    [](std::string_view text) { return spelt(text, 64, is_word, [](char c) { return is_word(c) || in(c, "_.:/-"); }); }};
const Form kAbsolutePath{"an absolute path without \"..\"", is_absolute_path};
const Form kRootName{"1 to 32 of a-z, 0-9, \"_\" and \"-\"", is_root_name};
const Form kHostName{"a host's name or address", is_host_name};
const Form kPlainPath{"an absolute path of letters, digits and ._/@+,=-, without \"..\"", is_plain_path};
const Form kSocketPath{"an absolute path of at most 107 bytes without \"..\"", is_socket_path};
const Form kFile{"a path to a file, absolute or relative to this file's folder (\"~\" is not expanded)", is_file, nullptr, true};
const Form kHomeFile{"a path to a file, absolute, relative to this file's folder, or starting with \"~/\"", is_home_file, nullptr,
                     true};
const Form kWorkDir{"a path starting with \"/\" or \"~/\", without \"..\", and no braces but \"{account}\"", is_work_dir};
const Form kScratch{"an absolute path of letters, digits and \"-_./@+,\" without \"..\", and no braces but \"{account}\"",
                    is_scratch};
const Form kVariableName{"letters, digits and \"_\", not beginning with a digit nor with \"HANSA_\"", is_variable_name};
const Form kCheckName{"the name of a check, as \"HISTORY\"", is_check_name};
const Form kVariableValue{"one line of at most 4096 bytes", is_variable_value};
const Form kApelName{"1 to 255 letters, digits and \"_.:/-\", starting with a letter or digit", is_apel_name};
const Form kBenchmark{"\"hepscore23\", \"HEPSPEC\" or \"Si2k\"",
                      [](std::string_view text) { return text == "hepscore23" || text == "HEPSPEC" || text == "Si2k"; }};
const Form kServiceLevel{"a number above 0 with at most three decimals, in quotes, as \"12.5\"", is_service_level};
const Form kComponentType{"1 to 50 letters, digits, \"_\" and \"-\", as the offering in Waldur has it", is_component_type};
const Form kComponentUnit{
    "what one unit of it is: a number and core-, gpu- or node- and seconds, minutes or hours, as "
    "\"60000 core-minutes\"",
    [](std::string_view text) { return parse_component_unit(text).has_value(); }};
const Form kUuid{"a UUID in lower case, as \"6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11\"", is_uuid};
const Form kListenAddress{"an IP address and a port, as \"127.0.0.1:7717\" or \"[::1]:7717\"", is_listen_address};
const Form kStoreUrl{"\"sqlite:<file>\", the file relative to state_dir or absolute", is_store_url};
const Form kBrokerUrl{"\"https://host[:port]\", or \"http://\" with a loopback host", is_broker_url};
const Form kAgentsAddress{"\"wss://host[:port]\"", is_agents_address};
const Form kProxy{.allowed = "\"none\", or \"http://host:port\" without a user and password (see proxy_login_file)",
                  .matches = is_proxy,
                  .is_told = false};
const Form kSlurmrestUrl{"\"https://host[:port][/path]\", \"http://\" with a loopback host, or \"unix:\" and an absolute path",
                         is_slurmrest_url};
const Form kCommandWord{"one line of text", is_command_word};
const Form kIssuerUrl{
    "\"https://host[:port][/path]\", exactly as the issuer's tokens have it (\"http://\" for this machine only)",
    [](std::string_view text) { return !text.starts_with("unix:") && is_slurmrest_url(text); }};
const Form kOrigin{"\"https://host[:port]\", without a path (\"http://\" for this machine only)",
                   [](std::string_view text) { return is_broker_url(text) && std::ranges::count(text, '/') == 2; }};
const Form kTokenWord{"1 to 255 visible ASCII characters", [](std::string_view text) {
                        const auto visible = [](char c) { return c > ' ' && c < 0x7F; };
                        return spelt(text, 255, visible, visible);
                      }};
const Form kAlgorithm{R"(one of "RS256", "PS256", "ES256")",
                      [](std::string_view text) { return text == "RS256" || text == "PS256" || text == "ES256"; }};
const Form kGroup{"1 to 512 characters on one line", [](std::string_view text) {
                    return !text.empty() && text.size() <= 512 && is_one_line(text) && is_utf8(text);
                  }};
const Form kRole{R"(one of "user", "operator", "policy-officer", "auditor")", [](std::string_view text) {
                   return text == "user" || text == "operator" || text == "policy-officer" || text == "auditor";
                 }};
const Form kRulePack{"the name of a shipped pack, as \"open-science\", or a path with a \"/\" in it, as \"./own.toml\"",
                     is_rule_pack, nullptr, true, true};
const Form kDataLabel{R"(one of "open", "internal", "personal", "health", "trade-secret", "export-controlled")", is_data_label};
const Form kPermitId{"an id: 1 to 128 letters, digits and ._:@/+-", is_permit_id};
const Form kPurpose{R"(one of "civilian-research", "civilian-innovation", "public-service", "education", "defence")", is_purpose};
const Form kAccessMode{
    R"(one of "benchmark", "development", "regular", "extreme-scale", "ai-innovation", "strategic", "commercial")",
    is_access_mode};
const Form kAiTraining{R"(one of "none", "specific-purpose", "general-purpose")", is_ai_training};
const Form kAssurance{R"(one of "low", "medium", "high")", is_assurance};
const Form kAffiliation{R"(one of "academic", "public-sector", "industry")", is_affiliation};
const Form kSiteStatus{R"(one of "member", "suspended", "leaving")", is_site_status};
const Form kSiteLabel{
    R"(one of "iso-27001", "c5", "ens-high", "secnumcloud", "gaia-x-l1", "gaia-x-l2", "gaia-x-l3", "eucs-basic", "eucs-substantial", "eucs-high")",
    is_site_label};
const Form kIsolation{R"(one of "shared-nodes", "exclusive-nodes", "exclusive-cluster")", is_isolation};
const Form kEgress{R"(one of "open", "logged", "airlock")", is_egress};

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 64;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  std::size_t size = std::min(text.size(), kMost);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80) --size;  // whole characters
  for (const char c : text.substr(0, size)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + (size < text.size() ? "...\"" : "\"");
}

std::optional<ListenAddress> ListenAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || text.size() > 64) return std::nullopt;
  const auto port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto* end = port_text.data() + port_text.size();
  const auto [at, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc{} || at != end || port_text.empty()) return std::nullopt;

  std::string host(text.substr(0, colon));
  in6_addr address{};  // large enough for both
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &address) != 1) return std::nullopt;
  } else if (inet_pton(AF_INET, host.c_str(), &address) != 1) {
    return std::nullopt;
  }
  if (host.contains('\0')) return std::nullopt;
  return ListenAddress{std::move(host), port};
}

bool ListenAddress::is_unspecified() const {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return v4.s_addr == INADDR_ANY;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
}

bool ListenAddress::is_loopback() const {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string ListenAddress::str() const { return (host.contains(':') ? "[" + host + "]" : host) + ":" + std::to_string(port); }

}  // namespace hansa::config
