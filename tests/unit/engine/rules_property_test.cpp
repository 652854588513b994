// SPDX-License-Identifier: Apache-2.0
// Random federations and jobs, with rules, evidence and labels that change in between, also between a decision and its sending,
// sites that lose receipts, and a broker that dies: nothing is taken, placed or sent that the rules deny at that moment. What
// they deny is told by the plain evaluator (rules/truth.hpp), rule by rule, as the semantics read.
#include "policies/rules/truth.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>

using namespace hansa;
using namespace hansa::engine::test;
using rules::Action;
using rules::Attribute;
using rules::Evidence;

namespace {

using Labels = std::map<std::string, domain::Labels>;  // of the datasets

const std::string kHead =
    "[meta]\nid = \"test\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = \"deny\"\n"
    "[[set]]\nid = \"EEA@1\"\nbasis = \"a list\"\ncountries = [\"EE\", \"FI\"]\n";

constexpr const char* kMember = R"({attr = "site.status", op = "eq", value = "member"})";
constexpr const char* kInEea = R"({attr = "site.country", op = "in_set", value = "EEA@1"})";
constexpr const char* kPersonal = R"({attr = "dataset.labels", op = "any_of", value = ["personal"]})";

const std::vector<std::string> kRules = {
    rule("P-INTAKE", "permit", R"("intake")", R"({attr = "project.labels", op = "none_of", value = ["health"]})"),
    rule("P-MEMBER", "permit", R"("place", "dispatch")", kMember),
    rule("P-PLACE-ONLY", "permit", R"("place")", kInEea),
    rule("P-ASSURED", "permit", R"("intake", "place", "dispatch")",
         R"({attr = "user.assurance", op = "at_least", value = "medium"})"),
    rule("P-OPEN", "permit", R"("place", "dispatch")", R"({attr = "dataset.labels", op = "within", value = ["open"]})"),
    rule("P-PERSONAL", "permit", R"("place", "dispatch")", kPersonal, R"({attr = "site.status", op = "eq", value = "leaving"})"),
    rule("F-PERSONAL", "forbid", R"("place", "dispatch")", kPersonal, kInEea),
    rule("F-HEALTH", "forbid", R"("place")", R"({attr = "project.labels", op = "any_of", value = ["health"]})", kInEea),
    rule("F-SUSPENDED", "forbid", R"("dispatch")", R"({attr = "site.status", op = "eq", value = "suspended"})"),
    rule("F-SCRIPT", "forbid", R"("intake")", R"({attr = "request.labels", op = "any_of", value = ["personal"]})", kInEea),
};

/// One law, as the oracle sees it.
struct Statute {
  UtcTime from{};
  Law law;
  const rules::Pack* pack = nullptr;  // none: no rule is in force
};

class Oracle {
 public:
  /// `site`: empty for the broker itself. The second in which it is asked counts.
  static bool denies(const Statute& statute, Action action, const domain::JobSpec& spec, const std::string& site,
                     const Labels& labels, UtcTime at) {
    const auto now = std::chrono::floor<Seconds>(at);
    if (!statute.pack) return action != Action::intake && !spec.datasets.empty();
    Evidence job = told(statute.law.alice, now);
    append(job, told(statute.law.lab, now));
    job.push_back(one(Attribute::user_id, std::string("local:alice"), now));
    job.push_back(one(Attribute::project_id, spec.project.str(), now));
    job.push_back(one(Attribute::request_labels, words(spec.labels), now));
    const auto& sites = statute.law.sites;
    const auto place = site.empty()           ? told(statute.law.broker, now)
                       : sites.contains(site) ? told(sites.at(site), now)
                                              : Evidence{};
    if (action == Action::intake || spec.datasets.empty()) return !permits(*statute.pack, action, job, place, nullptr, now);
    return std::ranges::any_of(spec.datasets, [&](const DatasetId& id) {
      const Evidence dataset{one(Attribute::dataset_id, id.str(), now),
                             one(Attribute::dataset_labels, words(labels.at(id.str())), now)};
      return !permits(*statute.pack, action, job, place, &dataset, now);
    });
  }

 private:
  static rules::Fact one(Attribute attribute, rules::Value value, UtcTime at) {
    return {attribute, std::move(value), rules::record_of(attribute).source, at};
  }
  static std::vector<std::string> words(const domain::Labels& labels) {
    std::vector<std::string> all;
    for (const auto& label : labels) all.push_back(label.str());
    return all;
  }
  static Evidence told(const engine::RegisterFacts& facts, UtcTime now) {
    Evidence evidence;
    for (const auto& f : facts) evidence.push_back(one(f.attribute, f.value, f.as_of.value_or(now)));
    return evidence;
  }
  static void append(Evidence& to, const Evidence& more) { to.insert(to.end(), more.begin(), more.end()); }

  static bool permits(const rules::Pack& pack, Action action, const Evidence& job, const Evidence& place, const Evidence* dataset,
                      UtcTime now) {
    const rules::FactView facts(job, place, dataset, now);
    const auto set = [&](const std::string& id) -> const rules::ValueSet& { return *pack.find_set(id); };
    bool permitted = false;
    for (const auto& r : pack.rules) {
      if (!r.covers(action) || (r.about_datasets() && dataset == nullptr)) continue;
      const auto truth = rules::applies(r, facts, set);
      if (r.effect == rules::Effect::forbid && truth != rules::Truth::no) return false;
      const bool counts = r.about_datasets() == (dataset != nullptr);
      permitted = permitted || (r.effect == rules::Effect::permit && counts && truth == rules::Truth::yes);
    }
    return permitted;
  }
};

struct Play {
  explicit Play(std::uint64_t seed) : dice(seed * 7919 + 1), w(sites(), unhurried(), seed) {
    for (const char* id : {"d1", "d2"}) {
      labels[id] = {domain::Label("open")};
      w.add_dataset(id, labels[id]);
      for (const char* site : {"alpha", "beta"}) w.add_replica(id, site, w.time.now_utc() + 300 * 24h);
    }
    enact();
    watch();
    w.on_start = [this] { watch(); };
  }

  /// Sites are looked at as often as the rules could notice: more of it only takes time.
  static engine::EngineOptions unhurried() {
    engine::EngineOptions options;
    options.first_poll_after = 10s;
    options.status_interval = 60s;
    options.snapshot_interval = 120s;
    options.usage_interval = 1h;
    return options;
  }

  static std::vector<SiteOptions> sites() {
    std::vector<SiteOptions> all;
    for (const char* id : {"alpha", "beta"}) all.push_back({.id = id, .cores = 4, .budget = {.concurrent_calls = 1}});
    return all;
  }

  template <typename T>
  T any(const std::vector<T>& of) {
    return of[dice.below(of.size())];
  }

  engine::RegisterFacts place() {
    engine::RegisterFacts facts;
    // Memberships count for 30 days: of some they end while the history is played.
    const auto as_of = std::chrono::floor<Seconds>(w.time.now_utc()) - (dice.one_in(3) ? 30 * 24h - 200s : 24h);
    if (!dice.one_in(8)) facts.push_back(fact(Attribute::site_country, any<std::string>({"FI", "EE", "CH"}), as_of));
    if (!dice.one_in(8))
      facts.push_back(fact(Attribute::site_status, any<std::string>({"member", "member", "suspended", "leaving"}), as_of));
    return facts;
  }

  void enact() {
    Statute next{.from = w.time.now_utc(), .law = {}};
    if (!dice.one_in(10)) {
      std::string text = kHead + kRules[0] + kRules[1];
      for (std::size_t i = 2; i < kRules.size(); ++i) text += dice.one_in(2) ? kRules[i] : "";
      next.law.packs = {{.file = "p.toml", .text = text}};
      next.pack = &parsed(next.law.packs).front();
    }
    next.law.broker = place();
    for (const char* site : {"alpha", "beta"}) {
      if (!dice.one_in(12)) next.law.sites[site] = place();
    }
    if (!dice.one_in(8))
      next.law.lab = {fact(Attribute::project_labels, any<std::vector<std::string>>({{}, {"open"}, {"health"}}))};
    if (!dice.one_in(4)) next.law.alice = {fact(Attribute::user_assurance, any<std::string>({"low", "medium"}))};
    statutes.push_back(std::move(next));
    w.regulate(statutes.back().law);
  }

  void watch() {
    // Between what is durable and what follows from it.
    w.gate().recorded = [this](const ports::JobChange& change) {
      const auto* attempt = change.job.live_attempt();
      const bool intended = attempt != nullptr && change.decision;
      if (intended) check(Action::place, change.job, attempt->site.str());
      if (intended && dice.one_in(3)) enact();
    };
    w.gate().accepted = [this](const std::vector<ports::NewJob>& jobs, const auto&, const auto&) {
      for (const auto& job : jobs) check(Action::intake, job.job, "");
      const auto& first = jobs.front();
      const auto* attempt = first.decided ? first.decided->job.live_attempt() : nullptr;
      if (attempt == nullptr) return;
      check(Action::place, first.decided->job, attempt->site.str());
      if (dice.one_in(3)) enact();
    };
    // One call at a time: the next job that a site gets is the one that was sent last.
    w.gate().calling = [this, inner = w.gate().calling](const Call& call, int in_flight) {
      inner(call, in_flight);
      if (call.what != "submit" || w.site(call.site).faults.silent) return;
      sent[call.site].push_back({.statute = statutes.back(), .labels = labels, .at = w.time.now_utc()});
    };
  }

  void check(Action action, const domain::Job& job, const std::string& site) {
    ++asked[std::string(to_string(action))];
    INFO(to_string(action) << " of " << job.id.str() << " at " << site << " under statute " << statutes.size());
    // Decided and committed in one millisecond; a statute may have come in between.
    const auto now = w.time.now_utc();
    bool denied = true;
    for (auto statute = statutes.rbegin(); denied && statute != statutes.rend(); ++statute) {
      denied = Oracle::denies(*statute, action, job.spec, site, labels, now);
      if (statute->from < now) break;
    }
    CHECK_FALSE(denied);
  }

  void submit() {
    Wish wish{.behaviour = "run=" + std::to_string(1 + dice.below(60)) + "s", .limit = 120s};
    if (dice.one_in(2)) wish.datasets = dice.one_in(3) ? std::vector<std::string>{"d1", "d2"} : std::vector<std::string>{"d1"};
    if (dice.one_in(5)) wish.labels = {domain::Label("personal")};
    const auto accepted = w.try_submit(std::vector<Wish>(1 + dice.below(2), wish));
    if (accepted)
      for (const auto& job : accepted->jobs) ids.push_back(job.id);
    else
      ++asked[accepted.error().code];
  }

  void disturb() {
    auto& faults = w.site(dice.one_in(2) ? "alpha" : "beta").faults;
    switch (dice.below(5)) {
      case 0: faults.silent = !faults.silent; break;
      case 1: faults.lose_submit_replies += 1; break;
      case 2: w.restart(); break;
      case 3:
      case 4: {
        const auto id = dice.one_in(2) ? "d1" : "d2";
        w.time.run_ready();  // no decision is half done
        labels[id] = any<domain::Labels>({{domain::Label("open")}, {domain::Label("open"), domain::Label("personal")}});
        w.relabel(id, labels[id]);
        break;
      }
    }
  }

  void play() {
    for (int step = 0; step < 14; ++step) {
      if (!dice.one_in(3)) submit();
      w.time.run_ready();  // what has been decided is durable: only the hooks get in between
      if (dice.one_in(2)) enact();
      if (dice.one_in(3)) disturb();
      w.advance(Milliseconds{dice.below(150) * 1000});
    }
    for (const char* site : {"alpha", "beta"}) {
      const auto jobs = w.cluster(site).jobs();
      REQUIRE(jobs.size() == sent[site].size());
      for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto tag = domain::parse_tag(jobs[i].request.name);
        REQUIRE(tag);
        const auto& [statute, seen, at] = sent[site][i];
        INFO("sent " << tag->job.str() << " to " << site);
        for (const auto action : {Action::place, Action::dispatch})
          CHECK_FALSE(Oracle::denies(statute, action, w.job(tag->job).spec, site, seen, at));
        ++asked["sent"];
      }
    }
    for (const auto& id : ids) {
      for (const auto& ended : w.events_of<domain::AttemptEnded>(id)) {
        if (ended.reason.code == "RULES_DENY") ++asked["withheld"];
      }
      if (w.state(id) == JobState::held) ++asked["held"];
    }
  }

  struct Sent {
    Statute statute;
    Labels labels;
    UtcTime at{};
  };
  simulation::SeededRandom dice;
  World w;
  Labels labels;
  std::vector<Statute> statutes;
  std::map<std::string, std::vector<Sent>> sent;
  std::vector<JobId> ids;
  std::map<std::string, int> asked;
};

std::string told(std::map<std::string, std::int64_t>& asked) {
  std::ostringstream text;
  text << asked["intake"] + asked["place"] + asked["sent"] << " actions held against the plain rules (" << asked["intake"]
       << " jobs taken, " << asked["place"] << " placed, " << asked["sent"] << " sent), "
       << asked["RULES_DENY"] + asked["held"] + asked["withheld"] << " denials (" << asked["RULES_DENY"] << " at intake, "
       << asked["held"] << " jobs held, " << asked["withheld"] << " withheld when they were to be sent)";
  return text.str();
}

}  // namespace

TEST_CASE("nothing is taken, placed or sent that the rules deny at that moment", "[engine][rules][histories][T15]") {
  const auto number = [](const char* name) -> std::optional<std::uint64_t> {
    const auto* text = std::getenv(name);
    return text == nullptr ? std::nullopt : std::optional<std::uint64_t>(std::strtoull(text, nullptr, 10));
  };
  const auto chosen = number("HANSA_SEED");
  const auto first = chosen.value_or(number("HANSA_FIRST_SEED").value_or(1));
  const auto count = chosen ? 1 : number("HANSA_SEEDS").value_or(200);
  std::map<std::string, std::int64_t> asked;
  for (auto seed = first; seed < first + count; ++seed) {
    INFO("HANSA_SEED=" << seed);
    Play play(seed);
    play.play();
    for (const auto& [what, times] : play.asked) asked[what] += times;
    if ((seed - first + 1) % 10'000 == 0) std::cout << "to seed " << seed << ": " << told(asked) << std::endl;
  }
  if (chosen) return;
  // A history in which the rules have nothing to say proves nothing.
  for (const auto* what : {"intake", "place", "sent", "RULES_DENY", "held", "withheld"}) {
    INFO(what << " " << asked[what] << " times");
    CHECK(asked[what] >= static_cast<std::int64_t>(count / 10));
  }
  if (count <= 200) return;
  std::cout << count << " federations (seeds " << first << " to " << first + count - 1 << "): " << told(asked) << std::endl;
}
