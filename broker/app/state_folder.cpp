// SPDX-License-Identifier: Apache-2.0
#include "broker/app/state_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace hansa::app {
namespace {

constexpr const char* kNote = "made by hansad for operator.token";  // how our own are known again

std::unexpected<Error> io_error(const std::string& what, const std::filesystem::path& path) {
  return fail(ErrorKind::unavailable, "STATE_DIR_UNUSABLE", what + " " + path.string() + ": " + std::strerror(errno));
}

}  // namespace

Result<void> write_private_file(const std::filesystem::path& path, std::string_view text) {
  const auto draft = path.string() + ".new";
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return io_error("cannot write", draft);
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int problem = errno;
  ::close(file);
  errno = problem;
  if (!written || ::rename(draft.c_str(), path.c_str()) != 0) {
    auto error = io_error("cannot write", path);
    ::unlink(draft.c_str());
    return error;
  }
  const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // its new name is to last as well
  if (folder < 0) return io_error("cannot write", path);
  const bool synced = ::fsync(folder) == 0;
  ::close(folder);
  return synced ? Result<void>{} : io_error("cannot write", path);
}

Result<void> make_state_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    auto error = io_error("cannot make the state folder", folder);
    error.error().message += "; make it and give it to the account that runs hansad, or set broker.state_dir";
    return error;
  }
  struct stat found{};
  if (::stat(folder.c_str(), &found) != 0) return io_error("cannot use the state folder", folder);
  if (!S_ISDIR(found.st_mode))
    return fail(ErrorKind::unavailable, "STATE_DIR_UNUSABLE", folder.string() + " is no folder; set broker.state_dir");
  if (found.st_uid != ::geteuid()) {
    return fail(ErrorKind::unavailable, "STATE_DIR_UNUSABLE",
                folder.string() + " belongs to another account; chown it to the one that runs hansad");
  }
  if ((found.st_mode & 077U) != 0) {
    return fail(ErrorKind::unavailable, "STATE_DIR_UNUSABLE",
                "others can enter " + folder.string() + ", where scripts and tokens lie: chmod 0700 it");
  }
  return {};
}

async::Task<> ensure_operator_token(identity::TokenAuthority& tokens, std::filesystem::path folder) {
  const auto file = folder / "operator.token";
  std::error_code ignored;
  const bool at_hand = std::filesystem::exists(file, ignored);
  std::vector<std::string> lost;
  for (const auto& token : tokens.list()) {
    if (token.role != ports::Role::operator_ || !token.sites.empty() || !tokens.is_valid(token)) continue;
    if (at_hand || token.note != kNote) co_return Result<void>{};
    lost.push_back(token.id);
  }
  // A crash between these steps leaves a token without its file, which the next start finds and replaces.
  auto made = co_await tokens.create(Principal{"local:operator"}, ports::Role::operator_, kNote, std::nullopt);
  if (!made) co_return std::unexpected(made.error());
  if (auto written = write_private_file(file, std::string(made->token.reveal()) + "\n"); !written) co_return written;
  for (const auto& id : lost) {
    if (auto revoked = co_await tokens.revoke(id); !revoked) co_return std::unexpected(revoked.error());
  }
  co_return Result<void>{};
}

}  // namespace hansa::app
