// SPDX-License-Identifier: Apache-2.0
#include "broker/core/toml_document.hpp"

// toml++ 3.3 checks some malformed inputs ("[&") by assertion only: abort() with it, undefined behaviour under NDEBUG. Here a
// failed one is thrown, up to parse_toml and no further. The namespace is our own, so that no other inclusion in the
// program, made with other settings, can take this one's place at link time.
#undef NDEBUG
namespace hansa {
struct ParserAssertion {};
}  // namespace hansa
#define TOML_ASSERT(condition) static_cast<void>((condition) ? 0 : throw hansa::ParserAssertion{})
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#define toml hansa_core_toml
#include <toml++/impl/forward_declarations.h>
// Its table of white space calls a hundred blocks of Unicode unreachable which a malformed text does reach: they are none.
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE \
  return {}
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE \
  throw hansa::ParserAssertion {}
#include "broker/core/encoding.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <span>

namespace hansa {
namespace {

constexpr std::size_t kMaxDotsPerLine = 64;

TomlMark mark_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

std::string_view name_of_other(toml::node_type type) {
  switch (type) {
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::time: return "a time of day";
    default: return "something else";
  }
}

std::string padded(unsigned value, std::size_t digits) {
  auto text = std::to_string(value);
  return text.size() < digits ? std::string(digits - text.size(), '0') + text : text;
}

std::string text_of(toml::date date) { return padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2); }

/// Fractions of a second are left out: nothing of ours is that fine.
std::string text_of(const toml::date_time& when) {
  auto text = text_of(when.date) + "T" + padded(when.time.hour, 2) + ":" + padded(when.time.minute, 2) + ":" +
              padded(when.time.second, 2);
  if (!when.offset) return text;
  const auto minutes = when.offset->minutes;
  if (minutes == 0) return text + "Z";
  const auto distance = static_cast<unsigned>(std::abs(int{minutes}));
  return text + (minutes < 0 ? "-" : "+") + padded(distance / 60, 2) + ":" + padded(distance % 60, 2);
}

TomlNode convert(const toml::node& from) {
  TomlNode node;
  node.at = mark_of(from.source());
  switch (from.type()) {
    case toml::node_type::table:
      node.kind = TomlNode::Kind::table;
      for (const auto& [key, value] : *from.as_table()) {
        auto& member = node.items.emplace_back(convert(value));
        member.key = key.str();
        member.key_at = mark_of(key.source());
      }
      std::ranges::sort(node.items, {}, &TomlNode::key_at);  // toml++ keeps them by name
      break;
    case toml::node_type::array:
      node.kind = TomlNode::Kind::list;
      for (const auto& item : *from.as_array()) node.items.push_back(convert(item));
      break;
    case toml::node_type::string:
      node.kind = TomlNode::Kind::text;
      node.text = from.as_string()->get();
      break;
    case toml::node_type::integer:
      node.kind = TomlNode::Kind::integer;
      node.integer = from.as_integer()->get();
      break;
    case toml::node_type::boolean:
      node.kind = TomlNode::Kind::boolean;
      node.boolean = from.as_boolean()->get();
      break;
    case toml::node_type::date:
      node.kind = TomlNode::Kind::date;
      node.text = text_of(from.as_date()->get());
      break;
    case toml::node_type::date_time:
      node.kind = TomlNode::Kind::date;
      node.text = text_of(from.as_date_time()->get());
      break;
    default:
      node.kind = TomlNode::Kind::other;
      node.text = name_of_other(from.type());
      if (const auto* number = from.as_floating_point()) node.fraction = number->get();
  }
  return node;
}

struct Flaw {
  TomlMark at;
  std::string what;
};

/// What the parser must not be given, and what it tells less clearly. Dots make nested tables, and its own limit of depth counts
/// brackets only: no honest key has this many. Characters beyond ASCII belong in strings and comments (TOML 1.0). Quoting is
/// followed as TOML has it, up to the first syntax error.
std::optional<Flaw> first_flaw(std::string_view text) {
  std::uint32_t line = 1;
  std::size_t line_start = 0;
  std::size_t dots = 0;
  const auto next_line = [&](std::size_t newline) {
    ++line;
    line_start = newline + 1;
    dots = 0;
  };
  const auto mark = [&](std::size_t i) { return TomlMark{line, static_cast<std::uint32_t>(i - line_start + 1)}; };
  for (std::size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      next_line(i);
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      const std::string fence(text.substr(i, 3) == std::string(3, c) ? 3 : 1, c);
      const bool multi_line = fence.size() == 3;
      for (i += fence.size(); i < text.size(); ++i) {
        if (text[i] == '\\' && c == '"') {
          if (i + 1 < text.size() && text[i + 1] != '\n') ++i;
        } else if (text[i] == '\n') {
          if (!multi_line) {
            --i;
            break;
          }
          next_line(i);
        } else if (text.substr(i).starts_with(fence)) {
          i += fence.size() - 1;
          while (multi_line && i + 1 < text.size() && text[i + 1] == c) ++i;  // """"" ends a string that ends with quotes
          break;
        }
      }
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return Flaw{mark(i), "has a character beyond ASCII outside quotes: write the key or the value in quotes"};
    } else if (c == '.' && ++dots > kMaxDotsPerLine) {
      return Flaw{mark(i), "has more than " + std::to_string(kMaxDotsPerLine) + " dots outside strings: no key is that deep"};
    }
  }
  return std::nullopt;
}

std::unexpected<Error> syntax_error(std::string_view file, TomlMark at, std::string_view what) {
  Error error{
      .kind = ErrorKind::invalid_argument,
      .code = "TOML_SYNTAX",
      .message = std::string(file) + " is not valid TOML",
      .faults = {{std::string(file) + ":" + std::to_string(std::max(at.line, 1U)) + ":" + std::to_string(std::max(at.column, 1U)),
                  std::string(what)}}};
  return std::unexpected(std::move(error));
}

bool fails_assertion(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
    return false;
  } catch (const ParserAssertion&) { return true; }
}

/// The line at which the parser gave up without a word. It reads forwards, so it fails exactly for those beginnings of the
/// text that hold this line: a binary search.
std::uint32_t line_of_failed_assertion(std::string_view text) {
  std::vector<std::size_t> line_ends;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line_ends.push_back(i + 1);
  }
  const auto first =
      std::ranges::partition_point(line_ends, [&](std::size_t end) { return !fails_assertion(text.substr(0, end)); });
  return static_cast<std::uint32_t>(first - line_ends.begin()) + 1;
}

}  // namespace

TomlNode TomlNode::of_boolean(bool value) {
  TomlNode node;
  node.kind = Kind::boolean;
  node.boolean = value;
  return node;
}

TomlNode TomlNode::of_integer(std::int64_t value) {
  TomlNode node;
  node.kind = Kind::integer;
  node.integer = value;
  return node;
}

TomlNode TomlNode::of_text(std::string value) {
  TomlNode node;
  node.kind = Kind::text;
  node.text = std::move(value);
  return node;
}

const TomlNode* TomlNode::find(std::string_view name) const {
  const auto found = std::ranges::find(items, name, &TomlNode::key);
  return found == items.end() ? nullptr : &*found;
}

Result<TomlNode> parse_toml(std::string_view text, std::string_view file) {
  if (const auto flaw = first_flaw(text)) return syntax_error(file, flaw->at, flaw->what);
  try {
    const auto parsed = toml::parse(text);
    if (parsed) return convert(parsed.table());
    return syntax_error(file, mark_of(parsed.error().source()), parsed.error().description());
  } catch (const ParserAssertion&) {
    return syntax_error(file, {line_of_failed_assertion(text), 1}, "is malformed: a key or a value does not start as one");
  }
}

std::string toml_key(std::string_view key) {
  constexpr std::string_view kBare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  if (!key.empty() && key.find_first_not_of(kBare) == std::string_view::npos) return std::string(key);
  return toml_literal(TomlNode::of_text(std::string(key)));
}

std::string toml_literal(const TomlNode& node) {
  std::string out;
  switch (node.kind) {
    case TomlNode::Kind::boolean: return node.boolean ? "true" : "false";
    case TomlNode::Kind::integer: return std::to_string(node.integer);
    case TomlNode::Kind::date: return node.text;
    case TomlNode::Kind::text:
      for (const char c : node.text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
          out += '\\';
          out += c;
        } else if (byte < 0x20 || byte == 0x7F) {
          out += "\\u00" + to_hex(std::as_bytes(std::span(&byte, 1)));
        } else {
          out += c;
        }
      }
      return '"' + out + '"';
    case TomlNode::Kind::list:
      for (const auto& item : node.items) out += (out.empty() ? "" : ", ") + toml_literal(item);
      return '[' + out + ']';
    case TomlNode::Kind::table:
      for (const auto& member : node.items)
        out += (out.empty() ? " " : ", ") + toml_key(member.key) + " = " + toml_literal(member);
      return out.empty() ? "{}" : '{' + out + " }";
    case TomlNode::Kind::other: break;
  }
  return out;
}

}  // namespace hansa
