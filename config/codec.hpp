// SPDX-License-Identifier: Apache-2.0
#pragma once
// How each type of member stands in a file. Private to keys.cpp.

#include "broker/core/time_text.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <type_traits>

namespace hansa::config {

/// The names of an enumeration's values, in their order.
template <typename E>
inline constexpr std::array<std::string_view, 0> kNames{};
template <>
inline constexpr std::array<std::string_view, 4> kNames<LogLevel>{"debug", "info", "warning", "error"};
template <>
inline constexpr std::array<std::string_view, 2> kNames<LogFormat>{"text", "json"};
template <>
inline constexpr std::array<std::string_view, 6> kNames<Connector>{"local", "slurm", "slurmrest", "pbs", "model", "remote"};
template <>
inline constexpr std::array<std::string_view, 6> kNames<RunAs>{"self", "switch", "token", "agent", "certificate", "person"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<TermsWord>{"not stated", "allowed", "forbidden"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<MoveTool>{"rclone", "rsync", "plugin"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<Readers>{"account", "group", "everyone"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<ClaimsSource>{"token", "userinfo", "introspection"};
template <>
inline constexpr std::array<std::string_view, 2> kNames<GroupNames>{"aarc-g069", "plain"};
template <>
inline constexpr std::array<std::string_view, 4> kNames<AllocationRule>{"ignore", "required", "budget", "opportunistic"};

template <>
inline constexpr std::array<std::string_view, 2> kNames<Infrastructure>{"grid", "local"};
template <>
inline constexpr std::array<std::string_view, 1> kNames<CpuDuration>{"allocated"};

template <typename M>
struct Codec;

/// A member that is written as a text; empty means not set.
template <typename M>
struct TextCodec {
  static constexpr Type type = Type::text;
  static std::optional<Node> encode(const M& member) {
    if (member.empty()) return std::nullopt;
    if constexpr (requires { member.str(); }) {
      return Node::of_text(member.str());
    } else {
      return Node::of_text(std::string(member));
    }
  }
  static M decode(const Node& node) { return M(node.text); }
};

template <>
struct Codec<std::string> : TextCodec<std::string> {};
template <>
struct Codec<std::filesystem::path> : TextCodec<std::filesystem::path> {};
template <typename Tag>
struct Codec<Name<Tag>> : TextCodec<Name<Tag>> {};

template <>
struct Codec<ListenAddress> {
  static constexpr Type type = Type::text;
  static std::optional<Node> encode(const ListenAddress& member) { return Node::of_text(member.str()); }
  static ListenAddress decode(const Node& node) { return ListenAddress::parse(node.text).value_or(ListenAddress{}); }
};

template <>
struct Codec<std::int64_t> {
  static constexpr Type type = Type::integer;
  static std::optional<Node> encode(std::int64_t member) { return Node::of_integer(member); }
  static std::int64_t decode(const Node& node) { return node.integer; }
};

template <>
struct Codec<bool> {
  static constexpr Type type = Type::boolean;
  static std::optional<Node> encode(bool member) { return Node::of_boolean(member); }
  static bool decode(const Node& node) { return node.boolean; }
};

template <>
struct Codec<UtcTime> {
  static constexpr Type type = Type::date;
  static std::optional<Node> encode(UtcTime member) {
    Node date = Node::of_text(format_utc(member));
    date.kind = Node::Kind::date;
    return date;
  }
  static UtcTime decode(const Node& node) { return parse_utc(node.text).value_or(UtcTime{}); }
};

template <typename Period>
struct Codec<std::chrono::duration<std::int64_t, Period>> {
  using Member = std::chrono::duration<std::int64_t, Period>;
  static constexpr Type type = Type::integer;
  static std::optional<Node> encode(Member member) { return Node::of_integer(member.count()); }
  static Member decode(const Node& node) { return Member(node.integer); }
};

template <typename Tag>
struct Codec<Amount<Tag>> {
  static constexpr Type type = Type::integer;
  static std::optional<Node> encode(Amount<Tag> member) { return Node::of_integer(member.value); }
  static Amount<Tag> decode(const Node& node) { return {node.integer}; }
};

template <typename E>
  requires std::is_enum_v<E>
struct Codec<E> {
  static constexpr Type type = Type::choice;
  static constexpr std::span<const std::string_view> choices{kNames<E>};
  static std::optional<Node> encode(E member) { return Node::of_text(std::string(choices[static_cast<std::size_t>(member)])); }
  static E decode(const Node& node) { return static_cast<E>(std::ranges::find(choices, node.text) - choices.begin()); }
};

template <typename M>
struct Codec<std::optional<M>> {
  static constexpr Type type = Codec<M>::type;
  static std::optional<Node> encode(const std::optional<M>& member) { return member ? Codec<M>::encode(*member) : std::nullopt; }
  static std::optional<M> decode(const Node& node) { return Codec<M>::decode(node); }
};

template <typename M>
struct Codec<std::vector<M>> {
  static constexpr Type type = Type::list;
  static std::optional<Node> encode(const std::vector<M>& member) {
    Node list;
    list.kind = Node::Kind::list;
    for (const auto& item : member) list.items.push_back(*Codec<M>::encode(item));
    return list;
  }
  static std::vector<M> decode(const Node& node) {
    std::vector<M> member;
    for (const auto& item : node.items) member.push_back(Codec<M>::decode(item));
    return member;
  }
};

inline const std::string& key_text(const std::string& key) { return key; }
template <typename K>
const std::string& key_text(const K& key) {
  return key.str();
}

template <typename K, typename V>
struct Codec<std::map<K, V>> {
  static constexpr Type type = Type::map;
  static std::optional<Node> encode(const std::map<K, V>& member) {
    Node table;
    for (const auto& [key, value] : member) {
      auto& item = table.items.emplace_back(Codec<V>::encode(value).value_or(Node::of_text({})));  // "" is a value here
      item.key = key_text(key);
    }
    return table;
  }
  static std::map<K, V> decode(const Node& node) {
    std::map<K, V> member;
    for (const auto& item : node.items) member.emplace(K(item.key), Codec<V>::decode(item));
    return member;
  }
};

template <typename S, typename M>
S section_of(M S::*);
template <typename S, typename M>
M member_of(M S::*);

/// The key behind one member: `key<&ApiConfig::threads>({.name = "threads", ...})`.
template <auto Pointer>
auto key(Record record) {
  using S = decltype(section_of(Pointer));
  using M = decltype(member_of(Pointer));
  record.type = Codec<M>::type;
  if constexpr (requires { Codec<M>::choices; }) record.choices = Codec<M>::choices;
  return Key<S>{record, [](const S& section) { return Codec<M>::encode(section.*Pointer); },
                [](S& section, const Node& node) { section.*Pointer = Codec<M>::decode(node); }};
}

}  // namespace hansa::config
