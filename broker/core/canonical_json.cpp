// SPDX-License-Identifier: Apache-2.0
#include "broker/core/canonical_json.hpp"

#include "broker/core/json_text.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace hansa {
namespace {

/// Builds the value through nlohmann's SAX interface, so that depth and duplicate keys are seen before memory is spent on them.
class StrictReader : public nlohmann::detail::json_sax_dom_parser<Json> {
 public:
  using Base = nlohmann::detail::json_sax_dom_parser<Json>;
  StrictReader(Json& into, std::size_t max_depth) : Base(into, false), max_depth_(max_depth) {}

  bool start_object(std::size_t size) {
    keys_.emplace_back();
    return deeper() && Base::start_object(size);
  }
  bool end_object() {
    keys_.pop_back();
    --depth_;
    return Base::end_object();
  }
  bool start_array(std::size_t size) { return deeper() && Base::start_array(size); }
  bool end_array() {
    --depth_;
    return Base::end_array();
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) {
      problem_ = "the key \"" + name.substr(0, 64) + "\" occurs twice in one object";
      return false;
    }
    return Base::key(name);
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    problem_ = "not valid JSON at byte " + std::to_string(position);
    return false;
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool deeper() {
    if (++depth_ <= max_depth_) return true;
    problem_ = "nested deeper than " + std::to_string(max_depth_) + " levels";
    return false;
  }

  std::size_t max_depth_;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

// nlohmann's writer looks at each byte of a text as if it needed escaping, which hardly any of ours does: a tenth of what it
// took to accept a job. Whatever is not plain is left to it.
std::string by_library(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <typename Number>
void write_number(Number number, std::string& out) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr);
}

void write(const Json& value, std::string& out) {
  switch (value.type()) {
    case Json::value_t::object: {
      char before = '{';
      for (const auto& [name, member] : value.get_ref<const Json::object_t&>()) {
        out += std::exchange(before, ',');
        append_json_string(out, name);
        out += ':';
        write(member, out);
      }
      if (before == '{') out += '{';
      out += '}';
      return;
    }
    case Json::value_t::array: {
      char before = '[';
      for (const auto& element : value.get_ref<const Json::array_t&>()) {
        out += std::exchange(before, ',');
        write(element, out);
      }
      if (before == '[') out += '[';
      out += ']';
      return;
    }
    case Json::value_t::string: return append_json_string(out, value.get_ref<const std::string&>());
    case Json::value_t::number_integer: return write_number(value.get<std::int64_t>(), out);
    case Json::value_t::number_unsigned: return write_number(value.get<std::uint64_t>(), out);
    case Json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; return;
    default: out += by_library(value);
  }
}

/// Whether a string is written as it is. The whole of it is looked at, eight bytes and more at a time.
bool is_plain(std::string_view text) {
  bool plain = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    plain &= (byte >= 0x20) & (byte < 0x80) & (byte != '"') & (byte != '\\');
  }
  return plain;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  if (!is_plain(text)) {
    out += by_library(Json(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

std::string canonical_json(const Json& value) {
  std::string text;
  write(value, text);
  return text;
}

Result<Json> parse_json(std::string_view text, std::size_t max_depth) {
  // nlohmann's lexer takes a NUL for the end of the text and would not look at what follows it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorKind::invalid_argument, "BAD_JSON", "not valid JSON at byte " + std::to_string(nul + 1));
  }
  Json value;
  StrictReader reader(value, max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) {
    return fail(ErrorKind::invalid_argument, "BAD_JSON", reader.problem().empty() ? "not valid JSON" : reader.problem());
  }
  return value;
}

}  // namespace hansa
