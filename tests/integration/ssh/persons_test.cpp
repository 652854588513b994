// SPDX-License-Identifier: Apache-2.0
// Persons who log in as themselves: a real sshd, a real CA, OpenSSH's client; short-lived certificates and their bad days.
#include "broker/async/real_scheduler.hpp"
#include "connectors/remote/persons_connector.hpp"
#include "tests/testbed/ssh_server.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>

using namespace hansa;
using namespace hansa::connectors::remote;
using async::Task;
using testbed::run_program;
using testbed::SshServer;
using testbed::text_of;

namespace {

/// Behind the sshd: a person's end, whose one job is named as whoever logged in (ExposeAuthInfo).
constexpr const char* kTheirEnd = R"(#!/usr/bin/env python3
import json, os, subprocess, sys
shown = subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=open(os.environ["SSH_USER_AUTH"]).read().split(" ", 1)[1], capture_output=True, text=True).stdout
who = shown.split("Key ID: \"")[1].split("\"")[0]
def say(i, r): print(json.dumps({"jsonrpc": "2.0", "id": i, "result": r}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if "method" not in m: continue
    if m["method"] == "initialize": say(m["id"], {"version": 1, "name": who})
    elif m["method"] == "submit": say(m["id"], {"site_job_id": who})
    elif m["method"] == "ping": say(m["id"], {})
    elif os.path.exists(os.path.dirname(os.path.abspath(__file__)) + "/hang-" + who): pass
    else: say(m["id"], {"outcome": "stopped"})
)";

/// A CA: signs for whom it is told, as long as `validity` says; `refuse` and `junk` are what it does instead.
constexpr const char* kSign = R"sh(#!/bin/sh
cd FOLDER || exit 1
echo "$1" >>asked
if [ -e refuse ]; then echo "some banner" >&2; cat refuse >&2; exit 77; fi
if [ -e junk ]; then cat junk; exit 0; fi
mine=$(mktemp -d) && cat >"$mine/key.pub"
ssh-keygen -q -s ca -I "$1" -n "$(cat names 2>/dev/null || echo "$1")" -V "$(cat validity)" "$mine/key.pub" && cat "$mine/key-cert.pub"
rm -r "$mine"
)sh";

class Site {
 public:
  explicit Site(bool renewed = true, std::size_t connections = 3, Milliseconds open_every = Milliseconds{50}) {
    std::signal(SIGPIPE, SIG_IGN);
    std::ofstream(file("behind")) << kTheirEnd;
    std::ofstream(file("sign")) << std::regex_replace(kSign, std::regex("FOLDER"), folder_.path());
    for (const auto* script : {"behind", "sign"}) ::chmod(file(script).c_str(), 0755);
    run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file("ca")});
    write("validity", "+1h");
    write("revoked", "");
    std::string principals = "far\n";  // the broker's own, of this site
    for (int i = 0; i < 100; ++i) principals += "p" + std::to_string(i) + "\n";
    write("principals", principals);
    server.emplace(file("sshd"), "",
                   "TrustedUserCAKeys " + file("ca.pub") + "\nAuthorizedPrincipalsFile " + file("principals") + "\nRevokedKeys " +
                       file("revoked") + "\nExposeAuthInfo yes\nForceCommand " + file("behind") + "\n");
    std::filesystem::resize_file(server->file("authorized_keys"), 0);
    auto memory = MemoryFolder::open("/dev/shm", memory_name_);
    REQUIRE(memory);
    connector_.emplace(context_.get_executor(), scheduler, random_, log_, std::move(*memory),
                       PersonsOptions{.pool = {.site = SiteId("far"),
                                               .name = "test",
                                               .connections = connections,
                                               .open_every = open_every,
                                               .idle = Milliseconds{60'000},
                                               .silence = Milliseconds{500}},
                                      .ssh = {.host = "127.0.0.1",
                                              .user = {},
                                              .port = server->port(),
                                              .known_hosts = server->known_hosts(),
                                              .identity = {}},
                                      .rates = {.queries = 60, .submits = 60, .cancels = 60},
                                      .own_account = LocalAccount(server->account()),
                                      .certificates = {.command = {file("sign"), "{principal}"}, .principal = "{subject}"},
                                      .renewed = renewed});
  }
  ~Site() {
    (void)ask(connector_->close());
    connector_.reset();
    std::filesystem::remove_all(memory());
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(file(name)) << text; }
  void remove(const std::string& name) const { std::filesystem::remove(file(name)); }
  [[nodiscard]] std::string memory() const { return "/dev/shm/" + memory_name_; }
  PersonsConnector& connector() { return *connector_; }

  template <class T>
  using Answer = std::shared_ptr<std::optional<Result<T>>>;
  template <class T>
  Answer<T> start(Task<T> question) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    auto keep = [](Task<T> asked, Answer<T> out) -> boost::asio::awaitable<void> {
      out->emplace(co_await async::without_exceptions(std::move(asked)));
    };
    boost::asio::co_spawn(context_, keep(std::move(question), answer), [](const std::exception_ptr&) {});
    return answer;
  }
  void step() {
    context_.restart();
    context_.run_one();
  }
  template <class T>
  Result<T> ask(Task<T> question) {
    const auto answer = start(std::move(question));
    while (!*answer) step();
    return std::move(**answer);
  }
  void sleep(Milliseconds time) {
    (void)ask([](async::Scheduler* clock, Milliseconds pause) -> Task<> {
      co_await clock->sleep_until(clock->now_monotonic() + pause);
      co_return Result<void>{};
    }(&scheduler, time));
  }
  [[nodiscard]] async::Deadline soon() const { return async::Deadline::in(scheduler, Seconds{30}); }
  Task<domain::CancelOutcome> cancel(const std::string& person) {
    return connector_->cancel({.id = SiteJobId("1"),
                               .tag = Tag("hansa-1"),
                               .account = LocalAccount(server->account()),
                               .person = Principal("local:" + person)},
                              ports::CancelWhen::always, soon());
  }
  Task<ports::SubmitReceipt> submit(const std::string& person, Seconds limit = Seconds{60}) {
    ports::SubmitRequest request;
    request.job = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3");
    request.tag = domain::make_tag(request.job, 1);
    request.person = Principal("local:" + person);
    request.account = LocalAccount(server->account());
    request.spec.time_limit = limit;
    request.payload.script = "#!/bin/sh\n";
    return connector_->submit(request, soon());
  }
  /// Its submission fails, for certain without having left: why.
  Error refusal(const std::string& person, Seconds limit = Seconds{60}) {
    const auto receipt = ask(submit(person, limit));
    REQUIRE_FALSE(receipt.has_value());
    CHECK(receipt.error().kind == ErrorKind::unavailable);
    CHECK(ports::surely_not_sent(receipt.error()));
    return receipt.error();
  }
  [[nodiscard]] std::multiset<std::string> let_in() const {
    std::multiset<std::string> who;
    const auto log = text_of(server->file("log"));
    const std::regex line("Accepted publickey for .* ID (\\S+) \\(serial");
    for (auto at = std::sregex_iterator(log.begin(), log.end(), line); at != std::sregex_iterator(); ++at) who.insert((*at)[1]);
    return who;
  }
  /// Once whoever is logging in at the moment, such as the broker's own, is in.
  bool no_key_left() {
    for (int i = 0; i < 100 && !std::filesystem::is_empty(memory()); ++i) sleep(Milliseconds{100});
    return std::filesystem::is_empty(memory());
  }

 private:
  test::TemporaryFolder folder_;
  const std::string memory_name_ = std::filesystem::path(folder_.path()).filename();
  boost::asio::io_context context_{1};
  async::SystemRandom random_;
  test::SilentLog log_;

 public:
  async::RealScheduler scheduler;
  std::optional<SshServer> server;

 private:
  std::optional<PersonsConnector> connector_;
};

}  // namespace

TEST_CASE("each person comes in as themselves over one connection and no key is left behind", "[T07]") {
  Site site;
  for (int round = 0; round < 3; ++round) {
    for (const auto* person : {"p1", "p2"}) {
      const auto receipt = site.ask(site.submit(person));
      REQUIRE(receipt);
      CHECK(receipt->site_job_id.str() == person);  // who answered
    }
  }
  const auto who = site.let_in();
  CHECK(who.count("p1") == 1);
  CHECK(who.count("p2") == 1);
  CHECK(site.no_key_left());
}

TEST_CASE("over all persons no more connections are open or opened than was said") {
  constexpr int kPeople = 12, kRounds = 2;
  constexpr std::size_t kOpen = 3;
  constexpr Milliseconds kEvery{100};
  Site site(true, kOpen, kEvery);
  const auto began = site.scheduler.now_monotonic();
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Site::Answer<domain::CancelOutcome>> answers;
    for (int p = 0; p < kPeople; ++p) answers.push_back(site.start(site.cancel("p" + std::to_string(p))));
    const auto all = [&] { return std::ranges::all_of(answers, [](const auto& a) { return a->has_value(); }); };
    while (!all()) {
      site.step();
      CHECK(site.connector().people().open() <= kOpen);
    }
    for (const auto& answer : answers) CHECK(**answer == domain::CancelOutcome::stopped);
  }
  const auto took = site.scheduler.now_monotonic() - began;
  const auto opened = site.connector().people().opened();
  CHECK(opened <= kPeople * kRounds);
  CHECK(opened >= kPeople);
  CHECK((opened - 1) * kEvery <= took);
  auto who = site.let_in();
  who.erase("far");  // the broker's own
  CHECK(static_cast<std::int64_t>(who.size()) == opened);
  CHECK(site.no_key_left());
  WARN(kPeople << " people, " << kRounds << " calls each: " << opened << " connections, " << kOpen << " at a time at most, in "
               << took.count() << " ms");
}

TEST_CASE("a call that gets no place in time has not left for the site") {
  Site site(true, 1, Milliseconds{60'000});
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  const auto late = site.ask(site.connector().cancel({.id = SiteJobId("1"),
                                                      .tag = Tag("hansa-1"),
                                                      .account = LocalAccount(site.server->account()),
                                                      .person = Principal("local:p2")},
                                                     ports::CancelWhen::always, async::Deadline::in(site.scheduler, Seconds{2})));
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == "SITE_BUDGET");
  CHECK(ports::surely_not_sent(late.error()));
}

TEST_CASE("a certificate that will have ended before the job is over holds it where a person must log in for the next") {
  Site site(false);
  CHECK(site.ask(site.submit("p1", Seconds{600})));
  const auto error = site.refusal("p1", Seconds{3600});
  CHECK(error.code == "CREDENTIAL_ENDS_TOO_EARLY");
  CHECK_THAT(error.message,
             Catch::Contains("local:p1 ends at 20") && Catch::Contains("needed until 20") && Catch::Contains("logging in again"));
  CHECK(site.let_in().count("p1") == 1);  // what runs is still looked after
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  // The CA is not asked for the same at every look.
  CHECK(site.refusal("p1", Seconds{3600}).code == "CREDENTIAL_ENDS_TOO_EARLY");
  const auto asked = text_of(site.file("asked"));
  CHECK(std::ranges::count(asked, '\n') <= 3);
}

TEST_CASE("what a CA's command says instead of a certificate is told to people") {
  Site site;
  const auto [what, content, code, part] = GENERATE(table<std::string, std::string, std::string, std::string>({
      {"refuse", "log in at https://login.example/\n", "CREDENTIAL_MISSING", "status 77: \"log in at https://login.example/\""},
      {"junk", "", "CREDENTIAL_BAD", "no OpenSSH certificate"},
      {"junk", "<html>500</html>\n", "CREDENTIAL_BAD", "no OpenSSH certificate"},
      {"names", "p2", "CREDENTIAL_BAD", "\"p2\", not for the principal \"p1\""},
      {"names", "root,p2", "CREDENTIAL_BAD", "not for the principal \"p1\""},
      {"validity", "20200101:20200102", "CREDENTIAL_BAD", "ended at 2020"},
      {"validity", "+1d:+2d", "CREDENTIAL_BAD", "begins only at"},
      {"principals", "far\np2\n", "CREDENTIAL_REFUSED", "TrustedUserCAKeys"},
  }));
  CAPTURE(what, content);
  site.write(what, content);
  const auto error = site.refusal("p1");
  CAPTURE(error.message);
  CHECK(error.code == code);
  CHECK_THAT(error.message, Catch::Contains(part));
  CHECK(site.no_key_left());
}

TEST_CASE("names are no options and one name is one principal", "[T09]") {
  Site site;
  const auto* person = GENERATE("-oProxyCommand=id", "p1,root", "-s", "p1,p2");
  CAPTURE(person);
  CHECK(site.refusal(person).code == "CREDENTIAL_BAD");
  CHECK_FALSE(text_of(site.file("asked")).contains(person));
}

TEST_CASE("a certificate that is revoked on the way opens no more doors and what is to be done is told") {
  Site site(true, 1);
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  site.write("revoked", text_of(site.file("ca.pub")));
  const auto error = site.refusal("p2");
  CHECK(error.code == "CREDENTIAL_REFUSED");
  CHECK_THAT(error.message, Catch::Contains("revoked"));
  site.write("revoked", "");
  bool in = false;  // in a moment: its command is not asked again and again
  for (int i = 0; i < 60 && !in; ++i) {
    site.sleep(Milliseconds{500});
    in = site.ask(site.cancel("p2")) == domain::CancelOutcome::stopped;
  }
  CHECK(in);
}

TEST_CASE("a connection ends with its certificate and the next one has the next") {
  Site site;
  site.write("validity", "+5s");
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  site.sleep(Milliseconds{5'500});
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  CHECK(site.let_in().count("p1") == 2);
  // The person has to log in again, and has not.
  site.write("refuse", "log in at https://login.example/\n");
  site.sleep(Milliseconds{5'500});
  const auto error = site.ask(site.cancel("p1"));
  REQUIRE_FALSE(error.has_value());
  CHECK(error.error().code == "CREDENTIAL_MISSING");
  CHECK_THAT(error.error().message, Catch::Contains("log in at"));
}

TEST_CASE("who keeps us waiting again and again is left alone and nobody else is") {
  Site site;
  site.write("hang-p1", "");
  const auto soon = [&] { return async::Deadline::in(site.scheduler, Milliseconds{3'000}); };
  const auto ask = [&](const char* person) {
    return site.ask(site.connector().cancel({.id = SiteJobId("1"),
                                             .tag = Tag("hansa-1"),
                                             .account = LocalAccount(site.server->account()),
                                             .person = Principal(std::string("local:") + person)},
                                            ports::CancelWhen::always, soon()));
  };
  CHECK(ask("p2") == domain::CancelOutcome::stopped);
  auto refused = ask("p1");
  for (int i = 0; i < 5 && !refused && refused.error().code != "LOGIN_SILENT"; ++i) refused = ask("p1");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == "LOGIN_SILENT");
  CHECK(ports::surely_not_sent(refused.error()));
  CHECK(ask("p2") == domain::CancelOutcome::stopped);
}

TEST_CASE("a host key that has changed stops a person's login as it stops the broker's own", "[T23]") {
  Site site;
  site.server->stop();
  std::filesystem::copy_file(site.server->file("other_key"), site.server->file("host_key"),
                             std::filesystem::copy_options::overwrite_existing);
  site.server->start();
  CHECK(site.refusal("p1").code == "SSH_HOST_KEY");
}

TEST_CASE("a connection that broke is made anew for whoever needs it next") {
  Site site;
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  site.server->stop();
  run_program({"/usr/bin/pkill", "-P", std::to_string(::getpid()), "-x", "ssh"});
  site.server->start();
  site.sleep(Milliseconds{300});
  CHECK(site.ask(site.cancel("p1")) == domain::CancelOutcome::stopped);
  CHECK(site.let_in().count("p1") == 2);
}
