// SPDX-License-Identifier: Apache-2.0
#pragma once
// A connection whose other end is the test.

#include "broker/async/event.hpp"
#include "connectors/protocol/lines.hpp"
#include "connectors/protocol/rpc.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace hansa::connectors::protocol {

/// What the test sees and says.
struct FarEnd {
  explicit FarEnd(const boost::asio::any_io_executor& executor) : said_something(executor), takes_again(executor) {}

  void say(std::string line) {
    said.push_back(std::move(line));
    said_something.set();
  }
  void say(const Json& message) { say(text_of(message)); }
  void hang_up() {
    hung_up = true;
    said_something.set();
    takes_again.set();
  }
  /// What came last; null if nothing did.
  [[nodiscard]] Json last() const { return heard.empty() ? Json() : Json::parse(heard.back()); }

  std::deque<std::string> said;
  std::vector<std::string> heard;
  bool hung_up = false;
  bool takes_no_more = false;  // lines that are written wait
  async::Event said_something;
  async::Event takes_again;
};

class FakeLines final : public Lines {
 public:
  explicit FakeLines(std::shared_ptr<FarEnd> far) : far_(std::move(far)) {}
  async::Task<std::string> read() override {
    while (far_->said.empty()) {
      if (far_->hung_up) co_return fail(ErrorKind::unavailable, "CONNECTION_ENDED", "the other end has closed the connection");
      if (!co_await far_->said_something.wait()) co_return fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "cut");
    }
    auto line = std::move(far_->said.front());
    far_->said.pop_front();
    co_return line;
  }
  async::Task<> write(std::string line) override {
    while (far_->takes_no_more && !far_->hung_up) {
      if (!co_await far_->takes_again.wait()) break;
    }
    if (far_->hung_up || far_->takes_no_more) co_return fail(ErrorKind::unavailable, "CONNECTION_ENDED", "the pipe is broken");
    far_->heard.push_back(std::move(line));
    co_return Result<void>{};
  }
  boost::asio::awaitable<Error> end(Error why) override { co_return why; }

 private:
  std::shared_ptr<FarEnd> far_;
};

}  // namespace hansa::connectors::protocol
