// SPDX-License-Identifier: Apache-2.0
#pragma once
// The folder that scripts, output and fences of a local site's jobs lie in (connectors/transport/wrapper.hpp has its plan).
// The jobs can write there too, so nothing in it is trusted: no link is followed, nothing outside is reached. Blocking.

#include "broker/domain/site_checks.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/local/files.hpp"
#include "connectors/local/records.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::local {

class WorkFolder {
 public:
  /// Makes it and its parts, 0700.
  static Result<WorkFolder> open(const std::string& path);

  Result<ports::SealOutcome> seal(const ports::Fence& wanted) const;

  /// What becomes of two links under one name, made one after the other and taken away again; and the room that there is.
  struct Trial {
    bool created = false, second_created = false;
    std::string holder;
    domain::DiskRoom room;
  };
  Result<Trial> try_fence(const std::string& holder) const;

  /// Why a start of the wrapper ran nothing; none if it ran its payload.
  [[nodiscard]] std::optional<domain::Reason> refusal(const JobRecord& job) const;

  /// Whether code of that size is there.
  [[nodiscard]] bool has_code(std::string_view digest, std::uint64_t size) const;
  /// A file that it can be written to, and its coming to light once its digest is right: unavailable (CODE_MISMATCH).
  Result<Descriptor> begin_code(const Tag& tag) const;
  Result<void> keep_code(const Tag& tag, std::string_view digest) const;
  void drop_code(const Tag& tag) const;

  /// A job's secrets, each in a file for the account alone (0600); and their removal, with the folder where it is empty then.
  Result<void> keep_secrets(const Tag& tag, const std::vector<ports::DeliveredSecret>& secrets) const;
  Result<void> drop_secrets(const Tag& tag, const std::vector<std::string>& files) const;

  /// `task`: of an array.
  Result<ports::OutputChunk> read_output(const Tag& tag, std::optional<std::int32_t> task, ports::Stream stream,
                                         std::uint64_t offset, std::size_t limit) const;

  /// Of the job's own working folder. At most `limit` bytes; with 0 it is only looked at.
  Result<ports::FileChunk> read_file(const Tag& tag, const std::string& path, std::uint64_t offset, std::size_t limit) const;

 private:
  explicit WorkFolder(Descriptor root) : root_(std::move(root)) {}
  Descriptor root_;
};

}  // namespace hansa::connectors::local
