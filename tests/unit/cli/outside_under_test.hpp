// SPDX-License-Identifier: Apache-2.0
#pragma once
// The outside of a call: what it prints is kept, its time stands still but for its own pauses, its randomness counts up.

#include "broker/cli/surroundings.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hansa::cli {

class OutsideUnderTest : public Clock, public Random {
 public:
  std::string out, err, in;
  std::string farewell;  // what would be said to a SIGINT now
  std::map<std::string, std::string> environment;
  std::vector<Milliseconds> pauses;
  std::vector<std::string> ran;  // in the foreground
  std::vector<std::string> answers;  // of a person at the terminal; none: there is no terminal
  std::vector<std::string> prompts;
  std::string handed;            // to that
  int status = 0;                // how that ends
  std::set<std::string> missing;  // programs that are not there
  UtcTime utc = from_unix_seconds(1'795'341'600);  // 2026-11-22T10:00:00Z
  MonotonicTime monotonic{};

  [[nodiscard]] UtcTime now_utc() const override { return utc; }
  [[nodiscard]] MonotonicTime now_monotonic() const override { return monotonic; }
  void fill(std::span<std::byte> bytes) override {
    for (auto& byte : bytes) byte = static_cast<std::byte>(++drawn_);
  }

  Surroundings surroundings() {
    return {.out = [this](std::string_view bytes) { out += bytes; },
            .err = [this](std::string_view bytes) { err += bytes; },
            .in = [this](std::size_t limit) -> Result<std::string> { return in.substr(0, limit + 1); },
            .environment = [this](const char* name) -> const char* {
              const auto at = environment.find(name);
              return at == environment.end() ? nullptr : at->second.c_str();
            },
            .clock = *this,
            .random = *this,
            .pause =
                [this](Milliseconds time) {
                  pauses.push_back(time);
                  monotonic = monotonic + time;
                },
            .on_interrupt = [this](std::string_view message) { farewell = message; },
            .ask = [this](std::string_view prompt) -> std::optional<std::string> {
              if (answers.empty()) return std::nullopt;
              prompts.emplace_back(prompt);
              auto answer = std::move(answers.front());
              answers.erase(answers.begin());
              return answer;
            },
            .foreground = [this](const std::vector<std::string>& command, const std::string& line) -> Result<int> {
              ran = command;
              if (missing.contains(command.front()))
                return fail(ErrorKind::not_found, "NO_PROGRAM", command.front() + " is not there");
              handed = line;
              return status;
            }};
  }

 private:
  unsigned drawn_ = 0;
};

}  // namespace hansa::cli
