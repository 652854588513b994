// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/configuration.hpp"

#include "broker/core/suggest.hpp"
#include "broker/core/toml_document.hpp"
#include "connectors/switch/request.hpp"
#include "connectors/switch/trusted_path.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace hansa::connectors::account_switch {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024;
constexpr std::size_t kReasonBytes = 200;  // bytes
constexpr std::array<std::string_view, 8> kKeys = {"callers",  "programs",    "minimum_uid",    "denied_groups",
                                                   "accounts", "environment", "max_concurrent", "request_time_s"};
/// Set by the switch itself, or able to put other code into the allowed program.
constexpr std::array<std::string_view, 5> kFixedVariables = {"HOME", "USER", "LOGNAME", "SHELL", "PATH"};

class FileReader {
 public:
  FileReader(const TomlNode& file, const std::string& path) : file_(file), path_(path) {
    for (const auto& member : file.items) {
      if (std::ranges::find(kKeys, member.key) == kKeys.end())
        fault(member.key_at, member.key, "unknown key" + did_you_mean(member.key, kKeys));
    }
  }

  /// `accept(text)` says what is wrong with one element, or "".
  template <typename Accept>
  std::vector<std::string> texts(std::string_view key, bool required, Accept accept) {
    std::vector<std::string> result;
    const auto* list = file_.find(key);
    if (list == nullptr) {
      if (required) fault({}, key, "missing: must be an array of strings");
      return result;
    }
    if (list->kind != TomlNode::Kind::list) return fault(list->at, key, "must be an array of strings"), result;
    if (required && list->items.empty()) fault(list->at, key, "must not be empty");
    for (const auto& element : list->items) {
      const bool is_text = element.kind == TomlNode::Kind::text;
      const auto& text = element.text;
      const std::string problem = !is_text              ? "must be an array of strings"
                                  : text.contains('\0') ? "must not hold a NUL character"
                                                        : accept(text);
      if (!problem.empty()) {
        fault(element.at, key, is_text ? "\"" + text + "\": " + problem : problem);
      } else if (std::ranges::find(result, text) != result.end()) {
        fault(element.at, key, "\"" + text + "\" is listed twice");
      } else {
        result.push_back(text);
      }
    }
    return result;
  }

  std::int64_t integer(std::string_view key, std::int64_t absent, std::int64_t least, std::int64_t most) {
    const auto* value = file_.find(key);
    if (value == nullptr) return absent;
    if (value->kind == TomlNode::Kind::integer && value->integer >= least && value->integer <= most) return value->integer;
    fault(value->at, key, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return absent;
  }

  [[nodiscard]] std::vector<Fault>& faults() { return faults_; }

 private:
  void fault(TomlMark at, std::string_view key, std::string message) {
    const auto line = at.line > 0 ? ":" + std::to_string(at.line) : "";
    faults_.push_back({path_ + line + " " + std::string(key), std::move(message)});
  }

  const TomlNode& file_;
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

Result<Configuration> parse_configuration(std::string_view toml, const std::string& path) {
  auto file = parse_toml(toml, path);
  if (!file) {
    auto error = std::move(file.error());
    error.kind = ErrorKind::unavailable;
    error.code = "SWITCH_CONFIGURATION";
    return std::unexpected(std::move(error));
  }
  FileReader reader(*file, path);
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
  if (file->find("environment") != nullptr) result.environment = reader.texts("environment", false, problem_with_variable);
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

std::string off_file(const std::string& configuration_path) {
  return std::filesystem::path(configuration_path).replace_extension(".off").string();
}

Result<Configuration> load_configuration(const std::string& path) {
  if (const auto off = off_file(path); ::access(off.c_str(), F_OK) == 0) {
    std::string reason(kReasonBytes, '\0');
    std::ifstream file(off, std::ios::binary);
    file.read(reason.data(), kReasonBytes);
    reason.resize(static_cast<std::size_t>(file.gcount()));
    reason.resize(std::min(reason.find('\n'), reason.size()));
    std::ranges::replace_if(reason, [](char c) { return c < ' ' || c > '~'; }, '?');
    return fail(ErrorKind::unavailable, kSwitchedOff,
                "the site has switched hansa-switch off" + (reason.empty() ? "" : ": " + reason) + " (" + off + ")");
  }
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
