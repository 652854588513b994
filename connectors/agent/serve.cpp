// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/serve.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/identity/account_directory.hpp"
#include "config/accounts.hpp"
#include "connectors/agent/account_guard.hpp"
#include "connectors/agent/budget_guard.hpp"
#include "connectors/agent/service.hpp"
#include "connectors/agent/stderr_log.hpp"
#include "connectors/assembly/assembly.hpp"
#include "connectors/assembly/regulations.hpp"
#include "connectors/protocol/descriptor_lines.hpp"
#include "connectors/transport/own_account.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace hansa::connectors::agent {

namespace asio = boost::asio;

namespace {

identity::AccountDirectory account_directory(const config::SiteConfig& site, ports::Log& log) {
  return {{{.site = site.id, .accounts = site.accounts, .own_account = false, .file = site.accounts_file}},
          {},
          config::load_accounts,
          [&log](const SiteId&, const Error& error) {
            log.write(ports::LogLevel::error, "accounts file cannot be read; the last good one stays in force",
                      {{"error", config::describe_errors(error)}});
          }};
}

std::optional<LocalAccount> own_account_of(const config::SiteConfig& site) {
  if (site.run_as != config::RunAs::self && site.run_as != config::RunAs::by_certificate) return std::nullopt;
  const auto own = transport::own_account();
  return LocalAccount(own ? own->name : "");
}

/// What is used of the site's budget, if it has one; `known` goes on if there is one.
Result<std::shared_ptr<LoadBook>> book_of(const config::AgentConfig& config, std::shared_ptr<LoadBook> known) {
  if (!config.has_budget || known) return config.has_budget ? std::move(known) : nullptr;
  auto opened = LoadBook::open(config.agent.state_dir, config.site.id, assembly::budget_of(config.site.budget));
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::make_shared<LoadBook>(std::move(*opened));
}

void say_what_is_in_force(const config::AgentConfig& config, const OwnRegulations& own, ports::Log& log) {
  const auto& budget = config.site.budget;
  log.write(ports::LogLevel::info, "the site's own terms are in force",
            {{"rules", own.rules ? assembly::packs_in(*own.rules) : "none"},
             {"policy_hash", own.rules ? own.rules->hash() : ""},
             {"budget", config.has_budget ? std::to_string(budget.queries_per_minute) + " queries, " +
                                                std::to_string(budget.submits_per_minute) + " submits, " +
                                                std::to_string(budget.cancels_per_minute) + " cancels a minute, " +
                                                std::to_string(budget.concurrent_calls) + " at a time"
                                          : "none"}});
}

/// All of it or nothing.
void reload(const Start& start, SiteRules& rules, BudgetGuard& budget, ports::Log& log) {
  const auto stay = [&](const Error& error) {
    log.write(ports::LogLevel::error, "the site's budget, rules and facts stay as they were",
              {{"code", error.code}, {"error", config::describe_errors(error)}});
  };
  const auto config = config::load_agent_config(start.file);
  if (!config) return stay(config.error());
  auto own = own_regulations(*config, assembly::shipped_packs(start.program_folder));
  if (!own) return stay(own.error());
  auto book = book_of(*config, budget.book());
  if (!book) return stay(book.error());
  say_what_is_in_force(*config, *own, log);
  if (*book) (*book)->set_budget(assembly::budget_of(config->site.budget));
  budget.set_book(std::move(*book));
  rules.replace(std::move(*own));
}

/// Whatever else is printed goes to the log: standard output belongs to the protocol.
Result<std::unique_ptr<protocol::DescriptorLines>> take_standard_streams(const asio::any_io_executor& executor) {
  Descriptor in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  Descriptor out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return protocol::DescriptorLines::open(executor, std::move(in), std::move(out));
}

asio::awaitable<void> serve(protocol::Session* session, assembly::Ground* ground, std::optional<Error>* why) {
  *why = co_await session->run();
  for (const auto& close : ground->closers) (void)co_await close();
}

}  // namespace

int serve_stdio(Start start) {
  const auto& config = start.config;
  StderrLog log;
  const auto complain = [](const Error& error, int status) {
    std::fprintf(stderr, "hansa-agent: %s\n", error.message.c_str());
    for (const auto& fault : error.faults) std::fprintf(stderr, "  %s: %s\n", fault.where.c_str(), fault.message.c_str());
    return status;
  };
  if (config.site.connector == config::Connector::local) (void)::mkdir(config.agent.state_dir.c_str(), 0700);
  asio::io_context context{1};
  async::RealScheduler scheduler;
  async::SystemRandom random;
  assembly::Ground ground{.scheduler = scheduler,
                          .random = random,
                          .strand = context.get_executor(),
                          .log = log,
                          .program_folder = start.program_folder,
                          .program_name = start.name,
                          .state_dir = config.agent.state_dir,
                          .switch_socket = config.agent.switch_socket.value_or("")};
  auto site = config.site;
  if (site.run_as == config::RunAs::by_certificate) site.run_as = config::RunAs::self;  // to the scheduler it is all one account
  auto connector = assembly::make_connector(site, ground);
  if (!connector) return complain(connector.error(), kExitUnavailable);
  const auto accounts = account_directory(config.site, log);
  auto book = book_of(config, nullptr);
  if (!book) return complain(book.error(), kExitUnavailable);
  say_what_is_in_force(config, start.own, log);
  BudgetGuard budget(**connector, config.site.id, context.get_executor(), scheduler, log, std::move(*book));
  SiteRules rules(scheduler, std::move(start.own));
  AccountGuard guard(budget, accounts,
                     {.site = config.site.id,
                      .own_account = own_account_of(config.site),
                      .own_people_only = config.site.run_as == config::RunAs::by_certificate,
                      .projects = config.site.projects,
                      .rules = &rules});
  Service service(guard, config.site.id, start.name, rules.own().rules != nullptr);
  auto lines = take_standard_streams(context.get_executor());
  if (!lines) return complain(lines.error(), kExitUnavailable);
  protocol::Session session(context.get_executor(), scheduler, std::move(*lines), service.handler());
  service.attach(session);

  asio::signal_set hangups(context, SIGHUP);
  std::function<void()> await_hangup = [&] {
    hangups.async_wait([&](const boost::system::error_code& failed, int) {
      if (failed) return;
      const bool judged = rules.own().rules != nullptr;
      reload(start, rules, budget, log);
      if (!judged && rules.own().rules)  // the broker tells what they ask about from its next greeting on
        session.stop(fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "the site's own rules have come into force").error());
      await_hangup();
    });
  };
  await_hangup();
  asio::signal_set stops(context, SIGTERM, SIGINT);
  stops.async_wait([&](const boost::system::error_code& failed, int signal) {
    if (!failed)
      session.stop(fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "ended by signal " + std::to_string(signal)).error());
    boost::system::error_code ignored;
    stops.clear(ignored);  // a second one ends at once
  });
  std::optional<Error> why;
  bool done = false;
  asio::co_spawn(context, serve(&session, &ground, &why), [&](const std::exception_ptr&) { done = true; });
  while (!done) context.run_one();
  const bool as_asked = why && (why->code == "CONNECTION_ENDED" || why->code == "CONNECTION_CLOSED");
  return as_asked ? kExitOk : complain(why.value_or(Error{.message = "internal error"}), kExitProtocol);
}

}  // namespace hansa::connectors::agent
