// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/account_checks.hpp"

#include "connectors/batch/answers.hpp"
#include "connectors/batch/values.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::batch {

using domain::DoctorVerdict;
using domain::finding;
using ports::Deadline;

namespace {

using enum DoctorVerdict;

constexpr std::string_view kFenceName = "fence/hansa-doctor";

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(" \t\r\n"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::optional<std::uint64_t> number(std::string_view word) {
  const auto count = parse_count(word);
  return count ? std::optional(static_cast<std::uint64_t>(*count)) : std::nullopt;
}

/// Its first line, printable, short.
std::string first_line(std::string_view text) { return words_of(text.substr(0, text.find('\n'))); }

/// A program that could not be asked: nothing is known, and that is all.
domain::Finding not_asked(std::string check, const std::string& program, const Error& error) {
  const bool missing = error.code == "PROGRAM_NOT_FOUND";
  return finding(std::move(check), not_checked, missing ? "there is no " + program + " here" : error.message,
                 missing ? "nothing is needed for jobs; with it this could be checked"
                         : "list " + program + " among the programs of hansa-switch to have this checked");
}

/// WORK_DIR. The file system's own no bars; that nobody could look does not.
domain::Finding not_written(const Error& error, std::string remedy) {
  auto found = failure("WORK_DIR", error, std::move(remedy));
  const auto kind = error.kind;
  found.bars = found.verdict == fault && (kind == ErrorKind::permission_denied || kind == ErrorKind::storage_full ||
                                          kind == ErrorKind::conflict || kind == ErrorKind::not_found);
  return found;
}

}  // namespace

void Notes::add(domain::Finding finding, std::string source, const LocalAccount& account) {
  finding.subject = account.str();
  finding.source = std::move(source);
  finding.at = clock_.now_utc();
  findings_.push_back(std::move(finding));
}

std::optional<std::optional<Seconds>> parse_cpu_limit(std::string_view text) {
  const auto words = words_in(text);
  if (words.empty()) return std::nullopt;
  if (words.front() == "unlimited") return std::optional<Seconds>();
  const auto seconds = parse_count(words.front());
  if (!seconds) return std::nullopt;
  return std::optional(Seconds{*seconds});
}

std::optional<FileSystem> parse_file_system(std::string_view text) {
  const auto words = words_in(text);
  if (words.size() != 5) return std::nullopt;
  std::array<std::uint64_t, 5> numbers{};
  for (std::size_t i = 0; i < 5; ++i) {
    const auto value = number(words[i]);
    if (!value) return std::nullopt;
    numbers[i] = *value;
  }
  const auto [blocks, free, size, files, files_free] = numbers;
  constexpr auto kMostBlocks = ~std::uint64_t{0} >> 24;  // times a block's size no number overflows
  if (blocks > kMostBlocks || free > kMostBlocks || size > (1U << 24)) return std::nullopt;
  return FileSystem{blocks, free, size, files, files_free};
}

domain::Finding judge_quota(std::string_view text) {
  auto fullest = finding("QUOTA", not_checked, "no quota is told", "ask the site, if it has other quotas (lfs, mmlsquota)");
  std::uint64_t worst = 0;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto words = words_in(line);  // file system, KiB (with a mark if over), quota, limit, grace, files, quota, limit, grace
    if (words.size() != 9) continue;
    const auto share = [&](std::size_t used_at) {
      auto word = words[used_at];
      if (word.ends_with('*')) word.remove_suffix(1);
      const auto used = number(word), soft = number(words[used_at + 1]), hard = number(words[used_at + 2]);
      if (!used || !soft || !hard) return std::uint64_t{0};
      const auto limit = *hard > 0 ? *hard : *soft;
      if (limit == 0) return std::uint64_t{0};
      return 1 + std::min<std::uint64_t>(*used / std::max<std::uint64_t>(1, limit / 100), 1000);
    };
    const auto full = std::max(share(1), share(5));
    if (full <= worst) continue;
    worst = full;
    fullest = finding("QUOTA", ok, std::string(words[0].substr(0, 120)) + " is " + std::to_string(full - 1) + "% full");
    fullest.reading = true;
    fullest.bars = full - 1 >= 100;
    if (fullest.bars)
      fullest.verdict = fault;
    else if (full - 1 >= 95)
      fullest.verdict = warning;
    if (fullest.verdict != ok) fullest.remedy = "make space, or have the account's quota raised: jobs fail without it";
  }
  return fullest;
}

boost::asio::awaitable<void> AccountChecks::look_at(Notes* notes, transport::Command harmless, std::string own_name,
                                                    Deadline deadline) const {
  const auto account = harmless.account;
  const auto source = harmless.program;
  auto as = harmless;
  as.arguments.clear();
  as.environment = {{"LC_ALL", "C"}};
  as.output_limit = std::size_t{64} << 10;
  harmless.output_limit = as.output_limit;
  const auto ran = co_await transport_.run(std::move(harmless), deadline);
  const auto name = account.empty() ? own_name + ", the broker's own account" : account.str();
  constexpr auto kAllow =
      "allow the account and the program in the switch's configuration (hansa-switch(8)), or take the account out of the site's "
      "map";
  if (!ran || !ran->succeeded()) {
    auto refused = ran ? finding("RUN_AS", fault, first_line(ran->err.empty() ? ran->out : ran->err), kAllow)
                       : failure("RUN_AS", ran.error(), kAllow);
    refused.value.insert(0, "as " + name + ": ");
    // The switch's own no; what a program says that does not run as it should is no word about the account.
    refused.bars = !ran && ran.error().kind == ErrorKind::permission_denied;
    notes->add(std::move(refused), source, account);
    co_return;
  }
  notes->add(finding("RUN_AS", ok, "as " + name + ": " + first_line(ran->out)), source, account);
  co_await look_at_folder(notes, as, deadline);
  co_await look_at_limits(notes, std::move(as), deadline);
}

boost::asio::awaitable<void> AccountChecks::look_at_folder(Notes* notes, transport::Command as, Deadline deadline) const {
  const auto account = as.account;
  const auto folder = work_dirs_.path_of(account);
  work_dirs_.forget(account);
  if (auto made = co_await work_dirs_.prepare(account, as.person, "hansa-doctor", deadline); !made) {
    notes->add(not_written(made.error(), "let the account make and write its work_dir (site.work_dir)"), folder, account);
    co_return;
  }
  // A new link, another under its name, which must be told the first one's holder; then it takes the place of the last time's.
  const transport::FilesAt files(transport_, account, as.person, "hansa-doctor");
  const auto place = folder + '/' + std::string(kFenceName);
  const auto mark = "doctor:" + std::to_string(to_unix_ms(clock_.now_utc()));
  auto first = co_await files.make_link(mark, place + ".new", deadline);
  if (first && !first->created) {  // left behind by one that was cut
    if (auto gone = co_await files.rename(place + ".new", place, deadline); gone)
      first = co_await files.make_link(mark, place + ".new", deadline);
  }
  const auto second = first ? co_await files.make_link(mark + ":second", place + ".new", deadline) : first;
  const auto tidied = co_await files.rename(place + ".new", place, deadline);
  if (!first || !second || !tidied) {
    const auto& error = !first ? first.error() : !second ? second.error() : tidied.error();
    notes->add(not_written(error, "let the account write to its work_dir (site.work_dir)"), folder, account);
    co_return;
  }
  notes->add(finding("WORK_DIR", ok, "made, and written to"), folder, account);
  notes->add(domain::judge_fence(first->created, second->created, second->target, mark), "ln, twice, in " + folder + "/fence",
             account);

  as.program = "/usr/bin/stat";
  as.arguments = {"--file-system", "--format=%b %a %S %c %d", "--", folder};
  const auto seen = co_await transport_.run(std::move(as), deadline);
  const auto room = seen && seen->succeeded() ? parse_file_system(seen->out) : std::nullopt;
  if (room) {
    notes->add(domain::judge_room({.bytes_free = room->free * room->size,
                                   .bytes = room->blocks * room->size,
                                   .files_free = room->files_free,
                                   .files = room->files}),
               "stat -f " + folder, account);
  } else {
    notes->add(seen ? finding("ROOM", not_checked, first_line(seen->err), "see: stat -f " + folder)
                    : not_asked("ROOM", "/usr/bin/stat", seen.error()),
               "stat -f " + folder, account);
  }
}

boost::asio::awaitable<void> AccountChecks::look_at_limits(Notes* notes, transport::Command as, Deadline deadline) const {
  const auto account = as.account;
  auto limit = as;
  limit.program = "/usr/bin/prlimit";
  limit.arguments = {"--cpu", "--raw", "--noheadings", "--output", "SOFT,HARD"};
  const auto told = co_await transport_.run(std::move(limit), deadline);
  const auto seconds = told && told->succeeded() ? parse_cpu_limit(told->out) : std::nullopt;
  notes->add(seconds ? domain::judge_cpu_limit(*seconds)
             : told  ? finding("CPU_LIMIT", not_checked, first_line(told->err), "see: prlimit --cpu")
                     : not_asked("CPU_LIMIT", "/usr/bin/prlimit", told.error()),
             "prlimit --cpu", account);

  as.program = "/usr/bin/quota";
  as.arguments = {"-w", "-p"};
  const auto quota = co_await transport_.run(std::move(as), deadline);
  notes->add(quota ? judge_quota(quota->out) : not_asked("QUOTA", "/usr/bin/quota", quota.error()), "quota",
             account);  // exit 1: over it
}

boost::asio::awaitable<void> AccountChecks::look_at_host(Notes* notes, Principal person, std::vector<std::string> outbound,
                                                         Deadline deadline) const {
  std::vector<std::string> runtimes;
  for (const auto* program : {"/usr/bin/apptainer", "/usr/bin/singularity"}) {
    const auto version = co_await transport_.run({.program = program,
                                                  .arguments = {"--version"},
                                                  .environment = {{"LC_ALL", "C"}},
                                                  .output_limit = std::size_t{64} << 10,
                                                  .person = person},
                                                 deadline);
    if (version && version->succeeded()) runtimes.push_back(first_line(version->out));
  }
  notes->add(domain::judge_containers(runtimes), "/usr/bin/apptainer, /usr/bin/singularity");
  for (auto& told : domain::told_of_network(outbound)) notes->add(std::move(told), "site.profile.outbound");
}

}  // namespace hansa::connectors::batch
