// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is held of people has an end: every day what is older than its period goes (broker/domain/retention.hpp), in small steps
// with pauses; a person whose erasure two operators want is forgotten. After either the unused space of the database's file is
// gone over, a few megabytes at a time, and its log is emptied. All of it goes on after a crash where it stood.
//
// Strand: start(), stop() and the loops on the one of Parts; everything else from any thread.

#include "broker/async/event.hpp"
#include "broker/async/task_group.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/engine/access_book.hpp"
#include "broker/engine/catalogue.hpp"
#include "broker/ports/facts.hpp"
#include "broker/ports/old_copies.hpp"

#include <functional>
#include <map>
#include <memory>

namespace hansa::engine {

struct ProtectionOptions {
  std::map<domain::Holding, Seconds> keep;  // of those that the broker keeps; none, or 0: it stays
  Seconds keep_copies{0};                    // that the broker made of the whole database; 0: they stay
  Milliseconds first_after{60'000};          // the start
  Milliseconds interval{86'400'000};
  Milliseconds pause{20};                    // between two steps, each of some milliseconds of the store's writer
};

/// A line of `hansa privacy retention`.
struct HoldingReport {
  const domain::RetentionItem* item = nullptr;
  std::optional<Seconds> keep;               // none: the broker does not end it
  ports::DueHolding held;
  std::optional<UtcTime> next_end;           // when the oldest of it is due
};

class DataProtection {
 public:
  struct Parts {
    boost::asio::any_io_executor strand;
    async::Scheduler& scheduler;
    UlidSource& ids;
    ports::PrivacyStore& store;
    ports::FactStore& facts;
    const ports::Accounts& accounts;
    ports::Log& log;
    std::vector<SiteId> sites = {};                               // where a person may have an account
    std::vector<ports::PersonalFiles*> files = {};
    ports::OldCopies* copies = nullptr;
    std::function<async::Task<>(Principal)> forget_tokens = {};   // nobody has any from then on
    std::function<void(UtcTime before)> forget_ended_tokens = {};
    /// Texts in memory that are shown, or written whole once more, name them no longer; `names` are all that they are called.
    std::function<async::Task<>(const Principal& person, const domain::Names& names)> forget_names = {};
    std::function<void(const std::vector<domain::RegisteredFact>&)> amend = {};  // rules know of the person no more
  };
  DataProtection(Parts parts, ProtectionOptions options);

  async::Task<> start();
  async::Task<> stop() { return tasks_.close(); }

  [[nodiscard]] AccessBook& accesses() { return accesses_; }

  /// Conflict: PERSON_ACTIVE with a fault for each thing in the way (jobs that are not over or not accounted for, datasets that
  /// are theirs); ERASURE_UNDER_WAY.
  async::Task<ports::Erasure> ask(Asking asking, Principal person);
  /// Errors as of ask(), and of PrivacyStore::rule_erasure.
  async::Task<ports::Erasure> rule(Principal by, ports::ErasureId id, bool approve);

  async::Task<std::vector<HoldingReport>> report();
  /// Ends what is due now. What the daily loop does.
  async::Task<std::int64_t> expire_all();
  /// Goes on with every erasure that is approved.
  async::Task<> erase_approved();

 private:
  async::Task<> retention();
  async::Task<> erasures();
  async::Task<> bookkeeping();
  async::Task<std::int64_t> expire_one(const domain::RetentionItem& item, Seconds keep);
  async::Task<> erase(ports::Erasure erasure);
  async::Task<> forget(const Principal& person);
  async::Task<> expire_copies();
  async::Task<> tell_of_copies(ports::ErasureId id);
  async::Task<> wipe();
  async::Task<> wipe_what_is_owed();
  async::Task<> nothing_in_the_way(Principal person);
  void tell_of_secrets(const ports::SecretsLeft& left);
  async::Task<> wake();
  async::Task<> rest(Milliseconds pause);

  Parts parts_;
  const ProtectionOptions options_;
  AccessBook accesses_;
  async::Event approved_, noted_;
  std::shared_ptr<DataProtection*> here_ = std::make_shared<DataProtection*>(this);  // whoever finds it gone leaves us alone
  async::TaskGroup tasks_;  // last: they use everything else
};

}  // namespace hansa::engine
