// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/code_archive.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace hansa::domain {
namespace {

constexpr std::string_view kCodePrefix = "sha256:";
constexpr std::size_t kMaxStep = 255;                      // NAME_MAX
constexpr std::string_view kReserved[] = {".hansa-script", ".hansa-bin"};  // what the wrapper puts beside the job's code

// Places in a block (POSIX.1-1988, GNU's magic).
constexpr std::size_t kNameSize = 100, kModeAt = 100, kUidAt = 108, kGidAt = 116, kSizeAt = 124, kTimeAt = 136, kSumAt = 148,
                      kTypeAt = 156, kTargetAt = 157, kMagicAt = 257;
constexpr std::string_view kMagic{"ustar  \0", 8};
constexpr std::string_view kLongLink = "././@LongLink";

std::uint64_t padded(std::uint64_t size) { return (size + kCodeBlock - 1) / kCodeBlock * kCodeBlock; }

std::string octal(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (auto at = digits; at-- > 0; value /= 8) text[at] = static_cast<char>('0' + value % 8);
  return text;
}

std::string block_of(std::string_view name, std::string_view mode, std::uint64_t size, char type, std::string_view target) {
  std::string block(kCodeBlock, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(0, name.substr(0, kNameSize));
  put(kModeAt, mode);
  put(kUidAt, octal(0, 7));
  put(kGidAt, octal(0, 7));
  put(kSizeAt, octal(size, 11));
  put(kTimeAt, octal(0, 11));
  put(kTypeAt, std::string_view(&type, 1));
  put(kTargetAt, target.substr(0, kNameSize));
  put(kMagicAt, kMagic);
  put(kSumAt, "        ");
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(kSumAt, octal(sum, 6) + std::string("\0 ", 2));
  return block;
}

std::string long_text(char type, std::string_view text) {
  auto blocks = block_of(kLongLink, "0000644", text.size() + 1, type, "");
  blocks.append(text).append(padded(text.size() + 1) - text.size(), '\0');
  return blocks;
}

/// The text of a field that ends with a NUL or with the field.
std::string_view field(std::string_view block, std::size_t at, std::size_t size) {
  const auto text = block.substr(at, size);
  return text.substr(0, text.find('\0'));
}

/// Fit for a sentence, whatever bytes a path holds.
std::string shown(std::string_view path) {
  std::string text(path.substr(0, 200));
  std::ranges::replace_if(text, [](char c) { return c < 0x20 || c > 0x7E; }, '?');
  return text;
}

std::optional<std::uint64_t> size_of(std::string_view block) {
  const auto digits = block.substr(kSizeAt, 11);
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 8);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return size;
}

}  // namespace

bool is_code_id(std::string_view text) {
  return text.size() == kCodePrefix.size() + 64 && text.starts_with(kCodePrefix) &&
         text.find_first_not_of("0123456789abcdef", kCodePrefix.size()) == std::string_view::npos;
}

CodeId code_id_of(std::string_view sha256_hex) { return CodeId(std::string(kCodePrefix).append(sha256_hex)); }

std::string_view digest_of(const CodeId& id) { return std::string_view(id.str()).substr(kCodePrefix.size()); }

std::string code_path_fault(std::string_view path) {
  if (path.empty()) return "is empty";
  if (path.size() > kMaxCodePathBytes) return "is longer than " + std::to_string(kMaxCodePathBytes) + " bytes";
  if (path.contains('\0')) return "holds a NUL";
  const auto top = path.substr(0, path.find('/'));
  if (std::ranges::any_of(kReserved, [&](std::string_view name) { return top.starts_with(name); }))
    return "is where Hansa puts the job's script and its tools; call it otherwise";
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto step = path.substr(begin, end - begin);
    if (step.empty() || step == "." || step == "..") return "is no path beneath the folder";
    if (step.size() > kMaxStep) return "holds a name that is longer than " + std::to_string(kMaxStep) + " bytes";
    begin = end + 1;
  }
  return {};
}

std::string code_link_fault(std::string_view path, std::string_view target) {
  if (target.empty() || target.size() > kMaxCodePathBytes || target.contains('\0'))
    return "is a symbolic link to nothing that has a name";
  if (target.starts_with('/')) return "is a symbolic link to an absolute path";
  auto depth = std::ranges::count(path, '/');  // folders above it
  bool named = false;
  for (std::size_t begin = 0; begin <= target.size();) {
    const auto end = std::min(target.find('/', begin), target.size());
    const auto step = target.substr(begin, end - begin);
    begin = end + 1;
    if (step.empty() || step == ".") continue;
    if (step != "..") {
      named = true;
    } else if (named) {
      return "is a symbolic link with \"..\" behind a name, which may lead anywhere; write it without";
    } else if (--depth < 0) {
      return "is a symbolic link that leaves the folder";
    }
  }
  return {};
}

bool code_order(std::string_view a, std::string_view b) {
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c) + 1; };
  return std::ranges::lexicographical_compare(a, b, {}, rank, rank);
}

std::string code_header(const CodeEntry& entry) {
  const bool link = entry.kind == CodeEntry::Kind::link;
  std::string blocks;
  if (link && entry.target.size() >= kNameSize) blocks += long_text('K', entry.target);
  if (entry.path.size() >= kNameSize) blocks += long_text('L', entry.path);
  return blocks + block_of(entry.path, entry.kind == CodeEntry::Kind::program ? "0000755" : "0000644", link ? 0 : entry.size,
                           link ? '2' : '0', link ? std::string_view(entry.target) : "");
}

std::string code_padding(std::uint64_t size) { return std::string(padded(size) - size, '\0'); }
std::string code_end() { return std::string(2 * kCodeBlock, '\0'); }

std::unexpected<Error> CodeChecker::bad(std::string_view what) const {
  return fail(ErrorKind::invalid_argument, "BAD_CODE",
              "this is no archive of code" + (last_.empty() ? std::string() : " (after its entry " + shown(last_) + ")") + ": " +
                  std::string(what) + "; hansa submit --code makes one, the form is told in docs/using-hansa.md");
}

Result<void> CodeChecker::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (body_left_ >= kCodeBlock && pending_.empty()) {  // whole blocks of a file are nobody's to look at
      const auto skipped = std::min<std::uint64_t>(bytes.size(), body_left_) / kCodeBlock * kCodeBlock;
      body_left_ -= skipped;
      bytes.remove_prefix(static_cast<std::size_t>(skipped));
      if (skipped > 0) continue;
    }
    const auto piece = bytes.substr(0, kCodeBlock - pending_.size());
    bytes.remove_prefix(piece.size());
    pending_ += piece;
    if (pending_.size() < kCodeBlock) break;
    if (auto taken = take_block(pending_); !taken) return taken;
    pending_.clear();
  }
  return {};
}

Result<void> CodeChecker::take_block(std::string_view block) {
  if (body_left_ > 0) {
    const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, kCodeBlock));
    body_left_ -= used;
    if (block.find_first_not_of('\0', used) != std::string_view::npos) return bad("there is something behind the end of a file");
    return {};
  }
  if (ends_ == 2) return bad("there is something behind its end");
  if (long_text_ != nullptr) {
    header_ += block;
    const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(text_left_, kCodeBlock));
    long_text_->append(block.substr(0, used));
    text_left_ -= used;
    if (text_left_ == 0) long_text_ = nullptr;
    return {};
  }
  if (header_.empty() && block.find_first_not_of('\0') == std::string_view::npos) {
    ++ends_;
    return {};
  }
  if (ends_ > 0) return bad("there is something behind an empty block");
  const char type = block[kTypeAt];
  header_ += block;
  if (type != 'L' && type != 'K') return take_entry(block);
  const auto size = size_of(block);
  auto& text = type == 'L' ? long_name_ : long_target_;
  if (!size || *size <= kNameSize || *size > kMaxCodePathBytes + 1 || !text.empty()) return bad("the length of a name is wrong");
  long_text_ = &text;
  text_left_ = *size;
  return {};
}

/// The blocks are compared with those that we would write: whatever else a tar may hold is none of ours.
Result<void> CodeChecker::take_entry(std::string_view block) {
  for (auto* text : {&long_name_, &long_target_}) {
    if (text->ends_with('\0')) text->pop_back();
  }
  CodeEntry entry{.path = long_name_.empty() ? std::string(field(block, 0, kNameSize)) : std::move(long_name_),
                  .kind = block[kTypeAt] == '2'                                     ? CodeEntry::Kind::link
                          : field(block, kModeAt, 8) == std::string_view("0000755") ? CodeEntry::Kind::program
                                                                                    : CodeEntry::Kind::file};
  if (entry.kind == CodeEntry::Kind::link)
    entry.target = long_target_.empty() ? std::string(field(block, kTargetAt, kNameSize)) : std::move(long_target_);
  else
    entry.size = size_of(block).value_or(0);
  long_name_.clear();
  long_target_.clear();
  if (auto fault = code_path_fault(entry.path); !fault.empty()) return bad("the path " + shown(entry.path) + ' ' + fault);
  if (code_header(entry) != header_) return bad("the entry " + shown(entry.path) + " is not written as such an archive's is");
  header_.clear();
  if (entry.kind == CodeEntry::Kind::link) {
    if (auto fault = code_link_fault(entry.path, entry.target); !fault.empty()) return bad(shown(entry.path) + ' ' + fault);
  }
  if (!last_.empty() && !code_order(last_, entry.path)) return bad("its entries are not in order, or one is there twice");
  if (!last_.empty() && entry.path.starts_with(last_ + '/'))
    return bad(shown(last_) + " is no folder, yet something is beneath it");
  body_left_ = entry.size;
  last_ = std::move(entry.path);
  return {};
}

Result<void> CodeChecker::finish() const {
  if (ends_ != 2 || !pending_.empty()) return bad("it ends before its end");
  return {};
}

}  // namespace hansa::domain
