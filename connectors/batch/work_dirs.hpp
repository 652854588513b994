// SPDX-License-Identifier: Apache-2.0
#pragma once
// The accounts' own folders at the site (connectors/transport/wrapper.hpp has their plan): made, sealed, read. Everything as the
// account, with no more rights than it has.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/transport/file_access.hpp"
#include "connectors/transport/transport.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::connectors::batch {

class WorkDirs {
 public:
  /// `pattern` is relative to the account's home, or absolute, with "{account}" in it; `own_account` is the name of the broker's
  /// own. `transport` and `scheduler` outlive it.
  WorkDirs(SiteId site, std::string pattern, std::string own_account, transport::Transport& transport,
           async::Scheduler& scheduler)
      : site_(std::move(site)),
        pattern_(std::move(pattern)),
        own_account_(std::move(own_account)),
        transport_(transport),
        scheduler_(scheduler) {}

  [[nodiscard]] std::string path_of(const LocalAccount& account) const;

  /// Makes the folders, unless it has already.
  ports::Task<> prepare(LocalAccount account, Principal person, std::string tag, ports::Deadline deadline);
  /// Something went wrong there: looked after again before the next use.
  void forget(const LocalAccount& account) { prepared_.erase(account); }

  /// Puts the code into the account's work_dir, unless it is there: by one job at a time for all that name it. What was begun is
  /// gone on with. Nothing of the job itself leaves for the site by it: every error but `cancelled` says so (unavailable,
  /// storage_full, permission_denied).
  ports::Task<> stage_code(LocalAccount account, Principal person, std::string tag, ports::Code code, ports::Deadline deadline);

  /// Puts a job's secrets into the account's work_dir. Nothing of the job itself leaves for the site by it, as above.
  ports::Task<> bring_secrets(LocalAccount account, Principal person, Tag tag, const std::vector<ports::DeliveredSecret>* secrets,
                              ports::Deadline deadline);
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline deadline);

  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline);

  /// A start that ran nothing ends like a payload with that exit code; the account's own files tell the two apart.
  boost::asio::awaitable<ports::JobStatus> explain_end(ports::SiteJob job, ports::JobStatus status, ports::Deadline deadline);

  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline);

  /// Beneath the job's own folder, which the account can write to while we look: every folder on the way is looked at as well.
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline);
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline);

 private:
  SiteId site_;
  std::string pattern_;
  std::string own_account_;
  struct Turn {
    explicit Turn(const boost::asio::any_io_executor& executor) : free(executor) {}
    bool taken = false;
    async::Event free;
  };
  /// Of whoever has the turn.
  ports::Task<> bring_code(const transport::FilesAt* files, std::string whole, const ports::Code* code, ports::Deadline deadline);

  transport::Transport& transport_;
  async::Scheduler& scheduler_;
  std::map<std::pair<LocalAccount, CodeId>, std::weak_ptr<Turn>> turns_;  // to bring that code
  std::set<LocalAccount> prepared_;
};

}  // namespace hansa::connectors::batch
