// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/behaviour.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::connectors::model {

namespace {

constexpr std::string_view kDirective = "#model ";
constexpr std::string_view kOut = "#model-out ";
constexpr std::string_view kErr = "#model-err ";
constexpr std::string_view kFile = "#model-file ";
constexpr std::string_view kFolder = "#model-folder ";
constexpr std::string_view kLink = "#model-link ";

std::optional<std::int32_t> number_up_to(std::string_view text, std::int32_t most) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most) return std::nullopt;
  return value;
}

std::unexpected<Error> refuse(std::string_view word, std::string_view allowed) {
  return fail(ErrorKind::invalid_argument, "MODEL_DIRECTIVE",
              "#model: '" + std::string(word) + "' is not understood; " + std::string(allowed));
}

Result<void> take(std::string_view word, Behaviour& behaviour) {
  const auto equals = word.find('=');
  const auto key = word.substr(0, equals);
  const auto value = equals == std::string_view::npos ? std::string_view{} : word.substr(equals + 1);
  if (key == "run" || key == "node_fail") {
    const auto duration = value == "0s" ? Result<Seconds>{Seconds{0}} : parse_duration(value);  // which knows no shorter than 1 s
    if (!duration) return refuse(word, "a duration is written like 30s or 1h30m");
    if (key == "run")
      behaviour.run = *duration;
    else
      behaviour.node_fails_after = *duration;
  } else if (key == "exit") {
    const auto code = number_up_to(value, 255);
    if (!code) return refuse(word, "an exit code is 0 to 255");
    behaviour.exit_code = *code;
  } else if (key == "fails") {
    auto tasks = domain::parse_task_array(value);
    if (!tasks) return refuse(word, "tasks are written like 1,3-5");
    behaviour.failing_tasks = std::move(*tasks);
    if (behaviour.exit_code == 0) behaviour.exit_code = 1;
  } else if (key == "signal") {
    const auto signal = number_up_to(value, 64);
    if (!signal || *signal == 0) return refuse(word, "a signal is 1 to 64");
    behaviour.signal = *signal;
  } else if (word == "fence=error") {
    behaviour.fence_error = true;
  } else {
    return refuse(word, "keys are run, exit, fails, signal, node_fail, fence=error");
  }
  return {};
}

}  // namespace

Result<Behaviour> parse_behaviour(std::string_view script) {
  Behaviour behaviour;
  while (!script.empty()) {
    const auto line = script.substr(0, script.find('\n'));
    script.remove_prefix(std::min(script.size(), line.size() + 1));
    if (line.starts_with(kOut)) {
      behaviour.out.append(line.substr(kOut.size())).push_back('\n');
    } else if (line.starts_with(kErr)) {
      behaviour.err.append(line.substr(kErr.size())).push_back('\n');
    } else if (line.starts_with(kFile)) {
      const auto equals = line.find('=');
      if (equals == std::string_view::npos) return refuse(line, "a file is written path=text");
      auto& text = behaviour.leaves[std::string(line.substr(kFile.size(), equals - kFile.size()))].text;
      if (equals + 1 < line.size()) text.append(line.substr(equals + 1)).push_back('\n');
    } else if (line.starts_with(kFolder)) {
      behaviour.leaves[std::string(line.substr(kFolder.size()))].kind = Behaviour::Left::Kind::folder;
    } else if (line.starts_with(kLink)) {
      behaviour.leaves[std::string(line.substr(kLink.size()))].kind = Behaviour::Left::Kind::link;
    } else if (line.starts_with(kDirective)) {
      auto words = line.substr(kDirective.size());
      while (!words.empty()) {
        const auto word = words.substr(0, words.find(' '));
        words.remove_prefix(std::min(words.size(), word.size() + 1));
        if (word.empty()) continue;
        if (auto taken = take(word, behaviour); !taken) return std::unexpected(std::move(taken.error()));
      }
    }
  }
  return behaviour;
}

}  // namespace hansa::connectors::model
