// SPDX-License-Identifier: Apache-2.0
// What a report's file says, read back and held against what records come to.
#include "broker/ledger/report_recount.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::ledger;

namespace {

ReportManifest manifest_of(std::string format, std::string query) {
  ReportManifest manifest;
  manifest.report = "usage";
  manifest.file_format = std::move(format);
  manifest.by = {"site"};
  manifest.query = std::move(query);
  return manifest;
}

constexpr std::string_view kHeader = "site,runs,elapsed_s,core_seconds,gpu_seconds,node_seconds,withheld\r\n";
const ReportRecount::Rows kCounted{{{"alpha"}, {9, 100, 800, 0, 100}}, {{"beta"}, {2, 10, 20, 0, 10}}};

}  // namespace

TEST_CASE("of a report for a third party all but what is withheld is held against the records") {
  for (const std::string format : {"csv", "json"}) {
    INFO(format);
    const auto manifest = manifest_of(format, "by=site&for=third_party&format=" + format);
    const auto file = [&](const std::string& alpha, const std::string& beta) {
      if (format == "csv") return std::string(kHeader) + "alpha," + alpha + ",100,800,0,100,\r\nbeta," + beta + "\r\n";
      return R"({"rows":[{"site":"alpha","elapsed_s":100,"core_seconds":800,"gpu_seconds":0,"node_seconds":100,"withheld":null,"runs":)" +
             alpha + R"(},{"site":"beta",)" + beta + "}]}\n";
    };
    const bool csv = format == "csv";
    const std::string none =
        csv ? ",,,,,<5 people"
            : R"("runs":null,"elapsed_s":null,"core_seconds":null,"gpu_seconds":null,"node_seconds":null,"withheld":"<5 people")";
    const auto told = ReportRecount::read(manifest, file("9", none));
    REQUIRE(told);
    CHECK_FALSE(told->at({"beta"}));
    CHECK(ReportRecount::agree(*told, kCounted));
    CHECK_FALSE(ReportRecount::agree(ReportRecount::read(manifest, file("8", none)).value(), kCounted));
    auto more = kCounted;
    more[{"gamma"}] = {1, 1, 1, 1, 1};
    CHECK_FALSE(ReportRecount::agree(*told, more));  // a group that is not even named
    const std::string both =
        csv ? "2,,,,,<5 people"
            : R"("runs":2,"elapsed_s":null,"core_seconds":null,"gpu_seconds":null,"node_seconds":null,"withheld":"<5 people")";
    CHECK(ReportRecount::read(manifest, file("9", both)).error().message.contains("has figures"));
    const std::string plain =
        csv ? "2,10,20,0,10," : R"("runs":2,"elapsed_s":10,"core_seconds":20,"gpu_seconds":0,"node_seconds":10,"withheld":null)";
    CHECK(ReportRecount::agree(ReportRecount::read(manifest, file("9", plain)).value(), kCounted));
    CHECK_FALSE(ReportRecount::read(manifest_of(format, "by=site&format=" + format), file("9", none)));  // for nobody else
  }
}

TEST_CASE("of a limited report the records of these projects and sites are counted alone") {
  const auto counted = [](std::vector<std::string> projects, std::vector<std::string> sites) {
    auto manifest = manifest_of("csv", "by=site");
    manifest.projects = std::move(projects);
    manifest.sites = std::move(sites);
    REQUIRE(ReportRecount::can_count(manifest));
    ReportRecount recount(manifest);
    for (const std::string project : {"ai-lab", "climate"}) {
      for (const std::string site : {"alpha", "beta"}) {
        const auto line = R"({"core_seconds":800,"elapsed_s":100,"ended_s":100,"gpu_seconds":0,"node_seconds":100,"project":")" +
                          project + R"(","runs":1,"site":")" + site + R"(","started_s":0})";
        RecordFields record;
        REQUIRE(record.parse(line));
        recount.take(record);
      }
    }
    return recount.rows();
  };
  using Rows = ReportRecount::Rows;
  CHECK((counted({}, {}) == Rows{{{"alpha"}, {2, 200, 1600, 0, 200}}, {{"beta"}, {2, 200, 1600, 0, 200}}}));
  CHECK((counted({"ai-lab"}, {}) == Rows{{{"alpha"}, {1, 100, 800, 0, 100}}, {{"beta"}, {1, 100, 800, 0, 100}}}));
  CHECK((counted({}, {"beta"}) == Rows{{{"beta"}, {2, 200, 1600, 0, 200}}}));
  CHECK((counted({"ai-lab", "climate"}, {"alpha"}) == Rows{{{"alpha"}, {2, 200, 1600, 0, 200}}}));
  CHECK(counted({"quantum"}, {"alpha"}).empty());
}

TEST_CASE("a manifest says what its report is limited to, or nothing of it") {
  auto manifest = manifest_of("csv", "by=site&project=ai-lab");
  CHECK_FALSE(manifest_text(manifest).contains("projects"));
  manifest.projects = {"ai-lab", "climate"};
  manifest.sites = {"beta"};
  const auto text = manifest_text(manifest);
  const auto read = parse_manifest(text);
  REQUIRE(read);
  CHECK(read->projects == manifest.projects);
  CHECK(read->sites == manifest.sites);
  CHECK(manifest_text(*read) == text);
  for (const std::string bad : {R"("sites":[])", R"("sites":[7])", R"("sites":"beta")", R"("sites":[["beta"]])"}) {
    auto other = text;
    other.replace(other.find(R"("sites":["beta"])"), std::string(R"("sites":["beta"])").size(), bad);
    CAPTURE(bad);
    CHECK(parse_manifest(other).error().message.contains("\"sites\" is missing or of another type"));
  }
}
