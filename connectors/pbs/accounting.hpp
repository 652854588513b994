// SPDX-License-Identifier: Apache-2.0
#pragma once
// The server's accounting log (server_priv/accounting/YYYYMMDD), for what qstat forgets: of a job that was started again its
// history has the last run alone. A requeue leaves a record R of the run that it ended:
//
//   11/22/2026 09:07:13;R;26.pbs01;user=alice ... jobname=rerun queue=workq ctime=1795338421 ... start=1795338421 ... run_count=1
//
// Its values are written as they are, with blanks and line breaks, and people choose some of them (qsub -A): so whole records can
// be forged. A run is taken from it only for a job that the history says was started so often, and only if one record tells it.

#include "connectors/pbs/job_listing.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::pbs {

/// Each as the row of a job whose only run it was. Lines that are no such record are left out, and told if they look like one.
Listing<JobRow> parse_reruns(std::string_view text, const GpuNames& gpus);

/// Those that are `job`'s, before its last run, in their order. A run that two records tell is nobody's.
std::vector<JobRow> runs_before(const JobRow& job, std::span<const JobRow> reruns);

/// The files in which they stand, for grep: of each day from the first submission to the last end and one more at both ends, for
/// the days are those of the server's time zone, which is not told. At most kMostDays, the last ones.
std::vector<std::string> log_files(std::span<const JobRow> jobs);
inline constexpr std::size_t kMostDays = 400;

/// It was started more than once, as far as its history tells.
inline bool was_rerun(const JobRow& job) { return job.starts > 1; }

}  // namespace hansa::connectors::pbs
