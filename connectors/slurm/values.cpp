// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/values.hpp"

#include "broker/domain/task_array.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <ranges>
#include <vector>

namespace hansa::connectors::slurm {

namespace {

constexpr std::array<std::string_view, 12> kNothing{
    "", "N/A", "Unknown", "None", "NONE", "(null)", "NOT_SET", "UNLIMITED", "INVALID", "INFINITE", "Partition_Limit", "?"};

/// No site has more of anything; sums stay far from overflow.
constexpr std::int64_t kMaxCount = 1'000'000'000;

bool is_nothing(std::string_view text) { return std::ranges::find(kNothing, text) != kNothing.end(); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Splits at `separator` outside parentheses.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && depth > 0) --depth;
    if (text[i] == separator && depth == 0) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// "2026-11-22T10:00:14"
std::optional<UtcTime> parse_iso(std::string_view text) {
  if (text.size() != 19 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t length) { return parse_count(text.substr(at, length)); };
  const auto y = number(0, 4), mo = number(5, 2), d = number(8, 2), h = number(11, 2), mi = number(14, 2), s = number(17, 2);
  if (!y || !mo || !d || !h || !mi || !s) return std::nullopt;
  return batch::utc_time(*y, *mo, *d, *h, *mi, *s);
}

}  // namespace

Field<UtcTime> parse_time(std::string_view text) {
  if (is_nothing(text)) return std::optional<UtcTime>{};
  if (parse_count(text)) {
    const auto time = batch::parse_unix_time(text);
    if (!time) return std::unexpected(Malformed{});
    return *time == UtcTime{} ? std::nullopt : time;
  }
  if (const auto time = parse_iso(text)) return time;
  return std::unexpected(Malformed{});
}

Field<Seconds> parse_limit(std::string_view text) {
  if (is_nothing(text)) return std::optional<Seconds>{};
  std::int64_t days = 0;
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto count = parse_count(text.substr(0, dash));
    if (!count || *count > 1'000'000) return std::unexpected(Malformed{});
    days = *count;
    text.remove_prefix(dash + 1);
  }
  const auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3) return std::unexpected(Malformed{});
  std::int64_t seconds = 0;
  for (const auto part : parts) {
    const auto count = parse_count(part);
    if (!count || *count > 100'000'000) return std::unexpected(Malformed{});
    seconds = seconds * 60 + *count;
  }
  return std::optional{Seconds{days * 86400 + seconds}};
}

Field<Mebibytes> parse_memory(std::string_view text) {
  if (is_nothing(text)) return std::optional<Mebibytes>{};
  if (text.ends_with('n') || text.ends_with('c')) text.remove_suffix(1);  // per node, per CPU
  std::int64_t unit_kib = 1024;
  if (!text.empty() && !is_digit(text.back())) {
    constexpr std::string_view kUnits = "KMGTP";
    const auto unit = kUnits.find(text.back());
    if (unit == std::string_view::npos) return std::unexpected(Malformed{});
    unit_kib = std::int64_t{1} << (10 * unit);
    text.remove_suffix(1);
  }
  const auto dot = text.find('.');
  const auto whole = parse_count(text.substr(0, dot));
  std::int64_t thousandths = 0;
  if (dot != std::string_view::npos) {
    const auto fraction = text.substr(dot + 1);
    if (fraction.empty() || !std::ranges::all_of(fraction, is_digit)) return std::unexpected(Malformed{});
    for (std::size_t i = 0; i < 3; ++i) thousandths = thousandths * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  }
  if (!whole || *whole > std::numeric_limits<std::int64_t>::max() / 1100 / unit_kib) return std::unexpected(Malformed{});
  const auto kib = *whole * unit_kib + (thousandths * unit_kib + 999) / 1000;
  return std::optional{Mebibytes{(kib + 1023) / 1024}};
}

std::optional<Tres> parse_tres(std::string_view text) {
  Tres tres;
  if (is_nothing(text)) return tres;
  std::int64_t typed_gpus = 0;
  bool untyped = false;
  bool several_models = false;
  for (const auto part : split(text, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto name = part.substr(0, equals);
    const auto value = part.substr(equals + 1);
    if (name == "mem") {
      const auto memory = parse_memory(value);
      if (!memory) return std::nullopt;
      tres.memory = memory->value_or(Mebibytes{0});
      continue;
    }
    if (name == "energy") {  // 0, or NO_VAL64, where no plug-in measures (slurm.conf, AcctGatherEnergyType)
      constexpr std::int64_t kMostEnergy = 9'000'000'000'000;
      if (const auto energy = parse_count(value); energy && *energy > 0 && *energy <= kMostEnergy) tres.energy_j = *energy;
      continue;
    }
    const bool model = name.starts_with("gres/gpu:");
    if (name != "cpu" && name != "node" && name != "gres/gpu" && !model) continue;
    const auto count = parse_count(value);
    if (!count) return std::nullopt;
    if (name == "cpu") tres.cpus = *count;
    if (name == "node") tres.nodes = *count;
    if (name == "gres/gpu") {
      tres.gpus = *count;
      untyped = true;
    }
    if (model) {
      typed_gpus = *count > kMaxCount - typed_gpus ? kMaxCount : typed_gpus + *count;
      several_models = several_models || !tres.gpu_model.empty();
      tres.gpu_model = name.substr(9);
    }
  }
  if (!untyped) tres.gpus = typed_gpus;
  if (several_models) tres.gpu_model.clear();
  return tres;
}

NodeGpus parse_node_gpus(std::string_view gres) {
  std::vector<NodeGpus> found;
  if (is_nothing(gres)) return {};
  for (auto entry : split(gres, ',')) {
    entry = entry.substr(0, entry.find('('));
    const auto parts = split(entry, ':');
    if (parts.front() != "gpu" || parts.size() > 3) continue;
    NodeGpus gpus;
    if (parts.size() == 1) gpus.count = 1;
    if (parts.size() == 2) {  // "gpu:2", or "gpu:a100", one of them
      const auto count = parse_count(parts[1]);
      gpus = count ? NodeGpus{*count, ""} : NodeGpus{1, std::string(parts[1])};
    }
    if (parts.size() == 3) {
      const auto count = parse_count(parts[2]);
      if (!count) continue;
      gpus = {*count, std::string(parts[1])};
    }
    const auto same = std::ranges::find(found, gpus.model, &NodeGpus::model);
    if (same == found.end()) {
      found.push_back(std::move(gpus));
    } else {
      same->count = std::min(kMaxCount, same->count + std::min(kMaxCount, gpus.count));
    }
  }
  const auto most = std::ranges::max_element(found, {}, &NodeGpus::count);
  return most == found.end() ? NodeGpus{} : *most;
}

std::optional<ExitCode> parse_exit_code(std::string_view text) {
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto code = parse_count(text.substr(0, colon));
    const auto signal = parse_count(text.substr(colon + 1));
    if (!code || !signal || *code > 0xffff || *signal > 0xff) return std::nullopt;
    return ExitCode{static_cast<std::int32_t>(*code), static_cast<std::int32_t>(*signal)};
  }
  const auto status = parse_count(text);
  if (!status || *status > 0xffff) return std::nullopt;
  return ExitCode{static_cast<std::int32_t>(*status >> 8), static_cast<std::int32_t>(*status & 0x7f)};
}

std::map<std::string_view, std::string_view> parse_key_values(std::string_view line) {
  const auto is_key_char = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/' || c == ':';
  };
  std::map<std::string_view, std::string_view> values;
  std::string_view key;
  std::size_t value_begin = 0;
  const auto keep = [&](std::size_t end) {
    if (key.empty()) return;
    auto value = line.substr(value_begin, end - value_begin);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    values.try_emplace(key, value);
  };
  std::size_t word = 0;  // where the word that may be a key begins
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ' ') {
      word = i + 1;
    } else if (line[i] == '=' && i > word && std::ranges::all_of(line.substr(word, i - word), is_key_char)) {
      keep(word == 0 ? 0 : word - 1);
      key = line.substr(word, i - word);
      value_begin = i + 1;
      word = line.size();  // "TRES=cpu=8": the rest of this word is the value
    }
  }
  keep(line.size());
  return values;
}

ShownId parse_shown_id(std::string_view text) {
  const auto underscore = text.find('_');
  const auto id = text.substr(0, underscore);
  if (!parse_count(id.substr(0, id.find('+')))) return {};
  ShownId shown{.id = std::string(id), .of_array = underscore != std::string_view::npos, .tasks = {}};
  if (!shown.of_array) return shown;
  auto list = text.substr(underscore + 1);
  if (list.starts_with('[') && list.ends_with(']')) list = list.substr(1, list.size() - 2);
  if (auto array = domain::parse_task_array(list)) shown.tasks = std::move(array->tasks);
  return shown;
}

}  // namespace hansa::connectors::slurm
