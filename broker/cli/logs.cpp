// SPDX-License-Identifier: Apache-2.0
// What a job wrote, byte for byte: piece after piece by offset. Following, the broker is asked to tell of the job's changes in
// between, which is also the pause between two looks at the file.

#include "broker/cli/commands.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/domain/job.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hansa::cli {
namespace {

constexpr Seconds kQuickLook{1};
constexpr Seconds kSlowLook{5};   // at a file that does not grow: every look costs the site a call
constexpr Seconds kBeforeStart{50};

bool is_over(std::string_view state) {
  const auto known = domain::parse_job_state(state);
  return known && domain::is_terminal(*known);
}

struct Piece {
  std::string bytes;
  std::uint64_t next = 0;
  bool over = false;  // the job was, before this was read
};

struct Source {
  std::string id;
  bool errors = false;
  std::optional<std::string> task;
};

Result<Piece> read_piece(Session& session, const Source& source, std::uint64_t offset) {
  Target target(job_path(source.id, "/output"));
  target.add("stream", source.errors ? "err" : "out").add("offset", std::to_string(offset));
  if (source.task) target.add("task", *source.task);
  auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  const auto next = answer->header("Hansa-Next-Offset");
  Piece piece{.bytes = std::move(answer->body), .over = is_over(answer->header("Hansa-Job-State"))};
  const auto [at, error] = std::from_chars(next.data(), next.data() + next.size(), piece.next);
  if (error != std::errc{} || piece.next < offset)
    return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer is no output of a job; check the address");
  return piece;
}

/// Until the job changes, or `wait`. True: it is over.
Result<bool> wait_for_more(Session& session, const std::string& id, Seconds wait, std::int64_t& version) {
  auto seen = look_at_job(session, id, wait, version);
  if (!seen) return std::unexpected(seen.error());
  version = number(seen->job, "version").value_or(version);
  return seen->over;
}

}  // namespace

Result<ExitStatus> logs(Session& session, const Invocation& call) {
  const auto& id = call.operands()[0];
  const auto task = call.value("--task");
  const Source source{.id = id, .errors = call.has("--stderr"), .task = task ? std::optional(std::string(*task)) : std::nullopt};
  const bool follow = call.has("--follow");
  if (follow) session.outside().on_interrupt("stopped following; the job goes on. Follow it again with: hansa logs -f " + id);
  Patience patience(session);
  std::uint64_t offset = 0;
  std::int64_t version = 0;
  auto pause = kQuickLook;
  bool reached = false;
  for (;;) {
    auto piece = read_piece(session, source, offset);
    const bool not_at_site = !piece && piece.error().code == "NO_OUTPUT";
    if (piece) {
      patience.answered();
      reached = true;
      session.print(piece->bytes);
      const bool moved = piece->next > offset;
      offset = piece->next;
      if (moved) {
        pause = kQuickLook;
        continue;
      }
      if (piece->over || !follow) return ExitStatus::done;
    } else if (!follow || !(not_at_site || (reached && patience.again(piece.error())))) {
      return std::unexpected(piece.error());
    } else if (!not_at_site) {
      continue;
    }
    reached = true;
    const auto over = wait_for_more(session, id, not_at_site ? kBeforeStart : pause, version);
    if (!over && !patience.again(over.error())) return std::unexpected(over.error());
    // Over and never at a site: there will be no output. Over otherwise: the next look finds the rest.
    if (over && *over && not_at_site) return std::unexpected(piece.error());
    pause = std::min(pause + Seconds{1}, kSlowLook);
  }
}

}  // namespace hansa::cli
