// SPDX-License-Identifier: Apache-2.0
// The reports that the broker writes: a client hands on what comes, whatever its size.
#include "broker/cli/commands.hpp"
#include "broker/cli/durable_file.hpp"
#include "broker/cli/report.hpp"
#include "broker/cli/submission.hpp"
#include "broker/cli/text.hpp"
#include "broker/core/encoding.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/ledger/report_manifest.hpp"

#include <utility>

namespace hansa::cli {
namespace {

constexpr std::size_t kHeld = std::size_t{64} << 10;
constexpr std::string_view kManifestEnd = ".manifest.json";

std::string_view report_in(const Invocation& call) {
  const auto name = call.command()->name;
  return name.substr(name.find(' ') + 1);
}

bool sums_usage(const Invocation& call) {
  const auto* kind = ledger::find_report(report_in(call));
  return kind != nullptr && !kind->may_by.empty();
}

Result<Target> target_of(const Session& session, const Invocation& call, std::string_view format) {
  Target target("/v1/reports/" + std::string(report_in(call)));
  std::string by;
  for (const auto key : call.values("--by")) by += (by.empty() ? "" : ",") + std::string(key);
  if (!by.empty()) target.add("by", by);
  add_limits(target, call);
  for (const auto option : {"--from", "--to"}) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto moment = parse_moment(option, *text, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    target.add(std::string_view(option).substr(2), format_utc(*moment));
  }
  if (call.has("--time-sliced")) target.add("time_sliced", "true");
  if (const auto whom = call.value("--for")) {
    if (*whom != "third-party") return fail(ErrorKind::invalid_argument, "USAGE", "--for must be third-party, or be left out");
    target.add("for", "third_party");
  }
  if (const auto person = call.value("--person")) target.add("person", *person);
  if (const auto limit = call.value("--limit")) target.add("limit", *limit);
  target.add("format", format);
  return target;
}

/// A table, line by line: fit for a terminal, whatever stands in it.
class Lines {
 public:
  explicit Lines(const Session& session) : session_(session) {}
  void take(std::string_view piece) {
    rest_ += piece;
    std::size_t from = 0;
    std::string shown;
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', from)) {
      shown += printable(std::string_view(rest_).substr(from, end - from)) + "\n";
      from = end + 1;
    }
    rest_.erase(0, from);
    if (rest_.size() > kLongest) shown += printable(std::exchange(rest_, {})) + "\n";
    if (!shown.empty()) session_.print(shown);
  }

 private:
  static constexpr std::size_t kLongest = std::size_t{1} << 20;
  const Session& session_;
  std::string rest_;
};

Result<ExitStatus> keep_report(Session& session, Target target, std::string_view path) {
  const std::string beside = std::string(path) + std::string(kManifestEnd);
  auto file = DurableFile::create(std::string(path), false, DurableFile::Existing::refuse);
  if (!file) return std::unexpected(file.error());
  auto manifest_file = DurableFile::create(beside, false, DurableFile::Existing::refuse);
  if (!manifest_file) return std::unexpected(manifest_file.error());
  Sha256Stream hash;
  Result<void> written;
  target.add("manifest", "true");
  const auto answer = session.stream(target.str(), [&](std::string_view piece) {
    hash.add(piece);
    written = file->append(piece);
    return written.has_value();
  });
  if (!written) return std::unexpected(written.error());
  if (!answer) return std::unexpected(answer.error());
  const auto text = from_base64(answer->header("Hansa-Report-Manifest"));
  const auto manifest = ledger::parse_manifest(text.value_or(""));
  if (!manifest)
    return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer has no manifest: " + manifest.error().message);
  if (manifest->sha256 != hash.finish())
    return fail(ErrorKind::internal, "BAD_ANSWER", "the report came otherwise than its manifest says; nothing is kept");
  if (auto appended = manifest_file->append(*text); !appended) return std::unexpected(appended.error());
  if (auto finished = file->finish(); !finished) return std::unexpected(finished.error());
  if (auto finished = manifest_file->finish(); !finished) return std::unexpected(finished.error());
  session.note(std::to_string(manifest->rows) + " rows in " + std::string(path) + "; what it is of, in " + beside);
  return ExitStatus::done;
}

}  // namespace

Result<ExitStatus> report_named(Session& session, const Invocation& call) {
  const auto format = call.has("--json") ? std::string_view("json") : call.value("--format").value_or("table");
  auto target = target_of(session, call, format);
  if (!target) return std::unexpected(target.error());
  if (const auto path = call.value("--output")) return keep_report(session, std::move(*target), *path);
  Lines lines(session);
  const auto show = [&](std::string_view piece) { format == "table" ? lines.take(piece) : session.print(piece); };
  std::string held;  // until it is known that a broker answers, or there is too much of it
  bool is_long = false;
  const auto answer = session.stream(target->str(), [&](std::string_view piece) {
    if (is_long) return show(piece), true;
    held += piece;
    is_long = held.size() > kHeld;
    if (is_long) show(std::exchange(held, {}));
    return true;
  });
  if (!answer) return std::unexpected(answer.error());
  const auto rows = answer->header("Hansa-Report-Rows");
  if (rows.empty()) return fail(ErrorKind::internal, "BAD_ANSWER", "what answers there is no Hansa broker; check the address");
  show(held);
  if (format == "table" && rows == "0") {
    session.note(sums_usage(call) ? "nothing in that time; usage is recorded once a job's site has accounted for it"
                                  : "nothing in that time");
  }
  return ExitStatus::done;
}

}  // namespace hansa::cli
