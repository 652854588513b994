// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/command_line.hpp"

#include "broker/cli/text.hpp"
#include "broker/core/suggest.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

std::string in_quotes(std::string_view text) { return "\"" + printable(text.substr(0, 60)) + "\""; }

/// The word of a command's name that follows `group` ("data replica" of "data replica add": "add"); empty if it is not of it.
std::string_view next_word(std::string_view name, std::string_view group) {
  if (!group.empty()) {
    if (!name.starts_with(group) || name.size() <= group.size() || name[group.size()] != ' ') return {};
    name.remove_prefix(group.size() + 1);
  }
  return name.substr(0, name.find(' '));
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

std::string option_text(const Option& option) {
  auto text = option.letter != 0 ? std::string{'-', option.letter, ',', ' '} : std::string();
  text += option.name;
  if (!option.value.empty()) text += " " + std::string(option.value);
  return text;
}

void append_options(std::string& out, std::span<const Option> options) {
  constexpr std::size_t kIndent = 28;
  for (const auto& option : options) {
    auto line = "  " + option_text(option);
    if (line.size() + 2 > kIndent) {
      out += line + "\n";
      line.clear();
    }
    line.resize(kIndent, ' ');
    out += line + std::string(option.help) + (option.repeated ? " (may be repeated)" : "") + "\n";
  }
}

}  // namespace

class Parser {
 public:
  Parser(const CommandTable& table, std::span<const char* const> arguments) : table_(table), rest_(arguments) {}

  Result<Invocation> parse() {
    bool only_operands = false;
    while (!rest_.empty()) {
      const std::string_view word = rest_.front();
      rest_ = rest_.subspan(1);
      if (only_operands || word.size() < 2 || word.front() != '-') {
        if (auto taken = operand(word); !taken) return std::unexpected(taken.error());
        only_operands = only_operands || (command_ != nullptr && command_->runs_script && !call_.operands_.empty());
      } else if (word == "--") {
        only_operands = true;
      } else if (auto taken = option(word); !taken) {
        return std::unexpected(taken.error());
      }
    }
    call_.command_ = command_;
    if (call_.has("--help") || call_.has("--version")) return std::move(call_);
    if (command_ == nullptr) return no_command();
    const auto count = call_.operands_.size();
    if (count < command_->least) return wrong("needs " + std::string(command_->operands));
    if (count > command_->most) {
      return wrong(command_->most == 0 ? "takes no " + in_quotes(call_.operands_[0])
                                       : "does not know what to do with " + in_quotes(call_.operands_[command_->most]));
    }
    return std::move(call_);
  }

 private:
  [[nodiscard]] std::string called() const {
    return "hansa" + (command_ != nullptr ? " " + std::string(command_->name) : group_.empty() ? "" : " " + std::string(group_));
  }

  [[nodiscard]] std::unexpected<Error> wrong(const std::string& what) const {
    return fail(ErrorKind::invalid_argument, "USAGE", called() + " " + what + "; see: " + called() + " --help");
  }

  [[nodiscard]] std::unexpected<Error> no_command() const {
    if (!group_.empty()) return wrong("needs one of: " + joined(words()));
    return fail(ErrorKind::invalid_argument, "USAGE", "what shall be done? see: hansa --help");
  }

  /// The words that may come next: commands, or those of a group.
  [[nodiscard]] std::vector<std::string_view> words() const {
    std::vector<std::string_view> words;
    for (const auto& command : table_.commands) {
      const auto word = next_word(command.name, group_);
      if (!word.empty() && std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    return words;
  }

  Result<void> operand(std::string_view word) {
    if (command_ != nullptr) {
      call_.operands_.emplace_back(word);
      return {};
    }
    const Command* within = nullptr;  // a command of the group that the word names
    for (const auto& command : table_.commands) {
      const auto next = next_word(command.name, group_);
      if (word.empty() || next != word) continue;
      if (next.data() + next.size() == command.name.data() + command.name.size()) {
        command_ = &command;
        return {};
      }
      within = &command;
    }
    if (within != nullptr) {
      group_ = within->name.substr(0, group_.size() + (group_.empty() ? 0 : 1) + word.size());
      return {};
    }
    const auto known = words();
    if (group_.empty()) {
      return fail(ErrorKind::invalid_argument, "USAGE",
                  "there is no command " + in_quotes(word) + did_you_mean(word, known) + "; see: hansa --help");
    }
    return wrong("does not know " + in_quotes(word) + did_you_mean(word, known) + "; it knows " + joined(known));
  }

  Result<void> option(std::string_view word) {
    const auto equals = word.starts_with("--") ? word.find('=') : std::string_view::npos;
    const auto name = word.substr(0, equals);
    const auto* found = find(name);
    if (found == nullptr) {
      std::vector<std::string_view> known;
      for (const auto options : {command_ != nullptr ? command_->options : std::span<const Option>{}, table_.globals}) {
        for (const auto& option : options) known.push_back(option.name);
      }
      if (command_ == nullptr && group_.empty()) {
        return fail(ErrorKind::invalid_argument, "USAGE",
                    "there is no global option " + in_quotes(name) + did_you_mean(name, known) +
                        "; a command's options stand after the command; see: hansa --help");
      }
      return wrong("has no option " + in_quotes(name) + did_you_mean(name, known));
    }
    if (!found->repeated && call_.has(found->name)) return wrong("takes " + std::string(found->name) + " once, not twice");
    if (found->value.empty()) {
      if (equals != std::string_view::npos) return wrong("takes " + std::string(found->name) + " without a value");
      call_.options_.emplace_back(found->name, "");
      return {};
    }
    if (equals != std::string_view::npos) {
      call_.options_.emplace_back(found->name, std::string(word.substr(equals + 1)));
      return {};
    }
    if (rest_.empty()) return wrong("needs a value for " + std::string(found->name) + ": " + std::string(found->value));
    call_.options_.emplace_back(found->name, rest_.front());
    rest_ = rest_.subspan(1);
    return {};
  }

  [[nodiscard]] const Option* find(std::string_view name) const {
    for (const auto options : {command_ != nullptr ? command_->options : std::span<const Option>{}, table_.globals}) {
      for (const auto& option : options) {
        if (option.name == name || (name.size() == 2 && name[1] == option.letter)) return &option;
      }
    }
    return nullptr;
  }

  const CommandTable& table_;
  std::span<const char* const> rest_;
  const Command* command_ = nullptr;
  std::string_view group_;  // "site", "data replica": until its command follows
  Invocation call_;
};

bool Invocation::has(std::string_view option) const { return value(option).has_value(); }

std::optional<std::string_view> Invocation::value(std::string_view option) const {
  for (const auto& [name, value] : options_) {
    if (name == option) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Invocation::values(std::string_view option) const {
  std::vector<std::string_view> found;
  for (const auto& [name, value] : options_) {
    if (name == option) found.emplace_back(value);
  }
  return found;
}

Result<Invocation> parse_command_line(const CommandTable& table, std::span<const char* const> arguments) {
  return Parser(table, arguments).parse();
}

std::unexpected<Error> usage(std::string message) { return fail(ErrorKind::invalid_argument, "USAGE", std::move(message)); }

std::string overview(const CommandTable& table) {
  std::string out = "hansa: one submission, every site.\n\nusage: hansa COMMAND [OPTION...]\n\n";
  for (const auto& command : table.commands) {
    auto line = "  " + std::string(command.name);
    line.resize(std::max<std::size_t>(line.size() + 2, 20), ' ');
    out += line + std::string(command.summary) + "\n";
  }
  out += "\nwith every command:\n";
  append_options(out, table.globals);
  return out + "\nA command's own help: hansa COMMAND --help\nexample: hansa submit --nodes 2 --time 1h train.sh\n";
}

std::string help(const CommandTable& table, const Command& command) {
  auto out = "usage: hansa " + std::string(command.name) + (command.options.empty() ? "" : " [OPTION...]") +
             (command.operands.empty() ? "" : " " + std::string(command.operands)) + "\n\n" + std::string(command.summary) + "\n";
  if (!command.options.empty()) {
    out += "\n";
    append_options(out, command.options);
  }
  out += "\nwith every command:\n";
  append_options(out, table.globals);
  return out + "\nexample: " + std::string(command.example) + "\n";
}

}  // namespace hansa::cli
