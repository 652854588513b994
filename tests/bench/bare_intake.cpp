// SPDX-License-Identifier: Apache-2.0
// The least that a durable intake can be, to measure hansad's against: Beast, one JSON parse, the rows that an accepted job
// leaves in the store (job, payload, two events, decision, idempotency key; hansad's own schema, indexes and SQLite settings),
// committed in groups by one writer, each answered after its commit. No tokens, no checks of the job, no routing, no limits, no
// time-outs, no engine, no log.
//
//   bare_intake --dir DIR [--port PORT] [--threads 2]     two HTTP threads, as hansad's api.threads by default
//   bare_intake --version

#include "broker/core/digest.hpp"
#include "broker/core/ulid.hpp"
#include "broker/store/migrations.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace hansa;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::int64_t kCheckpointPages = 12'000;  // as store::Options, with its long log
constexpr const char* kWhy = "no site can take it now: model BUDGET_FULL, 32 of our jobs wait there, and its limit is 32";
constexpr const char* kHeld =
    R"({"by_user":false,"reason":"no site can take it now: model BUDGET_FULL, 32 of our jobs wait there, and its limit is 32","reason_code":"NO_SITE_NOW"})";

struct SystemClock final : Clock {
  UtcTime now_utc() const override { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }
  MonotonicTime now_monotonic() const override { return {}; }
};
struct Mersenne final : Random {
  std::mt19937_64 engine{std::random_device{}()};
  void fill(std::span<std::byte> out) override {
    for (auto& byte : out) byte = static_cast<std::byte>(engine());
  }
};

struct Rows {
  JobId id;
  std::int64_t at_ms = 0;
  std::string project;
  std::string spec;
  std::string event;
  std::string script;
  std::string arguments;
  std::string environment;
  std::string key;
  std::string request_hash;
  std::function<void()> committed;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bare_intake: %s\n", what.c_str());
  std::_Exit(1);
}

class Writer {
 public:
  explicit Writer(const std::filesystem::path& file)
      : db_({.path = file.string(), .vfs = "", .busy_timeout = Milliseconds{1000}, .cache_kib = 65536},
            store::Connection::Mode::read_write) {
    if (!db_.apply_settings(store::Connection::Mode::read_write) || !store::migrate(db_, store::migrations(), UtcTime{}))
      die("cannot make the database");
    db_.execute("INSERT INTO verdicts(hash, body) VALUES(?1, ?2)", std::string(64, 'a'), std::string(600, 'x'));
    verdicts_ = db_.last_row();
    sqlite3_wal_autocheckpoint(db_.handle(), kCheckpointPages);
    db_.lengthen_log(kCheckpointPages * 4120);
    thread_ = std::thread([this] { serve(); });
  }

  void submit(Rows rows) {
    const std::scoped_lock lock(mutex_);
    queue_.push_back(std::move(rows));
    if (queue_.size() == 1) wake_.notify_one();
  }

 private:
  void serve() {
    std::vector<Rows> group;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty(); });
        group.swap(queue_);
      }
      db_.run_script("BEGIN IMMEDIATE");
      for (const auto& rows : group) insert(rows);
      db_.run_script("COMMIT");
      for (auto& rows : group) rows.committed();
      group.clear();
    }
  }

  void insert(const Rows& rows) {
    db_.execute(
        "INSERT INTO jobs(id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, "
        "held_by_user, "
        "accepted_at_ms, spec) VALUES(?1, 'local:alice', ?2, 'bench', 1, 2, 1, 'held', 'NO_SITE_NOW', ?5, 0, ?3, ?4)",
        rows.id, rows.project, rows.at_ms, rows.spec, kWhy);
    const auto row = db_.last_row();
    db_.execute("INSERT INTO payloads(job, script, arguments, environment) VALUES(?1, ?2, ?3, ?4)", row, store::Blob{rows.script},
                store::Blob{rows.arguments}, store::Blob{rows.environment});
    db_.execute("INSERT INTO events(job, version, at_ms, name, body) VALUES(?1, 1, ?2, 'accepted', ?3)", row, rows.at_ms,
                rows.event);
    // That the one site is full, as hansad tells every job of that line in the commit that accepts it.
    db_.execute("INSERT INTO events(job, version, at_ms, name, body) VALUES(?1, 2, ?2, 'held', ?3)", row, rows.at_ms, kHeld);
    db_.execute("INSERT INTO decisions(job, version, verdicts) VALUES(?1, 2, ?2)", row, verdicts_);
    db_.execute(
        "INSERT INTO idempotency(key, owner, request_hash, first_job, jobs, at_ms) VALUES(?1, 'local:alice', ?2, ?3, 1, ?4)",
        rows.key, rows.request_hash, row, rows.at_ms);
  }

  store::Connection db_;
  std::int64_t verdicts_ = 0;  // the row of the one decision
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Rows> queue_;
  std::thread thread_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Tcp::socket socket, Writer& writer, UlidSource& ids, const Clock& clock)
      : stream_(std::move(socket)), writer_(writer), ids_(ids), clock_(clock) {
    beast::error_code error;
    stream_.socket().set_option(Tcp::no_delay(true), error);
  }

  void read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->take();
    });
  }

 private:
  void take() {
    auto json = nlohmann::json::parse(request_.body(), nullptr, false);
    if (!json.is_object() || !json.contains("script")) return;
    Rows rows{.id = ids_.next(), .at_ms = to_unix_ms(clock_.now_utc())};
    rows.script = json["script"].get<std::string>();
    rows.arguments = json.value("arguments", nlohmann::json::array()).dump();
    rows.environment = json.value("environment", nlohmann::json::object()).dump();
    rows.project = json.value("project", "ai-lab");
    for (const auto* part : {"script", "arguments", "environment"}) json.erase(part);
    rows.spec = json.dump();
    rows.event = nlohmann::json{{"owner", "local:alice"}, {"broker_id", "bench"}, {"spec", json}}.dump();
    rows.key = std::string(request_["Idempotency-Key"]);
    rows.request_hash = sha256_hex(request_.body());
    answer_ = {};
    answer_.result(http::status::created);
    answer_.version(11);
    answer_.keep_alive(true);
    answer_.set(http::field::content_type, "application/json");
    answer_.body() = nlohmann::json{{"id", rows.id.str()}, {"state", "accepted"}, {"project", rows.project}}.dump();
    answer_.prepare_payload();
    rows.committed = [self = shared_from_this()] { asio::post(self->stream_.get_executor(), [self] { self->answer(); }); };
    writer_.submit(std::move(rows));
  }

  void answer() {
    http::async_write(stream_, answer_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->read();
    });
  }

  beast::tcp_stream stream_;
  Writer& writer_;
  UlidSource& ids_;
  const Clock& clock_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> answer_;
};

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path dir;
  std::uint16_t port = 0;
  std::size_t threads = 2;
  CLI::App command("The least that a durable intake can be.");
  command.add_option("--dir", dir)->required();
  command.add_option("--port", port);
  command.add_option("--threads", threads)->check(CLI::Range(1, 64));
  command.set_version_flag(
      "--version", "SQLite " + std::string(sqlite3_libversion()) + ", Boost " + std::to_string(BOOST_VERSION / 100'000) + "." +
                       std::to_string(BOOST_VERSION / 100 % 1000) + ", nlohmann " + std::to_string(NLOHMANN_JSON_VERSION_MAJOR) +
                       "." + std::to_string(NLOHMANN_JSON_VERSION_MINOR));
  CLI11_PARSE(command, argc, argv);

  SystemClock clock;
  Mersenne random;
  UlidSource ids(clock, random);
  Writer writer(dir / "bare.db");
  // One io_context a thread, connections in turn, as hansad's server has it: no locks between connections.
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  for (std::size_t i = 0; i < threads; ++i) contexts.push_back(std::make_unique<asio::io_context>(1));
  Tcp::acceptor acceptor(*contexts.front(), {asio::ip::make_address("127.0.0.1"), port});
  std::size_t next = 0;
  std::function<void()> accept = [&] {
    auto& context = *contexts[next++ % threads];
    acceptor.async_accept(context, [&](beast::error_code error, Tcp::socket socket) {
      if (!error) {
        auto session = std::make_shared<Session>(std::move(socket), writer, ids, clock);
        asio::post(context, [session] { session->read(); });
      }
      accept();
    });
  };
  accept();
  std::vector<std::thread> pool;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  for (auto& context : contexts) guards.push_back(asio::make_work_guard(*context));
  for (std::size_t i = 1; i < threads; ++i) pool.emplace_back([&, i] { contexts[i]->run(); });
  contexts.front()->run();  // until it is killed
}
