// SPDX-License-Identifier: Apache-2.0
#pragma once
// The code that people bring for their jobs: whether the rules let the broker have it, which of it jobs still need, and how a
// job's way to its site gets at it. Strand: the engine's.

#include "broker/engine/context.hpp"

#include <map>
#include <set>

namespace hansa::engine {

/// Whose code a piece is of, as a job's submission would say it: asked of the rules (`intake`) before any of it is kept.
struct CodeOffer {
  Principal owner;
  domain::JobSpec spec;    // project, labels
  ports::CodePiece piece;
};

class CodeKeeper {
 public:
  /// `store` may be none: this broker carries no code.
  CodeKeeper(Context& context, ports::CodeStore* store) : context_(context), store_(store) {}

  void job_changed(const domain::Job* before, const domain::Job& after);

  /// Errors: not_found (NO_CODE), permission_denied (RULES_DENY), those of ports::CodeStore.
  async::Task<std::optional<ports::CodeState>> look(Principal owner, CodeId id);
  async::Task<ports::CodeState> take(CodeOffer offer);

  /// Sweeps at once, and every hour.
  async::Task<> run();

 private:
  Context& context_;
  ports::CodeStore* store_;
  std::map<Principal, std::map<CodeId, std::size_t>> jobs_;  // that are not over and name it
};

/// For a site: not_found (CODE_NOT_HERE) if it is not here any more.
async::Task<ports::Code> open_code(ports::CodeStore* store, Principal owner, CodeId id);

/// Whether all of it is here and its owner's; invalid_argument (CODE_NOT_HERE) with the fault at /code.
async::Task<> all_code_here(ports::CodeStore* store, Principal owner, std::set<CodeId> wanted);

}  // namespace hansa::engine
