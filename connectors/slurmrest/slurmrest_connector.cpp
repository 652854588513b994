// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/slurmrest_connector.hpp"

#include "connectors/slurm/submission.hpp"
#include "connectors/slurmrest/submission.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/transport/wrapper.hpp"

#include <algorithm>

namespace hansa::connectors::slurmrest {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;

namespace {

constexpr std::string_view kUnix = "unix:";
constexpr Milliseconds kAccountTime{10'000};

RestOptions rest_options(const Options& options, std::vector<Fault>& faults) {
  RestOptions rest{.url = {.tls = false, .host = "localhost", .port = 80, .prefix = {}},
                   .ca_file = options.ca_file,
                   .answer_limit = static_cast<std::size_t>(options.answer_limit_mib) << 20U,
                   .cluster = options.cluster,
                   .max_array_size = options.max_array_size,
                   .private_jobs = options.private_jobs,
                   .own_account = {}};
  if (options.url.starts_with(kUnix)) {
    rest.unix_socket = options.url.substr(kUnix.size());
    if (!rest.unix_socket.starts_with('/')) faults.push_back({"slurmrest.url", "must have an absolute path after \"unix:\""});
  } else if (auto url = http::Url::parse(options.url)) {
    rest.url = std::move(*url);
  } else {
    faults.push_back({"slurmrest.url", url.error().message});
  }
  return rest;
}

void check_tokens(const Options& options, std::vector<Fault>& faults) {
  const auto& [file, command] = options.tokens;
  if (file.empty() == command.empty()) {
    faults.push_back({"slurmrest.token_file", "or slurmrest.token_command, one of the two, says where tokens come from"});
    return;
  }
  const auto names_account = [](const std::string& text) { return text.contains("{account}"); };
  if (!file.empty() && !file.starts_with('/')) faults.push_back({"slurmrest.token_file", "must be an absolute path"});
  if (!command.empty() && !command.front().starts_with('/'))
    faults.push_back({"slurmrest.token_command", "must begin with the absolute path of a program"});
  if (options.own_account_only || names_account(file) || std::ranges::any_of(command, names_account)) return;
  faults.push_back({file.empty() ? "slurmrest.token_command" : "slurmrest.token_file",
                    "must have \"{account}\" in it: each account's jobs need a token of that account"});
}

}  // namespace

Result<std::unique_ptr<SlurmrestConnector>> SlurmrestConnector::make(Options options, transport::Transport& transport,
                                                                     async::Scheduler& scheduler) {
  std::vector<Fault> faults;
  auto rest = rest_options(options, faults);
  check_tokens(options, faults);
  if (options.answer_limit_mib < 1) faults.push_back({"slurmrest.answer_limit_mib", "must be at least 1"});
  auto own = batch::check_options(options.site, options.work_dir, std::move(faults));
  if (!own) return std::unexpected(own.error());
  rest.own_account = *own;
  return std::unique_ptr<SlurmrestConnector>(
      new SlurmrestConnector(std::move(options), std::move(rest), std::move(*own), transport, scheduler));
}

SlurmrestConnector::SlurmrestConnector(Options options, RestOptions rest, std::string own_account,
                                       transport::Transport& transport, async::Scheduler& scheduler)
    : SlurmSite({.site = options.site, .own_account_only = options.own_account_only, .usage_history = options.usage_history},
                std::move(options.work_dir), std::move(options.profile), std::move(own_account), transport, scheduler),
      rest_(std::move(rest), std::move(options.tokens), scheduler, pool_) {}

/// As this machine's directory of accounts has it: the account's way to its files begins there as well.
Task<std::string> SlurmrestConnector::home_of(LocalAccount account, Deadline deadline) {
  if (const auto known = homes_.find(account); known != homes_.end()) co_return known->second;
  std::function<Result<std::string>()> look = [name = account.empty() ? own_account_ : account.str()]() -> Result<std::string> {
    auto found = transport::account_named(name);
    if (found && transport::is_safe_work_dir(found->home)) return std::move(found->home);
    return fail(
        ErrorKind::unavailable, "NO_HOME",
        "this machine knows no account \"" + name + "\" with a home whose path jobs can be given (letters, digits, ._/@+,-)");
  };
  auto home = co_await accounts_.run<std::string>(scheduler_, deadline.shortened_to(scheduler_, kAccountTime), std::move(look));
  if (!home && home.error().code.starts_with("LOOKUP"))
    co_return fail(ErrorKind::unavailable, "NO_HOME",
                   "the home of \"" + account.str() + "\" is not known: " + home.error().message);
  if (home) homes_.emplace(account, *home);
  co_return home;
}

Task<ports::SubmitReceipt> SlurmrestConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  if (auto valid = slurm::check_names(request); !valid) co_return std::unexpected(valid.error());
  const auto version = co_await rest_.version(deadline);
  if (!version) co_return std::unexpected(version.error());
  transport::WrapperSpec wrapper;
  wrapper.launcher = transport::Launcher::slurm;
  if (!request.spec.array.empty()) wrapper.array_variable = "SLURM_ARRAY_JOB_ID";
  wrapper.login = true;
  const auto script = co_await bring(&request, std::move(wrapper), deadline);
  if (!script) co_return std::unexpected(script.error());
  const auto home = co_await home_of(request.account, deadline);
  if (!home) co_return std::unexpected(home.error());
  auto work_dir = work_dirs_.path_of(request.account);
  if (!work_dir.starts_with('/')) work_dir.insert(0, *home + '/');
  auto body = submission_body(request, *script, *home, work_dir, *version, quality_for(request));
  if (!body) co_return std::unexpected(body.error());
  auto receipt = co_await rest_.submit({request.account, request.person}, *version, std::move(*body), deadline);
  if (!receipt) work_dirs_.forget(request.account);
  co_return receipt;
}

Task<> SlurmrestConnector::hold(SiteJob job, Deadline deadline) {
  return rest_.hold({job.account, job.person}, std::move(job.id), true, deadline);
}

Task<> SlurmrestConnector::release(SiteJob job, Deadline deadline) {
  return rest_.hold({job.account, job.person}, std::move(job.id), false, deadline);
}

Task<> SlurmrestConnector::end_job(SiteJob job, Deadline deadline) {
  const slurm::Viewer as{job.account, job.person};
  // A recycled id is not touched: what has it now is looked at first.
  const auto now = co_await rest_.job(as, job.id, deadline);
  if (!now) co_return std::unexpected(now.error());
  if (!*now || !is_ours(job, (*now)->name, (*now)->user)) co_return Result<void>{};
  co_return co_await rest_.end(as, job.id, job.these_tasks_only ? job.tasks : std::vector<std::int32_t>{}, deadline);
}

}  // namespace hansa::connectors::slurmrest
