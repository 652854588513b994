// SPDX-License-Identifier: Apache-2.0
#include "broker/app/ledger_key.hpp"

#include "broker/app/state_folder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace hansa::app {
namespace {

std::unexpected<Error> unusable(const std::filesystem::path& file, const std::string& why) {
  return fail(ErrorKind::unavailable, "LEDGER_KEY_UNUSABLE", file.string() + " " + why);
}

/// None: there is no such file.
Result<std::optional<ledger::Signer>> read_key(const std::filesystem::path& file) {
  struct stat found{};
  if (::lstat(file.c_str(), &found) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return unusable(file, std::string("cannot be read: ") + std::strerror(errno));
  }
  if (!S_ISREG(found.st_mode) || (found.st_mode & 077U) != 0)
    return unusable(file,
                    "must be a file that nobody but its owner can read: chmod 0600 it, start hansad again, and change the "
                    "key (hansa ledger change-key) if others may have read it");
  std::ifstream in(file);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.good() && !in.eof()) return unusable(file, "cannot be read by the account that runs hansad");
  while (text.ends_with('\n')) text.pop_back();
  auto key = ledger::parse_signer(text);
  if (!key) return unusable(file, "holds no private key: restore it from a backup, and start hansad again");
  return std::optional(std::move(*key));
}

/// None: nothing was signed yet, or somebody removed it so that a second history may be.
Result<std::optional<ledger::Checkpoint>> read_signed(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(file, error);
  if (!std::filesystem::exists(status)) {
    if (error && error != std::errc::no_such_file_or_directory) return unusable(file, "cannot be read: " + error.message());
    return std::nullopt;
  }
  if (!std::filesystem::is_regular_file(status)) return unusable(file, "is no file: restore it from a backup");
  std::ifstream in(file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  auto checkpoint = ledger::parse_checkpoint(text);
  if (!checkpoint)
    return unusable(file,
                    "does not say what was signed last: restore it, or compare the ledger with its witnesses and remove it");
  return std::optional(std::move(*checkpoint));
}

Result<ledger::Signer> draw_key(const std::filesystem::path& file, const std::string& name, Random& random) {
  auto key = ledger::new_signer(name, random);
  if (auto written = write_private_file(file, std::string(key.text().reveal()) + "\n"); !written)
    return std::unexpected(written.error());
  return key;
}

}  // namespace

Result<engine::LedgerKeys> ledger_keys(const std::filesystem::path& folder, std::string name, Random& random) {
  const auto file = folder / "ledger.key", next_file = folder / "ledger.key.next", signed_file = folder / "ledger.signed";
  return engine::LedgerKeys{
      .current = read_key(file),
      .next = read_key(next_file),
      .draw_next = [next_file, name, &random] { return draw_key(next_file, name, random); },
      .next_becomes_current = [file, next_file]() -> Result<void> {
        std::error_code error;
        std::filesystem::rename(next_file, file, error);
        if (error) return unusable(next_file, "cannot be renamed to ledger.key: " + error.message());
        return {};
      },
      .draw_first = [file, name, &random] { return draw_key(file, name, random); },
      .signed_last = read_signed(signed_file),
      .keep_signed = [signed_file](const ledger::Checkpoint& made) { return write_private_file(signed_file, made.text()); }};
}

Result<ledger::Verifier> witness_key(const std::string& where, const std::string& text) {
  auto key = ledger::parse_verifier(text);
  if (key && key->use == ledger::KeyUse::cosignature) return key;
  return fail(ErrorKind::invalid_argument, "BAD_WITNESS",
              where + ": \"" + text + "\" is no witness's key: take it as hansa ledger witness prints it");
}

Result<std::vector<ledger::Verifier>> ledger_witnesses(const std::vector<std::string>& keys) {
  std::vector<ledger::Verifier> witnesses;
  for (const auto& text : keys) {
    auto key = witness_key("broker.witnesses", text);
    if (!key) return std::unexpected(std::move(key.error()));
    witnesses.push_back(std::move(*key));
  }
  return witnesses;
}

std::string ledger_origin(std::string_view broker_id) {
  std::string origin = "hansa/" + std::string(broker_id.substr(0, 100));
  std::ranges::replace_if(origin, [](char c) { return c <= ' ' || c >= '\x7f' || c == '+'; }, '-');
  return origin;
}

}  // namespace hansa::app
