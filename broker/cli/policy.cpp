// SPDX-License-Identifier: Apache-2.0
// The rule packs, without a broker: are they right, do their own tests hold, what do they say. And what is in force at the
// broker.
#include "broker/cli/commands.hpp"
#include "broker/cli/files.hpp"
#include "broker/cli/policy_packs.hpp"
#include "broker/core/time_text.hpp"
#include "policies/rules/canonical.hpp"
#include "policies/rules/check.hpp"
#include "policies/rules/run_tests.hpp"
#include "policies/rules/sentence.hpp"

namespace hansa::cli {
namespace {

using namespace hansa::rules;

Result<UtcTime> instant_of(const Session& session, const Invocation& call) {
  const auto at = call.value("--at");
  if (!at) return session.now();
  if (auto when = parse_utc(*at)) return when;
  return fail(ErrorKind::invalid_argument, "USAGE",
              "--at is \"" + std::string(*at) + "\"; allowed: 2027-01-31, or 2027-01-31T10:00:00Z");
}

Result<std::vector<SiteFacts>> sites_of(const Invocation& call, UtcTime now) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  const auto file = call.value("--sites");
  if (!file) return std::vector<SiteFacts>{};
  const auto read = read_file(std::string(*file), kMostBytes);
  if (!read) return std::unexpected(read.error());
  return parse_sites(read->text, *file, now);
}

Json errors_of(const std::vector<Fault>& faults) {
  auto errors = Json::array();
  for (const auto& [place, detail] : faults) errors.push_back({{"place", place}, {"detail", detail}});
  return errors;
}

void print_json(const Session& session, const Json& json) {
  session.print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

/// Ends the call: as JSON if wanted, else as an error with its faults.
Result<ExitStatus> refused(const Session& session, const Invocation& call, Error error) {
  if (call.has("--json")) {
    const auto faults = error.faults.empty() ? std::vector<Fault>{{"", error.message}} : error.faults;
    print_json(session, {{"valid", false}, {"errors", errors_of(faults)}});
    return ExitStatus::usage;
  }
  error.kind = ErrorKind::invalid_argument;
  return std::unexpected(std::move(error));
}

std::string count_of(std::size_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

std::string title_of(const Pack& pack) { return printable(pack.id) + " " + printable(pack.version); }

Error error_of(std::string message, std::vector<Fault> faults) {
  return {
      .kind = ErrorKind::invalid_argument, .code = "BAD_RULE_PACK", .message = std::move(message), .faults = std::move(faults)};
}

std::string texts_of(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + printable(text);
  return all;
}

void print_rule(const Session& session, const Rule& rule) {
  auto text = "\n  " + printable(rule.id) + "\n    " + printable(sentence(rule)) + "\n";
  for (const auto& obligation : rule.obligations) text += "    With it: " + printable(sentence_of_obligation(obligation)) + ".\n";
  text += "    Basis: " + printable(rule.legal_basis);
  if (rule.basis_until) text += ", until " + format_utc(*rule.basis_until);
  text += "\n    Owner: " + printable(rule.owner);
  if (rule.review_by) text += ", review by " + format_utc(*rule.review_by);
  if (rule.effective_from) text += "\n    From: " + format_utc(*rule.effective_from);
  if (rule.effective_until) text += "\n    Until: " + format_utc(*rule.effective_until);
  session.print(text + "\n");
}

void print_pack(const Session& session, const Pack& pack) {
  auto text = title_of(pack) + (pack.title.empty() ? "" : ": " + printable(pack.title)) + "\n";
  text += "  Approved by " + texts_of(pack.approved_by) + "\n";
  if (pack.effective_from) text += "  In effect from " + format_utc(*pack.effective_from) + "\n";
  if (pack.effective_until) text += "  In effect until " + format_utc(*pack.effective_until) + "\n";
  text += "  What no rule permits is denied; a rule that forbids beats every rule that permits.\n";
  for (const auto& set : pack.sets) {
    text += "\n  " + printable(set.id) + ": " + texts_of(set.values) + "\n    Basis: " + printable(set.basis) + "\n";
  }
  session.print(text);
  for (const auto& rule : pack.rules) print_rule(session, rule);
}

Result<ExitStatus> show_in_force(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/rules");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto rules = Session::read(*answer);
  if (!rules) return std::unexpected(rules.error());
  if (member(*rules, "in_force") != true) {
    session.print(
        "No rule is in force at this broker: jobs go by room and accounts alone, and jobs that name datasets go nowhere.\n"
        "An operator sets packs under [rules] in hansad.toml.\n");
    return ExitStatus::done;
  }
  for (const auto& pack : member(*rules, "packs")) {
    auto text = shown(pack, "id") + " " + shown(pack, "version") + ": " + shown(pack, "title") + "\n";
    for (const auto& rule : member(pack, "rules")) {
      text += "\n  " + shown(rule, "id") + "\n    " + shown(rule, "sentence") + "\n    Basis: " + shown(rule, "legal_basis") +
              "\n    Owner: " + shown(rule, "owner") + "\n";
    }
    session.print(text + "\n");
  }
  session.print("What no rule permits is denied; a rule that forbids beats every rule that permits.\npolicy hash: " +
                shown(*rules, "policy_hash") + "\n");
  return ExitStatus::done;
}

}  // namespace

Result<ExitStatus> policy_check(Session& session, const Invocation& call) {
  const auto now = instant_of(session, call);
  if (!now) return std::unexpected(now.error());
  const auto packs = read_packs(call.operands());
  if (!packs) return refused(session, call, packs.error());
  const auto sites = sites_of(call, *now);
  if (!sites) return refused(session, call, sites.error());
  auto faults = check(
      *packs, {.now = *now, .sites = *sites, .sites_file = std::string(call.value("--sites").value_or(std::string_view{}))});
  if (const auto together = RuleSet::compile(*packs); !together)
    faults.insert(faults.end(), together.error().faults.begin(), together.error().faults.end());
  if (!faults.empty()) {
    auto message = "the rule packs have " + count_of(faults.size(), "fault") + ":";
    return refused(session, call, error_of(std::move(message), std::move(faults)));
  }
  if (call.has("--json")) {
    Json told{{"valid", true}, {"errors", Json::array()}, {"policy_hash", policy_hash(*packs)}, {"packs", Json::array()}};
    for (const auto& pack : *packs) {
      told["packs"].push_back({{"file", pack.file},
                               {"id", pack.id},
                               {"version", pack.version},
                               {"rules", pack.rules.size()},
                               {"tests", pack.tests.size()}});
    }
    print_json(session, told);
    return ExitStatus::done;
  }
  for (const auto& pack : *packs) {
    session.print(printable(pack.file) + ": good; " + title_of(pack) + ", " + count_of(pack.rules.size(), "rule") + ", " +
                  count_of(pack.tests.size(), "test") + "\n");
  }
  session.print("policy hash: " + policy_hash(*packs) + "\n");
  return ExitStatus::done;
}

Result<ExitStatus> policy_test(Session& session, const Invocation& call) {
  const auto packs = read_packs(call.operands());
  if (!packs) return refused(session, call, packs.error());
  std::vector<Fault> faults;
  std::string passed;
  Json tests = Json::array();
  for (const auto& pack : *packs) {
    const auto report = run_tests(pack);
    if (!report) return refused(session, call, report.error());
    const auto wrong = report->faults(pack);
    faults.insert(faults.end(), wrong.begin(), wrong.end());
    if (wrong.empty()) {
      passed += title_of(pack) + ": " + count_of(report->tests.size(), "test") + " passed, " +
                count_of(report->coverage.size(), "rule") + " seen to apply and not to apply\n";
    }
    for (const auto& test : report->tests) {
      tests.push_back(
          {{"pack", pack.id}, {"test", test.name}, {"passed", test.wrong.empty()}, {"explanation", to_json(test.explanation)}});
    }
  }
  if (call.has("--json")) {
    print_json(session, {{"valid", faults.empty()}, {"errors", errors_of(faults)}, {"tests", tests}});
    return faults.empty() ? ExitStatus::done : ExitStatus::usage;
  }
  session.print(passed);
  if (faults.empty()) return ExitStatus::done;
  auto message = count_of(faults.size(), "fault") + "; a pack with any is not loaded:";
  return std::unexpected(error_of(std::move(message), std::move(faults)));
}

Result<ExitStatus> policy_show(Session& session, const Invocation& call) {
  if (call.operands().empty()) return show_in_force(session, call);
  const auto packs = read_packs(call.operands());
  if (!packs) return refused(session, call, packs.error());
  if (call.has("--json")) {
    Json told{{"policy_hash", policy_hash(*packs)}, {"packs", Json::array()}};
    for (const auto& pack : *packs) {
      auto json = to_json(pack);
      for (auto& rule : json["rules"]) {
        const auto& id = rule["id"].get_ref<const std::string&>();
        rule["sentence"] = sentence(*std::ranges::find(pack.rules, id, &Rule::id));
      }
      told["packs"].push_back(std::move(json));
    }
    print_json(session, told);
    return ExitStatus::done;
  }
  for (std::size_t i = 0; i < packs->size(); ++i) {
    if (i > 0) session.print("\n");
    print_pack(session, (*packs)[i]);
  }
  session.print("\npolicy hash: " + policy_hash(*packs) + "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
