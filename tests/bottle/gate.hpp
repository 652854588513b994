// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way out of one broker process: to its store and to its sites. Counts, fails and kills.

#include "broker/ports/mover.hpp"
#include "broker/ports/presence.hpp"
#include "broker/store/sqlite_store.hpp"
#include "tests/bottle/forwarding.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace hansa::bottle {

/// A call to a site, as it leaves the process.
struct Call {
  std::string site;
  std::string what;                        // "snapshot", "submit", ...
  MonotonicTime at{};
  int process = 0;                         // which life of the broker
  std::size_t jobs = 0;                    // that it asked about
  std::set<Principal> people = {};         // whose they are
};

/// A place where a process can die: on the way to the world, or on the way back.
struct Point {
  bool write = false;                      // of the store; else a call to a site
  std::string_view what;                   // kind of write (write_name) or of call
  bool after = false;                      // it is done, and the process does not know yet
  [[nodiscard]] std::string name() const { return std::string(what) + (after ? ".after" : ".before"); }
};

/// What a change of a job is called as a point: the name of its weightiest event, "never_started" for an attempt that ends so,
/// "moved" if the broker took it elsewhere.
std::string_view write_name(const ports::JobChange& change);

/// Outlives its process: the last handlers still ask it.
struct Gate {
  int process = 0;
  bool dead = false;
  bool full = false;                       // writes get storage_full
  std::int64_t writes = 0;                 // that got through
  std::optional<std::int64_t> die_at_write;
  bool die_before = false;                 // the write at which it dies is lost; else it is durable and unanswered

  // Hooks, any may be empty. Those of the process's own doing come before it knows, those of the world's after it is true.
  std::function<void(const Point&)> passing;                     // may set dead
  std::function<void(const Call&, int in_flight)> calling;       // in_flight: to that site, this one included
  std::function<void(const std::vector<ports::NewJob>&, const std::optional<ports::Idempotency>&, const ports::AcceptedJobs&)>
      accepted;                                                  // is durable
  std::function<void(const ports::JobChange&)> recorded;         // is durable
  std::function<void(const domain::SiteState&)> site_recorded;   // is durable
  std::function<void(const domain::Dataset&)> registered;        // is durable: a dataset as it is now
  std::function<void(const ports::BegunTransfer&)> transfer_begun;  // is durable
  std::function<void(const domain::TransferId&, domain::TransferEnd)> transfer_ended;  // is durable
  std::function<void(const domain::Transfer&)> moving;           // a mover is told to
  std::function<void(const std::string& site, ports::JobStatus&)> retell;  // what a site says of a job, changed on its way
  std::function<void(const ports::SubmitRequest&, ports::SubmitReceipt&)> receipt;  // changed on its way
  std::function<void(ports::UsagePage&)> page;                   // likewise
  std::function<Result<ports::AccountLimits>(const std::vector<ports::ProjectAccount>&)>
      limits;  // of any site; none: none is told
  std::set<std::string> as_persons;                              // sites where each person logs in as themselves,
  std::function<std::optional<Error>(const std::string& site, const Principal&)> login;  // and why one cannot
  std::map<std::string, std::function<void()>> way_is_back;      // by site; called by the test
  std::function<std::optional<domain::Reason>(const std::string& site, const Principal&)> absent;  // where people come and go
  std::map<std::string, std::function<void(const Principal&)>> somebody_came;  // by site; called by the test
  std::set<std::string> deserted;                                // sites where there is nobody to ask

  /// False: the process dies here.
  bool pass(const Point& point) {
    if (!dead && passing) passing(point);
    return !dead;
  }
};

std::unique_ptr<Stores> gated(store::SqliteStore& inner, std::shared_ptr<Gate> gate);
std::unique_ptr<ports::TransferStore> gated_transfers(store::SqliteStore& inner, std::shared_ptr<Gate> gate);
std::unique_ptr<ports::CatalogueStore> gated_catalogue(store::SqliteStore& inner, std::shared_ptr<Gate> gate);
/// `inner` outlives it, and the process.
std::unique_ptr<ports::Mover> gated(ports::Mover& inner, std::shared_ptr<Gate> gate);
std::unique_ptr<ports::SiteConnector> gated(std::unique_ptr<ports::SiteConnector> inner, std::shared_ptr<Gate> gate,
                                            const Clock& clock, std::string site);

}  // namespace hansa::bottle
