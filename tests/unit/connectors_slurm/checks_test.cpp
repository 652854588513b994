// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/checks.hpp"

#include "broker/core/time_text.hpp"
#include "tests/unit/connectors_slurm/captures.hpp"

#include <algorithm>

namespace hansa::connectors::slurm {

namespace {

using domain::DoctorVerdict;
using enum domain::DoctorVerdict;
using test::capture;

/// "ok slurm 22.05.8" of that check; "" if there is none.
std::string judged(const std::vector<domain::Finding>& findings, std::string_view check) {
  const auto at = std::ranges::find(findings, check, &domain::Finding::check);
  return at == findings.end() ? "" : std::string(to_string(at->verdict)) + " " + at->value;
}

ConfigLines with(ConfigLines config, const std::string& key, const std::string& value) {
  config[key] = value;
  return config;
}

}  // namespace

TEST_CASE("the configuration of real clusters is judged") {
  for (const auto* version : {"22.05", "26.05"}) {
    const auto config = parse_config_lines(capture(version, "scontrol.show-config.out"));
    const auto findings = judge_configuration(config);
    CHECK(judged(findings, "VERSION") == std::string("ok slurm ") + (version == std::string("22.05") ? "22.05.8" : "26.05.3"));
    CHECK(judged(findings, "HISTORY").empty());  // it is asked, too
    CHECK(judged(findings, "COMMENTS") == "ok kept with the accounting");
    CHECK(judged(findings, "JOB_IDS") == "ok 1 to 67043328, then from the beginning again");
    CHECK(judged(findings, "ARRAYS") == "ok --array, indices up to 1000");
    CHECK(judged(findings, "MIN_JOB_AGE") == "ok squeue knows a job for 900 s after its end");
    CHECK(keeps_history(config));
    CHECK_FALSE(wants_associations(config));
    CHECK(judge_privacy(config, "None").verdict == ok);
    for (const auto& finding : findings) CHECK((finding.verdict == ok) == finding.remedy.empty());
  }
}

TEST_CASE("what is wrong with a cluster's configuration is a fault or a warning, with a remedy") {
  const auto config = parse_config_lines(capture("22.05", "scontrol.show-config.out"));
  const auto changed = [&](const std::string& key, const std::string& value, std::string_view check) {
    const auto findings = judge_configuration(with(config, key, value));
    const auto at = std::ranges::find(findings, check, &domain::Finding::check);
    REQUIRE(at != findings.end());
    CHECK_FALSE(at->remedy.empty());
    return judged(findings, check);
  };
  CHECK(changed("SLURM_VERSION", "20.11.9", "VERSION") == "fault slurm 20.11.9");
  CHECK(changed("SLURM_VERSION", "28.05.0", "VERSION") == "warning slurm 28.05.0");
  CHECK(changed("SLURM_VERSION", "master", "VERSION") == "not_checked no version is told");
  CHECK(changed("AccountingStorageType", "accounting_storage/none", "HISTORY") == "fault off (accounting_storage/none)");
  CHECK(changed("AccountingStorageType", "(null)", "HISTORY") == "fault off (accounting_storage/none)");
  CHECK(changed("AccountingStoreFlags", "(null)", "COMMENTS") == "warning not kept (AccountingStoreFlags=none)");
  CHECK(changed("AccountingStoreFlags", "job_script, job_env", "COMMENTS") ==
        "warning not kept (AccountingStoreFlags=job_script, job_env)");
  CHECK(changed("MaxJobId", "9999", "JOB_IDS") == "warning 1 to 9999, then from the beginning again");
  CHECK(changed("MaxJobId", "many", "JOB_IDS") == "not_checked the range is not told");
  CHECK(changed("MaxArraySize", "0", "ARRAYS") == "warning off (MaxArraySize=0)");
  CHECK(changed("MinJobAge", "5 sec", "MIN_JOB_AGE") == "warning squeue knows a job for 5 s after its end");
  CHECK(judged(judge_configuration(with(with(config, "MinJobAge", "5 sec"), "AccountingStorageType", "(null)")), "MIN_JOB_AGE")
            .starts_with("fault"));

  CHECK(judge_history({{"PurgeJobAfter", "NONE"}}).value == "on; jobs are kept for ever");
  CHECK(judge_history({{"PurgeJobAfter", "12 months"}}).verdict == ok);
  CHECK(judge_history({{"PurgeJobAfter", "7 days"}}).verdict == warning);
  CHECK(judge_history({{"PurgeJobAfter", "12 hours"}}).verdict == fault);
  CHECK(judge_privacy(with(config, "PrivateData", "accounts,jobs"), "").verdict == warning);
  CHECK(judge_privacy(with(config, "PrivateData", "accounts,jobs"), "Operator").verdict == ok);
  CHECK(judge_privacy(with(config, "PrivateData", "usage"), "").verdict == ok);
  CHECK(wants_associations(with(config, "AccountingStorageEnforce", "associations,limits")));
}

TEST_CASE("the controller's clock is read twice, as a number and as the command writes it") {
  const std::string real = capture("22.05", "sdiag.out");
  const auto reading = parse_clock(real);
  REQUIRE(reading);
  CHECK(reading->clock == reading->written);

  const auto shifted = parse_clock("***\nsdiag output at Sun Nov 22 05:06:39 2026 (1795341999)\nData since\n");
  REQUIRE(shifted);
  CHECK(format_utc(shifted->clock) == "2026-11-22T10:06:39Z");
  CHECK(format_utc(shifted->written) == "2026-11-22T05:06:39Z");
  for (const auto* text :
       {"", "sdiag output at ", "sdiag output at Sun Nov 22 05:06:39 2026", "sdiag output at Sun Nov 22 05:06:39 2026 (",
        "sdiag output at Sun Nov 22 05:06:39 2026 (x)", "sdiag output at Sun Nev 22 05:06:39 2026 (1795341999)",
        "sdiag output at Sun Nov 32 05:06:39 2026 (1795341999)", "sdiag output at Sun Nov 22 2026 (1795341999)",
        "sdiag output at (1795341999)", "sdiag output at Sun Nov 22 05:06 2026 (1795341999)"}) {
    INFO(text);
    CHECK_FALSE(parse_clock(text));
  }
}

TEST_CASE("odd lines of a configuration are skipped") {
  const auto lines = parse_config_lines("\n=\n x \nA = 1\nB=\nA = 2\n  C  =  a = b \nno end");
  CHECK(lines.at("A") == "1");
  CHECK(lines.at("B").empty());
  CHECK(lines.at("C") == "a = b");
  CHECK(lines.size() == 4);
}

}  // namespace hansa::connectors::slurm
