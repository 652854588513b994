// SPDX-License-Identifier: Apache-2.0
// What an agent that connects outwards adds to a call, on loopback: TLS, the WebSocket, JSON both ways, and the changes of thread
// at the broker. The same calls to the same model site directly, and through the agent, which has a thread of its own here.
#include "broker/async/real_scheduler.hpp"
#include "connectors/agent/service.hpp"
#include "connectors/model/model_connector.hpp"
#include "connectors/remote/remote_connector.hpp"
#include "connectors/websocket/agent_carrier.hpp"
#include "connectors/websocket/agent_key.hpp"
#include "connectors/websocket/dialler.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/unit/connectors_websocket/test_door.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace hansa;
using namespace hansa::connectors;

constexpr int kCalls = 3'000;
constexpr double kTargetMs = 5;

template <class T>
Result<T> run(boost::asio::io_context& context, async::Task<T> task) {
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(context, async::detail::keep(&outcome, std::move(task)), [](const std::exception_ptr&) {});
  context.restart();
  while (!outcome) context.run_one();
  return std::move(*outcome);
}

ports::SubmitRequest submission(std::size_t bytes) {
  ports::SubmitRequest request;
  request.job = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3");
  request.tag = domain::make_tag(request.job, 1);
  request.person = Principal("local:alice");
  request.payload.script = "#!/bin/sh\n# " + std::string(bytes, 'x') + "\n";
  return request;
}

using Times = std::vector<double>;  // milliseconds

Times measure(int calls, const std::function<bool()>& call) {
  Times times;
  for (int i = 0; i < calls + calls / 10; ++i) {
    const auto began = std::chrono::steady_clock::now();
    if (!call()) throw std::runtime_error("a call failed");
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    if (i >= calls / 10) times.push_back(took.count());
  }
  std::ranges::sort(times);
  return times;
}

double at(const Times& times, double share) {
  return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
}

}  // namespace

int main() {
  async::RealScheduler scheduler;
  async::SystemRandom random;
  test::SilentLog log;
  test::Certificates certificates;
  certificates.make("broker", "IP:127.0.0.1");
  const auto key = certificates.folder() + "/agent.key";
  (void)websocket::make_key_file(key);
  websocket::test::TestDoor door;
  door.known = *websocket::key_id_of_key_file(key);
  websocket::Berths berths(scheduler, {});
  websocket::Listener listener({.tls = {.certificate = certificates.certificate("broker"), .key = certificates.key("broker")}},
                               door, berths, scheduler, log);
  if (!listener.listen()) return 1;
  listener.start();

  const SiteId alpha("alpha");
  auto cluster = [&] {
    return std::make_shared<model::ModelSite>(scheduler,
                                              model::ClusterOptions{.name = "alpha", .node_groups = {{.count = 1, .cores = 4}}});
  };
  std::thread agent([&] {
    boost::asio::io_context context{1};
    model::ModelConnector site(scheduler, alpha, cluster());
    agent::Service service(site, alpha, "bench");
    websocket::Dialler dialler(scheduler, {.broker = {.tls = true, .host = "127.0.0.1", .port = listener.port()},
                                           .pin = listener.key_id(),
                                           .key_file = key,
                                           .site = alpha,
                                           .name = "bench"});
    auto lines = run(context, dialler.open(async::Deadline::never()));
    if (!lines) return;
    protocol::Session session(context.get_executor(), scheduler, std::move(*lines), service.handler());
    service.attach(session);
    bool done = false;
    boost::asio::co_spawn(context, session.run(), [&](const std::exception_ptr&, const Error&) { done = true; });
    context.restart();
    while (!done) context.run_one();
  });

  boost::asio::io_context context{1};
  remote::RemoteConnector through(
      context.get_executor(), scheduler, random, log,
      std::make_unique<websocket::AgentCarrier>(context.get_executor(), berths, websocket::BerthId{.site = alpha}),
      {.site = alpha, .name = "bench", .pauses = {.first = Milliseconds{10}}});
  model::ModelConnector directly(scheduler, alpha, cluster());
  const auto soon = [&] { return async::Deadline::in(scheduler, Milliseconds{20'000}); };
  const auto asked = submission(0);
  const std::vector<ports::SiteJob> jobs{{.id = SiteJobId("1"), .tag = asked.tag, .person = asked.person}};
  for (int i = 0; i < 200 && !run(context, through.status(jobs, soon())); ++i) {
    context.restart();
    context.run_for(std::chrono::milliseconds(20));
  }

  double worst = 0;
  const auto compare = [&](const char* what, int calls, const std::function<bool(ports::SiteConnector&)>& call) {
    const auto bare = measure(calls, [&] { return call(directly); });
    const auto far = measure(calls, [&] { return call(through); });
    const auto added = at(far, 0.5) - at(bare, 0.5);
    if (calls == kCalls) worst = std::max(worst, at(far, 0.99) - at(bare, 0.5));
    std::printf("%-28s directly %.3f ms, through the agent p50 %.3f p99 %.3f ms: added %.3f ms\n", what, at(bare, 0.5),
                at(far, 0.5), at(far, 0.99), added);
    return added;
  };
  const auto status = compare("status of one job", kCalls,
                              [&](ports::SiteConnector& site) { return run(context, site.status(jobs, soon())).has_value(); });
  compare("a submission of 1 KiB", kCalls,
          [&](ports::SiteConnector& site) { return run(context, site.submit(submission(1'000), soon())).has_value(); });
  compare("a submission of 1 MiB", kCalls / 30, [&](ports::SiteConnector& site) {
    (void)run(context, site.submit(submission(std::size_t{1} << 20), soon()));
    return true;
  });
  std::printf("RESULT agent round trip added on loopback: %.3f ms, p99 of the worst %.3f ms (under %.0f) %s\n", status, worst,
              kTargetMs, status < kTargetMs ? "met" : "MISSED");
  (void)run(context, through.close());
  agent.join();
  return 0;
}
