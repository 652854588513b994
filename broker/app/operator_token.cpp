// SPDX-License-Identifier: Apache-2.0
#include "broker/app/operator_token.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hansa::app {
namespace {

std::unexpected<Error> io_error(const std::string& what, const std::filesystem::path& path) {
  return fail(ErrorKind::unavailable, "STATE_DIR_UNUSABLE", what + " " + path.string() + ": " + std::strerror(errno));
}

/// Written whole and durable, or not there.
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
  return {};
}

}  // namespace

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
  if (!tokens.list().empty()) co_return Result<void>{};
  auto made = co_await tokens.create(Principal{"local:operator"}, ports::Role::operator_, "made at first start", std::nullopt);
  if (!made) co_return std::unexpected(made.error());
  co_return write_private_file(folder / "operator.token", std::string(made->token.reveal()) + "\n");
}

std::string store_metrics(const store::Figures& figures) {
  const auto one = [](const char* name, const char* type, const char* help, std::uint64_t value) {
    return std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n" + name + " " +
           std::to_string(value) + "\n";
  };
  return one("hansa_store_commits_total", "counter", "Commits since start.", figures.commits) +
         one("hansa_store_operations_total", "counter", "Operations that those commits carried.", figures.operations) +
         one("hansa_store_checkpoints_total", "counter", "Checkpoints of the write-ahead log since start.", figures.checkpoints) +
         one("hansa_store_queued_operations", "gauge", "Operations waiting for the next commit.", figures.queued);
}

}  // namespace hansa::app
