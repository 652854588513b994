// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/configuration.hpp"

#include "broker/core/suggest.hpp"
#include "connectors/switch/request.hpp"
#include "connectors/switch/trusted_path.hpp"

#define TOML_EXCEPTIONS 0
#include <grp.h>
#include <pwd.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>

namespace hansa::connectors::account_switch {
namespace {

constexpr std::size_t kMaxFileBytes = 256 * 1024;
constexpr std::array<std::string_view, 8> kKeys = {"callers",  "programs",    "minimum_uid",    "denied_groups",
                                                   "accounts", "environment", "max_concurrent", "request_time_s"};
/// Set by the switch itself, or able to put other code into the allowed program.
constexpr std::array<std::string_view, 5> kFixedVariables = {"HOME", "USER", "LOGNAME", "SHELL", "PATH"};

class FileReader {
 public:
  FileReader(const toml::table& table, const std::string& path) : table_(table), path_(path) {
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      if (std::ranges::find(kKeys, name) == kKeys.end()) { fault(key.source(), name, "unknown key" + did_you_mean(name, kKeys)); }
    }
  }

  /// `accept(text)` says what is wrong with one element, or "".
  template <typename Accept>
  std::vector<std::string> texts(std::string_view key, bool required, Accept accept) {
    std::vector<std::string> result;
    const auto* node = table_.get(key);
    if (node == nullptr) {
      if (required) fault({}, key, "missing: must be an array of strings");
      return result;
    }
    const auto* array = node->as_array();
    if (array == nullptr) return fault(node->source(), key, "must be an array of strings"), result;
    if (required && array->empty()) fault(node->source(), key, "must not be empty");
    for (const auto& element : *array) {
      const auto text = element.value_exact<std::string>();
      const std::string problem = text ? accept(*text) : "must be an array of strings";
      if (!problem.empty()) {
        fault(element.source(), key, text ? "\"" + *text + "\": " + problem : problem);
      } else if (std::ranges::find(result, *text) != result.end()) {
        fault(element.source(), key, "\"" + *text + "\" is listed twice");
      } else {
        result.push_back(*text);
      }
    }
    return result;
  }

  std::int64_t integer(std::string_view key, std::int64_t absent, std::int64_t least, std::int64_t most) {
    const auto* node = table_.get(key);
    if (node == nullptr) return absent;
    const auto number = node->value_exact<std::int64_t>();
    if (number && *number >= least && *number <= most) return *number;
    fault(node->source(), key, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return absent;
  }

  [[nodiscard]] std::vector<Fault>& faults() { return faults_; }

 private:
  void fault(const toml::source_region& where, std::string_view key, std::string message) {
    const auto line = where.begin.line > 0 ? ":" + std::to_string(where.begin.line) : "";
    faults_.push_back({path_ + line + " " + std::string(key), std::move(message)});
  }

  const toml::table& table_;
  const std::string& path_;
  std::vector<Fault> faults_;
};

std::string problem_with_program(const std::string& path) {
  const auto trusted = check_trusted_file(path);
  return trusted ? "" : trusted.error().message;
}

std::string problem_with_variable(const std::string& name) {
  if (!is_variable_name(name)) return "must match [A-Za-z_][A-Za-z0-9_]*";
  if (std::ranges::find(kFixedVariables, name) != kFixedVariables.end()) return "is set by hansa-switch itself";
  if (name.starts_with("LD_") || name == "BASH_ENV" || name == "ENV") return "would put other code into the program";
  return "";
}

std::string any_name(const std::string& name) { return name.empty() ? "must not be empty" : ""; }

std::unexpected<Error> unusable(const std::string& path, const std::string& why) {
  return fail(ErrorKind::unavailable, "SWITCH_CONFIGURATION", path + ": " + why);
}

}  // namespace

Result<Configuration> parse_configuration(std::string_view toml_text, const std::string& path) {
  const auto parsed = toml::parse(toml_text);
  if (!parsed) {
    return unusable(path + ":" + std::to_string(parsed.error().source().begin.line), std::string(parsed.error().description()));
  }
  FileReader reader(parsed.table(), path);
  Configuration result;
  reader.texts("callers", true, [&](const std::string& name) -> std::string {
    const auto* entry = name.empty() ? nullptr : ::getpwnam(name.c_str());
    if (entry == nullptr) return "no such account on this machine";
    if (entry->pw_uid == 0) return "root asks nobody: name the account that hansad or hansa-agent runs as";
    result.callers.push_back({name, entry->pw_uid});
    return "";
  });
  result.programs = reader.texts("programs", true, problem_with_program);
  result.minimum_uid = static_cast<uid_t>(reader.integer("minimum_uid", 1000, 1000, 2'147'483'647));
  result.denied_groups = reader.texts("denied_groups", false, [&](const std::string& name) -> std::string {
    const auto* entry = name.empty() ? nullptr : ::getgrnam(name.c_str());
    if (entry == nullptr) return "no such group on this machine";
    result.denied_gids.push_back(entry->gr_gid);
    return "";
  });
  result.accounts = reader.texts("accounts", false, any_name);
  if (parsed.table().contains("environment")) result.environment = reader.texts("environment", false, problem_with_variable);
  result.max_concurrent = static_cast<std::size_t>(reader.integer("max_concurrent", 64, 1, 4096));
  result.request_time_s = static_cast<int>(reader.integer("request_time_s", 10, 1, 60));
  if (!reader.faults().empty()) {
    return std::unexpected(Error{.kind = ErrorKind::unavailable,
                                 .code = "SWITCH_CONFIGURATION",
                                 .message = path + " is not valid",
                                 .faults = std::move(reader.faults())});
  }
  return result;
}

Result<Configuration> load_configuration(const std::string& path) {
  if (const auto trusted = check_trusted_file(path); !trusted) {
    return unusable(path, "must be a file of root's that nobody else can write: " + trusted.error().message);
  }
  std::ifstream file(path, std::ios::binary);
  std::string text;
  text.resize(kMaxFileBytes + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) return unusable(path, "cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) return unusable(path, "is larger than " + std::to_string(kMaxFileBytes) + " bytes");
  return parse_configuration(text, path);
}

}  // namespace hansa::connectors::account_switch
