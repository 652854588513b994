// SPDX-License-Identifier: Apache-2.0
// An agent's way out: who the broker is, who the agent is, and lines both ways.
#include "tests/unit/connectors_websocket/harbour.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>

namespace hansa::connectors::websocket::test {

TEST_CASE("an agent is let in by its key, and lines go both ways, the longest as well") {
  Harbour harbour;
  auto agent = harbour.dial();
  REQUIRE(agent);
  const auto broker = harbour.take();
  REQUIRE(broker);
  {
    const std::scoped_lock lock(harbour.door.mutex);
    REQUIRE_FALSE(harbour.door.knocks.empty());  // it is asked again once the agent is in
    const auto& knock = harbour.door.knocks.front();
    CHECK(knock.site == SiteId("alpha"));
    CHECK(knock.key == harbour.door.known);
    CHECK(knock.name == "hansa-agent test");
    CHECK(knock.peer.starts_with("127.0.0.1:"));
    CHECK(knock.authorization.empty());
  }
  for (const auto size : {std::size_t{1}, std::size_t{100'000}, protocol::kMaxLineBytes}) {
    const std::string line(size, 'x');
    auto exchange = [](protocol::Lines* from, protocol::Lines* to, std::string text) -> async::Task<std::string> {
      auto write = [](protocol::Lines* of, std::string words) -> boost::asio::awaitable<void> {
        (void)co_await of->write(std::move(words));  // it may end after the reading of it
      };
      const auto executor = co_await boost::asio::this_coro::executor;
      boost::asio::co_spawn(executor, write(from, std::move(text)), [](const std::exception_ptr&) {});
      co_return co_await to->read();
    };
    const auto there = harbour.run(exchange(agent->get(), broker.get(), line));
    REQUIRE(there);
    CHECK(*there == line);
    const auto back = harbour.run(exchange(broker.get(), agent->get(), line));
    REQUIRE(back);
    CHECK(*back == line);
  }
  CHECK(harbour.end(**agent).code == "DONE");
  CHECK(harbour.run(broker->read()).error().kind == ErrorKind::unavailable);
  CHECK(harbour.end(*broker).code == "DONE");
  CHECK(harbour.noted("-DONE"));
}

TEST_CASE("a line that is too long ends the connection, and says so") {
  Harbour harbour;
  auto agent = harbour.dial();
  REQUIRE(agent);
  const auto broker = harbour.take();
  auto write = [](protocol::Lines* lines) -> async::Task<> {
    co_return co_await lines->write(std::string(protocol::kMaxLineBytes + 1, 'x'));
  };
  boost::asio::co_spawn(harbour.context, write(agent->get()), [](const std::exception_ptr&, const Result<void>&) {});
  CHECK(harbour.run(broker->read()).error().code == "LINE_TOO_LONG");
  harbour.end(*broker);
  CHECK_FALSE(harbour.run((*agent)->read()));
  // Of the line with which it broke nothing is certain; no later one left.
  (void)harbour.run((*agent)->write("y"));
  const auto later = harbour.run((*agent)->write("z"));
  REQUIRE_FALSE(later);
  CHECK(later.error().code == "CONNECTION_CUT");
  harbour.end(**agent);
}

TEST_CASE("the broker is who has the pinned key, whatever its certificate says", "[T23]") {
  Harbour harbour;
  auto options = harbour.dial_options();
  CHECK(harbour.code_of(options) == "OK");
  options.pin = "sha256:" + std::string(64, '0');
  const auto refused = harbour.dial(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "BROKER_KEY");
  CHECK(refused.error().message.contains(harbour.listener->key_id()));
  CHECK(refused.error().message.contains(options.pin));
}

TEST_CASE("without a pin the broker's certificate is verified: authority, name, dates; the agent says which is wrong", "[T23]") {
  struct Case {
    const char* names;
    long from, until;
    bool trusted;
    const char* code;
    const char* words;
  };
  const Case kCases[] = {
      {"IP:127.0.0.1", -3'600, 3'600, true, "OK", ""},
      {"IP:127.0.0.1", -3'600, 3'600, false, "BROKER_UNKNOWN", "--pin"},
      {"DNS:elsewhere.example", -3'600, 3'600, true, "BROKER_NAME", "another name than \"127.0.0.1\""},
      {"IP:127.0.0.1", -7'200, -3'600, true, "BROKER_EXPIRED", "renews it"},
      {"IP:127.0.0.1", 3'600, 7'200, true, "BROKER_NOT_YET", "is the clock here behind"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.code);
    Harbour harbour;
    harbour.certificates.make("broker", c.names, c.from, c.until);
    harbour.certificates.make("other", "IP:127.0.0.1");
    REQUIRE(harbour.listener->reload_tls());
    auto options = harbour.dial_options();
    options.pin.clear();
    options.ca_file = harbour.certificates.certificate(c.trusted ? "broker" : "other");
    const auto lines = harbour.dial(options);
    CHECK((lines ? "OK" : lines.error().code) == std::string(c.code));
    if (!lines) CHECK(lines.error().message.contains(c.words));
  }
}

TEST_CASE("who is no broker's door is said to be none") {
  Harbour harbour;
  auto options = harbour.dial_options();
  options.broker.port = 1;
  CHECK(harbour.code_of(options) == "BROKER_UNREACHABLE");
  options = harbour.dial_options();
  options.broker.host = "no-such-host.invalid";
  CHECK(harbour.code_of(options) == "BROKER_NOT_FOUND");
  options = harbour.dial_options();
  options.key_file = "/no/such/key";
  CHECK(harbour.code_of(options) == "KEY_FILE");
  options = harbour.dial_options();
  options.pin.clear();
  options.ca_file = "/no/such/file";
  CHECK(harbour.code_of(options) == "CA_FILE");
}

TEST_CASE("a name service that hangs costs a dial its time and nothing else") {
  const auto hung = std::make_shared<std::promise<void>>();
  const auto over = hung->get_future().share();
  Harbour harbour;
  auto options = harbour.dial_options();
  options.broker.host = "hansa.example.org";
  Dialler dialler(harbour.scheduler, options, [over](const std::string&) -> Result<std::vector<std::string>> {
    over.wait();
    return std::vector<std::string>{};
  });
  for (int i = 0; i < 3; ++i) {  // the third one finds both threads waiting
    const auto lines = harbour.run(dialler.open(async::Deadline::in(harbour.scheduler, 50ms)));
    REQUIRE_FALSE(lines);
    CHECK(lines.error().code == "BROKER_NOT_FOUND");
    CHECK(lines.error().kind == ErrorKind::unavailable);
    CHECK(lines.error().message.contains("name service gives no answer"));
  }
  hung->set_value();
}

TEST_CASE("an address that swallows what is sent to it takes no other's time") {
  Harbour harbour;
  const int full = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // listens, and has no room left: SYNs are dropped
  sockaddr_in where{
      .sin_family = AF_INET, .sin_port = htons(harbour.listener->port()), .sin_addr = {htonl(0x7F000002)}, .sin_zero = {}};
  REQUIRE(::bind(full, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  REQUIRE(::listen(full, 0) == 0);
  std::vector<int> taken;
  for (int i = 0; i < 4; ++i) {
    taken.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::connect(taken.back(), reinterpret_cast<const sockaddr*>(&where), sizeof where);
  }
  auto options = harbour.dial_options();
  options.broker.host = "hansa.example.org";
  Dialler dialler(harbour.scheduler, options, [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"no address", "127.0.0.2", "127.0.0.1"};
  });
  CHECK(harbour.run(dialler.open(async::Deadline::in(harbour.scheduler, 1'000ms))));
  taken.push_back(full);
  for (const int fd : taken) ::close(fd);
}

TEST_CASE("who takes a connection and says nothing is waited for no longer than the time there is") {
  Harbour harbour;
  const int mute = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof where;
  REQUIRE(::bind(mute, reinterpret_cast<const sockaddr*>(&where), size) == 0);
  REQUIRE(::listen(mute, 8) == 0);
  REQUIRE(::getsockname(mute, reinterpret_cast<sockaddr*>(&where), &size) == 0);
  auto options = harbour.dial_options();
  options.broker.port = ntohs(where.sin_port);
  Dialler dialler(harbour.scheduler, options);
  const auto deadline = async::Deadline::in(harbour.scheduler, 100ms);
  const auto lines = harbour.run(async::with_deadline(harbour.scheduler, deadline, dialler.open(deadline)));
  REQUIRE_FALSE(lines);
  CHECK(lines.error().kind == ErrorKind::deadline_exceeded);
  ::close(mute);
}

TEST_CASE("an agent that is not let in is told why") {
  Harbour harbour;
  auto options = harbour.dial_options();
  options.key_file = harbour.certificates.folder() + "/other.key";
  REQUIRE(make_key_file(options.key_file));
  const auto refused = harbour.dial(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "AGENT_NOT_ENROLLED");
  CHECK(refused.error().kind == ErrorKind::permission_denied);
  CHECK(refused.error().message == "not enrolled: enrol");
  options.key_file.clear();
  CHECK(harbour.code_of(options) == "NO_KEY");
  const auto figures = harbour.listener->figures();
  CHECK(figures.refused.at("AGENT_NOT_ENROLLED") == 1);
  CHECK(figures.refused.at("NO_KEY") == 1);
}

TEST_CASE("an agent enrols with a token, and its key is known from then on") {
  Harbour harbour;
  harbour.door.known.clear();
  const auto options = harbour.dial_options();
  CHECK(harbour.code_of(options) == "AGENT_NOT_ENROLLED");
  const auto bad = harbour.enrol(options, "bad");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == "ENROLMENT_USED");
  REQUIRE(harbour.enrol(options, "good"));
  CHECK(harbour.code_of(options) == "OK");
}

TEST_CASE("a key is made once, for its owner alone, and its id is that of its certificate") {
  const hansa::test::TemporaryFolder folder;
  const auto file = folder.path() + "/agent.key";
  REQUIRE(make_key_file(file));
  struct stat facts{};
  REQUIRE(::stat(file.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  const auto id = key_id_of_key_file(file);
  REQUIRE(id);
  CHECK(is_key_id(*id));
  CHECK_FALSE(make_key_file(file));
  CHECK(*key_id_of_key_file(file) == *id);
  ::chmod(file.c_str(), 0640);
  CHECK(key_id_of_key_file(file).error().message.contains("others"));
  for (const auto* text : {"", "sha256:", "sha256:zz", "md5:0"}) CHECK_FALSE(is_key_id(text));
  CHECK_FALSE(is_key_id("sha256:" + std::string(64, 'A')));
}

TEST_CASE("a broker's address for agents is wss and a host") {
  const auto good = parse_broker_address("wss://hansa.example.org:7718");
  REQUIRE(good);
  CHECK(good->host == "hansa.example.org");
  CHECK(good->port == 7718);
  CHECK(parse_broker_address("wss://[::1]:1")->host == "::1");
  for (const auto* text : {"", "wss://", "https://h", "h:1", "wss://u@h", "wss://h:0", "wss://h:99999", "wss://h?x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_broker_address(text));
  }
}

}  // namespace hansa::connectors::websocket::test
