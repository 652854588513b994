// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/order.hpp"

#include "broker/domain/json_fields.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::mover {
namespace {

constexpr std::array<std::string_view, 3> kTools{"rclone", "rsync", "plugin"};  // in Tool's order

/// Goes into ssh_config, rclone's environment and rsync's "-e" word by word: no white space, quotes, '%', '$', '~' or control
/// characters.
bool is_plain(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](unsigned char c) {
    return c > ' ' && c < 0x7f && !std::string_view("\"'\\%$~#=,;*?!").contains(static_cast<char>(c));
  });
}

bool is_remote_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_absolute(std::string_view text) { return text.starts_with('/') && !text.contains('\0') && !text.contains('\n'); }

void check_root(const Root& root, const std::string& where, std::vector<Fault>& faults) {
  const auto expect = [&](bool holds, const std::string& key, std::string_view what) {
    if (!holds) faults.push_back({where + "/" + key, std::string(what)});
  };
  if (const auto* folder = std::get_if<FolderRoot>(&root))
    return expect(is_absolute(folder->folder), "folder", "is not absolute");
  if (const auto* remote = std::get_if<RemoteRoot>(&root)) {
    expect(is_absolute(remote->folder), "folder", "is not absolute");
    expect(is_absolute(remote->configuration), "configuration", "is not absolute");
    expect(!remote->remote.empty() && std::ranges::all_of(remote->remote, is_remote_character), "remote",
           "is no name of a remote: letters, digits, '_' and '-'");
    return;
  }
  const auto& sftp = std::get<SftpRoot>(root);
  expect(is_absolute(sftp.folder), "folder", "is not absolute");
  expect(is_plain(sftp.host), "host", "is no plain host name");
  expect(is_plain(sftp.user), "user", "is no plain user name");
  expect(is_absolute(sftp.key_file) && is_plain(sftp.key_file), "key_file", "is no absolute path without special characters");
  expect(is_absolute(sftp.known_hosts) && is_plain(sftp.known_hosts), "known_hosts",
         "is no absolute path without special characters: without the host's key no data goes there");
  expect(sftp.port != 0, "port", "is 0");
}

std::string_view to_string(Readers readers) {
  switch (readers) {
    case Readers::account: return "account";
    case Readers::group: return "group";
    case Readers::everyone: return "everyone";
  }
  return "account";
}

Json to_json(const Root& root) {
  if (const auto* folder = std::get_if<FolderRoot>(&root)) {
    return {{"folder", folder->folder}, {"readers", to_string(folder->readers)}};
  }
  if (const auto* remote = std::get_if<RemoteRoot>(&root))
    return {{"remote", remote->remote}, {"configuration", remote->configuration}, {"folder", remote->folder}};
  const auto& sftp = std::get<SftpRoot>(root);
  return {{"host", sftp.host},
          {"port", sftp.port},
          {"user", sftp.user},
          {"key_file", sftp.key_file},
          {"known_hosts", sftp.known_hosts},
          {"folder", sftp.folder}};
}

Root root_from_json(const Json& json, domain::FieldReader& whole, const char* key) {
  const auto at = json.find(key);
  if (at == json.end()) return whole.miss(key), Root();
  domain::FieldReader fields(*at);
  if (!fields.ok()) return whole.miss(key), Root();
  Root root;
  if (at->contains("host")) {
    const auto port = fields.integer("port");
    if (port < 1 || port > 65'535) fields.miss("port");
    root = SftpRoot{.host = fields.text("host"),
                    .port = static_cast<std::uint16_t>(port),
                    .user = fields.text("user"),
                    .key_file = fields.text("key_file"),
                    .known_hosts = fields.text("known_hosts"),
                    .folder = fields.text("folder")};
  } else if (at->contains("remote")) {
    root = RemoteRoot{
        .remote = fields.text("remote"), .configuration = fields.text("configuration"), .folder = fields.text("folder")};
  } else {
    const auto word = fields.text("readers");
    auto readers = Readers::account;
    if (word == "group") readers = Readers::group;
    if (word == "everyone") readers = Readers::everyone;
    if (word != to_string(readers)) fields.miss("readers");
    root = FolderRoot{.folder = fields.text("folder"), .readers = readers};
  }
  if (!fields.ok()) whole.miss(key);
  return root;
}

}  // namespace

Result<void> check(const Order& order) {
  std::vector<Fault> faults;
  check_root(order.from, "from", faults);
  check_root(order.to, "to", faults);
  if (!is_absolute(order.program)) faults.push_back({"program", "is not absolute"});
  for (const auto* place : {&order.transfer.from, &order.transfer.to}) {
    if (!domain::is_replica_path(place->path)) faults.push_back({"path", "is no path beneath a root"});
  }
  const auto& path = order.transfer.to.path;
  if (path.substr(0, path.find('/')) == kOwnFolder) faults.push_back({"to/path", "is the mover's own folder"});
  const bool both_remote = std::holds_alternative<SftpRoot>(order.from) && std::holds_alternative<SftpRoot>(order.to);
  if (order.tool == Tool::rsync && both_remote) {
    faults.push_back({"tool", "rsync cannot move between two hosts that are both remote: mount one end, or use rclone"});
  }
  if (std::holds_alternative<RemoteRoot>(order.to))
    faults.push_back({"to/remote", "is behind a remote of rclone's, where nothing can be brought in one step"});
  if (std::holds_alternative<RemoteRoot>(order.from) && order.tool != Tool::rclone)
    faults.push_back({"from/remote", "is behind a remote of rclone's: let rclone take from it"});
  if (faults.empty()) return {};
  std::string message = "this transfer cannot be made";
  for (const auto& fault : faults) message += (&fault == &faults.front() ? ": " : "; ") + fault.where + " " + fault.message;
  auto error = fail(ErrorKind::invalid_argument, "BAD_TRANSFER", std::move(message));
  error.error().faults = std::move(faults);
  return error;
}

Json to_json(const Order& order) {
  return {{"transfer", domain::to_json(order.transfer)},
          {"from", to_json(order.from)},
          {"to", to_json(order.to)},
          {"tool", kTools[static_cast<std::size_t>(order.tool)]},
          {"program", order.program},
          {"most_per_second", order.most_per_second.value}};
}

Result<Order> order_from_json(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return std::unexpected(json.error());
  domain::FieldReader fields(*json);
  if (!fields.ok() || !json->contains("transfer")) return fields.error("order");
  auto transfer = domain::transfer_from_json((*json)["transfer"]);
  if (!transfer) return std::unexpected(std::move(transfer.error()));
  const auto tool = std::ranges::find(kTools, fields.text("tool"));
  if (tool == kTools.end()) fields.miss("tool");
  Order order{.transfer = std::move(*transfer),
              .from = root_from_json(*json, fields, "from"),
              .to = root_from_json(*json, fields, "to"),
              .tool = static_cast<Tool>(tool - kTools.begin()),
              .program = fields.text("program"),
              .most_per_second = {fields.integer("most_per_second")}};
  if (order.most_per_second.value < 0) fields.miss("most_per_second");
  if (!fields.ok()) return fields.error("order");
  if (auto valid = check(order); !valid) return std::unexpected(std::move(valid.error()));
  return order;
}

}  // namespace hansa::connectors::mover
