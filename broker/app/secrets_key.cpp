// SPDX-License-Identifier: Apache-2.0
#include "broker/app/secrets_key.hpp"

#include "broker/app/state_folder.hpp"
#include "config/text_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

namespace hansa::app {
namespace {

constexpr std::size_t kMostKeyBytes = 64'000;  // some 1,400 keys

std::unexpected<Error> no_keys(const std::filesystem::path& file, const std::string& why) {
  return fail(ErrorKind::unavailable, "SECRETS_KEY_UNUSABLE", file.string() + " " + why);
}

/// None: there is no such file.
Result<std::vector<engine::SealingKey>> read_keys(const std::filesystem::path& file) {
  struct stat found{};
  if (::lstat(file.c_str(), &found) != 0) {
    if (errno == ENOENT) return std::vector<engine::SealingKey>{};
    return no_keys(file, std::string("cannot be read: ") + std::strerror(errno));
  }
  if (!S_ISREG(found.st_mode) || (found.st_mode & 077U) != 0)
    return no_keys(
        file,
        "must be a file that nobody but its owner can read: chmod 0600 it, and change the key (hansad secrets rekey) if "
        "others may have read it");
  auto read = config::read_text_file(file.string(), kMostKeyBytes);
  if (!read) return no_keys(file, "cannot be read by the account that runs hansad");
  const Secret text(std::move(*read));
  std::vector<engine::SealingKey> keys;
  auto rest = text.reveal();
  for (int number = 1; !rest.empty(); ++number) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty()) continue;
    auto key = engine::SealingKey::parse(line);
    if (!key)
      return no_keys(file,
                     "line " + std::to_string(number) + " " + key.error().message + ": restore the file from where it is kept");
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) return no_keys(file, "holds no key: restore it from where it is kept");
  return keys;
}

Result<void> write_keys(const std::filesystem::path& file, const std::vector<engine::SealingKey>& keys) {
  std::string text;
  for (const auto& key : keys) text.append(key.text().reveal()).append("\n");
  const Secret kept(std::move(text));
  if (auto written = write_private_file(file, kept.reveal()); !written)
    return no_keys(file, "cannot be written: " + written.error().message);
  return {};
}

}  // namespace

std::filesystem::path secrets_key_file(const config::BrokerConfig& config) {
  return config.broker.secrets_key.value_or(config.broker.state_dir / "secrets.key");
}

Result<engine::SealingKeys> secrets_keys(const std::filesystem::path& file, bool any_sealed, Random& random) {
  auto keys = read_keys(file);
  if (!keys) return std::unexpected(keys.error());
  if (keys->empty() && any_sealed)
    return fail(ErrorKind::unavailable, "SECRETS_KEY_GONE",
                file.string() +
                    " is not there, and people's secrets are sealed with it: restore it from where it is kept, or give them up "
                    "(hansad secrets rekey), and start hansad again");
  if (keys->empty()) {
    keys->push_back(engine::SealingKey::draw(random));
    if (auto written = write_keys(file, *keys); !written) return std::unexpected(written.error());
  }
  return engine::SealingKeys(std::move(*keys));
}

Result<std::string> add_secrets_key(const std::filesystem::path& file, Random& random) {
  auto keys = read_keys(file);
  if (!keys) return std::unexpected(keys.error());
  keys->insert(keys->begin(), engine::SealingKey::draw(random));
  if (auto written = write_keys(file, *keys); !written) return std::unexpected(written.error());
  return keys->front().id();
}

}  // namespace hansa::app
