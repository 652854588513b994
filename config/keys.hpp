// SPDX-License-Identifier: Apache-2.0
#pragma once
// One record per key: what parses it, checks it, writes it and documents it. The records themselves are in keys.cpp;
// defaults are the initialisers of the structs they fill.

#include "broker/core/toml_document.hpp"
#include "config/broker_config.hpp"
#include "config/client_config.hpp"
#include "config/forms.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::config {

using Node = TomlNode;
using Mark = TomlMark;

enum class Type { text, integer, boolean, date, choice, list, map };

struct Record {
  std::string_view name{};               // within its table
  std::string_view doc{};                // one sentence, in Markdown's plain subset (backquotes only)
  std::string_view example{};            // as it would stand in the file
  bool required = false;
  std::string_view unit{};               // of an integer: "milliseconds", "MiB", ...
  std::int64_t min = 0;                  // of an integer, inclusive
  std::int64_t max = 0;
  const Form* form = nullptr;            // of a text, of a list's elements, of a map's values
  const Form* key_form = nullptr;        // of a map's keys
  std::string_view otherwise{};          // says what happens without the key, where that is not a plain default
  bool repeats = false;                  // of a list: an element may stand in it twice
  Type type = Type::text;                // this and the next follow from the member's type
  std::span<const std::string_view> choices{};
};

/// A record and the member of `S` it belongs to.
template <typename S>
struct Key {
  Record record;
  std::optional<Node> (*get)(const S&);  // nothing if the member is not set
  void (*set)(S&, const Node&);          // the node has passed the record's check
};

/// Defined in keys.cpp for each section of BrokerConfig and for ClientSettings.
template <typename S>
std::span<const Key<S>> keys_of();

/// "an integer from 1 to 64", "one of "text", "json"", ...: completes "allowed: ...".
std::string allowed_values(const Record& record);

/// A table of the file as the reference shows it.
struct Section {
  std::string_view heading;              // "[broker.log]", "[[site]]"
  std::string_view doc;
  struct Row {
    const Record* record;
    std::optional<Node> initial;         // the default, if there is one
  };
  std::vector<Row> rows;
};

std::vector<Section> broker_sections();
std::vector<Section> client_sections();
std::vector<Section> agent_sections();

}  // namespace hansa::config
