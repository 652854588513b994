// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands and options as records, and the parser that reads a command line by them.
//
// Options may stand before and after operands ("--name value", "--name=value", "-f"), global ones also before the command; "--"
// ends them. Where a command runs a script, everything after the script's name is the script's, whatever it looks like.

#include "broker/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::cli {

class Session;
class Invocation;
enum class ExitStatus : int;

struct Option {
  std::string_view name;        // "--gpus-per-node"
  std::string_view value = {};  // "N[:MODEL]"; empty: a flag
  std::string_view help = {};
  char letter = 0;              // 'f' for -f
  bool repeated = false;        // may be given several times; otherwise the last one would win unseen, so it is refused
};

struct Command {
  std::string_view name;          // "submit", "site drain"
  std::string_view operands;      // "SCRIPT [ARG...]"
  std::string_view summary;       // one line
  std::string_view example;
  std::span<const Option> options;
  std::size_t least = 0, most = 0;  // operands
  Result<ExitStatus> (*run)(Session& session, const Invocation& call) = nullptr;
  bool runs_script = false;
};

inline constexpr std::size_t kMany = SIZE_MAX;

class Invocation {
 public:
  /// Null where no command was named ("hansa --help").
  [[nodiscard]] const Command* command() const { return command_; }
  [[nodiscard]] const std::vector<std::string>& operands() const { return operands_; }
  [[nodiscard]] bool has(std::string_view option) const;
  /// The option's value.
  [[nodiscard]] std::optional<std::string_view> value(std::string_view option) const;
  [[nodiscard]] std::vector<std::string_view> values(std::string_view option) const;

 private:
  friend class Parser;
  const Command* command_ = nullptr;
  std::vector<std::pair<std::string_view, std::string>> options_;
  std::vector<std::string> operands_;
};

struct CommandTable {
  std::span<const Command> commands;
  std::span<const Option> globals;
};

/// Error: invalid_argument, code USAGE, with what is wrong and where the help is. With --help or --version among the options
/// nothing else need be right.
Result<Invocation> parse_command_line(const CommandTable& table, std::span<const char* const> arguments);

/// invalid_argument, code USAGE, of a command's own: `message` says which option is wrong and what it may be.
std::unexpected<Error> usage(std::string message);

/// The help of all, or of one command.
std::string overview(const CommandTable& table);
std::string help(const CommandTable& table, const Command& command);

}  // namespace hansa::cli
