// SPDX-License-Identifier: Apache-2.0
#pragma once
// How much each project has trained through this broker, over all sites, and may yet: GPU time by the peak rate of its devices
// (AI Act, Annex XI; docs/policies/ai-act-compute.md). What has ended counts as it is booked; what is at a site, or has left it
// and is not booked yet, by its time limit. So no sum is too small while jobs go on, but for jobs that ended in the minutes
// before a restart: they count once they are booked. A job that names no model, or one without a rate, counts by the fastest. In
// 10^15 operations (petaFLOP), rounded up. Strand: the engine's.

#include "broker/domain/job.hpp"
#include "broker/ports/stores.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hansa::engine {

class TrainingCompute {
 public:
  /// `teraflops`: of each model, 10^12 operations a second. None: nothing is counted.
  TrainingCompute(ports::UsageStore& usage, const std::map<std::string, std::int64_t>& teraflops)
      : usage_(usage), teraflops_(teraflops) {}

  /// What was booked before this start.
  async::Task<> start() { return read_on(); }
  void job_changed(const domain::Job* before, const domain::Job& after);
  /// Usage of these jobs may have been booked.
  async::Task<> booked(std::vector<JobId> jobs);

  /// Of the project, with this job of it, which may be counted already or not. None: nobody counts.
  [[nodiscard]] std::optional<std::int64_t> with(const domain::JobSpec& spec, const std::optional<JobId>& id) const;

  /// Of the job alone, in petaflop, whichever of its variants runs; 0 where no rate is known.
  [[nodiscard]] std::int64_t at_most(const domain::JobSpec& spec) const;

 private:
  struct Open {  // a job that is at a site, or whose usage is not booked yet
    ProjectId project;
    std::int64_t petaflop = 0;
    bool over = false;
    bool booked = false;  // its usage, or that of an earlier run
  };
  [[nodiscard]] std::int64_t petaflop(std::int64_t gpu_seconds, std::string_view model) const;
  void close(std::map<JobId, Open>::iterator at);
  async::Task<> read_on();

  ports::UsageStore& usage_;
  const std::map<std::string, std::int64_t>& teraflops_;
  std::map<ProjectId, std::int64_t> booked_, open_by_project_;
  std::map<JobId, Open> open_;
  std::int64_t last_ = 0;  // record that is in booked_
};

}  // namespace hansa::engine
