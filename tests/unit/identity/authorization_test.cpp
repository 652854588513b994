// SPDX-License-Identifier: Apache-2.0
// Who may do what to whose: the whole matrix, spelt out a second time. What the API makes of it: tests/unit/api/access_test.cpp.
#include "broker/identity/authorization.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>

using namespace hansa;
using namespace hansa::identity;
using ports::Role;

namespace {

// By Capacity: user, project lead, operator, site operator, policy officer, auditor, agent; - nobody, o own, p project, s site,
// a everybody.
constexpr struct {
  Action action;
  std::string_view reach;
} kMatrix[] = {
    {Action::know_oneself, "oooooo-"},      {Action::submit_jobs, "oooo---"},         {Action::read_job, "opas-a-"},
    {Action::read_output, "oooo---"},       {Action::change_job, "opas---"},          {Action::resolve_job, "--as---"},
    {Action::read_decisions, "--a-aa-"},    {Action::read_sites, "aaaaaa-"},          {Action::read_rules, "aaaaaa-"},
    {Action::read_metrics, "aaaaaa-"},      {Action::change_site, "--as---"},         {Action::enrol_agent, "--as---"},
    {Action::inspect_site, "--as-a-"},      {Action::serve_site, "------s"},          {Action::connect_agent, "oooo---"},
    {Action::read_connections, "ooas-a-"},  {Action::disconnect_agent, "ooas---"},    {Action::report_usage, "opasoa-"},
    {Action::check_ledger, "--aa-a-"},      {Action::read_ledger, "--a--a-"},         {Action::witness_ledger, "--aa-a-"},
    {Action::change_ledger_key, "--a----"}, {Action::read_reconciliation, "--as-a-"}, {Action::reconcile, "--as---"},
    {Action::keep_ledger, "--a----"},       {Action::manage_tokens, "--a----"},       {Action::read_tokens, "--a--a-"},
    {Action::read_dataset, "ppapaa-"},      {Action::register_dataset, "ooao---"},    {Action::change_dataset, "ooaoa--"},
    {Action::read_facts, "ppapaa-"},        {Action::change_facts, "--asa--"},        {Action::read_changes, "ppapaa-"},
    {Action::approve_change, "--a-a--"},    {Action::reject_change, "ooaoa--"},       {Action::export_person, "ooaoaa-"},
    {Action::erase_person, "--a-a--"},      {Action::read_protection, "--a-aa-"},     {Action::read_allocation, "ppappa-"},
    {Action::change_allocation, "--a----"}, {Action::tell_balances, "--as---"},       {Action::break_glass, "--a----"},
};

Reach reach_of(char letter) { return static_cast<Reach>(std::string_view("-opsa").find(letter)); }

Caller caller(Role role, std::vector<SiteId> sites = {}, std::vector<ProjectId> leads = {}) {
  return {.principal = Principal("local:alice"),
          .role = role,
          .token_id = "tok_1",
          .sites = std::move(sites),
          .projects = {ProjectId("ai-lab"), ProjectId("led")},
          .leads = std::move(leads)};
}

const Object kOwn{.owner = Principal("local:alice"), .project = ProjectId("other"), .sites = {SiteId("beta")}};
const Object kOfProject{.owner = Principal("local:bob"), .project = ProjectId("ai-lab"), .sites = {SiteId("beta")}};
const Object kOfLed{.owner = Principal("local:bob"), .project = ProjectId("led"), .sites = {SiteId("beta")}};
const Object kAtSite{.owner = Principal("local:bob"), .project = ProjectId("other"), .sites = {SiteId("beta"), SiteId("alpha")}};
const Object kForeign{.owner = Principal("local:bob"), .project = ProjectId("other"), .sites = {SiteId("beta")}};

enum class Answer { yes, lacks_right, not_found };

Answer ask(const Caller& who, Action action, const Object& object) {
  const auto allowed = authorize(who, action, object);
  if (allowed) return Answer::yes;
  CHECK_FALSE(allowed.error().retryable);
  CHECK_FALSE(allowed.error().message.contains("bob"));
  if (allowed.error().kind == ErrorKind::not_found) return Answer::not_found;
  CHECK(allowed.error().kind == ErrorKind::permission_denied);
  CHECK(allowed.error().code == "ROLE_LACKS_RIGHT");
  return Answer::lacks_right;
}

}  // namespace

TEST_CASE("the reach of every capacity in every action", "[T11]") {
  REQUIRE(std::size(kMatrix) == rights().size());
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < rights().size(); ++i) {
    const auto& right = rights()[i];
    CAPTURE(right.name);
    CHECK(names.insert(right.name).second);
    REQUIRE(right.action == kMatrix[i].action);
    REQUIRE(kMatrix[i].reach.size() == kCapacities);
    for (std::size_t as = 0; as < kCapacities; ++as) {
      CAPTURE(to_string(static_cast<Capacity>(as)));
      CHECK(to_string(reach(static_cast<Capacity>(as), right.action)) == to_string(reach_of(kMatrix[i].reach[as])));
    }
  }
}

TEST_CASE("an auditor changes nothing, and reads whatever anybody reads but output") {
  constexpr std::string_view kReads[] = {"read", "report", "check", "ask who", "have everything", "witness"};
  for (const auto& right : rights()) {
    CAPTURE(right.name);
    const auto far = reach(Capacity::auditor, right.action);
    bool reads = false;
    for (const auto beginning : kReads) reads = reads || right.name.starts_with(beginning);
    if (!reads) CHECK(far == Reach::nobody);
    if (reads && right.action != Action::read_output && right.action != Action::know_oneself) CHECK(far == Reach::everybody);
  }
  // Not by a project that they lead, either.
  CHECK(ask(caller(Role::auditor, {}, {ProjectId("led")}), Action::change_job, kOfLed) == Answer::lacks_right);
  CHECK(ask(caller(Role::policy_officer, {}, {ProjectId("led")}), Action::read_job, kOfLed) == Answer::lacks_right);
}

TEST_CASE("whose objects each reach comes to", "[T11]") {
  for (const auto& right : rights()) {
    CAPTURE(right.name);
    const auto check = [&](const Caller& who, Reach far, bool leads) {
      const auto yes_if = [far](bool held) {
        return held ? Answer::yes : far == Reach::nobody ? Answer::lacks_right : Answer::not_found;
      };
      const bool all = far == Reach::everybody;
      CHECK(ask(who, right.action, kOwn) == yes_if(far != Reach::nobody));
      CHECK(ask(who, right.action, kOfProject) == yes_if(all || (far == Reach::project && !leads)));
      CHECK(ask(who, right.action, kOfLed) == yes_if(all || far == Reach::project));
      CHECK(ask(who, right.action, kAtSite) == yes_if(all || far == Reach::site));
      CHECK(ask(who, right.action, kForeign) == yes_if(all));
      CHECK(has_right(who, right.action).has_value() == (far != Reach::nobody));
      CHECK(reaches_all(who, right.action) == all);
    };
    check(caller(Role::user), reach(Capacity::user, right.action), false);
    check(caller(Role::operator_), reach(Capacity::operator_, right.action), false);
    check(caller(Role::operator_, {SiteId("alpha")}), reach(Capacity::site_operator, right.action), false);
    check(caller(Role::policy_officer), reach(Capacity::policy_officer, right.action), false);
    check(caller(Role::auditor), reach(Capacity::auditor, right.action), false);
    check(caller(Role::agent, {SiteId("alpha")}), reach(Capacity::agent, right.action), false);
  }
}

TEST_CASE("a lead has a user's rights, and some over what members of the project do") {
  const auto lead = caller(Role::user, {}, {ProjectId("led")});
  CHECK(ask(lead, Action::read_job, kOfLed) == Answer::yes);
  CHECK(ask(lead, Action::change_job, kOfLed) == Answer::yes);
  CHECK(ask(lead, Action::read_output, kOfLed) == Answer::not_found);
  CHECK(ask(lead, Action::change_dataset, kOfLed) == Answer::not_found);
  CHECK(ask(lead, Action::read_job, kOfProject) == Answer::not_found);  // a member only
  CHECK(ask(lead, Action::read_dataset, kOfProject) == Answer::yes);
  CHECK(ask(lead, Action::resolve_job, kOfLed) == Answer::lacks_right);
  CHECK(reaches_others(lead, Action::read_job));
  CHECK_FALSE(reaches_others(lead, Action::read_output));
  CHECK_FALSE(reaches_others(caller(Role::user), Action::read_dataset));
  // An operator of one site may lead a project as well.
  const auto both = caller(Role::operator_, {SiteId("alpha")}, {ProjectId("led")});
  CHECK(ask(both, Action::change_job, kOfLed) == Answer::yes);
  CHECK(ask(both, Action::change_job, kAtSite) == Answer::yes);
  CHECK(ask(both, Action::change_job, kForeign) == Answer::not_found);
}

TEST_CASE("another's object is told of as if it did not exist, a missing right by its name and the role's", "[T11]") {
  const auto user = caller(Role::user);
  CHECK(authorize(user, Action::read_job, kForeign).error().code == "NOT_FOUND");
  CHECK(has_right(user, Action::change_site).error().message ==
        "the role user may not change sites; ask an operator of this broker");
  CHECK(has_right(caller(Role::operator_, {SiteId("a"), SiteId("b")}), Action::manage_tokens).error().message ==
        "the role operator (a, b) may not manage tokens; ask an operator of this broker");
  for (const auto* owner : {"", "local:Alice", "other:alice"})
    CHECK_FALSE(authorize(user, Action::read_job, {.owner = Principal(owner)}));
  CHECK_FALSE(authorize(caller(Role::operator_, {SiteId("alpha")}), Action::change_site, {}));
  CHECK_FALSE(authorize({.principal = {}, .role = Role::user}, Action::read_job, {}));  // nobody owns what nobody owns
  CHECK_FALSE(authorize(user, Action::read_dataset, {.owner = Principal("local:bob"), .project = ProjectId("")}));
}

TEST_CASE("a role or an action that is none opens nothing", "[T11]") {
  const auto nobody = caller(static_cast<Role>(17), {}, {ProjectId("led")});
  CHECK(capacities_of(nobody).empty());
  for (const auto& right : rights()) CHECK(ask(nobody, right.action, kOwn) == Answer::lacks_right);
  for (const auto action : {Action::none, Action::open, static_cast<Action>(1'000)})
    CHECK(ask(caller(Role::operator_), action, kOwn) == Answer::lacks_right);
}
