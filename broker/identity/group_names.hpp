// SPDX-License-Identifier: Apache-2.0
#pragma once
// What groups and roles are called in entitlements: AARC-G069 (2022),
// urn:<NID>:<namespace>[:<sub>...]:group:<group>[:<subgroup>...][:role=<role>][#<authority>].

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::identity {

/// Components are decoded, once. Two are the same if all of it is, byte for byte (of the namespace id in lower case): to be in
/// a:b says nothing of a, and a role says nothing of membership.
struct GroupName {
  std::string nid;                           // lower case (RFC 8141: case-insensitive)
  std::vector<std::string> name_space;       // at least one
  std::vector<std::string> groups;           // at least one, from the parent down
  std::optional<std::string> role;           // in the last of them
  std::optional<std::string> authority;      // who says so; deployed data often leaves it out

  [[nodiscard]] std::string name_space_text() const;  // "urn:geant:example.org"
  [[nodiscard]] std::string str() const;
  friend bool operator==(const GroupName&, const GroupName&) = default;

  static constexpr std::size_t kMostBytes = 512;
  /// None: no name of a group, be it of a resource capability (":res:"), malformed, with a control byte, ".." or an empty
  /// component, or longer than kMostBytes.
  static std::optional<GroupName> parse(std::string_view text);
};

}  // namespace hansa::identity
