// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/allocation_register.hpp"

#include "broker/core/time_text.hpp"

namespace hansa::engine {

using domain::Allocation;

namespace {

constexpr Milliseconds kClockSkew{300'000};  // between a site's clock and ours

std::unexpected<Error> refuse(std::string_view code, std::string where, std::string message) {
  auto error = fail(ErrorKind::invalid_argument, code, where + ": " + message);
  error.error().faults.push_back({std::move(where), std::move(message)});
  return error;
}

}  // namespace

async::Task<Allocation> AllocationRegister::grant(Asking asking, WantedGrant wanted) {
  const auto now = clock_.now_utc();
  Allocation allocation{.id = ids_.next(),
                        .kind = domain::AllocationKind::grant,
                        .project = std::move(wanted.project),
                        .site = std::move(wanted.site),
                        .unit = std::move(wanted.unit),
                        .granted = wanted.amount,
                        .from = wanted.from.value_or(now),
                        .until = wanted.until,
                        .by = asking.by,
                        .at = now,
                        .note = std::move(asking.reason)};
  if (allocation.until && *allocation.until <= std::max(now, allocation.from))
    co_return refuse("BAD_GRANT", "/until", "is over already, or before it begins: nothing could be spent of it");
  if (auto done = co_await store_.grant(allocation); !done) co_return std::unexpected(done.error());
  log_.write(ports::LogLevel::info, "allocation granted",
             {{"allocation", allocation.id.str()},
              {"project", allocation.project.str()},
              {"site", allocation.site.str()},
              {"amount", domain::format_charge(allocation.granted)},
              {"unit", allocation.unit},
              {"by", allocation.by.str()}});
  engine_.allocations_changed();
  co_return allocation;
}

async::Task<Allocation> AllocationRegister::revoke(Asking asking, domain::AllocationId id) {
  auto revoked = co_await store_.revoke(id, asking.by, clock_.now_utc(), asking.reason);
  if (!revoked) co_return revoked;
  log_.write(ports::LogLevel::info, "allocation revoked", {{"allocation", id.str()}, {"by", asking.by.str()}});
  engine_.allocations_changed();
  co_return revoked;
}

async::Task<std::vector<ports::Reservation>> AllocationRegister::release(Asking asking, JobId job,
                                                                         std::optional<std::int32_t> attempt) {
  auto released = co_await store_.release(
      {.job = job, .attempt = attempt, .by = asking.by, .at = clock_.now_utc(), .why = std::move(asking.reason)});
  if (!released) co_return released;
  for (const auto& one : *released) {
    log_.write(ports::LogLevel::warning, "a reservation released by hand",
               {{"job", job.str()},
                {"attempt", std::to_string(one.attempt)},
                {"site", one.site.str()},
                {"amount", domain::format_charge(one.reserved)},
                {"unit", one.unit},
                {"by", asking.by.str()}});
  }
  engine_.allocations_changed();
  co_return released;
}

async::Task<std::size_t> AllocationRegister::tell(Asking asking, std::vector<ports::ToldBalance> balances) {
  const auto now = clock_.now_utc();
  std::vector<domain::AllocationId> ids;
  for (std::size_t i = 0; i < balances.size(); ++i) {
    if (balances[i].as_of > now + kClockSkew)
      co_return refuse("BAD_BALANCE", "/balances/" + std::to_string(i) + "/as_of",
                       "is " + format_utc(balances[i].as_of) + ", which has not come: nobody knows yet what is left then");
    ids.push_back(ids_.next());
  }
  auto taken = co_await store_.tell_balances(
      {.balances = std::move(balances), .by = asking.by, .at = now, .note = std::move(asking.reason)}, std::move(ids));
  if (!taken) co_return taken;
  log_.write(ports::LogLevel::info, "balances told", {{"taken", std::to_string(*taken)}, {"by", asking.by.str()}});
  if (*taken > 0) engine_.allocations_changed();
  co_return taken;
}

}  // namespace hansa::engine
