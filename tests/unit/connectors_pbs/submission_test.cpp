// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/submission.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace hansa::connectors::pbs {

namespace {

ports::SubmitRequest request() {
  ports::SubmitRequest request;
  request.tag = Tag("hansa-T-1");
  request.queue = QueueName("workq");
  request.spec.time_limit = Seconds{90};
  return request;
}

/// What follows `option`, the n-th time that it is there; "" if it is not.
std::string value_of(const ports::SubmitRequest& request, const std::string& option, std::size_t nth = 0,
                     const GpuNames& gpus = {}) {
  const auto arguments = qsub_arguments(request, gpus);
  REQUIRE(arguments.has_value());
  for (std::size_t i = 0; i + 1 < arguments->size(); ++i) {
    if (arguments->at(i) == option && nth-- == 0) return arguments->at(i + 1);
  }
  return "";
}

}  // namespace

TEST_CASE("qsub: a plain job") {
  CHECK(qsub_arguments(request(), {}).value() ==
        std::vector<std::string>{"-f", "-N", "hansa-T-1", "-q", "workq", "-S", "/bin/bash", "-o", "/dev/null", "-e", "/dev/null",
                                 "-m", "n", "-r", "n", "-l", "select=1:ncpus=1:mpiprocs=1", "-l", "walltime=90"});
  auto asked = request();
  asked.spec.requeue = true;
  asked.scheduler_account = "proj1";
  CHECK(value_of(asked, "-r") == "y");
  CHECK(value_of(asked, "-A") == "proj1");
  asked.spec.time_limit = Seconds{0};
  CHECK(value_of(asked, "-l", 1) == "walltime=1");
}

TEST_CASE("qsub: nodes, tasks, memory and GPUs") {
  auto asked = request();
  asked.spec.resources = {.nodes = 3, .tasks = 7, .cpus_per_task = 2, .memory_per_node = Mebibytes{1024}};
  CHECK(value_of(asked, "-l") == "select=1:ncpus=6:mpiprocs=3:mem=1024mb+2:ncpus=4:mpiprocs=2:mem=1024mb");
  CHECK(value_of(asked, "-l", 2) == "place=scatter");
  asked.spec.resources = {
      .nodes = 2, .tasks = 4, .cpus_per_task = 1, .memory_per_node = {}, .gpus_per_node = 4, .gpu_model = "a100"};
  CHECK(value_of(asked, "-l", 0, {"ngpus", "gpu_model"}) == "select=2:ncpus=2:mpiprocs=2:ngpus=4:gpu_model=a100");
  const auto refused = qsub_arguments(asked, {});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == "NOT_FOR_PBS");
  CHECK(refused.error().message.contains("gpu_model_resource"));
}

TEST_CASE("qsub: nodes of the job's own") {
  auto asked = request();
  asked.spec.resources.exclusive = true;
  CHECK(value_of(asked, "-l", 2) == "place=excl");
  asked.spec.resources.nodes = asked.spec.resources.tasks = 2;
  CHECK(value_of(asked, "-l", 2) == "place=scatter:excl");
}

TEST_CASE("qsub: arrays of one step") {
  const auto arguments = [](const char* tasks) {
    auto asked = request();
    asked.spec.array = domain::parse_task_array(tasks).value();
    return qsub_arguments(asked, {});
  };
  const auto has = [&](const char* tasks, const char* text) {
    const auto made = arguments(tasks).value();
    const auto at = std::ranges::find(made, "-J");
    return at != made.end() && *std::next(at) == text;
  };
  CHECK(has("0-20:5%2", "0-20:5%2"));
  CHECK(has("1,2,3", "1-3"));
  CHECK(has("3,5", "3-5:2"));
  CHECK(has("1,5%1", "1-5:4%1"));
  const auto made = arguments("0-3").value();
  CHECK(*std::next(std::ranges::find(made, "-r")) == "y");  // qsub takes no other array
  for (const auto* tasks : {"5", "1,2,4", "0-3,8", "1,5,8"}) CHECK(arguments(tasks).error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("qsub: what it would read as more than one value is not handed over") {
  for (const auto bad : {"", "a,b", "a b", "a@b", "a;b", "a:b"}) {
    INFO(bad);
    auto asked = request();
    asked.queue = QueueName(bad);
    CHECK(qsub_arguments(asked, {}).error().kind == ErrorKind::invalid_argument);
  }
  auto asked = request();
  asked.scheduler_account = "a b";
  CHECK_FALSE(qsub_arguments(asked, {}).has_value());
  asked = request();
  asked.spec.resources.gpus_per_node = 1;
  asked.spec.resources.gpu_model = "a100:ncpus=64";
  CHECK_FALSE(qsub_arguments(asked, {"ngpus", "gpu_model"}).has_value());
}

TEST_CASE("qsub: a job id and nothing else is a receipt") {
  async::ChildResult result;
  result.exit_status = 0;
  for (const auto garbage :
       {"", "\n", "12", "12.pbs01", "12.pbs01 13.pbs01", "12.pbs01\n13.pbs01", "Job 12.pbs01", "12.pbs01;x"}) {
    INFO(garbage);
    result.out = garbage;
    CHECK(read_qsub_answer(result).error().code == "SITE_GARBLED");
  }
  result.out = "12.pbs01\n";
  CHECK(read_qsub_answer(result)->site_job_id.str() == "12.pbs01");
  result.timed_out = true;
  CHECK(read_qsub_answer(result).error().code == "SITE_SILENT");
  result.timed_out = false;
  result.exit_status.reset();
  result.signal = 14;
  CHECK(read_qsub_answer(result).error().code == "SITE_SILENT");
}

}  // namespace hansa::connectors::pbs
