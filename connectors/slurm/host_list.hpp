// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's short form of node names: "rack[01-02]n[1-3,7]-ib,login1".

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

inline constexpr std::size_t kMaxHosts = 200'000;
inline constexpr std::size_t kMaxHostsInAll = 2'000'000;  // of one answer: names are in several partitions

/// The names in the order they are written; none if the text is malformed or stands for more than `most`, kMaxHosts at most.
/// "(null)", "None assigned" and "" are no hosts.
std::optional<std::vector<std::string>> expand_hosts(std::string_view text, std::size_t most = kMaxHosts);

}  // namespace hansa::connectors::slurm
