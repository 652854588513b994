// SPDX-License-Identifier: Apache-2.0
#pragma once
// What git tracks in a folder, as it lies there, in one archive (broker/domain/code_archive.hpp), and its way to the broker.

#include "broker/cli/session.hpp"
#include "broker/domain/job.hpp"

namespace hansa::cli {

class CodePack {
 public:
  /// Asks `git` what it tracks. invalid_argument: NO_GIT, NO_WORK_TREE, NOTHING_TRACKED, CODE_UNFIT with every file that cannot
  /// be packed and why, CODE_CHANGED; too_large, CODE_TOO_LARGE; unavailable: no room for the archive in TMPDIR.
  static Result<CodePack> of(const std::string& folder, const config::Environment& environment);
  ~CodePack();
  CodePack(CodePack&& other) noexcept;
  CodePack& operator=(CodePack&&) = delete;

  [[nodiscard]] const CodeId& id() const { return id_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Result<std::string> read(std::uint64_t offset, std::size_t limit) const;

 private:
  explicit CodePack(int fd) : fd_(fd) {}
  int fd_;  // a file without a name
  CodeId id_;
  std::uint64_t size_ = 0;
};

/// To the broker, unless it is there: nothing is sent twice, and what was begun is gone on with. `spec` says project and labels.
Result<void> bring_code(Session& session, const CodePack& code, const domain::JobSpec& spec);

}  // namespace hansa::cli
