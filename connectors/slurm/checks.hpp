// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a cluster's own word on its configuration means for us: findings without source and time. Pure.

#include "broker/domain/doctor_report.hpp"
#include "connectors/slurm/inventory.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

/// "Key = value" a line, as scontrol show config and sacctmgr show configuration write it.
using ConfigLines = std::map<std::string, std::string, std::less<>>;
ConfigLines parse_config_lines(std::string_view text);

/// The controller's clock, twice: as a number, and as text in whatever zone the command writes.
/// "sdiag output at Sun Nov 22 10:06:39 2026 (1795341999)".
struct ClockReading {
  UtcTime clock{};
  UtcTime written{};
};
std::optional<ClockReading> parse_clock(std::string_view sdiag);

/// VERSION, HISTORY where it is off, COMMENTS, JOB_IDS, ARRAYS, MIN_JOB_AGE.
std::vector<domain::Finding> judge_configuration(const ConfigLines& config);
/// VERSION, of "22.05.8"; "": none is told.
domain::Finding judge_version(const std::string& version);
/// HISTORY of a slurmdbd that answers. `accounting` is what sacctmgr says of it.
domain::Finding judge_history(const ConfigLines& accounting);
/// PRIVATE_DATA. `level` is the broker's own in the accounting: "None", "Operator", "Administrator"; "" if it is not known there.
domain::Finding judge_privacy(const ConfigLines& config, std::string_view level);
domain::Finding judge_gres(const Inventory& inventory);

[[nodiscard]] bool keeps_history(const ConfigLines& config);
[[nodiscard]] bool wants_associations(const ConfigLines& config);

}  // namespace hansa::connectors::slurm
