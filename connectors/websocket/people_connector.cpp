// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/people_connector.hpp"

#include "broker/async/with_deadline.hpp"
#include "broker/core/time_text.hpp"
#include "broker/domain/site_checks.hpp"
#include "connectors/websocket/agent_carrier.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace hansa::connectors::websocket {

using async::Deadline;
using async::Task;
using remote::Login;
using remote::PersonPool;

namespace {

constexpr std::size_t kMostPeople = 10'000;
constexpr Milliseconds kNeverIdle{std::chrono::hours{24 * 365}};  // who is connected stays so
constexpr int kPeopleAsked = 3;  // about the site, of those who are there, before it counts as silent

/// Of one connection each, whatever account a job was decided with: an agent has one.
Login by_person(Login login) { return {.person = std::move(login.person), .account = {}}; }

remote::LinkOptions link_options(const PeopleOptions& options) {
  remote::LinkOptions link;
  link.session.ping_after = options.ping_after;
  link.session.dead_after = options.dead_after;
  link.session.readers = options.readers;
  link.greet_within = std::min(link.greet_within, options.dead_after);
  return link;
}

}  // namespace

PeopleConnector::PeopleConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random,
                                 ports::Log& log, Berths& berths, PeopleOptions options)
    : AsPersons(scheduler, log, options.site, options.rates, options.owner_of),
      executor_(executor),
      scheduler_(scheduler),
      log_(log),
      berths_(berths),
      options_(std::move(options)),
      arrivals_(std::make_shared<Arrivals>(executor)),
      pool_(
          executor, scheduler, random, log,
          {.site = options_.site,
           .name = options_.name,
           .connections = kMostPeople,
           .open_every = Milliseconds{0},
           .idle = kNeverIdle,
           .greet_within = link_options(options_).greet_within,
           .session = link_options(options_).session},
          [this](Login login, Deadline deadline) { return good_until(std::move(login), deadline); },
          [this](const Login& login) {
            return std::make_unique<AgentCarrier>(executor_, berths_, BerthId{.site = options_.site, .person = login.person});
          }),
      tasks_(executor, kMostPeople, [&log, site = options_.site](std::string_view name, const Error& error) {
        log.write(ports::LogLevel::error, "a task of people's connections failed",
                  {{"site", site.str()}, {"task", std::string(name)}, {"error", error.message}});
      }) {
  berths_.watch_people(options_.site, [executor = std::move(executor), arrivals = arrivals_](const Principal& person) {
    boost::asio::post(executor, [arrivals, person] {
      arrivals->people.push_back(person);
      arrivals->some.set();
    });
  });
  (void)tasks_.spawn("greet all", greet_all());
}

PeopleConnector::~PeopleConnector() { berths_.watch_people(options_.site, {}); }

Task<> PeopleConnector::close() {
  berths_.watch_people(options_.site, {});
  auto greetings = co_await tasks_.close();
  auto pool = co_await pool_.close();
  co_return pool ? greetings : pool;
}

std::optional<domain::Reason> PeopleConnector::absent(const Principal& person) const {
  const auto& site = options_.site.str();
  if (options_.terms == PeopleTerms::forbidden) {
    return domain::Reason{
        "TERMS_FORBID", "the terms of use of site " + site + " do not allow agents of people's own, and nothing else serves it"};
  }
  if (options_.connected_until(person)) return std::nullopt;
  return domain::Reason{std::string(kNotConnected), person.str() + " is not connected to site " + site + ": run hansa connect " +
                                                        site + ", which logs in there"};
}

// ---- connections

Task<UtcTime> PeopleConnector::good_until(Login login, Deadline) {
  if (auto why = absent(login.person)) co_return fail(ErrorKind::unavailable, std::move(why->code), std::move(why->message));
  co_return options_.connected_until(login.person).value_or(UtcTime{});
}

Task<PersonPool::Hold> PeopleConnector::hold_of(Login login, Deadline deadline) {
  const auto person = login.person;
  auto hold = co_await pool_.hold(by_person(std::move(login)), deadline);
  if (hold || hold.error().code != "AGENT_ABSENT") co_return hold;
  // It went between the question and the answer.
  const auto why = absent(person).value_or(domain::Reason{std::string(kNotConnected), hold.error().message});
  co_return fail(ErrorKind::unavailable, why.code, why.message);
}

/// To come again is all they can do about a session that ends meanwhile, as if they were not there.
Task<> PeopleConnector::may_submit(Login login, Seconds, Deadline deadline) {
  const auto ends = co_await good_until(login, deadline);
  if (!ends) co_return std::unexpected(ends.error());
  if (*ends < scheduler_.now_utc() + deadline.remaining(scheduler_)) {
    co_return fail(ErrorKind::unavailable, kNotConnected,
                   "the session of " + login.person.str() + " at site " + options_.site.str() + " ends at " + format_utc(*ends) +
                       ", before a submission would be over: run hansa connect " + options_.site.str() + " again then");
  }
  co_return Result<void>{};
}

/// Who has come is greeted at once: until then their agent waits in vain.
Task<> PeopleConnector::greet_all() {
  while (true) {
    co_await arrivals_->some.wait();
    while (!arrivals_->people.empty()) {
      auto person = std::move(arrivals_->people.front());
      arrivals_->people.pop_front();
      if (auto begun = tasks_.spawn("greet", greet(person)); !begun) {
        log_.write(ports::LogLevel::warning, "too many people come at once",
                   {{"site", options_.site.str()}, {"person", person.str()}});
      }
    }
  }
}

Task<> PeopleConnector::greet(Principal person) {
  const Login login{.person = person, .account = {}};
  const BerthId berth{.site = options_.site, .person = person};
  const auto deadline = Deadline::in(scheduler_, options_.dead_after);
  Result<void> greeted;
  for (int tries = 0; tries < 3; ++tries) {
    const auto hold = co_await pool_.hold(login, deadline);
    greeted = hold ? Result<void>{} : std::unexpected(hold.error());
    if (!berths_.waits(berth)) break;
    pool_.renew(login);  // what answered was the connection before, of which nobody has noticed yet that it is over
  }
  if (!greeted) {
    log_.write(ports::LogLevel::warning, "a person's agent could not be greeted",
               {{"site", options_.site.str()},
                {"person", person.str()},
                {"code", greeted.error().code},
                {"error", greeted.error().message}});
    co_return Result<void>{};
  }
  if (std::ranges::find(turn_, person) == turn_.end()) turn_.push_front(person);
  name_again(person);
  if (tell_reachable_) tell_reachable_();
  if (tell_present_) tell_present_(person);
  co_return Result<void>{};
}

// ---- the site

std::optional<Principal> PeopleConnector::next_to_ask() {
  std::erase_if(turn_, [this](const Principal& person) { return absent(person).has_value(); });
  if (turn_.empty()) return std::nullopt;
  turn_.push_back(std::move(turn_.front()));
  turn_.pop_front();
  return turn_.back();
}

/// If one person's agent does not answer another's may: it is the site that is silent only if nobody's does.
template <class T>
Task<T> PeopleConnector::ask_somebody(std::function<Task<T>(remote::RemoteConnector&, Deadline)> what, Deadline deadline) {
  Error why = fail(ErrorKind::unavailable, kNobodyConnected,
                   "nobody is connected to site " + options_.site.str() + ", so that there is nobody to ask (hansa connect " +
                       options_.site.str() + ")")
                  .error();
  for (int left = kPeopleAsked; left > 0; --left) {
    const auto person = next_to_ask();
    if (!person) break;
    const bool last = left == 1 || turn_.size() == 1;
    const auto until = last ? deadline : Deadline::in(scheduler_, deadline.remaining(scheduler_) / 2);
    auto hold = co_await hold_of({.person = *person, .account = {}}, until);
    if (!hold) {
      if (hold.error().code != kNotConnected) why = std::move(hold.error());
    } else if (auto passed = co_await queries_.pass(until); !passed) {
      co_return std::unexpected(passed.error());
    } else {
      auto answer = co_await async::with_deadline<T>(scheduler_, until, what(hold->connector(), until));
      if (answer || answer.error().kind != ErrorKind::deadline_exceeded) hold->heard();
      if (answer) co_return answer;
      why = std::move(answer.error());
    }
    if (last) break;
  }
  co_return std::unexpected(std::move(why));
}

Task<domain::SiteSnapshot> PeopleConnector::snapshot(Deadline deadline) {
  auto snapshot = co_await ask_somebody<domain::SiteSnapshot>(
      [](remote::RemoteConnector& site, Deadline until) { return site.snapshot(until); }, deadline);
  if (!snapshot) co_return snapshot;
  // What is the site's, and nothing that is that agent's own: its quiet hours, its budget, its rules.
  co_return domain::SiteSnapshot{.taken_at = snapshot->taken_at,
                                 .cluster = std::move(snapshot->cluster),
                                 .scheduler = std::move(snapshot->scheduler),
                                 .queues = std::move(snapshot->queues),
                                 .nodes = std::move(snapshot->nodes),
                                 .running = std::move(snapshot->running),
                                 .waiting = std::move(snapshot->waiting),
                                 .reservations = std::move(snapshot->reservations),
                                 .sees_everyone = snapshot->sees_everyone,
                                 .arrays = snapshot->arrays};
}

domain::Finding PeopleConnector::terms_found() const {
  using enum domain::DoctorVerdict;
  const auto told = options_.terms_evidence.empty() ? std::string() : " (" + options_.terms_evidence + ")";
  domain::Finding found;
  switch (options_.terms) {
    case PeopleTerms::allowed:
      found = domain::finding("TERMS", ok, "the site's terms allow agents that people start by their own login" + told);
      break;
    case PeopleTerms::forbidden:
      found = domain::finding("TERMS", fault, "the site's terms do not allow agents that people start by their own login" + told,
                              "nobody is let in; agree on another way with the site, or take it out of hansad.toml");
      break;
    case PeopleTerms::not_stated:
      found = domain::finding(
          "TERMS", warning, "nobody has stated whether the site's terms of use allow agents that people start by their own login",
          "read them, or ask the site, and state it: remote.people.terms = \"allowed\" or \"forbidden\"");
      break;
  }
  found.source = "hansad.toml: site.remote.people.terms";
  found.at = scheduler_.now_utc();
  return found;
}

Task<domain::DoctorReport> PeopleConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  auto report = co_await ask_somebody<domain::DoctorReport>(
      [request](remote::RemoteConnector& site, Deadline until) { return site.doctor(request, until); }, deadline);
  if (!report && report.error().code != kNobodyConnected) co_return report;
  domain::DoctorReport told;
  if (report) {
    told = std::move(*report);
    // What we say ourselves is nobody else's to say.
    std::erase_if(told.findings, [](const auto& found) { return found.check == "TERMS" || found.check == "PEOPLE"; });
    for (auto& found : told.findings) {
      found.bars = found.lacks = false;
      found.offers.clear();
      found.queue = QueueName();
      found.people.clear();
    }
  } else {
    // The engine keeps what was found before beside it.
    told.findings.push_back(
        domain::finding("PEOPLE", domain::DoctorVerdict::not_checked, report.error().message, "ask again once somebody is"));
    told.findings.back().source = "hansad";
    told.findings.back().at = scheduler_.now_utc();
  }
  told.findings.insert(told.findings.begin(), terms_found());
  co_return told;
}

}  // namespace hansa::connectors::websocket
