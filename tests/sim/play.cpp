// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/play.hpp"

#include "tests/sim/lives.hpp"

#include <algorithm>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;

namespace {

constexpr Milliseconds kToResolve{600'000};        // I12
constexpr Milliseconds kToEnd = 12h, kToBook = 1h;

/// Brings everybody together, and lets time pass: the plan's, then what it takes to heal, then to the end.
class Play {
 public:
  Play(const Plan& plan, std::ostream* log, const Mistake* mistake)
      : world_(plan, log, mistake), people_(world_), mishaps_(world_) {
    mishaps_.build_sites();
    world_.auditor.allow_moves(plan.options.moves_per_thousand);
    lives_.emplace(world_, people_, mishaps_);
    for (const auto& item : plan.items) {
      if (is_of_the_way(item.what))
        mishaps_.arm(item);
      else
        world_.at(MonotonicTime{item.at}, [this, &item] { begin(item); });
    }
  }

  Played run() {
    lives_->start();
    go_to(MonotonicTime{world_.plan.length});
    heal();
    go_to(now() + kToResolve);
    if (!failed()) world_.auditor.nothing_unknown();
    finish();
    sum_up();
    return std::move(world_.played);
  }

 private:
  [[nodiscard]] bool failed() const { return world_.failed(); }
  [[nodiscard]] MonotonicTime now() const { return world_.time.now_monotonic(); }

  void begin(const Item& item) {
    world_.trace.add("* " + item.describe());
    if (!is_fault(item.what))
      people_.begin(item);
    else if (is_of_a_site(item.what))
      mishaps_.begin(item);
    else
      lives_->begin(item);
  }

  // ---- time

  void step() {
    ++world_.played.counts.steps;
    world_.auditor.step();
    people_.hear_answers();
  }

  void do_next() {
    const auto when = world_.agenda.begin()->first.first;
    advance_to(when);
    if (failed() || now() < when) return;  // something else comes first now
    world_.agenda.extract(world_.agenda.begin()).mapped()();
    step();
  }
  /// To `t`, and everything on the way.
  void go_to(MonotonicTime t) {
    while (!failed()) {
      if (!world_.agenda.empty() && world_.agenda.begin()->first.first <= t) {
        do_next();
      } else if (now() < t) {
        advance_to(t);
      } else {
        return;
      }
    }
  }

  /// To `t`, or to what has come on the agenda before it meanwhile.
  void advance_to(MonotonicTime t) {
    const auto overtaken = [&] { return !world_.agenda.empty() && world_.agenda.begin()->first.first < t; };
    while (now() < t && !failed() && !overtaken()) {
      const auto from = now();
      if (world_.process == nullptr) {
        world_.time.run_until(std::min(t, std::max(lives_->starts_at(), from)));
        if (now() >= lives_->starts_at()) lives_->start();
        continue;
      }
      world_.process->until(
          [&] {
            step();
            return failed() || overtaken();
          },
          t - from);
      if (world_.process->dead())
        lives_->end();
      else if (now() == from && !overtaken())
        world_.time.run_until(t);
    }
  }

  /// Goes on by `by` until `done`. False: it was not within `at_most`.
  bool drive(const std::function<bool()>& done, Milliseconds at_most, Milliseconds by) {
    const auto end = now() + at_most;
    while (!failed()) {
      if (done()) return true;
      if (now() >= end) return false;
      go_to(now() + by);
    }
    return false;
  }

  // ---- the end

  void heal() {
    if (failed()) return;
    world_.trace.add("* everything heals");
    mishaps_.heal();
    people_.resume_sites();
    lives_->heal();
    go_to(now() + 1s);
    drive(
        [this] {
          if (world_.process == nullptr || !people_.all_answered()) return false;
          people_.resume_sites();
          people_.release_all();
          return true;
        },
        10min, 1s);
  }

  void finish() {
    if (failed()) return;
    auto& auditor = world_.auditor;
    drive(
        [&] {
          people_.release_all();  // what was taken back from a site that would have charged others
          for (const auto& [id, job] : auditor.jobs()) {
            if (is_terminal(job.state) || world_.process == nullptr || !auditor.only_a_person_knows(job)) continue;
            ++world_.played.counts.left_to_people;
            (void)world_.process->start_asking(
                world_.process->engine().resolve_lost(id, Principal("local:root"), "the site has forgotten it"));
          }
          return auditor.all_over();
        },
        kToEnd, 30s);
    if (failed()) return;
    if (!drive([this] { return lives_->depot().at_rest(); }, kToBook, 60s) && !failed())
      auditor.violation("I18", "a transfer has no end");
    std::vector<UsageRecord> ledger;
    drive(
        [&] {
          ledger = lives_->ledger();
          return auditor.not_booked(ledger).empty();
        },
        kToBook, 60s);
    if (failed()) return;
    std::size_t asked = 0;
    for (const auto& item : world_.plan.items) asked += item.what == What::submit ? static_cast<std::size_t>(item.count) : 0;
    if (auditor.jobs().size() != asked)
      auditor.violation("I9",
                        std::to_string(asked) + " jobs were asked for, " + std::to_string(auditor.jobs().size()) + " accepted");
    constexpr What kRefusals[] = {What::site_refuses, What::account_withdrawn, What::site_dropped, What::errors_in_200};
    auditor.at_the_end(ledger, std::ranges::any_of(kRefusals, [&](What what) { return world_.happened(what); }));
    lives_->end();
  }

  void sum_up() {
    auto& played = world_.played;
    auto& counts = played.counts;
    const auto& auditor = world_.auditor;
    played.violations = auditor.violations();
    played.trace = world_.trace.hash();
    counts.virtual_time = now().since_origin;
    counts.moves_begun = auditor.moves_begun();
    counts.moves_made = auditor.moves_made();
    counts.transfers_made = lives_->depot().moved();
    played.fired[static_cast<std::size_t>(What::transfer_fails)] = lives_->depot().failed();
    counts.jobs = static_cast<std::int64_t>(auditor.jobs().size());
    counts.task_cancels = auditor.task_cancels();
    counts.taken_back = auditor.terms().taken_back();
    for (const auto& [id, job] : auditor.jobs()) counts.arrays += job.spec.array.empty() ? 0 : 1;
    for (auto& [id, site] : world_.sites) {
      for (const auto& job : site.model->cluster().jobs()) {
        if (!job.request.fenced) continue;
        counts.payloads += job.payload_starts;
        if (!job.array_id.empty()) counts.tasks += job.payload_starts;
        if (job.request.resources.exclusive) counts.exclusive += job.payload_starts;
      }
    }
    counts.variants = auditor.terms().variants_sent();
  }

  World world_;
  People people_;
  Mishaps mishaps_;
  std::optional<Lives> lives_;
};

}  // namespace

Played play(const Plan& plan, std::ostream* log, const Mistake* mistake) {
  Play game(plan, log, mistake);
  return game.run();
}

}  // namespace hansa::sim
