// SPDX-License-Identifier: Apache-2.0
// What was deleted is overwritten by SQLite where it stood (secure_delete), but copies stay behind: when rows move from one page
// to another, the old one keeps their bytes in its unused space, where no query ever looks. These bytes are overwritten here, in
// the file itself, by the file format that SQLite promises to keep (https://www.sqlite.org/fileformat2.html, section 1.6).
//
// Nothing that is in use is touched: bytes of a page's unused space mean nothing to any reader, whatever becomes of them in a
// crash, and only they are written (a write leaves its neighbours alone, as SQLite itself assumes:
// SQLITE_IOCAP_POWERSAFE_OVERWRITE). The writer's cache is emptied afterwards: it would write the old page again.
#include "broker/store/privacy.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <vector>

namespace hansa::store {
namespace {

constexpr std::int64_t kPagesAtOnce = 2'048;  // 8 MiB: commits wait for it as long as for one of theirs
constexpr std::size_t kReadAtOnce = 16;       // pages; SQLite's file layer takes no more than 128 KiB at a time
constexpr std::int64_t kMostPages = std::int64_t{1} << 25;
constexpr char kPageSize[] = "PRAGMA page_size";
constexpr char kPageCount[] = "PRAGMA page_count";
constexpr char kReserveLog[] = "BEGIN IMMEDIATE";
constexpr char kLeaveLog[] = "ROLLBACK";

struct Gap {
  std::size_t begin = 0, end = 0;  // within the page
};

std::size_t number_at(std::string_view page, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(page[at])) << 8 | static_cast<unsigned char>(page[at + 1]);
}

/// The unused space of a page of a B-tree; none of any other page, nor of one that is not as it should be. Pages of other kinds
/// begin with the number of another page, or a pointer's kind: below kMostPages the first byte of such a number is 0 or 1.
std::vector<Gap> gaps_of(std::string_view page, bool is_first) {
  const std::size_t head = is_first ? 100 : 0;
  const auto kind = page[head];
  if (kind != 2 && kind != 5 && kind != 10 && kind != 13) return {};
  const auto pointers = head + (kind == 2 || kind == 5 ? 12 : 8);
  const auto stored = number_at(page, head + 5);
  const auto content = stored == 0 ? std::size_t{65'536} : stored;
  const auto begin = pointers + 2 * number_at(page, head + 3);
  if (begin > content || content > page.size()) return {};
  std::vector<Gap> gaps{{begin, content}};
  std::size_t last = content;
  for (auto block = number_at(page, head + 1); block != 0;) {
    if (block < last || block + 4 > page.size()) return {};
    const auto size = number_at(page, block + 2);
    if (size < 4 || block + size > page.size()) return {};
    gaps.push_back({block + 4, block + size});
    last = block + size;
    block = number_at(page, block);
  }
  return gaps;
}

std::int64_t pragma_number(Connection& db, const char* sql) {
  auto row = db.query(sql);
  return row.next() ? row.integer(0) : 0;
}

[[noreturn]] void fail_on(int code) { throw SqliteFailure(code, 0, sqlite3_errstr(code)); }
void check_wiped(int code) {
  if (code != SQLITE_OK) fail_on(code);
}

}  // namespace

Result<ports::ErasedSome> wipe_pages(Connection& db, std::int64_t page) {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == nullptr ||
      file->pMethods == nullptr)
    return ports::ErasedSome{};
  const auto size = pragma_number(db, kPageSize), count = pragma_number(db, kPageCount);
  if (count >= kMostPages || size < 512) return ports::ErasedSome{};
  ports::ErasedSome wiped;
  db.execute(kReserveLog);
  const auto end = std::min(page + kPagesAtOnce, count + 1);
  std::string part, zeros;
  for (auto first = page; first < end; first += static_cast<std::int64_t>(kReadAtOnce)) {
    const auto pages = std::min<std::int64_t>(static_cast<std::int64_t>(kReadAtOnce), end - first);
    part.resize(static_cast<std::size_t>(pages * size));
    const auto offset = (first - 1) * size;
    const int got = file->pMethods->xRead(file, part.data(), static_cast<int>(part.size()), offset);
    if (got == SQLITE_IOERR_SHORT_READ) break;
    check_wiped(got);
    for (std::int64_t i = 0; i < pages; ++i) {
      const auto at = static_cast<std::size_t>(i * size);
      const std::string_view bytes(part.data() + at, static_cast<std::size_t>(size));
      bool any = false;
      for (const auto& gap : gaps_of(bytes, first + i == 1)) {
        const auto unused = bytes.substr(gap.begin, gap.end - gap.begin);
        if (std::ranges::all_of(unused, [](char c) { return c == '\0'; })) continue;
        zeros.assign(unused.size(), '\0');
        check_wiped(file->pMethods->xWrite(file, zeros.data(), static_cast<int>(zeros.size()),
                                           offset + static_cast<std::int64_t>(at + gap.begin)));
        any = true;
      }
      wiped.rows += any ? 1 : 0;
    }
  }
  if (wiped.rows > 0) check_wiped(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL));
  db.execute(kLeaveLog);
  sqlite3_db_release_memory(db.handle());
  if (end <= count) wiped.next = end;
  return wiped;
}

}  // namespace hansa::store
