// SPDX-License-Identifier: Apache-2.0
// Issuers on a virtual clock: keys that are read, kept, rotated and flooded; what is asked about people; who is shut out.
#include "broker/identity/authenticator.hpp"

#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/unit/identity/token_maker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::identity;
using namespace hansa::identity::test;

namespace {

struct Store final : ports::TokenStore, ports::RevocationStore, ports::MembershipStore {
  std::vector<ports::Revocation> kept;
  std::map<Principal, ports::Membership> people;
  async::Task<> create_token(ports::ApiToken) override { co_return Result<void>{}; }
  async::Task<ports::ApiToken> token_by_hash(std::string) override { co_return fail(ErrorKind::not_found, "", ""); }
  async::Task<std::vector<ports::ApiToken>> tokens() override { co_return std::vector<ports::ApiToken>{}; }
  async::Task<ports::ApiToken> revoke_token(std::string, UtcTime) override { co_return fail(ErrorKind::not_found, "", ""); }
  async::Task<std::int64_t> record_revocation(ports::Revocation one) override {
    one.number = static_cast<std::int64_t>(kept.size()) + 1;
    kept.push_back(one);
    co_return one.number;
  }
  async::Task<> lift_revocation(std::int64_t number, Principal by, UtcTime at) override {
    kept[static_cast<std::size_t>(number - 1)].lifted_by = by;
    kept[static_cast<std::size_t>(number - 1)].lifted_at = at;
    co_return Result<void>{};
  }
  async::Task<std::vector<ports::Revocation>> revocations() override { co_return kept; }
  async::Task<> keep_membership(ports::Membership one) override {
    people.insert_or_assign(one.person, one);
    co_return Result<void>{};
  }
  async::Task<std::vector<ports::Membership>> memberships() override {
    std::vector<ports::Membership> all;
    for (const auto& [person, one] : people) all.push_back(one);
    co_return all;
  }
};

/// Collects what is logged: no token may be in it.
struct Lines final : ports::Log {
  std::string text;
  void write(ports::LogLevel, std::string_view sentence, std::initializer_list<ports::LogField> fields) override {
    text += sentence;
    for (const auto& field : fields) text += " " + field.value;
    text += "\n";
  }
};

/// An issuer: what it answers, how long that takes, and what it was asked.
struct FakeIssuer final : Outward {
  explicit FakeIssuer(async::Scheduler& time) : scheduler(time) {}
  async::Scheduler& scheduler;
  std::map<std::string, OutwardAnswer> answers;  // by URL
  std::vector<std::string> asked;
  Milliseconds delay{50};
  bool down = false;

  void publish(const std::vector<Json>& keys) {
    answers[kIssuer + "/keys"] = {.status = 200, .content_type = "application/json", .body = keys_text(keys)};
  }
  [[nodiscard]] std::ptrdiff_t calls(const std::string& path) const { return std::ranges::count(asked, kIssuer + path); }

  async::Task<OutwardAnswer> call(OutwardRequest request, async::Deadline deadline) override {
    asked.push_back(request.url);
    co_await scheduler.sleep_until(std::min(scheduler.now_monotonic() + delay, deadline.at));
    if (deadline.passed(scheduler))
      co_return fail(ErrorKind::unavailable, "PROVIDER_UNREACHABLE", "the issuer does not answer in time");
    const auto at = answers.find(request.url);
    if (down || at == answers.end()) co_return fail(ErrorKind::unavailable, "PROVIDER_UNREACHABLE", "nobody is there");
    co_return at->second;
  }
};

constexpr const char* kLab = "urn:geant:example.org:group:ai-lab";

struct Office {
  explicit Office(ClaimsFrom claims_from = ClaimsFrom::token, Milliseconds claims_last = Milliseconds{300'000}) {
    Issuer issuer{
        .terms = terms(),
        .provider = {.id = "one", .url = kIssuer, .claims_from = claims_from, .client = "hansad", .client_secret = Secret("s")},
        .standing = {}};
    issuer.claims_last = claims_last;
    issuer.standing.projects.emplace_back(*GroupRule::make(kLab, false), ProjectId("ai-lab"));
    issuer.refused = {"test@example.org"};
    issuers.push_back(std::move(issuer));
    outward.answers[kIssuer + "/.well-known/openid-configuration"] = {
        .status = 200, .content_type = "application/json; charset=utf-8", .body = description().dump()};
    outward.publish({rsa_key().jwk()});
    begin();
  }
  ~Office() { (void)run(authenticator->close()); }

  static Json description() {
    return {{"issuer", kIssuer},
            {"jwks_uri", kIssuer + "/keys"},
            {"userinfo_endpoint", kIssuer + "/userinfo"},
            {"introspection_endpoint", kIssuer + "/introspect"}};
  }

  /// As at a start of the broker.
  void begin() {
    if (authenticator) (void)run(authenticator->close());
    authenticator.emplace(Authenticator::Parts{.strand = time.executor(),
                                               .scheduler = time,
                                               .outward = outward,
                                               .log = log,
                                               .tokens = tokens,
                                               .revocations = store,
                                               .memberships = store},
                          issuers, [this](const std::string&) {
                            return KeptKeys{.read = [this] { return kept; },
                                            .write = [this](std::string_view text) -> Result<void> {
                                              kept = text;
                                              return {};
                                            }};
                          });
    REQUIRE(run(authenticator->load()));
  }

  template <class T>
  Result<T> run(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time.context(), async::detail::keep(&outcome, std::move(task)), [](const std::exception_ptr& e) {
      if (e) std::rethrow_exception(e);
    });
    time.run_until([&] { return outcome.has_value(); }, std::chrono::minutes{5});
    REQUIRE(outcome);
    return std::move(*outcome);
  }

  /// A token that is good now, and what becomes of it.
  [[nodiscard]] Draft draft() const {
    Draft made;
    made.claims["iat"] = to_unix_seconds(time.now_utc()) - 5;
    made.claims["exp"] = to_unix_seconds(time.now_utc()) + 3'600;
    return made;
  }
  std::string ask(const std::string& token) {
    const auto caller = run(authenticator->authenticate("Bearer " + token, async::Deadline::in(time, Milliseconds{30'000})));
    return caller ? caller->principal.str() : caller.error().code;
  }
  std::string ask(const Draft& draft, const SigningKey& key = rsa_key()) { return ask(draft.signed_by(key)); }
  std::string ask() { return ask(draft()); }

  simulation::VirtualScheduler time{from_unix_seconds(kNow)};
  simulation::SeededRandom random{1};
  Lines log;
  Store store;
  FakeIssuer outward{time};
  TokenAuthority tokens{time, random, store};
  std::vector<Issuer> issuers;
  std::string kept;
  std::optional<Authenticator> authenticator;
};

const std::string kPerson = "one:28c5353b@example.org";

}  // namespace

TEST_CASE("the first who comes has the keys read, once for all", "[issuers][T04]") {
  Office office;
  std::vector<std::optional<Result<Caller>>> outcomes(20);
  const auto token = office.draft().signed_by(rsa_key());
  for (auto& outcome : outcomes) {
    boost::asio::co_spawn(
        office.time.context(),
        async::detail::keep(&outcome, office.authenticator->authenticate("Bearer " + token,
                                                                         async::Deadline::in(office.time, Milliseconds{30'000}))),
        [](const std::exception_ptr&) {});
  }
  office.time.run_until([&] { return std::ranges::all_of(outcomes, [](const auto& one) { return one.has_value(); }); },
                        std::chrono::minutes{1});
  for (const auto& outcome : outcomes) CHECK((outcome && *outcome && (*outcome)->principal.str() == kPerson));
  CHECK(office.outward.calls("/keys") == 1);
  CHECK(office.outward.calls("/.well-known/openid-configuration") == 1);
  for (int i = 0; i < 100; ++i) CHECK(office.ask(token) == kPerson);
  CHECK(office.outward.asked.size() == 2);
}

TEST_CASE("a flood of key ids that nobody has is one call a minute", "[issuers][T04]") {
  Office office;
  CHECK(office.ask() == kPerson);
  for (int minute = 0; minute < 5; ++minute) {
    office.time.advance(std::chrono::seconds{60});
    for (int i = 0; i < 200; ++i) {
      auto draft = office.draft();
      draft.header["kid"] = "made-up-" + std::to_string(i);
      CHECK(office.ask(draft.unsigned_text() + "." + to_base64url(std::string(256, 'x'))) == "KEY_UNKNOWN");
    }
  }
  CHECK(office.outward.calls("/keys") == 1 + 5);
}

TEST_CASE("ten thousand made-up key ids a second have each issuer asked once a minute", "[issuers][T04]") {
  Office office;
  auto two = office.issuers[0];
  const std::string second = "https://idp.example.org/realms/two";
  two.terms.id = two.provider.id = "two";
  two.terms.url = two.provider.url = second;
  office.issuers.push_back(two);
  auto description = Office::description();
  description["issuer"] = second;
  description["jwks_uri"] = second + "/keys";
  office.outward.answers[second + "/.well-known/openid-configuration"] = {
      .status = 200, .content_type = "application/json", .body = description.dump()};
  office.outward.answers[second + "/keys"] = {
      .status = 200, .content_type = "application/json", .body = keys_text({other_rsa_key().jwk()})};
  office.begin();
  CHECK(office.ask() == kPerson);
  auto draft = office.draft();
  const auto signature = "." + to_base64url(std::string(256, 'x'));
  for (const int many : {10'000, 1'000}) {
    office.time.advance(std::chrono::seconds{61});
    std::vector<std::optional<Result<Caller>>> outcomes(static_cast<std::size_t>(many));
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      draft.header["kid"] = "made-up-" + std::to_string(many) + "-" + std::to_string(i);
      draft.claims["iss"] = i % 2 == 0 ? kIssuer : second;
      boost::asio::co_spawn(office.time.context(),
                            async::detail::keep(&outcomes[i], office.authenticator->authenticate(
                                                                  "Bearer " + draft.unsigned_text() + signature,
                                                                  async::Deadline::in(office.time, Milliseconds{30'000}))),
                            [](const std::exception_ptr&) {});
    }
    office.time.run_until([&] { return std::ranges::all_of(outcomes, [](const auto& one) { return one.has_value(); }); },
                          std::chrono::minutes{1});
    CHECK(std::ranges::all_of(outcomes, [](const auto& one) { return one && !*one && one->error().code == "KEY_UNKNOWN"; }));
  }
  CHECK(office.outward.calls("/keys") == 3);
  CHECK(std::ranges::count(office.outward.asked, second + "/keys") <= 2 + 1);
  CHECK(office.ask(office.draft()) == kPerson);
}

TEST_CASE("whatever addresses a token names nobody is called for it", "[issuers][T03]") {
  Office office;
  CHECK(office.ask() == kPerson);
  const auto before = office.outward.asked.size();
  const std::vector<std::string> addresses{"http://169.254.169.254/latest/meta-data/",
                                           "https://evil.example.org/keys",
                                           "https://evil.example.org/.well-known/openid-configuration",
                                           "http://127.0.0.1:22/",
                                           "http://[::1]/",
                                           "file:///etc/hansa/hansad.toml",
                                           "gopher://127.0.0.1:25/x",
                                           kIssuer + "/../two",
                                           kIssuer + "/",
                                           kIssuer + "@evil.example.org",
                                           "//evil.example.org",
                                           "https://idp.example.org.evil.example.org/realms/one"};
  const auto everywhere = [&](const auto& spoil) {
    for (const auto& address : addresses) {
      CAPTURE(address);
      auto draft = office.draft();
      spoil(draft, address);
      CHECK(office.ask(draft, other_rsa_key()) != kPerson);
    }
  };
  everywhere([](Draft& draft, const std::string& address) { draft.claims["iss"] = address; });
  for (const auto* name : {"jku", "x5u", "jwk", "x5c", "iss", "url"})
    everywhere([&](Draft& draft, const std::string& address) { draft.header[name] = address; });
  everywhere([](Draft& draft, const std::string& address) {
    draft.header["jwk"] = other_rsa_key().jwk();
    draft.header["jwk"]["x5u"] = address;
  });
  for (const auto* name : {"jwks_uri", "userinfo_endpoint", "introspection_endpoint", "_claim_sources", "src_endpoint"})
    everywhere([&](Draft& draft, const std::string& address) { draft.claims[name] = address; });
  CHECK(office.outward.asked.size() == before);
}

TEST_CASE("a key that the issuer changes to is known within a minute, and the old one goes", "[issuers]") {
  Office office;
  CHECK(office.ask() == kPerson);
  office.outward.publish({other_rsa_key().jwk()});
  auto draft = office.draft();
  draft.header["kid"] = "rsa-2";
  CHECK(office.ask(draft, other_rsa_key()) == "KEY_UNKNOWN");  // read a moment ago
  office.time.advance(std::chrono::seconds{60});
  CHECK(office.ask(draft, other_rsa_key()) == kPerson);
  CHECK(office.ask() == "KEY_UNKNOWN");
}

TEST_CASE("an issuer that is down: its keys count for two days, then nobody is known by it", "[issuers]") {
  Office office;
  CHECK(office.ask() == kPerson);
  office.outward.down = true;
  office.time.advance(std::chrono::hours{47});
  CHECK(office.ask() == kPerson);
  office.time.advance(std::chrono::hours{2});
  CHECK(office.ask() == "KEYS_NOT_KNOWN");
  office.outward.down = false;
  office.time.advance(std::chrono::seconds{60});
  CHECK(office.ask() == kPerson);
}

TEST_CASE("keys are read again after hours, while those that are known count", "[issuers]") {
  Office office;
  CHECK(office.ask() == kPerson);
  office.time.advance(std::chrono::hours{5});
  CHECK(office.ask() == kPerson);
  CHECK(office.outward.calls("/keys") == 1);
  office.time.advance(std::chrono::hours{2});
  CHECK(office.ask() == kPerson);  // and has them read behind its back
  office.time.advance(std::chrono::seconds{1});
  CHECK(office.outward.calls("/keys") == 2);
  SECTION("sooner where the issuer says so, but not before an hour") {
    office.outward.answers[kIssuer + "/keys"].max_age = Seconds{10};
    office.time.advance(std::chrono::hours{7});
    CHECK(office.ask() == kPerson);
    office.time.advance(std::chrono::minutes{59});
    CHECK(office.ask() == kPerson);
    office.time.advance(std::chrono::seconds{1});
    CHECK(office.outward.calls("/keys") == 3);
    office.time.advance(std::chrono::minutes{2});
    CHECK(office.ask() == kPerson);
    office.time.advance(std::chrono::seconds{1});
    CHECK(office.outward.calls("/keys") == 4);
  }
}

TEST_CASE("keys are kept for the next start", "[issuers]") {
  Office office;
  CHECK(office.ask() == kPerson);
  office.outward.down = true;
  office.begin();
  CHECK(office.ask() == kPerson);
  CHECK(office.kept.contains(kIssuer));
  SECTION("not beyond their time") {
    office.time.advance(std::chrono::hours{49});
    office.begin();
    CHECK(office.ask() == "KEYS_NOT_KNOWN");
  }
  SECTION("not from the future, when the clock has stepped back") {
    office.time.step_utc(-std::chrono::hours{1});
    office.begin();
    CHECK(office.ask() == "KEYS_NOT_KNOWN");
  }
  SECTION("not of another issuer, not garbage") {
    for (const std::string text :
         {"", "{", "[]", "{\"issuer\":\"https://evil.example\",\"read_at\":\"2026-11-22T10:00:00Z\",\"keys\":\"{}\"}"}) {
      office.kept = text;
      office.begin();
      CHECK(office.ask() == "KEYS_NOT_KNOWN");
    }
  }
}

TEST_CASE("an issuer that is not what it should be gives no keys", "[issuers][T03]") {
  Office office;
  office.issuers[0].provider.claims_from = ClaimsFrom::token;
  auto& description = office.outward.answers[kIssuer + "/.well-known/openid-configuration"];
  auto& keys = office.outward.answers[kIssuer + "/keys"];
  const auto told = [&](const std::string& code) {
    office.begin();
    CHECK(office.ask() == "KEYS_NOT_KNOWN");
    CAPTURE(office.log.text);
    CHECK(office.log.text.contains(code));
    office.log.text.clear();
  };
  SECTION("another host for its keys") {
    for (const std::string url :
         {"http://169.254.169.254/keys", "https://evil.example/keys", "https://idp.example.org.evil.example/keys",
          "https://idp.example.org:8443/keys", "https://user@idp.example.org/keys", "file:///etc/passwd", ""}) {
      auto other = Office::description();
      other["jwks_uri"] = url;
      description.body = other.dump();
      told("PROVIDER_ORIGIN");
      CHECK(std::ranges::count(office.outward.asked, url) == 0);
    }
  }
  SECTION("the name of another issuer") {
    auto other = Office::description();
    other["issuer"] = kIssuer + "/";
    description.body = other.dump();
    told("PROVIDER_ISSUER");
  }
  SECTION("odd answers") {
    keys.content_type = "text/html";
    told("PROVIDER_ANSWER");
    keys.content_type = "application/json";
    keys.status = 500;
    told("PROVIDER_ANSWER");
    keys.status = 200;
    keys.body = "<html>";
    told("KEYS_JSON");
    description.content_type = "text/html";
    told("PROVIDER_ANSWER");
    description.content_type = "application/json";
    description.body = "[]";
    told("PROVIDER_ANSWER");
  }
  SECTION("slow") {
    office.outward.delay = std::chrono::minutes{1};
    const auto before = office.time.now_monotonic();
    told("PROVIDER_UNREACHABLE");
    CHECK(office.time.now_monotonic() - before < std::chrono::seconds{13});
  }
}

TEST_CASE("groups and assurance of UserInfo are asked once, and again when they are old", "[issuers]") {
  Office office(ClaimsFrom::userinfo);
  auto& userinfo = office.outward.answers[kIssuer + "/userinfo"];
  userinfo = {.status = 200,
              .content_type = "application/json",
              .body = Json{{"sub", "28c5353b@example.org"}, {"eduperson_entitlement", {kLab}}}.dump()};
  const auto token = office.draft().signed_by(rsa_key());
  for (int i = 0; i < 50; ++i) CHECK(office.ask(token) == kPerson);
  CHECK(office.outward.calls("/userinfo") == 1);
  CHECK(office.authenticator->projects_of(Principal(kPerson)) == std::vector{ProjectId("ai-lab")});
  office.time.advance(std::chrono::seconds{301});
  userinfo.body = Json{{"sub", "28c5353b@example.org"}}.dump();
  CHECK(office.ask(token) == kPerson);
  CHECK(office.outward.calls("/userinfo") == 2);
  CHECK(office.authenticator->projects_of(Principal(kPerson)).empty());  // left the group

  SECTION("a token that the issuer revoked") {
    office.time.advance(std::chrono::seconds{301});
    userinfo.status = 401;
    for (int i = 0; i < 20; ++i) CHECK(office.ask(token) == "TOKEN_INACTIVE");
    CHECK(office.outward.calls("/userinfo") == 3);  // its refusal is remembered, too
  }
  SECTION("somebody else's word") {
    office.time.advance(std::chrono::seconds{301});
    userinfo.body = Json{{"sub", "somebody-else"}, {"eduperson_entitlement", {kLab}}}.dump();
    CHECK(office.ask(token) == "SUBJECT_DIFFERS");
  }
  SECTION("no word") {
    office.time.advance(std::chrono::seconds{301});
    office.outward.down = true;
    CHECK(office.ask(token) == "CLAIMS_UNAVAILABLE");
    office.outward.down = false;
    CHECK(office.ask(token) == kPerson);
  }
}

TEST_CASE("what the issuer vouched for last is kept with its day, over a restart", "[issuers]") {
  Office office(ClaimsFrom::userinfo);
  auto& userinfo = office.outward.answers[kIssuer + "/userinfo"];
  const auto say = [&](const Json& assurance) {
    userinfo = {.status = 200,
                .content_type = "application/json",
                .body = Json{{"sub", "28c5353b@example.org"}, {"eduperson_assurance", assurance}}.dump()};
  };
  const auto heard = [&] { return office.authenticator->heard_of(Principal(kPerson)); };
  say(Json::array());
  auto draft = office.draft();
  CHECK(office.ask(draft.signed_by(rsa_key())) == kPerson);
  CHECK_FALSE(heard());
  say({"https://refeds.org/assurance/IAP/medium"});
  draft.claims["acr"] = "https://refeds.org/profile/mfa";  // of the login the token speaks
  const auto token = draft.signed_by(rsa_key());
  CHECK(office.ask(token) == kPerson);
  const auto first = heard();
  REQUIRE(first);
  CHECK(first->assurance == "medium");
  CHECK(first->authentication == "mfa");
  CHECK(first->seen_at == office.time.now_utc());
  office.time.advance(std::chrono::minutes{30});
  CHECK(office.ask(token) == kPerson);
  CHECK(heard()->seen_at == first->seen_at);  // said anew, and an hour is close enough
  office.time.advance(std::chrono::minutes{29});
  CHECK(office.ask(token) == kPerson);
  office.begin();
  CHECK(heard()->assurance == "medium");
  say({"https://refeds.org/assurance/IAP/low"});
  CHECK(office.ask(token) == kPerson);
  CHECK(heard()->assurance == "low");  // at once
  say(Json::array());
  CHECK(office.ask(office.draft().signed_by(rsa_key())) == kPerson);
  CHECK(heard()->assurance.empty());
  office.authenticator->forget(Principal(kPerson));
  CHECK_FALSE(heard());
}

TEST_CASE("with introspection a token that the issuer revoked counts for claims_last at most", "[issuers]") {
  Office office(ClaimsFrom::introspection, Milliseconds{4'000});
  auto& introspect = office.outward.answers[kIssuer + "/introspect"];
  introspect = {.status = 200,
                .content_type = "application/json",
                .body = Json{{"active", true}, {"eduperson_entitlement", {kLab}}}.dump()};
  const auto token = office.draft().signed_by(rsa_key());
  CHECK(office.ask(token) == kPerson);
  introspect.body = "{\"active\":false}";
  office.time.advance(Milliseconds{3'900});
  CHECK(office.ask(token) == kPerson);
  office.time.advance(Milliseconds{200});
  CHECK(office.ask(token) == "TOKEN_INACTIVE");
  introspect.status = 401;  // our own client is unknown: nobody's fault who asks
  office.time.advance(std::chrono::seconds{11});
  CHECK(office.ask(token) == "CLAIMS_UNAVAILABLE");
}

TEST_CASE("an operator's revocation counts at once, over a restart, until it is lifted", "[issuers]") {
  Office office;
  using What = ports::Revocation::What;
  const auto token = office.draft().signed_by(rsa_key());
  CHECK(office.ask(token) == kPerson);
  for (const auto& [what, value, code] :
       std::vector<std::tuple<What, std::string, std::string>>{{What::person, kPerson, "PERSON_REVOKED"},
                                                               {What::token, "one:j-1", "TOKEN_REVOKED"},
                                                               {What::key, "one:rsa-1", "KEY_REVOKED"},
                                                               {What::issuer, "one", "ISSUER_REVOKED"}}) {
    auto revoked = office.run(office.authenticator->revocations().revoke(what, value, "lost", Principal("local:op")));
    REQUIRE(revoked);
    CHECK(office.ask(token) == code);
    CHECK(office.authenticator->screen("Bearer " + token).error().code == code);
    office.begin();
    CHECK(office.ask(token) == code);
    REQUIRE(office.run(office.authenticator->revocations().lift(revoked->number, Principal("local:op"))));
    CHECK(office.ask(token) == kPerson);
  }
  CHECK(office.run(office.authenticator->revocations().lift(1, Principal("local:op"))).error().code == "NOT_REVOKED");
}

TEST_CASE("who is shut out has neither account nor project", "[issuers]") {
  struct Everybody final : ports::Accounts {
    Result<LocalAccount> account_of(const Principal&, const SiteId&) const override { return LocalAccount("u1"); }
    std::vector<ProjectId> projects_of(const Principal&) const override { return {ProjectId("lab")}; }
  } everybody;
  Office office;
  const FederatedAccounts accounts(everybody, *office.authenticator);
  const Principal person(kPerson);
  CHECK(accounts.account_of(person, SiteId("alpha")) == LocalAccount("u1"));
  auto& revocations = office.authenticator->revocations();
  const auto revoked = office.run(revocations.revoke(ports::Revocation::What::person, kPerson, "left", Principal("local:op")));
  REQUIRE(revoked);
  CHECK(accounts.account_of(person, SiteId("alpha")).error().code == "PERSON_REVOKED");
  CHECK(accounts.projects_of(person).empty());
  CHECK(accounts.account_of(Principal("one:other"), SiteId("alpha")));
  REQUIRE(office.run(revocations.lift(revoked->number, Principal("local:op"))));
  CHECK(accounts.account_of(person, SiteId("alpha")));
  CHECK(accounts.projects_of(person) == std::vector{ProjectId("lab")});
}

TEST_CASE("whether a long body is worth reading is known without a call", "[issuers]") {
  Office office;
  const auto token = office.draft().signed_by(rsa_key());
  const auto screened = [&](const std::string& text) {
    const auto good = office.authenticator->screen("Bearer " + text);
    return good ? std::string("OK") : good.error().code;
  };
  CHECK(screened(token) == "KEYS_NOT_KNOWN");
  CHECK(office.outward.asked.empty());
  CHECK(office.ask(token) == kPerson);
  CHECK(screened(token) == "OK");
  auto other = office.draft();
  other.claims["jti"] = "j-2";
  CHECK(screened(other.signed_by(rsa_key())) == "OK");
  other.header["kid"] = "rsa-2";
  CHECK(screened(other.signed_by(other_rsa_key())) == "NOT_SEEN_YET");
  other.header["kid"] = "rsa-1";
  CHECK(screened(other.signed_by(other_rsa_key())) == "SIGNATURE_WRONG");
  CHECK(screened("hansa_x") == "BAD_TOKEN");
  CHECK(office.authenticator->screen("").error().code == "NO_TOKEN");
}

TEST_CASE("the clock steps under a token that was seen", "[issuers]") {
  Office office;
  auto draft = office.draft();
  const auto token = draft.signed_by(rsa_key());
  CHECK(office.ask(token) == kPerson);
  office.time.step_utc(std::chrono::hours{1});
  CHECK(office.ask(token) == "TOKEN_EXPIRED");
  office.time.step_utc(-std::chrono::hours{2});
  CHECK(office.ask(draft.signed_by(rsa_key())) == kPerson);  // seen before, and not over
  draft.claims["jti"] = "new";
  CHECK(office.ask(draft) == "TOKEN_FROM_FUTURE");
}

TEST_CASE("accounts of the issuer's own get nowhere; two spellings are two people and are told", "[issuers][T06]") {
  Office office;
  auto draft = office.draft();
  draft.claims["sub"] = "test@example.org";
  CHECK(office.ask(draft) == "SUBJECT_REFUSED");
  CHECK(office.ask() == kPerson);
  draft.claims["sub"] = "28C5353B@example.org";
  CHECK(office.ask(draft) == "one:28C5353B@example.org");
  CHECK(office.log.text.contains("upper and lower case"));
}

TEST_CASE("projects last for a week after the issuer named their groups, over a restart, while a group comes to them",
          "[issuers]") {
  Office office;
  auto draft = office.draft();
  draft.claims["eduperson_entitlement"] = Json::array({kLab});
  CHECK(office.ask(draft) == kPerson);
  office.begin();
  CHECK(office.authenticator->projects_of(Principal(kPerson)) == std::vector{ProjectId("ai-lab")});
  office.time.advance(std::chrono::hours{24 * 7 + 1});
  CHECK(office.authenticator->projects_of(Principal(kPerson)).empty());
  office.issuers[0].standing.projects.clear();
  office.begin();
  CHECK(office.authenticator->projects_of(Principal(kPerson)).empty());
}

TEST_CASE("a token of capabilities says nothing by groups and takes no project away", "[issuers]") {
  Office office;
  auto draft = office.draft();
  draft.claims["eduperson_entitlement"] = Json::array({kLab});
  CHECK(office.ask(draft) == kPerson);
  draft.claims.erase("eduperson_entitlement");
  draft.claims["wlcg.ver"] = "1.0";
  draft.claims["scope"] = "storage.read:/";
  CHECK(office.ask(draft) == kPerson);
  CHECK(office.authenticator->projects_of(Principal(kPerson)) == std::vector{ProjectId("ai-lab")});
  draft.claims.erase("scope");  // it speaks of groups now, and names none
  CHECK(office.ask(draft) == kPerson);
  CHECK(office.authenticator->projects_of(Principal(kPerson)).empty());
}

TEST_CASE("no token is in a log or an error", "[issuers][T22]") {
  Office office(ClaimsFrom::userinfo);
  const auto token = office.draft().signed_by(rsa_key());
  office.outward.answers[kIssuer + "/userinfo"] = {.status = 500, .content_type = "text/plain", .body = token};
  const auto refused =
      office.run(office.authenticator->authenticate("Bearer " + token, async::Deadline::in(office.time, Milliseconds{30'000})));
  REQUIRE(!refused);
  metrics::Exposition exposition;
  office.authenticator->write(exposition);
  const auto page = std::move(exposition).text();
  for (const auto& text : {office.log.text, refused.error().message, refused.error().detail, page}) {
    CHECK_FALSE(text.contains(token.substr(0, 30)));
    CHECK_FALSE(text.contains(token.substr(token.size() - 30)));
  }
  CHECK(page.contains("hansa_tokens_refused_total{code=\"CLAIMS_UNAVAILABLE\"} 1\n"));
}
