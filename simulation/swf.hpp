// SPDX-License-Identifier: Apache-2.0
#pragma once
// Workload traces in the Standard Workload Format, version 2 (Chapin, Cirne, Feitelson et al., "Benchmarks and standards for the
// evaluation of parallel job schedulers", JSSPP 1999; www.cs.huji.ac.il/labs/parallel/workload/swf.html), plain or gzipped.
//
// A line is a job: 18 numbers; -1 is "not known". Read are 1 job number, 2 submit time, 4 run time, 5 allocated and 8
// requested processors, 9 requested time and 12 user. Lines that begin with ";" are comments. What is read is not
// trusted: a file of any content gives a trace or an Error.

#include "broker/core/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::simulation {

/// Seconds and cores, as in the file but for what is said here.
struct TraceJob {
  std::int64_t number = 0;
  std::int64_t submit = 0;
  std::int64_t run = 1;                // 1 at least
  std::int64_t limit = 1;              // the requested time; the run time where none is known or it was exceeded
  std::int64_t cores = 1;              // requested, else allocated
  std::int64_t user = -1;
  friend bool operator==(const TraceJob&, const TraceJob&) = default;
};

struct Trace {
  std::vector<TraceJob> jobs;          // by submit time, then number
  std::int64_t without_run = 0;        // left out: cancelled before they ran, or no run time or no processors known
};

// The most of each that is taken for true.
inline constexpr std::int64_t kMostSeconds = 10LL * 366 * 86400;       // of a job
inline constexpr std::int64_t kLastSubmit = 100LL * 366 * 86400;
inline constexpr std::int64_t kMostCores = 100'000'000;
inline constexpr std::size_t kMostJobs = 5'000'000;
inline constexpr std::size_t kLongestLine = 4096;

/// By submit time, then number; the same order for the same jobs.
void sort_by_submit(std::vector<TraceJob>& jobs);

/// Codes TRACE_UNREADABLE (no file, a folder, a damaged or truncated gzip stream), TRACE_MALFORMED (one fault a line,
/// "file:line", and what is allowed; the first ten), TRACE_EMPTY, TRACE_TOO_LARGE.
Result<Trace> read_swf(const std::string& path);

/// The same from text; `name` is the file's in messages.
Result<Trace> parse_swf(std::string_view text, const std::string& name);

}  // namespace hansa::simulation
