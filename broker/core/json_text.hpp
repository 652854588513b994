// SPDX-License-Identifier: Apache-2.0
#pragma once
// Canonical JSON (canonical_json.hpp) of what has known fields, written at once: to build a value first costs several times as
// much.

#include <cstdint>
#include <string>
#include <string_view>

namespace hansa {

/// A JSON string, as canonical_json writes it.
void append_json_string(std::string& out, std::string_view text);

/// One object, from its first member to end(). Names are plain and come in the order of their bytes: that is the caller's part,
/// held by tests that read the text back and write it again.
class JsonObjectText {
 public:
  explicit JsonObjectText(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(out_, value);
  }
  void number(std::string_view name, std::int64_t value) { json(name, std::to_string(value)); }
  void flag(std::string_view name, bool value) { json(name, value ? "true" : "false"); }
  void null(std::string_view name) { json(name, "null"); }
  /// What is canonical JSON already.
  void json(std::string_view name, std::string_view canonical) {
    begin(name);
    out_ += canonical;
  }
  /// A list of strings, or of names.
  template <typename List>
  void texts(std::string_view name, const List& list) {
    begin(name);
    char before = '[';
    for (const auto& item : list) {
      out_ += before;
      before = ',';
      if constexpr (requires { item.str(); })
        append_json_string(out_, item.str());
      else
        append_json_string(out_, item);
    }
    out_ += before == '[' ? "[]" : "]";
  }
  /// A member that is an object: to be ended before this one goes on.
  JsonObjectText object(std::string_view name) {
    begin(name);
    return JsonObjectText(out_);
  }
  void end() { out_ += before_ == '{' ? "{}" : "}"; }

 private:
  void begin(std::string_view name) {
    out_ += before_;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    before_ = ',';
  }

  std::string& out_;
  char before_ = '{';
};

}  // namespace hansa
