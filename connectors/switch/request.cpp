// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/request.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/suggest.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace hansa::connectors::account_switch {
namespace {

constexpr std::int64_t kProtocol = 1;
constexpr std::size_t kMaxName = 256;   // account, person, tag
constexpr std::size_t kMaxPath = 4095;  // PATH_MAX without its NUL

constexpr std::array<std::string_view, 10> kFields = {"protocol",          "account", "program", "arguments", "environment",
                                                      "working_directory", "person",  "tag",     "limit_s",   "output_limit"};

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

/// What getpwnam may be asked: nothing that looks like an option, a path or a pattern.
bool is_account_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
           c == '@';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '-' && name.front() != '.' && std::ranges::all_of(name, allowed);
}

/// Whether some component is empty (but for a leading "/"), "." or "..".
bool has_odd_component(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const auto slash = path.find('/');
    const auto component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

/// Takes the fields of one JSON object and collects what is wrong with them.
class HeaderReader {
 public:
  explicit HeaderReader(const Json& object) : object_(object) {
    for (const auto& [key, value] : object.items()) {
      if (std::ranges::find(kFields, key) == kFields.end()) fault(key, "unknown field" + did_you_mean(key, kFields));
    }
  }

  std::string text(const char* field, std::size_t limit, bool required) {
    const auto* value = find(field, required);
    if (value == nullptr) return {};
    if (!value->is_string()) return fault(field, "must be a string"), "";
    auto result = value->get<std::string>();
    if (has_nul(result)) return fault(field, "must not hold a NUL character"), "";
    if (result.size() > limit) return fault(field, "must be at most " + std::to_string(limit) + " bytes"), "";
    if (required && result.empty()) return fault(field, "must not be empty"), "";
    return result;
  }

  std::int64_t integer(const char* field, std::int64_t least, std::int64_t most) {
    const auto* value = find(field, true);
    if (value == nullptr) return least;
    // An unsigned value past int64 reads back negative, and least >= 0 refuses it.
    const auto number = value->is_number_integer() ? value->get<std::int64_t>() : std::numeric_limits<std::int64_t>::min();
    if (number >= least && number <= most) return number;
    fault(field, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return least;
  }

  std::vector<std::string> texts(const char* field) {
    std::vector<std::string> result;
    const auto* value = find(field, false);
    if (value == nullptr) return result;
    if (!value->is_array()) return fault(field, "must be an array of strings"), result;
    for (std::size_t i = 0; i < value->size(); ++i) {
      const auto& item = (*value)[i];
      if (!item.is_string() || has_nul(item.get_ref<const std::string&>())) {
        fault(field + ("/" + std::to_string(i)), "must be a string without a NUL character");
      } else {
        result.push_back(item.get<std::string>());
      }
    }
    return result;
  }

  std::vector<std::pair<std::string, std::string>> variables(const char* field) {
    std::vector<std::pair<std::string, std::string>> result;
    const auto* value = find(field, false);
    if (value == nullptr) return result;
    if (!value->is_object()) return fault(field, "must be an object of strings"), result;
    for (const auto& [name, item] : value->items()) {
      if (!is_variable_name(name)) {
        fault(field, "a variable's name must match [A-Za-z_][A-Za-z0-9_]*");
      } else if (!item.is_string() || has_nul(item.get_ref<const std::string&>())) {
        fault(field + ("/" + name), "must be a string without a NUL character");
      } else {
        result.emplace_back(name, item.get<std::string>());
      }
    }
    return result;
  }

  void fault(std::string field, std::string message) { faults_.push_back({"/" + std::move(field), std::move(message)}); }
  [[nodiscard]] std::vector<Fault>& faults() { return faults_; }

 private:
  const Json* find(const char* field, bool required) {
    const auto it = object_.find(field);
    if (it != object_.end()) return &*it;
    if (required) fault(field, "missing");
    return nullptr;
  }

  const Json& object_;
  std::vector<Fault> faults_;
};

Result<std::size_t> read_length(ByteSource& source, std::string_view what, std::size_t least, std::size_t most) {
  const auto bytes = source.read_exactly(4);
  if (!bytes) return std::unexpected(bytes.error());
  std::size_t length = 0;
  for (const char c : *bytes) length = length << 8U | static_cast<unsigned char>(c);
  if (length > most) {
    return fail(
        ErrorKind::too_large, "REQUEST_TOO_LARGE",
        "the " + std::string(what) + " has " + std::to_string(length) + " bytes; at most " + std::to_string(most) + " are taken");
  }
  if (length < least) return fail(ErrorKind::invalid_argument, "REQUEST_MALFORMED", "the " + std::string(what) + " is empty");
  return length;
}

}  // namespace

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string one_line(const Error& error) {
  std::string text = error.message;
  for (std::size_t i = 0; i < error.faults.size(); ++i) {
    text += (i == 0 ? ": " : "; ") + error.faults[i].where + ": " + error.faults[i].message;
  }
  return text;
}

Result<Request> parse_header(std::string_view json) {
  const auto value = parse_json(json, 3);
  if (!value) return fail(ErrorKind::invalid_argument, "REQUEST_MALFORMED", "the request's header: " + value.error().message);
  if (!value->is_object())
    return fail(ErrorKind::invalid_argument, "REQUEST_MALFORMED", "the request's header must be a JSON object");

  HeaderReader reader(*value);
  Request request;
  reader.integer("protocol", kProtocol, kProtocol);
  request.account = reader.text("account", kMaxName, true);
  request.program = reader.text("program", kMaxPath, true);
  request.arguments = reader.texts("arguments");
  request.environment = reader.variables("environment");
  request.working_directory = reader.text("working_directory", kMaxPath, false);
  request.person = reader.text("person", kMaxName, true);
  request.tag = reader.text("tag", kMaxName, false);
  request.limit = Seconds{reader.integer("limit_s", 1, kMaxLimit.count())};
  request.output_limit = static_cast<std::size_t>(reader.integer("output_limit", 1, kMaxOutputBytes));

  if (!request.account.empty() && !is_account_name(request.account)) {
    reader.fault("account", "must be 1 to 64 of A-Z a-z 0-9 _ - . @ and not begin with - or .");
  }
  if (!request.program.empty() && (!request.program.starts_with('/') || has_odd_component(request.program))) {
    reader.fault("program", "must be a full path without \".\", \"..\" or \"//\"");
  }
  const auto& directory = request.working_directory;
  if (!directory.empty() && (directory.starts_with('/') || has_odd_component(directory))) {
    reader.fault("working_directory", "must lie beneath the account's home: a relative path without \".\", \"..\" or \"//\"");
  }
  if (!reader.faults().empty()) {
    return std::unexpected(Error{.kind = ErrorKind::invalid_argument,
                                 .code = "REQUEST_MALFORMED",
                                 .message = "the request's header is not valid",
                                 .faults = std::move(reader.faults())});
  }
  return request;
}

Result<Request> read_header(ByteSource& source) {
  const auto length = read_length(source, "header", 1, kMaxHeaderBytes);
  if (!length) return std::unexpected(length.error());
  const auto text = source.read_exactly(*length);
  if (!text) return std::unexpected(text.error());
  return parse_header(*text);
}

Result<std::string> read_input(ByteSource& source) {
  const auto length = read_length(source, "input", 0, kMaxInputBytes);
  if (!length) return std::unexpected(length.error());
  return source.read_exactly(*length);
}

}  // namespace hansa::connectors::account_switch
