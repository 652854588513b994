// SPDX-License-Identifier: Apache-2.0
// hansa-conformance (started as `hansa-agent conformance`): the contract suite against a plug-in, a line for each check.
#define CATCH_CONFIG_RUNNER
#include "tests/contract/connectors/plug_in_under_test.hpp"

#include <catch2/catch.hpp>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>

namespace {

/// "ok  a job runs to its end", "FAILED  ..." and beneath it what was expected.
class LineForEachCheck : public Catch::StreamingReporterBase<LineForEachCheck> {
 public:
  explicit LineForEachCheck(const Catch::ReporterConfig& config) : StreamingReporterBase(config) {}
  static std::string getDescription() { return "a line for each check of a plug-in"; }

  void assertionStarting(const Catch::AssertionInfo&) override {}
  bool assertionEnded(const Catch::AssertionStats& stats) override {
    const auto& result = stats.assertionResult;
    if (result.isOk()) return true;
    std::string words;
    for (const auto& info : stats.infoMessages) words += " (" + info.message + ")";
    const auto what = result.hasExpression() ? result.getExpressionInMacro() + ", but " + result.getExpandedExpression()
                                             : std::string(result.getMessage());
    faults_.push_back(what.substr(0, 500) + words.substr(0, 500));
    return true;
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    auto name = stats.testInfo.name;
    if (name.starts_with("connector: ")) name.erase(0, 11);
    std::printf("%s  %s\n", stats.totals.assertions.failed == 0 ? "ok    " : "FAILED", name.c_str());
    for (const auto& fault : faults_) std::printf("        %s\n", fault.c_str());
    std::fflush(stdout);
    faults_.clear();
    StreamingReporterBase::testCaseEnded(stats);
  }
  void testRunEnded(const Catch::TestRunStats& stats) override {
    const auto& cases = stats.totals.testCases;
    std::printf("%zu of %zu checks passed\n", static_cast<std::size_t>(cases.passed), static_cast<std::size_t>(cases.total()));
    StreamingReporterBase::testRunEnded(stats);
  }

 private:
  std::vector<std::string> faults_;
};

CATCH_REGISTER_REPORTER("conformance", LineForEachCheck)

}  // namespace

int main(int argc, char** argv) {
  auto& chosen = hansa::contract::plug_in();
  CLI::App command("Runs the checks that every connector of Hansa passes against a plug-in, a line for each.",
                   "hansa-agent conformance");
  std::string only;
  std::int64_t time_unit = chosen.time_unit.count();
  std::int64_t patience = chosen.patience.count();
  command.add_option("--account", chosen.account, "Local account to ask for (default: none, the plug-in's own)");
  command.add_option("--person", chosen.person, "Whose jobs the checks' are")->capture_default_str();
  command.add_option("--queue", chosen.queue, "Queue (default: the site's own)");
  command.add_option("--time-unit", time_unit, "Shortest wall-time limit that the site keeps to, in seconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  command.add_option("--patience", patience, "Seconds in which the site starts and ends jobs")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  command.add_option("--only", only, "Only the checks whose names have this in them");
  command.add_option("command", chosen.command, "The plug-in and its arguments, after --")->required();
  command.footer("The site should be idle: the checks fill it. Exit status: 0 all passed, 1 not, 2 usage.");
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return command.exit(error) == 0 ? 0 : 2; }
  chosen.time_unit = hansa::Seconds{time_unit};
  chosen.patience = hansa::Seconds{patience};
  chosen.command.front() = std::filesystem::absolute(chosen.command.front()).string();

  Catch::Session session;
  session.configData().reporterName = "conformance";
  if (!only.empty()) session.configData().testsOrTags = {"*" + only + "*"};
  return session.run() == 0 ? 0 : 1;
}
