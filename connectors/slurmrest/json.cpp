// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/json.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>

namespace hansa::connectors::slurmrest {

namespace {

constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999

void replace_odd_bytes(std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length == 1 || is_utf8(std::string_view(text).substr(i, length))) {
      i += length;
    } else {
      text[i++] = '?';
    }
  }
}

bool is_true(const JsonNode* node) { return node != nullptr && node->kind == JsonNode::Kind::boolean && node->truth; }

}  // namespace

Result<Document> Document::parse(std::string text) {
  if (!is_utf8(text)) replace_odd_bytes(text);
  Document document;
  document.text_ = std::make_unique<const std::string>(std::move(text));
  document.tree_ = std::make_unique<const wire::JsonTree>(*document.text_, kMaxDepth);
  if (!document.tree_->root()) return std::unexpected(document.tree_->root().error());
  return document;
}

const JsonNode* at(const JsonNode& node, std::string_view path) {
  const auto* found = &node;
  while (found != nullptr && !path.empty()) found = found->find(batch::cut(path, '/'));
  return found;
}

Field<std::int64_t> number(const JsonNode* node) {
  using enum JsonNode::Kind;
  if (node == nullptr || node->kind == null) return std::optional<std::int64_t>{};
  if (node->is_object()) {
    if (is_true(node->find("infinite")) || !is_true(node->find("set"))) return std::optional<std::int64_t>{};
    node = node->find("number");
    if (node == nullptr) return std::unexpected(Malformed{});
  }
  if (node->kind != integer) return std::unexpected(Malformed{});
  return node->integer < 0 ? std::nullopt : std::optional(node->integer);
}

Field<UtcTime> time(const JsonNode* node) {
  const auto seconds = number(node);
  if (!seconds || seconds->value_or(0) > kLastSecond) return std::unexpected(Malformed{});
  if (seconds->value_or(0) == 0) return std::optional<UtcTime>{};
  return std::optional(from_unix_seconds(**seconds));
}

std::optional<std::string_view> text(const JsonNode* node) {
  if (node == nullptr || node->kind == JsonNode::Kind::null) return "";
  return node->is_string() ? std::optional(node->text) : std::nullopt;
}

std::optional<std::vector<std::string>> words(const JsonNode* node) {
  std::vector<std::string> found;
  if (node == nullptr || node->kind == JsonNode::Kind::null) return found;
  const auto add = [&](const JsonNode& word) {
    if (!word.is_string()) return false;
    std::ranges::transform(word.text, std::back_inserter(found.emplace_back()),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return true;
  };
  const bool all = node->is_array() ? std::ranges::all_of(node->members(), add) : add(*node);
  return all ? std::optional(std::move(found)) : std::nullopt;
}

std::optional<slurm::ExitCode> exit_code(const JsonNode* node) {
  if (node == nullptr) return std::nullopt;
  if (!node->is_object()) {
    const auto raw = number(node);
    if (!raw || !*raw) return std::nullopt;
    return slurm::parse_exit_code(std::to_string(**raw));
  }
  const auto code = number(node->find("return_code"));
  auto signal = number(at(*node, "signal/id"));
  if (!signal || !*signal) signal = number(at(*node, "signal/signal_id"));
  if (!code || !signal || code->value_or(0) > 0xffff || signal->value_or(0) > 0xff) return std::nullopt;
  if (!*code && !*signal) return std::nullopt;
  return slurm::ExitCode{static_cast<std::int32_t>(code->value_or(0)), static_cast<std::int32_t>(signal->value_or(0))};
}

}  // namespace hansa::connectors::slurmrest
