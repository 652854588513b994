// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace hansa::cli {
namespace {

std::unexpected<Error> cannot_read(const std::string& path, int error) {
  auto text = "cannot read " + path + ": " + std::generic_category().message(error);
  if (error == EACCES)
    text += "; give yourself the permission (chmod u+r), also on the folders above it";
  else if (error == ENOENT)
    text += "; is the name right, and the folder?";
  return fail(ErrorKind::invalid_argument, "UNREADABLE_FILE", std::move(text));
}

}  // namespace

Result<std::string> read_all(int fd, const std::string& name, std::size_t limit) {
  std::string text;
  while (text.size() <= limit) {
    const auto had = text.size();
    text.resize(std::min(had + (std::size_t{64} << 10), limit + 1));
    const auto got = ::read(fd, text.data() + had, text.size() - had);
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(name, errno);
    if (got == 0) break;
  }
  return text;
}

Result<FileText> read_file(const std::string& path, std::size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return cannot_read(path, errno);
  struct stat facts{};
  Result<std::string> text = std::string();
  if (::fstat(fd, &facts) != 0)
    text = cannot_read(path, errno);
  else if (S_ISDIR(facts.st_mode))
    text = fail(ErrorKind::invalid_argument, "IS_FOLDER", path + " is a folder; name a file in it");
  else
    text = read_all(fd, path, limit);
  ::close(fd);
  if (!text) return std::unexpected(text.error());
  if (text->size() > limit) {
    return fail(ErrorKind::invalid_argument, "FILE_TOO_LARGE",
                path + " is longer than " + std::to_string(limit) + " bytes, the most that is taken");
  }
  return FileText{.text = std::move(*text), .exposed = (facts.st_mode & (S_IRGRP | S_IROTH)) != 0};
}

}  // namespace hansa::cli
