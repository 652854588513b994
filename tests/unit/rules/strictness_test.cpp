// SPDX-License-Identifier: Apache-2.0
// What one person alone may change in the registers (domain/fact.hpp) makes the shipped packs permit nothing that they denied: a
// fact withdrawn, a certificate less, a label of a project that restricts.
#include "broker/domain/fact.hpp"
#include "policies/rules/load.hpp"
#include "policies/rules/parse_pack.hpp"
#include "policies/rules/run_tests.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace hansa::rules::strictness {
namespace {

std::vector<PackText> all_shipped() {
  std::vector<PackText> packs;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(HANSA_SOURCE_DIR) / "policies/packs")) {
    std::ifstream in(entry.path());
    if (entry.path().extension() == ".toml")
      packs.push_back({entry.path().filename().string(), {std::istreambuf_iterator<char>(in), {}}});
  }
  std::ranges::sort(packs, {}, &PackText::file);
  REQUIRE(packs.size() == 7);
  return packs;
}

/// What a pack's own test asks, and beside it what the others' tests take for given: as much evidence as can be.
struct Question {
  std::string name;
  Action action{};
  Evidence job, site;
  std::vector<Evidence> datasets;
  UtcTime now{};
};

bool tells(const Evidence& evidence, Attribute attribute) {
  return std::ranges::find(evidence, attribute, &Fact::attribute) != evidence.end();
}

std::vector<Question> questions(const std::vector<Pack>& packs) {
  std::vector<Question> all;
  std::vector<Given> rest;
  for (const auto& pack : packs) {
    for (const auto& test : pack.tests) std::ranges::copy(test.given, std::back_inserter(rest));
  }
  for (const auto& pack : packs) {
    for (const auto& test : pack.tests) {
      for (const bool more : {false, true}) {
        Question question{.name = pack.id + ": " + test.name, .action = test.action, .now = test.now};
        for (const auto* given : {&test.given, static_cast<const std::vector<Given>*>(&rest)}) {
          if (given == &rest && !more) continue;
          for (auto& fact : evidence_of(*given, {}, test.now)) {
            if (fact.attribute == Attribute::now) continue;
            auto& to = record_of(fact.attribute).subject == Subject::site ? question.site : question.job;
            if (!tells(to, fact.attribute)) to.push_back(std::move(fact));
          }
        }
        for (const auto& dataset : test.datasets) question.datasets.push_back(evidence_of(dataset, {}, test.now));
        all.push_back(std::move(question));
      }
    }
  }
  return all;
}

bool allowed(const RuleSet& rules, const Question& question) {
  const auto job = rules.bind(Subject::job, question.job, question.now);
  const auto site = rules.bind(Subject::site, question.site, question.now);
  std::vector<Bound> datasets;
  for (const auto& dataset : question.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, question.now));
  return rules.decide(question.action, job, site, datasets).allowed();
}

void put(Evidence& evidence, Attribute attribute, Value value, UtcTime now) {
  std::erase_if(evidence, [&](const Fact& fact) { return fact.attribute == attribute; });
  evidence.push_back({attribute, std::move(value), record_of(attribute).source, now});
}

using Words = std::vector<std::string>;

std::vector<Words> subsets(const Words& words) {
  std::vector<Words> all;
  for (unsigned chosen = 0; chosen < 1U << words.size(); ++chosen) {
    Words some;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if ((chosen >> i & 1U) != 0) some.push_back(words[i]);
    }
    all.push_back(std::move(some));
  }
  return all;
}

struct Shipped {
  Shipped() {
    auto read = parse_packs(all_shipped());
    REQUIRE(read);
    packs = *read;
    auto compiled = RuleSet::compile(std::move(*read));
    REQUIRE(compiled);
    rules.emplace(std::move(*compiled));
    asked = questions(packs);
  }
  std::vector<Pack> packs;
  std::optional<RuleSet> rules;
  std::vector<Question> asked;
};

/// Every question with every two values between which one person alone may go.
std::size_t check_steps(const Shipped& shipped, const char* subject, Attribute attribute, const Words& words) {
  const domain::FactKey key{domain::parse_subject(subject).value(), std::string(record_of(attribute).name)};
  const auto values = subsets(words);
  std::size_t permitted = 0;
  std::set<std::string> loosened;
  for (const auto& question : shipped.asked) {
    std::vector<bool> answers;
    for (const auto& value : values) {
      auto asked = question;
      put(record_of(attribute).subject == Subject::site ? asked.site : asked.job, attribute, value, asked.now);
      answers.push_back(allowed(*shipped.rules, asked));
      permitted += answers.back() ? 1 : 0;
    }
    for (std::size_t from = 0; from < values.size(); ++from) {
      for (std::size_t to = 0; to < values.size(); ++to) {
        if (answers[from] || !answers[to] || !domain::only_narrows(key, values[from], values[to])) continue;
        loosened.insert(question.name + " " + text_of(Value(values[from])) + " -> " + text_of(Value(values[to])));
      }
    }
  }
  std::string told;
  for (const auto& one : loosened) told += one + "\n";
  CHECK(told == "");
  return permitted;
}

}  // namespace

TEST_CASE("shipped packs permit nothing more for a label that a project has beside others") {
  const Shipped shipped;
  Words words;
  for (const auto label : data_labels()) words.emplace_back(label);
  CHECK(check_steps(shipped, "project:p", Attribute::project_labels, words) > 0);
}

TEST_CASE("shipped packs permit nothing more for a certificate that a site has lost") {
  const Shipped shipped;
  CHECK(check_steps(shipped, "site:s", Attribute::site_labels, {"iso-27001", "c5", "secnumcloud", "gaia-x-l3"}) > 0);
}

TEST_CASE("shipped packs permit nothing more for a fact that is withdrawn") {
  const Shipped shipped;
  std::size_t permitted = 0;
  for (const auto& question : shipped.asked) {
    const bool before = allowed(*shipped.rules, question);
    permitted += before ? 1 : 0;
    for (auto subject : {&Question::job, &Question::site}) {
      for (std::size_t i = 0; i < (question.*subject).size(); ++i) {
        auto less = question;
        (less.*subject).erase((less.*subject).begin() + static_cast<std::ptrdiff_t>(i));
        CAPTURE(question.name, record_of((question.*subject)[i].attribute).name);
        CHECK((before || !allowed(*shipped.rules, less)));
      }
    }
  }
  CHECK(permitted > 0);
}

}  // namespace hansa::rules::strictness
