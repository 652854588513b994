// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/fields.hpp"

#include "broker/core/countries.hpp"
#include "broker/core/encoding.hpp"
#include "broker/core/suggest.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

bool consists_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

bool is_sentence(std::string_view text) {
  return !text.empty() && text.size() <= 500 && is_utf8(text) &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_name(std::string_view text, std::string_view more) {
  static const std::string kName = std::string(kLower) + std::string(kUpper) + std::string(kDigits);
  return !text.empty() && text.size() <= 64 && consists_of(text, kName + std::string(more));
}

bool is_pack_id(std::string_view text) {
  static const std::string kAllowed = std::string(kLower) + std::string(kDigits) + "-";
  return !text.empty() && text.size() <= 64 && consists_of(text, kAllowed) && text.front() != '-';
}

bool is_set_id(std::string_view text) {
  const auto at = text.find('@');
  return at != std::string_view::npos && is_name(text.substr(0, at), "-_") && is_name(text.substr(at + 1), "-_.");
}

/// MAJOR.MINOR.PATCH, with "-pre.release" and "+build" after it (semver.org 2.0.0).
bool is_version(std::string_view text) {
  auto core = text.substr(0, text.find_first_of("-+"));
  if (core.size() < text.size() && !is_name(text.substr(core.size() + 1), "-.+")) return false;
  for (int part = 0; part < 3; ++part) {
    const auto end = part < 2 ? core.find('.') : core.size();
    const auto number = core.substr(0, end);
    if (number.empty() || number.size() > 9 || !consists_of(number, kDigits) || (number.size() > 1 && number[0] == '0'))
      return false;
    if (part < 2 && end == std::string_view::npos) return false;
    core = part < 2 ? core.substr(end + 1) : std::string_view{};
  }
  return true;
}

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

std::string wrong_word(std::string_view word, std::span<const std::string_view> words) {
  return "is " + in_quotes(word) + "; allowed: " + listed(words) + did_you_mean(word, words);
}

}  // namespace

const TextForm kSentence{"one line of text, at most 500 bytes", is_sentence};
const TextForm kPackId{"1 to 64 lower-case letters, digits and -, as \"gdpr-eea\"", is_pack_id};
const TextForm kRuleId{"1 to 64 letters, digits and -_., as \"P-PERSONAL-EEA\"",
                       [](std::string_view text) { return is_name(text, "-_."); }};
const TextForm kSetId{"NAME@VERSION, as \"EEA@2026-01\"", is_set_id};
const TextForm kVersion{"a semantic version, as \"1.4.0\"", is_version};

Error pack_error(std::string_view file, std::vector<Fault> faults) {
  Error error{
      .kind = ErrorKind::invalid_argument,
      .code = "BAD_RULE_PACK",
      .message = std::string(file) + " has " + (faults.size() == 1 ? "a fault" : std::to_string(faults.size()) + " faults")};
  error.faults = std::move(faults);
  return error;
}

void append(std::vector<Fault>& to, const std::vector<Fault>& more) { to.insert(to.end(), more.begin(), more.end()); }

std::string in_quotes(std::string_view text) { return toml_literal(TomlNode::of_text(std::string(text.substr(0, 80)))); }

std::string seen(const TomlNode& node) {
  switch (node.kind) {
    case TomlNode::Kind::boolean:
    case TomlNode::Kind::integer:
    case TomlNode::Kind::date: return toml_literal(node);
    case TomlNode::Kind::text: return in_quotes(node.text);
    case TomlNode::Kind::list: return "a list";
    case TomlNode::Kind::table: return "a table";
    case TomlNode::Kind::other: return node.text;
  }
  return {};
}

std::string Fields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const TomlNode* Fields::find(std::string_view key, Need need) {
  if (std::ranges::find(known_, key) == known_.end()) known_.push_back(key);
  const auto* node = table_.find(key);
  if (node == nullptr && need == Need::required) findings_.add(table_.at, path_of(key), "is missing; write it");
  return node;
}

std::string Fields::text(std::string_view key, const TextForm& form, Need need) {
  const auto* node = find(key, need);
  if (node == nullptr) return {};
  if (node->kind == TomlNode::Kind::text && form.matches(node->text)) return node->text;
  fault(*node, key, "is " + seen(*node) + "; allowed: " + std::string(form.allowed));
  return {};
}

std::optional<std::size_t> Fields::word(std::string_view key, std::span<const std::string_view> words, Need need) {
  const auto* node = find(key, need);
  if (node == nullptr) return std::nullopt;
  const auto found = std::ranges::find(words, std::string_view(node->text));
  if (node->kind == TomlNode::Kind::text && found != words.end()) return static_cast<std::size_t>(found - words.begin());
  fault(*node, key,
        node->kind == TomlNode::Kind::text ? wrong_word(node->text, words) : "is " + seen(*node) + "; allowed: " + listed(words));
  return std::nullopt;
}

std::optional<UtcTime> Fields::date(std::string_view key) {
  const auto* node = find(key);
  return node == nullptr ? std::nullopt : read_date(*node, path_of(key), findings_);
}

std::vector<std::string> Fields::texts(std::string_view key, const TextForm& form, Need need) {
  const auto* node = find(key, need);
  std::vector<std::string> texts;
  if (node == nullptr) return texts;
  if (node->kind != TomlNode::Kind::list) {
    fault(*node, key, "is " + seen(*node) + "; allowed: a list");
    return texts;
  }
  for (const auto& item : node->items) {
    if (item.kind != TomlNode::Kind::text || !form.matches(item.text)) {
      fault(item, key, "has " + seen(item) + "; allowed: " + std::string(form.allowed));
    } else if (std::ranges::find(texts, item.text) != texts.end()) {
      fault(item, key, "has " + in_quotes(item.text) + " twice");
    } else {
      texts.push_back(item.text);
    }
  }
  return texts;
}

std::vector<const TomlNode*> Fields::tables(std::string_view key, Need need) {
  const auto* node = find(key, need);
  std::vector<const TomlNode*> tables;
  if (node == nullptr) return tables;
  if (node->kind != TomlNode::Kind::list) {
    fault(*node, key, "is " + seen(*node) + "; allowed: blocks [[" + std::string(key) + "]], or a list of tables");
    return tables;
  }
  for (const auto& item : node->items) {
    if (item.kind == TomlNode::Kind::table)
      tables.push_back(&item);
    else
      fault(item, key, "has " + seen(item) + "; allowed: a table");
  }
  return tables;
}

void Fields::finish() {
  for (const auto& member : table_.items) {
    if (std::ranges::find(known_, member.key) != known_.end()) continue;
    findings_.add(member.key_at, path_of(toml_key(member.key)),
                  "is no key here; allowed: " + listed(known_) + did_you_mean(member.key, known_));
  }
}

std::optional<UtcTime> read_date(const TomlNode& node, const std::string& path, Findings& findings) {
  if (node.kind == TomlNode::Kind::date) {
    if (const auto when = parse_utc(node.text)) return *when;
  }
  findings.add(node.at, path, "is " + seen(node) + "; allowed: a date, as 2026-12-01, or 2026-12-01T08:00:00Z, without quotes");
  return std::nullopt;
}

std::optional<Scalar> read_scalar(const TomlNode& node, const AttributeRecord& record, const std::string& path,
                                  Findings& findings) {
  const auto type = member_type(record.type);
  const auto wrong = [&](std::string message) -> std::optional<Scalar> {
    findings.add(node.at, path, std::move(message));
    return std::nullopt;
  };
  const auto fallback = [&] { return "is " + seen(node) + "; allowed: " + std::string(to_string(type)); };
  switch (type) {
    case Type::boolean: return node.kind == TomlNode::Kind::boolean ? Scalar(node.boolean) : wrong(fallback());
    case Type::integer:
      if (node.kind == TomlNode::Kind::integer && node.integer >= record.least && node.integer <= record.most)
        return node.integer;
      return wrong("is " + seen(node) + "; allowed: an integer from " + std::to_string(record.least) + " to " +
                   std::to_string(record.most));
    case Type::time:
      if (const auto when = read_date(node, path, findings)) return *when;
      return std::nullopt;
    case Type::word:
    case Type::level:
      if (node.kind != TomlNode::Kind::text) return wrong("is " + seen(node) + "; allowed: " + listed(record.words));
      if (std::ranges::find(record.words, node.text) == record.words.end()) return wrong(wrong_word(node.text, record.words));
      return node.text;
    case Type::country: {
      if (node.kind == TomlNode::Kind::text && is_country(node.text)) return node.text;
      const auto meant = node.kind == TomlNode::Kind::text ? country_meant_by(node.text) : std::string_view{};
      return wrong(fallback() + (meant.empty() ? "" : " (did you mean \"" + std::string(meant) + "\"?)"));
    }
    default:
      if (node.kind == TomlNode::Kind::text && is_id(node.text)) return node.text;
      return wrong(fallback());
  }
}

}  // namespace hansa::rules
