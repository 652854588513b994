// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/secret_copies.hpp"

#include <algorithm>

namespace hansa::engine {
namespace {

constexpr Milliseconds kLookInterval{600'000};  // what was left by an earlier process, or by a site that was away
constexpr Milliseconds kFirstRest{5'000}, kLongestRest{3'600'000};

}  // namespace

void SecretCopies::job_changed(const domain::Job* before, const domain::Job& after) {
  if (store_ == nullptr || after.spec.secrets.empty() || before == nullptr) return;
  const auto* was = before->live_attempt();
  const auto* is = after.live_attempt();
  if (was != nullptr && (is == nullptr || is->number != was->number)) over_.set();
}

void SecretCopies::tell(const ports::SecretCopy& copy, const Error& error) {
  context_.log.write(ports::LogLevel::warning, "a job's secrets are still at its site; it is tried again",
                     {{"job", copy.job.str()}, {"site", copy.site.str()}, {"code", error.code}, {"error", error.message}});
}

async::Task<> SecretCopies::take_away(ports::SecretCopy copy, std::set<SiteId>* silent) {
  const Whose whose{copy.job, copy.attempt};
  auto* desk = context_.desk(copy.site);
  Result<void> done;
  if (copy.unreadable) {
    done = fail(ErrorKind::internal, "JOB_UNREADABLE",
                "what the database has of the job cannot be read: empty work_dir/secrets/" +
                    domain::make_tag(copy.job, copy.attempt).str() + " of account " + copy.account.str() + " there");
  } else if (desk == nullptr) {
    done = fail(ErrorKind::unavailable, "SITE_NOT_FOUND", "the site is not in the configuration any more");
  } else if (auto absent = desk->absent(copy.person)) {
    done = fail(ErrorKind::unavailable, absent->code, std::move(absent->message));
  } else {
    const ports::SiteJob job{.id = {},
                             .tag = domain::make_tag(copy.job, copy.attempt),
                             .account = copy.account,
                             .person = copy.person,
                             .intended_at = {}};
    done = co_await desk->call<void>(
        CallKind::read, context_.call_deadline(),
        [&](ports::SiteConnector& connector, async::Deadline until) { return connector.remove_secrets(job, copy.files, until); });
    if (!done && heard_in(CallKind::read, done.error()) != Heard::answer) silent->insert(copy.site);
  }
  if (done) done = co_await store_->secret_copy_gone(copy.job, copy.attempt);
  if (done) {
    troubles_.erase(whose);
    co_return done;
  }
  auto& trouble = troubles_[whose];
  if (trouble.pause == Milliseconds{0}) tell(copy, done.error());
  trouble.pause = std::clamp(trouble.pause * 2, kFirstRest, kLongestRest);
  trouble.next = context_.scheduler.now_monotonic() + trouble.pause;
  co_return done;
}

async::Task<> SecretCopies::run() {
  while (true) {
    auto copies = co_await store_->secret_copies();
    if (!copies && copies.error().kind != ErrorKind::cancelled) {
      context_.log.write(ports::LogLevel::error, "which secrets are at sites cannot be read; trying again in ten minutes",
                         {{"code", copies.error().code}, {"error", copies.error().message}, {"detail", copies.error().detail}});
    }
    if (!copies) copies.emplace();
    auto next = context_.scheduler.now_monotonic() + kLookInterval;
    // Those first that have not failed yet: what fails for good holds up nothing else of its site.
    std::ranges::partition(*copies, [&](const auto& copy) { return !troubles_.contains({copy.job, copy.attempt}); });
    std::set<SiteId> silent;  // in this round
    for (const auto& copy : *copies) {
      if (!copy.over) continue;
      const auto trouble = troubles_.find({copy.job, copy.attempt});
      const bool rests =
          silent.contains(copy.site) || (trouble != troubles_.end() && context_.scheduler.now_monotonic() < trouble->second.next);
      if (!rests) (void)co_await take_away(copy, &silent);
      if (const auto still = troubles_.find({copy.job, copy.attempt}); still != troubles_.end())
        next = std::min(next, still->second.next);
    }
    co_await over_.wait_until(context_.scheduler, next);
  }
}

}  // namespace hansa::engine
