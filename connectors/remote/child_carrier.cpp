// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/child_carrier.hpp"

#include "broker/async/first_of.hpp"
#include "connectors/protocol/descriptor_lines.hpp"
#include "connectors/transport/own_account.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <utility>

namespace hansa::connectors::remote {

namespace asio = boost::asio;
using async::Task;

namespace {

constexpr Milliseconds kEndGrace{2'000};
constexpr std::size_t kWordsBytes = 4'096;   // the last of its standard error that is kept
constexpr std::size_t kLoggedLines = 200;    // of one connection
constexpr std::size_t kLoggedBytes = 1'000;  // of one line

/// Asked for once: it may take a directory's time.
const transport::MachineAccount& own() {
  static const auto kOwn =
      transport::own_account().value_or(transport::MachineAccount{.name = "", .home = "/", .shell = "/bin/sh"});
  return kOwn;
}

/// What a program says on its standard error: logged by the line, the last of it kept. Held by its own reader.
class Words : public std::enable_shared_from_this<Words> {
 public:
  Words(const asio::any_io_executor& executor, Descriptor err, ports::Log& log, SiteId site)
      : pipe_(executor, err.release()), log_(log), site_(std::move(site)) {}

  void listen() {
    pipe_.async_read_some(asio::buffer(buffer_),
                          [self = shared_from_this()](const boost::system::error_code& failed, std::size_t count) {
                            if (failed) return;
                            self->take({self->buffer_.data(), count});
                            self->listen();
                          });
  }
  void close() {
    // What it said just before its end is there to be read.
    boost::system::error_code failed;
    pipe_.non_blocking(true, failed);
    pipe_.cancel(failed);
    for (int i = 0; i < 16; ++i) {
      const auto count = pipe_.read_some(asio::buffer(buffer_), failed);
      if (failed || count == 0) break;
      take({buffer_.data(), count});
    }
    if (!line_.empty()) tell(std::exchange(line_, {}));
    pipe_.close(failed);
  }
  [[nodiscard]] const std::string& last() const { return last_; }

 private:
  void take(std::string_view text) {
    last_ += text;
    if (last_.size() > kWordsBytes) last_.erase(0, last_.size() - kWordsBytes);
    for (const char c : text) {
      if (c == '\n')
        tell(std::exchange(line_, {}));
      else if (line_.size() < kLoggedBytes)
        line_ += c;
    }
  }
  void tell(const std::string& line) {
    if (line.empty() || logged_ == kLoggedLines) return;
    ++logged_;
    log_.write(ports::LogLevel::info, "the site's end says",
               {{"site", site_.str()}, {"line", protocol::excerpt(line, kLoggedBytes)}});
  }

  asio::posix::stream_descriptor pipe_;
  ports::Log& log_;
  SiteId site_;
  std::array<char, 4'096> buffer_{};
  std::string line_;
  std::string last_;
  std::size_t logged_ = 0;
};

/// The pipes of a child, and the child with them.
class ChildLines final : public protocol::Lines {
 public:
  ChildLines(async::Scheduler& scheduler, std::unique_ptr<protocol::DescriptorLines> pipes, async::LiveChild child,
             std::shared_ptr<Words> words, ChildCarrier::Explain explain)
      : scheduler_(scheduler),
        pipes_(std::move(pipes)),
        words_(std::move(words)),
        explain_(std::move(explain)),
        child_(std::move(child)) {}
  ~ChildLines() override { words_->close(); }

  Task<std::string> read() override { return pipes_->read(); }
  Task<> write(std::string line) override { return pipes_->write(std::move(line)); }
  asio::awaitable<Error> end(Error why) override {
    why = co_await pipes_->end(std::move(why));
    const auto end = co_await child_.end(scheduler_, kEndGrace);
    words_->close();
    co_return co_await explain_(end, words_->last(), std::move(why));
  }

 private:
  async::Scheduler& scheduler_;
  std::unique_ptr<protocol::DescriptorLines> pipes_;
  std::shared_ptr<Words> words_;
  ChildCarrier::Explain explain_;
  async::LiveChild child_;
};

}  // namespace

ChildCarrier::ChildCarrier(async::Scheduler& scheduler, ports::Log& log, SiteId site, std::vector<std::string> argv,
                           Explain explain)
    : scheduler_(scheduler), log_(log), site_(std::move(site)), argv_(std::move(argv)), explain_(std::move(explain)) {
  (void)own();
}

Task<std::unique_ptr<protocol::Lines>> ChildCarrier::open(async::Deadline) {
  const auto executor = co_await asio::this_coro::executor;
  async::ChildSpec spec{.argv = argv_,
                        .environment = {{"HOME", own().home},
                                        {"USER", own().name},
                                        {"LOGNAME", own().name},
                                        {"SHELL", own().shell},
                                        {"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                        {"LC_ALL", "C.UTF-8"}},
                        .working_directory = "/"};
  auto child = async::LiveChild::start(executor, std::move(spec));
  if (!child) co_return std::unexpected(child.error());
  auto pipes = protocol::DescriptorLines::open(executor, std::move(child->out), std::move(child->in));
  if (!pipes) co_return std::unexpected(pipes.error());
  const auto words = std::make_shared<Words>(executor, std::move(child->err), log_, site_);
  words->listen();
  co_return std::make_unique<ChildLines>(scheduler_, std::move(*pipes), std::move(*child), words, explain_);
}

std::string told(const async::ChildEnd& end) {
  if (end.exit_status) return "ended with status " + std::to_string(*end.exit_status);
  if (end.signal) return "was ended by signal " + std::to_string(*end.signal);
  return "does not end";
}

asio::awaitable<Error> explain_program(std::string program, async::ChildEnd end, std::string last_words, Error why) {
  if (why.code != "CONNECTION_ENDED" && why.code != "CONNECTION_CUT") co_return why;
  while (last_words.ends_with('\n')) last_words.pop_back();
  const auto line = last_words.substr(last_words.rfind('\n') + 1);
  co_return fail(
      ErrorKind::unavailable, "AGENT_ENDED",
      program + " " + told(end) + (line.empty() ? ", and said nothing" : "; its last words: " + protocol::excerpt(line, 300)),
      why.message)
      .error();
}

}  // namespace hansa::connectors::remote
