// SPDX-License-Identifier: Apache-2.0
// No restricted label can reach a place outside its set, whatever any other pack permits: proved for the shipped packs, all
// loaded together. What must hold is written here a second time, from the law's side and not from the packs'. Each claim is then
// shown to fail without the forbids that carry it: a proof that could not fail would be none.
#include "policies/rules/parse_pack.hpp"
#include "tests/integration/rules_z3/rules_in_z3.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

const std::vector<std::string> kUnion{"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
                                      "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"};

std::vector<std::string> with(std::vector<std::string> countries, const std::vector<std::string>& more) {
  countries.insert(countries.end(), more.begin(), more.end());
  return countries;
}

std::vector<Pack> shipped() {
  std::vector<Pack> packs;
  for (const auto& entry : std::filesystem::directory_iterator(HANSA_SOURCE_DIR "/policies/packs")) {
    if (entry.path().extension() != ".toml") continue;
    std::ifstream in(entry.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto pack = parse_pack(text, entry.path().filename().string());
    REQUIRE(pack);
    for (const auto& rule : pack->rules) REQUIRE_FALSE((rule.effective_from || rule.effective_until));  // not in the formulas
    packs.push_back(std::move(*pack));
  }
  REQUIRE(packs.size() == 7);
  return packs;
}

struct Claim {
  std::string what;
  std::vector<Action> actions;
  bool about_dataset = true;
  std::string carried_by;  // the beginning of the forbids' names
  std::function<z3::expr(RulesInZ3&)> given;
  std::function<z3::expr(RulesInZ3&)> must;
};

using A = Attribute;

std::function<z3::expr(RulesInZ3&)> dataset_label(std::string label) {
  return [label = std::move(label)](RulesInZ3& z) { return z.known(A::dataset_labels) && z.includes(A::dataset_labels, label); };
}

const std::vector kToASite{Action::place, Action::stage_in, Action::dispatch, Action::reroute};
const std::vector kOut{Action::stage_out, Action::log_export};

std::vector<Action> everywhere_but_intake() {
  auto actions = kToASite;
  actions.insert(actions.end(), kOut.begin(), kOut.end());
  return actions;
}

z3::expr licensed(RulesInZ3& z) {
  return z.is(A::project_export_licence, true) && z.known(A::project_export_licence_until) &&
         z.value(A::now) < z.value(A::project_export_licence_until) && z.is(A::project_members_cleared, true) &&
         z.one_of(A::site_country, kUnion);
}

std::vector<Claim> claims() {
  const auto eea = with(kUnion, {"IS", "LI", "NO"});
  const auto participating = with(kUnion, {"AL", "GB", "IL", "IS", "ME", "MK", "NO", "RS", "TR"});
  return {
      {"personal data stay in the EEA", everywhere_but_intake(), true, "F-PERSONAL", dataset_label("personal"),
       [eea](RulesInZ3& z) { return z.one_of(A::site_country, eea) && z.one_of(A::site_operator_country, eea); }},
      {"a script with personal data lies in the EEA",
       {Action::intake},
       false,
       "F-PERSONAL",
       [](RulesInZ3& z) { return z.known(A::request_labels) && z.includes(A::request_labels, "personal"); },
       [eea](RulesInZ3& z) { return z.one_of(A::site_country, eea) && z.one_of(A::site_operator_country, eea); }},
      {"health data are used in a secure environment under a valid permit of the project", kToASite, true, "F-HEALTH",
       dataset_label("health"),
       [](RulesInZ3& z) {
         return z.is(A::site_secure_processing, true) && z.is(A::site_egress, "airlock") &&
                z.includes_fact(A::project_permits, A::dataset_permit) && z.known(A::dataset_permit_until) &&
                z.value(A::now) < z.value(A::dataset_permit_until);
       }},
      {"health data leave after a review", kOut, true, "F-HEALTH", dataset_label("health"),
       [](RulesInZ3& z) { return z.is(A::dataset_reviewed, true); }},
      {"trade secrets stay under European control", everywhere_but_intake(), true, "F-TRADE", dataset_label("trade-secret"),
       [](RulesInZ3& z) {
         return z.one_of(A::site_country, kUnion) && z.one_of(A::site_operator_parent_country, kUnion) &&
                z.known(A::site_labels) &&
                (z.includes(A::site_labels, "gaia-x-l3") || z.includes(A::site_labels, "secnumcloud")) &&
                z.one_of(A::site_tenant_isolation, {"exclusive-nodes", "exclusive-cluster"});
       }},
      {"controlled data stay in the Union, under a licence", everywhere_but_intake(), true, "F-EXPORT",
       dataset_label("export-controlled"), licensed},
      {"so do jobs of controlled projects",
       {Action::intake, Action::place, Action::dispatch, Action::reroute},
       false,
       "F-EXPORT",
       [](RulesInZ3& z) { return z.known(A::project_labels) && z.includes(A::project_labels, "export-controlled"); },
       licensed},
      {"EuroHPC systems serve civilian purposes of countries that take part",
       {Action::place, Action::dispatch, Action::reroute},
       false,
       "F-EUROHPC",
       [](RulesInZ3& z) { return z.is(A::site_eurohpc, true); },
       [participating](RulesInZ3& z) {
         return z.known(A::project_purpose) && !z.is(A::project_purpose, "defence") &&
                z.one_of(A::project_lead_country, participating);
       }},
      {"no general-purpose model of 10^25 operations is trained without notification",
       {Action::place, Action::dispatch, Action::reroute},
       false,
       "F-AI",
       [](RulesInZ3& z) {
         return z.is(A::project_ai_training, "general-purpose") && z.known(A::project_training_petaflop) &&
                z.value(A::project_training_petaflop) >= z.context().int_val(static_cast<std::int64_t>(10'000'000'000));
       },
       [](RulesInZ3& z) { return z.is(A::project_commission_notified, true); }},
  };
}

z3::check_result ask(RulesInZ3& z, const z3::expr& formula) {
  z3::solver solver(z.context());
  solver.add(z.domains());
  solver.add(formula);
  return solver.check();
}

}  // namespace

TEST_CASE("no restricted label reaches a place outside its set, whatever else is permitted") {
  RulesInZ3 z(shipped());
  for (const auto& claim : claims()) {
    for (const auto action : claim.actions) {
      CAPTURE(claim.what, to_string(action));
      const auto broken = claim.given(z) && !claim.must(z);
      CHECK(ask(z, z.nothing_forbids(action, claim.about_dataset) && broken) == z3::unsat);
      CHECK(ask(z, z.nothing_forbids(action, claim.about_dataset, claim.carried_by) && broken) == z3::sat);
    }
  }
}

TEST_CASE("data of each label have some place to go, and a label that nobody has told goes nowhere") {
  RulesInZ3 z(shipped());
  for (const auto* label : {"open", "personal", "health", "trade-secret", "export-controlled"}) {
    CAPTURE(label);
    const auto allowed = z.nothing_forbids(Action::place, true) && z.something_permits(Action::place, true);
    CHECK(ask(z, allowed && dataset_label(label)(z)) == z3::sat);
    CHECK(ask(z, allowed && !z.known(A::dataset_labels)) == z3::unsat);
  }
  // A label for which no pack has a permit goes nowhere by itself.
  const auto only_internal = [&] {
    auto only = dataset_label("internal")(z);
    for (const auto label : data_labels()) {
      if (label != "internal") only = only && !z.includes(A::dataset_labels, label);
    }
    return only;
  }();
  CHECK(ask(z, z.something_permits(Action::place, true) && only_internal) == z3::unsat);
}
