// SPDX-License-Identifier: Apache-2.0
#pragma once
// The room a site will have, as a routing decision sees it: its snapshot played forward once, then changed by what the broker
// itself has done since (occupy, release), so that a burst of submissions spreads instead of running after one free hole.
//
// A profile is also its own evidence. The *reduced snapshot* is the profile as canonical JSON: a base document (queues, node
// kinds, free room of every node over time) and one small document for each change, which names the document before it.
// Each is addressed by its SHA-256; hash() is the last one's. Times in it are absolute and nothing else dates it, so a site
// at rest gives the same document again and again and is kept once. load() rebuilds the same profile from the documents.
//
// Not thread-safe: one owner, on the engine's strand. Copies are independent.

#include "broker/domain/decision.hpp"
#include "policies/routing/play_forward.hpp"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <tuple>

namespace hansa::routing {

struct Start {
  UtcTime at{};
  std::vector<std::uint32_t> nodes;    // indices into the snapshot's nodes, in their order
  friend bool operator==(const Start&, const Start&) = default;
};

/// Gives the text of a stored document by its hash.
using FetchDocument = std::function<Result<std::string>(const std::string& hash)>;

/// The document itself, if it is what its hash says. What `fetch` returns is handed on; BAD_DOCUMENT.
Result<Json> read_document(const std::string& hash, const FetchDocument& fetch);

class AvailabilityProfile {
 public:
  /// The profile that the documents describe; `taken_at` is the time of the snapshot behind it (documents are undated).
  /// Errors: those of read_document, BAD_DOCUMENT, BAD_STORED_JSON.
  static Result<AvailabilityProfile> load(const std::string& hash, UtcTime taken_at, const FetchDocument& fetch);

  /// The earliest start, not before `not_before`, of one more job that asks for these resources: every one of its nodes holds
  /// what the fullest needs for the whole time limit. It comes last in line, so it takes only room that the played
  /// schedule leaves free. None: the queue is unknown, or its usable nodes never hold the job.
  [[nodiscard]] std::optional<Start> earliest_start(const QueueName& queue, const domain::Resources& resources,
                                                    Seconds time_limit, UtcTime not_before) const;
  /// The same without the nodes. `queue`: of facts().
  [[nodiscard]] std::optional<UtcTime> earliest_time(const QueueFacts& queue, const domain::Resources& resources,
                                                     Seconds time_limit, UtcTime not_before) const;

  /// Takes the room of that earliest start for the job, from then to its limit. `tag` names it for release().
  std::optional<Start> occupy(const Tag& tag, const QueueName& queue, const domain::Resources& resources, Seconds time_limit,
                              UtcTime not_before);

  /// Gives back from `at` on what a job of ours holds: one placed since the snapshot by its tag, one that runs in the snapshot by
  /// the site's id. Unknown ids are nothing to give back. Played starts of others are not moved forward: the next
  /// snapshot does that.
  void release(const Tag& tag, UtcTime at);
  void release(const SiteJobId& id, UtcTime at);

  /// When the played schedule starts what waits in the snapshot under that id. None: it is not there, or nobody can tell. Not
  /// part of the documents.
  [[nodiscard]] std::optional<UtcTime> start_of(const SiteJobId& id) const;

  [[nodiscard]] UtcTime taken_at() const { return taken_at_; }
  [[nodiscard]] const SiteFacts& facts() const { return facts_; }
  [[nodiscard]] const Fleet& fleet() const { return fleet_; }

  /// SHA-256 (hex) of the reduced snapshot that answers are computed from now.
  [[nodiscard]] const std::string& hash() const { return hash_; }
  /// Documents that nobody has stored yet: to be stored with the next decision that uses this profile.
  [[nodiscard]] const domain::Documents& unstored() const { return documents_; }
  void mark_stored(const domain::Documents& documents);

  friend AvailabilityProfile build_profile(const domain::SiteSnapshot& snapshot, UtcTime now, std::int64_t effort);

 private:
  struct Held {
    std::vector<std::uint32_t> nodes;
    Instant from = 0;
    Instant until = 0;
    Room room;  // of each node
  };

  AvailabilityProfile() = default;
  std::optional<Instant> earliest(const QueueFacts& queue, const Demand& demand, Instant not_before) const;
  void give_back(const std::vector<Held>& held, Instant at);
  std::optional<Instant> earliest_room(const QueueFacts& queue, const Demand& demand, Instant not_before) const;
  void change(const std::vector<Held>& deltas);
  void change_room(std::span<const std::uint32_t> nodes, Instant from, Instant until, const Room& room);
  Result<void> apply_change(const Json& document);
  void keep(const Json& document);
  [[nodiscard]] Json base_document() const;
  static Result<AvailabilityProfile> from_base(const Json& document);

  UtcTime taken_at_{};
  SiteFacts facts_;
  Fleet fleet_;
  /// By queue and what a node must spare: jobs that wait together ask for few kinds of node, for many times. Made when the same
  /// is asked again, forgotten when room changes.
  using Asked = std::tuple<std::size_t, Room, std::uint32_t, bool>;
  mutable std::map<Asked, std::optional<Openings>> openings_;
  std::map<std::string, std::vector<Held>> placed_;  // ours since the snapshot, by tag
  std::map<std::string, std::vector<Held>> running_;  // in the snapshot, by the site's id
  std::map<std::string, Instant> waiting_;  // the same: when it starts
  std::string hash_;
  domain::Documents documents_;
};

/// Once for each snapshot; milliseconds for usual sites, bounded by play_forward's effort. Touches nothing but its arguments,
/// so it may run on another thread.
AvailabilityProfile build_profile(const domain::SiteSnapshot& snapshot, UtcTime now, std::int64_t effort = kEffort);

}  // namespace hansa::routing
