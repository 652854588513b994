// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/variants_file.hpp"

#include "broker/cli/files.hpp"
#include "broker/cli/text.hpp"
#include "broker/core/encoding.hpp"
#include "broker/core/toml_document.hpp"

namespace hansa::cli {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{256} << 10;  // many times what a broker takes

std::unexpected<Error> bad(std::string message) { return fail(ErrorKind::invalid_argument, "BAD_VARIANTS", std::move(message)); }

/// Null: a kind of value that JSON, or a job, has no use for.
Json value_of(const TomlNode& node) {
  using Kind = TomlNode::Kind;
  switch (node.kind) {
    case Kind::boolean: return node.boolean;
    case Kind::integer: return node.integer;
    case Kind::text:
    case Kind::date: return node.text;
    case Kind::list: {
      Json list = Json::array();
      for (const auto& item : node.items) list.push_back(value_of(item));
      return list;
    }
    case Kind::table: {
      Json object = Json::object();
      for (const auto& item : node.items) object[item.key] = value_of(item);
      return object;
    }
    case Kind::other: break;
  }
  return {};
}

}  // namespace

Result<Json> read_variants_file(const std::string& path) {
  const auto file = read_file(path, kMaxBytes);
  if (!file) return std::unexpected(file.error());
  const auto name = printable(path);
  if (!is_utf8(file->text)) return bad(name + " is not UTF-8");
  Json json;
  if (path.ends_with(".toml")) {
    const auto document = parse_toml(file->text, name);
    if (!document) return std::unexpected(document.error());
    json = value_of(*document);
  } else {
    auto parsed = parse_json(file->text);
    if (!parsed) return bad(name + ": " + parsed.error().message + "; TOML is read from a file that ends in .toml");
    json = std::move(*parsed);
  }
  if (json.is_object() && json.size() == 1 && json.contains("variants")) json = Json(json["variants"]);
  if (json.is_array()) return json;
  return bad(name +
             " holds no list of variants: [{\"when\": {...}, ...}] as JSON, [[variants]] tables as TOML, and nothing beside it");
}

}  // namespace hansa::cli
