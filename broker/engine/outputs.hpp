// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a job prints and what it leaves, read at its site as its account and given away, if the rules let it leave. They are asked
// for every piece anew. Strand: the engine's.

#include "broker/engine/context.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::engine {

class Outputs {
 public:
  /// `context` outlives it.
  explicit Outputs(const Context& context) : context_(context) {}

  // Errors, all: permission_denied (RULES_DENY, OBLIGATION), not_found (SITE_GONE), those of a connector.

  /// Of the job's last attempt, of an array of that task; not_found (NO_OUTPUT) if it never had a site.
  async::Task<ports::OutputChunk> read_stream(domain::Job job, std::optional<std::int32_t> task, ports::Stream stream,
                                              std::uint64_t offset, std::size_t limit, async::Deadline deadline) const;

  /// What is there of each output that the job names, in the order of their names; all missing if it never had a site.
  async::Task<std::vector<ports::FileFacts>> look(domain::Job job, async::Deadline deadline) const;

  /// At most `limit` bytes of the output of that name. not_found (NO_SUCH_OUTPUT: the job names none so; NO_OUTPUT;
  /// OUTPUT_MISSING), conflict (OUTPUT_NOT_A_FILE), permission_denied (OUTPUT_IS_LINK, OUTPUT_UNREADABLE).
  async::Task<ports::FileChunk> read(domain::Job job, std::string name, std::uint64_t offset, std::size_t limit,
                                     async::Deadline deadline) const;

 private:
  struct Source {
    SiteDesk* desk = nullptr;
    ports::SiteJob job;
  };
  /// Where the job's things lie, once they may leave from there.
  async::Task<Source> source_of(domain::Job job, rules::Action leaving) const;
  /// What the job was let run at that site with.
  async::Task<std::vector<std::string>> obligations_of(JobId job, SiteId site) const;

  const Context& context_;
};

}  // namespace hansa::engine
