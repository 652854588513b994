// SPDX-License-Identifier: Apache-2.0
#pragma once
// The script that a site's scheduler really runs: it takes the fence, then becomes the payload. Pure: text in, text out.
//
// Its only variable parts are base 64 text, bytes by their numbers, whole numbers, and names of a small alphabet, so that nothing
// of a user's is ever read by a shell. In the account's work_dir (0700 folders):
//
//   fence/<tag>.<task>                       -> job:<site job id>:<run>:<start>, or "sealed": one atomic symlink(2) that names
//                                               its holder; <start> is a word that no other start has
//   fence/<tag>.array                        -> job:<array's site job id>:0:tasks, or "sealed": of a job array, the right of all
//   its
//                                               tasks, taken by the first that starts; a task passes if its own array has it
//   refused/<tag>.<task>.<job id>.<run>      -> a start that ran nothing: DUPLICATE:<holder> | SITE_REQUEUED:<holder> |
//                                               FENCE_FAILED | DELIVERY_FAILED |
//                                               LOGIN_FAILED
//   jobs/<tag>/script                           the payload, byte for byte; the folder is its working directory (.hansa-script
//                                               if the job has code: that is unpacked beside it first, once)
//   launch/<version>/hansa-launch               launch.hpp; on the payload's PATH; the account's first job brings it
//   jobs/<tag>/.hansa-bin/hansa-container       of a job with an image: runs a command in it
//   code/<digest>.tar                           code (broker/domain/code_archive.hpp), put there before the submission; looked at
//                                               again before it is unpacked
//   secrets/<tag>/<file>                        the person's secrets that the job names (0600), put there before the submission;
//   gone
//                                               with its payload, but for arrays and jobs that may be started again: with their
//                                               attempt (secrets_path)
//   output/<tag>.out, .err                      written by the scheduler, or by the wrapper
//
// A task of an array has output/<tag>.<task>.out and .err, works in jobs/<tag>/<task>, and is called <array's site job
// id>_<task>.
//
// A start that runs nothing ends with one of the exit codes below. A payload may end with the same: only `refused/` tells.

#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::transport {

inline constexpr int kExitDuplicate = 113;  // the fence is held by another job, or sealed
inline constexpr int kExitSiteRequeued = 114;  // held by an earlier start of this job, which did not ask for requeues
inline constexpr int kExitFenceFailed = 115;  // the work_dir is missing, full or broken: nothing ran
inline constexpr int kExitDeliveryFailed = 116;  // the fence is ours, but the payload or its code could not be written

/// Largest script that fits a job with its arguments and environment (which count too): Slurm takes 4 MiB
/// (SchedulerParameters=max_script_size), and base 64 makes 4 bytes of 3.
inline constexpr std::size_t kMaxScriptBytes = std::size_t{5} << 19;  // 2.5 MiB
inline constexpr std::size_t kMaxPayloadBytes = 2'900'000;  // script, arguments and environment together
inline constexpr std::size_t kMaxWrapperBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxArgumentBytes = 131'071;  // one argument or KEY=value: the kernel's MAX_ARG_STRLEN
inline constexpr std::size_t kMaxArgumentsBytes = std::size_t{1} << 20;  // all of them

/// Who knows which nodes a job has, and starts processes on them.
enum class Launcher { plain, slurm, pbs };

/// What the portable environment is made of (docs/using-hansa.md, section 2), beside what the scheduler says when the job starts.
struct JobShape {
  std::int32_t nodes = 1;
  std::int32_t tasks = 1;
  std::int32_t cpus_per_task = 1;
  std::int32_t gpus_per_node = 0;  // as a program sees them
};

/// A quality of service of the scheduler's, and the jobs that get it: those within its limits.
struct QualityOfService {
  std::string name;
  std::string queue;  // in this one only; "": in any
  std::optional<std::chrono::seconds> max_time;
  std::optional<std::int32_t> max_nodes;
};

/// What a job runs in, as domain::Software has it.
struct WantedSoftware {
  /// Pinned by its digest; or "code:PATH", beneath the job's folder; or "data:/PATH", of a dataset at the site, whatever that
  /// calls it: a file, or a folder with one file *.sif in it.
  std::string image;
  std::vector<std::string> binds;
  bool processes_only = false;
  std::vector<std::string> modules;
};

/// What a site gives all of its jobs.
struct SiteProfile {
  /// HANSA_SCRATCH, absolute, as safe as work_dir; "": the TMPDIR that the scheduler sets, else /tmp. "{account}" is to be
  /// replaced.
  std::string scratch;
  /// Variables: the user's win over them.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<QualityOfService> qualities;  // the first that takes a job is its
  std::map<std::string, std::vector<std::string>> modules;  // what a job calls them -> what the site does, in that order
  std::string module_init;  // bash file that defines `module`; "": what the account's shell has, or /etc/profile.d
  std::string container_runtime;  // apptainer, or singularity; "": what /usr/bin has
  std::vector<std::string> outbound = {};  // queues whose nodes reach the network outside; "*": all. Told, not used
  std::string gpu_vendor;  // "nvidia", "amd", ...: which GPUs a container is shown; "": those that are there
};

/// "" if none takes it.
std::string quality_for(const SiteProfile& profile, std::string_view queue, std::int32_t nodes, std::chrono::seconds time_limit);

/// With the account's name in its place.
SiteProfile profile_for(SiteProfile profile, std::string_view account);

struct WrapperSpec {
  Tag tag;
  /// Absolute, or relative to the account's home. See is_safe_work_dir.
  std::string work_dir;
  bool may_requeue = false;
  /// Environment variables of the scheduler that hold the job's id, its restart count and its array index; the last two may be
  /// unset.
  std::string job_id_variable = "SLURM_JOB_ID";
  std::string run_variable = "SLURM_RESTART_COUNT";
  std::string task_variable = "SLURM_ARRAY_TASK_ID";
  /// The one that holds the array's id; "": the job is no array, and the task variable is not looked at.
  std::string array_variable = {};
  /// Standard output and error go to the work_dir from here on. False: the scheduler sees to it.
  bool writes_output = false;
  /// Variables of the submission's own, which are none of the job's.
  std::vector<std::string> unset = {};
  /// The payload starts in the environment that a login by bash gives this account on its first node: /etc/profile and the
  /// account's own make it. False: the scheduler has seen to that.
  bool login = false;
  Launcher launcher = Launcher::plain;
  JobShape shape;
  SiteProfile profile;
  WantedSoftware software;
  /// HANSA_MASTER_PORT, of a job or of an array's task 0, see master_port(); 0: none.
  std::uint16_t master_port = 0;
  /// Hansa's own, HANSA_...; they win over the user's.
  std::vector<std::pair<std::string, std::string>> exported;
  /// SHA-256 of the job's code, 64 hex digits; "": it has none.
  std::string code;
  /// Files that must be in its folder of secrets, HANSA_SECRET_DIR, before it starts.
  std::vector<std::string> secrets = {};
  /// The payload, opaque.
  std::string script;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
};

/// invalid_argument, all faults at once: a payload too large for a wrapper, a NUL, an environment name with '=', a tag or
/// work_dir that is not safe, software that the site's profile does not have.
Result<std::string> make_wrapper(const WrapperSpec& spec);

/// Letters, digits and "._/@+,-" only, no ".." step: it goes into scripts and into the scheduler's own file name patterns ('%',
/// '\').
bool is_safe_work_dir(std::string_view path);

// Names beneath the work_dir.
std::string fence_path(const Tag& tag, std::int32_t task);
std::string refusal_path(const Tag& tag, std::int32_t task, const SiteJobId& id, std::int32_t run);
/// Of a whole array.
std::string array_fence_path(const Tag& tag);
std::string output_path(const Tag& tag, bool standard_error);
/// `task` may be what the scheduler puts an index in the place of.
std::string task_output_path(const Tag& tag, std::string_view task, bool standard_error);
std::string code_path(std::string_view digest);
/// The folder that the attempt finds its secrets in.
std::string secrets_path(const Tag& tag);
/// The job's own working folder.
std::string job_folder(const Tag& tag);
/// What a task is called where one job id is asked for.
SiteJobId task_id(const SiteJobId& array, std::int32_t task);
/// Folders to make (0700) before the first submission.
const std::vector<std::string>& work_folders();

/// What a note in refused/ says. The code is its first word.
struct Refusal {
  std::string code;
  std::string message;  // for people; of the note only what cannot be more than a holder's name
};
Refusal read_refusal(std::string_view note);

/// HANSA_MASTER_PORT: 20000 and the first 32 bits of the SHA-256 of the job's id, modulo 10000. Below the ports that systems give
/// out by themselves, and the same on all nodes without a word between them. A task of an array adds its index before the
/// modulo: tasks may share a node.
std::uint16_t master_port(std::string_view job);

/// "job:123:0:<start>" -> 123; empty for "sealed" and anything else.
SiteJobId holder_of(std::string_view fence_target);
inline constexpr std::string_view kSealed = "sealed";

}  // namespace hansa::connectors::transport
