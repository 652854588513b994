// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/load_book.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <string>
#include <system_error>

namespace hansa::connectors::agent {

namespace {

struct Header {
  std::array<char, 8> magic{};
  std::uint64_t generation = 0;  // another one whenever the file begins anew
};
struct Record {
  std::int64_t at_ms = 0;
  std::int64_t rate = 0;
};
static_assert(sizeof(Header) == 16 && sizeof(Record) == 16);

constexpr std::array<char, 8> kMagic{'h', 'a', 'n', 's', 'a', 'L', 'B', '1'};
constexpr std::int64_t kLongest = std::int64_t{1} << 20;  // bytes, of which the last minute's are kept
constexpr Milliseconds kWindow{60'000};
constexpr off_t kTurn = off_t{1} << 40;    // the byte whose lock is the file's
constexpr off_t kPlaces = off_t{1} << 41;  // from here on, the calls under way

bool set_lock(int file, short type, off_t at) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  return ::fcntl(file, F_OFD_SETLK, &lock) == 0;
}

bool is_locked_by_others(int file, off_t at) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  return ::fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::unexpected<Error> not_kept(const std::string& what, int error) {
  return fail(
      ErrorKind::unavailable, "LOAD_NOT_KEPT",
      what + " (" + std::generic_category().message(error) +
          "): what is used of [site.budget] is kept in agent.state_dir, which must be a folder of the agent's own account");
}

std::unexpected<Error> busy() {
  return fail(ErrorKind::rate_limited, "BOOK_BUSY", "another process of the agent counts its calls");
}

bool read_all(int file, void* to, std::size_t size, std::int64_t at) {
  return ::pread(file, to, size, at) == static_cast<ssize_t>(size);
}
bool write_all(int file, const void* from, std::size_t size, std::int64_t at) {
  return ::pwrite(file, from, size, at) == static_cast<ssize_t>(size);
}

}  // namespace

/// The file's lock, for as long as this lives.
class LoadBook::Locked {
 public:
  explicit Locked(int file) : file_(file), held_(set_lock(file, F_WRLCK, kTurn)) {}
  ~Locked() {
    if (held_) set_lock(file_, F_UNLCK, kTurn);
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  int file_;
  bool held_;
};

Result<LoadBook> LoadBook::open(const std::filesystem::path& folder, const SiteId& site, domain::LoadBudget budget) {
  (void)::mkdir(folder.c_str(), 0700);
  const auto path = folder / ("load." + site.str());
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return not_kept("cannot open " + path.string(), errno);
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_uid != ::geteuid())
    return not_kept(path.string() + " is no file of this account", EPERM);
  return LoadBook(std::move(file), std::move(budget));
}

Result<void> LoadBook::begin_anew(MonotonicTime now) {
  std::vector<Record> kept;
  struct stat facts{};
  if (::fstat(file_.get(), &facts) == 0 && facts.st_size > static_cast<off_t>(sizeof(Header))) {
    std::vector<Record> all((static_cast<std::size_t>(facts.st_size) - sizeof(Header)) / sizeof(Record));
    if (read_all(file_.get(), all.data(), all.size() * sizeof(Record), sizeof(Header))) {
      std::ranges::copy_if(all, std::back_inserter(kept), [&](const Record& record) {
        return record.at_ms <= now.since_origin.count() && record.at_ms > (now.since_origin - kWindow).count();
      });
    }
  }
  const Header header{.magic = kMagic,
                      .generation = std::max(generation_ + 1, static_cast<std::uint64_t>(now.since_origin.count()))};
  const bool written = ::ftruncate(file_.get(), 0) == 0 &&
                       write_all(file_.get(), kept.data(), kept.size() * sizeof(Record), sizeof(Header)) &&
                       write_all(file_.get(), &header, sizeof header, 0);
  if (!written) return not_kept("cannot write what is used", errno);
  return {};
}

Result<void> LoadBook::catch_up(MonotonicTime now) {
  struct stat facts{};
  Header header;
  const auto look = [&] {
    return ::fstat(file_.get(), &facts) == 0 && read_all(file_.get(), &header, sizeof header, 0) && header.magic == kMagic;
  };
  if (!look() || facts.st_size > kLongest) {
    if (auto begun = begin_anew(now); !begun) return begun;
    if (!look()) return not_kept("cannot read what is used", errno);
  }
  if (header.generation != generation_ || facts.st_size < read_) {
    for (const auto rate : {Rate::queries, Rate::submits, Rate::cancels})
      meter_.window(rate) = domain::RateWindow(meter_.window(rate).limit());
    generation_ = header.generation;
    read_ = sizeof(Header);
  }
  const auto whole = (facts.st_size - read_) / static_cast<std::int64_t>(sizeof(Record));  // half a record: its writer died
  std::vector<Record> news(static_cast<std::size_t>(whole));
  if (!read_all(file_.get(), news.data(), news.size() * sizeof(Record), read_))
    return not_kept("cannot read what is used", errno);
  for (const auto& record : news) {
    const MonotonicTime at{Milliseconds{record.at_ms}};
    const bool known = record.rate >= 0 && record.rate < static_cast<std::int64_t>(domain::LoadMeter::kRates);
    if (known && at <= now && now - at < kWindow) meter_.window(static_cast<Rate>(record.rate)).take(at);
  }
  read_ += whole * static_cast<std::int64_t>(sizeof(Record));
  return {};
}

Result<void> LoadBook::append(Rate rate, MonotonicTime at) {
  const Record record{.at_ms = at.since_origin.count(), .rate = static_cast<std::int64_t>(rate)};
  if (!write_all(file_.get(), &record, sizeof record, read_)) return not_kept("cannot write what is used", errno);
  read_ += sizeof record;
  meter_.window(rate).take(at);
  return {};
}

Result<std::optional<MonotonicTime>> LoadBook::take(Rate rate, MonotonicTime now) {
  const Locked turn(file_.get());
  if (!turn.held()) return busy();
  if (auto read = catch_up(now); !read) return std::unexpected(read.error());
  if (const auto free = meter_.window(rate).free_at(now); free > now) return free;
  if (auto written = append(rate, now); !written) return std::unexpected(written.error());
  return std::nullopt;
}

Result<void> LoadBook::charge(Rate rate, std::int32_t count, MonotonicTime now) {
  const Locked turn(file_.get());
  if (!turn.held()) return busy();
  auto done = catch_up(now);
  for (; done && count > 0; --count) done = append(rate, now);
  return done;
}

std::optional<std::size_t> LoadBook::enter() {
  const auto most = static_cast<std::size_t>(budget().concurrent_calls);
  if (places_.size() < most) places_.resize(most);
  for (std::size_t i = 0; i < most; ++i) {
    if (places_[i] || !set_lock(file_.get(), F_WRLCK, kPlaces + static_cast<off_t>(i))) continue;
    places_[i] = true;
    return i;
  }
  return std::nullopt;
}

void LoadBook::leave(std::size_t place) {
  places_[place] = false;
  (void)set_lock(file_.get(), F_UNLCK, kPlaces + static_cast<off_t>(place));
}

std::vector<domain::BudgetShare> LoadBook::use(MonotonicTime now) {
  if (const Locked turn(file_.get()); turn.held()) (void)catch_up(now);  // else what this process knows
  std::vector<domain::BudgetShare> use;
  constexpr std::pair<Rate, const char*> kOfRates[] = {
      {Rate::queries, "queries"}, {Rate::submits, "submits"}, {Rate::cancels, "cancels"}};
  for (const auto& [rate, kind] : kOfRates) {
    auto& window = meter_.window(rate);
    use.push_back({.kind = kind, .used = window.limit() - window.left(now), .limit = window.limit()});
  }
  const auto most = static_cast<std::size_t>(std::max(budget().concurrent_calls, 0));
  std::int64_t inside = 0;
  for (std::size_t i = 0; i < most; ++i)
    inside += (i < places_.size() && places_[i]) || is_locked_by_others(file_.get(), kPlaces + static_cast<off_t>(i)) ? 1 : 0;
  use.push_back({.kind = "concurrent_calls", .used = inside, .limit = budget().concurrent_calls});
  return use;
}

std::size_t LoadBook::inside() const { return static_cast<std::size_t>(std::ranges::count(places_, true)); }

}  // namespace hansa::connectors::agent
