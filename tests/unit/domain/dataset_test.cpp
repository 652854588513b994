// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/dataset.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>

using namespace hansa;
using namespace hansa::domain;

namespace {

constexpr UtcTime at(std::int64_t s) { return from_unix_seconds(1'795'341'600 + s); }
const std::string kHash(64, 'a');

ChangeId id_of(std::uint8_t n) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[15] = n;
  return ChangeId(bytes);
}

Labels labels(std::initializer_list<const char*> words) {
  Labels set;
  for (const auto* word : words) set.emplace(word);
  return set;
}

DatasetChange change(std::uint8_t n, DatasetChangeBody body, const char* by = "local:alice") {
  DatasetChange made{
      .id = id_of(n), .of = DatasetId("d"), .version = n, .by = Principal(by), .at = at(n), .body = std::move(body)};
  made.needs_second_person = needs_second_person(made.body);
  return made;
}

Registered registered() {
  return {.owner = Principal("local:alice"),
          .project = ProjectId("ai-lab"),
          .labels = labels({"personal"}),
          .content = {.size = {1'000}, .files = 3, .hash = ContentHash(kHash)}};
}

/// Registered and with a replica at alpha.
Dataset dataset() {
  Dataset made;
  REQUIRE(apply(made, change(1, registered()), at(1)));
  made.version = 1;
  REQUIRE(apply(made, change(2, ReplicaAdded{SiteId("alpha"), RootName("projects"), "ai/d"}), at(2)));
  made.version = 2;
  return made;
}

Labels any_labels() {
  constexpr const char* kWords[] = {"open", "internal", "personal", "health", "trade-secret", "export-controlled"};
  Labels set;
  const auto chosen = *rc::gen::inRange(1, 64);
  for (int i = 0; i < 6; ++i) {
    if ((chosen & (1 << i)) != 0) set.emplace(kWords[i]);
  }
  return set;
}

Terms terms(const std::string& permit, std::int64_t until, const std::string& basis, std::optional<bool> reviewed) {
  Terms made{.permit = std::nullopt, .transfer_basis = basis, .reviewed = reviewed};
  if (!permit.empty()) made.permit = DataPermit{.id = permit, .until = at(until)};
  return made;
}

Terms any_terms() {
  const auto reviewed = *rc::gen::inRange(0, 3);
  return terms(*rc::gen::element<std::string>("", "A", "B"), *rc::gen::inRange(0, 3),
               *rc::gen::element<std::string>("", "none", "adequacy", "derogation"),
               reviewed == 0 ? std::nullopt : std::optional(reviewed == 1));
}

template <typename T>
std::string code(const Result<T>& result) {
  return result ? "" : result.error().code;
}

}  // namespace

TEST_CASE("ids, hashes, roots and paths: what they may be", "[T12]") {
  for (const auto* good : {"a", "9", "ehds:fi:findata:0143", "imagenet-1k", "A.b_c@d+e-f"}) CHECK(is_dataset_id(good));
  for (const auto* bad : {"", "-a", ".a", ":a", "a/b", "a b", "a\n", "\xC3\xA5", "a?"}) CHECK_FALSE(is_dataset_id(bad));
  CHECK(is_dataset_id(std::string(128, 'x')));
  CHECK_FALSE(is_dataset_id(std::string(129, 'x')));

  CHECK(is_content_hash(kHash));
  CHECK(is_content_hash("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
  for (const auto& bad : {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'), std::string(64, 'g'), std::string()})
    CHECK_FALSE(is_content_hash(bad));

  CHECK(is_root_name("scratch_2-x"));
  for (const auto& bad : {std::string(), std::string("Scratch"), std::string("a/b"), std::string("a."), std::string(33, 'a')})
    CHECK_FALSE(is_root_name(bad));

  for (const auto* good : {"a", "a/b", "a b/..c/d..", ".hidden", "\xC3\xA5/x"}) CHECK(is_replica_path(good));
  for (const auto& bad : {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
                          std::string("a/./b"), std::string(".."), std::string("a/../b"), std::string("a/.."),
                          std::string("a\nb"), std::string("a\0b", 3), std::string("\x7f"), std::string(1'025, 'a')}) {
    CAPTURE(bad);
    CHECK_FALSE(is_replica_path(bad));
  }
  CHECK(is_replica_path(std::string(1'024, 'a')));
}

TEST_CASE("what loosens, by example") {
  const struct {
    Labels before, after;
    bool loosens;
  } kTable[] = {
      {labels({"open"}), labels({"open"}), false},
      {labels({"open"}), labels({"personal"}), false},
      {labels({"open"}), labels({"open", "personal"}), false},
      {labels({"personal"}), labels({"personal", "health"}), false},
      {labels({"open", "personal"}), labels({"personal"}), false},
      {labels({"personal"}), labels({"open"}), true},
      {labels({"personal"}), labels({"open", "personal"}), true},
      {labels({"personal"}), labels({"internal"}), true},
      {labels({"personal", "health"}), labels({"health"}), true},
      {labels({"internal"}), labels({"personal"}), true},  // whether internal is less than personal is for a second person to say
  };
  for (const auto& [before, after, loosens] : kTable) CHECK(is_loosening(before, after) == loosens);
}

TEST_CASE("relabelling: what restricts comes at once, what loosens is the last step, and the end is what was asked") {
  CHECK(rc::check([] {
    const auto current = any_labels(), wanted = any_labels();
    const auto steps = relabelling(current, wanted);
    RC_ASSERT(steps.size() <= 2U);
    RC_ASSERT(steps.empty() == (current == wanted));
    auto reached = current;
    std::size_t loosening = 0;
    for (const auto& step : steps) {
      RC_ASSERT(step.before == reached);
      RC_ASSERT(step.after != step.before);
      RC_ASSERT(!step.after.empty());
      reached = step.after;
      if (is_loosening(step.before, step.after)) ++loosening;
    }
    RC_ASSERT(reached == wanted);
    RC_ASSERT(loosening == (is_loosening(current, wanted) ? 1U : 0U));
    if (loosening == 1) RC_ASSERT(is_loosening(steps.back().before, steps.back().after));
    // Whatever the second person says, from now on it is as strict as both say it is.
    if (loosening == 1) RC_ASSERT(!is_loosening(wanted, steps.back().before) && !is_loosening(current, steps.back().before));
  }));
  CHECK(rc::check("what does not loosen twice does not loosen at all", [] {
    const auto a = any_labels(), b = any_labels(), c = any_labels();
    if (!is_loosening(a, b) && !is_loosening(b, c)) RC_ASSERT(!is_loosening(a, c));
    RC_ASSERT(!is_loosening(a, a));
  }));
}

TEST_CASE("terms that loosen, by example") {
  const Terms nothing;
  const auto all = terms("A", 10, "adequacy", true);
  CHECK(is_loosening(nothing, terms("A", 10, "", std::nullopt)));
  CHECK(is_loosening(nothing, terms("", 0, "adequacy", std::nullopt)));
  CHECK(is_loosening(nothing, terms("", 0, "", true)));
  CHECK_FALSE(is_loosening(nothing, terms("", 0, "none", false)));
  CHECK_FALSE(is_loosening(all, nothing));
  CHECK_FALSE(is_loosening(all, terms("A", 9, "none", false)));
  CHECK_FALSE(is_loosening(all, all));
  CHECK(is_loosening(all, terms("A", 11, "adequacy", true)));
  CHECK(is_loosening(all, terms("B", 9, "adequacy", true)));
  CHECK(is_loosening(all, terms("A", 10, "derogation", true)));
  CHECK(is_loosening(terms("A", 10, "adequacy", false), all));
}

TEST_CASE("new terms: what is taken back is so at once, what loosens is the last step, and the end is what was asked") {
  const bool held = rc::check("steps of terms", [] {
    const auto current = any_terms(), wanted = any_terms();
    const auto steps = terms_steps(current, wanted);
    RC_ASSERT(steps.size() <= 2U);
    auto now = current;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      RC_ASSERT(steps[i].before == now);
      RC_ASSERT(steps[i].after != now);
      if (i + 1 < steps.size()) RC_ASSERT_FALSE(needs_second_person(steps[i]));
      now = steps[i].after;
    }
    RC_ASSERT(now == wanted);
    RC_ASSERT(is_loosening(current, wanted) == (!steps.empty() && needs_second_person(steps.back())));
  });
  CHECK(held);
}

TEST_CASE("a second person is needed to loosen, to give away and to vouch", "[T14]") {
  CHECK_FALSE(needs_second_person(registered()));
  CHECK_FALSE(needs_second_person(Relabelled{labels({"open"}), labels({"health"})}));
  CHECK(needs_second_person(Relabelled{labels({"health"}), labels({"open"})}));
  CHECK(needs_second_person(OwnerChanged{Principal("a"), Principal("b")}));
  CHECK(needs_second_person(ReplicaVerified{.site = SiteId("alpha")}));
  CHECK_FALSE(needs_second_person(ReplicaAdded{SiteId("alpha"), RootName("r"), "p"}));
  CHECK_FALSE(needs_second_person(ReplicaRemoved{SiteId("alpha")}));
}

TEST_CASE("nobody approves their own change, or what makes them the owner", "[T14]") {
  const auto own = change(3, Relabelled{labels({"health"}), labels({"open"})}, "local:alice");
  CHECK(code(may_approve(Principal("local:alice"), own)) == "OWN_CHANGE");
  CHECK(may_approve(Principal("local:bob"), own));
  const auto given = change(3, OwnerChanged{Principal("local:carol"), Principal("local:bob")}, "local:alice");
  CHECK(code(may_approve(Principal("local:alice"), given)) == "OWN_CHANGE");
  CHECK(code(may_approve(Principal("local:bob"), given)) == "OWN_CHANGE");
  CHECK(may_approve(Principal("local:carol"), given));
}

TEST_CASE("a registration makes the dataset, once") {
  const auto made = dataset();
  CHECK(made.id == DatasetId("d"));
  CHECK(made.owner == Principal("local:alice"));
  CHECK(made.labels == labels({"personal"}));
  CHECK(made.content == registered().content);
  CHECK(made.created_at == at(1));
  CHECK(made.changed_at == at(2));
  auto again = made;
  CHECK(code(apply(again, change(3, registered()), at(3))) == "DATASET_EXISTS");
  CHECK(again == made);
}

TEST_CASE("labels and owner change from what they are, or not at all") {
  auto d = dataset();
  CHECK(code(apply(d, change(3, Relabelled{labels({"open"}), labels({"health"})}), at(3))) == "CHANGE_OUTDATED");
  CHECK(code(apply(d, change(3, OwnerChanged{Principal("local:bob"), Principal("local:carol")}), at(3))) == "CHANGE_OUTDATED");
  CHECK(d == dataset());
  CHECK(apply(d, change(3, Relabelled{labels({"personal"}), labels({"health"})}), at(3)));
  CHECK(apply(d, change(4, OwnerChanged{Principal("local:alice"), Principal("local:bob")}), at(4)));
  const auto recorded = terms("FI-0143", 9, "", std::nullopt);
  CHECK(apply(d, change(4, TermsChanged{Terms{}, recorded}), at(4)));
  CHECK(code(apply(d, change(4, TermsChanged{Terms{}, recorded}), at(4))) == "CHANGE_OUTDATED");
  CHECK(d.terms == recorded);
  CHECK(d.labels == labels({"health"}));
  CHECK(d.owner == Principal("local:bob"));
  CHECK(d.changed_at == at(4));
}

TEST_CASE("replicas: one a site, by site, unverified until somebody looked") {
  auto d = dataset();
  CHECK(code(apply(d, change(3, ReplicaAdded{SiteId("alpha"), RootName("x"), "y"}), at(3))) == "REPLICA_EXISTS");
  CHECK(code(apply(d, change(3, ReplicaRemoved{SiteId("beta")}), at(3))) == "REPLICA_NOT_FOUND");
  CHECK(d == dataset());
  CHECK(apply(d, change(3, ReplicaAdded{SiteId("aa"), RootName("x"), "y"}), at(3)));
  REQUIRE(d.replicas.size() == 2);
  CHECK(d.replicas[0].site == SiteId("aa"));
  const auto* alpha = d.replica_at(SiteId("alpha"));
  REQUIRE(alpha != nullptr);
  CHECK(alpha->added == id_of(2));
  CHECK(state_of(*alpha, at(1'000)) == ReplicaState::unverified);
  CHECK(apply(d, change(4, ReplicaRemoved{SiteId("alpha")}), at(4)));
  CHECK(d.replica_at(SiteId("alpha")) == nullptr);
}

TEST_CASE("a verification is of one replica, and counts until it expires") {
  auto d = dataset();
  const auto verified = change(3, ReplicaVerified{SiteId("alpha"), id_of(2), at(3), at(100)}, "local:bob");
  REQUIRE(apply(d, verified, at(10)));
  const auto& replica = d.replicas.front();
  CHECK(replica.verified == Verification{Principal("local:bob"), at(3), at(100)});
  CHECK(state_of(replica, at(99)) == ReplicaState::verified);
  CHECK(state_of(replica, at(100)) == ReplicaState::expired);

  const auto before = d;
  // Of a replica that is another one, over when it is approved, or older than what is known.
  CHECK(code(apply(d, change(4, ReplicaVerified{SiteId("alpha"), id_of(9), at(4), at(100)}), at(5))) == "CHANGE_OUTDATED");
  CHECK(code(apply(d, change(4, ReplicaVerified{SiteId("beta"), id_of(2), at(4), at(100)}), at(5))) == "CHANGE_OUTDATED");
  CHECK(code(apply(d, change(4, ReplicaVerified{SiteId("alpha"), id_of(2), at(4), at(100)}), at(100))) == "CHANGE_OUTDATED");
  CHECK(code(apply(d, change(4, ReplicaVerified{SiteId("alpha"), id_of(2), at(2), at(100)}), at(5))) == "CHANGE_OUTDATED");
  CHECK(d == before);

  REQUIRE(apply(d, change(5, ReplicaRemoved{SiteId("alpha")}), at(11)));
  REQUIRE(apply(d, change(6, ReplicaAdded{SiteId("alpha"), RootName("projects"), "ai/d"}), at(12)));
  CHECK(code(apply(d, verified, at(13))) == "CHANGE_OUTDATED");  // what was looked at is gone, whatever lies there now
}

TEST_CASE("the state of a change follows from its ruling") {
  auto made = change(3, OwnerChanged{Principal("a"), Principal("b")});
  CHECK(made.state() == ChangeState::pending);
  made.ruling = Ruling{.approved = false};
  CHECK(made.state() == ChangeState::rejected);
  made.ruling->approved = true;
  CHECK(made.state() == ChangeState::approved);
  CHECK(change(3, ReplicaRemoved{SiteId("a")}).state() == ChangeState::applied);
  for (const auto state : {ChangeState::applied, ChangeState::pending, ChangeState::approved, ChangeState::rejected})
    CHECK(parse_change_state(to_string(state)) == state);
  CHECK_FALSE(parse_change_state("done"));
}

TEST_CASE("what is stored of a change is read back, and nothing else is") {
  const DatasetChangeBody kBodies[] = {registered(),
                                       Relabelled{labels({"open"}), labels({"health", "personal"})},
                                       OwnerChanged{Principal("local:a"), Principal("local:b")},
                                       ReplicaAdded{SiteId("alpha"), RootName("r"), "p/\xC3\xA5"},
                                       ReplicaRemoved{SiteId("alpha")},
                                       ReplicaVerified{SiteId("alpha"), id_of(7), at(1), at(2)},
                                       TermsChanged{Terms{}, terms("FI-0143", 9, "adequacy", true)}};
  static_assert(std::size(kBodies) == std::variant_size_v<DatasetChangeBody>);
  for (const auto& body : kBodies) {
    const auto name = change_name(body);
    CAPTURE(std::string(name));
    const auto stored = to_json(body);
    const auto read = change_from_json(name, stored);
    REQUIRE(read);
    CHECK(*read == body);
    // Without any one of its fields, or with one of another type, it is unreadable.
    for (const auto& [field, value] : stored.items()) {
      CAPTURE(field);
      auto without = stored;
      without.erase(field);
      CHECK(code(change_from_json(name, without)) == "BAD_STORED_JSON");
      without[field] = true;
      CHECK(code(change_from_json(name, without)) == "BAD_STORED_JSON");
    }
    CHECK(code(change_from_json("", stored)) == "BAD_STORED_JSON");
    CHECK(code(change_from_json(name, Json::array())) == "BAD_STORED_JSON");
  }
  CHECK(code(change_from_json("relabelled", {{"before", {"a", 1}}, {"after", {"b"}}})) == "BAD_STORED_JSON");
  CHECK(code(change_from_json("relabelled", {{"before", Json::array()}, {"after", {"b"}}})) == "BAD_STORED_JSON");
}
