// SPDX-License-Identifier: Apache-2.0
// The man page and the shell completions are written by hand; the table of commands says what must be in them.
#include "broker/cli/commands.hpp"
#include "policies/rules/vocabulary.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <set>

namespace hansa::cli {
namespace {

std::string document(const std::string& path) {
  std::ifstream in(HANSA_SOURCE_DIR "/packaging/" + path);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

bool has_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || !is_word(text[at - 1]);
    const bool ends = at + word.size() == text.size() || !is_word(text[at + word.size()]);
    if (begins && ends) return true;
  }
  return false;
}

std::set<std::string_view> options() {
  std::set<std::string_view> names;
  for (const auto& option : commands().globals) names.insert(option.name);
  for (const auto& command : commands().commands) {
    for (const auto& option : command.options) names.insert(option.name);
  }
  return names;
}

/// Every long option that `text` names.
std::set<std::string> named_options(std::string_view text) {
  std::set<std::string> names;
  for (auto at = text.find("--"); at != std::string_view::npos; at = text.find("--", at + 1)) {
    auto end = at + 2;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end > at + 3 && text[at + 2] != '-') names.emplace(text.substr(at, end - at));
  }
  return names;
}

}  // namespace

TEST_CASE("the man page names every command, option and exit code, and no other option", "[documents]") {
  auto page = document("man/hansa.1");
  for (auto at = page.find("\\-"); at != std::string::npos; at = page.find("\\-", at)) page.replace(at, 2, "-");
  for (const auto& command : commands().commands) {
    CAPTURE(command.name);
    const bool alone = page.contains("hansa " + std::string(command.name));
    const bool with_others = page.contains("| " + std::string(command.name));  // hold | release | cancel
    CHECK((alone || with_others));
  }
  const auto known = options();
  for (const auto name : known) {
    CAPTURE(name);
    CHECK(has_word(page, name));
  }
  for (const auto& name : named_options(page)) {
    CAPTURE(name);
    const bool of_the_script = name == "--epochs";
    CHECK((known.contains(name) || of_the_script));
  }
  for (const auto* code : {"0", "1", "2", "3", "4", "5", "6", "7", "8", "74", "130"})
    CHECK(page.contains(".B " + std::string(code) + "\n"));
}

TEST_CASE("bash and zsh complete every command and option, and no other", "[documents]") {
  for (const auto* file : {"completions/hansa.bash", "completions/_hansa"}) {
    CAPTURE(file);
    const auto text = document(file);
    const auto known = options();
    for (const auto name : known) {
      CAPTURE(name);
      CHECK(has_word(text, name));
    }
    for (const auto& name : named_options(text)) {
      CAPTURE(name);
      CHECK(known.contains(name));
    }
    for (const auto& command : commands().commands) {
      const auto blank = command.name.rfind(' ');
      CAPTURE(command.name);
      CHECK(has_word(text, command.name.substr(0, command.name.find(' '))));
      if (blank != std::string_view::npos) CHECK(has_word(text, command.name.substr(blank + 1)));
    }
  }
}

TEST_CASE("labels are offered as the rules' vocabulary has them, all of them", "[documents]") {
  for (const auto* file : {"man/hansa.1", "completions/hansa.bash", "completions/_hansa", "completions/hansa.fish"}) {
    CAPTURE(file);
    auto text = document(file);
    for (auto at = text.find("\\-"); at != std::string::npos; at = text.find("\\-", at)) text.replace(at, 2, "-");
    std::string all, sentence;
    for (const auto label : rules::data_labels()) {
      all += (all.empty() ? "" : " ") + std::string(label);
      sentence += (sentence.empty() ? "" : label == rules::data_labels().back() ? " or " : ", ") + std::string(label);
    }
    const bool listed = text.contains(all + "\"") || text.contains(all + ")") || text.contains(sentence + ";");
    CHECK(listed);
  }
}

TEST_CASE("fish completes every option of every command", "[documents]") {
  const auto text = document("completions/hansa.fish");
  for (const auto name : options()) {
    CAPTURE(name);
    CHECK(text.contains("-l " + std::string(name.substr(2)) + " "));
  }
  for (const auto& command : commands().commands) {
    CAPTURE(command.name);
    for (const auto& option : command.options) {
      bool offered = false;
      for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = std::string_view(text).substr(at, end - at);
        if (line.contains("-l " + std::string(option.name.substr(2)) + " ") && has_word(line, command.name)) offered = true;
        at = end + 1;
      }
      CAPTURE(option.name);
      CHECK(offered);
    }
  }
}

}  // namespace hansa::cli
