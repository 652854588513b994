// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/nobody.hpp"

#include <algorithm>

namespace hansa::domain {
namespace {

bool is_part_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// Whether a longer name goes on there: "anna.maria" is not "anna", "anna." may end a sentence. Only principals have '@' and ':'
/// within: "anna@login1", "anna:staff" are an account's.
bool goes_on(std::string_view rest, bool principal) {
  if (rest.empty()) return false;
  if (is_part_of_name(rest[0])) return true;
  const bool joins = rest[0] == '.' || rest[0] == '+' || (principal && (rest[0] == '@' || rest[0] == ':'));
  return joins && rest.size() > 1 && is_part_of_name(rest[1]);
}
/// A ':' before it is no part: "person:local:anna".
bool came_before(std::string_view text) {
  if (text.empty()) return false;
  if (is_part_of_name(text.back())) return true;
  return (text.back() == '.' || text.back() == '+' || text.back() == '@') && text.size() > 1 &&
         is_part_of_name(text[text.size() - 2]);
}

std::size_t find_alone(std::string_view text, std::string_view name, std::size_t from) {
  for (auto at = text.find(name, from); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const auto before = text.substr(0, at);
    const bool principal = name.contains(':') || before.ends_with(':');
    if (!came_before(before) && !goes_on(text.substr(at + name.size()), principal)) return at;
  }
  return std::string_view::npos;
}

}  // namespace

JobSpec without_names(JobSpec spec) {
  spec.name.clear();
  spec.software = {};
  spec.outputs.clear();
  spec.code = {};
  spec.secrets.clear();
  for (auto& variant : spec.variants) {
    variant.software = {};
    variant.environment.clear();
  }
  return spec;
}

EventBody without_names(EventBody body) {
  std::visit(
      [](auto& event) {
        if constexpr (requires { event.owner; }) event.owner = kNobody;
        if constexpr (requires { event.by; }) event.by = kNobody;
        if constexpr (requires { event.account; }) event.account = {};
        if constexpr (requires { event.spec; }) event.spec = without_names(std::move(event.spec));
        if constexpr (requires { event.move.why; }) event.move.why.clear();
        if constexpr (requires { event.reason.message; })
          event.reason.message.clear();
        else if constexpr (requires { event.reason.clear(); })
          event.reason.clear();
      },
      body);
  return body;
}

void Names::add(std::string_view name) {
  if (name.empty() || name == kNobody.str() || std::ranges::find(names_, name) != names_.end()) return;
  names_.insert(std::ranges::find_if(names_, [&](const auto& other) { return other.size() < name.size(); }), std::string(name));
}

bool Names::in(std::string_view text) const {
  return std::ranges::any_of(names_, [&](const auto& name) { return find_alone(text, name, 0) != std::string_view::npos; });
}

std::string Names::without(std::string_view text) const {
  std::string out(text);
  const auto& nobody = kNobody.str();
  for (const auto& name : names_) {
    for (auto at = find_alone(out, name, 0); at != std::string::npos; at = find_alone(out, name, at + nobody.size()))
      out.replace(at, name.size(), nobody);
  }
  return out;
}

Json Names::without_in(Json json) const {
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (text.contains(' ')) return without(text);
    // One word is as likely a site's or a queue's name as an account's.
    Names principals;
    for (const auto& name : names_) {
      if (name.contains(':')) principals.add(name);
    }
    return principals.without(text);
  }
  if (json.is_array()) {
    for (auto& entry : json) entry = without_in(std::move(entry));
  } else if (json.is_object()) {
    auto out = Json::object();
    for (auto& [key, value] : json.items()) out[key] = without_in(value);
    return out;
  }
  return json;
}

}  // namespace hansa::domain
