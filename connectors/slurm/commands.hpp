// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's own commands at the site: what is asked of them, and their answers read. Questions only; what changes a job goes
// through run(), and sbatch is the connector's.
//
// Strand: the engine's. Nothing here is locked.

#include "connectors/batch/programs.hpp"
#include "connectors/slurm/questions.hpp"
#include "connectors/transport/transport.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::slurm {

class Commands final : public Questions, public batch::Programs {
 public:
  /// `slurm_conf` may be "": the commands' own default. `transport` and `random` outlive it.
  Commands(std::string bin_dir, std::string slurm_conf, transport::Transport& transport, Random& random)
      : Programs(std::move(bin_dir), environment_of(std::move(slurm_conf)), transport), random_(random) {}

  ports::Task<Listing<QueueRow>> queue(QueueQuestion question, ports::Deadline deadline) override;
  ports::Task<Listing<HistoryRow>> history(HistoryQuestion question, ports::Deadline deadline) override;
  ports::Task<Inventory> inventory(ports::Deadline deadline) override;
  /// Nodes and all that stand in inventory() change at any time, this when the site's people change or upgrade it: it is asked
  /// with every tenth inventory(), in the same call.
  ports::Task<Configuration> configuration(ports::Deadline deadline) override;
  ports::Task<std::vector<Viewer>> viewers_of(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;

  /// A question in plain text, as the broker's own account; what did not end well is an error.
  ports::Task<transport::CommandResult> ask(std::string program, std::vector<std::string> arguments, ports::Deadline deadline);

 private:
  [[nodiscard]] transport::Command question_command(Viewer viewer, std::string_view program,
                                                    std::vector<std::string> arguments) const;

  static std::vector<std::pair<std::string, std::string>> environment_of(std::string slurm_conf);

  Random& random_;
  std::optional<Configuration> configuration_;
  std::size_t inventories_since_ = 0;  // it was asked
  bool history_hides_jobs_ = false;  // slurmdbd's own PrivateData
};

/// As batch::no_answer, in Slurm's words for what is not allowed.
std::unexpected<Error> no_answer(const std::string& program, const transport::CommandResult& result);

}  // namespace hansa::connectors::slurm
