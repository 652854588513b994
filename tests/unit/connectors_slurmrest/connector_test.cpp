// SPDX-License-Identifier: Apache-2.0
// The connector against a slurmrestd that is played: every request is seen, every answer chosen.
#include "broker/async/real_scheduler.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/http/server.hpp"
#include "connectors/slurmrest/slurmrest_connector.hpp"
#include "connectors/transport/own_account.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/unit/connectors_batch/played.hpp"
#include "tests/unit/connectors_slurmrest/jwt.hpp"
#include "tests/unit/connectors_slurmrest/recorded.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

namespace hansa::connectors::slurmrest {

using domain::CancelOutcome;
using domain::Outcome;
using http::Response;
using ports::CancelWhen;
using ports::Phase;

namespace {

const std::string kMeta = R"("errors":[],"meta":{"slurm":{"release":"26.05.3","cluster":"nova"}})";
const std::string kOwn = transport::own_account()->name;

std::string openapi(const std::string& version) {
  return R"({"paths":{"/slurm/)" + version + R"(/job/submit":{},"/slurmdb/)" + version + R"(/jobs/":{}}})";
}

std::string job(const std::string& id, const std::string& name, const std::string& state, const std::string& user = kOwn,
                const std::string& nodes = "n1", const std::string& priority = "10") {
  return R"({"job_id":)" + id + R"(,"name":")" + name + R"(","user_name":")" + user +
         R"(","cluster":"nova","partition":"main","state_reason":"None","nodes":")" + nodes + R"(","job_state":[")" + state +
         R"("],"submit_time":1800000000,"start_time":1800000001,"end_time":1800000009,"time_limit":10,"priority":)" + priority +
         R"(,"exit_code":{"return_code":{"set":true,"infinite":false,"number":0},"signal":{"id":{"set":false}}},"tres_alloc_str":"cpu=1,node=1"})";
}

std::string run(const std::string& id, const std::string& name, const std::string& state, std::int64_t submitted = 1800000000) {
  return R"({"job_id":)" + id + R"(,"cluster":"nova","name":")" + name + R"(","user":")" + kOwn +
         R"(","account":"proj1","partition":"main","state":{"current":[")" + state + R"("]},"time":{"submission":)" +
         std::to_string(submitted) +
         R"(,"start":1800000001,"end":1800000009,"elapsed":8},"tres":{"allocated":[{"type":"cpu","name":"","count":2},{"type":"node","name":"","count":1}]},"exit_code":{"return_code":{"set":true,"number":0},"signal":{"id":{"set":false}}}})";
}

std::string list(const std::string& name, const std::vector<std::string>& items) {
  std::string text = "{\"" + name + "\":[";
  for (const auto& item : items) text += (text.ends_with('[') ? "" : ",") + item;
  return text + "]," + kMeta + "}";
}

Response respond(std::string body, int status = 200) {
  return {.status = status, .content_type = "application/json", .body = std::move(body)};
}

class Files final : public batch::test::PlayedSite {
  transport::CommandResult otherwise(const std::string&, const transport::Command&) override { return batch::test::answer(""); }
};

/// slurmrestd by rules: the first whose method and path (without the query) match answers.
struct Slurmrestd {
  using Player = std::function<Response(const http::Request&)>;

  Slurmrestd() {
    http::ServerOptions options;
    options.target_limit = std::size_t{64} << 10;
    server.emplace(options, [this](http::Request request) -> async::Task<Response> {
      const std::scoped_lock lock(mutex);
      requests.push_back(request);
      const auto player = players.find(request.method + ' ' + request.path);
      if (player == players.end()) co_return Response{.status = 404, .content_type = "text/plain", .body = "Unable to find"};
      co_return player->second(request);
    });
    REQUIRE(server->start().has_value());
  }
  void play(const std::string& what, Player player) {
    const std::scoped_lock lock(mutex);
    players[what] = std::move(player);
  }
  void play(const std::string& what, std::string body, int status = 200) {
    play(what, [body = std::move(body), status](const http::Request&) { return respond(body, status); });
  }
  std::size_t count(std::string_view part) {
    const std::scoped_lock lock(mutex);
    return static_cast<std::size_t>(
        std::ranges::count_if(requests, [&](const auto& r) { return (r.method + ' ' + r.target).contains(part); }));
  }
  http::Request last(std::string_view part) {
    const std::scoped_lock lock(mutex);
    const auto found = std::find_if(requests.rbegin(), requests.rend(),
                                    [&](const auto& r) { return (r.method + ' ' + r.target).contains(part); });
    REQUIRE(found != requests.rend());
    return *found;
  }

  std::mutex mutex;
  std::map<std::string, Player> players;
  std::vector<http::Request> requests;
  std::optional<http::Server> server;
};

struct Bench {
  explicit Bench(std::string url = "", std::int64_t limit_mib = 4) {
    rest.play("GET /openapi.json", openapi("v0.0.45"));
    rest.play("GET /slurm/v0.0.45/jobs", list("jobs", {}));
    rest.play("GET /slurmdb/v0.0.45/jobs", list("jobs", {}));
    rest.play(
        "GET /slurm/v0.0.45/nodes",
        list(
            "nodes",
            {R"({"name":"n1","cpus":8,"effective_cpus":8,"real_memory":1000,"gres":"gpu:a100:2","tres_used":"","state":["IDLE"]})"}));
    rest.play(
        "GET /slurm/v0.0.45/partitions",
        list("partitions", {R"({"name":"main","nodes":{"configured":"n1"},"flags":["DEFAULT"],"partition":{"state":["UP"]}})"}));
    rest.play("GET /slurm/v0.0.45/reservations", list("reservations", {}));
    write_token(3600);
    options.site = SiteId("s");
    options.url = url.empty() ? "http://127.0.0.1:" + std::to_string(rest.server->port()) : url;
    options.tokens.file = (folder / "{account}.jwt").string();
    options.answer_limit_mib = limit_mib;
    options.own_account_only = true;
    make();
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() {
    connector.reset();
    std::filesystem::remove_all(folder);
  }

  void make() {
    auto made = SlurmrestConnector::make(options, files, scheduler);
    INFO((made ? "" : made.error().message));
    REQUIRE(made.has_value());
    connector = std::move(*made);
  }
  void write_token(std::int64_t seconds, const std::string& account = kOwn) const {
    const auto path = folder / (account + ".jwt");
    std::ofstream(path) << test::jwt(account,
                                     std::chrono::floor<Seconds>(scheduler.now_utc().time_since_epoch()).count() + seconds);
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }

  template <class T>
  Result<T> ask(async::Task<T> task) {
    return batch::test::ask(std::move(task));
  }
  [[nodiscard]] async::Deadline soon(Milliseconds time = Seconds{20}) const { return async::Deadline::in(scheduler, time); }
  static ports::SiteJob ours(const std::string& id, const std::string& tag) {
    auto job = batch::test::site_job(id, tag, "");
    job.intended_at = from_unix_seconds(1'790'000'000);
    return job;
  }
  static ports::SubmitRequest request() {
    ports::SubmitRequest request;
    request.tag = Tag("hansa-T-1");
    request.queue = QueueName("main");
    request.payload.script = "#!/bin/sh\n";
    return request;
  }

  std::filesystem::path folder = [] {
    std::string name = std::filesystem::temp_directory_path() / "hansa-rest-XXXXXX";
    return std::filesystem::path(mkdtemp(name.data()));
  }();
  Slurmrestd rest;
  Files files;
  async::RealScheduler scheduler;
  Options options;
  std::unique_ptr<SlurmrestConnector> connector;
};

}  // namespace

TEST_CASE("slurmrest: a snapshot costs four questions, and the version is asked for once") {
  Bench bench;
  bench.rest.play("GET /slurm/v0.0.45/jobs", list("jobs", {job("1", "x", "RUNNING"), job("2", "y", "PENDING", kOwn, "")}));
  const auto snapshot = bench.ask(bench.connector->snapshot(bench.soon()));
  INFO((snapshot ? "" : snapshot.error().message));
  REQUIRE(snapshot.has_value());
  CHECK(snapshot->cluster == "nova");
  CHECK(snapshot->scheduler == "slurm 26.05.3");
  CHECK(snapshot->nodes.at(0).gpus == 2);
  CHECK(snapshot->queues.at(0).is_default);
  CHECK(snapshot->running.size() == 1);
  CHECK(snapshot->waiting.size() == 1);
  REQUIRE(snapshot->arrays.has_value());
  CHECK(snapshot->arrays->max_index == 1'000);  // Slurm's own, unless it is configured
  CHECK(bench.rest.requests.size() == 5);
  REQUIRE(bench.ask(bench.connector->snapshot(bench.soon())).has_value());
  CHECK(bench.rest.requests.size() == 9);
  const auto asked = bench.rest.last("/nodes");
  CHECK(asked.headers.get("X-SLURM-USER-NAME") == kOwn);
  CHECK(asked.headers.get("X-SLURM-USER-TOKEN")->starts_with("ey"));
  CHECK_FALSE(asked.headers.get("Authorization").has_value());
}

TEST_CASE("slurmrest: status costs two questions, whatever the number of jobs") {
  for (const std::size_t number : {std::size_t{10}, std::size_t{1000}, std::size_t{10'000}}) {
    Bench bench("", 64);
    std::vector<std::string> queue, history;
    std::vector<ports::SiteJob> wanted;
    for (std::size_t i = 1; i <= number; ++i) {
      const auto id = std::to_string(i), name = "hansa-J" + id + "-1";
      if (i % 2 == 0) {
        queue.push_back(job(id, name, "RUNNING"));
      } else {
        history.push_back(run(id, name, "COMPLETED"));
      }
      wanted.push_back(Bench::ours(id, name));
    }
    bench.options.cluster = "nova";
    bench.make();
    bench.rest.play("GET /slurm/v0.0.45/jobs", list("jobs", queue));
    bench.rest.play("GET /slurmdb/v0.0.45/jobs", list("jobs", history));
    REQUIRE(bench.ask(bench.connector->status({wanted.front()}, bench.soon())).has_value());
    const auto before = bench.rest.requests.size();
    const auto statuses = bench.ask(bench.connector->status(wanted, bench.soon()));
    REQUIRE(statuses.has_value());
    std::printf("slurmrest: status of %zu jobs: %zu questions\n", number, bench.rest.requests.size() - before);
    CHECK(bench.rest.requests.size() - before == 2);
    CHECK(std::ranges::count(*statuses, Phase::running, &ports::JobStatus::phase) == static_cast<std::ptrdiff_t>(number / 2));
    CHECK(std::ranges::count(*statuses, Phase::ended, &ports::JobStatus::phase) == static_cast<std::ptrdiff_t>(number / 2));
    const auto asked = bench.rest.last("/slurmdb/");
    INFO(asked.target.substr(0, 200));
    CHECK(asked.target.size() < 5000);
    CHECK(asked.target.contains("show_duplicates=true"));
    CHECK(asked.target.contains("cluster=nova"));
    CHECK(asked.target.contains(number <= 1000 ? "step=1%2C" : "start_time=uts1789913600"));
  }
}

TEST_CASE("slurmrest: what others call by our names is not ours") {
  Bench bench;
  bench.rest.play("GET /slurm/v0.0.45/jobs",
                  list("jobs", {job("1", "hansa-A-1", "RUNNING", "mallory"), job("2", "other", "RUNNING")}));
  const auto statuses =
      bench.ask(bench.connector->status({Bench::ours("1", "hansa-A-1"), Bench::ours("2", "hansa-B-1")}, bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK((*statuses)[0].phase == Phase::not_seen);
  CHECK((*statuses)[1].phase == Phase::not_seen);
  const auto found = bench.ask(bench.connector->find({Bench::ours("", "hansa-A-1")}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->queue_seen);
  CHECK(found->history_seen);
  REQUIRE(found->sightings.size() == 1);  // shown; whether it is ours is the engine's question
  CHECK(found->sightings[0].account.str() == "mallory");
  CHECK(found->sightings[0].cluster == "nova");
}

TEST_CASE("slurmrest: where each sees only their own jobs, each account is asked with its own token") {
  Bench bench;
  bench.write_token(3600, "alice");
  bench.write_token(3600, "bob");
  bench.options.private_jobs = true;
  bench.options.own_account_only = false;
  bench.options.cluster = "nova";
  bench.make();
  bench.rest.play("GET /slurm/v0.0.45/jobs", [](const http::Request& request) {
    const auto user = std::string(*request.headers.get("X-SLURM-USER-NAME"));
    return respond(list("jobs", {job(user == "alice" ? "1" : "2", "hansa-" + user + "-1", "RUNNING", user)}));
  });
  const auto statuses = bench.ask(bench.connector->status(
      {batch::test::site_job("1", "hansa-alice-1", "alice"), batch::test::site_job("2", "hansa-bob-1", "bob")}, bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK((*statuses)[0].phase == Phase::running);
  CHECK((*statuses)[1].phase == Phase::running);
  CHECK(bench.rest.count("/slurm/v0.0.45/jobs") == 2);
  const auto snapshot = bench.ask(bench.connector->snapshot(bench.soon()));  // as the broker's own account
  REQUIRE(snapshot.has_value());
  CHECK(bench.rest.last("/nodes").headers.get("X-SLURM-USER-NAME") == kOwn);
}

TEST_CASE("slurmrest: a submission brings the files first, and then the job with its wrapper") {
  Bench bench;
  bench.rest.play("POST /slurm/v0.0.45/job/submit", R"({"job_id":12,"errors":[]})");
  const auto receipt = bench.ask(bench.connector->submit(Bench::request(), bench.soon()));
  INFO((receipt ? "" : receipt.error().message));
  REQUIRE(receipt.has_value());
  CHECK(receipt->site_job_id.str() == "12");
  CHECK(bench.files.count("mkdir") == 1);
  const auto sent = bench.rest.last("job/submit");
  const auto body = parse_json(sent.body, 16);
  REQUIRE(body.has_value());
  CHECK((*body)["script"].get<std::string>().starts_with("#!/bin/bash\n"));
  CHECK((*body)["job"]["name"] == "hansa-T-1");
  const auto home = transport::own_account()->home;
  CHECK((*body)["job"]["standard_output"] == home + "/.hansa/output/hansa-T-1.out");
  CHECK(sent.headers.get("Content-Type") == "application/json");
}

TEST_CASE("slurmrest: an array is one submission, its tasks are told one by one, and some of them are ended alone") {
  Bench bench;
  bench.rest.play("POST /slurm/v0.0.45/job/submit", R"({"job_id":12,"errors":[]})");
  auto request = Bench::request();
  request.spec.array = *domain::parse_task_array("0-3%2");
  REQUIRE(bench.ask(bench.connector->submit(std::move(request), bench.soon())).has_value());
  const auto body = parse_json(bench.rest.last("job/submit").body, 16);
  CHECK((*body)["job"]["array"] == "0-3%2");
  CHECK((*body)["script"].get<std::string>().contains("SLURM_ARRAY_JOB_ID"));

  const auto task = [](const std::string& id, const std::string& array, const std::string& state, const std::string& nodes) {
    auto text = job(id, "hansa-T-1", state, kOwn, nodes);
    return text.insert(1, R"("array_job_id":{"set":true,"number":12},)" + array + ',');
  };
  std::string ended = "RUNNING";
  bench.rest.play("GET /slurm/v0.0.45/jobs", [&](const http::Request&) {
    return respond(list("jobs", {task("13", R"("array_task_id":{"set":true,"number":0})", ended, "n1"),
                                 task("12", R"("array_task_id":{"set":false},"array_task_string":"1,...")", "PENDING", "")}));
  });
  auto ours = Bench::ours("12", "hansa-T-1");
  ours.tasks = {0, 1, 2, 3};
  const auto seen = bench.ask(bench.connector->status({ours}, bench.soon()));
  REQUIRE(seen.has_value());
  REQUIRE(seen->front().tasks.size() == 4);  // of those that are not told: they wait
  CHECK(seen->front().tasks[0].phase == Phase::running);
  CHECK(seen->front().tasks[0].id.str() == "12_0");
  for (std::size_t i = 1; i < 4; ++i) CHECK(seen->front().tasks[i].phase == Phase::queued);

  bench.rest.play("GET /slurm/v0.0.45/job/12",
                  list("jobs", {task("13", R"("array_task_id":{"set":true,"number":0})", "RUNNING", "n1")}));
  bench.rest.play("DELETE /slurm/v0.0.45/jobs/", [&](const http::Request&) {
    ended = "CANCELLED";
    return respond(R"({"status":[],"errors":[]})");
  });
  ours.tasks = {0};
  ours.these_tasks_only = true;
  CHECK(bench.ask(bench.connector->cancel(ours, CancelWhen::always, bench.soon())) == CancelOutcome::stopped);
  CHECK(bench.rest.last("DELETE").body == R"({"jobs":["12_0"],"signal":"SIGKILL"})");
}

TEST_CASE("slurmrest: it is looked over by what slurmrestd tells") {
  Bench bench;
  const auto now = std::chrono::floor<Seconds>(bench.scheduler.now_utc().time_since_epoch()).count();
  const auto look = [&] {
    std::map<std::string, domain::Finding> found;
    const auto report =
        bench.ask(bench.connector->doctor({.accounts = {LocalAccount()}, .person = Principal("broker:doctor")}, bench.soon()));
    INFO((report ? "" : report.error().message));
    REQUIRE(report.has_value());
    CHECK(report->questions >= 7);
    for (const auto& each : report->findings) found.emplace(each.check, each);
    return found;
  };
  using enum domain::DoctorVerdict;
  bench.rest.play("GET /slurm/v0.0.45/ping",
                  R"({"pings":[{"hostname":"c1","responding":false},{"hostname":"c2","responding":true}],)" + kMeta + "}");
  bench.rest.play("GET /slurm/v0.0.45/diag", R"({"statistics":{"req_time":{"set":true,"infinite":false,"number":)" +
                                                 std::to_string(now + 120) + "}}," + kMeta + "}");
  auto found = look();
  CHECK(found.at("API_VERSION").value == "v0.0.45");
  CHECK(found.at("CONTROLLER").verdict == ok);
  CHECK(found.at("VERSION").value == "slurm 26.05.3");
  CHECK(found.at("CLOCK").verdict == fault);
  CHECK(found.at("CLOCK").bars);
  CHECK(found.at("GPUS").value == "2 a100 (NVIDIA)");
  CHECK(found.at("HISTORY").verdict == ok);
  CHECK(found.at("TOKEN").verdict == ok);
  CHECK_THAT(found.at("TOKEN").value, Catch::StartsWith("one that ends in "));
  CHECK(found.at("PRIVATE_DATA").verdict == not_checked);

  bench.rest.play("GET /slurm/v0.0.45/ping", R"({"pings":[{"hostname":"c1","ping":"DOWN"}],)" + kMeta + "}");
  bench.rest.play("GET /slurmdb/v0.0.45/jobs", R"({"errors":[{"error_number":7000,"error":"Unable to connect to database"}]})",
                  500);
  bench.rest.play("GET /slurm/v0.0.45/diag", R"({"errors":[{"error_number":2002,"error":"Access/permission denied"}]})", 403);
  bench.rest.play("GET /slurm/v0.0.45/jobs", list("jobs", {job("1", "x", "RUNNING", "somebody")}));
  bench.write_token(100);
  found = look();
  CHECK(found.at("CONTROLLER").verdict == fault);
  CHECK(found.at("CONTROLLER").value == "c1 is DOWN");
  CHECK(found.at("HISTORY").verdict == fault);
  CHECK(found.at("CLOCK").verdict == not_checked);
  CHECK(found.at("TOKEN").verdict == warning);
  CHECK(found.at("PRIVATE_DATA").verdict == ok);
  for (const auto& [check, finding] : found) {
    CAPTURE(check);
    CHECK(finding.bars == (check == "FENCE"));  // the played files keep no link; nothing that was not answered does
  }
}

TEST_CASE("slurmrest: a submission is certain not to have left, or unknown") {
  const auto submitted = [](Bench& bench, Milliseconds time = Seconds{20}) {
    const auto receipt = bench.ask(bench.connector->submit(Bench::request(), bench.soon(time)));
    REQUIRE_FALSE(receipt.has_value());
    return receipt.error();
  };
  SECTION("no token: nothing left") {
    Bench bench;
    std::filesystem::remove(bench.folder / (kOwn + ".jwt"));
    const auto error = submitted(bench);
    CHECK(error.code == "TOKEN_MISSING");
    CHECK(ports::surely_not_sent(error));
    CHECK(bench.rest.requests.empty());
  }
  SECTION("nobody listens: nothing left") {
    Bench bench("http://127.0.0.1:1");
    const auto error = submitted(bench);
    CHECK(error.code == "SITE_DOWN");
    CHECK(ports::surely_not_sent(error));
    CHECK(error.message.contains("cannot reach slurmrestd at http://127.0.0.1:1"));
  }
  SECTION("refused, garbled, or too long: unknown") {
    Bench bench("", 1);
    const auto as = [&](std::string body, int status) {
      bench.rest.play("POST /slurm/v0.0.45/job/submit", std::move(body), status);
      const auto error = submitted(bench);
      CHECK(error.kind == ErrorKind::unknown_outcome);
      return error.code;
    };
    CHECK(as(R"({"errors":[{"error":"Invalid partition name specified","error_number":2000}]})", 422) == "SITE_REFUSED");
    CHECK(as("<html>", 200) == "SITE_GARBLED");
    CHECK(as("<html>", 503) == "SITE_SILENT");
    CHECK(as(std::string(std::size_t{100} << 20, ' '), 200) == "SITE_TRUNCATED");
    CHECK(as("", 404) == "SITE_REFUSED");
  }
  SECTION("past its deadline nothing is asked") {
    Bench bench;
    CHECK(submitted(bench, Milliseconds{0}).kind == ErrorKind::deadline_exceeded);
    CHECK(bench.rest.requests.empty());
  }
}

TEST_CASE("slurmrest: answers that are no answers make the site unavailable, with the reason") {
  Bench bench("", 1);
  const auto snapshot = [&] {
    const auto taken = bench.ask(bench.connector->snapshot(bench.soon()));
    return taken ? "fine" : taken.error().code;
  };
  CHECK(snapshot() == "fine");
  const auto as = [&](std::string body, int status) {
    bench.rest.play("GET /slurm/v0.0.45/jobs", std::move(body), status);
    return snapshot();
  };
  CHECK(as("<html>", 200) == "SITE_GARBLED");
  CHECK(as(R"({"jobs":[)", 200) == "SITE_GARBLED");
  CHECK(as(std::string(std::size_t{100} << 20, ' '), 200) == "SITE_TRUNCATED");
  CHECK(as("Authentication failure", 401) == "TOKEN_REFUSED");
  CHECK(as("<html>", 403) == "TOKEN_REFUSED");
  CHECK(as("", 503) == "SITE_DOWN");
  CHECK(as("", 302) == "SITE_REDIRECTS");
  CHECK(as(list("jobs", {"{}", "{}"}), 200) == "SITE_GARBLED");
  CHECK(as(list("jobs", {"{}", job("1", "x", "RUNNING")}), 200) == "fine");
}

TEST_CASE("slurmrest: whoever stands in between with another certificate is told nothing and no token either", "[T23]") {
  hansa::test::Certificates certificates;
  certificates.make("pinned", "IP:127.0.0.1");
  certificates.make("stranger", "IP:127.0.0.1");
  certificates.make("renamed", "DNS:elsewhere.example");
  certificates.make("ended", "IP:127.0.0.1", -7'200, -3'600);
  for (const auto& [served, trusted] : std::vector<std::pair<std::string, std::string>>{
           {"stranger", "pinned"}, {"renamed", "renamed"}, {"ended", "ended"}, {"stranger", ""}}) {
    CAPTURE(served, trusted);
    std::atomic<int> asked = 0;
    http::ServerOptions between;
    between.tls = http::TlsFiles{certificates.certificate(served), certificates.key(served)};
    http::Server server(between, [&](http::Request) -> async::Task<Response> {
      ++asked;
      co_return respond(openapi("v0.0.45"));
    });
    REQUIRE(server.start());
    Bench bench;
    bench.options.url = "https://127.0.0.1:" + std::to_string(server.port());
    bench.options.ca_file = trusted.empty() ? "" : certificates.certificate(trusted);
    bench.make();
    const auto taken = bench.ask(bench.connector->snapshot(bench.soon()));
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == "SITE_DOWN");
    const auto sent = bench.ask(bench.connector->submit(Bench::request(), bench.soon()));
    REQUIRE_FALSE(sent);
    CHECK(ports::surely_not_sent(sent.error()));
    CHECK(asked == 0);
  }
}

TEST_CASE("slurmrest: another version after an upgrade is found by asking again") {
  Bench bench;
  REQUIRE(bench.ask(bench.connector->snapshot(bench.soon())).has_value());
  {
    const std::scoped_lock lock(bench.rest.mutex);
    std::map<std::string, Slurmrestd::Player> newer;
    for (auto& [what, player] : bench.rest.players) {
      auto name = what;
      if (const auto at = name.find("v0.0.45"); at != std::string::npos) name.replace(at, 7, "v0.0.44");
      newer[name] = player;
    }
    bench.rest.players = std::move(newer);
  }
  bench.rest.play("GET /openapi.json", openapi("v0.0.44"));
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).error().code == "SITE_VERSION");
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).has_value());
  bench.rest.play("GET /openapi.json", openapi("v0.0.39"));
  bench.rest.play("GET /slurm/v0.0.44/jobs", "", 404);
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).error().code == "SITE_VERSION");
  const auto none = bench.ask(bench.connector->snapshot(bench.soon()));
  CHECK(none.error().message.contains("v0.0.39"));
  CHECK(none.error().message.contains("v0.0.38"));
}

TEST_CASE("slurmrest: a token that is no longer taken is read anew") {
  Bench bench;
  REQUIRE(bench.ask(bench.connector->snapshot(bench.soon())).has_value());
  bench.rest.play("GET /slurm/v0.0.45/jobs", R"({"errors":[{"error_number":1007,"error":"Protocol authentication error"}]})",
                  511);
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).error().code == "TOKEN_REFUSED");
  const auto old = std::string(*bench.rest.last("/jobs").headers.get("X-SLURM-USER-TOKEN"));
  bench.write_token(7200);
  bench.rest.play("GET /slurm/v0.0.45/jobs", list("jobs", {}));
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).has_value());
  CHECK(bench.rest.last("/jobs").headers.get("X-SLURM-USER-TOKEN") != old);
}

TEST_CASE("slurmrest: a cancellation looks at who has the id, and reads its outcome") {
  Bench bench;
  SECTION("ours") {
    bench.rest.play("GET /slurm/v0.0.45/job/7", list("jobs", {job("7", "hansa-A-1", "RUNNING")}));
    bench.rest.play("DELETE /slurm/v0.0.45/job/7", [&](const http::Request&) {
      bench.rest.players["GET /slurm/v0.0.45/jobs"] = [](const http::Request&) {
        return respond(list("jobs", {job("7", "hansa-A-1", "CANCELLED")}));
      };
      return respond(R"({"status":[],"errors":[]})");
    });
    bench.rest.play("GET /slurm/v0.0.45/jobs", list("jobs", {job("7", "hansa-A-1", "RUNNING")}));
    const auto outcome = bench.ask(bench.connector->cancel(Bench::ours("7", "hansa-A-1"), CancelWhen::always, bench.soon()));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::stopped);
    CHECK(bench.rest.count("DELETE") == 1);
  }
  SECTION("another's now") {
    bench.rest.play("GET /slurm/v0.0.45/job/7", list("jobs", {job("7", "theirs", "RUNNING")}));
    bench.rest.play("GET /slurm/v0.0.45/jobs", list("jobs", {job("7", "theirs", "RUNNING")}));
    const auto outcome =
        bench.ask(bench.connector->cancel(Bench::ours("7", "hansa-A-1"), CancelWhen::always, bench.soon(Milliseconds{1500})));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::unknown);
    CHECK(bench.rest.count("DELETE") == 0);
  }
  SECTION("only while it waits: held, read back, and let go where it runs") {
    std::string state = "PENDING", nodes, priority = "10";
    bench.rest.play("GET /slurm/v0.0.45/jobs", [&](const http::Request&) {
      return respond(list("jobs", {job("7", "hansa-A-1", state, kOwn, nodes, priority)}));
    });
    bench.rest.play("POST /slurm/v0.0.45/job/7", [&](const http::Request& request) {
      if (request.body == R"({"hold":true})") {  // it starts at that moment
        state = "RUNNING";
        nodes = "n1";
      }
      return respond(R"({"results":null,"errors":[]})");
    });
    const auto outcome =
        bench.ask(bench.connector->cancel(Bench::ours("7", "hansa-A-1"), CancelWhen::only_while_pending, bench.soon()));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::unknown);
    CHECK(bench.rest.last("POST /slurm/v0.0.45/job/7").body == R"({"hold":false})");
    CHECK(bench.rest.count("DELETE") == 0);
  }
  SECTION("a controller that is away is not the end of the job") {
    bench.rest.play("GET /slurm/v0.0.45/job/7", list("jobs", {job("7", "hansa-A-1", "RUNNING")}));
    bench.rest.play("DELETE /slurm/v0.0.45/job/7", R"({"errors":[{"error_number":1,"error":"Operation not permitted"}]})", 403);
    const auto outcome = bench.ask(bench.connector->cancel(Bench::ours("7", "hansa-A-1"), CancelWhen::always, bench.soon()));
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().kind == ErrorKind::unavailable);
  }
}

TEST_CASE("slurmrest: usage is asked of a bounded time, requeued runs and those that never began among it") {
  const std::string kTag = "hansa-01ARZ3NDEKTSV4RRFFQ69G5FAV-1";
  Bench bench;
  bench.rest.play("GET /slurmdb/v0.0.45/jobs", [&](const http::Request& request) {
    const bool by_state = request.target.contains("state=");
    return respond(list("jobs", by_state ? std::vector{run("3", kTag, "COMPLETED", 1800000005), run("4", "theirs", "FAILED")}
                                         : std::vector{run("3", kTag, "REQUEUED"), run("5", kTag, "RUNNING")}));
  });
  const auto page = bench.ask(bench.connector->usage({}, bench.soon()));
  INFO((page ? "" : page.error().message));
  REQUIRE(page.has_value());
  REQUIRE(page->records.size() == 2);
  CHECK(page->records[0].site_state == "REQUEUED");
  CHECK(page->records[1].site_state == "COMPLETED");
  CHECK(page->records[1].core_seconds.value == 16);
  CHECK(page->records[1].account.empty());  // the broker's own
  CHECK(bench.rest.count("/slurmdb/") == 2);
  const auto asked = bench.rest.last("/slurmdb/").target;
  CHECK(asked.contains("start_time=uts"));
  CHECK(asked.contains("end_time=uts"));
}

TEST_CASE("slurmrest: accounting that is down is no empty accounting") {
  Bench bench;
  bench.options.cluster = "nova";
  bench.make();
  bench.rest.play("GET /slurmdb/v0.0.45/jobs", test::answer("v0.0.38", "dbddown.dbjobs").body);
  const auto found = bench.ask(bench.connector->find({Bench::ours("", "hansa-A-1")}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->queue_seen);
  CHECK_FALSE(found->history_seen);
  CHECK(bench.ask(bench.connector->usage({}, bench.soon())).error().kind == ErrorKind::unavailable);
  bench.rest.play("GET /slurmdb/v0.0.45/jobs", test::answer("v0.0.38", "dbjob-unknown").body);  // "Nothing found"
  CHECK(bench.ask(bench.connector->find({Bench::ours("", "hansa-A-1")}, bench.soon()))->history_seen);
}

TEST_CASE("slurmrest: 0.0.38 does not say which cluster it speaks for") {
  Bench bench;
  {
    const std::scoped_lock lock(bench.rest.mutex);
    for (const auto* what : {"nodes", "partitions", "jobs"}) {
      bench.rest.players[std::string("GET /slurm/v0.0.38/") + what] = [what](const http::Request&) {
        return test::answer("v0.0.38", what);
      };
    }
  }
  bench.rest.play("GET /openapi.json", test::file("openapi-22.05.json"));
  bench.rest.play("GET /slurm/v0.0.38/reservations", R"({"errors":[],"reservations":[]})");
  bench.rest.play("GET /slurmdb/v0.0.38/clusters", R"({"errors":[],"clusters":[{"name":"a"},{"name":"b"}]})");
  const auto two = bench.ask(bench.connector->snapshot(bench.soon()));
  REQUIRE_FALSE(two.has_value());
  CHECK(two.error().code == "SITE_CLUSTER");
  CHECK(two.error().message.contains("slurmrest.cluster"));
  bench.rest.play("GET /slurmdb/v0.0.38/clusters", test::answer("v0.0.38", "dbclusters").body);
  const auto snapshot = bench.ask(bench.connector->snapshot(bench.soon()));
  INFO((snapshot ? "" : snapshot.error().message));
  REQUIRE(snapshot.has_value());
  CHECK(snapshot->cluster == "olda");
  CHECK(snapshot->scheduler == "slurm 22.05.8");
  bench.rest.play("GET /openapi.json", openapi("v0.0.45"));
  bench.options.cluster = "olda";
  bench.make();
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).error().code == "SITE_CLUSTER");  // it is nova's
}

TEST_CASE("slurmrest: an answer that does not end is cut at the deadline") {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto path = std::filesystem::temp_directory_path() / ("hansa-rest-" + std::to_string(::getpid()) + ".sock");
  std::filesystem::remove(path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 8) == 0);
  std::thread endless([&] {
    for (;;) {
      const int connection = ::accept(listener, nullptr, nullptr);
      if (connection < 0) return;
      const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", piece = "1\r\n \r\n";
      ::send(connection, head.data(), head.size(), MSG_NOSIGNAL);
      // At most ten seconds of it, should the client not hang up.
      for (int i = 0; i < 1000 && ::send(connection, piece.data(), piece.size(), MSG_NOSIGNAL) > 0; ++i) ::usleep(10'000);
      ::close(connection);
    }
  });
  struct End {  // also of a test that fails
    int listener;
    std::thread& thread;
    ~End() {
      ::shutdown(listener, SHUT_RDWR);
      thread.join();
      ::close(listener);
    }
  } const end{listener, endless};
  Bench bench("unix:" + path.string());
  const auto cut = bench.ask(bench.connector->snapshot(bench.soon(Milliseconds{400})));
  std::filesystem::remove(path);
  REQUIRE_FALSE(cut.has_value());
  CHECK(cut.error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("slurmrest: options that cannot work are refused by name") {
  Files files;
  async::RealScheduler scheduler;
  const auto fault = [&](Options options) {
    options.site = SiteId("s");
    const auto made = SlurmrestConnector::make(std::move(options), files, scheduler);
    return made ? std::string("fine") : made.error().faults.front().where + ": " + made.error().faults.front().message;
  };
  CHECK(fault({.site = {}, .url = "ftp://x", .tokens = {.file = "/t/{account}"}}).starts_with("slurmrest.url"));
  CHECK(fault({.site = {}, .url = "unix:x", .tokens = {.file = "/t/{account}"}}).starts_with("slurmrest.url"));
  CHECK(fault({.site = {}, .url = "http://127.0.0.1"}).starts_with("slurmrest.token_file"));
  CHECK(fault({.site = {}, .url = "http://127.0.0.1", .tokens = {.file = "/t"}}).contains("{account}"));
  CHECK(
      fault({.site = {}, .url = "http://127.0.0.1", .tokens = {.file = {}, .command = {"x", "{account}"}}}).contains("absolute"));
  CHECK(fault({.site = {}, .url = "http://127.0.0.1", .tokens = {.file = "/t/{account}"}, .work_dir = "x"})
            .starts_with("work_dir"));
  CHECK(fault({.site = {}, .url = "https://h/p", .tokens = {.file = "/t/{account}"}}) == "fine");
  CHECK(fault({.site = {}, .url = "http://127.0.0.1", .tokens = {.file = "/t"}, .own_account_only = true}) == "fine");
}

}  // namespace hansa::connectors::slurmrest
