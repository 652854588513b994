// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/submission.hpp"

#include "broker/core/canonical_json.hpp"
#include "connectors/slurm/submission.hpp"
#include "connectors/slurmrest/reply.hpp"
#include "connectors/transport/wrapper.hpp"

#include <algorithm>

namespace hansa::connectors::slurmrest {

Result<std::string> submission_body(const ports::SubmitRequest& request, std::string_view script, std::string_view home,
                                    std::string_view work_dir, ApiVersion version, const std::string& qos) {
  if (auto valid = slurm::check_names(request); !valid) return std::unexpected(valid.error());
  const auto& resources = request.spec.resources;
  const bool array = !request.spec.array.empty();
  const auto file = [&](bool standard_error) {
    return std::string(work_dir) + '/' +
           (array ? transport::task_output_path(request.tag, "%a", standard_error)
                  : transport::output_path(request.tag, standard_error));
  };
  const auto amount = [&](std::int64_t value) -> Json {
    if (version.is_plain()) return value;
    return {{"set", true}, {"infinite", false}, {"number", value}};
  };
  // Slurm wants one; the wrapper logs in.
  const std::pair<std::string, std::string> path{"PATH", "/usr/local/bin:/usr/bin:/bin"};
  Json job{{"name", request.tag.str()},
           {"comment", "hansa"},
           {"partition", request.queue.str()},
           {"tasks", resources.tasks},
           {"cpus_per_task", resources.cpus_per_task},
           {"time_limit", amount(slurm::limit_in_minutes(request))},
           {"current_working_directory", home},
           {"standard_output", file(false)},
           {"standard_error", file(true)}};
  // As connectors/slurm: the site's own cheapest guard against a second start, which tasks of one name do without.
  job[array ? "array" : "dependency"] = array ? domain::to_text(request.spec.array) : "singleton";
  if (version.is_plain()) {
    job["nodes"] = Json::array({resources.nodes, resources.nodes});
    job["environment"] = {{path.first, path.second}};
    job[request.spec.requeue ? "requeue" : "no_requeue"] = true;
    job["open_mode"] = "append";
    if (resources.exclusive) job["exclusive"] = "exclusive";  // its document says "true", which 22.05.8 refuses (slurm_opt.c)
  } else {
    job["nodes"] = std::to_string(resources.nodes);
    job["environment"] = Json::array({path.first + '=' + path.second});
    job["requeue"] = request.spec.requeue;
    job["open_mode"] = Json::array({"APPEND"});
    if (resources.exclusive) job["shared"] = Json::array({"none"});
  }
  if (resources.nodes > 1) job["tasks_per_node"] = (resources.tasks + resources.nodes - 1) / resources.nodes;
  if (resources.memory_per_node.value > 0) job["memory_per_node"] = amount(resources.memory_per_node.value);
  if (resources.gpus_per_node > 0) {
    const auto gpus =
        "gpu:" + (resources.gpu_model.empty() ? "" : resources.gpu_model + ':') + std::to_string(resources.gpus_per_node);
    if (version.is_plain()) {
      job["gres"] = gpus;
    } else {
      job["tres_per_node"] = "gres/" + gpus;
    }
  }
  if (!request.scheduler_account.empty()) job["account"] = request.scheduler_account;
  if (!qos.empty()) job["qos"] = qos;
  return canonical_json({{"script", script}, {"job", std::move(job)}});
}

std::string hold_body(bool hold) { return canonical_json({{"hold", hold}}); }

std::string end_body(const SiteJobId& array, const std::vector<std::int32_t>& tasks) {
  Json jobs = Json::array();
  for (const auto task : tasks) jobs.push_back(transport::task_id(array, task).str());
  return canonical_json({{"jobs", std::move(jobs)}, {"signal", "SIGKILL"}});
}

Result<ports::SubmitReceipt> read_receipt(http::Response response, const std::string& user) {
  const auto reply = Reply::read(std::move(response));
  const auto unknown = [&](std::string_view code, std::string message) {
    return fail(ErrorKind::unknown_outcome, code, std::move(message),
                "status " + std::to_string(reply.status) + ": " + reply.words());
  };
  const auto* node = reply.document ? reply.document->root().find("job_id") : nullptr;
  const auto id = number(node).value_or(std::nullopt).value_or(0);
  const bool sure =
      std::ranges::all_of(reply.complaints, [](const Complaint& complaint) { return complaint.number == kJobHeld; });
  if (reply.status == 200 && id > 0 && id <= 0xffffffff && sure) return ports::SubmitReceipt{SiteJobId(std::to_string(id))};
  if (id > 0) return unknown("SITE_GARBLED", "slurmrestd gives the job an id and an error: " + reply.words());
  const auto failure = failure_of(reply, user);
  if (!failure) return unknown("SITE_GARBLED", "slurmrestd took the job without giving it an id");
  const bool unreachable =
      reply.status >= 500 && (reply.complaints.empty() || std::ranges::any_of(reply.complaints, is_unreachable));
  // Without a word of Slurm's, what answered may be a proxy that had passed the job on.
  if (!reply.document && failure->code == "SITE_GARBLED") return unknown("SITE_GARBLED", failure->message);
  if (unreachable || (!reply.document && reply.status >= 500)) return unknown("SITE_SILENT", failure->message);
  return unknown("SITE_REFUSED", "the site refused the job: " + (reply.document ? reply.words() : failure->message));
}

}  // namespace hansa::connectors::slurmrest
