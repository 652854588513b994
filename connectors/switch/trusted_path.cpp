// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/trusted_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace hansa::connectors::account_switch {
namespace {

constexpr int kMaxLinks = 16;

std::unexpected<Error> untrusted(const std::string& path, const std::string& why) {
  return fail(ErrorKind::permission_denied, "UNTRUSTED_FILE", path + " " + why);
}

/// Takes the first component off `rest`; "" at its end.
std::string take_component(std::string& rest) {
  const auto begin = rest.find_first_not_of('/');
  if (begin == std::string::npos) return rest.clear(), "";
  const auto end = rest.find('/', begin);
  auto component = rest.substr(begin, end == std::string::npos ? end : end - begin);
  rest.erase(0, end);
  return component;
}

Result<void> examine(const std::string& path, struct stat& entry) {
  if (::lstat(path.c_str(), &entry) != 0) return untrusted(path, std::string("cannot be examined: ") + std::strerror(errno));
  if (entry.st_uid != 0) return untrusted(path, "does not belong to root");
  if (!S_ISLNK(entry.st_mode) && (entry.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return untrusted(path, "is writable by its group or by others");
  }
  return {};
}

}  // namespace

Result<void> check_trusted_file(const std::string& path) {
  if (!path.starts_with('/')) return untrusted(path, "is not a full path");
  struct stat entry{};
  if (auto root = examine("/", entry); !root) return root;

  std::string at;  // the folder reached so far, free of links; "" is "/"
  std::string rest = path;
  int links = 0;
  for (auto component = take_component(rest); !component.empty(); component = take_component(rest)) {
    if (component == ".") continue;
    if (component == "..") {
      at.erase(at.empty() ? 0 : at.rfind('/'));
      continue;
    }
    const auto next = at + "/" + component;
    if (auto good = examine(next, entry); !good) return good;
    if (S_ISLNK(entry.st_mode)) {
      std::array<char, PATH_MAX> target{};
      const auto size = ::readlink(next.c_str(), target.data(), target.size());
      if (size <= 0 || static_cast<std::size_t>(size) == target.size() || ++links > kMaxLinks) {
        return untrusted(path, "has a symbolic link that cannot be followed: " + next);
      }
      if (target.front() == '/') at.clear();
      rest.insert(0, std::string(target.data(), static_cast<std::size_t>(size)) + "/");
    } else if (S_ISDIR(entry.st_mode)) {
      at = next;
    } else if (!S_ISREG(entry.st_mode) || rest.find_first_not_of('/') != std::string::npos) {
      return untrusted(next, "is neither a folder nor a regular file");
    }
  }
  if (!S_ISREG(entry.st_mode)) return untrusted(path, "is not a regular file");
  return {};
}

}  // namespace hansa::connectors::account_switch
