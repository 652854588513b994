// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of a pack. Private to parse_*.cpp.

#include "policies/rules/fields.hpp"
#include "policies/rules/pack.hpp"

namespace hansa::rules {

ValueSet parse_set(const TomlNode& table, const std::string& path, Findings& findings);

/// `pack` has its sets already.
Rule parse_rule(const TomlNode& table, const std::string& path, const Pack& pack, Findings& findings);

/// A value of the attribute's type, several too, or a fault.
std::optional<Value> parse_value(const TomlNode& node, const AttributeRecord& record, const std::string& path,
                                 Findings& findings);

/// `{site.country = "FI", ...}`
std::vector<Given> parse_given(const TomlNode& table, const std::string& path, Findings& findings);

/// `pack` has its rules already; `base` is what its [given] says.
PackTest parse_test(const TomlNode& table, const std::string& path, const Pack& pack, const std::vector<Given>& base,
                    Findings& findings);

}  // namespace hansa::rules
