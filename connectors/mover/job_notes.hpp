// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a JobMover knows of its transfers, one file each beneath a folder of the broker's state: durable before a job is
// submitted, so that whoever comes after a crash knows under which tags there may be one.

#include "broker/async/task.hpp"
#include "connectors/mover/order.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace hansa::connectors::mover {

struct JobNote {
  Order order;
  std::int32_t jobs = 0;           // submitted for it, one after the other; the last one's tag has this number
  bool live = false;               // the last one may be at the site
  bool discards = false;           // it takes away what the others have copied
  SiteId site;                     // of the last one, as the next three
  LocalAccount account;
  UtcTime intended_at{};
  SiteJobId site_job;              // its receipt, or how it was found; empty: it is looked for
  bool started = false;            // one of them may have copied something
  bool cancelled = false;          // its end was asked for
  std::int32_t fruitless = 0;      // jobs, one after the other, that came no further than those before
  domain::Bytes furthest{0};       // copied and read back, by any of them
  domain::TransferStatus status;   // heard last; with phase ended it is over
  friend bool operator==(const JobNote&, const JobNote&) = default;
};

Json to_json(const JobNote& note);
Result<JobNote> job_note_from_json(std::string_view text);

/// Strand: the caller's; files are touched on a thread of their own.
class JobNotes {
 public:
  /// `folder` is absolute, and made when something comes.
  explicit JobNotes(std::string folder) : folder_(std::move(folder)) {}
  ~JobNotes() { thread_.join(); }
  JobNotes(const JobNotes&) = delete;
  JobNotes& operator=(const JobNotes&) = delete;

  async::Task<std::optional<JobNote>> read(domain::TransferId id);
  /// Durable when it returns.
  async::Task<> keep(JobNote note);
  async::Task<> forget(domain::TransferId id);

 private:
  std::string folder_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace hansa::connectors::mover
