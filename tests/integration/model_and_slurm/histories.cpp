// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/model_and_slurm/play.hpp"

#include <csignal>

namespace hansa::held_against {

using domain::CancelOutcome;
using ports::CancelWhen;
using ports::Phase;

namespace {

// ---- side by side: these leave each other alone. What must wait is sent to "service", which is full.

awaitable<void> runs_to_its_end(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{2}});
  co_await p.until(job, Phase::ended);
  co_await p.find("looked for", job);
}

awaitable<void> exits_with_a_code(Play& p) {
  const auto job = co_await p.submit(Work{.exit_code = 3});
  co_await p.until(job, Phase::ended);
}

awaitable<void> ends_by_a_signal(Play& p) {
  const auto job = co_await p.submit(Work{.signal = SIGUSR1});
  co_await p.until(job, Phase::ended);
}

awaitable<void> runs_out_of_time(Play& p) {
  auto request = p.request({.runs = Seconds{500}});
  request.spec.time_limit = Seconds{60};
  const auto job = co_await p.submit(request);
  co_await p.until(job, Phase::running);
  co_await p.stage().hurry_time_limit(job.id);
  co_await p.until(job, Phase::ended, Seconds{120});
}

awaitable<void> cancelled_while_pending(Play& p) {
  const auto job = co_await p.submit(Work{}, "service");
  co_await p.until(job, Phase::queued);
  co_await p.cancel(job);
  co_await p.until(job, Phase::ended);
  co_await p.cancel(job);
  co_await p.find("looked for", job);
}

awaitable<void> cancelled_only_while_pending(Play& p) {
  const auto job = co_await p.submit(Work{}, "service");
  co_await p.until(job, Phase::queued);
  co_await p.cancel(job, CancelWhen::only_while_pending);
  co_await p.until(job, Phase::ended);
}

awaitable<void> only_while_pending_but_it_runs(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{8}});
  co_await p.until(job, Phase::running);
  co_await p.cancel(job, CancelWhen::only_while_pending);
  co_await p.until(job, Phase::ended);
}

awaitable<void> cancelled_while_it_runs(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{300}});
  co_await p.until_it_prints(job);
  co_await p.cancel(job);
  co_await p.until(job, Phase::ended);
  co_await p.cancel(job);
  co_await p.seal(job);
}

/// Which of the two it is, nobody can say beforehand: but the outcome and what is seen agree, and the fence with both.
awaitable<void> cancelled_as_it_starts(Play& p) {
  for (int i = 0; i < 3; ++i) {
    const auto request = p.request({.runs = Seconds{300}});
    auto job = p.expected(request);
    const auto receipt = co_await p.connector().submit(request, p.in(Seconds{20}));
    if (!receipt) co_return p.note("submit", receipt.error().code);
    job.id = receipt->site_job_id;
    co_await p.pause(Milliseconds{50 * i});
    const auto outcome = co_await p.connector().cancel(job, CancelWhen::always, p.in(Seconds{20}));
    const auto statuses = co_await p.connector().status({job}, p.in(Seconds{20}));
    if (!outcome || !statuses) co_return p.note("cancel", "FAILED");
    const auto& status = statuses->front();
    const bool agree = (*outcome == CancelOutcome::never_started && !status.started_at) ||
                       (*outcome == CancelOutcome::stopped && status.started_at);
    p.note("outcome and status", agree ? "agree" : "DISAGREE");
    p.note("ended", status.outcome == domain::Outcome::cancelled ? "cancelled" : "OTHERWISE");
    const auto seal = co_await p.connector().seal({.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person},
                                                  p.in(Seconds{20}));
    const bool sealed_a_start = seal && seal->sealed && *outcome == CancelOutcome::never_started;
    p.note("fence", !seal                                                                  ? "FAILED"
                    : seal->sealed || *outcome == CancelOutcome::stopped || sealed_a_start ? "agrees"
                                                                                           : "DISAGREES");
  }
}

awaitable<void> cancelled_after_its_end(Play& p) {
  const auto job = co_await p.submit(Work{});
  co_await p.until(job, Phase::ended);
  co_await p.cancel(job);
  co_await p.cancel(job, CancelWhen::only_while_pending);
}

awaitable<void> two_under_one_tag(Play& p) {
  const auto request = p.request({.runs = Seconds{6}});
  const auto first = co_await p.submit(request);
  co_await p.until(first, Phase::running);
  const auto second = co_await p.submit(request);
  co_await p.until(second, Phase::queued);
  co_await p.until(first, Phase::ended);
  co_await p.until(second, Phase::ended);
  co_await p.find("looked for", first);
  co_await p.seal(first);
}

awaitable<void> sealed_before_it_came(Play& p) {
  const auto request = p.request({});
  co_await p.seal(p.expected(request));
  co_await p.seal(p.expected(request));
  const auto job = co_await p.submit(request);
  co_await p.until(job, Phase::ended);
}

awaitable<void> sealed_after_its_start(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{4}});
  co_await p.until_it_prints(job);
  co_await p.seal(job);
  co_await p.until(job, Phase::ended);
  co_await p.seal(job);
}

awaitable<void> requeued_unasked(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{300}});
  co_await p.until_it_prints(job);
  co_await p.stage().requeue(job.id);
  co_await p.until(job, Phase::ended);
  co_await p.find("looked for", job);
}

awaitable<void> requeued_as_it_may_be(Play& p) {
  auto request = p.request({.runs = Seconds{9}});
  request.spec.requeue = true;
  const auto job = co_await p.submit(request);
  co_await p.until_it_prints(job);
  co_await p.stage().requeue(job.id);
  co_await p.until(job, Phase::ended);
  co_await p.find("looked for", job);
}

awaitable<void> held_and_released(Play& p) {
  const auto job = co_await p.submit(Work{}, "service");
  co_await p.until(job, Phase::queued);
  co_await p.stage().hold(job.id, true);
  co_await p.ask("held", job);
  co_await p.stage().hold(job.id, false);
  co_await p.ask("released", job);
  co_await p.stage().hold(job.id, true);
  co_await p.cancel(job, CancelWhen::only_while_pending);
  co_await p.until(job, Phase::ended);
}

awaitable<void> another_account_under_our_tag(Play& p) {
  const auto request = p.request({.runs = Seconds{3}});
  auto foreign = request;
  foreign.account = LocalAccount("bob");
  foreign.person = Principal("local:bob");
  const auto ours = co_await p.submit(request);
  const auto theirs = co_await p.submit(foreign);
  co_await p.until(ours, Phase::ended);
  co_await p.until(theirs, Phase::ended);
  co_await p.find("looked for", ours);
  auto mistaken = theirs;
  mistaken.account = ours.account;
  co_await p.ask("theirs, taken for ours", mistaken);
  co_await p.cancel(mistaken);
}

awaitable<void> names_are_compared_whole(Play& p) {
  const auto request = p.request({.runs = Seconds{1}});
  const auto job = co_await p.submit(request);
  co_await p.until(job, Phase::ended);
  co_await p.find("never submitted", p.expected(p.request({})));
  auto other = job;
  other.tag = Tag(domain::make_tag(request.job, 2));
  co_await p.find("the next attempt", other);
  co_await p.ask("its id under another tag", other);
  other.tag = Tag(request.tag.str().substr(0, request.tag.str().size() - 2));
  co_await p.find("a part of its name", other);
  std::string lower = request.tag.str();
  for (auto& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  other.tag = Tag(lower);
  co_await p.find("its name in small letters", other);
}

awaitable<void> refused(Play& p) {
  auto request = p.request({});
  request.queue = QueueName("no-such-queue");
  co_await p.submit(request);
  co_await p.find("looked for", p.expected(request));
  request = p.request({});
  request.scheduler_account = "proj9";
  co_await p.submit(request);
  request = p.request({});
  request.spec.resources.cpus_per_task = 9;
  co_await p.submit(request);
  co_await p.find("too large, looked for", p.expected(request));
}

/// Slurm takes it (EnforcePartLimits is "NO" by default) and never starts it.
awaitable<void> beyond_its_queue(Play& p) {
  auto request = p.request({});
  request.spec.resources.nodes = 3;
  request.spec.resources.tasks = 3;
  const auto wide = co_await p.submit(request);
  request = p.request({}, "short");
  request.spec.time_limit = Seconds{1200};
  const auto long_one = co_await p.submit(request);
  co_await p.pause(Seconds{3});
  co_await p.until(wide, Phase::queued);
  co_await p.until(long_one, Phase::queued);
  co_await p.cancel(wide);
  co_await p.cancel(long_one);
}

// ---- one after the other: something of the site goes away

awaitable<void> controller_away(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{300}});
  const auto waits = co_await p.submit(Work{}, "service");
  co_await p.until_it_prints(job);
  co_await p.until(waits, Phase::queued);
  co_await p.pause(Seconds{3});  // until the accounting has heard of them
  co_await p.stage().set_controller(false);
  co_await p.ask("without its controller", job);
  co_await p.find("looked for", job);
  const auto request = p.request({});
  co_await p.submit(request);
  co_await p.cancel(job);
  co_await p.seal(job);
  co_await p.find("what was sent in vain", p.expected(request));
  co_await p.stage().set_controller(true);
  co_await p.until(job, Phase::running);
  co_await p.until(waits, Phase::queued);
  co_await p.find("what was sent in vain, later", p.expected(request));
  co_await p.cancel(waits);
  co_await p.cancel(job);
  co_await p.until(job, Phase::ended);
}

awaitable<void> accounting_away(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{4}});
  co_await p.until_it_prints(job);
  co_await p.stage().set_accounting(false);
  co_await p.ask("without its accounting", job);
  const auto later = co_await p.submit(Work{.exit_code = 5});
  co_await p.until(job, Phase::ended);
  co_await p.until(later, Phase::ended);
  co_await p.find("looked for", job);
  co_await p.find("never submitted", p.expected(p.request({})));
  const auto usage = co_await p.connector().usage({}, p.in(Seconds{20}));
  p.note("usage", usage ? "ANSWERED" : std::string(to_string(usage.error().kind)));
  co_await p.stage().set_accounting(true);
  co_await p.find("later", job);
}

awaitable<void> node_lost(Play& p) {
  const auto job = co_await p.submit(Work{.runs = Seconds{300}}, "service");
  auto request = p.request({.runs = Seconds{300}}, "service");
  request.spec.requeue = true;
  const auto again = co_await p.submit(request);
  co_await p.until_it_prints(job);
  co_await p.until_it_prints(again);
  co_await p.stage().set_last_node(false);
  co_await p.until(job, Phase::ended);
  co_await p.until(again, Phase::queued);
  co_await p.cancel(again);
  co_await p.until(again, Phase::ended);
  co_await p.stage().set_last_node(true);
}

using Story = awaitable<void> (*)(Play&);

struct Named {
  const char* name;
  Story story;
  bool forgotten = false;           // asked for again once the queue has forgotten its jobs
};

constexpr Named kSideBySide[] = {
    {"runs to its end", runs_to_its_end, true},
    {"exits with a code", exits_with_a_code, true},
    {"ends by a signal", ends_by_a_signal, true},
    {"cancelled while pending", cancelled_while_pending, true},
    {"cancelled only while pending", cancelled_only_while_pending},
    {"only while pending, but it runs", only_while_pending_but_it_runs},
    {"cancelled while it runs", cancelled_while_it_runs, true},
    {"cancelled as it starts", cancelled_as_it_starts},
    {"cancelled after its end", cancelled_after_its_end},
    {"two under one tag", two_under_one_tag, true},
    {"sealed before it came", sealed_before_it_came, true},
    {"sealed after its start", sealed_after_its_start},
    {"requeued unasked", requeued_unasked, true},
    {"requeued as it may be", requeued_as_it_may_be},
    {"held and released", held_and_released},
    {"another account under our tag", another_account_under_our_tag, true},
    {"names are compared whole", names_are_compared_whole},
    {"refused", refused},
    {"beyond its queue's limits", beyond_its_queue},
};

/// The rest: one site's misfortune after the other.
awaitable<void> accounting_then_a_node(Play& accounting, Play& node, Play& usher, ports::SiteJob filler) {
  co_await accounting_away(accounting);
  co_await usher.cancel(filler);
  co_await node_lost(node);
}

awaitable<void> play_in_order(Board& board, Histories& histories, bool& open) {
  const struct Close {
    bool& open;
    ~Close() { open = false; }
  } close{open};
  Play usher("", board);  // keeps "service" full
  auto filling = usher.request({.runs = Seconds{3000}}, "service");
  filling.spec.resources = {.nodes = 1, .tasks = 8, .cpus_per_task = 1};
  filling.spec.time_limit = Seconds{3600};
  const auto filler = co_await usher.submit(filling);
  co_await usher.until(filler, Phase::running);

  std::vector<awaitable<void>> side_by_side;
  std::vector<Play*> forgotten;
  for (const auto& named : kSideBySide) {
    auto& play = *histories.emplace_back(std::make_unique<Play>(named.name, board));
    side_by_side.push_back(named.story(play));
    if (named.forgotten) forgotten.push_back(&play);
  }
  co_await together(board.stage, std::move(side_by_side));
  const auto add = [&](const char* name) -> Play& { return *histories.emplace_back(std::make_unique<Play>(name, board)); };
  co_await controller_away(add("controller away"));
  // A time limit is kept in rounds of 30 s, and the queue forgets in rounds of 60 s: meanwhile the others.
  std::vector<awaitable<void>> meanwhile;
  meanwhile.push_back(runs_out_of_time(add("runs out of time")));
  auto& accounting = add("accounting away");
  meanwhile.push_back(accounting_then_a_node(accounting, add("node lost"), usher, filler));
  co_await together(board.stage, std::move(meanwhile));
  for (auto* play : forgotten) co_await play->ask_again();
  co_await usher.pause(Seconds{3});  // the accounting's time
  co_await board.read_usage();
  for (const auto& play : histories) play->note_usage();
}

}  // namespace

Histories play_histories(Stage& stage) {
  Histories histories;
  Board board(stage);
  bool open = true;
  std::vector<awaitable<void>> works;
  works.push_back(board.look(open));
  works.push_back(play_in_order(board, histories, open));
  stage.run(together(stage, std::move(works)));
  return histories;
}

}  // namespace hansa::held_against
