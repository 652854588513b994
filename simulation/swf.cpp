// SPDX-License-Identifier: Apache-2.0
#include "simulation/swf.hpp"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <system_error>
#include <tuple>

namespace hansa::simulation {
namespace {

constexpr std::size_t kFields = 18;
constexpr std::size_t kMostFaults = 10;

struct FieldRule {
  std::size_t number;  // as the format counts
  std::string_view name;
  std::int64_t least;
  std::int64_t most;
};
constexpr FieldRule kJobNumber{1, "job number", -1, INT64_MAX / 2};
constexpr FieldRule kSubmit{2, "submit time", 0, kLastSubmit};
constexpr FieldRule kRun{4, "run time", -1, kMostSeconds};
constexpr FieldRule kAllocated{5, "allocated processors", -1, kMostCores};
constexpr FieldRule kRequested{8, "requested processors", -1, kMostCores};
constexpr FieldRule kRequestedTime{9, "requested time", -1, kMostSeconds};
constexpr FieldRule kUser{12, "user", -1, INT64_MAX / 2};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// A number of any kind: some archives have fractions in fields that nobody reads here.
bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

/// For people: short, and without anything that a terminal would obey.
std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 24)) out += c >= ' ' && c < 0x7f ? c : '?';
  return out + (text.size() > 24 ? "...\"" : "\"");
}

/// Takes a trace line by line.
class TraceReader {
 public:
  explicit TraceReader(std::string name) : name_(std::move(name)) {}

  /// False: enough is wrong.
  bool line(std::string_view text) {
    if (text.size() > kLongestLine) {
      too_long();
      return faults_.size() < kMostFaults;
    }
    ++line_;
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    if (text.empty() || text.front() == ';') return true;
    std::array<std::string_view, kFields> fields;
    std::size_t count = 0;
    while (!text.empty()) {
      const auto end = static_cast<std::size_t>(std::ranges::find_if(text, is_blank) - text.begin());
      if (count < kFields) fields[count] = text.substr(0, end);
      ++count;
      text.remove_prefix(end);
      while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    }
    if (count != kFields) {
      fault("has " + std::to_string(count) + " fields; a job has 18 numbers");
    } else {
      job(fields);
    }
    return faults_.size() < kMostFaults && trace_.jobs.size() <= kMostJobs;
  }

  void too_long() {
    ++line_;
    fault("is longer than " + std::to_string(kLongestLine) + " bytes; a job has 18 numbers");
  }

  Result<Trace> finish() {
    if (!faults_.empty()) {
      auto error = fail(ErrorKind::invalid_argument, "TRACE_MALFORMED", name_ + " is no trace in the Standard Workload Format");
      error.error().faults = std::move(faults_);
      return error;
    }
    if (trace_.jobs.size() > kMostJobs) {
      return fail(ErrorKind::too_large, "TRACE_TOO_LARGE",
                  name_ + " has more than " + std::to_string(kMostJobs) + " jobs, the most that are taken; cut it");
    }
    if (trace_.jobs.empty()) {
      return fail(ErrorKind::invalid_argument, "TRACE_EMPTY",
                  name_ + " has no job with a run time and processors; a line of it has 18 numbers, comments begin with \";\"");
    }
    sort_by_submit(trace_.jobs);
    return std::move(trace_);
  }

 private:
  void fault(std::string message) {  // a line may have several
    if (faults_.size() < kMostFaults) faults_.push_back({name_ + ":" + std::to_string(line_), std::move(message)});
  }

  std::optional<std::int64_t> read(const std::array<std::string_view, kFields>& fields, const FieldRule& rule) {
    const auto text = fields[rule.number - 1];
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size() && value >= rule.least && value <= rule.most) return value;
    fault("field " + std::to_string(rule.number) + " (" + std::string(rule.name) + ") is " + shown(text) +
          "; allowed: whole numbers from " + std::to_string(rule.least) + " to " + std::to_string(rule.most));
    return std::nullopt;
  }

  void job(const std::array<std::string_view, kFields>& fields) {
    for (std::size_t i = 0; i < kFields; ++i) {
      if (is_number(fields[i])) continue;
      fault("field " + std::to_string(i + 1) + " is " + shown(fields[i]) + "; allowed: a number, -1 where it is not known");
      return;
    }
    const auto number = read(fields, kJobNumber);
    const auto submit = read(fields, kSubmit);
    const auto run = read(fields, kRun);
    const auto allocated = read(fields, kAllocated);
    const auto requested = read(fields, kRequested);
    const auto time = read(fields, kRequestedTime);
    const auto user = read(fields, kUser);
    if (!number || !submit || !run || !allocated || !requested || !time || !user) return;
    const auto cores = *requested > 0 ? *requested : *allocated;
    if (*run < 0 || cores <= 0) {
      ++trace_.without_run;
      return;
    }
    TraceJob job{
        .number = *number, .submit = *submit, .run = std::max<std::int64_t>(*run, 1), .limit = 1, .cores = cores, .user = *user};
    job.limit = std::max(*time, job.run);
    trace_.jobs.push_back(job);
  }

  std::string name_;
  std::size_t line_ = 0;
  std::vector<Fault> faults_;
  Trace trace_;
};

std::unexpected<Error> unreadable(const std::string& path, const std::string& why) {
  return fail(ErrorKind::invalid_argument, "TRACE_UNREADABLE", "cannot read " + path + ": " + why);
}

}  // namespace

void sort_by_submit(std::vector<TraceJob>& jobs) {
  const auto key = [](const TraceJob& job) { return std::tie(job.submit, job.number); };
  if (std::ranges::is_sorted(jobs, {}, key)) return;
  const auto all = [](const TraceJob& job) { return std::tie(job.submit, job.number, job.run, job.limit, job.cores, job.user); };
  std::ranges::sort(jobs, [&](const TraceJob& a, const TraceJob& b) { return all(a) < all(b); });
}

Result<Trace> parse_swf(std::string_view text, const std::string& name) {
  TraceReader reader(name);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (!reader.line(text.substr(0, end))) break;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return reader.finish();
}

Result<Trace> read_swf(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return unreadable(path, std::generic_category().message(errno));
  if (!S_ISREG(facts.st_mode)) return unreadable(path, "it is no regular file; name a trace, FILE.swf or FILE.swf.gz");
  const std::unique_ptr<gzFile_s, int (*)(gzFile_s*)> file(::gzopen(path.c_str(), "rb"), ::gzclose);
  if (!file) return unreadable(path, std::generic_category().message(errno));

  TraceReader reader(path);
  std::string rest;
  std::vector<char> block(std::size_t{1} << 18U);
  for (bool going = true; going;) {
    const auto got = ::gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    int code = Z_OK;
    const std::string_view why = ::gzerror(file.get(), &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      const bool cut = code == Z_BUF_ERROR;
      return unreadable(path, cut ? "the gzip stream ends too early; fetch the file again"
                                  : "its gzip stream is damaged (" + std::string(why) + "); fetch the file again");
    }
    rest.append(block.data(), static_cast<std::size_t>(got));
    std::string_view text = rest;
    for (auto end = text.find('\n'); going && end != std::string_view::npos; end = text.find('\n')) {
      going = reader.line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    if (going && text.size() > kLongestLine) {
      reader.too_long();
      going = false;
    }
    if (going && got == 0) {
      if (!text.empty()) reader.line(text);
      going = false;
    }
    rest.erase(0, rest.size() - text.size());
  }
  return reader.finish();
}

}  // namespace hansa::simulation
