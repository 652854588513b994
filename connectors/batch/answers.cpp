// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/answers.hpp"

#include "broker/core/encoding.hpp"
#include "connectors/batch/values.hpp"

#include <algorithm>

namespace hansa::connectors::batch {

std::string words_of(std::string_view standard_error) {
  constexpr std::size_t kMaxWords = 300;
  std::string words;
  while (!standard_error.empty() && words.size() < kMaxWords) {
    auto line = trim(cut(standard_error, '\n'));
    for (const std::string_view prefix : {"sbatch: ", "squeue: ", "sacct: ", "scancel: ", "scontrol: ", "error: ", "qsub: ",
                                          "qstat: ", "qselect: ", "qdel: ", "qhold: ", "qrls: ", "pbsnodes: "}) {
      if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
    }
    if (line.starts_with("usage: ")) break;
    if (line.empty()) continue;
    if (!words.empty()) words += "; ";
    words += line;
  }
  words.resize(std::min(words.size(), kMaxWords));
  std::ranges::replace_if(words, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  while (!is_utf8(words)) {  // cut inside a character, or not UTF-8 at all
    const auto odd = std::ranges::find_if(words, [](char c) { return (static_cast<unsigned char>(c) & 0x80U) != 0; });
    *odd = '?';
  }
  return words;
}

bool came_to_an_end(const async::ChildResult& result) {
  return result.exit_status.has_value() && !result.timed_out && !result.cancelled;
}

std::unexpected<Error> no_answer(const std::string& program, const async::ChildResult& result, bool denied) {
  const auto detail = program + ": " + result.err.substr(0, 1024);
  if (result.cancelled) return std::unexpected(Error{.kind = ErrorKind::cancelled, .code = "CANCELLED", .message = "cancelled"});
  if (result.timed_out) {
    return fail(ErrorKind::deadline_exceeded, "SITE_SILENT", "the site did not answer " + program + " in time", detail);
  }
  if (!result.exit_status) return fail(ErrorKind::unavailable, "SITE_SILENT", program + " was killed at the site", detail);
  const auto words = words_of(result.err);
  const auto said = words.empty() ? "exit code " + std::to_string(*result.exit_status) : words;
  if (denied)
    return fail(ErrorKind::permission_denied, "SITE_DENIED", "the site does not allow " + program + ": " + said, detail);
  return fail(ErrorKind::unavailable, "SITE_DOWN", program + " failed at the site: " + said, detail);
}

std::unexpected<Error> cut_short(const std::string& program) {
  return fail(ErrorKind::unavailable, "SITE_TRUNCATED",
              "the site's list of jobs is too long or was cut: " + program + " did not tell all of it");
}

std::unexpected<Error> no_receipt(std::string_view code, std::string message, const async::ChildResult& result) {
  return fail(ErrorKind::unknown_outcome, code, std::move(message),
              "stdout: " + result.out.substr(0, 512) + " stderr: " + result.err.substr(0, 1024));
}

std::optional<Error> submission_failure(const std::string& program, const async::ChildResult& result, bool unreachable) {
  const auto failure = [&](std::string_view code, std::string message) {
    return no_receipt(code, std::move(message), result).error();
  };
  const auto words = words_of(result.err);
  if (!came_to_an_end(result))
    return failure("SITE_SILENT", program + " was stopped before it answered" + (words.empty() ? "" : ": " + words));
  if (*result.exit_status == 0) return std::nullopt;
  if (unreachable) return failure("SITE_SILENT", "the site's scheduler does not answer: " + words);
  if (words.empty())
    return failure("SITE_GARBLED", program + " ended with exit code " + std::to_string(*result.exit_status) + " and no word");
  return failure("SITE_REFUSED", "the site refused the job: " + words);
}

}  // namespace hansa::connectors::batch
