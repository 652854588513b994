// SPDX-License-Identifier: Apache-2.0
// Who may do what to whose: the whole matrix, spelt out.
#include "broker/identity/authorization.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace hansa;
using namespace hansa::identity;
using ports::Role;

namespace {

enum class Answer { yes, lacks_right, not_found };

Answer ask(Role role, Action action, bool own) {
  const Caller caller{.principal = Principal("local:alice"), .role = role, .token_id = "tok_1"};
  const auto allowed = authorize(caller, action, own ? caller.principal : Principal("local:bob"));
  if (allowed) return Answer::yes;
  CHECK_FALSE(allowed.error().retryable);
  CHECK(allowed.error().message.find("bob") == std::string::npos);
  if (allowed.error().kind == ErrorKind::not_found) return Answer::not_found;
  CHECK(allowed.error().kind == ErrorKind::permission_denied);
  CHECK(allowed.error().code == "ROLE_LACKS_RIGHT");
  return Answer::lacks_right;
}

constexpr Action kActions[] = {
    Action::submit_jobs,     Action::read_job,          Action::read_output,       Action::change_job,   Action::resolve_job,
    Action::read_decisions,  Action::read_sites,        Action::change_site,       Action::read_agents,  Action::report_usage,
    Action::read_ledger,     Action::witness_ledger,    Action::change_ledger_key, Action::keep_ledger,  Action::manage_tokens,
    Action::read_dataset,    Action::register_dataset,  Action::change_dataset,    Action::read_facts,   Action::change_facts,
    Action::export_person,   Action::erase_person,      Action::read_protection,
    Action::read_allocation, Action::change_allocation, Action::approve_change,    Action::reject_change};
static_assert(std::size(kActions) == static_cast<std::size_t>(Action::reject_change) + 1);

}  // namespace

TEST_CASE("the rights of every role, on one's own and on another's") {
  constexpr auto yes = Answer::yes, lacks = Answer::lacks_right, gone = Answer::not_found;
  const struct {
    Action action;
    Answer user_own, user_other, operator_own, operator_other, auditor_own, auditor_other;
  } kMatrix[] = {
      //                       user          operator      auditor
      //                       own    other  own    other  own    other
      {Action::submit_jobs, yes, gone, yes, gone, lacks, lacks},
      {Action::read_job, yes, gone, yes, yes, yes, yes},
      {Action::read_output, yes, gone, yes, gone, lacks, lacks},
      {Action::change_job, yes, gone, yes, yes, lacks, lacks},
      {Action::resolve_job, lacks, lacks, yes, yes, lacks, lacks},
      {Action::read_decisions, lacks, lacks, yes, yes, yes, yes},
      {Action::read_sites, yes, yes, yes, yes, yes, yes},
      {Action::change_site, lacks, lacks, yes, yes, lacks, lacks},
      {Action::read_agents, lacks, lacks, yes, yes, yes, yes},
      {Action::report_usage, yes, gone, yes, yes, yes, yes},
      {Action::read_ledger, lacks, lacks, yes, yes, yes, yes},
      {Action::witness_ledger, lacks, lacks, yes, yes, yes, yes},
      {Action::change_ledger_key, lacks, lacks, yes, yes, lacks, lacks},
      {Action::keep_ledger, lacks, lacks, yes, yes, lacks, lacks},
      {Action::manage_tokens, lacks, lacks, yes, yes, lacks, lacks},
      {Action::read_dataset, yes, gone, yes, yes, yes, yes},
      {Action::register_dataset, yes, gone, yes, yes, lacks, lacks},
      {Action::change_dataset, yes, gone, yes, yes, lacks, lacks},
      {Action::read_facts, yes, gone, yes, yes, yes, yes},
      {Action::change_facts, lacks, lacks, yes, yes, lacks, lacks},
      {Action::export_person, yes, gone, yes, yes, yes, gone},
      {Action::erase_person, lacks, lacks, yes, yes, lacks, lacks},
      {Action::read_protection, lacks, lacks, yes, yes, yes, yes},
      {Action::read_allocation, yes, gone, yes, yes, yes, yes},
      {Action::change_allocation, lacks, lacks, yes, yes, lacks, lacks},
      {Action::approve_change, lacks, lacks, yes, yes, lacks, lacks},
      {Action::reject_change, yes, gone, yes, yes, lacks, lacks},
  };
  REQUIRE(std::size(kMatrix) == std::size(kActions));
  for (std::size_t i = 0; i < std::size(kMatrix); ++i) {
    const auto& row = kMatrix[i];
    REQUIRE(row.action == kActions[i]);
    CAPTURE(i);
    CHECK(ask(Role::user, row.action, true) == row.user_own);
    CHECK(ask(Role::user, row.action, false) == row.user_other);
    CHECK(ask(Role::operator_, row.action, true) == row.operator_own);
    CHECK(ask(Role::operator_, row.action, false) == row.operator_other);
    CHECK(ask(Role::auditor, row.action, true) == row.auditor_own);
    CHECK(ask(Role::auditor, row.action, false) == row.auditor_other);
  }
}

TEST_CASE("the reach by which lists are narrowed says the same as the answers") {
  for (const auto role : {Role::user, Role::operator_, Role::auditor}) {
    for (const auto action : kActions) {
      const auto far = reach(role, action);
      CHECK((far != Reach::nobody) == (ask(role, action, true) == Answer::yes));
      CHECK((far == Reach::everybody) == (ask(role, action, false) == Answer::yes));
    }
  }
}

TEST_CASE("another's object is told of as if it did not exist, a missing right by its name and the role's") {
  const Caller user{.principal = Principal("local:alice"), .role = Role::user, .token_id = ""};
  const auto hidden = authorize(user, Action::read_job, Principal("local:bob"));
  CHECK(hidden.error().code == "NOT_FOUND");
  const auto lacking = authorize(user, Action::change_site, user.principal);
  CHECK(lacking.error().message == "the role user may not change sites; ask an operator of this broker");
  CHECK_FALSE(authorize(user, Action::read_job, Principal("")));
  CHECK_FALSE(authorize(user, Action::read_job, Principal("local:Alice")));
  CHECK_FALSE(authorize(user, Action::read_job, Principal("other:alice")));
}

TEST_CASE("what a project has, its members read, and do no more to it than to another's") {
  const Caller member{.principal = Principal("local:alice"), .role = Role::user, .token_id = ""};
  const Principal owner("local:bob");
  for (const auto action : kActions) {
    const bool read = action == Action::read_dataset || action == Action::read_sites || action == Action::read_facts ||
                      action == Action::read_allocation;
    CHECK(authorize(member, action, owner, true).has_value() == read);
  }
  CHECK_FALSE(authorize(member, Action::read_dataset, owner, false));
}

TEST_CASE("a role that is none reaches nobody") {
  const auto none = static_cast<Role>(17);
  for (const auto action : kActions) {
    CHECK(reach(none, action) == Reach::nobody);
    CHECK(ask(none, action, true) == Answer::lacks_right);
  }
}
