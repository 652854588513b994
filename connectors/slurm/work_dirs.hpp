// SPDX-License-Identifier: Apache-2.0
#pragma once
// The accounts' own folders at the site (connectors/transport/wrapper.hpp has their plan): made, sealed, read. Everything as the
// account, with no more rights than it has.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/ports/site_connector.hpp"
#include "connectors/transport/file_access.hpp"
#include "connectors/transport/transport.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::connectors::slurm {

class WorkDirs {
 public:
  /// `pattern` is relative to the account's home, or absolute, with "{account}" in it; `own_account` is the name of the broker's
  /// own. `transport` outlives it.
  WorkDirs(std::string pattern, std::string own_account, transport::Transport& transport)
      : pattern_(std::move(pattern)), own_account_(std::move(own_account)), transport_(transport) {}

  [[nodiscard]] std::string path_of(const LocalAccount& account) const;

  /// Makes the folders, unless it has already.
  ports::Task<> prepare(LocalAccount account, Principal person, std::string tag, ports::Deadline deadline);
  /// Something went wrong there: looked after again before the next use.
  void forget(const LocalAccount& account) { prepared_.erase(account); }

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
  std::string pattern_;
  std::string own_account_;
  transport::Transport& transport_;
  std::set<LocalAccount> prepared_;
};

}  // namespace hansa::connectors::slurm
