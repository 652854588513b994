// SPDX-License-Identifier: Apache-2.0
#pragma once
// Jobs, their payloads, events and decisions, as SQL. What can be done without the database (JSON, packing) is done by
// prepare_*, on the caller's thread; the rest runs inside a transaction that somebody else began.

#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace hansa::store {

/// A decision as it is stored.
struct VerdictText {
  std::string hash;
  std::string body;
};

/// Writes decisions. A line of jobs is told the same, thousands of times: to write and hash that again for each was a tenth of
/// what it took to accept a job, so the last text is kept for each input that was decided on. Thread-safe.
class VerdictWriter {
 public:
  std::shared_ptr<const VerdictText> text_of(const domain::Decision& decision);

 private:
  struct Written {
    domain::Decision decision;
    std::shared_ptr<const VerdictText> text;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Written> written_;  // by input_hash
};

struct RecordRequest {
  struct Event {
    std::int64_t version = 0;
    UtcTime at{};
    std::string name;
    std::string body;
  };
  domain::Job job;
  std::vector<Event> events;
  std::set<std::int32_t> attempts;      // that the events speak of
  std::shared_ptr<const VerdictText> decision;  // null: none was taken
  domain::Documents documents;
  std::optional<domain::WaitScore> score;
  std::optional<domain::Hold> hold;
  std::size_t bytes = 0;
};

struct AcceptRequest {
  struct Entry {
    domain::Job job;
    std::string spec;         // canonical JSON
    std::string event;        // of the Accepted event
    std::string script;
    std::string arguments;    // packed
    std::string environment;  // packed, name and value by turns
    std::optional<RecordRequest> decided;
  };
  std::vector<Entry> entries;
  std::optional<ports::Idempotency> idempotency;
  std::size_t bytes = 0;
};

/// invalid_argument: NO_JOBS, NOT_A_NEW_JOB, MIXED_OWNERS (a key belongs to one owner); those of prepare_record.
Result<AcceptRequest> prepare_accept(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> idempotency,
                                     VerdictWriter& verdicts);
/// invalid_argument: NO_CHANGE, DOCUMENT_HASH_MISMATCH.
Result<RecordRequest> prepare_record(ports::JobChange change, VerdictWriter& verdicts);

Result<ports::AcceptedJobs> accept_jobs(Connection& db, const AcceptRequest& request);
Result<std::optional<ports::AcceptedJobs>> accepted_under(Connection& db, const Principal& owner,
                                                          const ports::Idempotency& idempotency);
Result<void> record(Connection& db, const RecordRequest& request);

Result<domain::Job> read_job(Connection& db, JobId id);
Result<domain::JobPayload> read_payload(Connection& db, JobId id);
Result<std::vector<domain::Job>> read_jobs(Connection& db, const ports::JobQuery& query);
Result<std::vector<domain::Job>> read_active_jobs(Connection& db, std::optional<JobId> after, std::size_t limit);
Result<std::vector<ports::StoredEvent>> read_events(Connection& db, JobId id);
Result<std::vector<ports::StoredEvent>> read_events_after(Connection& db, std::int64_t after, std::size_t limit);
Result<ports::Tally> read_tally(Connection& db);
Result<std::int64_t> read_last_event(Connection& db);
Result<domain::Decision> read_decision(Connection& db, JobId id);
Result<std::string> read_document(Connection& db, const std::string& hash);

/// A list of byte strings as one: netstrings (cr.yp.to/proto/netstrings.txt), "5:hello,0:,".
std::string pack(const std::vector<std::string>& parts);
std::optional<std::vector<std::string>> unpack(std::string_view packed);

/// The row of a job, by its id.
std::optional<std::int64_t> find_row(Connection& db, JobId id);
std::unexpected<Error> no_such_job(JobId id);

}  // namespace hansa::store
