// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/tokens.hpp"

#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>

using namespace hansa;
using namespace hansa::identity;
using ports::ApiToken;
using ports::Role;

namespace {

/// Keeps tokens as a store does; `refuse` is its next answer to a write.
struct MemoryTokens : ports::TokenStore {
  std::vector<ApiToken> kept;
  std::optional<Error> refuse;

  async::Task<> create_token(ApiToken token) override {
    if (refuse) co_return std::unexpected(*refuse);
    kept.push_back(std::move(token));
    co_return Result<void>{};
  }
  async::Task<ApiToken> token_by_hash(std::string hash) override {
    co_return find([&](const ApiToken& t) { return t.hash == hash; });
  }
  async::Task<std::vector<ApiToken>> tokens() override {
    if (refuse) co_return std::unexpected(*refuse);
    co_return kept;
  }
  async::Task<ApiToken> revoke_token(std::string id, UtcTime at) override {
    if (refuse) co_return std::unexpected(*refuse);
    for (auto& token : kept) {
      if (token.id == id && !token.revoked_at) token.revoked_at = at;
    }
    co_return find([&](const ApiToken& t) { return t.id == id; });
  }

 private:
  template <typename Which>
  Result<ApiToken> find(Which which) const {
    const auto at = std::ranges::find_if(kept, which);
    if (at == kept.end()) return fail(ErrorKind::not_found, "TOKEN_NOT_FOUND", "there is no such token");
    return *at;
  }
};

struct Office {
  simulation::VirtualScheduler time;
  simulation::SeededRandom random{42};
  MemoryTokens store;
  TokenAuthority authority{time, random, store};

  template <class T>
  Result<T> run(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time.context(), async::detail::keep(&outcome, std::move(task)), [](const std::exception_ptr& e) {
      if (e) std::rethrow_exception(e);
    });
    time.run_ready();
    REQUIRE(outcome);
    return std::move(*outcome);
  }

  NewToken make(const char* user = "local:alice", Role role = Role::user, std::optional<UtcTime> expires = std::nullopt) {
    auto made = run(authority.create(Principal(user), role, "laptop", expires));
    REQUIRE(made);
    return *made;
  }
  [[nodiscard]] std::string code(std::string_view header) const {
    const auto caller = authority.authenticate(header);
    if (caller) return "OK";
    CHECK(caller.error().kind == ErrorKind::unauthenticated);
    return caller.error().code;
  }
};

std::string bearer(const NewToken& token) { return "Bearer " + std::string(token.token.reveal()); }

const Error kFull = fail(ErrorKind::storage_full, "STORAGE_FULL", "no space").error();

}  // namespace

TEST_CASE("a token says who is asking, from when it is durable") {
  Office office;
  const auto made = office.make("local:alice", Role::operator_);
  const auto caller = office.authority.authenticate(bearer(made));
  REQUIRE(caller);
  CHECK(caller->principal.str() == "local:alice");
  CHECK(caller->role == Role::operator_);
  CHECK(caller->token_id == made.record.id);
  CHECK(made.record.note == "laptop");
  CHECK(made.record.created_at == office.time.now_utc());
  REQUIRE(office.store.kept.size() == 1);
  CHECK(office.store.kept[0].id == made.record.id);
}

TEST_CASE("a token is 256 random bits, and nothing that is kept tells it", "[T07]") {
  Office office;
  std::set<std::string> tokens, ids;
  for (int i = 0; i < 50; ++i) {
    const auto made = office.make();
    const std::string text(made.token.reveal());
    CHECK(text.size() == 49);
    CHECK(text.starts_with("hansa_"));
    CHECK(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos);
    CHECK(made.record.id.starts_with("tok_"));
    CHECK(made.record.hash.size() == 64);
    CHECK(made.record.hash.find(text) == std::string::npos);
    CHECK(text.find(made.record.id.substr(4)) == std::string::npos);
    tokens.insert(text);
    ids.insert(made.record.id);
  }
  CHECK(tokens.size() == 50);
  CHECK(ids.size() == 50);
}

TEST_CASE("the header: Bearer in any case, one token as it was made, nothing around it") {
  Office office;
  const std::string token(office.make().token.reveal());
  for (const auto* scheme : {"Bearer ", "bearer ", "BEARER ", "bEaReR "}) CHECK(office.code(scheme + token) == "OK");

  CHECK(office.code("") == "NO_TOKEN");
  CHECK_THAT(office.authority.authenticate("").error().message, Catch::Contains("Authorization: Bearer hansa_"));
  const std::string kBad[] = {
      " ",
      "Bearer",
      "Bearer ",
      "Bearer  " + token,
      " Bearer " + token,
      "Bearer\t" + token,
      "Bearer" + token,
      "Bearer " + token + " ",
      "Bearer " + token + "\n",
      "Bearer " + token + "=",
      "Bearer " + token.substr(0, token.size() - 1),
      "Bearer " + token + ", Bearer " + token,
      "Bearer \"" + token + "\"",
      "Bearer " + token.substr(6),
      "Bearer HANSA_" + token.substr(6),
      "Basic " + token,
      "Basic YWxpY2U6aHVudGVyMg==",
      "Token " + token,
      token,
      "Bearer hansa_",
      "Bearer hansa_" + std::string(43, 'A'),
      "Bearer hansa_" + std::string(100'000, 'A'),
      "Bearer tok_" + token.substr(6),
      "Bearer " + token + std::string(1, '\0'),
  };
  for (const auto& header : kBad) {
    CAPTURE(header.substr(0, 80));
    CHECK(office.code(header) == "BAD_TOKEN");
  }
  for (const auto& header : kBad) {
    if (const auto caller = office.authority.authenticate(header); !caller)
      CHECK(caller.error().message == "that is no token of this broker");
  }
  auto swapped = token;
  swapped.back() = swapped.back() == 'A' ? 'B' : 'A';
  CHECK(office.code("Bearer " + swapped) == "BAD_TOKEN");
  CHECK(office.code("Bearer " + office.store.kept[0].hash) == "BAD_TOKEN");
}

TEST_CASE("a token expires at its time and not before") {
  Office office;
  const auto made = office.make("local:alice", Role::user, office.time.now_utc() + Seconds{10});
  office.time.advance(Milliseconds{9'999});
  CHECK(office.code(bearer(made)) == "OK");
  office.time.advance(Milliseconds{1});
  CHECK(office.code(bearer(made)) == "TOKEN_EXPIRED");
  CHECK(office.code(bearer(office.make())) == "OK");
}

TEST_CASE("a revocation counts at once, for that token alone, and goes before its expiry") {
  Office office;
  const auto kept = office.make();
  const auto gone = office.make("local:alice", Role::user, office.time.now_utc() + Seconds{10});
  const auto revoked = office.run(office.authority.revoke(gone.record.id));
  REQUIRE(revoked);
  CHECK(revoked->revoked_at == office.time.now_utc());
  CHECK(office.code(bearer(gone)) == "TOKEN_REVOKED");
  CHECK(office.code(bearer(kept)) == "OK");
  office.time.advance(Seconds{20});
  CHECK(office.code(bearer(gone)) == "TOKEN_REVOKED");
  CHECK(office.run(office.authority.revoke("tok_none")).error().kind == ErrorKind::not_found);
  CHECK(office.authority.list().size() == 2);
}

TEST_CASE("what the store did not take did not happen") {
  Office office;
  const auto made = office.make();
  office.store.refuse = kFull;
  CHECK(office.run(office.authority.create(Principal("local:bob"), Role::user, "", std::nullopt)).error().code == "STORAGE_FULL");
  CHECK(office.authority.list().size() == 1);
  CHECK(office.run(office.authority.revoke(made.record.id)).error().code == "STORAGE_FULL");
  CHECK(office.code(bearer(made)) == "OK");
  CHECK(office.run(office.authority.load()).error().code == "STORAGE_FULL");
  CHECK(office.code(bearer(made)) == "OK");  // what was known is still known
}

TEST_CASE("after a restart the stored tokens count, revoked and expired ones as such") {
  Office office;
  const auto good = office.make("local:alice", Role::auditor);
  const auto revoked = office.make();
  const auto expired = office.make("local:alice", Role::user, office.time.now_utc() + Seconds{1});
  REQUIRE(office.run(office.authority.revoke(revoked.record.id)));
  office.time.advance(Seconds{2});

  TokenAuthority again(office.time, office.random, office.store);
  CHECK(again.authenticate(bearer(good)).error().code == "BAD_TOKEN");  // not loaded yet
  REQUIRE(office.run(again.load()));
  CHECK(again.authenticate(bearer(good))->role == Role::auditor);
  CHECK(again.authenticate(bearer(revoked)).error().code == "TOKEN_REVOKED");
  CHECK(again.authenticate(bearer(expired)).error().code == "TOKEN_EXPIRED");
  CHECK(again.list().size() == 3);
}

TEST_CASE("tokens are listed in the order in which they were made") {
  Office office;
  std::vector<std::string> made, listed;
  for (int i = 0; i < 20; ++i) {
    made.push_back(office.make().record.id);
    office.time.advance(Seconds{1});
  }
  for (const auto& token : office.authority.list()) listed.push_back(token.id);
  CHECK(listed == made);
}

TEST_CASE("a user's name becomes a principal of this broker's own") {
  CHECK(local_principal("alice")->str() == "local:alice");
  CHECK(local_principal("local:alice")->str() == "local:alice");
  CHECK(local_principal("A.b_c-9@example.org")->str() == "local:A.b_c-9@example.org");
  CHECK(local_principal(std::string(64, 'x')));
  const std::string kBad[] = {"",
                              "local:",
                              "local:local:alice",
                              "oidc:alice",
                              "a b",
                              "a/b",
                              "a\n",
                              std::string(65, 'x'),
                              "\xC3\xA5sa",
                              std::string("a\0", 2),
                              "LOCAL:alice",
                              "*"};
  for (const auto& name : kBad) {
    CAPTURE(name);
    const auto principal = local_principal(name);
    REQUIRE_FALSE(principal);
    CHECK(principal.error().code == "BAD_USER");
    REQUIRE(principal.error().faults.size() == 1);
    CHECK(principal.error().faults[0].where == "/user");
  }
}

TEST_CASE("an operator's token may be for some sites alone, and stays so") {
  Office office;
  const auto made = office.run(
      office.authority.create(Principal("local:alice"), Role::operator_, "", std::nullopt, {SiteId("alpha"), SiteId("beta")}));
  REQUIRE(made);
  const std::vector<SiteId> sites{SiteId("alpha"), SiteId("beta")};
  CHECK(office.authority.authenticate(bearer(*made))->sites == sites);
  TokenAuthority again(office.time, office.random, office.store);
  REQUIRE(office.run(again.load()));
  CHECK(again.authenticate(bearer(*made))->sites == sites);
  CHECK(role_text(Role::operator_, sites) == "operator (alpha, beta)");
  CHECK(role_text(Role::operator_, {}) == "operator");
}

TEST_CASE("roles have one spelling") {
  CHECK(to_string(Role::policy_officer) == "policy-officer");
  CHECK_FALSE(parse_role("agent"));  // no token has that role
  for (const auto role : {Role::user, Role::operator_, Role::auditor, Role::policy_officer})
    CHECK(parse_role(to_string(role)) == role);
  CHECK(to_string(Role::operator_) == "operator");
  for (const auto* text : {"", "User", "admin", "operator_", "user "}) CHECK_FALSE(parse_role(text));
}
