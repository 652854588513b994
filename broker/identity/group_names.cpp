// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/group_names.hpp"

#include "broker/core/encoding.hpp"
#include "broker/http/url.hpp"
#include "broker/identity/ascii.hpp"

#include <algorithm>

namespace hansa::identity {

namespace {

std::optional<std::string> component(std::string_view text) {
  auto decoded = http::percent_decode(text);
  if (!decoded || decoded->empty() || *decoded == "." || *decoded == ".." || !is_utf8(*decoded)) return std::nullopt;
  if (std::ranges::any_of(*decoded, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; })) return std::nullopt;
  return decoded;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t colon = 0; colon != std::string_view::npos; text.remove_prefix(colon + 1)) {
    colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) break;
  }
  return parts;
}

}  // namespace

std::string GroupName::name_space_text() const {
  auto text = "urn:" + nid;
  for (const auto& part : name_space) text += ":" + http::percent_encode(part);
  return text;
}

std::string GroupName::str() const {
  auto text = name_space_text() + ":group";
  for (const auto& part : groups) text += ":" + http::percent_encode(part);
  if (role) text += ":role=" + http::percent_encode(*role);
  if (authority) text += "#" + http::percent_encode(*authority);
  return text;
}

std::optional<GroupName> GroupName::parse(std::string_view text) {
  if (text.size() > kMostBytes) return std::nullopt;
  GroupName name;
  if (const auto hash = text.find('#'); hash != std::string_view::npos) {
    name.authority = component(text.substr(hash + 1));
    if (!name.authority || text.substr(hash + 1).contains('#')) return std::nullopt;
    text = text.substr(0, hash);
  }
  const auto parts = split(text);
  const auto group = std::ranges::find(parts, "group");
  const auto before = group - parts.begin();
  if (group == parts.end() || before < 3) return std::nullopt;  // urn, NID, one of the namespace
  name.nid = in_lower_case(parts[1]);
  const auto of_nid = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };  // RFC 8141
  if (in_lower_case(parts[0]) != "urn" || name.nid.empty() || !std::ranges::all_of(name.nid, of_nid)) return std::nullopt;
  for (auto at = parts.begin() + 2; at != group; ++at) {
    auto part = component(*at);
    if (!part || *part == "group") return std::nullopt;
    name.name_space.push_back(std::move(*part));
  }
  for (auto at = group + 1; at != parts.end(); ++at) {
    constexpr std::string_view kRole = "role=";
    const bool is_role = at + 1 == parts.end() && at->starts_with(kRole) && at != group + 1;
    auto part = component(is_role ? at->substr(kRole.size()) : *at);
    if (!part || (!is_role && at->starts_with(kRole))) return std::nullopt;
    if (is_role)
      name.role = std::move(part);
    else
      name.groups.push_back(std::move(*part));
  }
  if (name.groups.empty()) return std::nullopt;
  return name;
}

}  // namespace hansa::identity
