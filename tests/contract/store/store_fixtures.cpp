// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

namespace hansa::contract {

JobId next_id() {
  static std::uint32_t count = 0;
  ++count;
  std::array<std::uint8_t, 16> bytes{0x01, 0x9e, 0, 0, 0, 0};
  for (std::size_t i = 0; i < 4; ++i) bytes[2 + i] = static_cast<std::uint8_t>(count >> (24 - 8 * i));
  for (std::size_t i = 6; i < 16; ++i) bytes[i] = static_cast<std::uint8_t>(count * 2654435761U >> (i + 3));
  return JobId(bytes);
}

ports::NewJob new_job(const JobTraits& traits) {
  domain::JobSpec spec;
  spec.name = "na\"me\n\xF0\x9F\x9A\x80";
  spec.project = ProjectId(traits.project);
  spec.resources = {
      .nodes = 2, .tasks = 8, .cpus_per_task = 4, .memory_per_node = {64000}, .gpus_per_node = 4, .gpu_model = "a100"};
  spec.time_limit = Seconds{7200};
  spec.placement = {.sites = {SiteId("alpha")}, .countries = {"FI", "SE"}};
  spec.requeue = true;
  return {.job = domain::new_job(next_id(), traits.epoch, at(traits.second),
                                 {.owner = Principal(traits.owner), .broker_id = "broker-1", .spec = spec}),
          .payload = {.script = std::string("#!/bin/bash\necho \"$(id)\" 'x'\n\xff\xfe", 30),
                      .arguments = {"--a", "", "with, comma:3", "-x\n"},
                      .environment = {{"B", "2"}, {"A", ""}, {"B", "3"}}}};
}

domain::Job accepted(StoreUnderTest& store, const JobTraits& traits) {
  auto job = new_job(traits);
  auto value = job.job;
  const auto done = store.wait(store.jobs().accept_jobs({std::move(job)}, std::nullopt));
  INFO(code_of(done));
  REQUIRE(done);
  return value;
}

ports::JobChange change(domain::Job& job, std::vector<domain::EventBody> events, std::int64_t second) {
  ports::JobChange made;
  for (auto& body : events) {
    made.events.push_back({.at = at(second), .body = std::move(body)});
    if (auto done = domain::apply(job, made.events.back()); !done) throw std::logic_error(done.error().message);
  }
  made.job = job;
  return made;
}

void recorded(StoreUnderTest& store, domain::Job& job, std::vector<domain::EventBody> events, std::int64_t second) {
  const auto done = store.wait(store.jobs().record(change(job, std::move(events), second)));
  INFO(code_of(done));
  REQUIRE(done);
}

domain::Job bound(StoreUnderTest& store, const std::string& site, const std::string& site_job_id, const JobTraits& traits) {
  auto job = accepted(store, traits);
  recorded(store, job,
           {domain::AttemptIntended{.attempt = 1,
                                    .site = SiteId(site),
                                    .queue = QueueName("batch"),
                                    .account = LocalAccount("alice"),
                                    .scheduler_account = ""},
            domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId(site_job_id)}});
  return job;
}

}  // namespace hansa::contract
