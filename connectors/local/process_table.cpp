// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/process_table.hpp"

#include "connectors/local/files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string>

namespace hansa::connectors::local {

namespace {

/// Files of /proc have no size; they are read to their end.
std::optional<std::string> read_proc(const std::string& name) {
  auto content = read_file(AT_FDCWD, "/proc/" + name);
  return content ? std::optional(std::move(*content)) : std::nullopt;
}

template <typename Integer>
Integer integer(std::string_view text) {
  Integer value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::optional<ProcessEntry> process_entry(pid_t pid) {
  const auto stat = read_proc(std::to_string(pid) + "/stat");
  if (!stat) return std::nullopt;
  // "pid (name) state ppid pgrp session ...": the name may hold anything, also ')' and spaces; the last ')' ends it.
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::vector<std::string_view> fields;
  std::string_view rest = std::string_view(*stat).substr(name_end + 1);
  while (!rest.empty()) {
    const auto field = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    if (!field.empty()) fields.push_back(field);
  }
  constexpr std::size_t kStart = 22 - 3;  // proc(5) counts from 1; the state, field 3, is the first of ours
  if (fields.size() <= kStart || fields[0].empty()) return std::nullopt;
  return ProcessEntry{.pid = pid,
                      .parent = integer<pid_t>(fields[1]),
                      .session = integer<pid_t>(fields[3]),
                      .started = integer<std::uint64_t>(fields[kStart]),
                      .state = fields[0][0]};
}

std::vector<ProcessEntry> all_processes() {
  std::vector<ProcessEntry> found;
  const auto proc = open_directory("/proc");
  if (!proc) return found;
  const auto names = list_directory(proc->get());
  if (!names) return found;
  for (const auto& name : *names) {
    if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (auto entry = process_entry(integer<pid_t>(name))) found.push_back(*entry);
  }
  return found;
}

std::vector<ProcessEntry> descendants_of(pid_t ancestor) {
  const auto all = all_processes();
  std::set<pid_t> family{ancestor};
  std::vector<ProcessEntry> found;
  for (bool grew = true; grew;) {  // a child may have a lower id than its parent
    grew = false;
    for (const auto& process : all) {
      if (family.contains(process.parent) && family.insert(process.pid).second) {
        found.push_back(process);
        grew = true;
      }
    }
  }
  return found;
}

bool started_with(pid_t pid, std::string_view assignment) {
  const auto environment = read_proc(std::to_string(pid) + "/environ");
  if (!environment) return false;
  std::string_view rest = *environment;
  while (!rest.empty()) {
    const auto entry = rest.substr(0, rest.find('\0'));
    if (entry == assignment) return true;
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
  }
  return false;
}

std::string boot_id() {
  auto id = read_proc("sys/kernel/random/boot_id").value_or("");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace hansa::connectors::local
