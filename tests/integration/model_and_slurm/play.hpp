// SPDX-License-Identifier: Apache-2.0
#pragma once
// One history's hands and eyes at a site, and what all histories of a site share.

#include "broker/async/real_scheduler.hpp"
#include "broker/core/ulid.hpp"
#include "tests/integration/model_and_slurm/stage.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::held_against {

/// What a job does: prints a line, runs, exits.
struct Work {
  Seconds runs{0};
  int exit_code = 0;
  int signal = 0;                   // ends itself by this instead
};

/// Looks at all jobs of all histories with one question, as the broker does, and reads the usage as it comes.
class Board {
 public:
  explicit Board(Stage& stage);

  Stage& stage;
  UlidSource& ids() { return ids_; }

  std::size_t watch(ports::SiteJob job);
  [[nodiscard]] const ports::JobStatus& seen(std::size_t place) const { return seen_[place]; }
  /// Until `open` is false; errors are for who asks on purpose.
  awaitable<void> look(const bool& open);
  awaitable<void> read_usage();
  [[nodiscard]] std::vector<domain::UsageRecord> usage_of(const Tag& tag) const;

 private:
  async::SystemRandom random_;
  UlidSource ids_;
  std::vector<ports::SiteJob> jobs_;
  std::vector<ports::JobStatus> seen_;
  ports::UsageCursor cursor_;
  std::map<std::string, domain::UsageRecord> usage_;  // by what makes a run's record one and the same
};

class Play {
 public:
  Play(std::string name, Board& board) : name_(std::move(name)), board_(board) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  Stage& stage() { return board_.stage; }
  ports::SiteConnector& connector() { return stage().connector(); }
  [[nodiscard]] async::Deadline in(Seconds time) { return async::Deadline::in(stage().scheduler(), time); }

  /// A line of what was seen. Both sites must have the same.
  void note(std::string_view what, std::string_view seen);

  ports::SubmitRequest request(const Work& work, std::string_view queue = "main");
  /// Notes what came of it; without a receipt the job's id is empty.
  awaitable<ports::SiteJob> submit(ports::SubmitRequest request);
  awaitable<ports::SiteJob> submit(Work work, std::string queue = "main") { return submit(request(work, queue)); }
  [[nodiscard]] ports::SiteJob expected(const ports::SubmitRequest& request);

  awaitable<void> pause(Milliseconds time);
  awaitable<bool> wait(std::function<bool()> condition, Seconds patience = Seconds{60});
  /// Waits for the board to see it so, and notes it.
  awaitable<ports::JobStatus> until(ports::SiteJob job, ports::Phase phase, Seconds patience = Seconds{60});
  /// Until its payload has printed and has run for a whole second: of shorter runs, sacct shows now a start and now none.
  awaitable<void> until_it_prints(ports::SiteJob job);
  /// The status as asked now, on purpose, noted.
  awaitable<void> ask(std::string_view what, ports::SiteJob job);
  awaitable<void> find(std::string_view what, ports::SiteJob job);
  awaitable<void> cancel(ports::SiteJob job, ports::CancelWhen when = ports::CancelWhen::always);
  awaitable<void> seal(ports::SiteJob job);
  /// At the end, when the accounting has had its time: the records of its jobs.
  void note_usage();
  /// Asks again for every job that is over, once the queue has forgotten them.
  awaitable<void> ask_again();

 private:
  std::size_t place_of(const ports::SiteJob& job);

  std::string name_;
  Board& board_;
  std::vector<std::string> lines_;
  std::vector<std::pair<ports::SiteJob, std::size_t>> jobs_;  // and their places on the board
};

/// Runs all of them side by side, to their ends.
awaitable<void> together(Stage& stage, std::vector<awaitable<void>> works);

using Histories = std::vector<std::unique_ptr<Play>>;

/// All histories, at this site.
Histories play_histories(Stage& stage);

}  // namespace hansa::held_against
