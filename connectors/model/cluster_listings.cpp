// SPDX-License-Identifier: Apache-2.0
// What the site tells: its queue, its accounting, a snapshot, and the time on its wall.
#include "connectors/model/cluster.hpp"

namespace hansa::connectors::model {

UtcTime Cluster::told(UtcTime moment) const {
  for (auto step = clock_steps_.rbegin(); step != clock_steps_.rend(); ++step) {
    if (step->first <= moment) return moment + step->second;
  }
  return moment;
}

bool Cluster::is_listed(const ClusterJob& job) const {
  if (job.forgotten) return false;
  if (job.submitted_at + options_.visibility_lag > now_) return false;
  return job.state != ClusterState::ended || *job.ended_at + options_.min_job_age > now_;
}

std::vector<const ClusterJob*> Cluster::listed(std::string_view name) const {
  std::vector<const ClusterJob*> found;
  if (const auto named = by_name_.find(std::string(name)); named != by_name_.end()) {
    for (const auto serial : named->second) {
      if (const auto& job = jobs_[index(serial)]; is_listed(job)) found.push_back(&job);
    }
  }
  return found;
}

std::vector<const ClusterJob*> Cluster::recorded(std::string_view name) const {
  std::vector<const ClusterJob*> found;
  if (const auto named = by_name_.find(std::string(name)); named != by_name_.end()) {
    for (const auto serial : named->second) {
      if (const auto& job = jobs_[index(serial)]; is_recorded(job)) found.push_back(&job);
    }
  }
  return found;
}

const ClusterJob* Cluster::job(const SiteJobId& id, std::string_view name) const {
  const auto found = by_id_.find(id.str());
  if (found == by_id_.end()) return nullptr;
  for (auto serial = found->second.rbegin(); serial != found->second.rend(); ++serial) {
    if (const auto& job = jobs_[index(*serial)]; job.request.name == name && !job.forgotten) return &job;
  }
  return nullptr;
}

void Cluster::describe(domain::SiteSnapshot& snapshot) const {
  snapshot.cluster = options_.name;
  snapshot.scheduler = "model";
  snapshot.queues = queues_;
  snapshot.nodes = nodes_;
  for (const auto& reservation : options_.reservations) {
    if (reservation.end > now_) snapshot.reservations.push_back(reservation);
  }
  snapshot.sees_everyone = !options_.hides_jobs;
  snapshot.arrays = options_.arrays;
  const auto hidden = [&](const ClusterJob& job) { return options_.hides_jobs && !domain::parse_tag(job.request.name); };
  for (const auto serial : running_) {
    const auto& job = jobs_[index(serial)];
    if (hidden(job)) {
      snapshot.running.push_back({.id = {}, .queue = {}, .shares = job.shares, .expected_end = domain::hidden_until(told(now_))});
      continue;
    }
    snapshot.running.push_back({.id = job.id,
                                .queue = job.request.queue,
                                .shares = job.shares,
                                .expected_end = told(*job.started_at) + job.request.time_limit});
  }
  for (const auto& [tier, serial] : waiting_) {
    const auto& job = jobs_[index(serial)];
    if (!is_listed(job) || hidden(job)) continue;
    snapshot.waiting.push_back({.id = job.id,
                                .queue = job.request.queue,
                                .resources = job.request.resources,
                                .time_limit = job.request.time_limit,
                                .eligible = !job.held && !(job.request.singleton && !first_of_its_name(job))});
  }
}

}  // namespace hansa::connectors::model
