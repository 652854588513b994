// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/intake.hpp"

#include "broker/domain/transition.hpp"
#include "broker/engine/code_keeper.hpp"
#include "broker/engine/dependencies.hpp"

#include <algorithm>

namespace hansa::engine {
namespace {

std::string listed(const std::vector<ProjectId>& projects) {
  std::string text;
  for (const auto& project : projects) text += (text.empty() ? "" : ", ") + project.str();
  return text;
}

std::unexpected<Error> project_fault(ErrorKind kind, std::string_view code, std::string message) {
  auto error = fail(kind, code, message);
  error.error().faults.push_back({.where = "/project", .message = std::move(message)});
  return error;
}

}  // namespace

Intake::Intake(const Clock& clock, UlidSource& ids, const EngineOptions& options, ports::JobStore& store,
               const ports::Accounts& accounts, const Rulebook& rules, ports::CodeStore* code, SecretVault* secrets,
               Foresee foresee, Deliver deliver)
    : clock_(clock),
      ids_(ids),
      options_(options),
      store_(store),
      accounts_(accounts),
      rules_(rules),
      code_(code),
      secrets_(secrets),
      foresee_(std::move(foresee)),
      deliver_(std::move(deliver)) {}

Result<ProjectId> Intake::project_for(const Principal& person, const ProjectId& asked) const {
  const auto projects = accounts_.projects_of(person);
  if (projects.empty()) {
    return project_fault(
        ErrorKind::permission_denied, "NO_PROJECT",
        person.str() + " is a member of no project; ask an operator to add you to one ([[project]] members in hansad.toml)");
  }
  if (asked.empty()) {
    if (projects.size() == 1) return projects.front();
    return project_fault(ErrorKind::invalid_argument, "WHICH_PROJECT",
                         "you are a member of several projects; name one of: " + listed(projects));
  }
  if (std::ranges::find(projects, asked) == projects.end()) {
    return project_fault(ErrorKind::permission_denied, "NOT_A_MEMBER",
                         person.str() + " is not a member of project \"" + asked.str() + "\"; yours: " + listed(projects));
  }
  return asked;
}

Result<void> Intake::admit(const Principal& owner, std::vector<domain::Submission>& submissions) const {
  if (active_.load(std::memory_order_relaxed) + submissions.size() > options_.active_jobs) {
    return fail(ErrorKind::rate_limited, "TOO_MANY_JOBS",
                "the broker holds " + std::to_string(options_.active_jobs) +
                    " jobs that are not over; submit again when some have ended");
  }
  for (auto& [spec, payload, after_earlier] : submissions) {
    auto project = project_for(owner, spec.project);
    if (!project) return std::unexpected(project.error());
    spec.project = std::move(*project);
    if (auto allowed = rules_.may_take(owner, spec, clock_.now_utc()); !allowed) return allowed;
  }
  return {};
}

async::Task<Acceptance> Intake::as_they_are(std::vector<JobId> jobs) const {
  Acceptance known{.repeated = true};
  for (const auto& id : jobs) {
    auto job = co_await store_.job(id);
    if (!job) co_return std::unexpected(job.error());
    known.jobs.push_back(std::move(*job));
  }
  co_return known;
}

async::Task<Acceptance> Intake::accept(Principal owner, std::vector<domain::Submission> submissions,
                                       std::optional<ports::Idempotency> idempotency) {
  auto admitted = admit(owner, submissions);
  std::set<CodeId> code;
  std::set<std::string> secrets;
  for (const auto& submission : submissions) {
    if (!submission.spec.code.empty()) code.insert(submission.spec.code);
    for (const auto& use : submission.spec.secrets) secrets.insert(use.name);
  }
  if (admitted && !code.empty()) admitted = co_await all_code_here(code_, owner, std::move(code));
  if (admitted && !secrets.empty() && secrets_ == nullptr)
    admitted = fail(ErrorKind::invalid_argument, "NO_SECRETS", "this broker keeps no secrets of people");
  else if (admitted && !secrets.empty())
    admitted = co_await secrets_->all_known(owner, std::move(secrets));
  if (admitted) admitted = co_await all_before_known(store_, owner, what_comes_before(submissions));
  if (!admitted) {
    if (idempotency) {
      auto known = co_await store_.accepted_under(std::move(owner), std::move(*idempotency));
      if (!known) co_return std::unexpected(known.error());
      if (*known) co_return co_await as_they_are(std::move((*known)->ids));
    }
    co_return std::unexpected(admitted.error());
  }
  std::vector<ports::NewJob> jobs;
  std::vector<domain::Job> accepted;
  jobs.reserve(submissions.size());
  accepted.reserve(submissions.size());
  // However this ends, by an error, a client that is gone or the commit: the engine hears of it.
  struct Courier {
    const Deliver& deliver;
    Delivery delivery;
    ~Courier() { deliver(std::move(delivery)); }
  } courier{deliver_, {}};
  for (auto& submission : submissions) {
    for (const auto earlier : submission.after_earlier) submission.spec.after.push_back(accepted.at(earlier).id);
    auto job = domain::new_job(ids_.next(), options_.epoch, clock_.now_utc(),
                               {.owner = owner, .broker_id = options_.broker_id, .spec = std::move(submission.spec)});
    accepted.push_back(job);
    jobs.push_back({.job = std::move(job), .payload = std::move(submission.payload)});
  }
  if (jobs.size() == 1 && accepted.front().spec.after.empty()) {
    courier.delivery.asked = accepted.front().id;
    if (auto foresight = co_await foresee_(accepted.front()); foresight && !foresight->events.empty()) {
      ports::JobChange first{
          .job = accepted.front(), .events = {}, .decision = foresight->decision, .documents = foresight->documents};
      for (auto& body : foresight->events) {
        first.events.push_back({.at = clock_.now_utc(), .body = std::move(body)});
        if (auto done = domain::apply(first.job, first.events.back()); !done) co_return std::unexpected(done.error());
      }
      accepted.front() = first.job;
      jobs.front().decided = std::move(first);
      courier.delivery.foresight = std::move(*foresight);
    }
  }
  auto answer = co_await store_.accept_jobs(std::move(jobs), std::move(idempotency));
  if (!answer) co_return std::unexpected(answer.error());
  if (!answer->repeated) {
    courier.delivery.jobs = accepted;
    co_return Acceptance{.jobs = std::move(accepted)};
  }
  co_return co_await as_they_are(std::move(answer->ids));
}

}  // namespace hansa::engine
