// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an account can do where a site's commands run, found out by doing it: run a command, make its work_dir, take a fence
// twice. Programs that the site's switch does not list are not checked, and said so.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/domain/site_checks.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/batch/listing.hpp"
#include "connectors/batch/work_dirs.hpp"
#include "connectors/transport/transport.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::batch {

/// Of checks that a site's connector makes: each new finding gets the source and the time.
class Notes {
 public:
  explicit Notes(const Clock& clock) : clock_(clock) {}
  void add(domain::Finding finding, std::string source, const LocalAccount& account = {});
  /// The scheduler is asked now: its site's budget counts that.
  void asked(std::int32_t questions = 1) { questions_ += questions; }
  [[nodiscard]] domain::DoctorReport report() && {
    return {.at = clock_.now_utc(), .scheduler = {}, .findings = std::move(findings_), .drift = {}, .questions = questions_};
  }

 private:
  const Clock& clock_;
  std::vector<domain::Finding> findings_;
  std::int32_t questions_ = 0;
};

class AccountChecks {
 public:
  /// All of them outlive it.
  AccountChecks(transport::Transport& transport, WorkDirs& work_dirs, const Clock& clock)
      : transport_(transport), work_dirs_(work_dirs), clock_(clock) {}

  /// `harmless` is one of the site's own commands, which prints a line about itself. Nothing but an account that cannot run it at
  /// all ends the checks of that account.
  boost::asio::awaitable<void> look_at(Notes* notes, transport::Command harmless, std::string own_name,
                                       ports::Deadline deadline) const;

  /// Of the host where the site's commands run, as the broker's own account; `outbound`: as the site's profile has it.
  boost::asio::awaitable<void> look_at_host(Notes* notes, Principal person, std::vector<std::string> outbound,
                                            ports::Deadline deadline) const;

 private:
  boost::asio::awaitable<void> look_at_folder(Notes* notes, transport::Command as, ports::Deadline deadline) const;
  boost::asio::awaitable<void> look_at_limits(Notes* notes, transport::Command as, ports::Deadline deadline) const;

  transport::Transport& transport_;
  WorkDirs& work_dirs_;
  const Clock& clock_;
};

/// A fault that is an error: its words may be others the next time. What was not begun, for want of time, is no fault.
inline domain::Finding failure(const std::string& check, const Error& error, std::string remedy) {
  if (error.kind == ErrorKind::deadline_exceeded || error.kind == ErrorKind::cancelled)
    return domain::finding(check, domain::DoctorVerdict::not_checked, "no time was left",
                           "look again when the site is less busy");
  auto found = domain::finding(check, domain::DoctorVerdict::fault, error.message, std::move(remedy));
  found.reading = true;
  return found;
}

/// Whether what a program lists is understood, record by record.
template <class Row>
domain::Finding judge_listing(const std::string& check, const std::string& program, const Result<Listing<Row>>& listing) {
  using enum domain::DoctorVerdict;
  if (!listing) return failure(check, listing.error(), "see why " + program + " does not answer the broker's account");
  if (listing->dropped.empty()) return domain::finding(check, ok, "understood");
  return domain::finding(
      check, warning,
      std::to_string(listing->dropped.size()) + " records are not understood, the first: " + listing->dropped.front().why,
      "report it with this version of the scheduler: what these tell is not seen");
}

/// "unlimited 4096" of prlimit, soft and hard. Nothing: it is not understood. Inside: none is unlimited.
std::optional<std::optional<Seconds>> parse_cpu_limit(std::string_view text);
/// "1000 900 4096 50000 40000" of stat -f: blocks, those free for the account, their size, files, those free.
struct FileSystem {
  std::uint64_t blocks = 0, free = 0, size = 0, files = 0, files_free = 0;
};
std::optional<FileSystem> parse_file_system(std::string_view text);
/// The fullest line of quota -w -p, for people. Verdict not_checked: there is no quota.
domain::Finding judge_quota(std::string_view text);

}  // namespace hansa::connectors::batch
