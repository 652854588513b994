// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the server says about itself: its own settings (qstat -B), queues (qstat -Q) and nodes (pbsnodes -a).

#include "connectors/pbs/records.hpp"
#include "connectors/pbs/values.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::pbs {

/// "+alice@*,-bob" as PBS keeps them, in its order.
struct AccessList {
  bool enabled = false;
  std::vector<std::string> entries;
};

struct ServerRecord {
  std::string name;
  std::string version;            // "23.06.06"
  std::string default_queue;
  bool scheduling = true;         // jobs are started
  bool keeps_history = false;     // job_history_enable: else a job that is over is gone
  bool hides_jobs = false;        // query_other_jobs=False: who is no operator sees their own only
  std::string history_kept;       // job_history_duration, "336:00:00"; "": the server's default, two weeks
  std::optional<std::int64_t> last_job_id;  // max_job_sequence_id: then they begin again
  std::optional<std::int64_t> array_size;   // max_array_size
  AccessList users;               // whose requests it takes at all
};

struct QueueRecord {
  std::string name;
  bool enabled = false;           // takes jobs
  bool started = false;           // starts them
  bool from_route_only = false;   // takes none from us
  bool has_nodes = false;         // nodes are set aside for it
  std::vector<std::string> destinations;  // of a routing queue
  std::optional<Seconds> max_time;
  std::optional<std::int64_t> max_nodes;
  std::int64_t min_nodes = 1;
  std::int64_t priority = 0;
  AccessList users, groups, hosts;
  /// What each chunk must find on a node, of what is no number: "Qlist=long".
  std::vector<std::pair<std::string, std::string>> wants;

  [[nodiscard]] bool routes() const { return !destinations.empty(); }
};

struct NodeRecord {
  std::string name;
  std::int64_t cores = 0;
  Mebibytes memory{0};
  std::int64_t gpus = 0;
  std::string gpu_model;
  std::string architecture;       // resources_available.arch; mostly it says "linux"
  bool usable = false;
  bool exclusive = false;         // one job at a time has it, whatever the job asks for
  bool exclusive_by_default = false;
  bool full = false;              // nothing more starts there now
  Chunk taken;                    // of all of it, by whomever
  std::string queue;              // it is set aside for this one; "": for none
  std::vector<std::pair<std::string, std::string>> offers;  // resources_available, as written
};

struct Settings {
  ServerRecord server;
  Listing<QueueRecord> queues;
};

/// Queues of this server where jobs of that one run: itself, or those that it routes to.
std::vector<const QueueRecord*> destinations_of(const Settings& settings, const QueueRecord& queue);
/// "R12", "S3", "M4": named after its reservation, for those it is made for.
bool is_of_reservation(const QueueRecord& queue);

/// None: the answer is no server's.
std::optional<ServerRecord> parse_server(std::string_view text, std::string_view separator);
Listing<QueueRecord> parse_queues(std::string_view text, std::string_view separator);
Listing<NodeRecord> parse_nodes(std::string_view text, std::string_view separator, const GpuNames& gpus);

}  // namespace hansa::connectors::pbs
