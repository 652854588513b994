// SPDX-License-Identifier: Apache-2.0
#include "faulty_vfs.hpp"

#include <sqlite3.h>

#include <mutex>

namespace hansa::store {
namespace {

struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* real;  // follows this in memory
};

sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file)->real; }

int write_file(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  if (faults().disk_full) return SQLITE_FULL;
  return real(file)->pMethods->xWrite(real(file), bytes, size, offset);
}
int sync_file(sqlite3_file* file, int flags) {
  const int number = ++faults().syncs;
  const int done = real(file)->pMethods->xSync(real(file), flags);
  return number == faults().failing_sync ? SQLITE_IOERR_FSYNC : done;
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); },
    .xRead = [](sqlite3_file* f, void* bytes, int size,
                sqlite3_int64 at) { return real(f)->pMethods->xRead(real(f), bytes, size, at); },
    .xWrite = write_file,
    .xTruncate = [](sqlite3_file* f, sqlite3_int64 size) { return real(f)->pMethods->xTruncate(real(f), size); },
    .xSync = sync_file,
    .xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); },
    .xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); },
    .xUnlock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); },
    .xCheckReservedLock = [](sqlite3_file* f, int* held) { return real(f)->pMethods->xCheckReservedLock(real(f), held); },
    .xFileControl = [](sqlite3_file* f, int op,
                       void* argument) { return real(f)->pMethods->xFileControl(real(f), op, argument); },
    .xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
    .xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
    .xShmMap = [](sqlite3_file* f, int page, int size, int extend,
                  void volatile** at) { return real(f)->pMethods->xShmMap(real(f), page, size, extend, at); },
    .xShmLock = [](sqlite3_file* f, int offset, int n,
                   int flags) { return real(f)->pMethods->xShmLock(real(f), offset, n, flags); },
    .xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); },
    .xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* faulty = reinterpret_cast<FaultyFile*>(file);
  faulty->real = reinterpret_cast<sqlite3_file*>(faulty + 1);
  const int done = system_vfs()->xOpen(system_vfs(), name, faulty->real, flags, out_flags);
  faulty->base.pMethods = faulty->real->pMethods == nullptr ? nullptr : &kMethods;
  return done;
}

}  // namespace

Faults& faults() {
  static Faults all;
  return all;
}

void register_faulty_vfs() {
  static std::once_flag once;
  std::call_once(once, [] {
    static sqlite3_vfs vfs = *system_vfs();
    vfs.szOsFile = static_cast<int>(sizeof(FaultyFile)) + system_vfs()->szOsFile;
    vfs.pNext = nullptr;
    vfs.zName = "faulty";
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 0);
  });
}

}  // namespace hansa::store
