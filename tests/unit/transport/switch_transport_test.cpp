// SPDX-License-Identifier: Apache-2.0
// SwitchTransport against a switch that does as the test says. The real one: tests/integration/switch.

#include "connectors/transport/switch_transport.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

using namespace hansa;
using namespace hansa::connectors::transport;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

std::string frame(char type, const std::string& payload) {
  std::string bytes(1, type);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(payload.size() >> shift & 0xffU);
  return bytes + payload;
}

const std::string kExit0 = frame('x', R"({"exit_status":0,"out_truncated":false,"err_truncated":false})");
const std::string kTerminated = frame('x', R"({"signal":15,"out_truncated":false,"err_truncated":false})");
const std::string kDenied =
    frame('x', R"({"error":{"kind":"permission_denied","code":"ACCOUNT_DENIED","message":"no"},"started":false})");
const std::string kCallerGone =
    frame('x', R"({"error":{"kind":"cancelled","code":"CALLER_GONE","message":"gone"},"started":false})");

/// One end of one connection, used by the thread of the fake switch.
struct Peer {
  int fd;
  [[nodiscard]] std::string read_exactly(std::size_t count) const {
    std::string bytes(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const auto got = ::read(fd, bytes.data() + done, count - done);
      if (got <= 0) return bytes.substr(0, done);
      done += static_cast<std::size_t>(got);
    }
    return bytes;
  }
  void read_request() const {
    for (int part = 0; part < 2; ++part) {
      std::size_t length = 0;
      for (const char c : read_exactly(4)) length = length << 8U | static_cast<unsigned char>(c);
      static_cast<void>(read_exactly(length));
    }
  }
  void wait_for_end() const { static_cast<void>(read_exactly(1)); }
  void say(const std::string& bytes) const {
    if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return;
  }
};

/// Listens at once; serves one connection in a thread.
class FakeSwitch {
 public:
  explicit FakeSwitch(std::function<void(Peer)> serve) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 5) == 0);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      serve(Peer{fd});
      ::close(fd);
    });
  }
  ~FakeSwitch() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string path() const { return folder_ / "switch.sock"; }

 private:
  tests::TemporaryFolder folder_;
  int listener_;
  std::thread thread_;
};

Command command() {
  return {.program = "/usr/bin/true", .account = LocalAccount("alice"), .person = Principal("local:alice"), .tag = "t"};
}

Result<CommandResult> ask(const std::string& path, Command what = command(), Milliseconds time = 20s, uid_t owner = ::geteuid()) {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  SwitchTransport transport(scheduler, path, owner);
  return async::run(io, transport.run(std::move(what), async::Deadline::in(scheduler, time)));
}

}  // namespace

TEST_CASE("the program's end and output come from the switch") {
  FakeSwitch server([](Peer peer) {
    peer.read_request();
    peer.say(frame('o', "out") + frame('e', "err") + kExit0);
  });
  const auto result = ask(server.path()).value();
  CHECK(result.exit_status == 0);
  CHECK(result.out == "out");
  CHECK(result.err == "err");
  CHECK_FALSE(result.timed_out);
  CHECK_FALSE(result.cancelled);
}

TEST_CASE("a refusal is its error, also one that comes before the request was sent") {
  FakeSwitch late([](Peer peer) {
    peer.read_request();
    peer.say(kDenied);
  });
  const auto refused = ask(late.path());
  CHECK(refused.error().kind == ErrorKind::permission_denied);
  CHECK(refused.error().code == "ACCOUNT_DENIED");

  FakeSwitch early([](Peer peer) { peer.say(kDenied); });
  auto big = command();
  big.input.assign(8 << 20, 'x');
  CHECK(ask(early.path(), big).error().code == "ACCOUNT_DENIED");
}

TEST_CASE("no switch there is unavailable, with what to do about it") {
  tests::TemporaryFolder folder;
  const auto missing = ask(folder / "none.sock");
  CHECK(missing.error().kind == ErrorKind::unavailable);
  CHECK(missing.error().retryable);
  CHECK_THAT(missing.error().message,
             Contains("none.sock") && Contains("systemctl start hansa-switch.socket") && Contains("broker.switch_socket"));
  CHECK(ask(std::string(200, 'x')).error().kind == ErrorKind::invalid_argument);
  CHECK(ask("").error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("an impostor is given nothing", "[T23]") {
  std::string seen;
  {
    FakeSwitch server([&](Peer peer) { seen = peer.read_exactly(1); });
    const auto refused = ask(server.path(), command(), 20s, ::geteuid() + 1);
    CHECK(refused.error().kind == ErrorKind::permission_denied);
    CHECK(refused.error().code == "SWITCH_IMPOSTOR");
  }
  CHECK(seen.empty());
}

TEST_CASE("a connection that breaks before the request is whole: not started; after it: not known") {
  auto big = command();
  big.input.assign(8 << 20, 'x');
  FakeSwitch before([](Peer peer) { static_cast<void>(peer.read_exactly(100)); });
  CHECK(ask(before.path(), big).error().kind == ErrorKind::unavailable);

  FakeSwitch after([](Peer peer) { peer.read_request(); });
  CHECK(ask(after.path()).error().kind == ErrorKind::unknown_outcome);

  FakeSwitch within([](Peer peer) {
    peer.read_request();
    peer.say(frame('o', "Submitted batch job 17") + kExit0.substr(0, 9));
  });
  CHECK(ask(within.path()).error().kind == ErrorKind::unknown_outcome);

  FakeSwitch garbage([](Peer peer) {
    peer.read_request();
    peer.say("HTTP/1.1 200 OK\r\n");
  });
  CHECK(ask(garbage.path()).error().kind == ErrorKind::unknown_outcome);
}

TEST_CASE("at the deadline the switch is told, and its word on the end is waited for") {
  FakeSwitch server([](Peer peer) {
    peer.read_request();
    peer.say(frame('o', "17\n"));
    peer.wait_for_end();
    peer.say(kTerminated);
  });
  const auto result = ask(server.path(), command(), 50ms).value();
  CHECK(result.timed_out);
  CHECK_FALSE(result.cancelled);
  CHECK(result.signal == SIGTERM);
  CHECK(result.out == "17\n");
}

TEST_CASE("what waited for its turn until the deadline was not started") {
  FakeSwitch server([](Peer peer) {
    peer.read_request();
    peer.wait_for_end();
    peer.say(kCallerGone);
  });
  CHECK(ask(server.path(), command(), 50ms).error().kind == ErrorKind::deadline_exceeded);

  FakeSwitch deaf([](Peer) { std::this_thread::sleep_for(150ms); });
  auto big = command();
  big.input.assign(8 << 20, 'x');
  CHECK(ask(deaf.path(), big, 50ms).error().kind == ErrorKind::deadline_exceeded);
  CHECK(ask(deaf.path(), command(), 0ms).error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("a switch that tells no end is waited for no longer than its graces") {
  boost::asio::io_context io;
  async::ManualScheduler scheduler(io);
  std::atomic<bool> stop = false;
  FakeSwitch server([&](Peer peer) {
    peer.read_request();
    while (!stop) std::this_thread::sleep_for(1ms);
  });
  struct Stop {
    std::atomic<bool>& flag;
    ~Stop() { flag = true; }
  } const at_the_end{stop};  // also of a test that fails, or its thread never ends
  SwitchTransport transport(scheduler, server.path(), ::geteuid());
  const auto started = async::start(io.get_executor(), transport.run(command(), async::Deadline::in(scheduler, 10s)));
  scheduler.advance(9s);
  CHECK_FALSE(started.ended());
  scheduler.advance(1s);
  CHECK_FALSE(started.ended());
  scheduler.advance(SwitchTransport::kEndGrace);
  REQUIRE(started.ended());
  CHECK(started.value().value().timed_out);
  CHECK_FALSE(started.value().value().signal);
  CHECK_FALSE(started.value().value().exit_status);
}

TEST_CASE("a cancelled command is ended, and its end is told") {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  FakeSwitch server([](Peer peer) {
    peer.read_request();
    peer.wait_for_end();
    peer.say(kTerminated);
  });
  SwitchTransport transport(scheduler, server.path(), ::geteuid());
  const auto started = async::start(io.get_executor(), transport.run(command(), async::Deadline::in(scheduler, 20s)));
  io.run_for(20ms);
  REQUIRE_FALSE(started.ended());
  started.cancel();
  io.restart();
  io.run();
  REQUIRE(started.ended());
  CHECK(started.value().value().cancelled);
  CHECK(started.value().value().signal == SIGTERM);
}

TEST_CASE("a command without an account or a person does not reach the switch") {
  tests::TemporaryFolder folder;
  auto nobody = command();
  nobody.account = {};
  CHECK(ask(folder / "none", nobody).error().kind == ErrorKind::invalid_argument);
  auto faceless = command();
  faceless.person = {};
  CHECK(ask(folder / "none", faceless).error().kind == ErrorKind::invalid_argument);
  auto relative = command();
  relative.program = "true";
  CHECK(ask(folder / "none", relative).error().kind == ErrorKind::invalid_argument);
}
