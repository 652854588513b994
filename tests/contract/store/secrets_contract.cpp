// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;

namespace {

ports::SealedSecret secret(const std::string& name, const Principal& owner = kAlice, const std::string& key = "k1") {
  return {
      .owner = owner, .name = name, .key_id = key, .sealed = std::string("\0sealed ", 8) + name, .bytes = 7, .changed_at = at(1)};
}

std::vector<std::string> names_of(const std::vector<ports::SealedSecret>& secrets) {
  std::vector<std::string> names;
  for (const auto& one : secrets) names.push_back(one.name);
  return names;
}

struct HeldSecrets {
  explicit HeldSecrets(StoreUnderTest& s) : store(s) {}
  StoreUnderTest& store;
  auto put(const ports::SealedSecret& one, std::size_t most = 99) { return store.wait(store.secrets().put_secret(one, most)); }
  auto list(const Principal& owner) { return store.wait(store.secrets().secrets_of(owner)).value(); }
  auto sealed(const Principal& owner, std::vector<std::string> names) {
    return store.wait(store.secrets().sealed_secrets(owner, std::move(names))).value();
  }
  auto copies() { return store.wait(store.secrets().secret_copies()).value(); }
};

}  // namespace

TEST_CASE("secrets are their owner's, replaced and deleted by name") {
  auto store = next_store();
  HeldSecrets held(*store);
  REQUIRE(held.put(secret("b")));
  REQUIRE(held.put(secret("a")));
  REQUIRE(held.put(secret("a", kBob)));
  CHECK(names_of(held.list(kAlice)) == std::vector<std::string>{"a", "b"});
  CHECK(held.list(kAlice).front().sealed.empty());
  CHECK(held.list(kAlice).front().bytes == 7);
  const auto found = held.sealed(kAlice, {"b", "none"});
  REQUIRE(found.size() == 1);
  CHECK(found.front().sealed == secret("b").sealed);
  CHECK(found.front().key_id == "k1");

  auto other = secret("a");
  other.sealed = "other";
  other.bytes = 5;
  other.changed_at = at(9);
  REQUIRE(held.put(other));
  store->reopen();
  CHECK(held.sealed(kAlice, {"a"}).front().sealed == "other");
  CHECK(held.list(kAlice).front().changed_at == at(9));
  CHECK(held.sealed(kBob, {"a"}).front().sealed == secret("a").sealed);

  CHECK(store->wait(store->secrets().delete_secret(kBob, "b")).error().code == "SECRET_NOT_FOUND");
  REQUIRE(store->wait(store->secrets().delete_secret(kAlice, "b")));
  CHECK(names_of(held.list(kAlice)) == std::vector<std::string>{"a"});
  CHECK(held.list(kBob).size() == 1);
}

TEST_CASE("nobody has more secrets than they may, and each may be replaced all the same") {
  auto store = next_store();
  HeldSecrets held(*store);
  for (const auto* name : {"a", "b", "c"}) REQUIRE(held.put(secret(name), 3));
  CHECK(code_of(held.put(secret("d"), 3)) == "SECRETS_FULL");
  CHECK(held.put(secret("b"), 3));
  CHECK(held.put(secret("d", kBob), 3));
  REQUIRE(store->wait(store->secrets().delete_secret(kAlice, "a")));
  CHECK(held.put(secret("d"), 3));
}

TEST_CASE("what other keys have sealed is found and sealed anew unless it was changed meanwhile") {
  auto store = next_store();
  HeldSecrets held(*store);
  REQUIRE(held.put(secret("a")));
  REQUIRE(held.put(secret("b", kBob)));
  REQUIRE(held.put(secret("c", kBob, "k2")));
  const auto old = store->wait(store->secrets().sealed_by_others("k2", 10)).value();
  REQUIRE(names_of(old) == std::vector<std::string>{"a", "b"});
  CHECK(store->wait(store->secrets().sealed_by_others("k2", 1)).value().size() == 1);
  CHECK(store->wait(store->secrets().sealed_by_others("", 10)).value().size() == 3);
  auto anew = old[0];
  anew.key_id = "k2";
  anew.sealed = "anew";
  REQUIRE(store->wait(store->secrets().reseal(old[0], anew)));
  CHECK(held.sealed(kAlice, {"a"}).front().key_id == "k2");
  CHECK(held.sealed(kAlice, {"a"}).front().changed_at == at(1));
  auto changed = secret("b", kBob, "k3");
  changed.sealed = "changed";
  REQUIRE(held.put(changed));
  REQUIRE(store->wait(store->secrets().reseal(old[1], anew)));
  CHECK(held.sealed(kBob, {"b"}).front().sealed == "changed");
}

TEST_CASE("an attempt that was sent with secrets is remembered until its copies are gone") {
  auto store = next_store();
  HeldSecrets held(*store);
  store->begin_epoch();
  auto made = new_job();
  made.job.spec.secrets = {{.name = "hf-token", .file = "token"}, {.name = "s3", .file = "s3"}};
  REQUIRE(store->wait(store->jobs().accept_jobs({made}, std::nullopt)));
  auto job = made.job;
  CHECK(store->wait(store->secrets().note_secret_copy(job.id, 1)).error().kind == ErrorKind::not_found);
  recorded(
      *store, job,
      {domain::AttemptIntended{.attempt = 1, .site = SiteId("beta"), .queue = QueueName("q"), .account = LocalAccount("al")}});
  REQUIRE(store->wait(store->secrets().note_secret_copy(job.id, 1)));
  REQUIRE(store->wait(store->secrets().note_secret_copy(job.id, 1)));  // sent again
  store->reopen();
  const auto copies = held.copies();
  REQUIRE(copies.size() == 1);
  CHECK(copies[0].job == job.id);
  CHECK(copies[0].attempt == 1);
  CHECK(copies[0].site == SiteId("beta"));
  CHECK(copies[0].account == LocalAccount("al"));
  CHECK(copies[0].person == made.job.owner);
  CHECK(copies[0].files == std::vector<std::string>{"token", "s3"});
  CHECK_FALSE(copies[0].over);
  recorded(*store, job,
           {domain::AttemptEnded{.attempt = 1, .outcome = domain::Outcome::never_started, .reason = {"NOT_SENT", "x"}}}, 20);
  CHECK(held.copies()[0].over);
  REQUIRE(store->wait(store->secrets().secret_copy_gone(job.id, 1)));
  CHECK(held.copies().empty());
  CHECK(store->wait(store->secrets().secret_copy_gone(job.id, 1)));
}
