// SPDX-License-Identifier: Apache-2.0
#include "tests/disk/faulty_disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <utility>

namespace hansa::disk {
namespace {

constexpr std::size_t kSector = 512;

/// A write, or a truncation to `offset`.
struct Change {
  bool truncates = false;
  std::size_t offset = 0;
  std::string bytes{};
};

void apply(std::string& contents, const Change& change) {
  if (change.truncates) return contents.resize(std::min(contents.size(), change.offset));
  contents.resize(std::max(contents.size(), change.offset + change.bytes.size()));
  contents.replace(change.offset, change.bytes.size(), change.bytes);
}

/// The sectors that `change` touches, as changes of their own.
std::vector<Change> sectors(const Change& change) {
  if (change.truncates) return {change};
  std::vector<Change> parts;
  for (std::size_t done = 0; done < change.bytes.size();) {
    const auto at = change.offset + done;
    const auto length = std::min(kSector - at % kSector, change.bytes.size() - done);
    parts.push_back({.offset = at, .bytes = change.bytes.substr(done, length)});
    done += length;
  }
  return parts;
}

struct Node {
  bool exists = true;
  std::string synced{};                  // of the file that is there now
  std::vector<Change> unsynced{};        // since then, in their order
  bool entry_synced = true;              // the folder's platter knows of its making or removal
  bool syncs_folder = false;             // SQLite does so with the first sync of a log or a journal
  std::optional<std::string> before{};   // what the folder's platter still names, if it does not
};

struct OpenFile {
  sqlite3_file base;
  FaultyDisk::Impl* disk;
  Node* node;          // none: a temporary file
  int system_error;    // of its last failure
  std::uint64_t failed_syncs_before;
  sqlite3_file* real;  // follows this in memory
};

sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }
OpenFile* of(sqlite3_file* file) { return reinterpret_cast<OpenFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return of(file)->real; }

int error_of(Operation operation) {
  switch (operation) {
    case Operation::open: return SQLITE_CANTOPEN;
    case Operation::read: return SQLITE_IOERR_READ;
    case Operation::write: return SQLITE_IOERR_WRITE;
    case Operation::truncate: return SQLITE_IOERR_TRUNCATE;
    case Operation::sync: return SQLITE_IOERR_FSYNC;
    case Operation::size: return SQLITE_IOERR_FSTAT;
    case Operation::remove: return SQLITE_IOERR_DELETE;
    case Operation::access: return SQLITE_IOERR_ACCESS;
    case Operation::share: return SQLITE_IOERR_SHMMAP;
  }
  return SQLITE_IOERR;
}

void write_file(const std::string& path, const std::optional<std::string>& contents) {
  if (contents)
    std::ofstream(path, std::ios::binary | std::ios::trunc) << *contents;
  else
    std::filesystem::remove(path);
}

}  // namespace

struct FaultyDisk::Impl {
  explicit Impl(std::uint64_t seed) : random(seed) {}

  struct Cut {
    std::uint64_t at;
    Loss loss;
  };

  sqlite3_vfs vfs{};
  std::string name;
  mutable std::mutex mutex;  // held over the real call as well, so that the platter's order is the files'
  std::mt19937_64 random;
  std::map<std::string, Node> nodes;
  std::vector<Operation> done;
  std::uint64_t syncs = 0;
  std::uint64_t failed_syncs = 0;
  std::uint64_t syncs_after_failure = 0;
  std::uint64_t struck = 0;
  std::optional<Fault> fault;
  std::optional<std::uint64_t> failing_sync;
  std::optional<Cut> cut;
  bool dark = false;
  std::map<std::string, std::optional<std::string>> survivors;
  int open_files = 0;
  int system_error = 0;

  bool coin() { return (random() & 1) != 0; }

  /// Counts the operation. How it fails, if it does.
  std::optional<Failure> begin(Operation operation) {
    done.push_back(operation);
    if (operation == Operation::sync) ++syncs;
    if (dark) return Failure::io_error;
    const auto number = done.size();
    const bool planned =
        fault && applies(fault->failure, operation) && (number == fault->at || (fault->lasting && number > fault->at));
    if (planned) return ++struck, fault->failure;
    if (operation == Operation::sync && failing_sync == syncs) return ++struck, Failure::io_error;
    return std::nullopt;
  }
  [[nodiscard]] bool cut_here() const { return !dark && cut && cut->at == done.size(); }

  int refuse(Operation operation, Failure failure) {
    system_error = failure == Failure::io_error ? EIO : failure == Failure::over_quota ? EDQUOT : ENOSPC;
    if (operation == Operation::share && failure != Failure::io_error) return SQLITE_IOERR_SHMSIZE;
    if (operation == Operation::write && (failure == Failure::no_space || failure == Failure::short_write)) return SQLITE_FULL;
    return error_of(operation);
  }

  std::string survivor(const Node& node, Loss loss) {
    auto kept = node.synced;
    if (loss == Loss::all || node.unsynced.empty()) return kept;
    if (loss == Loss::some) {
      for (const auto& change : node.unsynced) {
        for (const auto& sector : sectors(change)) {
          if (coin()) apply(kept, sector);
        }
      }
      return kept;
    }
    const auto torn = random() % node.unsynced.size();
    for (std::size_t i = 0; i < torn; ++i) apply(kept, node.unsynced[i]);
    const auto parts = sectors(node.unsynced[torn]);
    const auto whole = random() % (parts.size() + 1);
    for (std::size_t i = 0; i < whole; ++i) apply(kept, parts[i]);
    return kept;
  }

  void go_dark(Loss loss) {
    dark = true;
    survivors.clear();
    for (const auto& [path, node] : nodes) {
      if (!node.entry_synced && (loss == Loss::all || coin()))
        survivors[path] = node.before;
      else
        survivors[path] = node.exists ? std::optional(survivor(node, loss)) : std::nullopt;
    }
  }

  int write(OpenFile& file, const char* bytes, std::size_t size, sqlite3_int64 offset) {
    const auto put = [&](std::size_t length) {
      file.node->unsynced.push_back({.offset = static_cast<std::size_t>(offset), .bytes = std::string(bytes, length)});
      return file.real->pMethods->xWrite(file.real, bytes, static_cast<int>(length), offset);
    };
    const auto failure = begin(Operation::write);
    if (cut_here()) {
      put(size);
      go_dark(cut->loss);
      return refuse(Operation::write, Failure::io_error);
    }
    if (failure == Failure::short_write) put(size / 2);
    return failure ? refuse(Operation::write, *failure) : put(size);
  }

  int sync(OpenFile& file) {
    auto& node = *file.node;
    const auto failure = begin(Operation::sync);
    if (cut_here()) return go_dark(cut->loss), refuse(Operation::sync, Failure::io_error);
    if (dark) return refuse(Operation::sync, *failure);
    if (failed_syncs > file.failed_syncs_before) ++syncs_after_failure;
    if (failure) {
      ++failed_syncs;
      node.synced = survivor(node, Loss::some);
      node.unsynced.clear();  // the pages count as clean from here on
      return refuse(Operation::sync, *failure);
    }
    for (const auto& change : node.unsynced) apply(node.synced, change);
    node.unsynced.clear();
    if (node.syncs_folder) {
      for (auto& [path, other] : nodes) other.entry_synced = true, other.before.reset();
    }
    return SQLITE_OK;
  }

  int truncate(OpenFile& file, sqlite3_int64 size) {
    const auto failure = begin(Operation::truncate);
    const Change change{.truncates = true, .offset = static_cast<std::size_t>(size)};
    if (cut_here()) {
      file.node->unsynced.push_back(change);
      return go_dark(cut->loss), refuse(Operation::truncate, Failure::io_error);
    }
    if (failure) return refuse(Operation::truncate, *failure);
    file.node->unsynced.push_back(change);
    return file.real->pMethods->xTruncate(file.real, size);
  }

  int remove(const char* path, int sync_folder) {
    const auto failure = begin(Operation::remove);
    const bool cuts = cut_here();
    if (failure && !cuts) return refuse(Operation::remove, *failure);
    const auto found = nodes.find(path);
    if (found != nodes.end() && found->second.exists) {
      auto& node = found->second;
      if (node.entry_synced) node.before = node.synced;
      node = {.exists = false, .entry_synced = false, .before = std::move(node.before)};
      if (sync_folder != 0 && !cuts) node.entry_synced = true, node.before.reset();
    }
    if (cuts) return go_dark(cut->loss), refuse(Operation::remove, Failure::io_error);
    return system_vfs()->xDelete(system_vfs(), path, 0);
  }

  int open(const char* path, OpenFile& file, int flags, int* out_flags) {
    const auto failure = begin(Operation::open);
    if (cut_here()) return go_dark(cut->loss), refuse(Operation::open, Failure::io_error);
    if (failure) return refuse(Operation::open, *failure);
    const bool was_there = std::filesystem::exists(path);
    if (const int opened = system_vfs()->xOpen(system_vfs(), path, file.real, flags, out_flags); opened != SQLITE_OK)
      return opened;
    ++open_files;
    const auto [found, unheard_of] = nodes.try_emplace(path);
    auto& node = found->second;
    file.node = &node;
    file.failed_syncs_before = failed_syncs;
    if (!was_there) {
      node = {.entry_synced = false, .before = std::move(node.before)};
    } else if (unheard_of || !node.exists) {  // made past this disk: on the platter, unless just made for us
      node.exists = true;
      std::ifstream contents(path, std::ios::binary);
      node.synced.assign(std::istreambuf_iterator<char>(contents), {});
      node.entry_synced = !node.synced.empty();
    }
    node.syncs_folder = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    return SQLITE_OK;
  }

  /// The operations that change nothing: `call` does them for real.
  template <typename Call>
  int look(Operation operation, Call call) {
    const auto failure = begin(operation);
    if (cut_here()) return go_dark(cut->loss), refuse(operation, Failure::io_error);
    return failure ? refuse(operation, *failure) : call();
  }
};

namespace {

/// `call`, with the disk's mutex held; temporary files go past the disk.
template <typename Real, typename Call>
int through(sqlite3_file* file, Real past, Call call) {
  auto* open = of(file);
  if (open->node == nullptr) return past(open->real);
  const std::lock_guard lock(open->disk->mutex);
  const int done = call(*open->disk, *open);
  if (done != SQLITE_OK) open->system_error = open->disk->system_error;
  return done;
}

using Impl = FaultyDisk::Impl;

int close_file(sqlite3_file* file) {
  auto* open = of(file);
  const std::lock_guard lock(open->disk->mutex);
  --open->disk->open_files;
  return open->real->pMethods->xClose(open->real);
}
int read_file(sqlite3_file* file, void* bytes, int size, sqlite3_int64 at) {
  const auto past = [&](sqlite3_file* f) { return f->pMethods->xRead(f, bytes, size, at); };
  return through(file, past, [&](Impl& d, OpenFile& f) { return d.look(Operation::read, [&] { return past(f.real); }); });
}
int write_to_file(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
  return through(
      file, [&](sqlite3_file* f) { return f->pMethods->xWrite(f, bytes, size, at); },
      [&](Impl& d, OpenFile& f) { return d.write(f, static_cast<const char*>(bytes), static_cast<std::size_t>(size), at); });
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  return through(
      file, [&](sqlite3_file* f) { return f->pMethods->xTruncate(f, size); },
      [&](Impl& d, OpenFile& f) { return d.truncate(f, size); });
}
int sync_file(sqlite3_file* file, int flags) {
  return through(
      file, [&](sqlite3_file* f) { return f->pMethods->xSync(f, flags); }, [&](Impl& d, OpenFile& f) { return d.sync(f); });
}
int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  const auto past = [&](sqlite3_file* f) { return f->pMethods->xFileSize(f, size); };
  return through(file, past, [&](Impl& d, OpenFile& f) { return d.look(Operation::size, [&] { return past(f.real); }); });
}
/// SQLite asks a file for the errno of its last failure.
int control_file(sqlite3_file* file, int operation, void* argument) {
  if (operation != SQLITE_FCNTL_LAST_ERRNO || of(file)->system_error == 0)
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
  *static_cast<int*>(argument) = of(file)->system_error;
  return SQLITE_OK;
}
int map_shared(sqlite3_file* file, int page, int size, int extend, void volatile** at) {
  const auto past = [&](sqlite3_file* f) { return f->pMethods->xShmMap(f, page, size, extend, at); };
  return through(file, past, [&](Impl& d, OpenFile& f) { return d.look(Operation::share, [&] { return past(f.real); }); });
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_to_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); },
    .xUnlock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); },
    .xCheckReservedLock = [](sqlite3_file* f, int* held) { return real(f)->pMethods->xCheckReservedLock(real(f), held); },
    .xFileControl = control_file,
    .xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
    .xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
    .xShmMap = map_shared,
    .xShmLock = [](sqlite3_file* f, int offset, int n,
                   int flags) { return real(f)->pMethods->xShmLock(real(f), offset, n, flags); },
    .xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); },
    .xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

Impl& disk_of(sqlite3_vfs* vfs) { return *static_cast<Impl*>(vfs->pAppData); }

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  auto& disk = disk_of(vfs);
  auto* open = of(file);
  *open = {.base = {.pMethods = nullptr},
           .disk = &disk,
           .node = nullptr,
           .system_error = 0,
           .real = reinterpret_cast<sqlite3_file*>(open + 1)};
  const std::lock_guard lock(disk.mutex);
  int opened = SQLITE_OK;
  if (path != nullptr) {
    opened = disk.open(path, *open, flags, out_flags);
  } else {
    opened = system_vfs()->xOpen(system_vfs(), path, open->real, flags, out_flags);
    disk.open_files += opened == SQLITE_OK ? 1 : 0;
  }
  if (opened == SQLITE_OK) open->base.pMethods = &kMethods;
  return opened;
}

int remove_file(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  const std::lock_guard lock(disk_of(vfs).mutex);
  return disk_of(vfs).remove(path, sync_folder);
}

int access_file(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
  const std::lock_guard lock(disk_of(vfs).mutex);
  return disk_of(vfs).look(Operation::access, [&] { return system_vfs()->xAccess(system_vfs(), path, flags, result); });
}

}  // namespace

std::string_view to_string(Operation operation) {
  constexpr std::string_view kNames[] = {"open", "read", "write", "truncate", "sync", "size", "remove", "access", "share"};
  return kNames[static_cast<std::size_t>(operation)];
}
std::string_view to_string(Failure failure) {
  constexpr std::string_view kNames[] = {"EIO", "ENOSPC", "EDQUOT", "short write"};
  return kNames[static_cast<std::size_t>(failure)];
}
std::string_view to_string(Loss loss) {
  constexpr std::string_view kNames[] = {"all", "some", "tail"};
  return kNames[static_cast<std::size_t>(loss)];
}

bool applies(Failure failure, Operation operation) {
  switch (failure) {
    case Failure::io_error: return true;
    case Failure::no_space: return operation == Operation::write || operation == Operation::share;
    case Failure::over_quota:
    case Failure::short_write: return operation == Operation::write;
  }
  return false;
}

FaultyDisk::FaultyDisk(std::uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {
  static std::atomic<int> count{0};
  impl_->name = "faulty-" + std::to_string(++count);
  auto& vfs = impl_->vfs = *system_vfs();
  vfs.szOsFile = static_cast<int>(sizeof(OpenFile)) + system_vfs()->szOsFile;
  vfs.pNext = nullptr;
  vfs.zName = impl_->name.c_str();
  vfs.pAppData = impl_.get();
  vfs.xOpen = open_file;
  vfs.xDelete = remove_file;
  vfs.xAccess = access_file;
  vfs.xGetLastError = [](sqlite3_vfs* self, int, char*) { return disk_of(self).system_error; };
  sqlite3_vfs_register(&vfs, 0);
}

FaultyDisk::~FaultyDisk() { sqlite3_vfs_unregister(&impl_->vfs); }

const std::string& FaultyDisk::vfs() const { return impl_->name; }

std::vector<Operation> FaultyDisk::operations() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->done;
}
std::uint64_t FaultyDisk::syncs() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->syncs;
}
std::uint64_t FaultyDisk::syncs_after_failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->syncs_after_failure;
}
std::uint64_t FaultyDisk::struck() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->struck;
}
bool FaultyDisk::dark() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->dark;
}

void FaultyDisk::plan(Fault fault) {
  const std::lock_guard lock(impl_->mutex);
  impl_->fault = fault;
}
void FaultyDisk::fill(Failure how) {
  const std::lock_guard lock(impl_->mutex);
  impl_->fault = Fault{.at = impl_->done.size() + 1, .failure = how, .lasting = true};
}
void FaultyDisk::fail_sync(int from_now) {
  const std::lock_guard lock(impl_->mutex);
  impl_->failing_sync = impl_->syncs + static_cast<std::uint64_t>(from_now);
}
void FaultyDisk::cut_power(std::uint64_t at, Loss loss) {
  const std::lock_guard lock(impl_->mutex);
  impl_->cut = Impl::Cut{.at = at, .loss = loss};
}
void FaultyDisk::cut_power_now(Loss loss) {
  const std::lock_guard lock(impl_->mutex);
  impl_->go_dark(loss);
}
void FaultyDisk::mend() {
  const std::lock_guard lock(impl_->mutex);
  impl_->fault.reset();
  impl_->failing_sync.reset();
}

void FaultyDisk::restore_power() {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->dark || impl_->open_files != 0) throw std::logic_error("the power comes back after it was cut, with no file open");
  for (const auto& [path, contents] : impl_->survivors) {
    write_file(path, contents);
    std::filesystem::remove(path + "-shm");
    impl_->nodes[path] = {.exists = contents.has_value(), .synced = contents.value_or("")};
  }
  impl_->dark = false;
  impl_->cut.reset();
  impl_->fault.reset();
  impl_->failing_sync.reset();
}

}  // namespace hansa::disk
