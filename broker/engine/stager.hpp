// SPDX-License-Identifier: Apache-2.0
#pragma once
// Brings datasets to the sites where jobs wait for them: for each dataset and site one transfer, however many jobs.
//
// Invariant: a transfer is on record (ports/transfers.hpp) before its mover is told of it, and until its end has been drawn the
// consequence from: the copy is in the register, verified by the mover's reading it back, before the record says that it ended.
// Whatever dies in between, the next process finds the record, asks the mover by its id, and goes on. A transfer that was found
// so is watched at once, but begun again only for a job that the rules, asked anew, let go there.
//
// Who needs what is said by placement, for each line of jobs of one shape. What nobody needs any more is stopped: at once if
// its jobs are gone or the rules have changed their mind, after a while if its site only cannot take jobs just now.
//
// Strand: the engine's.

#include "broker/engine/context.hpp"
#include "broker/engine/engine.hpp"
#include "policies/routing/decide.hpp"

#include <functional>
#include <set>

namespace hansa::engine {

class Stager {
 public:
  /// `arrived`: a copy is in the register, or cannot be had from there; jobs may go on.
  Stager(Context& context, ports::TransferStore* store, UlidSource& ids, std::function<void()> arrived)
      : context_(context), store_(store), ids_(ids), arrived_(std::move(arrived)) {}

  /// Goes on with what the last process left.
  async::Task<> start();

  /// What is needed of the sites' quotas before a round of decisions.
  async::Task<> measure_room();

  /// Of a job that does not find its data at that site: what is missing there and how it could come. The ruling of each step is
  /// asked from `hearing`.
  [[nodiscard]] routing::MissingData missing_at(const SiteId& site, const Dossier& dossier, Hearing& hearing, Sitting& sitting,
                                                UtcTime now) const;

  /// A line of jobs has been decided on: it needs what the decision says, or nothing.
  void decided(const std::string& line, const domain::Decision& decision, const Dossier& dossier);
  /// Its last job is gone.
  void dissolved(const std::string& line);

  [[nodiscard]] std::vector<TransferReport> under_way(const DatasetId& dataset) const;

 private:
  using Lane = std::pair<DatasetId, SiteId>;  // and the site that it goes to
  struct Course {
    ports::BegunTransfer begun;
    domain::TransferStatus status;
    std::set<std::string> lines;  // that need it
    std::optional<MonotonicTime> unneeded_since;
    bool stop = false;  // nobody will need it again
    std::int32_t silent = 0;  // questions to the mover without an answer, since the last one
    std::string trouble = {};  // why
    std::unique_ptr<async::Event> wake;
  };
  struct Failure {
    domain::Reason reason;
    std::int32_t times = 0;
    MonotonicTime until{};
  };

  /// False: not now, too much is under way.
  bool begin(const Lane& lane, const domain::Dataset& dataset, const SiteId& from, const std::string& line);
  void release(const std::string& line, const Lane& lane, bool at_once);
  [[nodiscard]] domain::Bytes speed_of(const SiteId& from, const SiteId& to) const;
  [[nodiscard]] domain::Room room_at(const SiteId& site) const;
  /// From its record to the consequences of its end.
  async::Task<> run(Lane lane, bool is_new);
  async::Task<domain::TransferStatus> to_its_end(Lane lane, bool is_new);
  async::Task<> conclude(Lane lane, domain::TransferStatus status);
  async::Task<> register_copy(domain::Transfer transfer, UtcTime seen_at);
  void note_failure(const std::tuple<DatasetId, SiteId, SiteId>& key, const domain::Reason& why, bool may_pass);
  void forget_course(const Lane& lane);

  Context& context_;
  ports::TransferStore* store_;
  UlidSource& ids_;
  std::function<void()> arrived_;
  std::map<Lane, Course> courses_;
  std::map<std::string, std::set<Lane>> needs_;  // by line
  std::map<std::pair<SiteId, SiteId>, domain::Bytes> measured_;
  std::map<std::tuple<DatasetId, SiteId, SiteId>, Failure> failures_;  // from, to
  std::map<SiteId, ports::Occupied> occupied_;  // beneath each staging root
};

/// HANSA_DATA_1, ...: the folder of each dataset that the job names, in its order, as the site's jobs see it.
/// Where the dataset lies there, absolute; "": the site has no copy of it, or nobody knows where.
std::string data_path(const DataSetup& setup, const domain::Dataset& dataset, const SiteId& site);
std::vector<std::pair<std::string, std::string>> data_environment(const DataSetup& setup, const Dossier& dossier,
                                                                  const SiteId& site);

}  // namespace hansa::engine
