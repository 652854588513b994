// SPDX-License-Identifier: Apache-2.0
// What a configuration can tell of a place, a project and a person is what rules can ask of them: the same names, types and
// words.
#include "policies/rules/vocabulary.hpp"

#include "broker/domain/variant.hpp"
#include "config/keys.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace hansa;
using namespace hansa::config;

namespace {

Type type_of(rules::Type type) {
  switch (type) {
    case rules::Type::boolean: return Type::boolean;
    case rules::Type::integer: return Type::integer;
    case rules::Type::time: return Type::date;
    case rules::Type::words:
    case rules::Type::countries:
    case rules::Type::ids: return Type::list;
    default: return Type::text;
  }
}

/// Every key but `others` is an attribute, and every attribute of that prefix but `without` is a key.
template <typename S>
void check_section(const std::string& prefix, const std::set<std::string>& others, const std::set<std::string>& without) {
  std::set<std::string> told;
  for (const auto& key : keys_of<S>()) {
    const auto name = prefix + std::string(key.record.name);
    INFO(name);
    if (others.contains(std::string(key.record.name))) continue;
    told.insert(name);
    const auto* attribute = rules::find_attribute(name);
    REQUIRE(attribute != nullptr);
    CHECK((key.record.type == type_of(attribute->type)));
    for (const auto word : attribute->words) {
      CHECK(key.record.form->matches(word));
      CHECK(key.record.form->allowed.contains('"' + std::string(word) + '"'));
    }
    if (!attribute->words.empty()) {
      const auto& allowed = key.record.form->allowed;
      CHECK(static_cast<std::size_t>(std::ranges::count(allowed, '"')) == 2 * attribute->words.size());
      CHECK_FALSE(key.record.form->matches("nothing"));
    }
    if (rules::member_type(attribute->type) == rules::Type::country) CHECK(key.record.form == &kCountry);
  }
  for (const auto name : rules::attribute_names()) {
    if (!name.starts_with(prefix) || without.contains(std::string(name))) continue;
    INFO(name);
    CHECK(told.contains(std::string(name)));
  }
}

}  // namespace

TEST_CASE("what a site's profile says of its machines is what a job's variants ask for") {
  for (const auto word : domain::kGpuVendors) CHECK(kGpuVendor.matches(word) == (word != "none"));
  for (const auto word : domain::kArchitectures) CHECK(kArchitecture.matches(word));
  CHECK(std::ranges::count(kGpuVendor.allowed, '"') == 2 * (std::ssize(domain::kGpuVendors) - 1));
  CHECK(std::ranges::count(kArchitecture.allowed, '"') == 2 * std::ssize(domain::kArchitectures));
  for (const auto* name : {"pytorch", "gcc-13.2", "a+b", "_x", "-x", "a/b", "", "a b"})
    CHECK(kModuleName.matches(name) == domain::is_module_name(name));
}

TEST_CASE("the facts of a configuration are the vocabulary's") {
  check_section<PlaceFacts>("site.", {"as_of", "status_as_of", "evidence"}, {"site.id", "site.kind", "site.country"});
  check_section<ProjectFacts>("project.", {"as_of"}, {"project.id"});
  check_section<PersonConfig>("user.", {"id"}, {"user.id", "user.authentication"});  // of a login only its issuer can tell
}
