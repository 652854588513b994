// SPDX-License-Identifier: Apache-2.0
#include "broker/app/state_folder.hpp"

#include "broker/store/sqlite_store.hpp"
#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

namespace hansa::app {
namespace {

/// A state folder, and the starts of a broker on it.
class Starts {
 public:
  Starts() {
    std::string name = "/tmp/hansa-app-test.XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
  }
  ~Starts() { std::filesystem::remove_all(folder); }
  Starts(const Starts&) = delete;
  Starts& operator=(const Starts&) = delete;

  Result<void> start() { return run(ensure_operator_token(tokens, folder)); }
  template <class T>
  Result<T> run(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time.context(), std::move(task),
                          [&](const std::exception_ptr&, Result<T> result) { outcome.emplace(std::move(result)); });
    time.run_ready();
    REQUIRE(outcome);
    return std::move(*outcome);
  }
  [[nodiscard]] std::filesystem::path file() const { return folder / "operator.token"; }
  [[nodiscard]] std::string secret() const {
    std::ifstream in(file());
    std::string line;
    std::getline(in, line);
    return line;
  }
  [[nodiscard]] std::string caller(const std::string& token) const {
    const auto known = tokens.authenticate("Bearer " + token);
    return known ? known->principal.str() : known.error().code;
  }

  std::filesystem::path folder;
  simulation::VirtualScheduler time;
  simulation::SeededRandom random{7};

 private:
  static std::unique_ptr<store::SqliteStore> open_store() {
    auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = "b", .inline_mode = true});
    REQUIRE(opened);
    REQUIRE((*opened)->begin_epoch());
    return std::move(*opened);
  }

  std::unique_ptr<store::SqliteStore> store_ = open_store();

 public:
  identity::TokenAuthority tokens{time, random, *store_};
};

}  // namespace

TEST_CASE("the first start writes an operator's token for its owner alone, later ones leave it") {
  Starts broker;
  REQUIRE(broker.start());
  const auto first = broker.secret();
  CHECK(broker.caller(first) == "local:operator");
  struct stat facts{};
  REQUIRE(::stat(broker.file().c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777U) == 0600U);
  REQUIRE(broker.start());
  CHECK(broker.secret() == first);
  CHECK(broker.tokens.list().size() == 1);
}

TEST_CASE("an operator's token that was lost is replaced and revoked, unless somebody else is an operator") {
  Starts broker;
  REQUIRE(broker.start());
  const auto first = broker.secret();
  std::filesystem::remove(broker.file());
  REQUIRE(broker.start());
  const auto second = broker.secret();
  CHECK(broker.caller(second) == "local:operator");
  CHECK(broker.caller(first) == "TOKEN_REVOKED");

  const auto colleague = broker.run(
      broker.tokens.create(Principal("local:eve"), ports::Role::operator_, "", broker.time.now_utc() + Milliseconds{1'000}));
  REQUIRE(colleague);
  REQUIRE(broker.run(broker.tokens.create(Principal("local:alice"), ports::Role::user, "", std::nullopt)));
  REQUIRE(broker.run(
      broker.tokens.create(Principal("local:sam"), ports::Role::operator_, "", std::nullopt, {SiteId("alpha")})));  // not of all
  std::filesystem::remove(broker.file());
  REQUIRE(broker.start());
  CHECK_FALSE(std::filesystem::exists(broker.file()));
  CHECK(broker.caller(second) == "local:operator");

  broker.time.advance(Milliseconds{2'000});  // the colleague's has expired
  REQUIRE(broker.start());
  CHECK(broker.caller(broker.secret()) == "local:operator");
  CHECK(broker.caller(second) == "TOKEN_REVOKED");
}

TEST_CASE("a token whose file could not be written does not lock the operators out") {
  Starts broker;
  const auto there = broker.folder;
  broker.folder /= "missing";
  const auto failed = broker.start();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == "STATE_DIR_UNUSABLE");
  broker.folder = there;
  REQUIRE(broker.start());
  CHECK(broker.caller(broker.secret()) == "local:operator");
}

TEST_CASE("a state folder is made, or refused with what to do") {
  Starts broker;
  const auto state = broker.folder / "state";
  REQUIRE(make_state_folder(state));
  REQUIRE(make_state_folder(state));
  struct stat facts{};
  REQUIRE(::stat(state.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777U) == 0700U);
  REQUIRE(::chmod(state.c_str(), 0750) == 0);
  CHECK(make_state_folder(state).error().message.contains("chmod 0700"));
  CHECK(make_state_folder(broker.folder / "no" / "such").error().message.contains("set broker.state_dir"));
  std::ofstream(broker.folder / "file") << "x";
  CHECK(make_state_folder(broker.folder / "file").error().message.contains("is no folder"));
}

}  // namespace hansa::app
