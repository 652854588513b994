// SPDX-License-Identifier: Apache-2.0
#pragma once
// The local site's memory: one folder for each job (records.hpp says what stands in it). A job is accepted when its
// folder has been renamed into place; everything else that is true of a job follows from its files and from who holds
// its lock, so a broker that is killed at any moment finds every job where it is.
//
// Blocking, and not thread-safe: the connector calls it on one thread of its own.

#include "connectors/local/files.hpp"
#include "connectors/local/records.hpp"
#include "connectors/local/work_folder.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::local {

enum class Presence {
  waiting,  // no supervisor, and there was none
  alive,    // a supervisor holds the lock
  over,     // there was one: it left a result, or it was killed
  ended,    // judged
};

struct Sight {
  Presence presence = Presence::waiting;
  std::optional<StartRecord> start;  // a supervisor that has just begun has none yet
  std::optional<EndRecord> end;
};

struct SpooledJob {
  JobRecord job;
  Sight sight;
};

class Spool {
 public:
  /// Takes the spool for this process: unavailable (SPOOL_IN_USE) while another one has it.
  static Result<Spool> open(const std::string& path, const std::string& work_dir);

  /// All jobs, by id. A folder that cannot be understood is left out, and named in `damaged`. Of an array that was not spooled
  /// whole nothing has started, and nobody has a receipt: it is removed.
  Result<std::vector<SpooledJob>> load(std::vector<std::string>& damaged);

  /// Returns the new id, which rises with every job. unknown_outcome if the folder may have been kept; any other error:
  /// it was not.
  Result<std::int64_t> add(JobRecord job, std::string_view script);

  /// The same for an array, a job for each of its tasks, of which `job` is the pattern ("%a" in its output is the index): the id
  /// of the first is the array's, and the others' follow it.
  Result<std::int64_t> add_array(JobRecord job, std::string_view script);

  Result<Sight> look(std::int64_t id) const;

  /// Judges a job that is over. A supervisor without a result was killed: what it left running is killed first.
  Result<EndRecord> settle(std::int64_t id, UtcTime now);

  /// Ends a job that has not started, and now never will; conflict if it has.
  Result<EndRecord> withdraw(std::int64_t id, UtcTime now, std::string site_state, domain::Outcome outcome,
                             domain::Reason reason);

  /// Tells the supervisor to end the job. A supervisor that is no more is no error.
  Result<void> ask_to_end(std::int64_t id, const StartRecord& start) const;

  Result<void> remove(std::int64_t id) const;
  /// Of a job that is over: whose it was and what it ran. Number, times and state stay until it is removed.
  Result<void> forget_person(std::int64_t id) const;

  [[nodiscard]] std::string folder_of(std::int64_t id) const { return path_ + "/jobs/" + std::to_string(id); }
  [[nodiscard]] const WorkFolder& work_folder() const { return work_folder_; }

 private:
  Spool(std::string path, Descriptor lock, Descriptor jobs, WorkFolder work_folder)
      : path_(std::move(path)), lock_(std::move(lock)), jobs_(std::move(jobs)), work_folder_(std::move(work_folder)) {}

  /// `script_of`: a job with the same script, or 0.
  Result<void> put(const JobRecord& job, std::string_view script, std::int64_t script_of);
  Result<void> synced() const;
  Result<void> drop_half_arrays(std::vector<SpooledJob>& found) const;
  Result<Descriptor> folder(std::int64_t id) const;
  Result<EndRecord> judge(int folder, std::int64_t id, EndRecord end);

  std::string path_;
  Descriptor lock_;
  Descriptor jobs_;
  WorkFolder work_folder_;
  std::int64_t last_id_ = 0;
  std::int64_t last_sequence_ = 0;
};

/// A pidfd of exactly that process; not_found if it is gone, whoever has its number now.
Result<Descriptor> open_process(const StartRecord& start);

}  // namespace hansa::connectors::local
