// SPDX-License-Identifier: Apache-2.0
// Every route of the API, by everybody, on everybody's objects: what is answered is what the table of rights says. One's own
// object and a project's and a stranger's are at beta, of which the operator of alpha is not; "at the site" is a stranger's at
// alpha.
#include "tests/unit/api/api_under_test.hpp"

#include <array>

namespace hansa::api::test {
namespace {

using identity::Action;
using identity::Capacity;
using identity::Reach;

enum class Whose { own, of_project, at_site, strangers };
enum class Kind { none, job, dataset, change, person, allocation, project, site, connection, reconciliation, fact, place };
enum class Answer { allowed, lacks_right, told, hidden, unknown };  // told: 403 by its reason, to whoever may see the object

constexpr std::string_view kAnswers[] = {"allowed", "403 ROLE_LACKS_RIGHT", "403 with the reason", "404", "401"};
constexpr std::string_view kWhose[] = {"own", "the project's", "at the site", "a stranger's"};

/// What a route is tried with, some in several ways. $ID stands for the object, $SITE for where it is.
struct Trial {
  std::string_view operation;
  Kind kind = Kind::none;
  std::string target;  // "": the route's path with $ID for {id}
  std::string body = {};
  bool lists = false;  // the object is in the answer, or is not
};

const std::string kNoUlid = "01ARYZ6S41TSV4RRFFQ69G5FAV";
const std::string kCode = "sha256:" + std::string(64, '0');

const std::vector<Trial>& trials() {
  static const std::vector<Trial> kTrials{
      {"submitJob", Kind::none, "/v1/jobs?dry_run=true", R"({"script": "#!/bin/sh\n", "project": "ai-lab"})"},
      {"submitJobs", Kind::none, "", R"({"jobs": []})"},
      {"listJobs", Kind::job, "/v1/jobs?limit=1000", "", true},
      {"getJob", Kind::job, ""},
      {"explainJob", Kind::job, ""},
      {"listJobEvents", Kind::job, ""},
      {"getJobScript", Kind::job, ""},
      {"getJobUsage", Kind::job, ""},
      {"readJobOutput", Kind::job, ""},
      {"listJobOutputs", Kind::job, ""},
      {"fetchJobOutput", Kind::job, "/v1/jobs/$ID/outputs/results"},
      {"getCode", Kind::none, "/v1/code/" + kCode},
      {"putCode", Kind::none, "/v1/code/" + kCode, "x"},
      {"listSecrets", Kind::none, ""},
      {"putSecret", Kind::none, "/v1/secrets/hf.token", "x"},
      {"deleteSecret", Kind::none, "/v1/secrets/hf.token"},
      {"holdJob", Kind::job, ""},
      {"releaseJob", Kind::job, ""},
      {"cancelJob", Kind::job, "", R"({"tasks": "1"})"},
      {"resolveJob", Kind::job, "", R"({"as": "found", "reason": "x"})"},
      {"streamEvents", Kind::job, "/v1/events?after=0", "", true},
      {"listSites", Kind::site, "", "", true},
      {"getSite", Kind::site, ""},
      {"drainSite", Kind::site, ""},
      {"resumeSite", Kind::site, ""},
      {"lookOverSite", Kind::site, ""},
      {"getSiteAgent", Kind::site, ""},
      {"enrollAgent", Kind::site, ""},
      {"revokeAgent", Kind::site, ""},
      {"connectToSite", Kind::none, "/v1/sites/beta/connections"},
      {"listConnections", Kind::connection, "/v1/sites/$SITE/connections", "", true},
      {"disconnectFromSite", Kind::connection, "/v1/sites/$SITE/connections/end", R"({"person": "$ID"})"},
      {"getRules", Kind::none, ""},
      {"listDecisions", Kind::none, ""},
      {"registerDataset", Kind::none, "", "{}"},
      {"listDatasets", Kind::dataset, "/v1/datasets?limit=1000", "", true},
      {"getDataset", Kind::dataset, ""},
      {"listTransfers", Kind::dataset, ""},
      {"amendDataset", Kind::dataset, "", "{}"},
      {"addReplica", Kind::dataset, "", "{}"},
      {"removeReplica", Kind::dataset, "/v1/datasets/$ID/replicas/alpha"},
      {"verifyReplica", Kind::dataset, "/v1/datasets/$ID/replicas/alpha/verify", "{}"},
      {"getFacts", Kind::fact, "/v1/facts?subject=$ID"},
      {"stateFact", Kind::place, "", R"({"subject": "$ID", "attribute": "site.status", "value": "member", "reason": "x"})"},
      {"listChanges", Kind::change, "/v1/changes?limit=1000&register=datasets", "", true},
      {"approveChange", Kind::change, ""},
      {"rejectChange", Kind::change, "", R"({"reason": "x"})"},
      {"listAllocations", Kind::allocation, "", "", true},
      {"grantAllocation", Kind::none, "", "{}"},
      {"tellBalances", Kind::none, "", "{}"},
      {"getAllocation", Kind::allocation, ""},
      {"releaseReservations", Kind::none, "", "{}"},
      {"revokeAllocation", Kind::none, "/v1/allocations/" + kNoUlid + "/revoke"},
      {"getReport", Kind::none, "/v1/reports/usage"},
      {"getReport", Kind::project, "/v1/reports/usage?project=$ID"},
      {"getReport", Kind::site, "/v1/reports/usage?site=$ID"},
      {"reportEstimates", Kind::none, ""},
      {"reportEstimates", Kind::project, "/v1/reports/estimates?project=$ID"},
      {"reportEstimates", Kind::site, "/v1/reports/estimates?site=$ID"},
      {"getLedger", Kind::none, ""},
      {"signCheckpoint", Kind::none, ""},
      {"listLedgerRecords", Kind::none, "/v1/ledger/records?personal=true"},
      {"proveLedgerRecord", Kind::none, "/v1/ledger/proof?job=" + kNoUlid},
      {"proveLedgerGrowth", Kind::none, ""},
      {"listCorrections", Kind::none, ""},
      {"listUsageInForce", Kind::none, "/v1/ledger/usage?from=2026-01-01&to=2027-01-01&persons=named"},
      {"getExchange", Kind::none, ""},
      {"cosignCheckpoint", Kind::none, "", "{}"},
      {"changeLedgerKey", Kind::none, ""},
      {"beginReconciliation", Kind::site, "/v1/ledger/reconciliations", R"({"site": "$ID", "from": "2026-01-01"})"},
      {"listReconciliations", Kind::reconciliation, "/v1/ledger/reconciliations?limit=1000", "", true},
      {"getReconciliation", Kind::reconciliation, ""},
      {"explainDifference", Kind::site, "/v1/ledger/explanations", R"({"site": "$ID", "difference": "d", "reason": "x"})"},
      {"listPeriods", Kind::none, ""},
      {"getPeriod", Kind::none, "/v1/ledger/periods/2026-01"},
      {"openPeriod", Kind::none, "/v1/ledger/periods/2026-01/open"},
      {"closePeriod", Kind::none, "/v1/ledger/periods/2026-01/close"},
      {"listAdjustments", Kind::none, ""},
      {"proposeAdjustment", Kind::none, "", "{}"},
      {"approveAdjustment", Kind::none, "/v1/ledger/adjustments/x/approve"},
      {"rejectAdjustment", Kind::none, "/v1/ledger/adjustments/x/reject"},
      {"listDecisionLeaves", Kind::none, ""},
      {"listRetention", Kind::none, ""},
      {"getRecordOfProcessing", Kind::none, ""},
      {"exportPerson", Kind::person, "/v1/privacy/person?person=$ID&reason=x"},
      {"askErasure", Kind::none, "", "{}"},
      {"listErasures", Kind::none, ""},
      {"approveErasure", Kind::none, "/v1/privacy/erasures/x/approve"},
      {"rejectErasure", Kind::none, "/v1/privacy/erasures/x/reject"},
      {"requestBreakGlass", Kind::none, "", "{}"},
      {"listBreakGlass", Kind::none, ""},
      {"getBreakGlass", Kind::none, "/v1/break-glass/x"},
      {"approveBreakGlass", Kind::none, "/v1/break-glass/x/approve"},
      {"rejectBreakGlass", Kind::none, "/v1/break-glass/x/reject"},
      {"endBreakGlass", Kind::none, "/v1/break-glass/x/end"},
      {"createToken", Kind::none, "", "{}"},
      {"listTokens", Kind::none, ""},
      {"revokeToken", Kind::none, "/v1/tokens/x"},
      {"listIssuers", Kind::none, ""},
      {"getMe", Kind::none, ""},
      {"listRevocations", Kind::none, ""},
      {"revoke", Kind::none, "", "{}"},
      {"liftRevocation", Kind::none, "/v1/revocations/7"},
      {"getHealth", Kind::none, ""},
      {"getReadiness", Kind::none, ""},
      {"getMetrics", Kind::none, ""},
      {"getOpenApi", Kind::none, ""},
  };
  return kTrials;
}

struct Actor {
  std::string name;  // of the token
  std::string person;
  std::vector<Capacity> capacities;  // none: no such token opens anything
};

const std::vector<Actor> kActors{
    {"maria", "maria", {Capacity::user}},
    {"lena", "lena", {Capacity::user, Capacity::project_lead}},
    {"maria-operator", "maria", {Capacity::operator_}},
    {"maria-of-alpha", "maria", {Capacity::site_operator}},
    {"maria-policy", "maria", {Capacity::policy_officer}},
    {"maria-auditor", "maria", {Capacity::auditor}},
    {"agent", "", {}},  // the credential of alpha's
    {"", "", {}},
};

Reach furthest(const Actor& actor, Action action) {
  auto far = Reach::nobody;
  for (const auto capacity : actor.capacities) far = std::max(far, identity::reach(capacity, action));
  return far;
}

bool reaches(const Actor& actor, Action action, Whose whose) {
  return std::ranges::any_of(actor.capacities, [&](Capacity capacity) {
    switch (identity::reach(capacity, action)) {
      case Reach::nobody: return false;
      case Reach::own: return whose == Whose::own;
      case Reach::project: return whose == Whose::own || whose == Whose::of_project;
      case Reach::site: return whose == Whose::own || whose == Whose::at_site;
      case Reach::everybody: return true;
    }
    return false;
  });
}

Answer expected(const Actor& actor, const Route& route, const Trial& trial, Whose whose) {
  if (route.is_open()) return Answer::allowed;
  if (actor.capacities.empty()) return Answer::unknown;
  if (furthest(actor, route.action) == Reach::nobody) return Answer::lacks_right;
  if (route.action == Action::approve_change && whose == Whose::own) return Answer::told;  // takes a second person
  if (trial.kind == Kind::none || reaches(actor, route.action, whose)) return Answer::allowed;
  if (route.action == Action::read_output && furthest(actor, Action::break_glass) != Reach::nobody)
    return Answer::told;  // what is missing for it to be opened
  if (trial.kind == Kind::job && !trial.lists && reaches(actor, Action::read_job, whose)) return Answer::told;
  const bool of_register = trial.kind == Kind::dataset || trial.kind == Kind::change;
  if (of_register && !trial.lists && reaches(actor, Action::read_dataset, whose)) return Answer::told;
  return Answer::hidden;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos && !what.empty(); at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

class Everything : public ApiUnderTest {
 public:
  Everything() : ApiUnderTest(by_core(), true) {
    engine::Regulations configured;
    configured.sites = {{SiteId("alpha"), {}}, {SiteId("beta"), {}}};
    configured.projects = {{ProjectId("ai-lab"), {}}, {ProjectId("climate"), {}}};
    regulate(std::move(configured));
    add_token("maria", "maria", ports::Role::user);
    add_token("lena", "lena", ports::Role::user);
    add_token("maria-operator", "maria", ports::Role::operator_);
    add_token("maria-of-alpha", "maria", ports::Role::operator_, {SiteId("alpha")});
    add_token("maria-policy", "maria", ports::Role::policy_officer);
    add_token("maria-auditor", "maria", ports::Role::auditor);
    add_secret("agent", made("operator", "/v1/sites/alpha/agent/enrolment", {}).at("token"));
    for (const std::string person : {"maria", "lena"}) make(Whose::own, person, person, "ai-lab", "beta");
    for (const std::string person : {"maria", "lena"}) {
      make(Whose::of_project, person, "bob", "ai-lab", "beta");
      make(Whose::at_site, person, "bob", "climate", "alpha");
      make(Whose::strangers, person, "bob", "climate", "beta");
    }
    time.advance(Milliseconds{120'000});  // jobs are where they are
  }

  /// "": there is none of that kind.
  std::string object(const std::string& person, Kind kind, Whose whose) const {
    const auto at = objects_.find({person.empty() ? "maria" : person, kind, whose});
    return at == objects_.end() ? "" : at->second;
  }

 private:
  static domain::Charging by_core() {
    domain::Charging charging;
    charging.rules.push_back({.unit = "core-hours", .per_core = 1'000});
    return charging;
  }

  Json made(const std::string& by, const std::string& target, const Json& body) {
    const auto told = call(by, "POST", target, body);
    INFO(by << " " << target << " " << told.text);
    REQUIRE(told.status == 201);
    return told.body;
  }

  /// Once for both people, where it is not their own.
  void make(Whose whose, const std::string& for_whom, const std::string& owner, const std::string& project,
            const std::string& site) {
    const bool again = whose != Whose::own && for_whom == "lena";
    const auto keep = [&](Kind kind, const std::string& id) { objects_[{for_whom, kind, whose}] = id; };
    const auto of_maria = [&](Kind kind) { return object("maria", kind, whose); };
    if (again) {
      for (const auto kind : {Kind::job, Kind::dataset, Kind::change, Kind::allocation, Kind::project, Kind::reconciliation,
                              Kind::site, Kind::place, Kind::person, Kind::connection, Kind::fact}) {
        if (!of_maria(kind).empty()) keep(kind, of_maria(kind));
      }
      return;
    }
    keep(Kind::job, submit(owner, {{"script", "#!/bin/sh\n#model run=80000s\n"},
                                   {"project", project},
                                   {"time_limit_s", 86'400},
                                   {"placement", {{"sites", {site}}}}}));
    if (whose != Whose::at_site) {
      const auto id = "data-" + owner + "-" + project;
      made(owner, "/v1/datasets",
           {{"id", id},
            {"project", project},
            {"labels", {"personal"}},
            {"size_bytes", 4096},
            {"files", 2},
            {"sha256", std::string(62, 'a') + std::to_string(10 + objects_.size() % 90)}});
      keep(Kind::dataset, id);
      const auto asked = call(owner, "PATCH", "/v1/datasets/" + id, {{"labels", {"open"}}, {"reason", "why"}});
      INFO(asked.text);
      REQUIRE(asked.body["changes"].size() >= 1);
      keep(Kind::change, asked.body["changes"].back()["id"]);
      keep(Kind::fact, whose == Whose::own ? "person:local:" + owner : "project:" + project);
    }
    if (whose == Whose::of_project || whose == Whose::strangers) {
      keep(Kind::project, project);
      keep(Kind::allocation,
           made("operator", "/v1/allocations", {{"project", project}, {"unit", "core-hours"}, {"amount", "100"}})["id"]);
    }
    if (whose == Whose::at_site || whose == Whose::strangers) {
      keep(Kind::site, site);
      keep(Kind::place, "site:" + site);
      const auto begun = made("operator", "/v1/ledger/reconciliations", {{"site", site}, {"from", "2026-01-01"}})["id"];
      time.advance(Milliseconds{60'000});
      keep(Kind::reconciliation, begun);
    }
    if (whose != Whose::of_project) {
      keep(Kind::connection, "local:" + owner);
      const auto berth = made(owner, "/v1/sites/" + site + "/connections", {});
      REQUIRE(enter(SiteId(site), "key of " + owner + " at " + site, berth["token"]));
    }
    if (whose == Whose::own || whose == Whose::strangers) keep(Kind::person, "local:" + owner);
  }

  std::map<std::tuple<std::string, Kind, Whose>, std::string> objects_;
};

/// An object of that kind that does not exist.
std::string nothing_like(Kind kind) {
  switch (kind) {
    case Kind::job:
    case Kind::change:
    case Kind::allocation:
    case Kind::reconciliation: return kNoUlid;
    case Kind::dataset: return "data-of-nobody";
    case Kind::person:
    case Kind::connection: return "local:nobody";
    case Kind::project: return "quantum";
    case Kind::site: return "gamma";
    case Kind::place: return "site:gamma";
    case Kind::fact: return "project:nothing";
    case Kind::none: break;
  }
  return "";
}

class Trials {
 public:
  explicit Trials(Everything& broker) : broker_(broker) {}

  void attempt(const Actor& actor, const Route& route, const Trial& trial, Whose whose) {
    const auto id = broker_.object(actor.person, trial.kind, whose);
    if (trial.kind != Kind::none && id.empty()) return;
    if (trial.kind == Kind::none && whose != Whose::own) return;
    ++tried_;
    INFO(route.operation << " by " << (actor.name.empty() ? "nobody" : actor.name) << ", " << kWhose[static_cast<int>(whose)]
                         << ": " << id);
    const auto want = expected(actor, route, trial, whose);
    const auto told = ask(actor, route, trial, whose, id);
    INFO(told.status << " " << told.text.substr(0, 400));
    const auto got = answer_of(told, actor, route, trial, whose, id);
    ++answers_[static_cast<std::size_t>(got)];
    CHECK(kAnswers[static_cast<std::size_t>(got)] == kAnswers[static_cast<std::size_t>(want)]);
  }

  [[nodiscard]] std::string figures() const {
    std::string text = std::to_string(tried_) + " requests";
    for (std::size_t i = 0; i < answers_.size(); ++i)
      text += (i == 0 ? ": " : ", ") + std::to_string(answers_[i]) + " " + std::string(kAnswers[i]);
    return text;
  }

 private:
  Told ask(const Actor& actor, const Route& route, const Trial& trial, Whose whose, const std::string& id) {
    const std::string site = whose == Whose::at_site ? "alpha" : "beta";
    const auto filled = [&](const std::string& text) { return replaced(replaced(text, "$ID", id), "$SITE", site); };
    const auto target = trial.target.empty() ? replaced(std::string(route.path), "{id}", "$ID") : trial.target;
    auto told = broker_.call(actor.name, std::string(route.method), filled(target),
                             trial.body.empty() ? Json() : Json(filled(trial.body)));
    if (route.operation == "streamEvents" && told.status == 200) {
      const auto piece = broker_.ask(told.next());
      REQUIRE(piece);
      told.text = piece->value_or("");
    }
    return told;
  }

  Answer answer_of(const Told& told, const Actor& actor, const Route& route, const Trial& trial, Whose whose,
                   const std::string& id) {
    if (told.status == 401) return Answer::unknown;
    if (told.status == 403) return told.code() == "ROLE_LACKS_RIGHT" ? Answer::lacks_right : Answer::told;
    if (trial.lists) {
      CHECK(told.status == 200);
      return told.text.contains('"' + id + '"') ? Answer::allowed : Answer::hidden;
    }
    if (told.status != 404 || trial.kind == Kind::none) return Answer::allowed;
    // Hidden is what is answered as if it did not exist, to the last byte.
    const auto nothing = nothing_like(trial.kind);
    const auto of_nothing = ask(actor, route, trial, whose, nothing);
    return of_nothing.status == 404 && replaced(of_nothing.text, nothing, id) == told.text ? Answer::hidden : Answer::allowed;
  }

  Everything& broker_;
  std::size_t tried_ = 0;
  std::array<std::size_t, std::size(kAnswers)> answers_{};
};

}  // namespace

TEST_CASE("every route answers everybody about everybody's objects as the table of rights has it", "[T11]") {
  Everything broker;
  Trials all(broker);
  std::size_t known = 0;
  for (const auto& route : routes()) {
    const auto before = known;
    for (const auto& trial : trials()) {
      if (trial.operation != route.operation) continue;
      ++known;
      for (const auto& actor : kActors) {
        for (const auto whose : {Whose::own, Whose::of_project, Whose::at_site, Whose::strangers})
          all.attempt(actor, route, trial, whose);
      }
    }
    INFO("a route that is not tried: " << route.operation);
    CHECK(known > before);
  }
  CHECK(known == trials().size());  // none is of a route that there is not
  WARN(routes().size() << " routes, " << kActors.size() << " kinds of callers, " << all.figures());
}

}  // namespace hansa::api::test
