// SPDX-License-Identifier: Apache-2.0
#include "tests/bottle/gate.hpp"

#include <algorithm>
#include <type_traits>
#include <variant>

namespace hansa::bottle {

namespace {

std::unexpected<Error> gone() { return fail(ErrorKind::cancelled, "PROCESS_DEAD", "this process has crashed"); }

/// Between the engine and a site.
class GatedConnector final : public ForwardingConnector, public ports::Presence {
 public:
  GatedConnector(std::unique_ptr<ports::SiteConnector> inner, std::shared_ptr<Gate> gate, const Clock& clock, std::string site)
      : ForwardingConnector(std::move(inner)), gate_(std::move(gate)), clock_(clock), site_(std::move(site)) {}

  [[nodiscard]] bool asks_as_persons() const override { return gate_->as_persons.contains(site_); }
  void when_reachable(std::function<void()> tell) override { gate_->way_is_back[site_] = std::move(tell); }
  [[nodiscard]] std::optional<domain::Reason> absent(const Principal& person) const override {
    return gate_->absent ? gate_->absent(site_, person) : std::nullopt;
  }
  void when_present(std::function<void(const Principal&)> tell) override { gate_->somebody_came[site_] = std::move(tell); }
  Task<domain::SiteSnapshot> snapshot(Deadline d) override {
    if (gate_->deserted.contains(site_)) return deserted();
    return pass<domain::SiteSnapshot>("snapshot", 0, {}, [this, d] { return inner().snapshot(d); });
  }
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest r, Deadline d) override {
    const auto person = r.person;
    return pass<ports::SubmitReceipt>("submit", 1, {person}, [this, d, r = std::move(r)] { return submit_inside(r, d); });
  }
  Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, Deadline d) override {
    const auto n = wanted.size();
    auto whose = people_of(wanted);
    return pass<ports::FindResult>("find", n, std::move(whose), [this, d, w = std::move(wanted)] { return inner().find(w, d); });
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    const auto n = jobs.size();
    auto whose = people_of(jobs);
    return pass<std::vector<ports::JobStatus>>("status", n, std::move(whose),
                                               [this, d, j = std::move(jobs)] { return inner().status(j, d); });
  }
  Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    return pass<domain::CancelOutcome>("cancel", 1, {job.person}, [this, d, job, when] { return inner().cancel(job, when, d); });
  }
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    return pass<ports::SealOutcome>("seal", 1, {fence.person}, [this, d, fence] { return inner().seal(fence, d); });
  }
  Task<ports::UsagePage> usage(ports::UsageCursor from, Deadline d) override {
    return pass<ports::UsagePage>("usage", 0, {}, [this, d, from] { return usage_inside(from, d); });
  }
  Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                       Deadline d) override {
    return pass<ports::OutputChunk>("read_output", 1, {job.person},
                                    [=, this] { return inner().read_output(job, stream, offset, limit, d); });
  }
  Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths, Deadline d) override {
    return pass<std::vector<ports::FileFacts>>("look_at", 1, {job.person}, [=, this] { return inner().look_at(job, paths, d); });
  }
  Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                   Deadline d) override {
    return pass<ports::FileChunk>("read_file", 1, {job.person},
                                  [=, this] { return inner().read_file(job, path, offset, limit, d); });
  }
  Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, Deadline d) override {
    return pass<void>("remove_secrets", 1, {job.person}, [=, this] { return inner().remove_secrets(job, files, d); });
  }
  Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, Deadline) override {
    return pass<ports::AccountLimits>("account_limits", 0, {}, [this, w = std::move(wanted)] { return limits_of(w); });
  }
  Task<domain::DoctorReport> doctor(ports::DoctorRequest r, Deadline d) override {
    return pass<domain::DoctorReport>("doctor", 0, {}, [this, d, r = std::move(r)] { return inner().doctor(r, d); });
  }

 private:
  Task<ports::SubmitReceipt> submit_inside(ports::SubmitRequest request, Deadline deadline) {
    auto receipt = co_await inner().submit(request, deadline);
    if (receipt && gate_->receipt) gate_->receipt(request, *receipt);
    co_return receipt;
  }
  Task<ports::UsagePage> usage_inside(ports::UsageCursor from, Deadline deadline) {
    auto page = co_await inner().usage(std::move(from), deadline);
    if (page && gate_->page) gate_->page(*page);
    co_return page;
  }
  Task<ports::AccountLimits> limits_of(std::vector<ports::ProjectAccount> wanted) {
    if (!gate_->limits) co_return ports::AccountLimits{};
    co_return gate_->limits(wanted);
  }
  static Task<domain::SiteSnapshot> deserted() {
    co_return fail(ErrorKind::unavailable, "NOBODY_CONNECTED", "nobody is connected");
  }
  static std::set<Principal> people_of(const std::vector<ports::SiteJob>& jobs) {
    std::set<Principal> people;
    for (const auto& job : jobs) people.insert(job.person);
    return people;
  }

  template <class T>
  Task<T> pass(std::string_view what, std::size_t jobs, std::set<Principal> people, std::function<Task<T>()> call) {
    if (!gate_->pass({.what = what})) co_return gone();
    struct Flight {
      int& n;
      ~Flight() { --n; }
    };
    ++in_flight_;
    const Flight flight{in_flight_};
    if (gate_->calling) {
      gate_->calling({.site = site_,
                      .what = std::string(what),
                      .at = clock_.now_monotonic(),
                      .process = gate_->process,
                      .jobs = jobs,
                      .people = people},
                     in_flight_);
    }
    for (const auto& person : people) {
      if (const auto why = absent(person)) co_return fail(ErrorKind::unavailable, why->code, why->message);
    }
    if (asks_as_persons() && gate_->login) {
      for (const auto& person : people) {
        if (auto why = gate_->login(site_, person)) co_return std::unexpected(std::move(*why));
      }
    }
    auto answer = co_await call();
    if (!gate_->pass({.what = what, .after = true})) co_return gone();
    if constexpr (std::is_same_v<T, std::vector<ports::JobStatus>>) {
      if (answer && gate_->retell) std::ranges::for_each(*answer, [&](auto& status) { gate_->retell(site_, status); });
    }
    co_return answer;
  }

  std::shared_ptr<Gate> gate_;
  const Clock& clock_;
  std::string site_;
  int in_flight_ = 0;
};

/// A write that may be the process's last: before it is durable, or before the process hears that it is.
template <class T, class Durable>
Task<T> write_through(std::shared_ptr<Gate> gate, std::string_view name, Task<T> work, Durable durable) {
  if (gate->dead) co_return gone();
  if (gate->full) co_return fail(ErrorKind::storage_full, "STORAGE_FULL", "no space left");
  const auto number = ++gate->writes;
  const bool last = gate->die_at_write && number >= *gate->die_at_write;
  if (last && gate->die_before) gate->dead = true;
  if (!gate->pass({.write = true, .what = name})) co_return gone();
  auto outcome = co_await std::move(work);
  if constexpr (std::is_void_v<T>) {
    if (outcome) durable();
  } else {
    if (outcome) durable(*outcome);
  }
  if (last) gate->dead = true;
  if (!gate->pass({.write = true, .what = name, .after = true})) co_return gone();
  co_return outcome;
}

/// Between the engine and its store of transfers.
class GatedTransfers final : public ports::TransferStore {
 public:
  GatedTransfers(ports::TransferStore& inner, std::shared_ptr<Gate> gate) : inner_(inner), gate_(std::move(gate)) {}

  Task<> begin_transfer(ports::BegunTransfer begun) override {
    const auto kept = begun;
    co_return co_await write_through<void>(gate_, "transfer_begun", inner_.begin_transfer(std::move(begun)), [&] {
      if (gate_->transfer_begun) gate_->transfer_begun(kept);
    });
  }
  Task<> end_transfer(domain::TransferId id, domain::TransferOutcome outcome, std::optional<ports::LinkSpeed> measured) override {
    const auto end = outcome.end;
    co_return co_await write_through<void>(gate_, "transfer_ended",
                                           inner_.end_transfer(id, std::move(outcome), std::move(measured)), [&] {
                                             if (gate_->transfer_ended) gate_->transfer_ended(id, end);
                                           });
  }
  Task<std::vector<ports::BegunTransfer>> transfers_under_way() override { return inner_.transfers_under_way(); }
  Task<std::vector<ports::LinkSpeed>> link_speeds() override { return inner_.link_speeds(); }
  Task<ports::Occupied> occupied(SiteId site, domain::RootName root, UtcTime now) override {
    return inner_.occupied(std::move(site), std::move(root), now);
  }

 private:
  ports::TransferStore& inner_;
  std::shared_ptr<Gate> gate_;
};

/// Between the engine and the register of datasets.
class GatedCatalogue final : public ports::CatalogueStore {
 public:
  GatedCatalogue(ports::CatalogueStore& inner, std::shared_ptr<Gate> gate) : inner_(inner), gate_(std::move(gate)) {}

  Task<> record_step(ports::CatalogueStep step) override {
    const auto kept = step.dataset;
    co_return co_await write_through<void>(gate_, "dataset", inner_.record_step(std::move(step)), [&] {
      if (gate_->registered) gate_->registered(kept);
    });
  }
  Task<domain::Dataset> dataset(DatasetId id) override { return inner_.dataset(std::move(id)); }
  Task<std::vector<domain::Dataset>> datasets(ports::DatasetQuery query) override { return inner_.datasets(std::move(query)); }
  Task<domain::DatasetChange> change(domain::ChangeId id) override { return inner_.change(id); }
  Task<std::vector<domain::DatasetChange>> changes(ports::ChangeQuery query) override { return inner_.changes(std::move(query)); }

 private:
  ports::CatalogueStore& inner_;
  std::shared_ptr<Gate> gate_;
};

/// Between the engine and a mover. Only what begins something is a point: the other calls may be repeated at will.
class GatedMover final : public ports::Mover {
 public:
  GatedMover(ports::Mover& inner, std::shared_ptr<Gate> gate) : inner_(inner), gate_(std::move(gate)) {}

  Task<domain::TransferStatus> start(domain::Transfer transfer, Deadline deadline) override {
    if (!gate_->pass({.what = "move"})) co_return gone();
    if (gate_->moving) gate_->moving(transfer);
    auto answer = co_await inner_.start(std::move(transfer), deadline);
    if (!gate_->pass({.what = "move", .after = true})) co_return gone();
    co_return answer;
  }
  Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids, Deadline deadline) override {
    if (gate_->dead) co_return gone();
    co_return co_await inner_.status(std::move(ids), deadline);
  }
  Task<> cancel(domain::TransferId id, Deadline deadline) override {
    if (gate_->dead) co_return gone();
    co_return co_await inner_.cancel(id, deadline);
  }
  Task<> forget(std::vector<domain::TransferId> ids, Deadline deadline) override {
    if (gate_->dead) co_return gone();
    co_return co_await inner_.forget(std::move(ids), deadline);
  }

 private:
  ports::Mover& inner_;
  std::shared_ptr<Gate> gate_;
};

/// Between the engine and its store.
class GatedStore final : public ForwardingStore {
 public:
  GatedStore(store::SqliteStore& inner, std::shared_ptr<Gate> gate) : ForwardingStore(inner), gate_(std::move(gate)) {}

  Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> key) override {
    const auto kept = gate_->accepted || gate_->recorded ? jobs : std::vector<ports::NewJob>{};
    const auto kept_key = key;
    co_return co_await write<ports::AcceptedJobs>("accepted", ForwardingStore::accept_jobs(std::move(jobs), std::move(key)),
                                                  [&](const ports::AcceptedJobs& answer) {
                                                    if (gate_->accepted) gate_->accepted(kept, kept_key, answer);
                                                    if (!gate_->recorded || answer.repeated) return;
                                                    for (const auto& job : kept) {
                                                      if (job.decided) gate_->recorded(*job.decided);
                                                    }
                                                  });
  }
  Task<> record(ports::JobChange change) override {
    const auto kept = gate_->recorded ? std::optional(change) : std::nullopt;
    const auto name = write_name(change);
    co_return co_await write<void>(name, ForwardingStore::record(std::move(change)), [&] {
      if (gate_->recorded) gate_->recorded(*kept);
    });
  }
  Task<std::size_t> book_usage(SiteId site, std::vector<domain::UsageRecord> records, ports::UsageCursor next,
                               UtcTime at) override {
    return write<std::size_t>("usage_booked",
                              ForwardingStore::book_usage(std::move(site), std::move(records), std::move(next), at),
                              [](std::size_t) {});
  }
  Task<> record_site_state(domain::SiteState state) override {
    const auto kept = gate_->site_recorded ? std::optional(state) : std::nullopt;
    return write<void>("site_state", ForwardingStore::record_site_state(std::move(state)), [this, kept] {
      if (kept) gate_->site_recorded(*kept);
    });
  }
  Task<> record_call(ports::SiteCall call) override {
    return write<void>("site_call", ForwardingStore::record_call(std::move(call)), [] {});
  }

 private:
  template <class T, class Durable>
  Task<T> write(std::string_view name, Task<T> work, Durable durable) {
    return write_through<T>(gate_, name, std::move(work), std::move(durable));
  }

  std::shared_ptr<Gate> gate_;
};

}  // namespace

std::string_view write_name(const ports::JobChange& change) {
  for (const auto& event : change.events) {
    if (const auto* ended = std::get_if<domain::AttemptEnded>(&event.body)) {
      if (ended->reason.code == "MOVED") return "moved";
      return ended->outcome == domain::Outcome::never_started ? "never_started" : domain::event_name(event.body);
    }
  }
  return change.events.empty() ? "nothing" : domain::event_name(change.events.back().body);
}

std::unique_ptr<Stores> gated(store::SqliteStore& inner, std::shared_ptr<Gate> gate) {
  return std::make_unique<GatedStore>(inner, std::move(gate));
}

std::unique_ptr<ports::TransferStore> gated_transfers(store::SqliteStore& inner, std::shared_ptr<Gate> gate) {
  return std::make_unique<GatedTransfers>(inner, std::move(gate));
}

std::unique_ptr<ports::CatalogueStore> gated_catalogue(store::SqliteStore& inner, std::shared_ptr<Gate> gate) {
  return std::make_unique<GatedCatalogue>(inner, std::move(gate));
}

std::unique_ptr<ports::Mover> gated(ports::Mover& inner, std::shared_ptr<Gate> gate) {
  return std::make_unique<GatedMover>(inner, std::move(gate));
}

std::unique_ptr<ports::SiteConnector> gated(std::unique_ptr<ports::SiteConnector> inner, std::shared_ptr<Gate> gate,
                                            const Clock& clock, std::string site) {
  return std::make_unique<GatedConnector>(std::move(inner), std::move(gate), clock, std::move(site));
}

}  // namespace hansa::bottle
