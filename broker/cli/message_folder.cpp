// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/message_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

namespace hansa::cli {
namespace {

constexpr std::int64_t kFolderSeconds = 60;  // messages of so long are in one folder

std::string hex(std::int64_t number, std::size_t digits) {
  std::array<char, 16> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, 16).ptr;
  const std::string written(text.data(), end);
  return std::string(digits - std::min(digits, written.size()), '0') + written;
}

Result<void> make_folder(const std::string& path, bool others_may_read) {
  if (::mkdir(path.c_str(), others_may_read ? 0755 : 0700) == 0) return {};
  if (errno == EEXIST)
    return fail(ErrorKind::conflict, "FILE_EXISTS", path + " is there already: give another name, or remove it");
  return fail(ErrorKind::invalid_argument, "CANNOT_WRITE", path + " cannot be made: " + std::strerror(errno));
}

}  // namespace

Result<MessageFolder> MessageFolder::create(std::string path, bool others_may_read, UtcTime now) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (::access(path.c_str(), F_OK) == 0)
    return fail(ErrorKind::conflict, "FILE_EXISTS", path + " is there already: give another name, or remove it");
  if (auto made = make_folder(path + ".new", others_may_read); !made) return std::unexpected(std::move(made.error()));
  MessageFolder folder(std::move(path), others_may_read, now);
  if (auto made = make_folder(folder.path_ + ".new/outgoing", others_may_read); !made)
    return std::unexpected(std::move(made.error()));
  return folder;
}

MessageFolder::MessageFolder(MessageFolder&& other) noexcept
    : path_(std::exchange(other.path_, "")),
      others_may_read_(other.others_may_read_),
      microseconds_(other.microseconds_),
      queue_(std::move(other.queue_)) {}

MessageFolder::~MessageFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_ + ".new", ignored);
}

Result<std::string> MessageFolder::add_message(std::string_view text) {
  const auto second = microseconds_ / 1'000'000, part = microseconds_ % 1'000'000;
  ++microseconds_;
  auto queue = "outgoing/" + hex(second - second % kFolderSeconds, 8);
  if (queue != queue_) {
    if (auto made = make_folder(path_ + ".new/" + queue, others_may_read_); !made)
      return std::unexpected(std::move(made.error()));
    queue_ = std::move(queue);
  }
  auto name = queue_ + "/" + hex(second, 8) + hex(part, 5) + "0";
  auto file = add_file(name);
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto written = file->append(text); !written) return std::unexpected(std::move(written.error()));
  if (auto finished = file->finish(); !finished) return std::unexpected(std::move(finished.error()));
  return name;
}

Result<DurableFile> MessageFolder::add_file(const std::string& name) {
  return DurableFile::create(path_ + ".new/" + name, others_may_read_, DurableFile::Existing::refuse);
}

Result<void> MessageFolder::finish() {
  if (::rename((path_ + ".new").c_str(), path_.c_str()) != 0)
    return fail(ErrorKind::invalid_argument, "CANNOT_WRITE", path_ + " cannot be made: " + std::strerror(errno));
  path_.clear();
  return {};
}

}  // namespace hansa::cli
