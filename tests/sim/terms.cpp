// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/terms.hpp"

#include <algorithm>

namespace hansa::sim {

using namespace domain;
using connectors::model::ClusterJob;
using connectors::model::ClusterRequest;
using connectors::model::ClusterState;

namespace {

/// What a job is to be at a site, in the site's own GPUs.
struct Wanted {
  std::string variant;
  Resources resources;
};

/// The plan knows whose GPUs a site has; conditions of the play ask for nothing else.
Wanted wanted_at(const SitePlan& site, const JobSpec& spec) {
  Wanted wanted{.variant = {}, .resources = spec.resources};
  const auto vendor = site.gpu_vendor.empty() ? "none" : site.gpu_vendor;
  for (const auto& variant : spec.variants) {
    if (!variant.when.gpu_vendor.empty() && variant.when.gpu_vendor != vendor) continue;
    wanted = {.variant = variant.name, .resources = variant.resources};
    break;
  }
  wanted.resources.gpus_per_node = (wanted.resources.gpus_per_node + site.devices_per_gpu - 1) / site.devices_per_gpu;
  return wanted;
}

/// How what a site gives is not what it was asked for; "": it is.
std::string difference(const ClusterRequest& given, const Wanted& wanted, const JobSpec& spec, const Attempt& attempt) {
  const auto cores = [](const Resources& r) { return r.tasks * r.cpus_per_task; };
  if (given.scheduler_account != attempt.scheduler_account) return "OTHER_ACCOUNT";
  if (cores(given.resources) < cores(wanted.resources) || given.time_limit < spec.time_limit) return "GRANTED_LESS";
  return given.queue == attempt.queue ? "" : "GRANTED_ELSEWHERE";
}

std::string text_of(const Resources& r) {
  return std::to_string(r.tasks) + " tasks on " + std::to_string(r.nodes) + " nodes, " + std::to_string(r.gpus_per_node) +
         " GPUs each" + (r.exclusive ? ", nobody else there" : "");
}

const Attempt* attempt_of(const std::map<JobId, Job>& jobs, const std::string& site, const TagParts& tag) {
  const auto at = jobs.find(tag.job);
  if (at == jobs.end() || tag.attempt < 1 || tag.attempt > std::ssize(at->second.attempts)) return nullptr;
  const auto& attempt = at->second.attempts[static_cast<std::size_t>(tag.attempt) - 1];
  return attempt.site.str() == site ? &attempt : nullptr;
}

}  // namespace

void Terms::arriving(const std::string& site, const ClusterRequest& request) {
  const auto tag = parse_tag(request.name);
  const auto* attempt = tag ? attempt_of(jobs_, site, *tag) : nullptr;
  if (attempt == nullptr) return;  // I3
  const auto& spec = jobs_.at(tag->job).spec;
  const auto wanted = wanted_at(sites_.at(site).plan, spec);
  const auto about = "job " + tag->job.str() + " is sent to " + site;
  if (!spec.variants.empty()) ++variants_sent_;
  if (request.resources.exclusive != wanted.resources.exclusive)
    complain_("I25", about + (wanted.resources.exclusive ? " to share its nodes" : " for whole nodes"));
  else if (request.resources != wanted.resources)
    complain_("I24", about + " for " + text_of(request.resources) + ", and its variant \"" + wanted.variant + "\" is " +
                         text_of(wanted.resources));
  if (request.time_limit != spec.time_limit) complain_("I24", about + " for another time");
  if (request.scheduler_account != kChargedTo) complain_("I26", about + " to be charged to " + request.scheduler_account);
}

void Terms::recorded(const Job& job, const EventBody& body) {
  if (const auto* intent = std::get_if<AttemptIntended>(&body)) {
    const auto wanted = wanted_at(sites_.at(intent->site.str()).plan, job.spec);
    if (intent->variant != wanted.variant)
      complain_("I24", "job " + job.id.str() + " goes to " + intent->site.str() + " as its variant \"" + intent->variant +
                           "\", and \"" + wanted.variant + "\" is for there");
  } else if (const auto* bound = std::get_if<AttemptBound>(&body)) {
    told_.erase({job.id, bound->attempt});  // of another site job
  } else if (const auto* granted = std::get_if<AttemptGranted>(&body)) {
    if (!granted->reason.code.empty()) told_[{job.id, granted->attempt}].insert(granted->reason.code);
  } else if (const auto* ended = std::get_if<AttemptEnded>(&body); ended != nullptr && ended->reason.code == "OTHER_ACCOUNT") {
    ++taken_back_;
    if (!charged_otherwise(job.id, ended->attempt))
      complain_("I26", "job " + job.id.str() + " is taken back, and nothing on record says why");
  }
}

bool Terms::charged_otherwise(const JobId& job, std::int32_t attempt) const {
  const auto told = told_.find({job, attempt});
  return told != told_.end() && told->second.contains("OTHER_ACCOUNT");
}

void Terms::look_at_nodes() {
  for (auto& [id, site] : sites_) {
    struct Tenants {
      int jobs = 0;
      const ClusterJob* alone = nullptr;  // who was promised that
    };
    std::map<std::uint32_t, Tenants> nodes;
    for (const auto& job : site.model->cluster().jobs()) {
      if (job.state != ClusterState::running && job.state != ClusterState::completing) continue;
      const auto tag = job.request.fenced ? parse_tag(job.request.name) : std::nullopt;
      const auto at = tag ? jobs_.find(tag->job) : jobs_.end();
      const bool alone = at != jobs_.end() && wanted_at(site.plan, at->second.spec).resources.exclusive;
      for (const auto& share : job.shares) {
        auto& tenants = nodes[share.node];
        ++tenants.jobs;
        if (alone) tenants.alone = &job;
      }
    }
    for (const auto& [node, tenants] : nodes) {
      if (tenants.alone != nullptr && tenants.jobs > 1)
        complain_("I25", "site job " + tenants.alone->id.str() + " at " + id +
                             " was to have its nodes alone, and shares one with " + std::to_string(tenants.jobs - 1) + " more");
    }
  }
}

// ---- the end

void Terms::at_the_end(const std::vector<UsageRecord>& ledger) {
  for (const auto& record : ledger) check_usage(record);
  for (auto& [id, site] : sites_) {
    for (const auto& job : site.model->cluster().jobs()) {
      if (job.request.fenced && !site.strangers.contains(job.serial) && job.payload_starts > 0) check_given(id, job);
    }
  }
}

/// By what the site was to give: whole nodes count whole.
void Terms::check_usage(const UsageRecord& record) {
  const auto tag = parse_tag(record.tag.str());
  const auto site = sites_.find(record.site.str());
  const auto* there =
      tag && record.started_at ? site->second.model->cluster().job(record.site_job_id, record.tag.str()) : nullptr;
  const auto* attempt = tag ? attempt_of(jobs_, record.site.str(), *tag) : nullptr;
  if (there == nullptr || attempt == nullptr) return;
  const bool alone = wanted_at(site->second.plan, jobs_.at(tag->job).spec).resources.exclusive;
  const auto& given = there->request.resources;
  const auto& node = site->second.plan.cluster.node_groups.front();
  const auto cores = alone ? given.nodes * node.cores : given.tasks * given.cpus_per_task;
  const auto gpus = given.nodes * (alone ? node.gpus : given.gpus_per_node);
  const auto seconds = record.elapsed.count();
  const bool right = record.nodes == given.nodes && record.cores == cores && record.gpus == gpus &&
                     record.core_seconds.value == seconds * cores && record.gpu_seconds.value == seconds * gpus;
  if (!right)
    complain_(alone ? "I25" : "I24", "site job " + record.site_job_id.str() + " at " + record.site.str() + " is accounted for " +
                                         std::to_string(record.cores) + " cores and " + std::to_string(record.gpus) +
                                         " GPUs, and had " + std::to_string(cores) + " and " + std::to_string(gpus));
}

void Terms::check_given(const std::string& site, const ClusterJob& there) {
  const auto tag = parse_tag(there.request.name);
  const auto* attempt = tag ? attempt_of(jobs_, site, *tag) : nullptr;
  const auto& bound = there.array_id.empty() ? there.id : there.array_id;
  if (attempt == nullptr || attempt->site_job_id != bound || there.forgotten) return;
  const auto& job = jobs_.at(tag->job);
  if (job.state == JobState::lost) return;
  const auto code = difference(there.request, wanted_at(sites_.at(site).plan, job.spec), job.spec, *attempt);
  const auto told = told_.find({tag->job, tag->attempt});
  const auto about = "site job " + there.id.str() + " at " + site + " of job " + tag->job.str();
  if (code.empty() && told != told_.end()) complain_("I26", about + " is on record as " + *told->second.begin() + ", and is not");
  if (!code.empty() && (told == told_.end() || !told->second.contains(code)))
    complain_("I26", about + " is " + code + ", and nothing on record says so");
}

}  // namespace hansa::sim
