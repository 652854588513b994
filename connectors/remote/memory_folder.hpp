// SPDX-License-Identifier: Apache-2.0
#pragma once
// A folder of our own in memory: where a person's private key lies while OpenSSH's client reads it, and never longer. The client
// takes keys from a file or an agent only: it closes all descriptors but 0 to 2 when it starts, and this process's own, in /proc,
// are nobody's to open (PR_SET_DUMPABLE).

#include "broker/core/error.hpp"
#include "broker/core/secret.hpp"
#include "connectors/remote/certificate.hpp"

#include <memory>
#include <string>

namespace hansa::connectors::remote {

/// A key pair and what a CA says of it.
struct Credential {
  Secret private_key;  // as its file holds it
  Certificate certificate;
};

/// The files of one login, named as ssh wants them; gone with this.
class KeyFiles {
 public:
  explicit KeyFiles(std::string key) : key_(std::move(key)) {}
  ~KeyFiles();
  KeyFiles(const KeyFiles&) = delete;
  KeyFiles& operator=(const KeyFiles&) = delete;
  [[nodiscard]] const std::string& key() const { return key_; }  // its certificate is key() + "-cert.pub"

 private:
  std::string key_;
};

class MemoryFolder {
 public:
  /// Makes `parent`/`name` (0700), or takes the one that is there and ours, and removes what an earlier life left in it.
  /// invalid_argument, BAD_MEMORY_FOLDER: it is not in memory, or not ours alone.
  static Result<MemoryFolder> open(const std::string& parent, const std::string& name);

  [[nodiscard]] Result<std::unique_ptr<KeyFiles>> write(const Credential& credential);
  /// For a pair that somebody else writes there.
  [[nodiscard]] std::unique_ptr<KeyFiles> new_pair();

 private:
  explicit MemoryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::int64_t written_ = 0;
};

/// Of a file there, which is removed whatever comes of it; unavailable (NO_MEMORY_FILE).
Result<std::string> read_memory_file(const std::string& path);

}  // namespace hansa::connectors::remote
