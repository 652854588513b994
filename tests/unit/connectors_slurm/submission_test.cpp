// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/submission.hpp"

#include "tests/unit/connectors_slurm/captures.hpp"

#include <algorithm>

namespace hansa::connectors::slurm {

using test::capture;

namespace {

async::ChildResult ended(int status, std::string out, std::string err) {
  async::ChildResult result;
  result.exit_status = status;
  result.out = std::move(out);
  result.err = std::move(err);
  return result;
}

std::string code_of(const async::ChildResult& result) {
  const auto answer = read_sbatch_answer(result);
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().kind == ErrorKind::unknown_outcome);
  return answer.error().code;
}

ports::SubmitRequest request() {
  ports::SubmitRequest request;
  request.tag = Tag("hansa-X-1");
  request.queue = QueueName("main");
  request.spec.time_limit = Seconds{61};
  return request;
}

}  // namespace

TEST_CASE("sbatch: the quality of service that the site's profile chose") {
  const auto asked = sbatch_arguments(request(), ".hansa", "short");
  REQUIRE(asked);
  CHECK(std::ranges::count(*asked, "--qos=short") == 1);
  CHECK(std::ranges::none_of(*sbatch_arguments(request(), ".hansa"),
                             [](const std::string& word) { return word.starts_with("--qos"); }));
}

TEST_CASE("sbatch: what it is asked", "[T10]") {
  auto job = request();
  job.spec.resources = {
      .nodes = 2, .tasks = 3, .cpus_per_task = 4, .memory_per_node = Mebibytes{500}, .gpus_per_node = 2, .gpu_model = "a100"};
  job.scheduler_account = "proj1";
  const auto arguments = sbatch_arguments(job, ".hansa");
  REQUIRE(arguments.has_value());
  const auto has = [&](std::string_view argument) { return std::ranges::find(*arguments, argument) != arguments->end(); };
  for (const auto argument :
       {"--parsable", "--job-name=hansa-X-1", "--partition=main", "--nodes=2", "--ntasks=3", "--cpus-per-task=4",
        "--ntasks-per-node=2", "--mem=500M", "--gres=gpu:a100:2", "--time=2", "--account=proj1", "--dependency=singleton",
        "--no-requeue", "--export=ALL", "--propagate=NONE", "--output=.hansa/output/hansa-X-1.out",
        "--error=.hansa/output/hansa-X-1.err", "--open-mode=append"}) {
    INFO(argument);
    CHECK(has(argument));
  }
  CHECK_FALSE(has("--exclusive"));
  job.spec.requeue = true;
  job.spec.resources.exclusive = true;
  job.spec.time_limit = Seconds{1};
  const auto again = sbatch_arguments(job, "/scratch");
  CHECK(std::ranges::find(*again, "--requeue") != again->end());
  CHECK(std::ranges::find(*again, "--time=1") != again->end());
  CHECK(std::ranges::find(*again, "--exclusive") != again->end());
}

TEST_CASE("sbatch: no value becomes two", "[T09]") {
  for (const auto bad : {"", "a,b", "a b", "a:b", "a=b", "a\nb", "$(x)"}) {
    INFO(bad);
    auto job = request();
    job.queue = QueueName(bad);
    CHECK_FALSE(sbatch_arguments(job, ".hansa").has_value());
    if (*bad == '\0') continue;
    job = request();
    job.spec.resources.gpu_model = bad;
    CHECK_FALSE(sbatch_arguments(job, ".hansa").has_value());
    job = request();
    job.scheduler_account = bad;
    CHECK_FALSE(sbatch_arguments(job, ".hansa").has_value());
  }
}

TEST_CASE("sbatch: only a job id is a receipt", "[T20]") {
  for (const std::string version : {"22.05", "26.05"}) {
    CHECK(read_sbatch_answer(ended(0, capture(version, "sbatch.parsable.out"), "")).has_value());
    CHECK(read_sbatch_answer(ended(0, capture(version, "sbatch.parsable-clusters.out"), ""))->site_job_id.str() == "3");
    CHECK(code_of(ended(1, "", capture(version, "sbatch.bad-gres.err"))) == "SITE_REFUSED");
    CHECK(code_of(ended(255, "", capture(version, "sbatch.bad-option.err"))) == "SITE_REFUSED");
    CHECK(code_of(ended(1, "", capture(version, "enforce.sbatch-bad-account.err"))) == "SITE_REFUSED");
    CHECK(code_of(ended(1, "", capture(version, "down.sbatch.err"))) == "SITE_SILENT");
    CHECK(code_of(ended(1, "", capture(version, "mixed.sbatch.err"))) == "SITE_SILENT");
    const auto words = read_sbatch_answer(ended(1, "", capture(version, "enforce.sbatch-limit-2.err"))).error().message;
    CHECK(
        words ==
        "the site refused the job: AssocMaxSubmitJobLimit; Batch job submission failed: Job violates accounting/QOS policy (job "
        "submit limit, user's size and/or time limits)");
  }
  CHECK(read_sbatch_answer(ended(0, "12;alpha\n", "sbatch: some site's banner\n"))->site_job_id.str() == "12");
  for (const auto garbage :
       {"", "\n", "0", "-1", "abc", "12 13", "12\n13", "Submitted batch job 12", "12x;alpha", ";alpha", "12;alpha\n13"}) {
    INFO(garbage);
    CHECK(code_of(ended(0, garbage, "")) == "SITE_GARBLED");
  }
  CHECK(code_of(ended(1, "", "")) == "SITE_GARBLED");
  CHECK(code_of(ended(1, "12\n", "sbatch: error: something\n")) == "SITE_REFUSED");  // an id and a failure: no receipt
  async::ChildResult cut;
  cut.signal = 14;
  CHECK(code_of(cut) == "SITE_SILENT");
  cut = ended(0, "12\n", "");
  cut.timed_out = true;
  CHECK(code_of(cut) == "SITE_SILENT");
}

}  // namespace hansa::connectors::slurm
