// SPDX-License-Identifier: Apache-2.0
#include "broker/api/spool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace hansa::api {
namespace {

constexpr std::size_t kSpoolPiece = std::size_t{256} << 10;

std::unexpected<Error> failed(int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return fail(full ? ErrorKind::storage_full : ErrorKind::unavailable, full ? "STORAGE_FULL" : "SPOOL",
              full ? "the broker's disk is full: the report was not made" : "the broker cannot keep the report while it is sent",
              std::strerror(error));
}

}  // namespace

Spool::~Spool() {
  if (file_ >= 0) ::close(file_);
}

Result<void> Spool::write(std::string_view bytes) {
  hash_.add(bytes);
  bytes_ += static_cast<std::int64_t>(bytes.size());
  held_ += bytes;
  return held_.size() < kSpoolPiece ? Result<void>{} : flush();
}

Result<void> Spool::flush() {
  if (file_ < 0) {
    auto name = (folder_ / ".report-XXXXXX").string();
    file_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file_ < 0) return failed(errno);
    ::unlink(name.c_str());
  }
  for (std::string_view rest = held_; !rest.empty();) {
    const auto done = ::write(file_, rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return failed(errno);
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
  held_.clear();
  return {};
}

Result<std::string> Spool::finish() {
  if (file_ >= 0 && !held_.empty()) {
    if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
  }
  return hash_.finish();
}

Result<std::optional<std::string>> Spool::next() {
  if (read_ == bytes_) return std::nullopt;
  if (file_ < 0) {
    read_ = bytes_;
    return std::exchange(held_, {});
  }
  std::string piece(kSpoolPiece, '\0');
  ssize_t got = 0;
  do got = ::pread(file_, piece.data(), piece.size(), read_);
  while (got < 0 && errno == EINTR);
  if (got <= 0) return failed(got < 0 ? errno : EIO);
  piece.resize(static_cast<std::size_t>(got));
  read_ += got;
  return piece;
}

}  // namespace hansa::api
