// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/serve.hpp"

#include "broker/async/event.hpp"
#include "broker/async/first_of.hpp"
#include "broker/async/real_scheduler.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/core/time_text.hpp"
#include "broker/identity/account_directory.hpp"
#include "config/accounts.hpp"
#include "connectors/agent/account_guard.hpp"
#include "connectors/agent/budget_guard.hpp"
#include "connectors/agent/enrolment.hpp"
#include "connectors/agent/service.hpp"
#include "connectors/agent/stderr_log.hpp"
#include "connectors/assembly/assembly.hpp"
#include "connectors/assembly/regulations.hpp"
#include "connectors/protocol/descriptor_lines.hpp"
#include "connectors/protocol/pauses.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/websocket/agent_key.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace hansa::connectors::agent {

namespace asio = boost::asio;

namespace {

constexpr Milliseconds kDialWithin{30'000};

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

/// Whatever else is printed goes to the log: standard output belongs to the protocol.
Result<std::unique_ptr<protocol::DescriptorLines>> take_standard_streams(const asio::any_io_executor& executor) {
  Descriptor in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  Descriptor out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return protocol::DescriptorLines::open(executor, std::move(in), std::move(out));
}

int complain(const Error& error, int status) {
  std::fprintf(stderr, "hansa-agent: %s\n", error.message.c_str());
  for (const auto& fault : error.faults) std::fprintf(stderr, "  %s: %s\n", fault.where.c_str(), fault.message.c_str());
  return status;
}

/// The site as it is served: its connector, and the site's own last words before it.
class Site {
 public:
  explicit Site(Start start)
      : start_(std::move(start)),
        ground_{.scheduler = scheduler_,
                .random = random_,
                .strand = context_.get_executor(),
                .log = log_,
                .program_folder = start_.program_folder,
                .program_name = start_.name,
                .state_dir = config().agent.state_dir,
                .switch_socket = config().agent.switch_socket.value_or(""),
                .one_of_many = config().site.run_as == config::RunAs::by_certificate},
        rules_(scheduler_, std::move(start_.own)) {}

  /// Before all else.
  Result<void> open() {
    if (config().site.connector == config::Connector::local) (void)::mkdir(config().agent.state_dir.c_str(), 0700);
    auto site = config().site;
    if (site.run_as == config::RunAs::by_certificate)
      site.run_as = config::RunAs::self;  // to the scheduler it is all one account
    auto made = assembly::make_connector(site, ground_);
    if (!made) return std::unexpected(std::move(made.error()));
    connector_ = std::move(*made);
    auto book = book_of(config(), nullptr);
    if (!book) return std::unexpected(std::move(book.error()));
    say_what_is_in_force(config(), rules_.own(), log_);
    budget_.emplace(*connector_, site.id, context_.get_executor(), scheduler_, log_, std::move(*book));
    guard_.emplace(*budget_, accounts_,
                   GuardOptions{.site = site.id,
                                .own_account = own_account_of(config().site),
                                .own_people_only = config().site.run_as == config::RunAs::by_certificate,
                                .projects = site.projects,
                                .rules = &rules_});
    return {};
  }
  asio::awaitable<void> close() {
    hangups_.cancel();
    for (const auto& shut : ground_.closers) (void)co_await shut();
  }

  /// One connection, from its beginning to its end: why it ended.
  asio::awaitable<Error> serve(std::unique_ptr<protocol::Lines> lines, protocol::SessionOptions options) {
    Service service(*guard_, config().site.id, start_.name, rules_.own().rules != nullptr);
    protocol::Session session(context_.get_executor(), scheduler_, std::move(lines), service.handler(), options);
    service.attach(session);
    session_ = &session;
    auto why = co_await session.run();
    session_ = nullptr;
    co_return why;
  }
  void stop_serving(std::string why) {
    if (session_ != nullptr) session_->stop(fail(ErrorKind::unavailable, "CONNECTION_CLOSED", std::move(why)).error());
  }

  /// Runs `work` to its end, whatever else there is to do.
  void run(asio::awaitable<void> work) {
    if (start_.reloads) await_hangup();
    bool done = false;
    asio::co_spawn(context_, std::move(work), [&](const std::exception_ptr&) { done = true; });
    while (!done) context_.run_one();
  }

  const config::AgentConfig& config() const { return start_.config; }
  asio::io_context& context() { return context_; }
  async::RealScheduler& scheduler() { return scheduler_; }
  async::SystemRandom& random() { return random_; }
  StderrLog& log() { return log_; }

 private:
  void await_hangup() {
    hangups_.async_wait([this](const boost::system::error_code& failed, int) {
      if (failed) return;
      const bool judged = rules_.own().rules != nullptr;
      reload();
      // The broker tells what they ask about from its next greeting on, or no longer.
      if (const bool judges = rules_.own().rules != nullptr; judged != judges)
        stop_serving(judges ? "the site's own rules have come into force" : "the site has no rules of its own any more");
      await_hangup();
    });
  }

  /// Whether more than what a reload takes is another than at the start.
  [[nodiscard]] bool needs_a_restart(config::AgentConfig changed) const {
    const auto& now = config();
    changed.has_budget = now.has_budget;
    changed.site.budget = now.site.budget;
    changed.site.facts = now.site.facts;
    changed.rules = now.rules;
    changed.projects = now.projects;
    changed.people = now.people;
    if (changed.site.accounts_file == now.site.accounts_file && now.site.accounts_file)
      changed.site.accounts = now.site.accounts;  // read again by itself
    return changed != now;
  }

  /// The file's budget, rules and facts: all of it or nothing.
  void reload() {
    const auto stay = [&](const Error& error) {
      log_.write(ports::LogLevel::error, "the site's budget, rules and facts stay as they were",
                 {{"code", error.code}, {"error", config::describe_errors(error)}});
    };
    const auto changed = config::load_agent_config(start_.file);
    if (!changed) return stay(changed.error());
    auto own = own_regulations(*changed, assembly::shipped_packs(start_.program_folder));
    if (!own) return stay(own.error());
    auto book = book_of(*changed, budget_->book());
    if (!book) return stay(book.error());
    say_what_is_in_force(*changed, *own, log_);
    if (needs_a_restart(*changed))
      log_.write(ports::LogLevel::warning, "what else has changed in the file needs a restart", {{"file", start_.file.string()}});
    if (*book) (*book)->set_budget(assembly::budget_of(changed->site.budget));
    budget_->set_book(std::move(*book));
    rules_.replace(std::move(*own));
  }

  Start start_;
  StderrLog log_;
  asio::io_context context_{1};
  async::RealScheduler scheduler_;
  async::SystemRandom random_;
  assembly::Ground ground_;
  identity::AccountDirectory accounts_ = account_directory(config().site, log_);
  SiteRules rules_;
  std::unique_ptr<ports::SiteConnector> connector_;
  std::optional<BudgetGuard> budget_;
  std::optional<AccountGuard> guard_;
  protocol::Session* session_ = nullptr;  // while there is a connection
  asio::signal_set hangups_ = start_.reloads ? asio::signal_set(context_, SIGHUP) : asio::signal_set(context_);
};

std::string ended_by(int signal) { return "ended by signal " + std::to_string(signal); }

}  // namespace

int serve_stdio(Start start) {
  Site site(std::move(start));
  if (auto opened = site.open(); !opened) return complain(opened.error(), kExitUnavailable);
  auto lines = take_standard_streams(site.context().get_executor());
  if (!lines) return complain(lines.error(), kExitUnavailable);
  asio::signal_set stops(site.context(), SIGTERM, SIGINT);
  stops.async_wait([&](const boost::system::error_code& failed, int signal) {
    if (!failed) site.stop_serving(ended_by(signal));
    boost::system::error_code ignored;
    stops.clear(ignored);  // a second one ends at once
  });
  Error why{.message = "internal error"};
  auto life = [](Site* served, std::unique_ptr<protocol::Lines> over, Error* ended) -> asio::awaitable<void> {
    *ended = co_await served->serve(std::move(over), {});
    co_await served->close();
  };
  site.run(life(&site, std::move(*lines), &why));
  const bool as_asked = why.code == "CONNECTION_ENDED" || why.code == "CONNECTION_CLOSED";
  return as_asked ? kExitOk : complain(why, kExitProtocol);
}

namespace {

/// Of an agent that goes out: whether it shall end.
struct Going {
  explicit Going(const asio::any_io_executor& executor) : changed(executor), ended(executor) {}
  bool stopping = false;
  async::Event changed;
  bool gives_up = false;            // what the broker refuses it refuses for good
  std::function<void()> connected;  // told whenever it is
  std::optional<Error> refusal;
  async::Event ended;  // never set: who waits for it is cancelled
};

/// Of what is said before a connection. Two agents of one person: the other's may have been this one's own, which has broken.
bool is_for_good(const Error& why, bool was_connected) {
  switch (why.kind) {
    case ErrorKind::invalid_argument:
    case ErrorKind::unauthenticated:
    case ErrorKind::permission_denied:
    case ErrorKind::not_found: return true;
    case ErrorKind::conflict: return !was_connected;
    default: return false;
  }
}

asio::awaitable<void> dial(websocket::Dialler* dialler, async::Scheduler* scheduler,
                           Result<std::unique_ptr<protocol::Lines>>* lines) {
  const auto deadline = async::Deadline::in(*scheduler, kDialWithin);
  auto dialled = co_await async::with_deadline(*scheduler, deadline, dialler->open(deadline));
  const bool in_vain =
      !dialled && (dialled.error().kind == ErrorKind::deadline_exceeded || dialled.error().code == "CONNECTION_CLOSED");
  if (!in_vain) *lines = std::move(dialled);
}

asio::awaitable<void> until_stopped(Going* going) {
  while (!going->stopping && co_await going->changed.wait()) {}
}

asio::awaitable<void> keep_connected(Site* site, websocket::DialOptions options, Going* going) {
  const auto& agent = site->config().agent;
  auto& scheduler = site->scheduler();
  const auto broker = options.broker.authority();
  const auto proxy = options.proxy ? options.proxy->authority() : std::string("none");
  websocket::Dialler dialler(scheduler, std::move(options));
  protocol::Pauses pauses(site->random(), {.longest = agent.longest_pause});
  bool was_connected = false;
  const protocol::SessionOptions session{.ping_after = agent.ping_after, .dead_after = agent.dead_after};
  while (!going->stopping) {
    const auto began = scheduler.now_monotonic();
    Result<std::unique_ptr<protocol::Lines>> lines =
        fail(ErrorKind::unavailable, "BROKER_SILENT", "the broker at " + broker + " did not answer in time");
    co_await async::first_of(dial(&dialler, &scheduler, &lines), until_stopped(going));
    if (going->stopping) break;
    Error why;
    if (lines) {
      site->log().write(ports::LogLevel::info, "connected to the broker", {{"broker", broker}, {"proxy", proxy}});
      was_connected = true;
      if (going->connected) going->connected();
      why = co_await site->serve(std::move(*lines), session);
    } else {
      why = std::move(lines.error());
      if (going->gives_up && is_for_good(why, was_connected)) {
        going->refusal = std::move(why);
        break;
      }
    }
    if (going->stopping) break;
    const auto pause = pauses.next(scheduler.now_monotonic() - began);
    site->log().write(
        ports::LogLevel::warning, "no connection to the broker",
        {{"broker", broker}, {"code", why.code}, {"error", why.message}, {"next_try_in_ms", std::to_string(pause.count())}});
    (void)co_await going->changed.wait_until(scheduler, scheduler.now_monotonic() + pause);
  }
  co_await site->close();
}

}  // namespace

int serve_broker(Start start) {
  auto options = load_enrolment(start.config, start.name);
  if (!options) return complain(options.error(), kExitConfiguration);
  if (auto key = websocket::key_id_of_key_file(options->key_file); !key) return complain(key.error(), kExitConfiguration);
  Site site(std::move(start));
  if (auto opened = site.open(); !opened) return complain(opened.error(), kExitUnavailable);
  Going going(site.context().get_executor());
  asio::signal_set stops(site.context(), SIGTERM, SIGINT);
  stops.async_wait([&](const boost::system::error_code& failed, int signal) {
    if (failed) return;
    going.stopping = true;
    going.changed.set();
    site.stop_serving(ended_by(signal));
    boost::system::error_code ignored;
    stops.clear(ignored);  // a second one ends at once
  });
  site.run(keep_connected(&site, std::move(*options), &going));
  return kExitOk;
}

namespace {

/// Standard input, which is whoever has started this: a terminal's or a pipe's, but not a file's, whose end says nothing. It is
/// left as it is for others who have it: no read of it waits.
asio::awaitable<void> until_input_ends(async::Scheduler* scheduler) {
  struct stat facts{};
  const bool ends = ::fstat(STDIN_FILENO, &facts) == 0 && !S_ISREG(facts.st_mode);
  std::array<char, 4'096> bytes{};
  while (true) {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (ends && ::poll(&input, 1, 0) > 0) {
      const auto got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
      if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) co_return;
    }
    co_await scheduler->sleep_until(scheduler->now_monotonic() + Milliseconds{250});
  }
}

asio::awaitable<void> until_time(async::Scheduler* scheduler, UtcTime until) {
  while (scheduler->now_utc() < until)  // which may be set while this sleeps
    co_await scheduler->sleep_until(scheduler->now_monotonic() +
                                    std::min<Milliseconds>(until - scheduler->now_utc(), Milliseconds{60'000}));
}

}  // namespace

int serve_session(PersonSession session) {
  const auto& [person, until] = std::tie(session.person, session.until);
  const auto place = session.start.config.site.id.str();
  Site site(std::move(session.start));
  if (auto opened = site.open(); !opened) return complain(opened.error(), kExitUnavailable);
  Going going(site.context().get_executor());
  going.gives_up = true;
  going.connected = [&] {
    std::fprintf(stderr, "hansa-agent: serves %s at site %s until %s; Ctrl-C ends it\n", person.str().c_str(), place.c_str(),
                 format_utc(until).c_str());
  };
  const auto stop = [&](std::string why) {
    going.stopping = true;
    going.changed.set();
    site.stop_serving(std::move(why));
  };
  asio::signal_set stops(site.context(), SIGTERM, SIGINT, SIGHUP);
  stops.async_wait([&](const boost::system::error_code& failed, int signal) {
    if (!failed) stop(ended_by(signal));
    boost::system::error_code ignored;
    stops.clear(ignored);  // a second one ends at once
  });
  auto watch = [](Site* of, UtcTime end, Going* over, const decltype(stop)* tell) -> asio::awaitable<void> {
    co_await async::first_of(until_input_ends(&of->scheduler()), until_time(&of->scheduler(), end));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) co_return;
    (*tell)(of->scheduler().now_utc() < end ? "the login that started it has ended" : "its session is over");
    while (co_await over->ended.wait()) {}
  };
  site.run(async::first_of(keep_connected(&site, std::move(session.way), &going), watch(&site, until, &going, &stop)));
  return going.refusal ? complain(*going.refusal, kExitUnavailable) : kExitOk;
}

}  // namespace hansa::connectors::agent
