// SPDX-License-Identifier: Apache-2.0
#pragma once
// Puts waiting jobs on sites: the most urgent first, each to the earliest predicted start, as long as some site has room for
// more of ours (round.cpp). Jobs bind late: what no site has room for stays here (late_binding.cpp).
//
// Jobs of one shape (what it needs, who runs it) get the same verdicts and stand in one line. A round asks the router about the
// first of each line and goes on with that line only if it was placed, so that its cost follows the kinds of waiting jobs and
// the places free, not the number of jobs.

#include "broker/engine/context.hpp"
#include "broker/engine/lapses.hpp"
#include "broker/engine/notice_board.hpp"
#include "broker/engine/refusals.hpp"
#include "broker/engine/stager.hpp"
#include "policies/routing/decide.hpp"
#include "policies/routing/run_history.hpp"

#include <array>
#include <deque>
#include <set>
#include <tuple>

namespace hansa::engine {

class Dispatch;

/// What a decision makes of its job: submitting, staging, waiting, held or rejected.
domain::JobState state_after(const domain::Decision& decision);

class Placement {
 public:
  Placement(Context& context, Dispatch& dispatch, Stager& stager)
      : context_(context), dispatch_(dispatch), stager_(stager), refusals_(context) {}

  /// The loop; ends by cancellation.
  async::Task<> run();

  /// The verdicts as of now; takes no room.
  async::Task<domain::Decision> consider(Principal person, domain::JobSpec spec);
  async::Task<domain::Decision> reconsider(domain::Job job);

  /// What a round would say of a job that is about to be stored, if that is certain at once: its line has been told where it
  /// stands and no site has news, or nobody waits at all. A place that it gets is held until settle(). Not of a job with
  /// datasets: the register has to be read first.
  Foresight foresee(const domain::Job& job);
  /// The job is stored as foreseen, and is put into the book next; null: it is not, and holds no place.
  void settle(const JobId& id, const domain::Job* stored, Foresight foresight);
  /// What lines have been told, for other threads.
  [[nodiscard]] const NoticeBoard& notices() const { return board_; }

  // Told by the engine.
  void job_changed(const domain::Job* before, const domain::Job& after);
  void site_changed(SiteDesk& desk);   // new snapshot, health, drain
  void facts_changed();                // rules, what they ask about, datasets: every line is looked at again
  void login_good(const SiteId& site, const Principal& person);  // they have come: what waited for their login may go
  void look_again();  // a transfer, an allocation: the same, but no site is asked again what its own rules denied

  // For Moves.
  /// When the site's snapshot lets its job start, as predicted; none: nobody can tell.
  [[nodiscard]] std::optional<UtcTime> start_of(const SiteId& site, const SiteJobId& id) const;
  /// Where a job that waits at a site would start now, if anywhere else. Its place there is kept: until withdraw(), until the
  /// job is placed, or until it neither moves nor is in line any more.
  std::optional<domain::Decision> elsewhere(const domain::Job& job, const Dossier& dossier);
  void withdraw(const JobId& id);

  /// Decisions since the start, by what they came to: where the job goes (submitting), or what it does meanwhile (staging,
  /// waiting, held), or that it goes nowhere (rejected).
  [[nodiscard]] const std::map<domain::JobState, std::int64_t>& decisions() const { return decisions_; }

 private:
  struct Desktop {  // what placement keeps for each site
    std::optional<domain::SiteHealth> health;
    bool drained = false;
    std::optional<UtcTime> looked_over;  // the report that was taken into account
    std::optional<routing::AvailabilityProfile> profile;
    std::optional<MonotonicTime> built_from;  // the snapshot it was built from
    std::int64_t cores = 0;  // usable, in that snapshot
    std::int64_t nodes = 0;  // that they are of
    std::int64_t others_waiting =
        0;  // other people's jobs in that snapshot that could start; where they are hidden, one at least
    std::deque<std::pair<MonotonicTime, std::int64_t>> short_runs;  // over there of late, sooner than we look: when seen, cores
  };
  /// A decision with the documents that it must be stored with, so that it can be replayed.
  struct Considered {
    domain::Decision decision;
    domain::Documents documents;
  };
  /// Jobs of one shape that have no site, by their state: accepted, waiting, held by no site, staging. Each set in order of
  /// submission.
  struct Line {
    std::array<std::set<JobId>, 4> jobs;
    std::optional<domain::JobState> verdict;  // of the last round that asked; held: only news of a site can help

    [[nodiscard]] const JobId& first() const;
    [[nodiscard]] bool empty() const;
    /// Those whose state is not the verdict yet, `most` of them at most.
    [[nodiscard]] std::vector<JobId> untold(std::size_t most) const;
    [[nodiscard]] bool all_told() const { return untold(1).empty(); }
  };

  /// The most urgent first.
  using Turn = std::pair<std::int64_t, JobId>;
  /// What a job that stays here could have begun at a site: less urgent ones may not make that later.
  struct Kept {
    JobId job;
    SiteId site;
    QueueName queue;
    std::string variant;
    UtcTime at{};
  };
  /// A place at another site, for a job that is being moved there.
  struct Promise {
    SiteId site;
    QueueName queue;
    std::string variant;
    Tag tag;
  };

  async::Task<> round();
  /// True: the job has left its line.
  async::Task<bool> place(JobId id, Considered considered);
  /// The attempt that the decision makes of the job, its place at the site taken. None: the person has no account there any more.
  std::optional<domain::AttemptIntended> intend(const domain::Job& job, const domain::Decision& decision);
  /// The room that the job will take: of an array, that of as many tasks as run side by side. What starts is played as if it were
  /// the first of them alone.
  void occupy(const domain::Site& site, const Tag& tag, const QueueName& queue, const domain::Job& job, std::string_view variant);
  void release(const SiteId& site, const Tag& tag);
  void remember(const std::string& shape, domain::Decision told);
  /// Puts on the board what the line of that shape was told, if it still is told that, and how things stand.
  void post(const std::string& shape);
  void post_outlook() { board_.outlook(rounds_, sites_changed_, !lines_.empty()); }
  /// Writes the verdict for those of the line who do not have it, `budget` of them at most.
  async::Task<> tell(std::string shape, Considered considered, std::size_t& budget);
  /// True: it is stored.
  async::Task<bool> note_not_placed(JobId id, Considered considered);
  [[nodiscard]] bool may_return(const JobId& id, MonotonicTime now) const;
  [[nodiscard]] std::optional<std::tuple<std::string, std::int64_t, bool>> what_is_seen(const Desktop& desktop) const;
  /// It never started; `at_load`: that was before this start.
  void not_taken(const domain::Job& job, const domain::Attempt& attempt, bool at_load);
  /// What became of an attempt says something of its person's login there.
  void mind_login(const domain::Job* before, const domain::Job& after);
  [[nodiscard]] static bool is_in_line(const domain::Job& job);
  [[nodiscard]] std::string line_of(const domain::Job& job) const;
  /// Read once in a round for all lines of a person that name the same datasets.
  async::Task<Dossier> dossier_of(Principal person, std::vector<DatasetId> datasets);
  /// `documents`, if given, gets what the decision must be stored with.
  domain::Decision decide(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier, const JobId* id,
                          domain::Documents* documents);
  std::optional<domain::Reason> busy(SiteDesk& desk) const;
  /// Why the project may not spend what the job may cost where the verdict would have it.
  std::optional<domain::Reason> beyond_budget(const domain::Decision& decision, const domain::JobSpec& spec,
                                              const domain::TaskArray& array) const;
  [[nodiscard]] Turn turn_of(const JobId& first) const;
  void learn(const domain::Job& over);
  [[nodiscard]] std::int64_t turned_over(const SiteDesk& desk, const Desktop& desktop) const;
  /// Why the job is not to go where the verdict would have it: it binds late, or would delay a more urgent one.
  std::optional<domain::Reason> not_there(const domain::Decision& decision, const domain::JobSpec& spec, const JobId* id);
  std::optional<domain::Reason> place_later(const Desktop& desktop, const domain::JobSpec& spec, const JobId* id) const;
  std::optional<domain::Reason> fed(const SiteDesk& desk, const Desktop& desktop, const domain::JobSpec& spec,
                                    const Kept* kept) const;
  void keep_free(const JobId& id);
  [[nodiscard]] const Kept* kept_at(const SiteId& site, const JobId* but_for) const;
  std::optional<domain::Reason> delays(const routing::AvailabilityProfile& profile, const Kept& kept, const QueueName& queue,
                                       const domain::JobSpec& spec) const;
  void occupy_promised(const SiteId& site, const JobId* only);
  void promise_stands(const domain::Job& job);
  /// Places kept for others count as ours; who waits at a site, or has just left it to go elsewhere, is asked about as such.
  void mind_moves(const JobId* id, const Hearing* hearing, const Regulations& in_force, routing::SiteView& view) const;
  [[nodiscard]] bool any_room();
  [[nodiscard]] MonotonicTime next_round();
  void mark_stored(const domain::Documents& documents);

  Context& context_;
  Dispatch& dispatch_;
  Stager& stager_;
  bool sites_changed_ = true;  // every line is looked at again
  MonotonicTime next_full_round_{};  // also without news of a site: clocks move, avoidances end
  MonotonicTime last_round_{};
  std::map<std::string, Line> lines_;  // by shape
  std::map<SiteId, Desktop> desktops_;
  Refusals refusals_;
  Lapses lapses_;
  std::map<std::string, std::shared_ptr<const Notice>> told_;  // by shape: what its line was told, waiting or held
  NoticeBoard board_;
  routing::RunHistory<Principal> runs_;  // since the start: how long a person's jobs run
  std::map<SiteId, Kept> kept_;  // of the last round
  std::optional<Kept> wish_;  // of the last decision: where the job was first told to stay
  std::map<JobId, Promise> promises_;
  std::optional<Sitting> sitting_;  // of the last second in which rules were asked
  std::map<std::string, Dossier> dossiers_;  // of this round
  std::string packs_stored_;  // hash of the rule packs that decisions can be replayed from already
  std::int64_t rounds_ = 0;  // begun
  bool in_round_ = false;
  struct Foreseen {  // a place that a job has which is not stored yet; no round meanwhile
    JobId job;
    Principal person;
    SiteId site;
    Tag tag;
  };
  std::optional<Foreseen> foreseen_;
  std::map<domain::JobState, std::int64_t> decisions_{{domain::JobState::submitting, 0},
                                                      {domain::JobState::staging, 0},
                                                      {domain::JobState::waiting, 0},
                                                      {domain::JobState::held, 0},
                                                      {domain::JobState::rejected, 0}};
};

}  // namespace hansa::engine
