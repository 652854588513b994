// SPDX-License-Identifier: Apache-2.0
#pragma once
// The keys that people's own secrets are sealed with: a file (0600) beside the database and never in it, nor in its backups. A
// key a line, the newest first; the first seals, and what older ones have sealed is opened until it is sealed anew, at the next
// start.

#include "broker/engine/sealing.hpp"
#include "config/broker_config.hpp"

#include <filesystem>
#include <string>

namespace hansa::app {

/// broker.secrets_key, or secrets.key in broker.state_dir.
std::filesystem::path secrets_key_file(const config::BrokerConfig& config);

/// `any_sealed`: the database has secrets, so no first key is drawn where there is none. SECRETS_KEY_UNUSABLE: the file cannot be
/// read or written, others can read it, or a line of it is no key; SECRETS_KEY_GONE.
Result<engine::SealingKeys> secrets_keys(const std::filesystem::path& file, bool any_sealed, Random& random);

/// A new first line. Answers the id of its key.
Result<std::string> add_secrets_key(const std::filesystem::path& file, Random& random);

}  // namespace hansa::app
