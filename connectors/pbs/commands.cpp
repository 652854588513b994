// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/commands.hpp"

#include "connectors/batch/answers.hpp"
#include "connectors/pbs/accounting.hpp"
#include "connectors/pbs/submission.hpp"

#include <iterator>

namespace hansa::connectors::pbs {

using ports::Deadline;
using ports::Task;

namespace {

constexpr std::size_t kMaxIds = std::size_t{48} << 10;  // bytes of one call: hansa-switch takes 64 KiB of arguments

/// In as few groups as fit one call each.
std::vector<std::vector<std::string>> in_calls(const std::vector<std::string>& ids) {
  std::vector<std::vector<std::string>> calls(1);
  std::size_t size = 0;
  for (const auto& id : ids) {
    if (size + id.size() + 8 > kMaxIds) {
      calls.emplace_back();
      size = 0;
    }
    size += id.size() + 8;
    calls.back().push_back(id);
  }
  return calls;
}

template <class Row>
void append(Listing<Row>& all, Listing<Row> more, bool complete) {
  all.complete = all.complete && more.complete && complete;
  std::ranges::move(more.rows, std::back_inserter(all.rows));
  std::ranges::move(more.dropped, std::back_inserter(all.dropped));
}

}  // namespace

void Commands::tell_dropped(const std::string& program, const std::vector<Dropped>& dropped) {
  auto words =
      dropped.empty() ? "" : std::to_string(dropped.size()) + " left out; the first: " + batch::words_of(dropped.front().why);
  auto& before = told_[program];
  if (words == before) return;
  if (!words.empty()) {
    log_.write(ports::LogLevel::warning, "not all that the site told is understood",
               {{"site", site_.str()}, {"program", program}, {"error", words}});
  }
  before = std::move(words);
}

Task<Commands::Answer> Commands::ask(Viewer viewer, std::string program, std::vector<std::string> arguments,
                                     std::vector<std::string> about, Deadline deadline) {
  Answer answer{.text = {}, .separator = batch::make_separator(random_), .complete = true, .result = {}};
  arguments.insert(arguments.end(), {"-F", "dsv", "-D", answer.separator});
  std::ranges::move(about, std::back_inserter(arguments));
  auto result = co_await run(command(std::move(viewer), program, std::move(arguments)), deadline);
  if (!result) co_return std::unexpected(result.error());
  const auto complete = read_ending(program, *result);
  if (!complete) co_return std::unexpected(complete.error());
  answer.complete = *complete;
  answer.text = std::move(result->out);
  answer.result = std::move(*result);
  answer.result.out = answer.text.substr(0, 512);
  co_return answer;
}

Task<Listing<JobRow>> Commands::jobs(JobQuestion question, Deadline deadline) {
  std::vector<std::string> arguments{"-f"};
  const auto known = co_await settings(deadline);
  if (!known) co_return std::unexpected(known.error());
  // A server that keeps no history answers -x with nothing at all, and 0 (qstat.x_before_history).
  if (question.history && known->server.keeps_history) arguments.emplace_back("-x");
  if (question.one_by_one) arguments.emplace_back("-t");
  // One request for all ids: without it each is a connection of its own. Those that are unknown are left out then.
  if (!question.ids.empty()) arguments.emplace_back("-E");
  Listing<JobRow> all;
  for (auto& ids : in_calls(question.ids)) {
    const auto answer = co_await ask(question.viewer, "qstat", arguments, std::move(ids), deadline);
    if (!answer) co_return std::unexpected(answer.error());
    auto jobs = parse_qstat(answer->text, answer->separator, gpus_);
    if (auto understood = batch::check_understood("qstat", jobs, answer->result); !understood)
      co_return std::unexpected(understood.error());
    append(all, std::move(jobs), answer->complete);
  }
  tell_dropped(question.ids.empty() ? "qstat" : "qstat of some jobs", all.dropped);
  co_return all;
}

Task<Listing<std::string>> Commands::select(Viewer viewer, std::vector<std::string> arguments, Deadline deadline) {
  const auto known = co_await settings(deadline);
  if (!known) co_return std::unexpected(known.error());
  if (known->server.keeps_history) arguments.insert(arguments.begin(), "-x");
  const auto result = co_await run(command(std::move(viewer), "qselect", std::move(arguments)), deadline);
  if (!result) co_return std::unexpected(result.error());
  const auto complete = read_ending("qselect", *result);
  if (!complete) co_return std::unexpected(complete.error());
  auto ids = parse_qselect(result->out);
  ids.complete = ids.complete && *complete;
  if (auto understood = batch::check_understood("qselect", ids, *result); !understood)
    co_return std::unexpected(understood.error());
  co_return ids;
}

Task<Listing<JobRow>> Commands::reruns(const std::string* folder, const std::vector<JobRow>* jobs, Deadline deadline) {
  Listing<JobRow> all;
  std::vector<std::string> ids;
  for (const auto& job : *jobs) ids.push_back(job.id);
  for (const auto& some : in_calls(ids)) {
    auto search = command({}, "grep", {"-a", "-h", "-r", "-F"});
    search.program = "/usr/bin/grep";
    for (const auto& file : log_files(*jobs)) search.arguments.push_back("--include=" + file);
    for (const auto& id : some) search.arguments.insert(search.arguments.end(), {"-e", ";R;" + id + ";"});
    search.arguments.insert(search.arguments.end(), {"--", *folder});
    const auto result = co_await run(std::move(search), deadline);
    if (!result) co_return std::unexpected(result.error());
    if (!batch::came_to_an_end(*result) || *result->exit_status > 1)
      co_return batch::no_answer("grep in the accounting log", *result, false);
    append(all, parse_reruns(result->out, gpus_), !result->out_truncated);
  }
  tell_dropped("the accounting log", all.dropped);
  co_return all;
}

Task<Listing<QueueRecord>> Commands::queues(Deadline deadline) {
  const auto answer = co_await ask({}, "qstat", {"-Q", "-f"}, {}, deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto queues = parse_queues(answer->text, answer->separator);
  if (auto understood = batch::check_understood("qstat -Q", queues, answer->result); !understood)
    co_return std::unexpected(understood.error());
  tell_dropped("qstat -Q", queues.dropped);
  co_return queues;
}

boost::asio::awaitable<std::optional<std::vector<std::string>>> Commands::groups_of(std::string user, Deadline deadline) {
  auto question = command({}, "id", {"-Gn", "--", std::move(user)});
  question.program = "/usr/bin/id";
  const auto result = co_await run(std::move(question), deadline);
  if (!result || result->exit_status != 0 || !batch::came_to_an_end(*result)) co_return std::nullopt;
  std::vector<std::string> groups;
  for (auto rest = batch::trim(result->out); !rest.empty();) groups.emplace_back(batch::cut(rest, ' '));
  co_return groups;
}

Task<Listing<NodeRecord>> Commands::nodes(Deadline deadline) {
  const auto answer = co_await ask({}, "pbsnodes", {"-a"}, {}, deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto nodes = parse_nodes(answer->text, answer->separator, gpus_);
  if (auto understood = batch::check_understood("pbsnodes", nodes, answer->result); !understood)
    co_return std::unexpected(understood.error());
  tell_dropped("pbsnodes", nodes.dropped);
  co_return nodes;
}

Task<ServerRecord> Commands::server(Deadline deadline) {
  const auto answer = co_await ask({}, "qstat", {"-B", "-f"}, {}, deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto server = parse_server(answer->text, answer->separator);
  if (!server) {
    co_return batch::not_understood("qstat -B", {.row = 1, .why = "it tells no server; -F dsv is known to PBS since version 13"},
                                    answer->result);
  }
  co_return std::move(*server);
}

Task<Settings> Commands::settings(Deadline deadline) {
  if (settings_ && clock_.now_monotonic() < asked_at_ + kKept) co_return *settings_;
  const auto asked_at = clock_.now_monotonic();
  auto own = co_await server(deadline);
  if (!own) co_return std::unexpected(own.error());
  auto told = co_await queues(deadline);
  if (!told) co_return std::unexpected(told.error());
  settings_ = Settings{.server = std::move(*own), .queues = std::move(*told)};
  asked_at_ = asked_at;
  co_return *settings_;
}

Task<std::vector<Viewer>> Commands::viewers_of(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  const auto known = co_await settings(deadline);
  if (!known) co_return std::unexpected(known.error());
  if (!known->server.hides_jobs) co_return std::vector<Viewer>(1);
  co_return batch::viewers_among(jobs);
}

}  // namespace hansa::connectors::pbs
