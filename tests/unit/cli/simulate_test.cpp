// SPDX-License-Identifier: Apache-2.0
// Whole calls of `hansa simulate`: what people and programs get, and what is refused.
#include "broker/cli/run.hpp"
#include "broker/core/canonical_json.hpp"
#include "policies/rules/load.hpp"
#include "simulation/rules_of_play.hpp"
#include "tests/unit/cli/outside_under_test.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

namespace hansa::cli {
namespace {

const std::string kTrace = HANSA_SOURCE_DIR "/tests/data/traces/small.swf";

struct SitesFolder : tests::TemporaryFolder {
  SitesFolder() {
    write("sites.toml",
          "[[site]]\nid = \"alpha\"\nprocessors = 64\ncountry = \"FI\"\nlocal_share = 0.3\n"
          "[[site]]\nid = \"beta\"\nprocessors = 32\ncountry = \"SE\"\n");
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }
};

struct Played {
  int status;
  std::string out;
  std::string err;
};

Played simulate(const SitesFolder& folder, std::vector<std::string> more, std::string trace = kTrace) {
  std::vector<std::string> words{"simulate", "--trace", std::move(trace), "--sites", folder / "sites.toml"};
  for (auto& word : more) words.push_back(std::move(word));
  std::vector<const char*> arguments;
  for (const auto& word : words) arguments.push_back(word.c_str());
  OutsideUnderTest outside;
  auto surroundings = outside.surroundings();
  const auto status = static_cast<int>(run(arguments, surroundings));
  return {status, outside.out, outside.err};
}

}  // namespace

TEST_CASE("simulate: one policy on the trace as it is") {
  const SitesFolder folder;
  const auto answer = simulate(folder, {});
  CHECK(answer.err.empty());
  CHECK(answer.status == 0);
  CHECK_THAT(answer.out,
             Catch::Contains("600 jobs") && Catch::Contains("hansa") && Catch::Contains("alpha") && Catch::Contains("SLOWDOWN"));
}

TEST_CASE("simulate: JSON with every policy, its seeds and its ratios") {
  const SitesFolder folder;
  const auto answer =
      simulate(folder, {"--policy", "hansa,redundant", "--policy", "merged", "--load", "0.85", "--seeds", "3", "--json"});
  REQUIRE(answer.status == 0);
  const auto told = Json::parse(answer.out);
  CHECK(told["offered_load"] == 0.85);
  CHECK(told["sites"][0] == Json{{"id", "alpha"}, {"processors", 64}, {"country", "FI"}, {"local_share", 0.3}});
  REQUIRE(told["policies"].size() == 3);
  const auto& hansa = told["policies"][0];
  CHECK(hansa["policy"] == "hansa");
  CHECK(told["policies"][2]["policy"] == "merged");
  for (const auto* figure :
       {"mean_wait_s", "median_wait_s", "p99_wait_s", "mean_bounded_slowdown", "makespan_s", "messages_per_job", "moves"}) {
    CAPTURE(figure);
    CHECK(hansa[figure].is_number());
  }
  CHECK(hansa["messages_per_job"] <= 1.2);
  CHECK(told["policies"][1]["messages_per_job"] > 1.5);
  CHECK(hansa["local_jobs"]["jobs"] > 0);
  CHECK(hansa["utilisation"]["beta"] > 0.3);
  CHECK(hansa["seeds"].size() == 3);
  CHECK(hansa["seeds"][2]["seed"] == 3);
  CHECK(hansa["ratios"]["redundant"]["mean_wait"].is_number());
  // Again, the same to the byte.
  CHECK(simulate(folder, {"--policy", "hansa,redundant", "--policy", "merged", "--load", "0.85", "--seeds", "3", "--json"}).out ==
        answer.out);
}

TEST_CASE("simulate: more capacity, less waiting; pictures where they are asked for") {
  const SitesFolder folder;
  const auto before = simulate(folder, {"--load", "0.93", "--json"});
  const auto after = simulate(folder, {"--load", "0.93", "--add-capacity", "beta:64", "--plot", folder / "plots", "--json"});
  REQUIRE(before.status == 0);
  REQUIRE(after.status == 0);
  CHECK(Json::parse(after.out)["sites"][1]["processors"] == 96);
  CHECK(Json::parse(after.out)["policies"][0]["mean_wait_s"] < Json::parse(before.out)["policies"][0]["mean_wait_s"]);
  for (const auto* name : {"waits.svg", "queue.svg", "sites.svg"})
    CHECK(std::filesystem::file_size(folder / "plots/" + name) > 500);
}

TEST_CASE("simulate: sites may hide other people's jobs") {
  const SitesFolder folder;
  const auto seen = simulate(folder, {"--load", "0.93"});
  const auto hidden = simulate(folder, {"--load", "0.93", "--hidden", "all"});
  const auto named = simulate(folder, {"--load", "0.93", "--hidden", "alpha,beta"});
  REQUIRE(hidden.status == 0);
  CHECK(hidden.out != seen.out);
  CHECK((named.status == 0 && named.out.size() > 100));
}

TEST_CASE("simulate: what is wrong is said, with exit status 2") {
  const SitesFolder folder;
  struct Case {
    std::vector<std::string> more;
    std::string told;
  };
  const Case cases[] = {
      {{"--policy", "best"}, "\"best\" is none; allowed: hansa, home"},
      {{"--policy", "hansa,"}, "\"\" is none"},
      {{"--load", "0"}, "--load must be a number from 0.01 to 10"},
      {{"--load", "nan"}, "--load must be"},
      {{"--seeds", "0"}, "--seeds must be a number from 1 to 1000"},
      {{"--seeds", "1e3"}, "--seeds must be"},
      {{"--sample", "-1"}, "--sample must be"},
      {{"--add-capacity", "alpha"}, "is no SITE:CORES"},
      {{"--add-capacity", "gamma:5"}, "there is no site \"gamma\""},
      {{"--add-capacity", "alpha:10000000"}, "at most 10000000 cores"},
      {{"--hidden", "gamma"}, "there is no site \"gamma\""},
      {{"--hidden", "alpha,"}, "there is no site \"\""},
      {{"--plot", "/dev/null/x"}, "cannot make the folder"},
  };
  for (const auto& [more, told] : cases) {
    CAPTURE(told);
    const auto answer = simulate(folder, more);
    CHECK(answer.status == 2);
    CHECK(answer.out.empty());
    CHECK_THAT(answer.err, Catch::Contains(told));
  }
  folder.write("bad.swf", "1 2 3\n");
  const auto malformed = simulate(folder, {}, folder / "bad.swf");
  CHECK(malformed.status == 2);
  CHECK_THAT(malformed.err, Catch::Contains("bad.swf:1") && Catch::Contains("has 3 fields"));
  CHECK(simulate(folder, {}, folder / "missing.swf").status == 2);
  folder.write("sites.toml", "[[site]]\nid = \"a\"\n");
  CHECK_THAT(simulate(folder, {}).err, Catch::Contains("sites.toml:1: processors"));
}

namespace {

const std::string kRuled =
    "[[site]]\nid = \"alpha\"\nprocessors = 64\ncountry = \"FI\"\nlocal_share = 0.3\nfacts = {status = \"member\"}\n"
    "[[site]]\nid = \"beta\"\nprocessors = 32\ncountry = \"CH\"\nfacts = {status = \"member\"}\n"
    "[given]\nuser.assurance = \"medium\"\n";

std::string place_and_send(const std::string& id, const std::string& when) {
  return "[[rule]]\nid = \"" + id + "\"\neffect = \"permit\"\nactions = [\"place\", \"dispatch\"]\nwhen = [" + when +
         "]\nlegal_basis = \"l\"\nowner = \"o\"\n";
}
const std::string kRuledPack =
    "[meta]\nid = \"t\"\nversion = \"1.0.0\"\napproved_by = [\"a\", \"b\"]\ndefault = \"deny\"\n" +
    place_and_send("P-JOB", "{attr = \"site.status\", op = \"eq\", value = \"member\"}") +
    place_and_send(
        "P-PERSONAL",
        "{attr = \"dataset.labels\", op = \"any_of\", value = [\"personal\"]}, {attr = \"site.country\", op = \"eq\", value = "
        "\"FI\"}, {attr = \"user.assurance\", op = \"at_least\", value = \"medium\"}");

}  // namespace

TEST_CASE("simulate: under rules every label has its sites, its waits and its jobs that no site may take") {
  const SitesFolder folder;
  folder.write("sites.toml", kRuled);
  folder.write("pack.toml", kRuledPack);
  const std::vector<std::string> words{"--policy", "hansa,random,shortest-queue,earliest-start,redundant",
                                       "--seeds",  "2",
                                       "--rules",  folder / "pack.toml",
                                       "--label",  "personal=0.5",
                                       "--label",  "health=0.1",
                                       "--json"};
  const auto answer = simulate(folder, words);
  CAPTURE(answer.err);
  REQUIRE(answer.status == 0);
  CHECK(simulate(folder, words).out == answer.out);
  const auto told = Json::parse(answer.out);
  CHECK(told["labels"][0] == Json{{"label", ""}, {"sites", {"alpha", "beta"}}, {"kept_out", 0}});
  CHECK(told["labels"][1] == Json{{"label", "personal"}, {"sites", {"alpha"}}, {"kept_out", 0}});
  CHECK(told["labels"][2]["sites"].empty());
  CHECK(told["labels"][2]["kept_out"] > 20);
  CHECK(told["policies"].size() == 5);
  for (const auto& run : told["policies"]) {
    CAPTURE(run["policy"]);
    CHECK(run["violations"] == 0);
    CHECK(run["labels"]["personal"]["jobs"] > 100);
    CHECK(run["labels"]["health"]["jobs"] == 0);
  }
  const auto text = simulate(folder, {"--rules", folder / "pack.toml", "--label", "personal=0.5"}).out;
  CHECK_THAT(text, Catch::Contains("Under the rules") && Catch::Contains("violations, hansa: 0"));
}

TEST_CASE("simulate: what is wrong with rules and labels is told") {
  const SitesFolder folder;
  folder.write("sites.toml", kRuled);
  folder.write("pack.toml", kRuledPack);
  const auto pack = folder / "pack.toml";
  CHECK_THAT(simulate(folder, {"--label", "personal=0.5"}).err, Catch::Contains("say nothing without --rules"));
  CHECK_THAT(simulate(folder, {"--rules", pack, "--policy", "merged"}).err, Catch::Contains("asks no rules"));
  for (const auto* label : {"personal", "personal=", "personal=2", "personal=-1", "persnal=0.1", "=0.1", "personal=nan"})
    CHECK_THAT(simulate(folder, {"--rules", pack, "--label", label}).err, Catch::Contains("is no NAME=SHARE"));
  CHECK_THAT(simulate(folder, {"--rules", pack, "--label", "personal=0.6", "--label", "open=0.5"}).err,
             Catch::Contains("more than 1 together"));
  folder.write("sites.toml", kRuled + "site.country = \"FI\"\n");
  CHECK_THAT(simulate(folder, {"--rules", pack}).err, Catch::Contains("given") && Catch::Contains("site.country"));
}

TEST_CASE("a job that ran where the rules do not let it is a violation") {
  const SitesFolder folder;
  folder.write("pack.toml", kRuledPack);
  const std::vector<rules::PackText> texts{{.file = "p.toml", .text = kRuledPack}};
  const auto rules = rules::RuleSet::compile(rules::parse_packs(texts).value());
  REQUIRE(rules);
  const auto at = from_unix_seconds(1'800'000'000);
  const simulation::RulesOfPlay play(*rules, at, rules::parse_sites(kRuled, "sites.toml", at).value(),
                                     rules::parse_given_facts(kRuled, "sites.toml", at).value(),
                                     {{.label = "personal", .share = 500'000}});
  simulation::Workload workload;
  for (int i = 0; i < 200; ++i) workload.jobs.push_back({.submit = i});
  play.apply(workload, {{.id = "alpha", .cores = 4}, {.id = "beta", .cores = 4}}, 1);
  simulation::Outcome outcome;
  std::int64_t personal = 0;
  for (const auto& job : workload.jobs) {
    personal += job.kind == 1 ? 1 : 0;
    outcome.fates.push_back({.started = job.submit, .site = 0});
  }
  CHECK(personal > 70);
  CHECK(personal < 130);
  CHECK(play.violations(workload, outcome) == 0);
  for (auto& fate : outcome.fates) fate.site = 1;
  CHECK(play.violations(workload, outcome) == personal);
}

}  // namespace hansa::cli
