// SPDX-License-Identifier: Apache-2.0
#pragma once
// The API with all that stands behind it in one thread: the real engine and the real store (in memory), a simulated site of four
// cores, a virtual clock. alice, bob and maria are members of ai-lab, which lena leads, bob of climate too; carol of nothing.
// "operator", "operator-2" and "auditor" have these roles.

#include "broker/api/api.hpp"
#include "broker/api/routes.hpp"
#include "broker/core/encoding.hpp"
#include "broker/engine/engine.hpp"
#include "broker/identity/account_directory.hpp"
#include "broker/identity/authenticator.hpp"
#include "broker/store/code_folder.hpp"
#include "broker/store/sqlite_store.hpp"
#include "connectors/model/model_connector.hpp"
#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hansa::api::test {

inline constexpr const char* kHold = "#!/bin/sh\n#model run=1000s\n";  // a job that stays at the site

struct Told {
  int status = 0;
  Json body;
  std::string text = {};  // the body as it came, all pieces of it
  bool cut = false;       // it ended before its end
  std::function<async::Task<std::optional<std::string>>()> next = {};  // of a stream that does not end by itself
  std::vector<std::pair<std::string, std::string>> headers;
  bool knows_caller = false;
  Milliseconds pause{0};

  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& [field, value] : headers) {
      if (http::equal_ignoring_case(field, name)) return value;
    }
    return "";
  }
  [[nodiscard]] std::string code() const { return body.value("code", ""); }
  /// The fault at this place, or "".
  [[nodiscard]] std::string fault(const std::string& pointer) const {
    for (const auto& error : body.value("errors", Json::array())) {
      if (error["pointer"] == pointer) return error["detail"];
    }
    return "";
  }
};

class ApiUnderTest {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// `beta`: with a second site of that name, like alpha.
  explicit ApiUnderTest(std::optional<domain::Charging> charging = std::nullopt, bool beta = false, RequestRates rates = {}) {
    auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = "b1", .inline_mode = true});
    REQUIRE(opened);
    store_ = std::move(*opened);
    const auto epoch = store_->begin_epoch();
    REQUIRE(epoch);
    std::vector<engine::SiteSetup> sites;
    sites.push_back({.site = {.id = SiteId("alpha"),
                              .name = "Alpha",
                              .country = "FI",
                              .connector = "model",
                              .scheduler_accounts = {{ProjectId("ai-lab"), "proj1"}},
                              .charging = std::move(charging)},
                     .connector = std::make_unique<connectors::model::ModelConnector>(time, SiteId("alpha"), site)});
    std::set<SiteId> with_agents{SiteId("alpha")};
    std::vector<SiteId> all{SiteId("alpha")};
    if (beta) {
      with_agents.emplace("beta");
      all.emplace_back("beta");
      sites.push_back({.site = {.id = SiteId("beta"), .name = "Beta", .country = "FI", .connector = "model"},
                       .connector = std::make_unique<connectors::model::ModelConnector>(time, SiteId("beta"), other_site)});
    }
    vault_ = std::make_unique<engine::SecretVault>(*store_, time, random_);
    vault_->use(
        engine::SealingKeys({engine::SealingKey::parse(to_base64(std::string(engine::SealingKey::kBytes, 'k'))).value()}));
    engine_ = std::make_unique<engine::Engine>(
        engine::Engine::Parts{.strand = time.executor(),
                              .scheduler = time,
                              .ids = ids_,
                              .jobs = *store_,
                              .usage = *store_,
                              .sites = *store_,
                              .accounts = accounts_,
                              .log = log_,
                              .datasets = store_.get(),
                              .estimates = store_.get(),
                              .code = &code_,
                              .allocations = store_.get(),
                              .secrets = vault_.get()},
        engine::EngineOptions{.broker_id = "b1",
                              .epoch = *epoch,
                              .snapshot_interval = Milliseconds{600'000},  // a month is soon over
                              .snapshot_freshness = Milliseconds{3'000'000}},
        std::move(sites));
    catalogue_ = std::make_unique<engine::Catalogue>(time, ids_, *store_, accounts_, log_, [this] { engine_->facts_changed(); });
    notary_ = std::make_unique<engine::Notary>(
        engine::Notary::Options{.origin = "hansa/b1", .witnesses = {witness.verifier(ledger::KeyUse::cosignature)}},
        engine::LedgerKeys{.current = ledger::new_signer("hansa/b1", random_),
                           .next = std::nullopt,
                           .draw_next = [this] { return ledger::new_signer("hansa/b1", random_); },
                           .next_becomes_current = [] { return Result<void>{}; }},
        *store_, time, log_);
    std::map<SiteId, Seconds> tolerances;
    std::map<SiteId, identity::PersonAgentSite> by_people;
    for (const auto& id : all) {
      tolerances[id] = Seconds{0};
      by_people[id] = {.terms = identity::PersonAgentSite::Terms::allowed,
                       .longest = Seconds{43'200},
                       .login = "login." + id.str() + ".example"};
    }
    reconciliations_ = std::make_unique<engine::Reconciliations>(
        engine::Reconciliations::Options{.sites = tolerances, .interval = Seconds{0}, .settling = Seconds{0}, .most_pages = 20},
        time, ids_, *engine_, *store_, *store_, log_);
    periods_ = std::make_unique<engine::Periods>(
        engine::Periods::Options{.sites = all, .keys = {{SiteId("alpha"), witness.verifier(ledger::KeyUse::cosignature)}}}, time,
        ids_, *notary_, *store_, *store_, *store_, log_);
    facts_ = std::make_unique<engine::FactRegister>(time, ids_, *store_, *engine_, log_);
    allocations_ = std::make_unique<engine::AllocationRegister>(time, ids_, *store_, *engine_, log_);
    tokens_ = std::make_unique<identity::TokenAuthority>(time, random_, *store_);
    agents_ = std::make_unique<identity::AgentRegister>(time, random_, *store_, std::move(with_agents),
                                                        [this](const SiteId& of, const Error&) { revoked.push_back(of); });
    people_ = std::make_unique<identity::PersonAgentRegister>(
        time, random_, *store_, std::move(by_people),
        [this](const SiteId& of, const Principal& person) -> Result<void> {
          if (auto account = accounts_.account_of(person, of); !account) return std::unexpected(account.error());
          return {};
        },
        [this](const SiteId& of, const Principal& person, const Error&) { cut_off.push_back(of.str() + " " + person.str()); });
    protection_ = std::make_unique<engine::DataProtection>(
        engine::DataProtection::Parts{.strand = time.executor(),
                                      .scheduler = time,
                                      .ids = ids_,
                                      .store = *store_,
                                      .facts = *store_,
                                      .accounts = accounts_,
                                      .log = log_,
                                      .sites = {SiteId("alpha")},
                                      .files = {&code_},
                                      .forget_tokens = [this](Principal person) { return tokens_->forget(std::move(person)); },
                                      .forget_names =
                                          [this](const Principal& person, const domain::Names& names) {
                                            authenticator_->forget(person);
                                            return engine_->forget(names);
                                          },
                                      .amend = [this](const auto& facts) { engine_->amend(facts); }},
        engine::ProtectionOptions{.keep = {{domain::Holding::payloads, std::chrono::days{30}},
                                           {domain::Holding::usage_persons, std::chrono::days{548}}}});
    break_glass_ = std::make_unique<engine::BreakGlassRegister>(engine::BreakGlassRegister::Parts{
        .strand = time.executor(), .scheduler = time, .ids = ids_, .store = *store_, .log = log_, .epoch = *epoch});
    authenticator_ = std::make_unique<identity::Authenticator>(identity::Authenticator::Parts{.strand = time.executor(),
                                                                                              .scheduler = time,
                                                                                              .outward = nowhere_,
                                                                                              .log = log_,
                                                                                              .tokens = *tokens_,
                                                                                              .revocations = *store_,
                                                                                              .memberships = *store_},
                                                               std::vector<identity::Issuer>{},
                                                               [](const std::string&) { return identity::KeptKeys{}; });
    api_ = std::make_unique<Api>(Api::Parts{.engine = *engine_,
                                            .jobs = *store_,
                                            .usage = *store_,
                                            .datasets = *store_,
                                            .estimates = *store_,
                                            .decisions = *store_,
                                            .facts = *store_,
                                            .ledger = *store_,
                                            .reports = *store_,
                                            .usage_lines = *store_,
                                            .catalogue = *catalogue_,
                                            .fact_register = *facts_,
                                            .allocations = *allocations_,
                                            .notary = *notary_,
                                            .reconciliations = *reconciliations_,
                                            .periods = *periods_,
                                            .tokens = *tokens_,
                                            .authenticator = *authenticator_,
                                            .accounts = accounts_,
                                            .agents = *agents_,
                                            .person_agents = *people_,
                                            .scheduler = time,
                                            .log = log_,
                                            .more_metrics = {},
                                            .protection = protection_.get(),
                                            .privacy = store_.get(),
                                            .break_glass = break_glass_.get(),
                                            .rates = rates,
                                            .secrets = vault_.get()},
                                 BrokerFacts{.name = "b1",
                                             .country = "FI",
                                             .version = "1",
                                             .sites = {"alpha", "beta"},
                                             .agents_address = "wss://b1.example:7718",
                                             .agents_key = [] { return std::string("sha256:00"); },
                                             .privacy = {.broker = {.controller = "Centre"},
                                                         .sites = {{.id = "alpha", .name = "Alpha", .country = "US"}},
                                                         .days = {{domain::Holding::payloads, 30}}},
                                             .exchange = {{.id = "alpha",
                                                           .apel = ledger::ApelSite{.name = "ALPHA-HPC",
                                                                                    .submit_host = "login",
                                                                                    .service_level_type = "Si2k",
                                                                                    .service_level = "2500"},
                                                           .waldur = std::nullopt}}});
    for (const auto* word : {"alice", "bob", "carol", "operator", "operator-2", "auditor"}) {
      const std::string name = word;
      add_token(name, name, identity::parse_role(name.substr(0, name.find('-'))).value_or(ports::Role::user));
    }
    REQUIRE(ask(notary_->start()));
    REQUIRE(ask(engine_->start()));
    REQUIRE(ask(protection_->start()));
    REQUIRE(ask(break_glass_->start()));
    time.advance(Milliseconds{1'000});  // the site has been seen
    api_->set_ready(true);
  }
  ~ApiUnderTest() {
    (void)ask(reconciliations_->stop());
    (void)ask(break_glass_->stop());
    (void)ask(protection_->stop());
    (void)ask(engine_->stop());
  }
  ApiUnderTest(const ApiUnderTest&) = delete;
  ApiUnderTest& operator=(const ApiUnderTest&) = delete;

  template <class T>
  Result<T> ask(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time.executor(), std::move(task),
                          [&](const std::exception_ptr&, Result<T> result) { outcome.emplace(std::move(result)); });
    time.run_until([&] { return outcome.has_value(); }, std::chrono::hours{1});
    REQUIRE(outcome);
    return std::move(*outcome);
  }

  /// call()'s `name` is from now on this person, by a token of this role.
  void add_token(const std::string& name, const std::string& person, ports::Role role, std::vector<SiteId> sites = {}) {
    auto made = ask(tokens_->create(Principal("local:" + person), role, "", std::nullopt, std::move(sites)));
    REQUIRE(made);
    secrets_[name] = made->token.reveal();
  }
  /// The same, by something that is a bearer's.
  void add_secret(const std::string& name, std::string secret) { secrets_[name] = std::move(secret); }

  /// `target` as in a request line; a body that is a string is sent as it is.
  Told call(const std::string& person, const std::string& method, const std::string& target, const Json& body = Json(),
            const Fields& fields = {}) {
    http::Request request{.method = method, .target = target, .path = target.substr(0, target.find('?')), .deadline = {}};
    if (const auto mark = target.find('?'); mark != std::string::npos)
      request.query = *http::parse_query(target.substr(mark + 1));
    if (!person.empty()) request.headers.add("Authorization", "Bearer " + secrets_.at(person));
    for (const auto& [name, value] : fields) request.headers.add(name, value);
    if (!body.is_null()) request.body = body.is_string() ? body.get<std::string>() : body.dump();
    request.request_id = "req";
    request.network = network;
    request.deadline = async::Deadline::in(time, Milliseconds{60'000});
    std::optional<http::Response> answer;
    boost::asio::co_spawn(time.executor(), api_->handle(std::move(request)),
                          [&](const std::exception_ptr&, Result<http::Response> result) {
                            if (result) answer.emplace(std::move(*result));
                          });
    time.run_until([&] { return answer.has_value(); }, std::chrono::hours{1});
    REQUIRE(answer);
    Told told{.status = answer->status, .body = Json::parse(answer->body, nullptr, false), .text = answer->body};
    told.headers = std::move(answer->headers);
    told.knows_caller = answer->knows_caller;
    told.pause = answer->pause;
    told.next = answer->next;
    while (answer->next && answer->content_type == "application/octet-stream") {
      auto piece = ask(answer->next());
      told.cut = !piece;
      if (!piece || !*piece) break;
      told.text += **piece;
    }
    return told;
  }
  /// A stream of all events, which began when this person's token gave `role`.
  Result<http::Response> stream(const std::string& person, ports::Role role) {
    http::Request request;
    request.query = {{"after", "0"}};
    request.headers.add("Authorization", "Bearer " + secrets_.at(person));
    const identity::Caller caller{.principal = Principal("local:" + person), .role = role, .token_id = {}};
    return ask(stream_events(
        {.api = *api_, .request = std::move(request), .caller = caller, .path = {}, .action = identity::Action::read_job}));
  }
  /// The status that keeps a long body from being read; 0: it is read.
  int refuse_body(const std::string& person, std::string_view method, std::string_view path) {
    http::Request head{.method = std::string(method), .path = std::string(path), .network = network, .deadline = {}};
    if (!person.empty()) head.headers.add("Authorization", "Bearer " + secrets_.at(person));
    const auto answer = api_->refuse_body(head);
    return answer ? answer->status : 0;
  }
  std::string submit(const std::string& person, const Json& job = {{"script", kHold}}) {
    const auto told = call(person, "POST", "/v1/jobs", job, {{"Prefer", "wait=5"}});
    REQUIRE(told.status == 201);
    return told.body["id"];
  }

  /// An agent of a person's own comes in with this token.
  bool enter(const SiteId& place, const std::string& key, const std::string& token) {
    return ask(people_->admit(place, key, "Bearer " + token, "192.0.2.7:1")).has_value();
  }

  [[nodiscard]] std::filesystem::path code_files() const { return folder_.path / "code"; }

  /// Calls as `person` are made with that token from now on.
  void know(const std::string& person, const std::string& token) { secrets_[person] = token; }

  void regulate(engine::Regulations regulations) { engine_->regulate(std::move(regulations)); }

  /// The database as it is.
  store::SqliteStore& database() { return *store_; }
  engine::DataProtection& protection() { return *protection_; }
  engine::Periods& periods() { return *periods_; }
  engine::Notary& notary() { return *notary_; }

  std::string network = "192.0.2.0/24";  // that requests come from
  std::vector<std::string> cut_off;  // whose own agents' connections were to be cut: "SITE PERSON"
  ledger::Signer witness{.name = "auditor.example", .seed = Secret(std::string(32, 'w'))};  // the ledger's one
  std::vector<SiteId> revoked;  // whose agent's connection was to be cut
  simulation::VirtualScheduler time;
  std::shared_ptr<connectors::model::ModelSite> site = std::make_shared<connectors::model::ModelSite>(
      time, connectors::model::ClusterOptions{.name = "alpha", .node_groups = {{.count = 1, .cores = 4}}});
  std::shared_ptr<connectors::model::ModelSite> other_site = std::make_shared<connectors::model::ModelSite>(
      time, connectors::model::ClusterOptions{.name = "beta", .node_groups = {{.count = 1, .cores = 4}}});

 private:
  struct Silence final : ports::Log {
    void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
  };

  struct Nowhere final : identity::Outward {
    async::Task<identity::OutwardAnswer> call(identity::OutwardRequest, async::Deadline) override {
      co_return fail(ErrorKind::unavailable, "PROVIDER_UNREACHABLE", "there is nothing outside");
    }
  };

  Nowhere nowhere_;
  simulation::SeededRandom random_{1};
  UlidSource ids_{time, random_};
  Silence log_;
  identity::AccountDirectory accounts_{
      {{.site = SiteId("alpha"),
        .accounts = {{Principal("local:alice"), LocalAccount("alice")}, {Principal("local:bob"), LocalAccount("bob")}}},
       {.site = SiteId("beta"),
        .accounts = {{Principal("local:bob"), LocalAccount("bob")},
                     {Principal("local:lena"), LocalAccount("lena")},
                     {Principal("local:maria"), LocalAccount("maria")}}}},
      {{ProjectId("ai-lab"),
        {Principal("local:alice"), Principal("local:bob"), Principal("local:maria")},
        {Principal("local:lena")}},
       {ProjectId("climate"), {Principal("local:bob")}}},
      [](const std::filesystem::path&) { return identity::AccountMap{}; },
      [](const SiteId&, const Error&) {}};
  std::unique_ptr<store::SqliteStore> store_;
  tests::TemporaryFolder folder_;
  store::CodeFolder code_{{.folder = folder_.path / "code", .most_bytes = 10'000, .quota_bytes = 30'000, .inline_mode = true},
                          time};
  std::unique_ptr<engine::SecretVault> vault_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Catalogue> catalogue_;
  std::unique_ptr<engine::Notary> notary_;
  std::unique_ptr<engine::Reconciliations> reconciliations_;
  std::unique_ptr<engine::Periods> periods_;
  std::unique_ptr<engine::FactRegister> facts_;
  std::unique_ptr<engine::AllocationRegister> allocations_;
  std::unique_ptr<identity::TokenAuthority> tokens_;
  std::unique_ptr<identity::Authenticator> authenticator_;
  std::unique_ptr<identity::AgentRegister> agents_;
  std::unique_ptr<identity::PersonAgentRegister> people_;
  std::unique_ptr<engine::DataProtection> protection_;
  std::unique_ptr<engine::BreakGlassRegister> break_glass_;
  std::unique_ptr<Api> api_;
  std::map<std::string, std::string> secrets_;
};

}  // namespace hansa::api::test
