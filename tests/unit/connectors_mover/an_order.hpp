// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "connectors/mover/order.hpp"

namespace hansa::connectors::mover {

inline Root a_folder() { return FolderRoot{.folder = "/data/alpha", .readers = Readers::group}; }

inline Root a_server() {
  return SftpRoot{.host = "mover.example.org",
                  .port = 2222,
                  .user = "hansa",
                  .key_file = "/etc/hansa/mover_key",
                  .known_hosts = "/etc/hansa/known_hosts",
                  .folder = "/scratch/hansa"};
}

inline Root a_store() {
  return RemoteRoot{.remote = "store", .configuration = "/etc/hansa/rclone.conf", .folder = "/bucket/projects"};
}

inline Order an_order(Tool tool, Root from, Root to) {
  return {.transfer = {.id = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                       .dataset = DatasetId("set"),
                       .content = {.size = {3}, .files = 1, .hash = domain::ContentHash(std::string(64, 'a'))},
                       .from = {.site = SiteId("alpha"), .root = domain::RootName("data"), .path = "lab/set"},
                       .to = {.site = SiteId("beta"), .root = domain::RootName("data"), .path = "-set"},
                       .room = {}},
          .from = std::move(from),
          .to = std::move(to),
          .tool = tool,
          .program = tool == Tool::rclone ? "/usr/bin/rclone" : "/usr/bin/rsync",
          .most_per_second = {2048}};
}

}  // namespace hansa::connectors::mover
