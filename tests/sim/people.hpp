// SPDX-License-Identifier: Apache-2.0
#pragma once
// Those who ask the broker for something: they repeat a submission until they have an answer, and the books hear what they were
// told.

#include "tests/sim/world.hpp"

#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim {

class People {
 public:
  explicit People(World& world) : world_(world) {}

  void begin(const Item& item);
  void hear_answers();
  /// A process is there again: whoever has no answer asks it.
  void ask_again();
  /// Nobody will answer what it was asked.
  void process_died();

  [[nodiscard]] bool all_answered() const { return clients_.empty(); }
  void resume_sites();
  void release_all();

 private:
  /// A submission until its client has an answer.
  struct Client {
    Item wish;
    std::string key;
    std::vector<JobId> after;  // found when it is asked first
    bottle::Process::Answer<engine::Acceptance> answer;
  };
  struct TaskCancel {
    JobId id;
    std::vector<std::int32_t> tasks;
    bottle::Process::Answer<domain::Job> answer;
  };

  void submit(const Item& item);
  void ask(Client& client);
  void cancel(const Item& item);
  void cancel_tasks(const Item& item);
  void ask_about_job(const Item& item);
  void ask_about_site(const Item& item);
  void look_over(const Item& item);
  void hear_submissions();
  /// The person's own, those that were acknowledged last.
  [[nodiscard]] std::vector<JobId> earlier_jobs(const Item& item) const;
  [[nodiscard]] std::optional<JobId> job_of(const Item& item) const;

  World& world_;
  std::list<Client> clients_;
  std::vector<JobId> known_;                           // acknowledged
  std::map<int, JobId> first_of_;                      // of a submission, by its number
  std::vector<std::pair<JobId, bottle::Process::Answer<domain::Job>>> cancels_;
  std::vector<TaskCancel> task_cancels_;
  std::vector<std::pair<const Item*, bottle::Process::Answer<void>>> drains_;
  std::vector<std::pair<std::string, bottle::Process::Answer<domain::DoctorReport>>> looks_;
};

}  // namespace hansa::sim
