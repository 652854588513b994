// SPDX-License-Identifier: Apache-2.0
// The configuration's periods are those of the table of what is held of people.
#include "broker/app/protection.hpp"

#include "config/keys.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;

TEST_CASE("every period of the table is the configuration's default") {
  const auto facts = app::privacy_facts(config::BrokerConfig{});
  for (const auto& item : domain::retention_table()) {
    INFO(item.key);
    const auto days = facts.days.find(item.holding);
    if (days != facts.days.end()) CHECK(days->second == item.days);
    const auto key = std::string(item.key) + "_days";
    const auto keys = config::keys_of<config::RetentionConfig>();
    const bool is_key = std::ranges::any_of(keys, [&](const auto& each) { return each.record.name == key; });
    CHECK(is_key == (item.keeper == domain::Keeper::broker || item.holding == domain::Holding::logs ||
                     item.holding == domain::Holding::backups));
    if (item.keeper == domain::Keeper::broker)
      CHECK(app::protection_options({}).keep.at(item.holding) == std::chrono::days{item.days});
  }
  CHECK(config::keys_of<config::RetentionConfig>().size() == 11);
}
