// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/place.hpp"

#include "broker/core/sha256_stream.hpp"
#include "broker/domain/manifest.hpp"
#include "connectors/mover/folder_place.hpp"
#include "connectors/mover/remote_place.hpp"
#include "connectors/mover/sftp_place.hpp"

namespace hansa::connectors::mover {
namespace {

using domain::TransferEnd;

ErrorKind kind_of(TransferEnd end) {
  switch (end) {
    case TransferEnd::source_missing: return ErrorKind::not_found;
    case TransferEnd::access_refused: return ErrorKind::permission_denied;
    case TransferEnd::no_space:
    case TransferEnd::quota_bytes:
    case TransferEnd::quota_files: return ErrorKind::storage_full;
    case TransferEnd::unreachable: return ErrorKind::unavailable;
    case TransferEnd::cancelled: return ErrorKind::cancelled;
    case TransferEnd::destination_exists:
    case TransferEnd::moved_elsewhere: return ErrorKind::conflict;
    default: return ErrorKind::internal;
  }
}

}  // namespace

std::unexpected<Error> stop(TransferEnd end, std::string message, std::string detail) {
  return fail(kind_of(end), to_string(end), std::move(message), std::move(detail));
}

std::string joined(const std::string& folder, const std::string& name) { return folder.empty() ? name : folder + "/" + name; }

Result<std::unique_ptr<Place>> open_place(const Root& root, const std::string& rclone) {
  if (const auto* folder = std::get_if<FolderRoot>(&root)) return open_folder_place(*folder);
  if (const auto* remote = std::get_if<RemoteRoot>(&root)) return open_remote_place(*remote, rclone);
  return open_sftp_place(std::get<SftpRoot>(root));
}

Result<domain::Content> measure(Place& place, const std::string& path, const std::function<bool(domain::Bytes)>& read) {
  auto tree = place.list(path);
  if (!tree) return std::unexpected(std::move(tree.error()));
  std::vector<domain::ManifestFile> manifest;
  manifest.reserve(tree->files.size());
  for (auto& file : tree->files) {
    Sha256Stream digest;
    domain::Bytes size{0};
    const auto take = [&](std::string_view bytes) {
      digest.add(bytes);
      const domain::Bytes got{static_cast<std::int64_t>(bytes.size())};
      size += got;
      return read(got);
    };
    if (auto done = place.read(path + "/" + file.path, take); !done) return std::unexpected(std::move(done.error()));
    manifest.push_back({.path = std::move(file.path), .size = size, .sha256 = digest.finish()});
  }
  return domain::content_of(std::move(manifest));
}

}  // namespace hansa::connectors::mover
