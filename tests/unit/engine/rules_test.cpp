// SPDX-License-Identifier: Apache-2.0
// The rules hold at every hop: when a job is taken, when it is placed, and just before it is sent, whatever changes in between.
#include "policies/routing/replay.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

using namespace hansa;
using namespace hansa::engine::test;
using engine::Regulations;
using rules::Attribute;
using simulation::VirtualScheduler;

namespace {

const std::string kMeta =
    "[meta]\nid = \"test\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = \"deny\"\n"
    "[[set]]\nid = \"EEA@1\"\nbasis = \"a list\"\ncountries = [\"EE\", \"FI\", \"SE\"]\n";

const std::string kIsMember = "{attr = \"site.status\", op = \"eq\", value = \"member\"}";
const std::string kIsInEea = "{attr = \"site.country\", op = \"in_set\", value = \"EEA@1\"}";

/// Plain jobs of a project that is not restricted at members; personal data in the EEA, open data at members.
const std::string kPack =
    kMeta +
    rule("P-JOB", "permit", "\"intake\", \"place\", \"dispatch\"",
         "{attr = \"project.labels\", op = \"within\", value = [\"open\", \"internal\"]}, " + kIsMember) +
    rule("P-OPEN", "permit", "\"place\", \"dispatch\"",
         "{attr = \"dataset.labels\", op = \"within\", value = [\"open\"]}, " + kIsMember) +
    rule("P-PERSONAL", "permit", "\"place\", \"dispatch\"",
         "{attr = \"dataset.labels\", op = \"any_of\", value = [\"personal\"]}, " + kIsInEea) +
    rule("F-PERSONAL", "forbid", "\"place\", \"dispatch\"",
         "{attr = \"dataset.labels\", op = \"any_of\", value = [\"personal\"]}", kIsInEea) +
    rule("P-READ", "permit", "\"log_export\"", "{attr = \"site.kind\", op = \"eq\", value = \"download\"}") +
    rule("P-READ-OPEN", "permit", "\"log_export\"", "{attr = \"dataset.labels\", op = \"within\", value = [\"open\"]}") +
    rule("F-SCRIPT", "forbid", "\"intake\"", "{attr = \"request.labels\", op = \"any_of\", value = [\"personal\"]}", kIsInEea);

engine::RegisterFacts place(const std::string& country, const std::string& status, UtcTime as_of = VirtualScheduler::kStart) {
  return {fact(Attribute::site_country, country, as_of), fact(Attribute::site_status, status, as_of)};
}

Law good_law() {
  return {.packs = {{.file = "test.toml", .text = kPack}},
          .broker = place("FI", "member"),
          .sites = {{"alpha", place("FI", "member")}, {"beta", place("CH", "member")}},
          .lab = {fact(Attribute::project_labels, std::vector<std::string>{"internal"})},
          .alice = {}};
}

Law good_law_with_beta_in(const std::string& country) {
  auto law = good_law();
  law.sites["beta"] = place(country, "member");
  return law;
}

std::vector<SiteOptions> unequal_sites() { return {{.id = "alpha", .cores = 1}, {.id = "beta", .cores = 64}}; }

const domain::Verdict& verdict_at(const domain::Decision& decision, const std::string& site) {
  const auto at = std::ranges::find(decision.verdicts, SiteId(site), &domain::Verdict::site);
  REQUIRE(at != decision.verdicts.end());
  return *at;
}

domain::Decision explained(World& w, const JobId& id) {
  auto decision = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(decision);
  return std::move(*decision);
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("without packs no rule is in force, and every job goes as it always did", "[engine]") {
  World w({{.id = "alpha"}});
  const auto id = w.submit();
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.decision(id).policy_hash.empty());
  CHECK_FALSE(w.decision(id).verdicts.at(0).rules);
}

TEST_CASE("what the broker may not hold is refused before anything of it is stored", "[engine][T16]") {
  World w({{.id = "alpha"}});
  auto law = good_law();
  law.lab = {fact(Attribute::project_labels, std::vector<std::string>{"health"})};
  w.regulate(law);
  w.advance(1min);
  const auto before = w.gate().writes;
  const auto log = w.log.size();
  const auto refused = w.try_submit({{}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "RULES_DENY");
  CHECK(refused.error().kind == ErrorKind::permission_denied);
  CHECK(says(refused.error().message, "no rule permits it"));
  INFO(refused.error().message);
  CHECK(says(refused.error().message,
             "It would be allowed if the project's labels are all among internal, open (now: health, from the project registry"));
  CHECK(std::ranges::any_of(refused.error().faults, [](const Fault& fault) {
    return fault.where == "/project" && says(fault.message, "project.labels is health, by the project registry, 0s old");
  }));
  CHECK(w.try_submit({{}, {}}).error().code == "RULES_DENY");  // in bulk as well
  domain::JobSpec spec;
  CHECK(w.ask(w.engine().consider(Principal("local:alice"), spec)).error().code == "RULES_DENY");
  CHECK(w.gate().writes == before);
  CHECK(w.log.size() == log);

  w.regulate(good_law());
  CHECK(w.try_submit({{}}));
  CHECK(w.ask(w.engine().consider(Principal("local:alice"), spec)));
}

TEST_CASE("what was taken is taken: its repetition gets its jobs, whatever is denied by now", "[engine]") {
  World w({{.id = "alpha"}});
  w.regulate(good_law());
  const auto taken = w.try_submit({{.key = "k"}, {.key = "k"}});
  REQUIRE(taken);
  auto law = good_law();
  law.lab = {fact(Attribute::project_labels, std::vector<std::string>{"health"})};
  w.regulate(law);
  w.restart();  // the answer was lost
  const auto again = w.try_submit({{.key = "k"}, {.key = "k"}});
  REQUIRE(again);
  CHECK(again->repeated);
  REQUIRE(again->jobs.size() == 2);
  CHECK(again->jobs[1].id == taken->jobs[1].id);
  CHECK(w.try_submit({{.key = "another"}}).error().code == "RULES_DENY");
}

TEST_CASE("what a submission says of itself can only make the broker refuse", "[engine][T14]") {
  World w({{.id = "alpha"}});
  auto law = good_law();
  law.broker = place("CH", "member");
  w.regulate(law);
  CHECK(w.try_submit({{}}));
  const auto refused = w.try_submit({{.labels = {domain::Label("personal")}}});
  REQUIRE_FALSE(refused);
  CHECK(says(refused.error().message, "forbidden by F-SCRIPT"));
}

TEST_CASE("a job goes only where the rules let it, however early another site would start it", "[engine]") {
  World w(unequal_sites());
  auto law = good_law();
  law.sites["beta"] = place("CH", "suspended");
  w.regulate(law);
  w.advance(70s);
  const auto alone = w.submit({.behaviour = "run=300s"});  // decided in the commit that accepts it
  CHECK(w.job(alone).version >= 2);
  auto ids = w.submit(3, {.behaviour = "run=300s"});
  ids.push_back(alone);
  REQUIRE(w.run_to_end(ids, 2h));
  CHECK(w.count("beta", "submit") == 0);
  for (const auto& id : ids) {
    const auto decision = w.decision(id);
    CHECK(decision.chosen == SiteId("alpha"));
    CHECK(decision.policy_hash == w.law().regulations().rules->hash());
    const auto& at_alpha = verdict_at(decision, "alpha");
    REQUIRE(at_alpha.rules);
    CHECK(at_alpha.rules->code == "PERMITTED");
    CHECK(at_alpha.rules->rules == std::vector<std::string>{"P-JOB"});
    const auto& at_beta = verdict_at(decision, "beta");
    CHECK(at_beta.code == "RULES_DENY");
    CHECK(at_beta.source == "rules");
    CHECK(says(at_beta.message, "the site's membership is member (now: suspended, from the site descriptor"));
    check_replay(w, id);
  }
}

TEST_CASE("what an issuer vouches for counts for a day and gives way to the register", "[engine]") {
  World w({{.id = "alpha"}});
  auto law = good_law();
  law.packs = {{.file = "test.toml",
                .text = kMeta + rule("P-JOB", "permit", "\"intake\"", kIsMember) +
                        rule("P-PROVEN", "permit", "\"place\", \"dispatch\"",
                             "{attr = \"user.assurance\", op = \"at_least\", value = \"medium\"}, "
                             "{attr = \"user.authentication\", op = \"at_least\", value = \"mfa\"}")}};
  std::optional<engine::RegisterFacts> told;
  const auto enact = [&] {
    auto regulations = law.regulations();
    regulations.vouched = [&](const Principal& person) {
      CHECK(person == Principal("local:alice"));
      return told.value_or(engine::RegisterFacts{});
    };
    w.engine().regulate(std::move(regulations));
  };
  enact();
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=10s"});
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  CHECK(says(w.job(id).reason.message, "EVIDENCE_MISSING"));
  told = {{fact(Attribute::user_assurance, std::string("high"), w.time.now_utc() - 25h),
           fact(Attribute::user_authentication, std::string("mfa"), w.time.now_utc() - 25h)}};
  enact();
  w.advance(1min);
  CHECK(says(verdict_at(explained(w, id), "alpha").message, "user.assurance (stale)"));
  told = {{fact(Attribute::user_assurance, std::string("high"), w.time.now_utc() - 23h),
           fact(Attribute::user_authentication, std::string("sfa"), w.time.now_utc() - 23h)}};
  enact();
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  CHECK(says(verdict_at(explained(w, id), "alpha").message, "the strength of the person's login is at least mfa (now: sfa,"));
  told->back().value = std::string("mfa");
  law.alice = {fact(Attribute::user_assurance, std::string("low"))};  // two operators know better
  enact();
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  law.alice = {};
  enact();
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(verdict_at(w.decision(id), "alpha").rules->rules == std::vector<std::string>{"P-PROVEN"});
  check_replay(w, id);
}

TEST_CASE("evidence that is missing or has grown old denies, and is named", "[engine][costly]") {
  World w(unequal_sites());
  auto law = good_law();
  law.sites["alpha"] = place("FI", "member", VirtualScheduler::kStart - 29 * 24h);
  law.sites.erase("beta");
  w.regulate(law);
  w.advance(1min);
  const auto first = w.submit({.behaviour = "run=10s"});
  REQUIRE(w.run_to_end({first}, 10min));
  CHECK(verdict_at(w.decision(first), "beta").code == "EVIDENCE_MISSING");
  CHECK(says(verdict_at(w.decision(first), "beta").message, "evidence is missing: site.status (missing)"));

  w.advance(48h);
  const auto later = w.submit({.behaviour = "run=10s"});
  w.advance(1min);
  CHECK(w.state(later) == JobState::held);
  CHECK(w.job(later).reason.code == "RULES_DENY");
  CHECK(says(w.job(later).reason.message, "alpha EVIDENCE_MISSING (P-JOB), beta EVIDENCE_MISSING (P-JOB)"));
  CHECK(says(verdict_at(explained(w, later), "alpha").message, "site.status (stale)"));
  check_replay(w, later);

  law.sites["alpha"] = place("FI", "member", w.time.now_utc());  // confirmed again
  w.regulate(law);
  CHECK(w.run_to_end({later}, 10min));
}

TEST_CASE("jobs that no site may take are held until rules or facts change", "[engine]") {
  World w(unequal_sites());
  auto law = good_law();
  for (auto& [site, facts] : law.sites) facts = place("FI", "leaving");
  w.regulate(law);
  w.advance(1min);
  const auto ids = w.submit(3, {});
  w.advance(5s);
  for (const auto& id : ids) CHECK(w.state(id) == JobState::held);
  w.regulate(good_law());
  w.advance(1s);  // without waiting for the next full round
  CHECK(w.count("alpha", "submit") + w.count("beta", "submit") > 0);
  CHECK(w.run_to_end(ids, 10min));
}

TEST_CASE("rules that change between the decision and the sending hold", "[engine][T15]") {
  for (const bool alone : {true, false}) {
    INFO((alone ? "decided with its acceptance" : "decided in a round"));
    World w({{.id = "alpha"}});
    w.regulate(good_law());
    w.advance(1min);
    auto stricter = good_law();
    stricter.sites["alpha"] = place("FI", "suspended");
    bool changed = false;
    const auto change = [&] {
      if (!std::exchange(changed, true)) w.regulate(stricter);
    };
    // The intent is durable, and nothing has left yet.
    w.gate().accepted = [&](const std::vector<ports::NewJob>& jobs, const auto&, const auto&) {
      if (jobs.front().decided) change();
    };
    w.gate().recorded = [&](const ports::JobChange& step) {
      if (step.job.live_attempt() != nullptr) change();
    };
    const auto id = w.submit(alone ? 1 : 2, {}).front();
    w.advance(1min);
    CHECK(changed);
    CHECK(w.count("alpha", "submit") == 0);
    const auto job = w.job(id);
    REQUIRE(job.attempts.size() == 1);
    CHECK(job.attempts[0].outcome == Outcome::never_started);
    CHECK(job.attempts[0].reason.code == "RULES_DENY");
    CHECK(says(job.attempts[0].reason.message, "the site's membership is member (now: suspended, from the site descriptor"));
    CHECK(job.state == JobState::held);
    CHECK(job.reason.code == "RULES_DENY");
    w.regulate(good_law());
    REQUIRE(w.run_to_end({id}, 10min));
    CHECK(w.payload_runs(id) == 1);
  }
}

TEST_CASE("what may have arrived is not sent again against the rules, but sealed", "[engine][T15]") {
  World w({{.id = "alpha"}});
  w.regulate(good_law());
  w.advance(1min);
  w.site("alpha").faults.silent = true;
  const auto id = w.submit();
  REQUIRE(
      w.until([&] { return w.job(id).live_attempt() != nullptr && w.job(id).live_attempt()->unknown_since.has_value(); }, 1h));
  const auto sent = w.count("alpha", "submit");
  auto stricter = good_law();
  stricter.sites["alpha"] = place("FI", "suspended");
  w.regulate(stricter);
  w.site("alpha").faults.silent = false;
  w.advance(1h);
  CHECK(w.count("alpha", "submit") == sent);
  CHECK(w.count("alpha", "seal") == 1);
  CHECK(w.job(id).attempts.at(0).sealed);
  CHECK(w.job(id).attempts.at(0).reason.code == "RULES_DENY");
  CHECK(w.state(id) == JobState::held);
  w.restart();
  w.advance(10min);
  CHECK(w.count("alpha", "submit") == sent);
  CHECK(w.payload_runs(id) == 0);
}

TEST_CASE("a job goes where a verified copy of its data is, and where their labels let it", "[engine]") {
  World w(unequal_sites());
  w.regulate(good_law());
  w.add_dataset("survey", {domain::Label("personal")});
  w.add_dataset("weather", {domain::Label("open")});
  const auto far = w.time.now_utc() + 30 * 24h;
  w.add_replica("survey", "alpha", far);
  w.add_replica("survey", "beta", far);
  w.add_replica("weather", "beta", far);
  w.add_replica("weather", "alpha", std::nullopt);
  w.advance(1min);
  const auto personal = w.submit({.datasets = {"survey"}});
  const auto open = w.submit({.datasets = {"weather"}});
  const auto both = w.submit({.datasets = {"survey", "weather"}});
  REQUIRE(w.run_to_end({personal, open}, 30min));
  CHECK(w.decision(personal).chosen == SiteId("alpha"));
  CHECK(says(verdict_at(w.decision(personal), "beta").message, "forbidden by F-PERSONAL"));
  CHECK(w.decision(open).chosen == SiteId("beta"));
  CHECK(verdict_at(w.decision(open), "alpha").code == "NO_REPLICA");
  CHECK(says(verdict_at(w.decision(open), "alpha").message, "waits for its verification"));
  CHECK(w.state(both) == JobState::held);
  CHECK(verdict_at(explained(w, both), "alpha").code == "NO_REPLICA");
  CHECK(verdict_at(explained(w, both), "beta").code == "RULES_DENY");
  for (const auto& id : {personal, open, both}) check_replay(w, id);
}

TEST_CASE("a job with data that nobody registered for it is held", "[engine]") {
  World w({{.id = "alpha"}});
  w.regulate(good_law());
  w.advance(1min);
  const auto id = w.submit({.datasets = {"weather"}});
  w.advance(5s);
  CHECK(w.state(id) == JobState::held);
  CHECK(verdict_at(explained(w, id), "alpha").code == "DATASET_UNKNOWN");
  w.add_dataset("weather", {domain::Label("open")});
  w.engine().facts_changed();
  w.advance(5s);
  CHECK(verdict_at(explained(w, id), "alpha").code == "NO_REPLICA");
  w.add_replica("weather", "alpha", w.time.now_utc() + 1h);
  REQUIRE(w.run_to_end({id}, 10min));
  w.advance(1h);
  const auto late = w.submit({.datasets = {"weather"}});
  w.advance(5s);
  CHECK(says(verdict_at(explained(w, late), "alpha").message, "its verification ended"));
  check_replay(w, late);
}

TEST_CASE("a label that is added counts for what has been decided already", "[engine][T15]") {
  World w({{.id = "beta"}});
  w.regulate(good_law());
  w.add_dataset("weather", {domain::Label("open")});
  w.add_replica("weather", "beta", w.time.now_utc() + 240h);
  w.advance(1min);
  bool changed = false;
  w.gate().recorded = [&](const ports::JobChange& step) {
    if (step.job.live_attempt() != nullptr && !std::exchange(changed, true))
      w.relabel("weather", {domain::Label("open"), domain::Label("personal")});
  };
  const auto id = w.submit({.datasets = {"weather"}});
  w.advance(1min);
  CHECK(changed);
  CHECK(w.count("beta", "submit") == 0);
  CHECK(w.state(id) == JobState::held);
  CHECK(says(verdict_at(explained(w, id), "beta").message, "F-PERSONAL"));
}

TEST_CASE("what a job prints is read only where the rules let it be", "[engine][T16]") {
  World w({{.id = "alpha"}});
  w.regulate(good_law());
  for (const char* label : {"open", "personal"}) {
    w.add_dataset(label, {domain::Label(label)});
    w.add_replica(label, "alpha", w.time.now_utc() + 240h);
  }
  w.advance(1min);
  const auto plain = w.submit(), open = w.submit({.datasets = {"open"}}), personal = w.submit({.datasets = {"personal"}});
  REQUIRE(w.run_to_end({plain, open, personal}, 10min));
  const auto read = [&](const JobId& id) {
    return w.ask(w.engine().read_output(w.job(id), ports::Stream::out, 0, 100, async::Deadline::in(w.time, 60s)));
  };
  CHECK(read(plain));
  CHECK(read(open));
  const auto reads = w.count("alpha", "read_output");
  REQUIRE_FALSE(read(personal));
  CHECK(read(personal).error().code == "RULES_DENY");
  CHECK(w.count("alpha", "read_output") == reads);
}

TEST_CASE("what a job leaves is taken away only where the rules let it be, whatever may be read", "[engine][T16]") {
  World w({{.id = "alpha"}});
  auto law = good_law();
  law.packs[0].text += rule("P-TAKE-OPEN", "permit", "\"stage_out\"",
                            "{attr = \"dataset.labels\", op = \"within\", value = [\"open\"]}, "
                            "{attr = \"site.kind\", op = \"eq\", value = \"download\"}");
  w.regulate(law);
  w.add_dataset("open", {domain::Label("open")});
  w.add_replica("open", "alpha", w.time.now_utc() + 240h);
  w.advance(1min);
  const auto leaving = [](std::vector<std::string> datasets) {
    return Wish{.behaviour = "run=1s\n#model-file m=text", .datasets = std::move(datasets), .outputs = {{"model", "m"}}};
  };
  const auto plain = w.submit(leaving({})), open = w.submit(leaving({"open"}));
  REQUIRE(w.run_to_end({plain, open}, 10min));
  const auto soon = [&] { return async::Deadline::in(w.time, 60s); };
  const auto look = [&](const JobId& id) { return w.ask(w.engine().look_at_outputs(w.job(id), soon())); };
  const auto read = [&](const JobId& id) { return w.ask(w.engine().read_named_output(w.job(id), "model", 0, 100, soon())); };
  CHECK(look(open)->at(0).size == 5);
  CHECK(read(open)->bytes == "text\n");
  const auto looks = w.count("alpha", "look_at"), reads = w.count("alpha", "read_file");
  for (const auto& error : {look(plain).error(), read(plain).error()}) {
    CHECK(error.code == "RULES_DENY");
    CHECK(error.kind == ErrorKind::permission_denied);
    CHECK(says(error.message, "stage_out"));
    CHECK(says(error.message, "no rule permits it"));
  }
  CHECK(w.ask(w.engine().read_output(w.job(plain), ports::Stream::out, 0, 100, soon())));
  CHECK(w.count("alpha", "look_at") == looks);
  CHECK(w.count("alpha", "read_file") == reads);
  law.packs[0].text += rule("F-TAKE", "forbid", "\"stage_out\"", "{attr = \"site.kind\", op = \"eq\", value = \"download\"}");
  w.regulate(law);  // asked anew for every piece
  CHECK(says(read(open).error().message, "F-TAKE"));
}

TEST_CASE("what an obligation keeps at the site does not leave through the broker", "[engine][T16]") {
  const auto law_with = [](const std::string& place, const std::string& dispatch) {
    auto law = good_law();
    const auto about = "{attr = \"dataset.labels\", op = \"any_of\", value = [\"internal\"]}";
    const auto with = [](const std::string& obligation) {
      return obligation.empty() ? "" : "obligations = [\"" + obligation + "\"]\n";
    };
    law.packs[0].text += rule("P-PLACE", "permit", "\"place\"", about) + with(place) +
                         rule("P-SEND", "permit", "\"dispatch\"", about) + with(dispatch) +
                         rule("P-LOG", "permit", "\"log_export\", \"stage_out\"", about);
    return law;
  };
  struct Case {
    std::string place, dispatch;
    bool read, read_when_reviewed, taken, taken_when_reviewed;
  };
  for (const auto& [place, dispatch, read, read_when_reviewed, taken, taken_when_reviewed] :
       {Case{"", "", true, true, true, true}, Case{"encrypt_scratch by site", "keep_log_days:30", true, true, true, true},
        Case{"no_log_export", "", false, false, true, true}, Case{"", "no_log_export", false, false, true, true},
        Case{"airlock_output", "", false, true, false, true}, Case{"no_stage_out", "", true, true, false, false}}) {
    CAPTURE(place, dispatch);
    World w({{.id = "alpha"}});
    w.regulate(law_with(place, dispatch));
    w.add_dataset("d", {domain::Label("internal")});
    w.add_replica("d", "alpha", w.time.now_utc() + 240h);
    w.advance(1min);
    const auto id = w.submit({.behaviour = "run=1s\n#model-file m=text", .datasets = {"d"}, .outputs = {{"model", "m"}}});
    REQUIRE(w.run_to_end({id}, 10min));
    check_replay(w, id);
    const auto file = [&] {
      return w.ask(w.engine().read_named_output(w.job(id), "model", 0, 100, async::Deadline::in(w.time, 60s)));
    };
    const auto output = [&] {
      return w.ask(w.engine().read_output(w.job(id), ports::Stream::out, 0, 100, async::Deadline::in(w.time, 60s)));
    };
    const auto reads = w.count("alpha", "read_output");
    CHECK(output().has_value() == read);
    CHECK(file().has_value() == taken);
    if (!taken) CHECK(file().error().code == "OBLIGATION");
    if (!read) {
      CHECK(output().error().code == "OBLIGATION");
      CHECK(output().error().kind == ErrorKind::permission_denied);
      CHECK(w.count("alpha", "read_output") == reads);
    }
    // It binds whatever the rules say later, or without any.
    w.regulate(law_with("", ""));
    CHECK(output().has_value() == read);
    w.set_terms("d", {.reviewed = true});
    CHECK(output().has_value() == read_when_reviewed);
    CHECK(file().has_value() == taken_when_reviewed);
    // And an obligation that came later binds, too.
    w.regulate(law_with("", "no_log_export"));
    CHECK(output().error().code == "OBLIGATION");
  }
}

TEST_CASE("kept_there: each way out has its obligations", "[engine][T16]") {
  using rules::Action;
  const engine::Dossier none;
  engine::Dossier reviewed, half;
  reviewed.datasets = {{.id = DatasetId("a")}};
  reviewed.datasets[0].terms.reviewed = true;
  half.datasets = {reviewed.datasets[0], {.id = DatasetId("b")}};
  const auto code = [](Action action, const std::string& obligation, const engine::Dossier& dossier) {
    const auto reason = engine::kept_there(action, {"keep_log_days:9", obligation}, dossier);
    return reason ? reason->code : "";
  };
  CHECK(code(Action::log_export, "no_log_export", reviewed) == "OBLIGATION");
  CHECK(code(Action::stage_out, "no_log_export", none) == "");
  CHECK(code(Action::stage_out, "no_stage_out", reviewed) == "OBLIGATION");
  CHECK(code(Action::log_export, "no_stage_out", none) == "");
  CHECK(code(Action::stage_in, "no_stage_out", reviewed) == "OBLIGATION");
  CHECK(code(Action::stage_in, "no_log_export", none) == "");
  CHECK(code(Action::stage_in, "airlock_output", half) == "OBLIGATION");
  CHECK(code(Action::stage_in, "airlock_output", reviewed) == "");
  for (const auto action : {Action::log_export, Action::stage_out}) {
    CHECK(code(action, "airlock_output", none) == "OBLIGATION");
    CHECK(code(action, "airlock_output", half) == "OBLIGATION");
    CHECK(code(action, "airlock_output", reviewed) == "");
    CHECK(code(action, "encrypt_scratch by site", none) == "");
  }
}

TEST_CASE("a thousand decisions under rules are taken again after a restart, to the same bytes", "[engine][costly]") {
  World w(unequal_sites());
  auto law = good_law();
  law.packs[0].text += "obligations = [\"keep_log_days:30\"]\n";
  w.regulate(law);
  w.add_dataset("survey", {domain::Label("personal")});
  w.add_dataset("weather", {domain::Label("open")});
  for (const auto* site : {"alpha", "beta"}) {
    w.add_replica("survey", site, w.time.now_utc() + 2400h);
    w.add_replica("weather", site, w.time.now_utc() + 2400h);
  }
  w.advance(1min);
  std::vector<JobId> ids;
  for (int round = 0; round < 50; ++round) {
    // Other limits each time: shapes of their own, with decisions of their own.
    const Seconds limit{600 + round};
    const auto add = [&](int count, const std::vector<std::string>& datasets) {
      for (const auto& id : w.submit(count, {.behaviour = "run=30s", .limit = limit, .datasets = datasets})) ids.push_back(id);
    };
    add(8, {});
    add(6, {"weather"});
    add(4, {"survey"});
    add(2, {"survey", "weather"});
    law.sites["beta"] = place(round % 3 == 0 ? "SE" : "CH", round % 5 == 0 ? "suspended" : "member");
    w.regulate(law);
    w.advance(20s);
  }
  w.restart();
  w.regulate(law);
  std::set<std::string> inputs, codes;
  std::size_t replayed = 0;
  for (const auto& id : ids) {
    const auto stored = w.decision(id);
    const auto again = routing::replay(w.job(id).spec, stored.input_hash,
                                       [&](const std::string& hash) -> Result<std::string> { return w.document(hash); });
    REQUIRE(again);
    REQUIRE(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
    CHECK_FALSE(stored.policy_hash.empty());
    inputs.insert(stored.input_hash);
    for (const auto& verdict : stored.verdicts) codes.insert(verdict.rules ? verdict.rules->code : "none");
    ++replayed;
  }
  std::printf("%zu decisions from %zu inputs taken again, all to the same bytes\n", replayed, inputs.size());
  CHECK(replayed == 1'000);
  CHECK(inputs.size() > 50);
  CHECK(codes.contains("PERMITTED"));
  CHECK(codes.contains("FORBIDDEN"));
}

TEST_CASE("health data go to a secure environment under the permit that project and dataset share, and no longer", "[engine]") {
  World w({{.id = "alpha"}});
  auto law = good_law();
  law.packs.push_back(
      {.file = "health.toml",
       .text =
           "[meta]\nid = \"health\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = \"deny\"\n" +
           rule("P-HEALTH", "permit", "\"place\", \"dispatch\"",
                "{attr = \"dataset.labels\", op = \"any_of\", value = [\"health\"]}, "
                "{attr = \"site.secure_processing\", op = \"eq\", value = true}, "
                "{attr = \"project.permits\", op = \"any_of\", other = \"dataset.permit\"}, "
                "{attr = \"now\", op = \"lt\", other = \"dataset.permit_until\"}")});
  law.sites["alpha"].push_back(fact(Attribute::site_secure_processing, true, VirtualScheduler::kStart));
  law.lab.push_back(fact(Attribute::project_permits, std::vector<std::string>{"FI-0143"}));
  w.regulate(law);
  w.add_dataset("cohort", {domain::Label("health")});
  w.add_replica("cohort", "alpha", w.time.now_utc() + 240h);
  w.advance(1min);
  const auto id = w.submit({.datasets = {"cohort"}});
  w.advance(5s);
  CHECK(w.state(id) == JobState::held);
  CHECK(says(verdict_at(explained(w, id), "alpha").message, "evidence is missing: dataset.permit (missing)"));
  w.set_terms("cohort", {.permit = domain::DataPermit{.id = "FI-0144", .until = w.time.now_utc() + 1h}});
  w.engine().facts_changed();
  w.advance(5s);
  CHECK(says(verdict_at(explained(w, id), "alpha").message, "no rule permits it"));
  w.set_terms("cohort", {.permit = domain::DataPermit{.id = "FI-0143", .until = w.time.now_utc() + 1h}});
  w.engine().facts_changed();
  REQUIRE(w.run_to_end({id}, 10min));
  check_replay(w, id);
  w.advance(1h);
  const auto late = w.submit({.datasets = {"cohort"}});
  w.advance(5s);
  CHECK(w.state(late) == JobState::held);
}

TEST_CASE("without rules in force registered data go nowhere", "[engine]") {
  World w({{.id = "alpha"}});
  w.add_dataset("weather", {domain::Label("open")});
  w.add_replica("weather", "alpha", w.time.now_utc() + 240h);
  w.advance(1min);
  const auto id = w.submit({.datasets = {"weather"}});
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  CHECK(verdict_at(w.decision(id), "alpha").code == "NO_RULES");
}

namespace {

/// A site's own rules, which will not have alice; whom they were asked about, and what they were told.
struct OwnRules {
  void enact(World& w, const std::string& site, const std::string& digest) {
    w.site(site).site_rules = digest;
    w.site(site).faults.veto = [this](const ports::SubmitRequest& request) -> std::optional<Error> {
      told.push_back(request.facts.value_or(ports::JobFacts{}));
      if (request.person != kAlice) return std::nullopt;
      return fail(ErrorKind::permission_denied, "SITE_RULES_DENY", "the site's own rules refused this job: not from there")
          .error();
    };
  }
  std::vector<ports::JobFacts> told;
};

}  // namespace

TEST_CASE("a site's own rules have the last word: the job goes elsewhere, and none like it is sent there again", "[engine]") {
  World w({{.id = "alpha", .cores = 64}, {.id = "beta", .cores = 4}});
  w.regulate(good_law_with_beta_in("FI"));
  OwnRules own;
  own.enact(w, "alpha", "one");
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=30s"});
  REQUIRE(w.run_to_end({id}, 10min));
  const auto job = w.job(id);
  REQUIRE(job.attempts.size() == 2);
  CHECK(job.attempts[0].site == SiteId("alpha"));
  CHECK(job.attempts[0].reason.code == "SITE_RULES_DENY");
  CHECK(says(job.attempts[0].reason.message, "not from there"));
  CHECK_FALSE(job.attempts[0].sealed);
  CHECK(job.attempts[1].site == SiteId("beta"));
  CHECK(w.count("alpha", "seal") == 0);

  const auto more = w.submit(20, {.behaviour = "run=30s"});
  REQUIRE(w.run_to_end(more, 1h));
  CHECK(w.count("alpha", "submit") == 1);
  CHECK(own.told.size() == 1);
  const auto bobs = w.submit({.behaviour = "run=30s", .person = "local:bob"});
  REQUIRE(w.run_to_end({bobs}, 10min));
  CHECK(w.job(bobs).last_attempt()->site == SiteId("alpha"));
  const auto& told = own.told.at(0).job;
  const auto labels = std::ranges::find(told, "project.labels", &ports::ToldFact::attribute);
  REQUIRE(labels != told.end());
  CHECK(labels->value == domain::FactValue(std::vector<std::string>{"internal"}));
}

TEST_CASE("a job that only its site's own rules keep away is held with their words until something changes", "[engine]") {
  World w({{.id = "alpha", .cores = 64}});
  OwnRules own;
  own.enact(w, "alpha", "one");
  w.advance(1min);
  const auto ids = w.submit(3, {.behaviour = "run=30s"});
  w.advance(10min);
  for (const auto& id : ids) {
    CHECK(w.state(id) == JobState::held);
    CHECK(w.job(id).reason.code == "SITE_RULES_DENY");
    CHECK(says(w.job(id).reason.message, "alpha: the site's own rules refused this job: not from there"));
  }
  CHECK(verdict_at(explained(w, ids[0]), "alpha").code == "SITE_RULES_DENY");
  CHECK(verdict_at(explained(w, ids[0]), "alpha").source == "site");
  const auto asked = w.count("alpha", "submit");
  CHECK(asked <= 3);
  w.advance(40min);
  CHECK(w.count("alpha", "submit") == asked);
  w.advance(24h);  // evidence grows old and new by itself
  CHECK(w.count("alpha", "submit") <= asked + 25 * 3);
  for (const auto& id : ids) CHECK(w.state(id) == JobState::held);

  const auto before = w.count("alpha", "submit");
  own.enact(w, "alpha", "two");
  w.advance(3min);
  CHECK(w.count("alpha", "submit") > before);
  CHECK(w.state(ids[0]) == JobState::held);
  w.restart();
  w.advance(3min);
  CHECK(w.state(ids[0]) == JobState::held);
  w.site("alpha").faults.veto = {};
  w.site("alpha").site_rules = "three";
  REQUIRE(w.run_to_end(ids, 10min));
  for (const auto& id : ids) CHECK(w.payload_runs(id) == 1);
}
