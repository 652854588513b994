// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is held of people: its end by age (broker/domain/retention.hpp), a person's erasure, all that is held of somebody, and who
// has read it. What has ended and who has read are reports (reports.hpp). As with the other stores (stores.hpp): a write returns
// when it is durable; callable from any strand.

#include "broker/async/task.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"
#include "broker/domain/retention.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

/// Attempts by site whose secrets still lie there (secrets.hpp), and which nothing waits for any more: the site has had a week.
using SecretsLeft = std::map<SiteId, std::int64_t>;

/// A part of the work, short enough for others to be served between two.
struct ErasedSome {
  std::int64_t rows = 0;  // that went, or lost their names
  std::optional<std::int64_t> next = {};  // where to go on; none: nothing is left
  SecretsLeft secrets_left = {};  // that were of the jobs among them
};

struct DueHolding {
  std::int64_t held = 0;  // rows that are a person's
  std::optional<UtcTime> oldest;  // by what its period runs from
};

using ErasureId = Ulid;

struct Erasure {
  enum class State {
    pending,  // waits for a second person
    rejected,
    approved,  // under way
    done,  // nothing is left that the broker could reach
  };
  ErasureId id;
  Principal of;  // until it is done or rejected: then nobody knows any more
  std::string reason;  // that name taken out by then
  Principal by;
  UtcTime at{};
  State state = State::pending;
  Principal ruled_by = {};
  std::optional<UtcTime> ruled_at = {};
  std::optional<UtcTime> done_at = {};
  std::int64_t jobs = 0;  // that became nobody's
  std::int64_t records = 0;  // of the ledger that lost their personal part
};

/// Of a person, all that is in the way of an erasure.
struct InTheWay {
  std::vector<JobId> active;  // jobs that are not over: the first of them
  std::vector<JobId> unbooked;  // that have run, and whose usage their site has not told yet
  std::vector<JobId> secrets;  // that are over, and whose secrets still lie at a site
  SecretsLeft secrets_left;  // in nobody's way any more
  std::vector<std::string> datasets;  // that are theirs
  std::vector<Ulid> break_glass;  // of theirs or about them, that is not over
  std::vector<std::string> pending;  // what they asked for and nobody has ruled on: "adjustment 01J..."
};

/// A part of what is held of a person, in its order.
enum class PersonPart { tokens, secrets, jobs, usage, datasets, facts, changes, sessions, requests, accesses, break_glass };
inline constexpr std::size_t kPersonParts = 11;
struct PersonPage {
  std::vector<Json> entries;
  std::optional<std::string> next;  // where to go on, opaque
};

struct Access {
  UtcTime at{};
  Principal reader;
  std::string role;  // of the reader
  Principal subject;  // empty: of several, or of everybody
  std::string route;  // the operation, as the API calls it
  std::string reason;  // as far as it was asked for
  std::int64_t times = 1;  // within the same minute
};
class PrivacyStore {
 public:
  virtual ~PrivacyStore() = default;

  /// Ends what is older than `before`, of rows behind `after` (0: all). `before` is a UTC time of which nothing is younger that
  /// goes. Of a holding that the broker does not keep: nothing.
  virtual async::Task<ErasedSome> expire(domain::Holding holding, UtcTime before, std::int64_t after, UtcTime now) = 0;
  virtual async::Task<DueHolding> held(domain::Holding holding) = 0;

  virtual async::Task<InTheWay> in_the_way_of_erasing(Principal person, UtcTime now) = 0;
  /// Conflict, ERASURE_UNDER_WAY: one of them waits or is under way.
  virtual async::Task<> ask_erasure(Erasure erasure) = 0;
  /// Conflict: NOT_PENDING; permission_denied, SECOND_PERSON: who asked does not approve, nor whom it is about.
  virtual async::Task<Erasure> rule_erasure(ErasureId id, Principal by, UtcTime at, bool approve) = 0;
  virtual async::Task<Erasure> erasure(ErasureId id) = 0;  // not_found, ERASURE_NOT_FOUND
  virtual async::Task<std::vector<Erasure>> erasures(std::size_t limit) = 0;  // newest first
  /// Goes on with an approved one, from where it stands; `names` are what else the person is called in texts (local accounts).
  /// The last step forgets the principal. Answers whether there is more to do.
  virtual async::Task<bool> erase_some(ErasureId id, std::vector<std::string> names, UtcTime now) = 0;
  /// All of it is gone from the files as well.
  virtual async::Task<> end_erasure(ErasureId id, UtcTime at) = 0;

  /// Deleted text stays in unused space of the database's pages: a part of the file, from that page on (1: all), is gone over.
  /// The log is emptied at the end. Unavailable, LOG_IN_USE: somebody reads what is older; try again.
  virtual async::Task<ErasedSome> wipe_unused(std::int64_t page) = 0;
  /// Whether something has ended by age since the file was last gone over: a number that grows with it, 0: nothing has.
  virtual async::Task<std::int64_t> wipe_owed() = 0;
  /// All of the file was gone over since wipe_owed() said `owed`; what has ended meanwhile is still owed.
  virtual async::Task<> wiped(std::int64_t owed) = 0;

  virtual async::Task<PersonPage> person_part(Principal person, PersonPart part, std::string after) = 0;

  virtual async::Task<> note_accesses(std::vector<Access> accesses) = 0;
};

/// Whatever keeps files of people beside the database.
class PersonalFiles {
 public:
  virtual ~PersonalFiles() = default;
  /// Deletes what is here of a person's that no job needs which is not over. To be repeated until it succeeds.
  virtual async::Task<> forget(Principal person) = 0;
};

}  // namespace hansa::ports
