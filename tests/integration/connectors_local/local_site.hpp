// SPDX-License-Identifier: Apache-2.0
#pragma once
// A local site in a temporary folder, with real processes.

#include "broker/async/real_scheduler.hpp"
#include "connectors/local/local_connector.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace hansa::test {

inline connectors::local::LocalOptions options_in(const std::string& folder) {
  return {.site = SiteId("here"),
          .spool = folder + "/spool",
          .work_dir = folder + "/work",
          .runner = HANSA_LOCAL_RUN,
          .queue = QueueName("local"),
          .cores = 4,
          .memory = Mebibytes{4096},
          .gpus = 1,
          .gpu_model = "a100"};
}

/// One life of a broker's connector: opened, and closed when it goes.
class LocalSite {
 public:
  explicit LocalSite(const connectors::local::LocalOptions& options) {
    auto opened = connectors::local::LocalConnector::open(scheduler_, context_.get_executor(), options, log_);
    if (!opened) throw std::runtime_error(opened.error().message);
    connector_ = std::move(*opened);
  }
  ~LocalSite() { (void)ask(connector_->close()); }
  LocalSite(const LocalSite&) = delete;
  LocalSite& operator=(const LocalSite&) = delete;

  connectors::local::LocalConnector& connector() { return *connector_; }
  async::RealScheduler& scheduler() { return scheduler_; }

  void run(boost::asio::awaitable<void> work) {
    bool done = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(context_, std::move(work), [&](const std::exception_ptr& e) {
      done = true;
      failure = e;
    });
    context_.restart();
    while (!done) context_.run_one();
    if (failure) std::rethrow_exception(failure);
  }
  template <class T>
  Result<T> ask(async::Task<T> question) {
    std::optional<Result<T>> answer;
    auto keep = [](async::Task<T> asked, std::optional<Result<T>>& out) -> boost::asio::awaitable<void> {
      out.emplace(co_await async::without_exceptions(std::move(asked)));
    };
    run(keep(std::move(question), answer));
    return std::move(*answer);
  }
  /// The connector's own tasks go on meanwhile.
  void let_pass(Milliseconds time) {
    context_.restart();
    context_.run_for(time);
  }
  bool wait_for(const std::function<bool()>& condition, Milliseconds at_most = Milliseconds{20'000}) {
    const auto give_up = std::chrono::steady_clock::now() + at_most;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      let_pass(Milliseconds{10});
    }
    return true;
  }

  [[nodiscard]] async::Deadline soon() { return async::Deadline::in(scheduler_, Milliseconds{30'000}); }

 private:
  SilentLog log_;
  async::RealScheduler scheduler_;
  boost::asio::io_context context_{1};
  std::unique_ptr<connectors::local::LocalConnector> connector_;
};

inline ports::SubmitRequest request_for(const JobId& id, const std::string& script, Seconds limit = Seconds{60}) {
  ports::SubmitRequest request;
  request.job = id;
  request.tag = domain::make_tag(id, 1);
  request.person = Principal("local:tester");
  request.queue = QueueName("local");
  request.spec.time_limit = limit;
  request.payload.script = "#!/bin/bash\n" + script + "\n";
  return request;
}

}  // namespace hansa::test
