// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/credentials.hpp"

#include "broker/async/child.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/protocol/lines.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace hansa::connectors::remote {

using async::Deadline;
using async::Task;

namespace {

constexpr Milliseconds kCommandTime{30'000};
constexpr Milliseconds kAskedAgainAfter{10'000};
constexpr Milliseconds kMargin{30'000};  // before its end; a fourth of its time if that is less
constexpr const char* kKeygen = "/usr/bin/ssh-keygen";

std::unexpected<Error> unavailable(std::string_view code, std::string message) {
  auto error = fail(ErrorKind::unavailable, code, std::move(message));
  error.error().retryable = true;
  return error;
}

std::unexpected<Error> too_early(const Login& login, const Credential& credential, UtcTime until) {
  return unavailable("CREDENTIAL_ENDS_TOO_EARLY", "the SSH certificate of " + login.person.str() + " ends at " +
                                                      format_utc(credential.certificate.ends) + ", and is needed until " +
                                                      format_utc(until) +
                                                      ": have one issued that lasts longer, by logging in again "
                                                      "where it comes from; the job goes on by itself then");
}

std::string last_line(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text.empty() ? text : ": " + protocol::excerpt(text.substr(text.rfind('\n') + 1), 300);
}

}  // namespace

/// Once through: what stands in a person's name is a name.
std::string Credentials::filled_in(std::string text, const Login& login) const {
  const auto& person = login.person.str();
  const std::array<std::pair<std::string_view, std::string>, 4> places{{{"{account}", login.account.str()},
                                                                        {"{person}", person},
                                                                        {"{subject}", person.substr(person.find(':') + 1)},
                                                                        {"{principal}", {}}}};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto place =
        std::ranges::find_if(places, [&](const auto& p) { return text.compare(at, p.first.size(), p.first) == 0; });
    if (place == places.end()) {
      out += text[at++];
      continue;
    }
    out += place->first == "{principal}" ? filled_in(source_.principal, login) : place->second;
    at += place->first.size();
  }
  return out;
}

/// Names are data: none is an option of the command's or of ssh's, and none names several principals (ssh-keygen -n a,b).
Result<void> Credentials::check_login(const Login& login) const {
  const auto principal = filled_in(source_.principal, login);
  const auto plain = [](std::string_view text) {
    return !text.empty() && text.front() != '-' &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != ','; });
  };
  const bool no_option = std::ranges::none_of(
      source_.command, [&](const auto& word) { return !word.starts_with('-') && filled_in(word, login).starts_with('-'); });
  if (plain(login.account.str()) && plain(principal) && no_option) return {};
  return unavailable("CREDENTIAL_BAD", "no SSH certificate is asked for in the name of " + protocol::excerpt(login.person.str()) +
                                           " as " + protocol::excerpt(login.account.str()) +
                                           ": a name there begins with \"-\", or is not plain");
}

void Credentials::forget(const Login& login) {
  const auto known = known_.find(login);
  if (known == known_.end() || !known->second.credential) return;
  known->second.credential.reset();
  known->second.failure = unavailable("CREDENTIAL_REFUSED", "the site has not let the SSH certificate of " + login.person.str() +
                                                                " in; another is asked for in a moment")
                              .error();
}

Task<std::shared_ptr<const Credential>> Credentials::of(Login login, UtcTime until, Deadline deadline) {
  if (auto plain = check_login(login); !plain) co_return std::unexpected(plain.error());
  auto& known = known_[login];
  while (true) {
    const auto now = scheduler_.now_utc();
    until = std::max(until, now);
    const bool lasts = known.credential && known.credential->certificate.ends >= until;
    const bool may_ask = scheduler_.now_monotonic() >= known.ask_again_at;
    if (lasts && (now < known.renew_at || !may_ask)) co_return known.credential;
    if (!known.asking && may_ask) break;
    if (!known.asking) co_return known.failure ? std::unexpected(*known.failure) : too_early(login, *known.credential, until);
    const auto told = std::make_shared<async::Event>(executor_);
    known.waiters.push_back(told);
    if (co_await told->wait_until(scheduler_, deadline.at)) continue;
    std::erase(known.waiters, told);
    co_return unavailable("CREDENTIAL_MISSING", "no SSH certificate of " + login.person.str() + " came in time");
  }
  struct Asking {
    explicit Asking(Known& k) : known(k) { known.asking = true; }
    ~Asking() {
      known.asking = false;
      for (const auto& waiter : std::exchange(known.waiters, {})) waiter->set();
    }
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    Known& known;
  } asking(known);
  auto fetched = co_await fetch(login, deadline);
  const auto now = scheduler_.now_utc();
  auto pause = kAskedAgainAfter;
  if (fetched) {
    known.failure.reset();
    known.credential = std::move(*fetched);
    const auto left = known.credential->certificate.ends - now;
    known.renew_at = known.credential->certificate.ends - std::min<Milliseconds>(kMargin, left / 4);
    pause = std::min<Milliseconds>(pause, left / 2);
  } else {
    known.failure = fetched.error();
  }
  known.ask_again_at = scheduler_.now_monotonic() + pause;
  if (!known.credential || known.credential->certificate.ends <= now) co_return std::unexpected(*known.failure);
  if (known.credential->certificate.ends < until) co_return too_early(login, *known.credential, until);
  co_return known.credential;
}

Task<std::shared_ptr<const Credential>> Credentials::fetch(Login login, Deadline deadline) {
  const auto files = folder_.new_pair();
  if (auto made = co_await make_pair(files->key(), deadline); !made) co_return std::unexpected(made.error());
  auto public_key = read_memory_file(files->key() + ".pub");
  auto private_key = read_memory_file(files->key());
  if (!public_key || !private_key) co_return std::unexpected((public_key ? private_key : public_key).error());
  const auto where = "what certificate_command printed for \"" + login.account.str() + '"';
  const auto key = read_public_key(*public_key, "what ssh-keygen made");
  auto printed = co_await run_command(login, std::move(*public_key), deadline);
  if (!printed) co_return std::unexpected(printed.error());
  auto certificate = read_certificate(*printed, where);
  const auto good = !key ? Result<void>(std::unexpected(key.error()))
                    : !certificate
                        ? Result<void>(std::unexpected(certificate.error()))
                        : check_certificate(*certificate, *key, filled_in(source_.principal, login), scheduler_.now_utc(), where);
  if (!good) co_return unavailable(good.error().code, good.error().message);
  co_return std::make_shared<const Credential>(
      Credential{.private_key = Secret(std::move(*private_key)), .certificate = std::move(*certificate)});
}

Task<> Credentials::make_pair(std::string path, Deadline deadline) {
  async::ChildSpec child{.argv = {kKeygen, "-q", "-t", "ed25519", "-N", "", "-C", "hansa", "-f", std::move(path)},
                         .environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}, {"HOME", "/"}},
                         .working_directory = "/"};
  const auto until = deadline.shortened_to(scheduler_, kCommandTime);
  const auto result = co_await async::run_child(scheduler_, until, std::move(child));
  if (result && result->succeeded()) co_return Result<void>{};
  co_return unavailable("CREDENTIAL_MISSING", std::string(kKeygen) + " made no pair of keys" +
                                                  (result ? last_line(result->err) : ": " + result.error().message));
}

Task<std::string> Credentials::run_command(Login login, std::string public_key, Deadline deadline) {
  async::ChildSpec child;
  for (const auto& word : source_.command) child.argv.push_back(filled_in(word, login));
  child.environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"HOME", "/"}};
  child.input = std::move(public_key);
  child.output_limit = 2 * kMaxCertificateBytes;
  const auto until = deadline.shortened_to(scheduler_, kCommandTime);
  child.self_limit = std::chrono::ceil<Seconds>(until.remaining(scheduler_)) + Seconds{1};
  const auto program = child.argv.front();
  const auto result = co_await async::run_child(scheduler_, until, std::move(child));
  const auto missing = [&](const std::string& why) {
    return unavailable("CREDENTIAL_MISSING",
                       "certificate_command gave no SSH certificate for \"" + login.account.str() + "\": " + program + " " + why);
  };
  if (!result) co_return missing("did not start: " + result.error().message);
  if (result->cancelled) co_return std::unexpected(async::detail::cancelled());
  if (result->timed_out || !result->exit_status) co_return missing("did not end in time");
  if (!result->succeeded())
    co_return missing("ended with status " + std::to_string(*result->exit_status) + last_line(result->err));
  co_return result->out;
}

}  // namespace hansa::connectors::remote
