// SPDX-License-Identifier: Apache-2.0
// The packs in policies/packs: they load, alone and together; breaking any clause of any rule breaks one of their tests; each has
// its page.
#include "policies/rules/check.hpp"
#include "policies/rules/load.hpp"
#include "policies/rules/parse_pack.hpp"
#include "policies/rules/run_tests.hpp"
#include "policies/rules/sentence.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace hansa;
using namespace hansa::rules;

namespace {

const std::filesystem::path kRoot = HANSA_SOURCE_DIR;

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<PackText> shipped() {
  std::vector<PackText> packs;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "policies/packs")) {
    if (entry.path().extension() == ".toml") packs.push_back({entry.path().filename().string(), text_of_file(entry.path())});
  }
  std::ranges::sort(packs, {}, &PackText::file);
  return packs;
}

Pack parsed(const PackText& pack) {
  auto read = parse_pack(pack.text, pack.file);
  REQUIRE(read);
  return std::move(*read);
}

bool fails(const Pack& pack) {
  const auto report = run_tests(pack);
  return !report || report->failed() > 0;
}

}  // namespace

TEST_CASE("shipped packs load, each alone and all together") {
  const auto packs = shipped();
  CHECK(packs.size() == 7);
  for (const auto& pack : packs) {
    CAPTURE(pack.file);
    const auto rules = load(std::span(&pack, 1));
    if (!rules) {
      for (const auto& fault : rules.error().faults) UNSCOPED_INFO(fault.where << ": " << fault.message);
    }
    CHECK(rules);
    const auto read = parsed(pack);
    CHECK(read.id + ".toml" == pack.file);
    bool permits = false, denies = false;
    for (const auto& test : read.tests) (test.expect == Code::permitted ? permits : denies) = true;
    CHECK(permits);
    CHECK(denies);
  }
  CHECK(load(packs));
}

TEST_CASE("shipped packs: without any one clause, or with its opposite, some test fails") {
  std::size_t mutants = 0;
  std::string survivors;
  for (const auto& text : shipped()) {
    const auto pack = parsed(text);
    const auto try_without = [&](std::size_t rule, bool unless, std::size_t clause) {
      auto mutant = pack;
      auto& clauses = unless ? mutant.rules[rule].unless : mutant.rules[rule].when;
      const auto lost = sentence(clauses[clause]);
      clauses.erase(clauses.begin() + static_cast<std::ptrdiff_t>(clause));
      ++mutants;
      if (!fails(mutant)) survivors += pack.id + " " + pack.rules[rule].id + " without: " + lost + "\n";
    };
    for (std::size_t r = 0; r < pack.rules.size(); ++r) {
      for (std::size_t c = 0; c < pack.rules[r].when.size(); ++c) try_without(r, false, c);
      for (std::size_t c = 0; c < pack.rules[r].unless.size(); ++c) try_without(r, true, c);
      auto turned = pack;
      turned.rules[r].effect = pack.rules[r].effect == Effect::permit ? Effect::forbid : Effect::permit;
      ++mutants;
      if (!fails(turned)) survivors += pack.id + " " + pack.rules[r].id + " with the opposite effect\n";
      auto removed = pack;
      removed.rules.erase(removed.rules.begin() + static_cast<std::ptrdiff_t>(r));
      ++mutants;
      if (!fails(removed)) survivors += pack.id + " without " + pack.rules[r].id + "\n";
    }
  }
  CHECK(survivors == "");
  CHECK(mutants > 80);
}

TEST_CASE("shipped packs: each has a page that names all its rules, and no other") {
  for (const auto& text : shipped()) {
    const auto pack = parsed(text);
    CAPTURE(pack.id);
    const auto page = text_of_file(kRoot / "docs/policies" / (pack.id + ".md"));
    for (const auto& rule : pack.rules) CHECK(page.contains("`" + rule.id + "`"));
    for (std::size_t at = 0; (at = page.find("`", at)) != std::string::npos;) {
      const auto end = page.find('`', at + 1);
      const auto word = page.substr(at + 1, end - at - 1);
      at = end + 1;
      if (word.starts_with("P-") || word.starts_with("F-"))
        CHECK(std::ranges::find(pack.rules, word, &Rule::id) != pack.rules.end());
    }
    CHECK(page.contains(pack.id + ".toml"));
  }
}
