// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/tokens.hpp"

#include "broker/async/child.hpp"
#include "broker/core/descriptor.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/transport/transport.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace hansa::connectors::slurmrest {

using ports::Deadline;
using ports::Task;

namespace {

constexpr Milliseconds kCommandTime{30'000};
constexpr Milliseconds kFileTime{10'000};
// A file may be replaced at any time, and its token be good for a year.
constexpr Seconds kKept{60};
// Before its end; a fourth of its time if that is less.
constexpr Seconds kMargin{60};

std::string for_account(std::string text, const std::string& account) {
  constexpr std::string_view kAccount = "{account}";
  for (auto at = text.find(kAccount); at != std::string::npos; at = text.find(kAccount, at + account.size()))
    text.replace(at, kAccount.size(), account);
  return text;
}

std::unexpected<Error> unavailable(std::string_view code, std::string message, std::string detail = {}) {
  return fail(ErrorKind::unavailable, code, std::move(message), std::move(detail));
}

Result<std::string> read_file(const std::string& path) {
  const auto missing = [&](int number) {
    return unavailable("TOKEN_MISSING", "the token file " + path + " cannot be read: " + std::generic_category().message(number));
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return missing(errno);
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0) return missing(errno);
  if (!S_ISREG(facts.st_mode)) return unavailable("TOKEN_MISSING", "the token file " + path + " is no file");
  if ((facts.st_mode & S_IROTH) != 0) {
    return unavailable("TOKEN_ODD", "the token file " + path + " is readable for everybody on this machine: chmod o= " + path +
                                        ", and have a new token made");
  }
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto size = ::read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return missing(errno);
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > kMaxTokenBytes) return text;  // refused for its length
  }
}

}  // namespace

Task<std::string> Tokens::run_command(std::string account, Deadline deadline) {
  async::ChildSpec child;
  for (const auto& word : source_.command) child.argv.push_back(for_account(word, account));
  child.environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  child.output_limit = 2 * kMaxTokenBytes;
  const auto until = deadline.shortened_to(scheduler_, kCommandTime);
  child.self_limit = std::chrono::ceil<Seconds>(until.remaining(scheduler_)) + Seconds{1};
  const auto program = child.argv.front();
  const auto result = co_await async::run_child(scheduler_, until, std::move(child));
  const auto failed = [&](const std::string& why) {
    return unavailable("TOKEN_COMMAND", "slurmrest.token_command gave no token for \"" + account + "\": " + program + ' ' + why);
  };
  if (!result) co_return failed("did not start: " + result.error().message);
  if (result->cancelled) co_return std::unexpected(async::detail::cancelled());
  if (!batch::came_to_an_end(*result)) co_return failed("did not end in time");
  if (!result->succeeded()) {
    const auto words = batch::words_of(result->err);
    co_return failed("ended with exit code " + std::to_string(*result->exit_status) + (words.empty() ? "" : ": " + words));
  }
  co_return result->out;
}

Task<Token> Tokens::fetch(std::string account, Deadline deadline) {
  const auto path = for_account(source_.file, account);
  const auto where =
      source_.command.empty() ? "the token file " + path : "what slurmrest.token_command prints for \"" + account + '"';
  Result<std::string> text;
  if (source_.command.empty()) {
    std::function<Result<std::string>()> read = [path] { return read_file(path); };
    text = co_await files_.run<std::string>(scheduler_, deadline.shortened_to(scheduler_, kFileTime), std::move(read));
    if (!text && text.error().code.starts_with("LOOKUP"))
      co_return unavailable("TOKEN_HANGS", where + ": " + text.error().message);
  } else {
    text = co_await run_command(account, deadline);
  }
  if (!text) co_return std::unexpected(text.error());
  auto token = read_token(*text, where);
  if (!token) co_return unavailable(token.error().code, token.error().message);
  if (!token->user.empty() && token->user != account) {
    co_return unavailable("TOKEN_OF_ANOTHER", where + " holds a token of another account, not of \"" + account + '"');
  }
  if (token->ends && *token->ends <= scheduler_.now_utc()) {
    co_return unavailable(
        "TOKEN_ENDED", where + " holds a token that ended at " + format_utc(*token->ends) + ": have it renewed before it ends");
  }
  co_return std::move(*token);
}

Task<Secret> Tokens::of(std::string account, Deadline deadline) {
  const auto now = scheduler_.now_utc();
  if (const auto known = known_.find(account); known != known_.end() && now < known->second.read_again_at)
    co_return known->second.token.text;
  if (deadline.passed(scheduler_)) co_return std::unexpected(transport::deadline_passed());
  auto token = co_await fetch(account, deadline);
  if (!token) {
    forget(account);
    co_return std::unexpected(token.error());
  }
  auto again = now + kKept;
  if (token->ends) {
    const auto left = *token->ends - now;
    again = *token->ends - std::min<Milliseconds>(kMargin, left / 4);
    if (source_.command.empty()) again = std::min<UtcTime>(again, now + kKept);
  }
  auto text = token->text;
  known_.insert_or_assign(account, Known{.token = std::move(*token), .read_again_at = again});
  co_return text;
}

}  // namespace hansa::connectors::slurmrest
