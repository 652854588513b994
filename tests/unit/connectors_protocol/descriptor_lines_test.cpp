// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/descriptor_lines.hpp"

#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

using namespace hansa;
using namespace hansa::connectors::protocol;
using async::Task;
namespace asio = boost::asio;

namespace {

struct Pipes {
  Pipes() {
    std::signal(SIGPIPE, SIG_IGN);
    REQUIRE(::pipe2(to_us.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(from_us.data(), O_CLOEXEC) == 0);
    auto opened = DescriptorLines::open(io.get_executor(), Descriptor(to_us[0]), Descriptor(from_us[1]));
    REQUIRE(opened.has_value());
    lines = std::move(*opened);
  }
  ~Pipes() {
    hang_up();
    ::close(from_us[0]);
  }
  void say(const std::string& text) { REQUIRE(::write(to_us[1], text.data(), text.size()) == static_cast<ssize_t>(text.size())); }
  void hang_up() {
    if (to_us[1] >= 0) ::close(to_us[1]);
    to_us[1] = -1;
  }
  Result<std::string> read() { return async::run(io, lines->read()); }

  asio::io_context io;
  std::array<int, 2> to_us{};
  std::array<int, 2> from_us{};
  std::unique_ptr<DescriptorLines> lines;
};

}  // namespace

TEST_CASE("lines come one by one, however the bytes do") {
  Pipes pipes;
  pipes.say("one\ntwo\n\nthr");
  CHECK(pipes.read() == "one");
  CHECK(pipes.read() == "two");
  CHECK(pipes.read() == "");
  pipes.say("ee\n");
  CHECK(pipes.read() == "three");
  pipes.hang_up();
  CHECK(pipes.read().error().code == "CONNECTION_ENDED");
}

TEST_CASE("half a line is none") {
  Pipes pipes;
  pipes.say("{\"jsonrpc\": \"2.0\", \"id\": 1, \"resu");
  pipes.hang_up();
  const auto cut = pipes.read();
  CHECK(cut.error().code == "CONNECTION_CUT");
  CHECK_THAT(cut.error().message, Catch::Contains("?jsonrpc?"));
}

TEST_CASE("a line without an end is not kept for ever") {
  Pipes pipes;
  std::thread writer([&] {
    const std::string much(std::size_t{1} << 20, 'x');
    for (int i = 0; i < 100 && ::write(pipes.to_us[1], much.data(), much.size()) > 0; ++i) {}
  });
  const auto read = pipes.read();
  CHECK(read.error().code == "LINE_TOO_LONG");
  CHECK(read.error().message.size() < 500);
  (void)async::run(pipes.io, pipes.lines->end({}));  // the writer's next write fails
  writer.join();
}

TEST_CASE("a line that is not taken whole has not been sent") {
  Pipes pipes;
  REQUIRE(async::run(pipes.io, pipes.lines->write("hello")).has_value());
  std::array<char, 16> heard{};
  CHECK(::read(pipes.from_us[0], heard.data(), heard.size()) == 6);
  CHECK(std::string(heard.data(), 6) == "hello\n");
  ::close(pipes.from_us[0]);
  pipes.from_us[0] = -1;
  CHECK_FALSE(async::run(pipes.io, pipes.lines->write("nobody")).has_value());
}

TEST_CASE("a file is as good as a pipe") {
  asio::io_context io;
  auto opened = DescriptorLines::open(io.get_executor(), Descriptor(::open("/etc/passwd", O_RDONLY | O_CLOEXEC)),
                                      Descriptor(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
  REQUIRE(opened.has_value());
  CHECK_THAT(async::run(io, (*opened)->read()).value(), Catch::StartsWith("root:"));
  CHECK(async::run(io, (*opened)->write("nobody")).has_value());
}
