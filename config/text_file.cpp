// SPDX-License-Identifier: Apache-2.0
#include "config/text_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace hansa::config {

Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes) {
  std::error_code status_error;
  const auto status = std::filesystem::status(path, status_error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return fail(ErrorKind::not_found, "CONFIG_NOT_FOUND", path + ": there is no such file");
  }
  if (std::filesystem::is_directory(status)) {
    return fail(ErrorKind::invalid_argument, "CONFIG_UNREADABLE", path + " is a folder; a file is needed");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(ErrorKind::permission_denied, "CONFIG_UNREADABLE", path + " cannot be opened: " + std::strerror(errno));
  }
  std::string text(max_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail(ErrorKind::unavailable, "CONFIG_UNREADABLE", path + " cannot be read: " + std::strerror(errno));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > max_bytes) {
    return fail(ErrorKind::too_large, "CONFIG_TOO_LARGE", path + " is larger than " + std::to_string(max_bytes >> 20U) + " MiB");
  }
  return text;
}

std::optional<std::string> exposure_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0 || (found.st_mode & (S_IROTH | S_IWOTH)) == 0) return std::nullopt;
  return "everybody on this machine can read or change " + path +
         ": chmod 0640 it, for the group of the account that needs it, and change what is in it if others may have read it";
}

}  // namespace hansa::config
