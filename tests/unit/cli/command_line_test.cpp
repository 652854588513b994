// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/command_line.hpp"

#include "broker/cli/commands.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace hansa::cli {
namespace {

Result<Invocation> parsed(std::vector<const char*> arguments) { return parse_command_line(commands(), arguments); }

std::string fault(std::vector<const char*> arguments) {
  const auto call = parsed(std::move(arguments));
  if (call) return "";
  CHECK(call.error().kind == ErrorKind::invalid_argument);
  return call.error().message;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("everything after SCRIPT is the script's, whatever it looks like", "[command_line]") {
  const auto call = parsed({"submit", "--nodes", "2", "run.sh", "--nodes", "3", "-f", "--", "--help", "-"});
  REQUIRE(call);
  CHECK(call->operands() == Texts{"run.sh", "--nodes", "3", "-f", "--", "--help", "-"});
  CHECK(call->value("--nodes") == "2");
  CHECK_FALSE(call->has("--help"));
  const auto input = parsed({"submit", "-", "--wait"});
  REQUIRE(input);
  CHECK(input->operands() == Texts{"-", "--wait"});
  CHECK_FALSE(input->has("--wait"));
  const auto odd = parsed({"submit", "--", "--odd-name.sh", "--x"});
  REQUIRE(odd);
  CHECK(odd->operands() == Texts{"--odd-name.sh", "--x"});
}

TEST_CASE("options stand before and after operands, global ones before the command too", "[command_line]") {
  for (const auto& arguments : std::vector<std::vector<const char*>>{{"--url", "http://x:1", "logs", "-f", "ID"},
                                                                     {"logs", "ID", "--follow", "--url=http://x:1"},
                                                                     {"logs", "--url", "http://x:1", "ID", "-f"}}) {
    const auto call = parsed(arguments);
    REQUIRE(call);
    CHECK(call->command()->name == "logs");
    CHECK(call->operands() == Texts{"ID"});
    CHECK(call->value("--url") == "http://x:1");
    CHECK(call->has("--follow"));
  }
}

TEST_CASE("a command of two words, a repeated option, a value that looks like an option or is empty", "[command_line]") {
  const auto call = parsed({"site", "drain", "alpha", "--reason", "--json"});
  REQUIRE(call);
  CHECK(call->command()->name == "site drain");
  CHECK(call->value("--reason") == "--json");
  CHECK_FALSE(call->has("--json"));
  const auto sites = parsed({"submit", "--site", "a", "--site=b", "--name=", "x.sh"});
  REQUIRE(sites);
  CHECK(sites->values("--site") == std::vector<std::string_view>{"a", "b"});
  CHECK(sites->value("--name") == "");
}

TEST_CASE("a command's name may have three words, options between them", "[command_line]") {
  const auto call = parsed({"data", "replica", "--root", "r", "add", "d", "alpha"});
  CHECK_FALSE(call);  // options of a command stand after it
  const auto good = parsed({"--url", "http://x", "data", "replica", "add", "d", "--root", "r", "alpha"});
  REQUIRE(good);
  CHECK(good->command()->name == "data replica add");
  CHECK(good->operands() == std::vector<std::string>{"d", "alpha"});
  const auto shorter = parsed({"data", "add", "replica"});
  REQUIRE(shorter);
  CHECK(shorter->command()->name == "data add");
}

TEST_CASE("help and version ask for nothing else", "[command_line]") {
  const auto call = parsed({"resolve", "--help"});
  REQUIRE(call);
  CHECK(call->command()->name == "resolve");
  const auto alone = parsed({"--version"});
  REQUIRE(alone);
  CHECK(alone->command() == nullptr);
}

TEST_CASE("a wrong command line says what is wrong and where the help is", "[command_line]") {
  CHECK(fault({}) == "what shall be done? see: hansa --help");
  CHECK(fault({"submti", "x"}) == "there is no command \"submti\" (did you mean \"submit\"?); see: hansa --help");
  CHECK(fault({"site"}) == "hansa site needs one of: show, doctor, agent, enroll, revoke, drain, resume; see: hansa site --help");
  CHECK(fault({"site", "drian", "x"})
            .starts_with("hansa site does not know \"drian\" (did you mean \"drain\"?); it knows show, doctor, agent, enroll, "
                         "revoke, drain, resume"));
  CHECK(fault({"data", "replica"}) == "hansa data replica needs one of: add, remove, verify; see: hansa data replica --help");
  CHECK(fault({"data", "replcia", "add"})
            .starts_with("hansa data does not know \"replcia\" (did you mean \"replica\"?); it knows add, list"));
  CHECK(fault({"data", "replica", "list", "x"}).starts_with("hansa data replica does not know \"list\""));
  CHECK(fault({"data", "rep"}).starts_with("hansa data does not know \"rep\""));
  CHECK(fault({"data", ""}).starts_with("hansa data does not know \"\""));
  CHECK(fault({"submit", "--nods", "2", "x"}) ==
        "hansa submit has no option \"--nods\" (did you mean \"--nodes\"?); see: hansa submit --help");
  CHECK(fault({"submit", "-N", "2", "x"}).starts_with("hansa submit has no option \"-N\""));
  CHECK(fault({"submit", "--nodes"}) == "hansa submit needs a value for --nodes: N; see: hansa submit --help");
  CHECK(fault({"submit", "--nodes=1", "--nodes=2", "x"}) ==
        "hansa submit takes --nodes once, not twice; see: hansa submit --help");
  CHECK(fault({"submit", "--wait=yes", "x"}) == "hansa submit takes --wait without a value; see: hansa submit --help");
  CHECK(fault({"submit"}) == "hansa submit needs SCRIPT [ARG...]; see: hansa submit --help");
  CHECK(fault({"show", "A", "B"}) == "hansa show does not know what to do with \"B\"; see: hansa show --help");
  CHECK(fault({"sites", "A"}) == "hansa sites takes no \"A\"; see: hansa sites --help");
  CHECK(fault({"--nodes", "2", "submit"}).contains("options stand after the command"));
  CHECK(fault({"\x1b[31mred"}).contains("\\x1b[31mred"));
  CHECK(fault({"siteshow", "x"}).starts_with("there is no command"));
  CHECK(fault({"site show", "x"}).starts_with("site") == false);
}

TEST_CASE("every command has one line, an example that parses, and help with all its options", "[command_line]") {
  const auto all = overview(commands());
  for (const auto& command : commands().commands) {
    CAPTURE(command.name);
    CHECK(all.contains("  " + std::string(command.name) + " "));
    const auto text = help(commands(), command);
    for (const auto& option : command.options) CHECK(text.contains(option.name));
    CHECK(text.contains("example: hansa " + std::string(command.name)));
    CHECK(command.run != nullptr);
    // The example itself, split at blanks, without its redirection.
    std::vector<std::string> words;
    for (auto rest = command.example.substr(0, command.example.find(" >")); !rest.empty();) {
      const bool quoted = rest.front() == '"';
      const auto end = std::min(quoted ? rest.find('"', 1) + 1 : rest.find(' '), rest.size());
      words.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::vector<const char*> arguments;
    for (std::size_t i = 1; i < words.size(); ++i) arguments.push_back(words[i].c_str());
    const auto call = parse_command_line(commands(), arguments);
    REQUIRE(call);
    CHECK(call->command() == &command);
  }
}

}  // namespace hansa::cli
