// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site's table, which a broker's file and an agent's have in common. Private to this folder.

#include "config/broker_config.hpp"
#include "config/reader.hpp"

#include <string_view>
#include <vector>

namespace hansa::config {

/// `program` is the table that says where hansa-switch listens; `project_ids` the projects that there are, if that is known.
SiteConfig read_site(const Table& table, const Table& program, const std::vector<std::string_view>* project_ids,
                     Findings& findings);

/// The accounts of a site that has a file of them; answers the faults within that file.
std::vector<Fault> read_accounts_file(const Table& table, SiteConfig& site, Findings& findings);

}  // namespace hansa::config
