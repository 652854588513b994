// SPDX-License-Identifier: Apache-2.0
#pragma once
// Break-glass: what is a job's owner's alone, opened to an operator by a second one's word, for a time. Who may ask and approve
// at all is the caller's question (identity); that it takes two, and that each step is in the ledger, is the store's.
//
// One that nobody approved within a day ends, too. One that is open ends by its time, measured here by a clock that does not
// step, and by the one on the wall, whichever comes first; by somebody's word; when who asked or approved is shut out. Over a
// restart as much of it is left as at the last minute that it was seen open, less what the wall clock says has gone by since.
// What was ended is never opened again.
//
// start(), stop() and the loop on the strand of Parts; everything else from any thread.

#include "broker/async/event.hpp"
#include "broker/async/task_group.hpp"
#include "broker/domain/job.hpp"
#include "broker/engine/catalogue.hpp"
#include "broker/ports/break_glass.hpp"
#include "broker/ports/log.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace hansa::engine {

class BreakGlassRegister {
 public:
  struct Parts {
    boost::asio::any_io_executor strand;
    async::Scheduler& scheduler;
    UlidSource& ids;
    ports::BreakGlassStore& store;
    ports::Log& log;
    std::int64_t epoch = 0;  // of this life of the broker
    Seconds longest{28'800};  // of any
  };
  explicit BreakGlassRegister(Parts parts);

  /// Goes on with what was open; ends what is over, and what nobody approved in time.
  async::Task<> start();
  async::Task<> stop() { return tasks_.close(); }

  [[nodiscard]] Seconds longest() const { return parts_.longest; }

  struct Figures {
    std::int64_t open = 0;      // by which somebody may do something now
    std::int64_t pending = 0;   // that wait for a second person
    std::int64_t approved = 0;  // since this life of the broker began
  };
  [[nodiscard]] Figures figures() const;

  /// invalid_argument, BAD_BREAK_GLASS: longer than may be, or one's own. Conflict, ALREADY_PENDING: the same was asked for by
  /// them and waits. `makers`: who had a hand in the token by which they ask.
  async::Task<domain::BreakGlass> ask(Asking asking, std::vector<Principal> makers, domain::BreakGlassScope scope, Seconds lasts);
  /// As BreakGlassStore's. Its time begins with the approval.
  async::Task<domain::BreakGlass> rule(domain::BreakGlassId id, ports::BreakGlassRuling ruling);
  async::Task<domain::BreakGlass> end(domain::BreakGlassId id, Principal by);
  /// All that they asked for or approved: a person, or an issuer's id for all of its people; they are shut out, by `by`.
  async::Task<> end_those_of(std::string shut_out, Principal by);

  /// By which one `by` may do this now; that is durable, in the ledger too, when it returns. `job`: none, to all of the owner's.
  /// permission_denied, with what is missing: BREAK_GLASS_NEEDED, BREAK_GLASS_PENDING, BREAK_GLASS_ENDED.
  async::Task<domain::BreakGlass> use(Principal by, std::optional<JobId> job, Principal owner, std::string operation);
  /// For what takes longer. permission_denied, BREAK_GLASS_ENDED.
  [[nodiscard]] Result<void> still_open(domain::BreakGlassId id) const;

  [[nodiscard]] ports::BreakGlassStore& store() const { return parts_.store; }

 private:
  struct Open {
    domain::BreakGlass glass;
    MonotonicTime good_until{};
    MonotonicTime look_again{};
  };
  [[nodiscard]] bool is_over(const Open& one) const;
  /// `approved`: just now, so that it has waited until here; if it does not wait any more, it has been ended meanwhile.
  void open(domain::BreakGlass glass, bool approved = false);
  void await_second(domain::BreakGlassId id);
  void forget(domain::BreakGlassId id);
  [[nodiscard]] std::optional<domain::BreakGlass> open_for(const Principal& by, const std::optional<JobId>& job,
                                                           const Principal& owner) const;
  async::Task<domain::BreakGlass> refuse(Principal by, std::optional<JobId> job, Principal owner);
  async::Task<domain::BreakGlass> end_as(domain::BreakGlassId id, Principal by, std::string_view why);
  async::Task<> loop();
  async::Task<> look(Open one);
  async::Task<std::optional<MonotonicTime>> end_stale();
  async::Task<> wake();

  const Parts parts_;
  mutable std::mutex mutex_;  // of the next three; never held while anything is awaited
  std::map<domain::BreakGlassId, Open> open_;
  std::set<domain::BreakGlassId> pending_;
  std::int64_t approved_ = 0;
  async::Event opened_;
  async::TaskGroup tasks_;  // last: they use everything else
};

}  // namespace hansa::engine
