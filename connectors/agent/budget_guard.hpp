// SPDX-License-Identifier: Apache-2.0
#pragma once
// The site's load budget, in front of its connector: whatever a broker asks, and over all connections together, no more than that
// reaches the scheduler.
//
// A call that is over it waits for its turn for half of the time that it has, if its turn comes by then: what is begun late would
// be cut. Else it is refused, and has not left: rate_limited, OVER_BUDGET. In quiet hours nothing is submitted (rate_limited,
// SITE_QUIET) and queries go at a quarter of their rate; cancels go through. A look at the site (doctor) goes as one query, and
// counts as all the questions that it asked. Strand: the connector's.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/agent/load_book.hpp"

#include <array>
#include <memory>
#include <optional>

namespace hansa::connectors::agent {

class BudgetGuard final : public ports::SiteConnector {
 public:
  /// All but `executor` outlive it. Without a book everything passes.
  BudgetGuard(ports::SiteConnector& site, SiteId id, boost::asio::any_io_executor executor, async::Scheduler& scheduler,
              ports::Log& log, std::shared_ptr<LoadBook> book)
      : site_(site), id_(std::move(id)), scheduler_(scheduler), log_(log), book_(std::move(book)), left_(std::move(executor)) {}

  [[nodiscard]] const std::shared_ptr<LoadBook>& book() const { return book_; }
  /// For calls that begin from now on; null: everything passes.
  void set_book(std::shared_ptr<LoadBook> book) { book_ = std::move(book); }

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) override;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, ports::Deadline deadline) override;
  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline) override;
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) override;
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline) override;
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline) override;
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline) override;
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline deadline) override;
  ports::Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, ports::Deadline deadline) override;
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  using Rate = LoadBook::Rate;
  class Place;

  /// `call` has not begun; it is begun when its turn comes. Without a rate it costs a call at the same time, and no more.
  template <typename T>
  ports::Task<T> in_turn(std::optional<Rate> rate, ports::Deadline deadline, ports::Task<T> call);
  ports::Task<void> wait_for_turn(std::optional<Rate> rate, ports::Deadline deadline, std::optional<Place>& place);
  /// Told in the log once in a while.
  Error over_budget(std::optional<Rate> rate, const LoadBook& book, std::optional<MonotonicTime> next);

  ports::SiteConnector& site_;
  SiteId id_;
  async::Scheduler& scheduler_;
  ports::Log& log_;
  std::shared_ptr<LoadBook> book_;
  async::Event left_;  // a call of this process has ended
  struct Refused {
    std::int64_t calls = 0;  // since it was last told
    std::optional<MonotonicTime> told_at;
  };
  std::array<Refused, domain::LoadMeter::kRates + 1> refused_;  // by rate; then calls at the same time
};

}  // namespace hansa::connectors::agent
