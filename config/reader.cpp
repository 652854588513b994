// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include "broker/core/suggest.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace hansa::config {
namespace {

/// A value as a message shows it.
std::string seen(const Node& node) {
  switch (node.kind) {
    case Node::Kind::boolean:
    case Node::Kind::integer: return toml_literal(node);
    case Node::Kind::text: return shown(node.text);
    case Node::Kind::date: return node.text.size() > 10 ? "a date with time" : "a date";
    case Node::Kind::list: return "a list";
    case Node::Kind::table: return "a table";
    case Node::Kind::other: return node.text;
  }
  return {};
}

std::string is_but_allowed(const Node& value, const Record& record) {
  return "is " + seen(value) + "; allowed: " + allowed_values(record);
}

bool sounds_secret(std::string_view key) {
  std::string lower(key);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::ranges::any_of(std::array<std::string_view, 4>{"password", "passphrase", "secret", "token"},
                             [&](std::string_view word) { return lower.contains(word); });
}

/// The text by its form, relative file names made absolute.
std::optional<Node> check_text(const Form& form, const Node& value, const std::string& path, Findings& findings) {
  if (value.kind != Node::Kind::text) {
    findings.add(value.at, path, "is " + seen(value) + "; allowed: " + std::string(form.allowed));
    return std::nullopt;
  }
  if (auto fault = text_fault(form, value.text)) {
    findings.add(value.at, path, std::move(*fault));
    return std::nullopt;
  }
  Node checked = value;
  if (form.is_file && !value.text.starts_with("~/") && (!form.or_name || value.text.contains('/'))) {
    checked.text = (std::filesystem::path(findings.file()).parent_path() / value.text).lexically_normal().string();
  }
  return checked;
}

std::optional<Node> check_list(const Record& record, const Node& value, const std::string& path, Findings& findings) {
  Node checked = value;
  checked.items.clear();
  std::set<std::string_view> texts;
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    const auto& item = value.items[i];
    const auto item_path = path + "[" + std::to_string(i) + "]";
    auto element = check_text(*record.form, item, item_path, findings);
    if (!element) continue;
    if (!texts.insert(item.text).second && !record.repeats)
      findings.add(item.at, item_path, shown(item.text) + " stands in the list twice");
    checked.items.push_back(std::move(*element));
  }
  return checked;
}

std::optional<Node> check_map(const Record& record, const Node& value, const std::string& path, Findings& findings) {
  Node checked = value;
  checked.items.clear();
  for (const auto& item : value.items) {
    const auto item_path = path + "." + shown(item.key);
    const auto key_fault = text_fault(*record.key_form, item.key);
    if (key_fault) findings.add(item.key_at, item_path, "the key " + *key_fault);
    auto element = check_text(*record.form, item, item_path, findings);
    if (!key_fault && element) checked.items.push_back(std::move(*element));
  }
  return checked;
}

}  // namespace

Error configuration_error(std::string_view file, std::vector<Fault> faults) {
  Error error{
      .kind = ErrorKind::invalid_argument,
      .code = "BAD_CONFIGURATION",
      .message = std::string(file) + " has " + (faults.size() == 1 ? "an error" : std::to_string(faults.size()) + " errors")};
  error.faults = std::move(faults);
  return error;
}

std::string Table::path_of(std::string_view key) const { return path.empty() ? std::string(key) : path + "." + std::string(key); }

Mark Table::mark_of(std::string_view key) const {
  const Node* member = find(key);
  return member != nullptr ? member->key_at : node == nullptr ? Mark{} : node->at;
}

std::optional<Table> sub_table(const Table& parent, std::string_view name, Findings& findings) {
  static const Node kEmpty;
  const Node* node = parent.find(name);
  if (node == nullptr) return Table{&kEmpty, parent.path_of(name)};
  if (node->kind == Node::Kind::table) return Table{node, parent.path_of(name)};
  const bool blocks = node->kind == Node::Kind::list && !node->items.empty() && node->items.front().kind == Node::Kind::table;
  findings.add(node->key_at, parent.path_of(name),
               blocks ? "stands as [[" + std::string(name) + "]]; allowed: one table, [" + std::string(name) + "]"
                      : "is " + seen(*node) + "; allowed: a table");
  return std::nullopt;
}

std::optional<std::string> text_fault(const Form& form, std::string_view text) {
  if (form.matches(text)) return std::nullopt;
  std::string message = (form.is_told ? "is " + shown(text) : "is another text") + "; allowed: " + std::string(form.allowed);
  const auto meant = form.correction == nullptr ? std::string_view{} : form.correction(text);
  if (!meant.empty()) message += " (did you mean \"" + std::string(meant) + "\"?)";
  return message;
}

std::optional<Node> check_value(const Record& record, const Node& value, const std::string& path, Findings& findings) {
  switch (record.type) {
    case Type::text: return check_text(*record.form, value, path, findings);
    case Type::integer:
      if (value.kind == Node::Kind::integer && value.integer >= record.min && value.integer <= record.max) return value;
      break;
    case Type::boolean:
      if (value.kind == Node::Kind::boolean) return value;
      break;
    case Type::date:
      if (value.kind == Node::Kind::date && parse_utc(value.text)) return value;
      break;
    case Type::choice:
      if (value.kind == Node::Kind::text) {
        if (std::ranges::find(record.choices, value.text) != record.choices.end()) return value;
        findings.add(value.at, path, is_but_allowed(value, record) + did_you_mean(value.text, record.choices));
        return std::nullopt;
      }
      break;
    case Type::list:
      if (value.kind == Node::Kind::list) return check_list(record, value, path, findings);
      break;
    case Type::map:
      if (value.kind == Node::Kind::table) return check_map(record, value, path, findings);
      break;
  }
  findings.add(value.at, path, is_but_allowed(value, record));
  return std::nullopt;
}

void missing_key(const Table& table, const Record& record, Findings& findings) {
  findings.add(table.mark_of(""), table.path_of(record.name),
               "is missing; allowed: " + allowed_values(record) + "; example: " + std::string(record.name) + " = " +
                   std::string(record.example));
}

void check_unknown_keys(const Table& table, std::span<const std::string_view> known, Findings& findings) {
  if (table.node == nullptr) return;
  std::vector<std::string_view> sorted(known.begin(), known.end());
  std::ranges::sort(sorted);
  std::string allowed;
  for (const auto name : sorted) allowed += (allowed.empty() ? "" : ", ") + std::string(name);
  for (const auto& member : table.node->items) {
    if (std::ranges::binary_search(sorted, member.key)) continue;
    // Never the value: it may be a secret.
    std::string message = "is no key here" + did_you_mean(member.key, sorted) + "; allowed: " + allowed;
    if (sounds_secret(member.key)) message += "; a secret never stands in this file, only the path of a file that holds it";
    const auto name = shown(member.key);
    const bool plain = toml_key(member.key) == member.key && member.key.size() <= 64;
    findings.add(member.key_at, table.path_of(plain ? member.key : name), std::move(message));
  }
}

std::vector<Table> blocks_of(const Table& parent, std::string_view name, const Form& id_form, Findings& findings) {
  const Node* node = parent.find(name);
  if (node == nullptr) return {};
  std::vector<Table> blocks;
  const auto heading =
      parent.path.empty() ? std::string(name) : parent.path.substr(0, parent.path.find('[')) + "." + std::string(name);
  const auto allowed = "allowed: blocks that start with [[" + heading + "]]";
  if (node->kind != Node::Kind::list) {
    findings.add(node->key_at, parent.path_of(name),
                 allowed + (node->kind == Node::Kind::table ? ", with two brackets on each side" : ""));
    return {};
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const auto& item = node->items[i];
    const Node* id = item.kind == Node::Kind::table ? item.find("id") : nullptr;
    const bool named = id != nullptr && id->kind == Node::Kind::text && id_form.matches(id->text);
    auto path = parent.path_of(name) + "[" + (named ? id->text : "#" + std::to_string(i + 1)) + "]";
    if (item.kind != Node::Kind::table) {
      findings.add(item.at, path, allowed);
    } else {
      blocks.push_back({&item, std::move(path)});
    }
  }
  return blocks;
}

void check_unique_ids(const std::vector<Table>& blocks, Findings& findings) {
  std::map<std::string_view, Mark> first;
  for (const auto& block : blocks) {
    const Node* id = block.find("id");
    if (id == nullptr || id->kind != Node::Kind::text) continue;
    const auto [at, is_new] = first.emplace(id->text, id->at);
    if (!is_new) findings.add(id->at, block.path_of("id"), shown(id->text) + " is taken already, at " + line_of(at->second));
  }
}

std::string line_of(Mark at) { return "line " + std::to_string(at.line); }

}  // namespace hansa::config
