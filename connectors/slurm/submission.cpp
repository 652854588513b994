// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/submission.hpp"

#include "connectors/batch/answers.hpp"
#include "connectors/slurm/values.hpp"
#include "connectors/transport/wrapper.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::slurm {

Result<void> check_names(const ports::SubmitRequest& request) {
  const auto& resources = request.spec.resources;
  const auto refuse = [](std::string_view what, std::string_view value) {
    return fail(ErrorKind::invalid_argument, "NOT_FOR_SLURM",
                std::string(what) + " \"" + std::string(value) + "\" cannot be handed to Slurm");
  };
  if (!batch::is_one_value(request.queue.str())) return refuse("the queue", request.queue.str());
  if (!request.scheduler_account.empty() && !batch::is_one_value(request.scheduler_account)) {
    return refuse("the scheduler's account", request.scheduler_account);
  }
  if (!resources.gpu_model.empty() && !batch::is_one_value(resources.gpu_model))
    return refuse("the GPU model", resources.gpu_model);
  return {};
}

std::int64_t limit_in_minutes(const ports::SubmitRequest& request) {
  return std::max<std::int64_t>(1, (request.spec.time_limit.count() + 59) / 60);
}

Result<std::vector<std::string>> sbatch_arguments(const ports::SubmitRequest& request, std::string_view work_dir,
                                                  std::string_view qos) {
  if (auto valid = check_names(request); !valid) return std::unexpected(valid.error());
  const auto& resources = request.spec.resources;
  const bool array = !request.spec.array.empty();
  const auto file = [&](bool standard_error) {
    return std::string(work_dir) + '/' +
           (array ? transport::task_output_path(request.tag, "%a", standard_error)
                  : transport::output_path(request.tag, standard_error));
  };
  std::vector<std::string> arguments{
      "--parsable",
      "--job-name=" + request.tag.str(),
      "--comment=hansa",
      "--partition=" + request.queue.str(),
      "--nodes=" + std::to_string(resources.nodes),
      "--ntasks=" + std::to_string(resources.tasks),
      "--cpus-per-task=" + std::to_string(resources.cpus_per_task),
      "--time=" + std::to_string(limit_in_minutes(request)),
      request.spec.requeue ? "--requeue" : "--no-requeue",
      // sbatch starts in the environment of the account and nothing else, and the wrapper logs in. NONE would have slurmd log in
      // before it starts the job, by `su`: nine processes, and a job that is put on hold when that takes too long.
      "--export=ALL",
      // The broker's own limits (no cores, many files) are not the job's: it has those of the node's slurmd.
      "--propagate=NONE",
      "--output=" + file(false),
      "--error=" + file(true),
      // A duplicate or a requeue must not wipe out what the first start wrote.
      "--open-mode=append",
  };
  // Of the site's own guards against a second start the cheapest; the fence is the one that holds. Tasks of an array have one
  // name, and would wait for each other.
  arguments.push_back(array ? "--array=" + domain::to_text(request.spec.array) : "--dependency=singleton");
  if (resources.nodes > 1) {  // with --ntasks: at most so many on one node, hence spread evenly
    arguments.push_back("--ntasks-per-node=" + std::to_string((resources.tasks + resources.nodes - 1) / resources.nodes));
  }
  if (resources.exclusive) arguments.emplace_back("--exclusive");
  if (resources.memory_per_node.value > 0) arguments.push_back("--mem=" + std::to_string(resources.memory_per_node.value) + 'M');
  if (resources.gpus_per_node > 0) {
    const auto model = resources.gpu_model.empty() ? std::string() : resources.gpu_model + ':';
    arguments.push_back("--gres=gpu:" + model + std::to_string(resources.gpus_per_node));
  }
  if (!request.scheduler_account.empty()) arguments.push_back("--account=" + request.scheduler_account);
  if (!qos.empty()) arguments.push_back("--qos=" + std::string(qos));
  return arguments;
}

bool is_communication_failure(std::string_view standard_error) {
  // slurm_strerror() of 22.05 and 26.05; tests/data/slurm/*/down.*.err, mixed.*.err.
  constexpr std::array<std::string_view, 12> kPhrases{"Unable to contact slurm controller",
                                                      "Socket timed out",
                                                      "Zero Bytes were transmitted",
                                                      "Insane message length",
                                                      "Connection refused",
                                                      "Connection reset",
                                                      "Connection timed out",
                                                      "Communication connection failure",
                                                      "Message receive failure",
                                                      "Message send failure",
                                                      "Protocol authentication error",
                                                      "in standby mode"};
  return std::ranges::any_of(kPhrases, [&](std::string_view phrase) { return standard_error.contains(phrase); });
}

Result<ports::SubmitReceipt> read_sbatch_answer(const async::ChildResult& result) {
  if (auto failure = batch::submission_failure("sbatch", result, is_communication_failure(result.err)))
    return std::unexpected(std::move(*failure));
  const auto answer = batch::trim(result.out);
  const auto id = answer.substr(0, answer.find(';'));
  const bool whole = result.out.ends_with('\n') && !result.out_truncated;  // the beginning of an id is another's
  if (!parse_count(id) || id == "0" || answer.contains('\n') || !whole) {
    return batch::no_receipt("SITE_GARBLED", "sbatch succeeded without a job id", result);
  }
  return ports::SubmitReceipt{SiteJobId(id)};
}

}  // namespace hansa::connectors::slurm
