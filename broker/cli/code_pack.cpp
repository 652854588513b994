// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/code_pack.hpp"

#include "broker/cli/files.hpp"
#include "broker/core/descriptor.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/domain/code_archive.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <system_error>
#include <vector>

namespace hansa::cli {
namespace {

using domain::CodeEntry;

constexpr std::size_t kListLimit = std::size_t{256} << 20;  // what git says
constexpr std::size_t kPackPiece = std::size_t{1} << 20;    // of one request: a slow line takes a minute for less than that
constexpr std::size_t kMaxUnfit = 20;
constexpr Milliseconds kResumePauses[] = {Milliseconds{200}, Milliseconds{1'000}, Milliseconds{3'000}, Milliseconds{6'000},
                                          Milliseconds{9'000}};

std::string words_of(int error) { return std::generic_category().message(error); }

/// A file that nobody else can open; less than 0 with errno if there can be none.
int unnamed_file(const config::Environment& environment) {
  const char* folder = environment("TMPDIR");
  auto name = std::string(folder == nullptr || *folder == 0 ? "/tmp" : folder) + "/hansa-code-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

std::unexpected<Error> no_room(int error) {
  return fail(ErrorKind::unavailable, "NO_ROOM_FOR_CODE",
              "the code cannot be packed: " + words_of(error) + "; set TMPDIR to a folder with room for it");
}

std::unexpected<Error> unfit(std::string_view code, std::string message) {
  return fail(ErrorKind::invalid_argument, code, "--code: " + std::move(message));
}

Result<std::string> all_of(int fd, std::size_t limit) {
  ::lseek(fd, 0, SEEK_SET);
  return read_all(fd, "git's answer", limit);
}

/// Paths from `folder` on. git is asked for no more than this: what the files hold is read from the folder.
Result<std::vector<std::string>> tracked_in(const std::string& folder, const config::Environment& environment) {
  const Descriptor out(unnamed_file(environment)), err(unnamed_file(environment));
  if (!out || !err) return no_room(errno);
  std::array<std::string, 6> words{"git", "-C", folder, "ls-files", "-z", "--recurse-submodules"};
  std::array<char*, 7> arguments{};
  std::ranges::transform(words, arguments.begin(), [](std::string& word) { return word.data(); });
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, "git", &actions, nullptr, arguments.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return unfit("NO_GIT", "git cannot be called (" + words_of(failed) + "), and only what it tracks is packed; install it");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  auto listed = all_of(out.get(), kListLimit);
  auto complaint = all_of(err.get(), std::size_t{64} << 10);
  if (!listed || !complaint) return std::unexpected((listed ? complaint : listed).error());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    auto why = complaint->substr(0, complaint->find('\n'));
    return unfit("NO_WORK_TREE", printable(folder) + " is no work tree of git (" + printable(why.substr(0, 300)) +
                                     "); name one, or make it one: git init");
  }
  std::vector<std::string> paths;
  for (std::string_view rest = *listed; !rest.empty();) {
    const auto path = rest.substr(0, rest.find('\0'));
    if (!path.empty()) paths.emplace_back(path);
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
  }
  std::ranges::sort(paths, domain::code_order);
  paths.erase(std::ranges::unique(paths).begin(), paths.end());  // a file in conflict is listed for each side
  if (paths.empty())
    return unfit("NOTHING_TRACKED", "git tracks nothing in " + printable(folder) + "; add what the job needs: git add");
  return paths;
}

/// Looks at the tracked files of one folder.
class Survey {
 public:
  explicit Survey(int folder) : folder_(folder) {}

  std::vector<CodeEntry> entries;
  std::vector<Fault> faults;
  std::uint64_t bytes = 2 * domain::kCodeBlock;  // of the archive

  void look_at(const std::string& path) {
    if (auto why = domain::code_path_fault(path); !why.empty()) return fault(path, std::move(why));
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      if (!is_folder(path.substr(0, slash))) return fault(path, "is beneath something that is no folder; git has it otherwise");
    }
    struct stat about{};
    if (::fstatat(folder_, path.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
      return fault(path, errno == ENOENT ? "is tracked by git and not there; bring it back (git restore) or take it out (git rm)"
                                         : "cannot be looked at: " + words_of(errno));
    }
    CodeEntry entry{.path = path};
    if (S_ISREG(about.st_mode)) {
      entry.kind = (about.st_mode & S_IXUSR) != 0 ? CodeEntry::Kind::program : CodeEntry::Kind::file;
      entry.size = static_cast<std::uint64_t>(about.st_size);
    } else if (S_ISLNK(about.st_mode)) {
      std::array<char, domain::kMaxCodePathBytes + 1> target{};
      const auto length = ::readlinkat(folder_, path.c_str(), target.data(), target.size());
      entry.kind = CodeEntry::Kind::link;
      entry.target.assign(target.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
      if (auto why = domain::code_link_fault(path, entry.target); !why.empty()) return fault(path, std::move(why));
    } else {
      return fault(path, S_ISDIR(about.st_mode) ? "is a submodule that is not checked out: git submodule update --init"
                                                : "is neither file nor symbolic link");
    }
    bytes += domain::code_header(entry).size() + entry.size + domain::code_padding(entry.size).size();
    entries.push_back(std::move(entry));
  }

 private:
  bool is_folder(std::string path) {
    if (folders_.contains(path)) return true;
    struct stat about{};
    if (::fstatat(folder_, path.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT;  // the file is told as missing
    if (!S_ISDIR(about.st_mode)) return false;
    folders_.insert(std::move(path));
    return true;
  }
  void fault(const std::string& path, std::string why) {
    if (faults.size() < kMaxUnfit) faults.push_back({"--code " + printable(path), std::move(why)});
  }

  int folder_;
  std::set<std::string> folders_;
};

std::unexpected<Error> changed(const std::string& path) {
  return unfit("CODE_CHANGED", printable(path) + " was changed while it was packed; submit again");
}

/// Writes an archive and knows its digest.
class PackWriter {
 public:
  explicit PackWriter(int fd) : fd_(fd) {}

  Result<void> put(std::string_view bytes) {
    digest_.add(bytes);
    while (!bytes.empty()) {
      const auto put = ::write(fd_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return no_room(errno);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  /// A file as long as it was when it was looked at.
  Result<void> put_file(int folder, const CodeEntry& entry) {
    const Descriptor file(::openat(folder, entry.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) return unfit("UNREADABLE_FILE", "cannot read " + printable(entry.path) + ": " + words_of(errno));
    struct stat about{};
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode) || static_cast<std::uint64_t>(about.st_size) != entry.size)
      return changed(entry.path);
    std::string piece(kPackPiece, '\0');
    for (auto left = entry.size; left > 0;) {
      const auto got = ::read(file.get(), piece.data(), static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left)));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return changed(entry.path);
      if (auto kept = put(std::string_view(piece).substr(0, static_cast<std::size_t>(got))); !kept) return kept;
      left -= static_cast<std::uint64_t>(got);
    }
    return put(domain::code_padding(entry.size));
  }

  std::string digest() { return digest_.finish(); }

 private:
  int fd_;
  Sha256Stream digest_;
};

/// How much of it the broker has, and whether that is all.
struct Progress {
  std::uint64_t received = 0;
  bool complete = false;
};

Result<Progress> progress_in(const Result<Answer>& answer) {
  if (!answer) return std::unexpected(answer.error());
  const auto json = Session::read(*answer);
  if (!json) return std::unexpected(json.error());
  const auto received = number(*json, "received_bytes");
  if (!received || *received < 0)
    return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer tells nothing of code; check the address");
  return Progress{.received = static_cast<std::uint64_t>(*received), .complete = member(*json, "complete") == true};
}

}  // namespace

CodePack::~CodePack() {
  if (fd_ >= 0) ::close(fd_);
}
CodePack::CodePack(CodePack&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), id_(std::move(other.id_)), size_(other.size_) {}

Result<CodePack> CodePack::of(const std::string& folder, const config::Environment& environment) {
  const Descriptor root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return unfit("NO_WORK_TREE", printable(folder) + " is no folder that can be read: " + words_of(errno));
  const auto paths = tracked_in(folder, environment);
  if (!paths) return std::unexpected(paths.error());
  Survey survey(root.get());
  for (const auto& path : *paths) survey.look_at(path);
  if (!survey.faults.empty()) {
    auto error = unfit("CODE_UNFIT", survey.faults.size() == 1 ? survey.faults[0].where.substr(7) + ' ' + survey.faults[0].message
                                                               : printable(folder) + " cannot be packed; " +
                                                                     std::to_string(survey.faults.size()) + " things are wrong:");
    error.error().faults = std::move(survey.faults);
    return error;
  }
  if (survey.bytes > domain::kMaxCodeBytes) {
    const auto& largest = *std::ranges::max_element(survey.entries, {}, &CodeEntry::size);
    return fail(ErrorKind::too_large, "CODE_TOO_LARGE",
                "--code: what git tracks in " + printable(folder) + " makes an archive of " +
                    size_text(static_cast<std::int64_t>(survey.bytes)) + ", and no broker takes more than " +
                    size_text(static_cast<std::int64_t>(domain::kMaxCodeBytes)) + "; the largest file is " +
                    printable(largest.path) + "; keep data out of git and register them: hansa data add");
  }
  CodePack pack(unnamed_file(environment));
  if (pack.fd_ < 0) return no_room(errno);
  PackWriter writer(pack.fd_);
  for (const auto& entry : survey.entries) {
    auto put = writer.put(domain::code_header(entry));
    if (put && entry.kind != CodeEntry::Kind::link) put = writer.put_file(root.get(), entry);
    if (!put) return std::unexpected(put.error());
  }
  if (auto put = writer.put(domain::code_end()); !put) return std::unexpected(put.error());
  pack.id_ = domain::code_id_of(writer.digest());
  pack.size_ = survey.bytes;
  return pack;
}

Result<std::string> CodePack::read(std::uint64_t offset, std::size_t limit) const {
  std::string bytes(limit, '\0');
  ssize_t got = 0;
  do { got = ::pread(fd_, bytes.data(), limit, static_cast<off_t>(offset)); } while (got < 0 && errno == EINTR);
  if (got <= 0) return no_room(got < 0 ? errno : EIO);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

Result<void> bring_code(Session& session, const CodePack& code, const domain::JobSpec& spec) {
  const auto path = "/v1/code/" + percent_encoded(code.id().str());
  session.outside().on_interrupt(
      "stopped while the code was on its way; nothing was submitted, and the same command goes on there");
  const auto ask = [&]() -> Result<Progress> {
    auto known = progress_in(session.send("GET", path));
    if (!known && known.error().kind == ErrorKind::not_found) return Progress{};
    return known;
  };
  auto progress = ask();
  std::size_t failures = 0;  // since the last piece that arrived
  while (!progress || !progress->complete) {
    if (progress) {
      const auto offset = std::min(progress->received, code.size() - 1);
      const auto piece = code.read(offset, kPackPiece);
      if (!piece) return std::unexpected(piece.error());
      Target target(path);
      target.add("size", std::to_string(code.size())).add("offset", std::to_string(offset));
      if (!spec.project.empty()) target.add("project", spec.project.str());
      for (const auto& label : spec.labels) target.add("label", label.str());
      const auto before = progress->received;
      progress = progress_in(session.send("PUT", target.str(), *piece, {{"Content-Type", "application/octet-stream"}}));
      if (progress && (progress->complete || progress->received > before)) {
        failures = 0;
        continue;
      }
      if (progress) progress = fail(ErrorKind::unavailable, "CODE_STUCK", "the broker takes the code, and keeps none of it");
    }
    // A piece may be sent again whatever became of it; of two who bring the same at once the slower one meets a gap.
    const auto& error = progress.error();
    const bool again = error.retryable || error.kind == ErrorKind::unknown_outcome || error.code == "CODE_GAP";
    if (!again || failures == std::size(kResumePauses)) return std::unexpected(error);
    session.outside().pause(kResumePauses[failures++]);
    progress = ask();
  }
  return {};
}

}  // namespace hansa::cli
