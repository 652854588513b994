// SPDX-License-Identifier: Apache-2.0
// Every recorded call of PBS's commands, and what its end means.
#include "connectors/pbs/job_listing.hpp"
#include "connectors/pbs/submission.hpp"
#include "tests/unit/connectors_pbs/captures.hpp"

#include <charconv>
#include <cstdio>
#include <vector>

namespace hansa::connectors::pbs {

namespace {

/// "\n", "\t", "\\" and "\xNN" of the table.
std::string unescaped(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    REQUIRE(i + 1 < text.size());
    const char what = text[++i];
    if (what == 'x') {
      REQUIRE(i + 2 < text.size());
      unsigned value = 0;
      std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      bytes += static_cast<char>(value);
      i += 2;
    } else {
      bytes += what == 'n' ? '\n' : what == 't' ? '\t' : what;
    }
  }
  return bytes;
}

std::string meaning_of(const std::string& program, const async::ChildResult& result) {
  if (program == "qsub") {
    const auto receipt = read_qsub_answer(result);
    if (receipt) return "receipt " + receipt->site_job_id.str();
    CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
    return receipt.error().code;
  }
  if (program == "qdel" || program == "qhold" || program == "qrls") {
    const auto change = read_change(program, result);
    return change ? "done" : change.error().code;
  }
  const auto all = read_ending(program, result);
  return all ? (*all ? "all" : "a part") : all.error().code;
}

}  // namespace

using test::capture;

TEST_CASE("every recorded call means what it means") {
  const auto table = capture("endings.tsv");
  std::string_view rest = table;
  int calls = 0, errors = 0, recovered = 0;
  while (!rest.empty()) {
    auto line = batch::cut(rest, '\n');
    const std::string name(batch::cut(line, '\t'));
    async::ChildResult result;
    result.exit_status = static_cast<int>(parse_count(batch::cut(line, '\t')).value());
    const std::string expected(batch::cut(line, '\t'));
    result.err = unescaped(batch::cut(line, '\t'));
    result.out = unescaped(line);
    INFO(name << ", exit status " << *result.exit_status << ", " << result.err);
    const auto meaning = meaning_of(name.substr(0, name.find('.')), result);
    CHECK(meaning == expected);
    ++calls;
    if (meaning.starts_with("SITE_")) ++errors;
    if ((meaning == "all" || meaning == "a part") && result.exit_status != 0) ++recovered;
  }
  CHECK(calls == 623);
  std::printf("OpenPBS, recorded: %d cases, %d parsed, %d right errors, %d recovered (beside a complaint about some job)\n",
              calls, calls - errors, errors, recovered);
}

TEST_CASE("an unknown job says nothing of the others, another complaint does") {
  async::ChildResult result;
  result.exit_status = 153;
  result.err =
      "qstat: Unknown Job Id 1.pbs01\nqstat: 2.pbs01 Job has finished, use -x or -H to obtain historical job information\n";
  CHECK(read_ending("qstat", result).value());
  result.err = "qstat: Out of memory 1.pbs01\nqstat: Unknown Job Id 2.pbs01\n";
  CHECK_FALSE(read_ending("qstat", result).value());
  result.err = "Connection refused\nqstat: Unknown Job Id 2.pbs01\n";
  CHECK(read_ending("qstat", result).error().code == "SITE_DOWN");
  result.err = "";
  result.out_truncated = true;
  result.exit_status = 0;
  CHECK_FALSE(read_ending("qstat", result).value());
  result.timed_out = true;
  CHECK(read_ending("qstat", result).error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("words of PBS for people have no usage text in them") {
  async::ChildResult result;
  result.exit_status = 2;
  result.err = "qsub: illegal -N value\nusage: qsub [-a date_time] [-A account_string] [-c interval]\n\t[-C directive_prefix]\n";
  CHECK(read_qsub_answer(result).error().message == "the site refused the job: illegal -N value");
}

}  // namespace hansa::connectors::pbs
