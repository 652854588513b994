// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/serve.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/identity/account_directory.hpp"
#include "config/accounts.hpp"
#include "connectors/agent/account_guard.hpp"
#include "connectors/agent/service.hpp"
#include "connectors/agent/stderr_log.hpp"
#include "connectors/assembly/assembly.hpp"
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
#include <optional>

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

int serve_stdio(const config::AgentConfig& config, const std::filesystem::path& program_folder, const std::string& name) {
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
                          .program_folder = program_folder,
                          .program_name = name,
                          .state_dir = config.agent.state_dir,
                          .switch_socket = config.agent.switch_socket.value_or("")};
  auto site = config.site;
  if (site.run_as == config::RunAs::by_certificate) site.run_as = config::RunAs::self;  // to the scheduler it is all one account
  auto connector = assembly::make_connector(site, ground);
  if (!connector) return complain(connector.error(), kExitUnavailable);
  const auto accounts = account_directory(config.site, log);
  AccountGuard guard(**connector, accounts,
                     {.site = config.site.id,
                      .own_account = own_account_of(config.site),
                      .own_people_only = config.site.run_as == config::RunAs::by_certificate,
                      .projects = config.site.projects});
  Service service(guard, config.site.id, name);
  auto lines = take_standard_streams(context.get_executor());
  if (!lines) return complain(lines.error(), kExitUnavailable);
  protocol::Session session(context.get_executor(), scheduler, std::move(*lines), service.handler());
  service.attach(session);

  asio::signal_set stops(context, SIGTERM, SIGINT, SIGHUP);
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
