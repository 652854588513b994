// SPDX-License-Identifier: Apache-2.0
// Data come to where jobs wait for them: once, whatever dies meanwhile, and only where the rules let them.
#include "policies/routing/replay.hpp"
#include "tests/bottle/fake_mover.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine::test;
using domain::TransferEnd;
using rules::Attribute;
using simulation::VirtualScheduler;

namespace {

std::string staging_permit(const std::string& id, const std::string& actions, const std::string& clause) {
  return "[[rule]]\nid = \"" + id + "\"\neffect = \"permit\"\nactions = [" + actions + "]\nwhen = [" + clause +
         "]\nlegal_basis = \"a law\"\nowner = \"o@example\"\n";
}

/// Jobs and open data anywhere; personal data in Finland.
const std::string kStagingPack =
    "[meta]\nid = \"test\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = \"deny\"\n" +
    staging_permit("P-JOB", "\"intake\", \"place\", \"dispatch\"",
                   "{attr = \"project.labels\", op = \"within\", value = [\"internal\"]}") +
    staging_permit("P-OPEN", "\"place\", \"stage_in\", \"dispatch\"",
                   "{attr = \"dataset.labels\", op = \"within\", value = [\"open\"]}") +
    staging_permit("P-PERSONAL-HERE", "\"stage_in\"",
                   "{attr = \"site.country\", op = \"eq\", value = \"FI\"}, "
                   "{attr = \"dataset.labels\", op = \"any_of\", value = [\"personal\"]}") +
    staging_permit("P-PERSONAL", "\"place\", \"dispatch\"",
                   "{attr = \"dataset.labels\", op = \"any_of\", value = [\"personal\"]}") +
    staging_permit("P-CLOSED", "\"place\", \"stage_in\", \"dispatch\"",
                   "{attr = \"dataset.labels\", op = \"any_of\", value = [\"trade-secret\"]}") +
    "obligations = [\"airlock_output\"]\n";

engine::RegisterFacts facts_of(const std::string& country) {
  return {fact(Attribute::site_country, country, VirtualScheduler::kStart)};
}

constexpr auto kLifetime = Seconds{6 * 3'600};

/// The dataset "d", 1,000 bytes, lies at alpha; jobs are for beta. A link of ten bytes a second leads there.
struct Federation {
  explicit Federation(std::uint64_t seed = 1)
      : w({{.id = "alpha", .cores = 1}, {.id = "beta", .cores = 1}, {.id = "gamma", .cores = 1}}, {.transfer_interval = 5s},
          seed),
        mover(w.time) {
    w.data.sites[SiteId("alpha")] = {.roots = {{domain::RootName("scratch"), "/alpha"}}};
    w.data.sites[SiteId("beta")] = {
        .roots = {{domain::RootName("stage"), "/beta/stage"}}, .staging = domain::RootName("stage"), .lifetime = kLifetime};
    w.data.links[{SiteId("alpha"), SiteId("beta")}] = {.mover = &mover, .per_second = {10}};
    w.restart();
    w.regulate({.packs = {{.file = "test.toml", .text = kStagingPack}},
                .broker = facts_of("FI"),
                .sites = {{"alpha", facts_of("FI")}, {"beta", facts_of("SE")}, {"gamma", facts_of("FI")}},
                .lab = {fact(Attribute::project_labels, std::vector<std::string>{"internal"})},
                .alice = {}});
    w.add_dataset("d", domain::Labels{domain::Label("open")}, 1000);
    w.add_replica("d", "alpha", w.time.now_utc() + Seconds{30 * 86'400});
    w.engine().facts_changed();
    w.advance(1min);
  }
  ~Federation() { w.crash(); }  // before the mover goes
  Federation(const Federation&) = delete;
  Federation& operator=(const Federation&) = delete;

  Wish wish() { return {.sites = {"beta"}, .datasets = {"d"}}; }

  World w;
  bottle::FakeMover mover;
};

/// Copies by a job at the link's site, whatever becomes of that.
class JobbingMover final : public ports::Mover {
 public:
  JobbingMover(ports::SiteConnector& site, ports::Mover& copies) : site_(site), copies_(copies) {}
  async::Task<domain::TransferStatus> start(domain::Transfer transfer, async::Deadline deadline) override {
    ports::SubmitRequest request;
    request.job = transfer.id;
    request.tag = domain::make_tag(transfer.id, 1);
    request.person = Principal("broker:mover");
    request.spec.datasets = {transfer.dataset};
    request.stages_in = true;
    (void)co_await site_.submit(std::move(request), deadline);
    co_return co_await copies_.start(std::move(transfer), deadline);
  }
  async::Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids,
                                                          async::Deadline deadline) override {
    return copies_.status(std::move(ids), deadline);
  }
  async::Task<> cancel(domain::TransferId id, async::Deadline deadline) override { return copies_.cancel(id, deadline); }
  async::Task<> forget(std::vector<domain::TransferId> ids, async::Deadline deadline) override {
    return copies_.forget(std::move(ids), deadline);
  }

 private:
  ports::SiteConnector& site_;
  ports::Mover& copies_;
};

std::optional<domain::Replica> staged(World& w) {
  const auto dataset = w.dataset("d");
  const auto* copy = dataset.replica_at(SiteId("beta"));
  return copy == nullptr ? std::nullopt : std::optional(*copy);
}

}  // namespace

TEST_CASE("data that are missing come first, once for all who need them, and count for as long as they are kept", "[engine]") {
  Federation f;
  auto& w = f.w;
  const auto ids = w.submit(3, f.wish());
  w.advance(30s);
  for (const auto& id : ids) CHECK(w.state(id) == JobState::staging);
  const auto on_way = w.ask(w.engine().transfers(DatasetId("d")));
  REQUIRE(on_way);
  REQUIRE(on_way->size() == 1);
  CHECK(on_way->front().status.progress.bytes.value > 100);
  CHECK(on_way->front().transfer.from.path == "d");
  CHECK(!staged(w));
  const auto before = w.time.now_utc();
  REQUIRE(w.run_to_end(ids, 1h));
  for (const auto& id : ids) CHECK(w.state(id) == JobState::succeeded);
  CHECK(f.mover.started.size() == 1);
  CHECK(f.mover.moved_bytes == 1000);
  REQUIRE(staged(w));
  REQUIRE(staged(w)->verified);
  CHECK(staged(w)->root.str() == "stage");
  CHECK(staged(w)->verified->at > before);
  CHECK(staged(w)->verified->expires_at == staged(w)->verified->at + kLifetime);
  CHECK(w.ask(w.engine().transfers(DatasetId("d")))->empty());
  CHECK(f.mover.known() == 0);  // forgotten, after it was recorded

  SECTION("who comes later finds them there") {
    REQUIRE(w.run_to_end({w.submit(f.wish())}, 10min));
    CHECK(f.mover.started.size() == 1);
  }
  SECTION("what has expired does not count, and comes again") {
    w.advance(kLifetime + 1h);
    REQUIRE(w.run_to_end({w.submit(f.wish())}, 1h));
    CHECK(f.mover.started.size() == 2);
    CHECK(staged(w)->verified->expires_at > w.time.now_utc());
  }
}

TEST_CASE("a mover whose work a site's jobs do goes by that site's desk, and no transfer job goes to a drained one", "[engine]") {
  /// The engine owns it; what it stands for is the test's.
  class Proxy final : public ports::Mover {
   public:
    explicit Proxy(ports::Mover& to) : to_(to) {}
    async::Task<domain::TransferStatus> start(domain::Transfer transfer, async::Deadline deadline) override {
      return to_.start(std::move(transfer), deadline);
    }
    async::Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids,
                                                            async::Deadline deadline) override {
      return to_.status(std::move(ids), deadline);
    }
    async::Task<> cancel(domain::TransferId id, async::Deadline deadline) override { return to_.cancel(id, deadline); }
    async::Task<> forget(std::vector<domain::TransferId> ids, async::Deadline deadline) override {
      return to_.forget(std::move(ids), deadline);
    }

   private:
    ports::Mover& to_;
  };
  Federation f;
  auto& w = f.w;
  ports::SiteConnector* site = nullptr;
  auto& link = w.data.links.at({SiteId("alpha"), SiteId("beta")});
  link.mover = nullptr;
  link.job_site = SiteId("beta");
  link.make = [&](ports::SiteConnector& connector) {
    site = &connector;
    return std::make_unique<Proxy>(f.mover);
  };
  w.restart();
  w.engine().facts_changed();
  w.advance(1min);
  REQUIRE(site != nullptr);
  const auto id = w.submit(f.wish());
  REQUIRE(w.run_to_end({id}, 1h));
  CHECK(f.mover.started.size() == 1);

  const auto calls = [&] {
    const auto sites = w.ask(w.engine().sites());
    return std::ranges::find(*sites, SiteId("beta"), [](const auto& report) { return report.site.id; })->calls_made;
  };
  const auto deadline = async::Deadline::in(w.time, Seconds{60});
  const auto before = calls();
  REQUIRE(w.ask(site->find({}, deadline)));
  REQUIRE(w.ask(site->status({}, deadline)));
  REQUIRE(w.ask(site->read_file({}, "transfer.json", 0, 100, deadline)));
  CHECK(calls() >= before + 3);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("beta"), "maintenance")));
  const auto refused = w.ask(site->submit({}, deadline));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "SITE_DRAINED");
  CHECK(ports::surely_not_sent(refused.error()));
}

TEST_CASE("a dataset that arrives has no site asked again what its own rules have denied", "[engine]") {
  Federation f;
  auto& w = f.w;
  int asked = 0;
  w.site("gamma").site_rules = "one";
  w.site("gamma").faults.veto = [&](const ports::SubmitRequest&) {
    ++asked;
    return std::optional(fail(ErrorKind::permission_denied, "SITE_RULES_DENY", "not from there").error());
  };
  w.advance(2min);
  const auto denied = w.submit({.sites = {"gamma"}});
  w.advance(1min);
  REQUIRE(w.job(denied).reason.code == "SITE_RULES_DENY");
  REQUIRE(asked == 1);
  REQUIRE(w.run_to_end({w.submit(f.wish())}, 1h));
  CHECK(f.mover.started.size() == 1);
  CHECK(asked == 1);
}

TEST_CASE("a decision with data on their way says so, and repeats to the last byte", "[engine]") {
  Federation f;
  auto& w = f.w;
  const auto id = w.submit(f.wish());
  w.advance(10s);
  const auto stored = w.decision(id);
  REQUIRE(stored.chosen == SiteId("beta"));
  const auto at = std::ranges::find(stored.verdicts, SiteId("beta"), &domain::Verdict::site);
  REQUIRE(at->stage_in);
  CHECK(at->stage_in->time == Seconds{100});
  CHECK(at->stage_in->from.at(0).site == SiteId("alpha"));
  const auto again = routing::replay(w.job(id).spec, stored.input_hash,
                                     [&](const std::string& hash) -> Result<std::string> { return w.document(hash); });
  REQUIRE(again);
  CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
}

TEST_CASE("a broker that dies finds its transfer again, at whichever write it died", "[engine][costly]") {
  bool reached_the_end = false;
  for (std::int64_t write = 1; write < 40 && !reached_the_end; ++write) {
    for (const bool before : {true, false}) {
      Federation f(static_cast<std::uint64_t>(write));
      auto& w = f.w;
      const auto id = w.submit(f.wish());
      w.gate().die_before = before;
      w.gate().die_at_write = w.gate().writes + write;
      w.run_to_end({id}, 1h);
      reached_the_end = !w.dead();
      w.restart();
      INFO("write " << write << (before ? " lost" : " kept"));
      REQUIRE(w.run_to_end({id}, 2h));
      CHECK(w.state(id) == JobState::succeeded);
      CHECK(f.mover.started.size() == 1);
      CHECK(f.mover.most_at_once == 1);
      CHECK(f.mover.moved_bytes == 1000);
      REQUIRE(staged(w));
      CHECK(staged(w)->verified);
    }
  }
  CHECK(reached_the_end);
}

TEST_CASE("a transfer that was cut half-way goes on where it was", "[engine]") {
  Federation f;
  auto& w = f.w;
  const auto id = w.submit(f.wish());
  w.advance(50s);
  SECTION("while the broker lives") { f.mover.interrupt(); }
  SECTION("with the broker") {
    w.crash();
    f.mover.interrupt();
    w.start();
  }
  SECTION("and the mover is away for a while") {
    f.mover.interrupt();
    f.mover.silent = true;
    w.advance(10min);
    CHECK(w.state(id) == JobState::held);
    CHECK(w.job(id).reason.message.find("MOVER_SILENT") != std::string::npos);
    f.mover.silent = false;
  }
  REQUIRE(w.run_to_end({id}, 1h));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(f.mover.started.size() == 1);
  CHECK(f.mover.moved_bytes == 1000);
}

TEST_CASE("a dataset that does not arrive whole holds the job with that reason, and is tried again later", "[engine]") {
  Federation f;
  auto& w = f.w;
  auto how = TransferEnd::checksum_mismatch;
  f.mover.ends = [&](const auto&) { return how; };
  const auto id = w.submit(f.wish());
  w.advance(3min);
  CHECK(w.state(id) == JobState::held);
  CHECK(w.job(id).reason.message.find("beta CHECKSUM_MISMATCH") != std::string::npos);
  CHECK(f.mover.started.size() == 1);
  CHECK(!staged(w));
  how = TransferEnd::moved;
  REQUIRE(w.run_to_end({id}, 2h));
  CHECK(f.mover.started.size() == 2);
}

TEST_CASE("what nobody needs any more is stopped", "[engine]") {
  Federation f;
  auto& w = f.w;
  const auto ids = w.submit(2, f.wish());
  w.advance(20s);
  REQUIRE(f.mover.started.size() == 1);
  REQUIRE(w.ask(w.engine().cancel(ids[0], Principal("local:alice"))));
  w.advance(10s);
  CHECK(f.mover.cancelled.empty());
  REQUIRE(w.ask(w.engine().cancel(ids[1], Principal("local:alice"))));
  w.advance(10s);
  CHECK(f.mover.cancelled == f.mover.started);
  CHECK(w.ask(w.engine().transfers(DatasetId("d")))->empty());
  CHECK(!staged(w));
  REQUIRE(w.run_to_end({w.submit(f.wish())}, 1h));  // and may be needed again
  CHECK(f.mover.started.size() == 2);
}

TEST_CASE("a label that comes while data are on their way turns them round", "[engine][T15]") {
  Federation f;
  auto& w = f.w;
  const auto id = w.submit(f.wish());
  w.advance(20s);
  w.relabel("d", domain::Labels{domain::Label("personal")});
  w.engine().facts_changed();
  w.advance(20s);
  CHECK(w.state(id) == JobState::held);
  CHECK(w.job(id).reason.message.find("beta RULES_DENY") != std::string::npos);
  CHECK(f.mover.cancelled == f.mover.started);
  CHECK(!staged(w));
}

TEST_CASE("data go by quota, by link and by folder, or the job is told what is missing", "[engine]") {
  Federation f;
  auto& w = f.w;
  std::string code = "NO_REPLICA";
  SECTION("too large for the quota") {
    w.data.sites.at(SiteId("beta")).quota_bytes = domain::Bytes{999};
    code = "QUOTA_BYTES";
  }
  SECTION("too many files for it") {
    w.data.sites.at(SiteId("beta")).quota_files = 0;
    code = "QUOTA_INODES";
  }
  SECTION("no link") { w.data.links.clear(); }
  SECTION("no folder") { w.data.sites.at(SiteId("beta")).staging.reset(); }
  w.restart();
  w.advance(1min);
  const auto id = w.submit(f.wish());
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  CHECK(w.job(id).reason.message.find("beta " + code) != std::string::npos);
  CHECK(f.mover.started.empty());
}

TEST_CASE("an obligation keeps a dataset where it lies, until it is reviewed", "[engine]") {
  Federation f;
  auto& w = f.w;
  w.relabel("d", domain::Labels{domain::Label("trade-secret")});
  w.engine().facts_changed();
  const auto id = w.submit(f.wish());
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  CHECK(w.job(id).reason.message.find("beta OBLIGATION") != std::string::npos);
  CHECK(f.mover.started.empty());
  w.set_terms("d", {.reviewed = true});
  w.engine().facts_changed();
  REQUIRE(w.run_to_end({id}, 1h));
  CHECK(f.mover.started.size() == 1);
}

TEST_CASE("a transfer whose link was taken away is in nobody's way but its own, and goes on with the link", "[engine]") {
  Federation f;
  auto& w = f.w;
  const auto id = w.submit(f.wish());
  w.advance(50s);
  REQUIRE(f.mover.started.size() == 1);
  const auto link = w.data.links.extract({SiteId("alpha"), SiteId("beta")});
  bottle::FakeMover other(w.time);
  w.data.links[{SiteId("gamma"), SiteId("beta")}] = {.mover = &other, .per_second = {10}};
  w.add_replica("d", "gamma", w.time.now_utc() + Seconds{30 * 86'400});
  w.restart();
  w.advance(30min);
  CHECK(w.state(id) == JobState::held);
  CHECK(w.job(id).reason.message.find("beta TRANSFER_UNDER_WAY") != std::string::npos);
  CHECK(other.started.empty());
  CHECK(w.ask(w.engine().transfers(DatasetId("d")))->empty());
  w.data.links.emplace(link.key(), link.mapped());
  w.restart();
  REQUIRE(w.run_to_end({id}, 1h));
  CHECK(f.mover.started.size() == 1);
  CHECK(f.mover.moved_bytes == 1000);
  CHECK(other.started.empty());
}

TEST_CASE("an image of a dataset comes first as data do and is told to its site by where it lies", "[engine]") {
  std::vector<std::string> told;
  Federation f;
  auto& w = f.w;
  w.site("beta").faults.findings = {{.check = "CONTAINERS",
                                     .verdict = domain::DoctorVerdict::ok,
                                     .value = "apptainer version 1.3.4",
                                     .source = "/usr/bin",
                                     .offers = std::string(domain::kContainerRuntime)}};
  REQUIRE(w.ask(w.engine().look_over_site(SiteId("beta"), Principal("local:root"))));
  w.site("beta").faults.veto = [&](const ports::SubmitRequest& request) {
    told.push_back(request.spec.software.image);
    return std::optional<Error>();
  };
  auto wish = f.wish();
  wish.image = "data:d/x.sif";
  const auto id = w.submit(wish);
  w.advance(30s);
  CHECK(w.state(id) == JobState::staging);
  REQUIRE(w.run_to_end({id}, 1h));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(told == std::vector<std::string>{"data:/beta/stage/d/x.sif"});
  CHECK(w.job(id).spec.software.image == "data:d/x.sif");
}

TEST_CASE("an image of a dataset from where none is started is not sent and its path is said", "[engine]") {
  Federation f;
  auto& w = f.w;
  w.data.sites.at(SiteId("alpha")).roots.at(domain::RootName("scratch")) = "/beta/../alpha";
  w.restart();
  w.advance(1min);
  w.site("alpha").faults.findings = {{.check = "CONTAINERS",
                                      .verdict = domain::DoctorVerdict::ok,
                                      .value = "apptainer version 1.3.4",
                                      .source = "/usr/bin",
                                      .offers = std::string(domain::kContainerRuntime)}};
  REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root"))));
  auto wish = f.wish();
  wish.sites = {"alpha"};
  wish.image = "data:d/x.sif";
  const auto id = w.submit(wish);
  w.advance(1min);
  const auto attempts = w.job(id).attempts;
  REQUIRE_FALSE(attempts.empty());
  CHECK(attempts.front().reason.code == "NOT_SENT");
  CHECK(attempts.front().reason.message.contains("dataset d, of the job's image, lies at site alpha at /beta/../alpha/d/x.sif"));
  CHECK(w.count("alpha", "submit") == 0);
}

TEST_CASE("of a transfer job its site is told what the registers say of the dataset and of whose it is", "[engine]") {
  std::vector<ports::SubmitRequest> told;
  Federation f;
  auto& w = f.w;
  w.crash();
  w.data.links[{SiteId("alpha"), SiteId("beta")}] = {
      .mover = nullptr, .per_second = {10}, .job_site = SiteId("beta"), .make = [&f](ports::SiteConnector& site) {
        return std::make_unique<JobbingMover>(site, f.mover);
      }};
  w.start();
  w.site("beta").faults.veto = [&](const ports::SubmitRequest& request) -> std::optional<Error> {
    if (!request.stages_in) return std::nullopt;
    told.push_back(request);
    return fail(ErrorKind::permission_denied, "SITE_RULES_DENY", "not here").error();
  };
  const auto id = w.submit(f.wish());
  REQUIRE(w.run_to_end({id}, 1h));
  REQUIRE(told.size() >= 1);
  REQUIRE(told.front().facts);
  const auto& facts = *told.front().facts;
  const auto has = [](const std::vector<ports::ToldFact>& all, const char* attribute, const domain::FactValue& value) {
    return std::ranges::any_of(all, [&](const auto& fact) { return fact.attribute == attribute && fact.value == value; });
  };
  REQUIRE(facts.datasets.size() == 1);
  CHECK(has(facts.datasets.front(), "dataset.id", std::string("d")));
  CHECK(has(facts.datasets.front(), "dataset.labels", std::vector<std::string>{"open"}));
  CHECK(has(facts.job, "project.labels", std::vector<std::string>{"internal"}));
}
