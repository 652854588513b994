// SPDX-License-Identifier: Apache-2.0
// A person's own agent at a site: started through their own login there, handed a token over its standard input, kept in the
// foreground. And the end of it.
#include "broker/cli/commands.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <cctype>

namespace hansa::cli {
namespace {

constexpr int kNotThere = 127, kNoLogin = 255;  // of a shell, of ssh
constexpr std::string_view kNoAgent =
    "hansa-agent was not found there: put it into ~/.local/bin of that account, or say where it lies with --agent PATH";

bool is_plain(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [&](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || more.contains(static_cast<char>(c)));
  });
}

/// As OpenSSH is told it; the broker may have named it. Nothing that is an option, or more than one word.
Result<std::string> checked_login(std::string_view text, std::string_view option) {
  if (is_plain(text, "._:@%-") && text.front() != '-') return std::string(text);
  return usage(std::string(option) + ": \"" + printable(text.substr(0, 60)) + "\" is no host's name; give [USER@]HOST");
}

/// Of a program or a file there: nothing in it means more than a path to a shell; `~/` is the home there.
Result<std::string> checked_path(std::string_view text, std::string_view option) {
  const auto path = text.starts_with("~/") ? text.substr(1) : text;
  if (is_plain(path, "._/@+,=-") && path.front() == '/') return std::string(text);
  return usage(std::string(option) + ": \"" + printable(text.substr(0, 60)) +
               "\" is no path of a program there: absolute, or beginning with ~/, of letters, digits and ._/@+,=-");
}

struct Agent {
  std::string program;  // "": to be found there
  std::vector<std::string> arguments;  // paths among them
};

Result<Agent> agent_of(const Invocation& call, const Json& berth) {
  Agent agent{.program = {}, .arguments = {"--person"}};
  const auto named = call.value("--agent");
  const auto told = raw_text(berth, "agent");
  if (named || !told.empty()) {
    auto path = checked_path(named ? *named : std::string_view(told), named ? "--agent" : "what the broker calls the agent");
    if (!path) return std::unexpected(path.error());
    agent.program = std::move(*path);
  }
  if (const auto config = call.value("--agent-config")) {
    auto path = checked_path(*config, "--agent-config");
    if (!path) return std::unexpected(path.error());
    agent.arguments.insert(agent.arguments.end(), {"--config", std::move(*path)});
  }
  return agent;
}

using Command = std::vector<std::string>;

/// Here, without a shell. One after the other, until one is there.
std::vector<Command> local_commands(const Session& session, const Agent& agent) {
  const auto* home = session.outside().environment("HOME");
  const auto at_home = [&](const std::string& path) {
    return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
  };
  std::vector<Command> commands;
  const auto programs = agent.program.empty() ? Command{"hansa-agent", "~/.local/bin/hansa-agent"} : Command{agent.program};
  for (const auto& program : programs) {
    auto& command = commands.emplace_back(Command{at_home(program)});
    for (const auto& argument : agent.arguments) command.push_back(at_home(argument));
  }
  return commands;
}

/// For the sh of the account there, which is OpenSSH's way to run anything: no single quote is in it.
std::string remote_command(const Agent& agent) {
  const auto at_home = [](const std::string& path) { return path.starts_with("~/") ? "\"$HOME\"" + path.substr(1) : path; };
  std::string command =
      agent.program.empty() ? "PATH=\"$PATH:$HOME/.local/bin\"; exec hansa-agent" : "exec " + at_home(agent.program);
  for (const auto& argument : agent.arguments) command += ' ' + at_home(argument);
  return command;
}

Result<std::vector<Command>> commands_of(const Session& session, const Invocation& call, const Json& berth) {
  const auto agent = agent_of(call, berth);
  if (!agent) return std::unexpected(agent.error());
  if (call.has("--local")) return local_commands(session, *agent);
  const auto named = call.value("--login");
  const auto told = raw_text(berth, "login");
  if (!named && told.empty()) {
    return usage("the broker does not say where one logs in to site " + shown(berth, "site") +
                 ": name its login node with --login [USER@]HOST");
  }
  auto host = checked_login(named ? *named : std::string_view(told), named ? "--login" : "what the broker calls the login node");
  if (!host) return std::unexpected(host.error());
  session.note("logs in to " + *host + "; the agent there ends with this login");
  // Without a terminal there, and without anything of this machine's; the rest is as the person's own OpenSSH has it.
  return std::vector<Command>{{"ssh", "-T", "-a", "-x", "-o", "ServerAliveInterval=30", std::move(*host),
                               "exec /bin/sh -c '" + remote_command(*agent) + "'"}};
}

/// What the agent is handed: one line.
std::string ticket_of(const Json& berth) {
  Json ticket = Json::object();
  for (const auto* key : {"broker", "pin", "site", "person", "token", "session_until"}) ticket[key] = raw_text(berth, key);
  return ticket.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

ExitStatus exit_of_agent(const Session& session, int status) {
  if (status == 0) return ExitStatus::done;
  if (status == 130) return ExitStatus::interrupted;
  if (status == kNotThere) session.note(kNoAgent);
  if (status == kNoLogin) session.note("the login did not come about, or was cut off; what OpenSSH says of it stands above");
  return status == kNotThere ? ExitStatus::not_found : ExitStatus::unreachable;
}

}  // namespace

Result<ExitStatus> connect(Session& session, const Invocation& call) {
  if (int{call.has("--print")} + int{call.has("--local")} + int{call.has("--login")} > 1)
    return usage("--print, --local and --login are three ways to start the agent: give one of them");
  Json request = Json::object();
  if (const auto text = call.value("--for")) {
    const auto time = parse_duration(*text);
    if (!time) return usage("--for: " + time.error().message);
    request["for_s"] = time->count();
  }
  const auto answer = session.send("POST", "/v1/sites/" + percent_encoded(call.operands()[0]) + "/connections", request.dump());
  if (!answer) return std::unexpected(answer.error());
  const auto berth = Session::read(*answer);
  if (!berth) return std::unexpected(berth.error());
  if (raw_text(*berth, "terms") != "allowed") {
    session.note("nobody has stated whether the terms of use of site " + shown(*berth, "site") +
                 " allow an agent of your own: read them first");
  }
  if (call.has("--print")) {
    session.print(call.has("--json") ? answer->body : ticket_of(*berth));
    session.note(
        "on a login node of site " + shown(*berth, "site") + ", until " + shown(*berth, "token_until") +
        ": run hansa-agent --person, and paste this line into it; it is good once. The agent ends with that terminal, or at " +
        shown(*berth, "session_until"));
    return ExitStatus::done;
  }
  const auto commands = commands_of(session, call, *berth);
  if (!commands) return std::unexpected(commands.error());
  Result<int> status = 0;
  for (const auto& command : *commands) {
    status = session.outside().foreground(command, ticket_of(*berth));
    if (status || status.error().code != "NO_PROGRAM") break;
  }
  if (!status && call.has("--local")) session.note(kNoAgent);
  if (!status) return std::unexpected(status.error());
  return exit_of_agent(session, *status);
}

Result<ExitStatus> disconnect(Session& session, const Invocation& call) {
  Json request = Json::object();
  if (const auto person = call.value("--person")) request["person"] = *person;
  if (const auto reason = call.value("--reason")) request["reason"] = *reason;
  const auto answer = session.send("POST", "/v1/sites/" + percent_encoded(call.operands()[0]) + "/connections/end",
                                   request.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!answer) return std::unexpected(answer.error());
  const auto told = Session::read(*answer);
  if (!told) return std::unexpected(told.error());
  const auto ended = number(*told, "ended").value_or(0);
  session.print(call.has("--json") ? answer->body
                : ended == 0       ? shown(*told, "person") + " had no session at site " + shown(*told, "site") + "\n"
                                   : shown(*told, "person") + " is disconnected from site " + shown(*told, "site") +
                                   "; jobs there go on, and are not heard of until the next hansa connect\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
