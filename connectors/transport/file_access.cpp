// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/file_access.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <string_view>

namespace hansa::connectors::transport {
namespace {

constexpr std::size_t kMessageBytes = std::size_t{16} * 1024;  // of stdout and stderr where no content is read
constexpr std::size_t kMaxRange = std::size_t{64} << 20;
constexpr std::size_t kPathsBytes = std::size_t{20} * 1024;  // of one command: a request to hansa-switch has 64 KiB for all of it
constexpr std::string_view kStatFormat = "--printf=%f %s %i %.9Z %n\\0";  // mode, size, inode, last change; for seen_from

std::unexpected<Error> refuse_path() { return fail(ErrorKind::invalid_argument, "PATH", "a path must not be empty"); }

/// Whether the program's words, in the C locale, end with the text of this errno. (Before it stands a path, which may hold
/// anything.)
bool says(const CommandResult& result, std::string_view errno_text) {
  return result.err.ends_with(": " + std::string(errno_text) + "\n");
}
bool says_missing(const CommandResult& result) {
  return says(result, "No such file or directory") || says(result, "Not a directory");
}

/// What a command that ran and did not succeed means for `path`.
Error file_error(const std::string& what, const std::string& path, const CommandResult& result) {
  struct Meaning {
    std::string_view text;
    ErrorKind kind;
    std::string_view code;
  };
  constexpr std::array meanings = {Meaning{"No space left on device", ErrorKind::storage_full, "SITE_STORAGE_FULL"},
                                   Meaning{"Disk quota exceeded", ErrorKind::storage_full, "SITE_STORAGE_FULL"},
                                   Meaning{"Permission denied", ErrorKind::permission_denied, "FILE_DENIED"},
                                   Meaning{"Operation not permitted", ErrorKind::permission_denied, "FILE_DENIED"},
                                   Meaning{"Read-only file system", ErrorKind::permission_denied, "FILE_DENIED"},
                                   Meaning{"Too many levels of symbolic links", ErrorKind::permission_denied, "FILE_IS_LINK"},
                                   Meaning{"Not a directory", ErrorKind::conflict, "FILE_IN_THE_WAY"},
                                   Meaning{"Is a directory", ErrorKind::conflict, "FILE_IN_THE_WAY"},
                                   Meaning{"File exists", ErrorKind::conflict, "FILE_IN_THE_WAY"},
                                   Meaning{"No such file or directory", ErrorKind::not_found, "FILE_NOT_FOUND"}};
  auto detail = result.err.substr(0, 1024);
  for (const auto& [text, kind, code] : meanings) {
    if (says(result, text)) return fail(kind, code, "cannot " + what + " " + path + ": " + std::string(text), detail).error();
  }
  return fail(ErrorKind::internal, "FILE_ERROR", "cannot " + what + " " + path, detail).error();
}

/// For a question: what was cut has told nothing.
std::optional<Error> question_cut(const CommandResult& result) {
  if (result.cancelled) return caller_cancelled();
  if (result.timed_out || !result.exit_status) return deadline_passed();
  return std::nullopt;
}

/// For a change: what did not end by itself may have been done.
std::optional<Error> change_cut(const CommandResult& result, const std::string& what, const std::string& path) {
  if (result.exit_status) return std::nullopt;
  return fail(ErrorKind::unknown_outcome, "FILE_UNKNOWN",
              "whether it was possible to " + what + " " + path + " is not known; it may be repeated")
      .error();
}

/// One entry of stat's answer: "81a4 4096 131 1764383639.123456789 <path>", in the words of kStatFormat.
std::optional<std::pair<std::string, Seen>> seen_from(std::string_view entry) {
  std::array<std::string_view, 4> words;
  for (auto& word : words) {
    const auto blank = entry.find(' ');
    if (blank == 0 || blank == std::string_view::npos) return std::nullopt;
    word = entry.substr(0, blank);
    entry.remove_prefix(blank + 1);
  }
  const auto& [mode_text, size_text, inode, changed] = words;
  const auto number = [](std::string_view text, auto& value, int base) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size();
  };
  mode_t mode = 0;
  Seen seen;
  if (!number(mode_text, mode, 16) || !number(size_text, seen.size, 10)) return std::nullopt;
  for (const auto text : {inode, changed}) {
    if (text.find_first_not_of("0123456789.-") != std::string_view::npos) return std::nullopt;
  }
  using enum Seen::Kind;
  seen.kind = S_ISREG(mode) ? file : S_ISDIR(mode) ? folder : S_ISLNK(mode) ? link : special;
  seen.version.append(inode).append("-").append(changed).append("-").append(size_text);
  return std::pair(std::string(entry), std::move(seen));
}

/// The first line of the program's words that tells something else than that a path is not there.
std::optional<std::string_view> trouble_in(std::string_view words) {
  while (!words.empty()) {
    const auto line = words.substr(0, words.find('\n'));
    words.remove_prefix(std::min(words.size(), line.size() + 1));
    if (!line.ends_with(": No such file or directory") && !line.ends_with(": Not a directory")) return line;
  }
  return std::nullopt;
}

}  // namespace

FilesAt::FilesAt(Transport& transport, LocalAccount account, Principal person, std::string tag)
    : transport_(transport), account_(std::move(account)), person_(std::move(person)), tag_(std::move(tag)) {}

Command FilesAt::command(std::string program, std::vector<std::string> arguments) const {
  return {.program = std::move(program),
          .arguments = std::move(arguments),
          .environment = {{"LC_ALL", "C"}},
          .output_limit = kMessageBytes,
          .account = account_,
          .person = person_,
          .tag = tag_};
}

async::Task<CommandResult> FilesAt::ask(Command question, async::Deadline deadline) const {
  auto result = co_await transport_.run(std::move(question), deadline);
  if (!result) co_return result;
  if (auto cut = question_cut(*result)) co_return std::unexpected(*cut);
  co_return result;
}

async::Task<void> FilesAt::change(Command change, std::string what, std::string path, async::Deadline deadline) const {
  const auto result = co_await transport_.run(std::move(change), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (auto cut = change_cut(*result, what, path)) co_return std::unexpected(*cut);
  if (!result->succeeded()) co_return std::unexpected(file_error(what, path, *result));
  co_return Result<void>();
}

async::Task<void> FilesAt::make_directories(std::vector<std::string> paths, async::Deadline deadline) const {
  if (paths.empty() || std::ranges::any_of(paths, &std::string::empty)) co_return refuse_path();
  auto first = paths.front();
  std::vector<std::string> arguments{"-p", "-m", "700", "--"};
  std::ranges::move(paths, std::back_inserter(arguments));
  co_return co_await change(command("/usr/bin/mkdir", std::move(arguments)), "make the folder", std::move(first), deadline);
}

async::Task<void> FilesAt::write_at(std::string path, std::uint64_t offset, std::string bytes, bool last,
                                    async::Deadline deadline) const {
  if (path.empty()) co_return refuse_path();
  std::vector<std::string> arguments{"of=" + path, "oflag=seek_bytes,nofollow",      "iflag=fullblock",
                                     "bs=65536",   "seek=" + std::to_string(offset), "status=none"};
  // Without notrunc dd cuts the file, at `seek` or (9.1: within its first block) at 0.
  if (offset > 0) arguments.emplace_back("conv=notrunc");
  if (last) arguments.emplace_back("conv=fsync");
  auto write = command("/usr/bin/dd", std::move(arguments));
  write.input = std::move(bytes);
  co_return co_await change(std::move(write), "write", std::move(path), deadline);
}

async::Task<void> FilesAt::empty_file(std::string path, async::Deadline deadline) const {
  if (path.empty()) co_return refuse_path();
  auto empty = command("/usr/bin/dd", {"of=" + path, "oflag=nofollow", "conv=nocreat,fsync", "status=none"});
  const auto result = co_await transport_.run(std::move(empty), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (auto cut = change_cut(*result, "empty", path)) co_return std::unexpected(*cut);
  if (!result->succeeded() && !says_missing(*result)) co_return std::unexpected(file_error("empty", path, *result));
  co_return Result<void>();
}

async::Task<std::string> FilesAt::sha256(std::string path, async::Deadline deadline) const {
  if (path.empty()) co_return refuse_path();
  const auto result = co_await ask(command("/usr/bin/sha256sum", {"--zero", "--", path}), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (!result->succeeded()) co_return std::unexpected(file_error("read", path, *result));
  auto digest = result->out.substr(0, 64);
  if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
    co_return fail(ErrorKind::internal, "FILE_ERROR", "cannot read the digest of " + path, result->out.substr(0, 1024));
  co_return digest;
}

async::Task<void> FilesAt::rename(std::string from, std::string to, async::Deadline deadline) const {
  if (from.empty() || to.empty()) co_return refuse_path();
  auto rename = command("/usr/bin/mv", {"-f", "-T", "--", from, to});
  co_return co_await change(std::move(rename), "rename", std::move(from), deadline);
}

async::Task<LinkOutcome> FilesAt::make_link(std::string target, std::string path, async::Deadline deadline) const {
  if (path.empty() || target.empty()) co_return refuse_path();
  // -T and no -f: symlink(2) on exactly this path, which fails if anything is there, a link to a folder too.
  auto made = co_await transport_.run(command("/usr/bin/ln", {"-s", "-n", "-T", "--", target, path}), deadline);
  if (!made) co_return std::unexpected(made.error());
  if (auto cut = change_cut(*made, "make the link", path)) co_return std::unexpected(*cut);
  if (made->succeeded()) co_return LinkOutcome{true, std::move(target)};
  auto refusal = file_error("make the link", path, *made);
  if (refusal.code != "FILE_IN_THE_WAY" || !says(*made, "File exists")) co_return std::unexpected(std::move(refusal));

  auto holder = co_await read_link(path, deadline);
  if (!holder) co_return std::unexpected(holder.error());
  if (!*holder) {
    co_return fail(ErrorKind::unavailable, "FILE_CHANGED", "the link " + path + " was removed while it was looked at; try again");
  }
  co_return LinkOutcome{false, std::move(**holder)};
}

async::Task<std::optional<std::string>> FilesAt::read_link(std::string path, async::Deadline deadline) const {
  if (path.empty()) co_return refuse_path();
  auto result = co_await ask(command("/usr/bin/readlink", {"-n", "-v", "--", path}), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (result->succeeded()) co_return std::move(result->out);
  if (says_missing(*result)) co_return std::nullopt;
  if (says(*result, "Invalid argument")) {
    co_return fail(ErrorKind::conflict, "FILE_IN_THE_WAY", path + " is there, but is no symbolic link", result->err);
  }
  co_return std::unexpected(file_error("read the link", path, *result));
}

async::Task<std::optional<std::string>> FilesAt::read_range(std::string path, std::uint64_t offset, std::size_t count,
                                                            async::Deadline deadline) const {
  if (path.empty()) co_return refuse_path();
  if (count == 0 || count > kMaxRange) {
    co_return fail(ErrorKind::invalid_argument, "RANGE", "1 to " + std::to_string(kMaxRange) + " bytes are read at a time");
  }
  // nonblock: a FIFO in the file's place must not hold us up.
  auto read = command("/usr/bin/dd", {"if=" + path, "iflag=skip_bytes,count_bytes,fullblock,nofollow,nonblock", "bs=65536",
                                      "skip=" + std::to_string(offset), "count=" + std::to_string(count), "status=none"});
  read.output_limit = std::max(count, kMessageBytes);
  auto result = co_await ask(std::move(read), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (result->succeeded()) {
    result->out.resize(std::min(result->out.size(), count));  // whatever the site sends
    co_return std::move(result->out);
  }
  if (says_missing(*result)) co_return std::nullopt;
  co_return std::unexpected(file_error("read", path, *result));
}

async::Task<std::map<std::string, Seen>> FilesAt::look(std::vector<std::string> paths, async::Deadline deadline) const {
  std::map<std::string, Seen> found;
  for (auto next = paths.begin(); next != paths.end();) {
    std::vector<std::string> arguments{std::string(kStatFormat), "--"};
    const auto first = *next;
    std::size_t bytes = 0;
    for (; next != paths.end() && (bytes == 0 || bytes + next->size() <= kPathsBytes); ++next) {
      if (next->empty()) co_return refuse_path();
      bytes += next->size() + 1;
      arguments.push_back(std::move(*next));
    }
    auto look = command("/usr/bin/stat", std::move(arguments));
    look.output_limit = std::size_t{1} << 20;  // far more than it can say of so many paths
    const auto result = co_await ask(std::move(look), deadline);
    if (!result) co_return std::unexpected(result.error());
    if (!result->succeeded() && (result->err.empty() || trouble_in(result->err))) {
      auto told = *result;
      told.err = std::string(trouble_in(result->err).value_or("")) + '\n';
      co_return std::unexpected(file_error("look at", first, told));
    }
    for (std::string_view rest = result->out; !rest.empty();) {
      const auto entry = rest.substr(0, rest.find('\0'));
      auto seen = entry.size() < rest.size() ? seen_from(entry) : std::nullopt;
      if (!seen) co_return fail(ErrorKind::internal, "FILE_ERROR", "cannot look at " + first, std::string(entry.substr(0, 1024)));
      found.insert(std::move(*seen));
      rest.remove_prefix(entry.size() + 1);
    }
  }
  co_return found;
}

}  // namespace hansa::connectors::transport
