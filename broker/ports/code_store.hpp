// SPDX-License-Identifier: Apache-2.0
#pragma once
// The archives of code (broker/domain/code_archive.hpp) that jobs name, each for its owner alone: whoever else names one must
// have brought it too. It comes in pieces, in order, each as often as you like, and is there once all of it was read back and its
// digest and form are right; then it is durable. Callable from any strand; resumes on the caller's.
//
// Errors beside those told: storage_full, internal.

#include "broker/async/task.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace hansa::ports {

struct CodeState {
  std::uint64_t size = 0;  // once it is complete
  std::uint64_t received = 0;  // bytes from its beginning on
  bool complete = false;
};

struct CodePiece {
  CodeId id;
  std::uint64_t size = 0;  // of the whole archive
  std::uint64_t offset = 0;
  std::string bytes;
};

class CodeStore {
 public:
  virtual ~CodeStore() = default;

  /// None: nothing of it is here. To ask is to use it: what was used lately is kept.
  virtual async::Task<std::optional<CodeState>> look(Principal owner, CodeId id) = 0;

  /// too_large (CODE_TOO_LARGE, CODE_QUOTA); conflict (CODE_GAP: the piece begins behind what is here); invalid_argument
  /// (CODE_MISMATCH, BAD_CODE: all of it was here and is wrong; it is gone). To make room for it, its owner's archives go that
  /// were not used lately and are not `in_use`.
  virtual async::Task<CodeState> put(Principal owner, CodePiece piece, std::set<CodeId> in_use) = 0;

  /// At most `limit` bytes. not_found (CODE_NOT_HERE).
  virtual async::Task<std::string> read(Principal owner, CodeId id, std::uint64_t offset, std::size_t limit) = 0;

  /// Removes what is not in use and was not used for long. Answers how many archives went.
  virtual async::Task<std::size_t> sweep(std::map<Principal, std::set<CodeId>> in_use) = 0;
};

}  // namespace hansa::ports
