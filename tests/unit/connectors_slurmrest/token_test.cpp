// SPDX-License-Identifier: Apache-2.0
#include "broker/async/real_scheduler.hpp"
#include "connectors/slurmrest/tokens.hpp"
#include "tests/unit/connectors_batch/played.hpp"
#include "tests/unit/connectors_slurmrest/jwt.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace hansa::connectors::slurmrest {

using batch::test::ask;
using test::jwt;

namespace {

std::string code_of(const std::string& text) {
  const auto token = read_token(text, "the file x");
  return token ? "token" : token.error().code;
}

/// A clock that is moved by hand.
class HandClock final : public async::Scheduler {
 public:
  [[nodiscard]] UtcTime now_utc() const override { return from_unix_seconds(1'800'000'000) + now; }
  [[nodiscard]] MonotonicTime now_monotonic() const override { return MonotonicTime{now}; }
  boost::asio::awaitable<void> sleep_until(MonotonicTime t) override {
    co_await real.sleep_until(real.now_monotonic() + (t - now_monotonic()));
  }
  Milliseconds now{0};
  async::RealScheduler real;
};

struct TokenBench {
  TokenBench() { std::filesystem::permissions(folder, std::filesystem::perms::owner_all); }
  TokenBench(const TokenBench&) = delete;
  TokenBench& operator=(const TokenBench&) = delete;
  ~TokenBench() { std::filesystem::remove_all(folder); }

  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const auto path = (folder / name).string();
    std::ofstream(path, std::ios::trunc) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    return path;
  }
  std::string of(Tokens& tokens, const std::string& account = "alice") const {
    const auto token = ask(tokens.of(account, async::Deadline::in(clock, Seconds{60})));
    return token ? std::string(token->reveal()) : token.error().code;
  }
  static std::int64_t at(std::int64_t seconds) { return 1'800'000'000 + seconds; }

  std::filesystem::path folder = [] {
    std::string name = std::filesystem::temp_directory_path() / "hansa-token-XXXXXX";
    return std::filesystem::path(mkdtemp(name.data()));
  }();
  HandClock clock;
};

}  // namespace

TEST_CASE("a token: whose it is and when it ends") {
  const auto token = read_token(" SLURM_JWT=" + jwt("alice", 1'800'000'000) + "\n", "x");
  REQUIRE(token.has_value());
  CHECK(token->user == "alice");
  CHECK(token->ends == from_unix_seconds(1'800'000'000));
  CHECK(token->text.reveal() == jwt("alice", 1'800'000'000));
  CHECK(read_token(jwt("", 0), "x")->user.empty());
  CHECK_FALSE(read_token(jwt("", 0), "x")->ends.has_value());
}

TEST_CASE("a token: a key or anything else is refused, and not repeated") {
  for (const std::string& odd :
       {std::string(), std::string("\n"), std::string("0123456789abcdef0123456789abcdef"),
        std::string("\x01\xff binary key \x00 of 32 bytes", 24), std::string("-----BEGIN PRIVATE KEY-----\nMIIE.vQ.IBADAN\n"),
        std::string("a.b.c"), jwt("alice", 1) + "." + "x", "x" + jwt("alice", 1).substr(1), std::string(100'000, 'a'),
        jwt("alice", 1).substr(0, jwt("alice", 1).rfind('.')), jwt("alice", 1) + " " + jwt("bob", 1)}) {
    INFO(odd.substr(0, 60));
    CHECK(code_of(odd) == "TOKEN_ODD");
    const auto refused = read_token(odd, "the file x");
    CHECK(refused.error().message.starts_with("the file x"));
    if (odd.size() > 2) CHECK_FALSE(refused.error().message.contains(odd.substr(0, 12)));
  }
  CHECK(read_token("0123456789abcdef0123456789abcdef", "x").error().message.contains("never the key"));
  CHECK(code_of(test::jwt_of(R"({"alg":"HS256"})", R"({"exp":"soon"})")) == "TOKEN_ODD");
  CHECK(code_of(test::jwt_of(R"({"alg":"HS256"})", R"({"exp":0})")) == "TOKEN_ODD");
  CHECK(code_of(test::jwt_of(R"({"alg":"HS256"})", R"({"sun":7})")) == "TOKEN_ODD");
  CHECK(code_of(test::jwt_of("[]", "{}")) == "TOKEN_ODD");
  CHECK(code_of(test::jwt_of("{}", "{}")) == "TOKEN_ODD");
}

TEST_CASE("tokens from a file: kept, read anew in time, its faults told") {
  TokenBench bench;
  const auto path = bench.write("alice.jwt", jwt("alice", TokenBench::at(1000)));
  Tokens tokens({.file = (bench.folder / "{account}.jwt").string()}, bench.clock);
  CHECK(bench.of(tokens) == jwt("alice", TokenBench::at(1000)));
  bench.write("alice.jwt", jwt("alice", TokenBench::at(2000)));
  CHECK(bench.of(tokens) == jwt("alice", TokenBench::at(1000)));  // kept for a moment
  bench.clock.now = Seconds{61};
  CHECK(bench.of(tokens) == jwt("alice", TokenBench::at(2000)));
  bench.write("alice.jwt", jwt("alice", TokenBench::at(3000)));
  tokens.forget("alice");  // it was not accepted
  CHECK(bench.of(tokens) == jwt("alice", TokenBench::at(3000)));
  CHECK(bench.of(tokens, "bob") == "TOKEN_MISSING");
  bench.write("bob.jwt", jwt("alice", TokenBench::at(3000)));
  CHECK(bench.of(tokens, "bob") == "TOKEN_OF_ANOTHER");
  bench.write("bob.jwt", jwt("bob", TokenBench::at(61)));
  CHECK(bench.of(tokens, "bob") == "TOKEN_ENDED");
  bench.write("bob.jwt", jwt("bob", TokenBench::at(64)));
  CHECK(bench.of(tokens, "bob") == jwt("bob", TokenBench::at(64)));
  bench.clock.now = Seconds{64};
  CHECK(bench.of(tokens, "bob") == "TOKEN_ENDED");  // not used past its end
  bench.write("bob.jwt", jwt("bob", TokenBench::at(164)));
  CHECK(bench.of(tokens, "bob") == jwt("bob", TokenBench::at(164)));  // and recovers by itself
  bench.write("carol.jwt", jwt("carol", TokenBench::at(999)), 0644);
  CHECK(bench.of(tokens, "carol") == "TOKEN_ODD");  // everybody on the machine can read it
  std::filesystem::create_directory(bench.folder / "dave.jwt");
  CHECK(bench.of(tokens, "dave") == "TOKEN_MISSING");
  const auto error = ask(tokens.of("bob2", async::Deadline::in(bench.clock, Seconds{60}))).error();
  CHECK(error.kind == ErrorKind::unavailable);
  CHECK(error.message.contains("bob2.jwt"));
}

TEST_CASE("tokens from a command: an argument vector, run again before the end") {
  TokenBench bench;
  async::RealScheduler real;
  const auto now = std::chrono::floor<Seconds>(real.now_utc().time_since_epoch()).count();
  const auto script = bench.write("make token; touch x", "#!/bin/sh\nprintf '%s' \"$2\" >\"$1/asked\"\ncat \"$1/token\"\n", 0700);
  bench.write("token", "SLURM_JWT=" + jwt("alice", now + 3600) + "\n");
  Tokens tokens({.file = {}, .command = {script, bench.folder, "user={account};$(touch x)"}}, real);
  const auto get = [&](const std::string& account) {
    const auto token = ask(tokens.of(account, async::Deadline::in(real, Seconds{30})));
    return token ? std::string(token->reveal()) : token.error().code;
  };
  CHECK(get("alice") == jwt("alice", now + 3600));
  std::ifstream asked(bench.folder / "asked");
  std::string argument((std::istreambuf_iterator<char>(asked)), {});
  CHECK(argument == "user=alice;$(touch x)");
  bench.write("token", jwt("alice", now + 7200));
  CHECK(get("alice") == jwt("alice", now + 3600));  // kept
  CHECK(get("bob") == "TOKEN_OF_ANOTHER");
  Tokens failing({.file = {}, .command = {"/bin/false", "{account}"}}, real);
  const auto failed = ask(failing.of("alice", async::Deadline::in(real, Seconds{30})));
  CHECK(failed.error().code == "TOKEN_COMMAND");
  CHECK(failed.error().kind == ErrorKind::unavailable);
  Tokens missing({.file = {}, .command = {"/no/such/program"}}, real);
  CHECK(ask(missing.of("alice", async::Deadline::in(real, Seconds{30}))).error().code == "TOKEN_COMMAND");
  CHECK(ask(missing.of("alice", async::Deadline::in(real, Milliseconds{0}))).error().kind == ErrorKind::deadline_exceeded);
}

}  // namespace hansa::connectors::slurmrest
