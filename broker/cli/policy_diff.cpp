// SPDX-License-Identifier: Apache-2.0
// hansa policy diff: the decisions of a period, asked again with the evidence that is stored with them, once by each of two rule
// sets. The broker tells the evidence, page by page; the rules are asked here, so that a draft needs no broker to read it.
#include "broker/cli/commands.hpp"
#include "broker/cli/policy_packs.hpp"
#include "broker/cli/submission.hpp"
#include "policies/rules/diff.hpp"
#include "policies/rules/evidence_json.hpp"
#include "policies/rules/load.hpp"

#include <map>
#include <set>

namespace hansa::cli {
namespace {

using namespace hansa::rules;

/// Of each site: whether the job may be placed there, whether it may be sent, and whether the data that it names may be brought
/// there. Not `stage_out`: it asks about the place where the output goes, which no decision knows.
constexpr Action kAsked[] = {Action::place, Action::dispatch, Action::stage_in};

Error no_broker() {
  return {.kind = ErrorKind::internal,
          .code = "BAD_ANSWER",
          .message = "what answers there tells no decisions as a Hansa broker does; check the address and its version"};
}

Result<RuleSet> compiled(Result<std::vector<Pack>> packs) {
  if (!packs) return std::unexpected(packs.error());
  auto rules = RuleSet::compile(std::move(*packs));
  if (!rules) return std::unexpected(rules.error());
  return rules;
}

Result<RuleSet> rules_in_force(Session& session) {
  const auto answer = session.send("GET", "/v1/rules?texts=true");
  if (!answer) return std::unexpected(answer.error());
  const auto told = Session::read(*answer);
  if (!told) return std::unexpected(told.error());
  if (member(*told, "in_force") != true) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "no rule is in force at this broker; name both packs: hansa policy diff OLD NEW");
  }
  std::vector<PackText> texts;
  const auto& list = member(*told, "texts");
  if (!list.is_array()) return std::unexpected(no_broker());
  for (const auto& text : list) {
    if (!text.is_string()) return std::unexpected(no_broker());
    texts.push_back({"in force", text.get<std::string>()});
  }
  return compiled(parse_packs(texts));
}

struct SiteChange {
  std::string site;
  ChangedAnswer answer;
};

/// Both answers to everything that one input was asked.
Result<std::vector<SiteChange>> ask_again(const RuleSet& before, const RuleSet& after, UtcTime at, const Json& evidence) {
  const auto job = evidence_from_json(member(evidence, "job"));
  if (!job) return std::unexpected(job.error());
  std::vector<Evidence> datasets;
  const auto& told = member(evidence, "datasets");
  const auto& sites = member(evidence, "sites");
  if (!told.is_array() || !sites.is_array()) return std::unexpected(no_broker());
  for (const auto& dataset : told) {
    auto facts = evidence_from_json(dataset);
    if (!facts) return std::unexpected(facts.error());
    datasets.push_back(std::move(*facts));
  }
  const Retrial retrial(before, after, at, *job, datasets);
  std::vector<SiteChange> changes;
  for (const auto& site : sites) {
    const auto facts = evidence_from_json(member(site, "facts"));
    if (!facts) return std::unexpected(facts.error());
    const auto asked = std::span(kAsked).first(datasets.empty() ? 2 : 3);
    for (auto& answer : retrial.at(*facts, asked)) changes.push_back({raw_text(site, "id"), std::move(answer)});
  }
  return changes;
}

std::vector<std::string> deciding(const Explanation& why) {
  std::vector<std::string> rules;
  for (const auto& rule : why.code == Code::evidence_missing ? why.undecided : why.applied) {
    const bool decides = why.code == Code::evidence_missing || (rule.effect == Effect::forbid) == (why.code == Code::forbidden);
    if (decides && std::ranges::find(rules, rule.rule) == rules.end()) rules.push_back(rule.rule);
  }
  return rules;
}

std::string listed(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + printable(text);
  return all;
}

std::string side_text(const Explanation& why) {
  auto text = std::string(to_string(why.code));
  if (const auto rules = listed(deciding(why)); !rules.empty()) text += " (" + rules + ")";
  text += ": " + printable(why.sentence);
  if (!why.obligations.empty()) text += " With it: " + listed(why.obligations) + ".";
  return text;
}

Json side_json(const Explanation& why) {
  Json json{{"code", to_string(why.code)},
            {"rules", deciding(why)},
            {"obligations", why.obligations},
            {"sentence", why.sentence},
            {"allowed_if", Json::array()}};
  for (const auto& [rule, wanted, found] : why.allowed_if)
    json["allowed_if"].push_back({{"rule", rule}, {"wanted", wanted}, {"found", found}});
  return json;
}

struct Counts {
  std::int64_t decisions = 0, asked = 0, answers = 0;
  std::int64_t without_rules = 0, not_kept = 0;
  std::int64_t denied_now = 0, permitted_now = 0, otherwise = 0;
  std::int64_t decisions_changed = 0;
  std::set<std::string> jobs;

  void add(const ChangedAnswer& answer) {
    const bool was = answer.before.code == Code::permitted, is = answer.after.code == Code::permitted;
    ++(was == is ? otherwise : is ? permitted_now : denied_now);
  }
  [[nodiscard]] Json json() const {
    return {{"decisions", decisions},
            {"asked", asked},
            {"changed_decisions", decisions_changed},
            {"changed_jobs", jobs.size()},
            {"permitted_to_denied", denied_now},
            {"denied_to_permitted", permitted_now},
            {"otherwise", otherwise},
            {"no_rules_asked", without_rules},
            {"evidence_not_kept", not_kept}};
  }
  [[nodiscard]] std::string text() const {
    const auto count = [](std::int64_t n) { return std::to_string(n); };
    auto out = count(asked) + " of " + count(decisions) + " decisions asked again: " + count(decisions_changed) +
               " would change, of jobs: " + count(std::ssize(jobs)) + "\n";
    if (decisions_changed > 0) {
      out += "  answers for a site: " + count(denied_now) + " permitted -> denied, " + count(permitted_now) +
             " denied -> permitted, " + count(otherwise) + " otherwise\n";
    }
    if (without_rules > 0) out += "  " + count(without_rules) + " were taken without asking rules\n";
    if (not_kept > 0) out += "  " + count(not_kept) + " cannot be asked again: their evidence is no longer kept\n";
    return out;
  }
};

/// Prints changes as they are found: what is in memory is one page, and the ids of jobs that change.
class Report {
 public:
  Report(const Session& session, bool as_json) : session_(session), as_json_(as_json) {}

  void begin(const RuleSet& before, const RuleSet& after, UtcTime from) {
    if (!as_json_) return;
    session_.print("{\"from\":\"" + format_utc(from) + "\",\"policy_hash\":{\"old\":\"" + before.hash() + "\",\"new\":\"" +
                   after.hash() + "\"},\"changes\":[");
  }
  void add(const Json& decision, const SiteChange& change) {
    const auto& [site, answer] = change;
    counts.add(answer);
    const bool went_there = raw_text(decision, "site") == site;
    if (as_json_) {
      const Json json{{"job", raw_text(decision, "job")},
                      {"at", raw_text(decision, "at")},
                      {"site", site},
                      {"chosen", went_there},
                      {"action", to_string(answer.action)},
                      {"old", side_json(answer.before)},
                      {"new", side_json(answer.after)}};
      session_.print((std::exchange(first_, false) ? "" : ",") + json.dump(-1, ' ', false, Json::error_handler_t::replace));
      return;
    }
    session_.print(shown(decision, "at") + "  job " + shown(decision, "job") + "  " + printable(site) + "  " +
                   std::string(to_string(answer.action)) + (went_there ? "  (it went there)" : "") +
                   "\n    old: " + side_text(answer.before) + "\n    new: " + side_text(answer.after) + "\n");
  }
  void end() { session_.print(as_json_ ? "],\"summary\":" + counts.json().dump() + "}\n" : counts.text()); }

  Counts counts;

 private:
  const Session& session_;
  bool as_json_;
  bool first_ = true;
};

Result<void> add_page(Report& report, const RuleSet& before, const RuleSet& after, const Json& page) {
  const auto& decisions = member(page, "decisions");
  const auto& evidence = member(page, "evidence");
  if (!decisions.is_array() || !evidence.is_object()) return std::unexpected(no_broker());
  std::map<std::string, std::vector<SiteChange>> known;  // by input: jobs of one shape share it
  auto& counts = report.counts;
  for (const auto& decision : decisions) {
    ++counts.decisions;
    const auto at = time(decision, "at");
    if (!at) return std::unexpected(no_broker());
    if (!member(decision, "input").is_string()) {
      ++counts.without_rules;
      continue;
    }
    const auto input = raw_text(decision, "input");
    if (!evidence.contains(input)) {
      ++counts.not_kept;
      continue;
    }
    ++counts.asked;
    auto found = known.find(input);
    if (found == known.end()) {
      auto changes = ask_again(before, after, *at, evidence[input]);
      if (!changes) return std::unexpected(changes.error());
      found = known.emplace(input, std::move(*changes)).first;
    }
    if (found->second.empty()) continue;
    ++counts.decisions_changed;
    counts.jobs.insert(raw_text(decision, "job"));
    for (const auto& change : found->second) report.add(decision, change);
  }
  return {};
}

}  // namespace

Result<ExitStatus> policy_diff(Session& session, const Invocation& call) {
  const auto from = parse_moment("--last", call.value("--last").value_or("30d"), session.now(), Direction::back);
  if (!from) return std::unexpected(from.error());
  const std::span<const std::string> operands(call.operands());
  const auto after = compiled(read_packs(operands.last(1)));
  if (!after) return std::unexpected(after.error());
  const auto before = operands.size() == 1 ? rules_in_force(session) : compiled(read_packs(operands.first(1)));
  if (!before) return std::unexpected(before.error());

  Report report(session, call.has("--json"));
  report.begin(*before, *after, *from);
  std::string cursor;
  do {
    Target target("/v1/decisions");
    target.add("from", format_utc(*from));
    if (!cursor.empty()) target.add("cursor", cursor);
    const auto answer = session.send("GET", target.str());
    if (!answer) return std::unexpected(answer.error());
    const auto page = Session::read(*answer);
    if (!page) return std::unexpected(page.error());
    if (auto added = add_page(report, *before, *after, *page); !added) return std::unexpected(added.error());
    const auto next = raw_text(*page, "next_cursor");
    if (!next.empty() && next == cursor) return std::unexpected(no_broker());  // it would never end
    cursor = next;
  } while (!cursor.empty());
  report.end();
  return report.counts.decisions_changed > 0 ? ExitStatus::differs : ExitStatus::done;
}

}  // namespace hansa::cli
