// SPDX-License-Identifier: Apache-2.0
#pragma once
// What waits at a site and would start now at another is taken there (DESIGN 5.5, ADR 0017).
//
//   look     after a snapshot: a job of ours is seen in a site's line, starts there only beyond the gain, and now at another
//            site where the rules let it be taken (place, dispatch and reroute); its place there is kept meanwhile
//   intent   MoveIntended is durable
//   seal     the attempt's fence is taken: its payload can never start. Somebody has it: too late, and nothing has happened
//   cancel   at the site, only while pending, again and again until there is a word
//   moved    the attempt ends, never started, MOVED: by that word, or by what Watch sees of a sealed attempt. The job is in line
//            again, and goes where its place is kept as any other goes
//
// Invariants: no call to the site before the intent; no further attempt before the seal has won and the site job is known to be
// out of the line, so that two payloads cannot run and none is stopped; one move begun in a job's life; of a thousand jobs ever
// accepted so many begun at most, over restarts; the new site's budget counts the kept place.
// Strand: the engine's.

#include "broker/engine/context.hpp"

#include <unordered_set>

namespace hansa::engine {

class Placement;
class Reconciler;

class Moves {
 public:
  Moves(Context& context, boost::asio::any_io_executor strand, Placement& placement, Reconciler& reconciler)
      : context_(context), placement_(placement), reconciler_(reconciler), news_(std::move(strand)) {}

  /// Before anything else here: of all jobs that there have been.
  void begin(ports::Tally tally) { tally_ = tally; }
  void accepted() { ++tally_.accepted; }

  /// Looks whenever news() came; ends by cancellation.
  async::Task<> run();
  void news() { news_.set(); }

  /// A move is intended, or a job is to be taken back for its account, and it is not known what became of that: goes on until it is.
  void carry(const JobId& id);

  [[nodiscard]] std::int64_t begun() const { return tally_.moves; }

 private:
  struct Candidate {
    JobId id;
    SiteId site;
    Seconds wait{0};  // predicted, there
  };
  [[nodiscard]] bool allowed() const;
  [[nodiscard]] std::vector<Candidate> candidates() const;
  async::Task<> look();
  async::Task<> move(JobId id, std::int32_t attempt, domain::Move move);
  async::Task<> carry_on(JobId id);

  Context& context_;
  Placement& placement_;
  Reconciler& reconciler_;
  async::Event news_;
  ports::Tally tally_;
  std::unordered_set<JobId> under_way_;
};

}  // namespace hansa::engine
