// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/people.hpp"

#include <algorithm>
#include <sstream>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;

namespace {

constexpr Milliseconds kRetry{5'000};
const Principal kAlice("local:alice");

/// A job for one kind of machine; of GPUs as a program sees them, all of a node.
Variant variant_for(const std::string& vendor, const Resources& asked) {
  Variant variant{.name = vendor, .when = {}, .resources = asked, .software = {}, .environment = {}};
  variant.when.gpu_vendor = vendor;
  variant.resources.nodes = variant.resources.tasks = 1;
  if (vendor == "nvidia") variant.resources.gpus_per_node = 2;
  if (vendor == "amd") variant.resources.gpus_per_node = 4;
  return variant;
}

Submission submission_of(const Item& wish) {
  Submission s;
  s.spec.name = "sim";
  s.spec.time_limit = 300s;
  s.spec.requeue = wish.requeue;
  s.spec.resources.nodes = wish.nodes;
  s.spec.resources.tasks = wish.tasks;
  s.spec.resources.exclusive = wish.exclusive;
  std::istringstream vendors(wish.variants);
  for (std::string vendor; vendors >> vendor;) s.spec.variants.push_back(variant_for(vendor, s.spec.resources));
  if (!s.spec.variants.empty()) {
    auto anywhere = variant_for("", s.spec.resources);
    anywhere.name = "any";
    anywhere.resources = s.spec.resources;
    s.spec.variants.push_back(std::move(anywhere));
  }
  for (const auto& dataset : wish.datasets) s.spec.datasets.emplace_back(dataset);
  if (!wish.array.empty()) s.spec.array = parse_task_array(wish.array).value();
  s.payload.script = "#!/bin/sh\n#model " + wish.text + "\n#model-out done\n";
  return s;
}

}  // namespace

void People::begin(const Item& item) {
  switch (item.what) {
    case What::submit:
    case What::repeat_submit: return submit(item);
    case What::cancel: return cancel(item);
    case What::cancel_tasks: return cancel_tasks(item);
    case What::drain:
    case What::resume: return ask_about_site(item);
    case What::look_over: return look_over(item);
    default: return ask_about_job(item);
  }
}

// ---- submissions

void People::submit(const Item& item) {
  world_.fired(item.what);
  clients_.push_back({.wish = item, .key = "k" + std::to_string(item.n), .after = earlier_jobs(item), .answer = {}});
  ask(clients_.back());
}

std::vector<JobId> People::earlier_jobs(const Item& item) const {
  std::vector<JobId> found;
  for (auto id = known_.rbegin(); id != known_.rend() && std::cmp_less(found.size(), item.after); ++id) {
    if (world_.auditor.jobs().at(*id).owner.str() == item.person) found.push_back(*id);
  }
  return found;
}

void People::ask(Client& client) {
  if (world_.process == nullptr) return;
  const auto& wish = client.wish;
  std::vector<Submission> submissions;
  for (int i = 0; i < wish.count; ++i) {
    auto s = submission_of(wish);
    if (wish.pinned) s.spec.placement.sites.emplace_back(world_.site_of(wish));
    s.spec.after = client.after;
    if (wish.chained && i > 0) s.after_earlier = {static_cast<std::size_t>(i) - 1};
    submissions.push_back(std::move(s));
  }
  client.answer = world_.process->start_asking(
      world_.process->engine().intake().accept(Principal(wish.person), std::move(submissions),
                                               ports::Idempotency{.key = client.key, .request_hash = "hash of " + client.key}));
}

void People::ask_again() {
  for (auto& client : clients_) {
    if (!client.answer) ask(client);
  }
}

void People::hear_submissions() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    if (!client->answer || !client->answer->has_value()) {
      ++client;
      continue;
    }
    const auto answer = std::move(**client->answer);
    client->answer.reset();
    if (answer) {
      std::vector<JobId> ids;
      for (const auto& job : answer->jobs) ids.push_back(job.id);
      world_.trace.add("acknowledged " + client->key);
      world_.auditor.acknowledged(client->key, ids);
      for (const auto& id : ids) {
        if (std::ranges::find(known_, id) == known_.end()) known_.push_back(id);
      }
      if (!ids.empty()) first_of_.emplace(client->wish.n, ids.front());
      client = clients_.erase(client);
      continue;
    }
    // As a client does: the same again, until there is an answer.
    world_.at(world_.time.now_monotonic() + kRetry, [this, key = client->key, what = client->wish.what] {
      for (auto& c : clients_) {
        if (c.key == key && c.wish.what == what && !c.answer) ask(c);
      }
    });
    ++client;
  }
}

void People::hear_answers() {
  hear_submissions();
  std::erase_if(cancels_, [&](auto& asked) {
    auto& [id, answer] = asked;
    if (!answer->has_value()) return false;
    if (**answer) world_.auditor.cancel_acknowledged(id);
    return true;
  });
  std::erase_if(task_cancels_, [&](auto& asked) {
    if (!asked.answer->has_value()) return false;
    if (**asked.answer) world_.auditor.task_cancel_acknowledged(asked.id, asked.tasks);
    return true;
  });
  std::erase_if(drains_, [&](auto& asked) {
    auto& [item, answer] = asked;
    if (!answer->has_value()) return false;
    auto& site = world_.sites.at(world_.site_of(*item));
    if (**answer) site.drained = item->what == What::drain, site.drained_at = world_.time.now_monotonic();
    return true;
  });
  std::erase_if(looks_, [&](auto& asked) {
    auto& [site, answer] = asked;
    if (!answer->has_value()) return false;
    if (**answer) world_.auditor.words().look_acknowledged(site);
    return true;
  });
}

void People::process_died() {
  for (auto& client : clients_) client.answer.reset();
  cancels_.clear();
  task_cancels_.clear();
  looks_.clear();
  for (const auto& [item, answer] : drains_) {
    if (item->what == What::drain) world_.sites.at(world_.site_of(*item)).drained = false;
  }
  drains_.clear();
}

// ---- jobs and sites

std::optional<JobId> People::job_of(const Item& item) const {
  if (known_.empty() || world_.process == nullptr) return std::nullopt;
  return known_[static_cast<std::size_t>(item.n) % known_.size()];
}

void People::cancel(const Item& item) {
  const auto id = job_of(item);
  if (!id) return;
  world_.fired(item.what);
  cancels_.emplace_back(*id, world_.process->start_asking(world_.process->engine().cancel(*id, kAlice)));
}

/// Of the array that submission `n` is: those whose bits `count` has.
void People::cancel_tasks(const Item& item) {
  const auto at = first_of_.find(item.n);
  if (at == first_of_.end() || world_.process == nullptr) return;
  const auto& all = world_.auditor.jobs().at(at->second).spec.array.tasks;
  std::vector<std::int32_t> tasks;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if ((item.count >> i & 1) != 0) tasks.push_back(all[i]);
  }
  if (tasks.empty()) return;
  world_.fired(item.what);
  auto answer = world_.process->start_asking(world_.process->engine().cancel_tasks(at->second, kAlice, tasks));
  task_cancels_.push_back({.id = at->second, .tasks = std::move(tasks), .answer = std::move(answer)});
}

void People::ask_about_job(const Item& item) {
  const auto id = job_of(item);
  if (!id) return;
  world_.fired(item.what);
  auto& engine = world_.process->engine();
  if (item.what == What::hold)
    (void)world_.process->start_asking(engine.hold(*id));
  else if (item.what == What::release)
    (void)world_.process->start_asking(engine.release(*id));
  else
    (void)world_.process->start_asking(
        engine.read_output(world_.auditor.jobs().at(*id), ports::Stream::out, 0, 1000, async::Deadline::in(world_.time, 30s)));
}

void People::ask_about_site(const Item& item) {
  if (world_.process == nullptr) return;
  world_.fired(item.what);
  auto& engine = world_.process->engine();
  const SiteId site(world_.site_of(item));
  world_.sites.at(site.str()).drained = false;  // until it is acknowledged
  drains_.emplace_back(&item, world_.process->start_asking(item.what == What::drain ? engine.drain_site(site, "maintenance")
                                                                                    : engine.resume_site(site)));
}

void People::look_over(const Item& item) {
  if (world_.process == nullptr) return;
  world_.fired(item.what);
  const auto& site = world_.site_of(item);
  looks_.emplace_back(
      site, world_.process->start_asking(world_.process->engine().look_over_site(SiteId(site), Principal("local:root"))));
}

void People::resume_sites() {
  if (world_.process == nullptr) return;
  for (const auto& [id, site] : world_.sites)
    (void)world_.process->start_asking(world_.process->engine().resume_site(SiteId(id)));
}

void People::release_all() {
  if (world_.process == nullptr) return;
  for (const auto& [id, job] : world_.auditor.jobs()) {
    if (job.held_by_user) (void)world_.process->start_asking(world_.process->engine().release(id));
  }
}

}  // namespace hansa::sim
