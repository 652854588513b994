// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/submission.hpp"

#include "broker/domain/one_range.hpp"
#include "connectors/batch/answers.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::pbs {

namespace {

// PBS's error numbers from 15000 on, as far as an exit status has room for them.
constexpr int kUnknownJob = 153;
constexpr int kJobIsOver = 35;
constexpr int kUnauthorized = 159;

/// pbsnodes has but one exit status for everything.
bool is_denied(const async::ChildResult& result) {
  return result.exit_status == kUnauthorized || result.err.contains("Unauthorized Request");
}

/// "ncpus=4:mpiprocs=2:mem=1024mb:ngpus=1", on `nodes` nodes.
std::string chunk_of(const domain::Resources& resources, const GpuNames& gpus, std::int32_t nodes, std::int32_t tasks) {
  auto text = std::to_string(nodes) + ":ncpus=" + std::to_string(std::int64_t{tasks} * resources.cpus_per_task) +
              ":mpiprocs=" + std::to_string(tasks);
  if (resources.memory_per_node.value > 0) text += ":mem=" + std::to_string(resources.memory_per_node.value) + "mb";
  if (resources.gpus_per_node > 0) {
    text += ':' + gpus.count + '=' + std::to_string(resources.gpus_per_node);
    if (!resources.gpu_model.empty()) text += ':' + gpus.model + '=' + resources.gpu_model;
  }
  return text;
}

}  // namespace

Result<std::vector<std::string>> qsub_arguments(const ports::SubmitRequest& request, const GpuNames& gpus) {
  const auto& resources = request.spec.resources;
  const auto refuse = [](std::string_view what, std::string_view value, std::string_view why) {
    return fail(ErrorKind::invalid_argument, "NOT_FOR_PBS",
                std::string(what) + " \"" + std::string(value) + "\" cannot be handed to qsub" + std::string(why));
  };
  // "queue@server" would leave for another one.
  const auto& queue = request.queue.str();
  if (!batch::is_one_value(queue) || queue.contains('@')) return refuse("the queue", queue, "");
  const auto& account = request.scheduler_account;
  if (!account.empty() && !batch::is_one_value(account)) return refuse("the scheduler's account", account, "");
  if (resources.gpus_per_node > 0 && !resources.gpu_model.empty()) {
    if (!batch::is_one_value(resources.gpu_model)) return refuse("the GPU model", resources.gpu_model, "");
    if (gpus.model.empty()) {
      return refuse("the GPU model", resources.gpu_model,
                    ": the site's pbs.gpu_model_resource does not name the resource for it");
    }
  }

  // Tasks as evenly as they go: some nodes have one more.
  const auto nodes = std::max(1, resources.nodes);
  const auto tasks = std::max(nodes, resources.tasks);
  const auto few = tasks / nodes;
  const auto larger = tasks % nodes;
  std::string select;
  if (larger > 0) select = chunk_of(resources, gpus, larger, few + 1);
  if (larger < nodes) select += (select.empty() ? "" : "+") + chunk_of(resources, gpus, nodes - larger, few);

  std::vector<std::string> arguments{
      "-f",  // no process of its own that stays behind and submits
      "-N",
      request.tag.str(),
      "-q",
      queue,
      "-S",
      "/bin/bash",  // whatever the account's shell is
      // The wrapper writes its output, at once and where it belongs; PBS would bring it when the job is over.
      "-o",
      "/dev/null",
      "-e",
      "/dev/null",
      "-m",
      "n",
      // Arrays are taken as "y" only; a start that the job did not ask for is refused by the wrapper.
      "-r",
      request.spec.requeue || !request.spec.array.empty() ? "y" : "n",
      "-l",
      "select=" + select,
      "-l",
      "walltime=" + std::to_string(std::max<std::int64_t>(1, request.spec.time_limit.count())),
  };
  if (!request.spec.array.empty()) {
    auto range = domain::one_range(request.spec.array);
    if (!range) {
      return refuse("the array", domain::to_text(request.spec.array), ": it takes two tasks or more, with one step between them");
    }
    arguments.insert(arguments.end(), {"-J", std::move(*range)});
  }
  if (nodes > 1)
    arguments.insert(arguments.end(), {"-l", resources.exclusive ? "place=scatter:excl" : "place=scatter"});
  else if (resources.exclusive)
    arguments.insert(arguments.end(), {"-l", "place=excl"});
  if (!account.empty()) arguments.insert(arguments.end(), {"-A", account});
  return arguments;
}

bool is_communication_failure(std::string_view standard_error) {
  // tests/data/openpbs: *.server_down.err, *.badserver_host.err, qstat.noconf.err, *.rel20_*.err; src/lib/Liblog/pbs_messages.c.
  constexpr std::array<std::string_view, 12> kPhrases{"cannot connect to server",
                                                      "Couldn't connect to cluster",
                                                      "Connection refused",
                                                      "Connection reset",
                                                      "Connection timed out",
                                                      "Unknown Host",
                                                      "pbsconf error",
                                                      "Supporting protocol failure",
                                                      "Protocol (ASN.1) error",
                                                      "End of File",
                                                      "Premature end of message",
                                                      "No support for requested service"};
  return std::ranges::any_of(kPhrases, [&](std::string_view phrase) { return standard_error.contains(phrase); });
}

Result<ports::SubmitReceipt> read_qsub_answer(const async::ChildResult& result) {
  if (auto failure = batch::submission_failure("qsub", result, is_communication_failure(result.err)))
    return std::unexpected(std::move(*failure));
  const auto id = batch::trim(result.out);
  const bool whole = result.out.ends_with('\n') && !result.out_truncated;  // the beginning of an id is another's
  if (!is_job_id(id) || !whole) return batch::no_receipt("SITE_GARBLED", "qsub succeeded without a job id", result);
  return ports::SubmitReceipt{SiteJobId(id)};
}

Result<bool> read_ending(const std::string& program, const async::ChildResult& result) {
  if (!batch::came_to_an_end(result)) return batch::no_answer(program, result, false);
  // Of which the status would be 15104: a multiple of 256.
  if (result.err.contains("not configured to maintain job history")) return batch::no_answer(program, result, false);
  if (*result.exit_status == 0) return !result.out_truncated;
  const bool of_jobs = *result.exit_status == kUnknownJob || *result.exit_status == kJobIsOver;
  if (!of_jobs || is_communication_failure(result.err)) return batch::no_answer(program, result, is_denied(result));
  // The status is the last complaint's: another one before it may hide jobs.
  std::string_view rest = result.err;
  bool complete = !result.out_truncated;
  while (!rest.empty()) {
    const auto line = batch::trim(batch::cut(rest, '\n'));
    complete = complete && (line.empty() || line.contains("Unknown Job Id") || line.contains("Job has finished"));
  }
  return complete;
}

Result<void> read_change(const std::string& program, const async::ChildResult& result) {
  if (!batch::came_to_an_end(result)) return batch::no_answer(program, result, false);
  if (*result.exit_status == 0) return {};
  const bool denied = is_denied(result);
  if (denied || is_communication_failure(result.err)) return batch::no_answer(program, result, denied);
  return {};
}

}  // namespace hansa::connectors::pbs
