// SPDX-License-Identifier: Apache-2.0
#include "config/reference.hpp"

#include "config/keys.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

using namespace hansa::config;

namespace {

std::string text_of(const std::string& name) {
  std::ifstream file(std::string(HANSA_SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("config/reference.md is what the records say") {
  INFO("the records have changed; regenerate it: hansa config reference > config/reference.md");
  CHECK((text_of("config/reference.md") == reference_markdown()));
}

TEST_CASE("the manual page is what the records say") {
  INFO("the records have changed; regenerate it: hansa config reference --man > packaging/man/hansad.toml.5");
  CHECK((text_of("packaging/man/hansad.toml.5") == reference_man()));
}

TEST_CASE("every key stands in both references") {
  const auto markdown = reference_markdown();
  const auto man = reference_man();
  std::size_t keys = 0;
  for (const auto& sections : {broker_sections(), client_sections()}) {
    for (const auto& section : sections) {
      for (const auto& row : section.rows) {
        ++keys;
        CHECK_THAT(markdown, Catch::Contains("| `" + std::string(row.record->name) + "` |"));
        CHECK_THAT(man, Catch::Contains("\n.B " + std::string(row.record->name) + "\n"));
      }
    }
  }
  CHECK(keys > 60);
}
