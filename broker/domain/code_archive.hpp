// SPDX-License-Identifier: Apache-2.0
#pragma once
// A job's code: files of a folder, in one archive that is the same bytes whenever the files are the same. Its id is the SHA-256
// of those.
//
// The archive is tar (GNU's, which every tar reads) in one form only: regular files (0644, or 0755 for programs) and symbolic
// links, in code_order, no owners, no times, no entries for folders, names of 100 bytes and more in an entry "L" (a link's
// target: "K") before their own, two empty blocks at the end and nothing after them. What is not written exactly so is refused,
// so that whoever unpacks one meets nothing but that: no absolute path and no "..", nothing beneath a link, no link that leads
// out.

#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace hansa::domain {

inline constexpr std::uint64_t kMaxCodeBytes = std::uint64_t{1} << 30;  // of an archive, whatever a broker is set to
inline constexpr std::size_t kMaxCodePathBytes = 1024;
inline constexpr std::size_t kCodeBlock = 512;

/// "sha256:" and 64 hex digits.
bool is_code_id(std::string_view text);
CodeId code_id_of(std::string_view sha256_hex);
/// The 64 digits alone.
std::string_view digest_of(const CodeId& id);

struct CodeEntry {
  enum class Kind { file, program, link };
  std::string path;              // beneath the folder
  Kind kind = Kind::file;
  std::uint64_t size = 0;        // of a file or program
  std::string target = {};       // of a link
};

/// Why this cannot be the path of an entry; "" if it can.
std::string code_path_fault(std::string_view path);
/// Why a link at `path` cannot lead there. Its ".." stand at its beginning and leave the folder nowhere: behind a name they would
/// start from wherever that name, as a link, leads.
std::string code_link_fault(std::string_view path, std::string_view target);
/// Whether `a` stands before `b`: as bytes, '/' before all others, so that what is beneath a path follows it.
bool code_order(std::string_view a, std::string_view b);

/// What stands before an entry's bytes, and after them.
std::string code_header(const CodeEntry& entry);
std::string code_padding(std::uint64_t size);
/// The end of an archive.
std::string code_end();

/// Reads an archive in pieces, keeping little of it.
class CodeChecker {
 public:
  /// invalid_argument, BAD_CODE: it is none, with what is wrong where. After an error nothing more is taken.
  Result<void> take(std::string_view bytes);
  /// After the last piece.
  Result<void> finish() const;

 private:
  Result<void> take_block(std::string_view block);
  Result<void> take_entry(std::string_view header);
  [[nodiscard]] std::unexpected<Error> bad(std::string_view what) const;

  std::string pending_;  // less than a block
  std::string header_;  // blocks of the entry that begins
  std::string long_name_, long_target_;
  std::string* long_text_ = nullptr;  // which of them is being read
  std::uint64_t text_left_ = 0;  // bytes of it
  std::uint64_t body_left_ = 0;  // bytes of the entry's file, its padding not among them
  std::string last_;  // path of the entry before
  int ends_ = 0;  // empty blocks
};

}  // namespace hansa::domain
