// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/account_directory.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

using namespace hansa;
using namespace hansa::identity;
namespace fs = std::filesystem;

namespace {

const SiteId kSite("alpha");
const Principal kAlice("local:alice"), kBob("local:bob");

/// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "hansa-accounts-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] fs::path file() const { return path_ / "alpha-accounts.toml"; }

 private:
  fs::path path_;
};

/// One site with a file of lines "principal account", loaded and reported on as the broker does it.
struct Fixture {
  Folder folder;
  int loads = 0;
  std::vector<std::string> reports;
  fs::file_time_type written = fs::file_time_type::clock::now();

  /// Each writing is a second later than the one before, whatever the file system's resolution.
  void write(const std::string& text) {
    std::ofstream(folder.file()) << text;
    fs::last_write_time(folder.file(), written += std::chrono::seconds{1});
  }
  Result<AccountMap> load(const fs::path& file) {
    ++loads;
    std::ifstream in(file);
    AccountMap accounts;
    std::string person, account;
    while (in >> person >> account) accounts.emplace(Principal(person), LocalAccount(account));
    if (!in.eof() || person == "broken") return fail(ErrorKind::invalid_argument, "BAD_ACCOUNTS", file.string() + ": broken");
    return accounts;
  }
  AccountDirectory directory(AccountMap accounts, bool own_account = false) {
    return {{{.site = kSite, .accounts = std::move(accounts), .own_account = own_account, .file = folder.file()}},
            {},
            [this](const fs::path& file) { return load(file); },
            [this](const SiteId& site, const Error& error) { reports.push_back(site.str() + " " + error.code); }};
  }
};

AccountDirectory listed(bool own_account, AccountMap accounts) {
  return {{{.site = kSite, .accounts = std::move(accounts), .own_account = own_account, .file = std::nullopt}},
          {},
          [](const fs::path&) -> Result<AccountMap> { throw std::logic_error("there is no file"); },
          [](const SiteId&, const Error&) { throw std::logic_error("there is no file"); }};
}

std::string account(const AccountDirectory& directory, const Principal& person) {
  const auto found = directory.account_of(person, kSite);
  return found ? "\"" + found->str() + "\"" : found.error().code;
}

}  // namespace

TEST_CASE("a site that runs all as the broker's own account takes those that are listed, and nobody where nobody is") {
  const auto nobody = listed(true, {});
  CHECK(account(nobody, kAlice) == "NO_ACCOUNT");
  CHECK(account(nobody, Principal("anybody:at all")) == "NO_ACCOUNT");
  const auto some = listed(true, {{kAlice, LocalAccount("whatever")}});
  CHECK(account(some, kAlice) == "\"\"");  // still as the broker's own
  CHECK(account(some, kBob) == "NO_ACCOUNT");
}

TEST_CASE("a site with accounts takes those that are listed, under their names there") {
  const auto directory = listed(false, {{kAlice, LocalAccount("al1")}});
  CHECK(account(directory, kAlice) == "\"al1\"");
  CHECK(account(directory, kBob) == "NO_ACCOUNT");
  CHECK(account(directory, Principal("local:Alice")) == "NO_ACCOUNT");
  CHECK(account(listed(false, {}), kAlice) == "NO_ACCOUNT");
}

TEST_CASE("who has no account is told what to ask for, and where it belongs") {
  const auto refused = listed(false, {}).account_of(kBob, kSite);
  CHECK(refused.error().kind == ErrorKind::permission_denied);
  CHECK(refused.error().message ==
        "local:bob has no account at site alpha: ask its operator for an entry \"local:bob\" = \"<account>\" in the site's "
        "accounts");
  Fixture f;
  f.write("");
  const auto by_file = f.directory({}).account_of(kBob, kSite);
  CHECK_THAT(by_file.error().message, Catch::EndsWith("in alpha-accounts.toml"));  // its name, not where it lies
  CHECK(listed(false, {}).account_of(kBob, SiteId("beta")).error().code == "SITE_NOT_FOUND");
}

TEST_CASE("a changed file counts from the next question on, and is read once a change") {
  Fixture f;
  f.write("local:alice al1\n");
  const auto directory = f.directory({{kAlice, LocalAccount("al1")}});
  CHECK(account(directory, kAlice) == "\"al1\"");
  const auto first = f.loads;
  for (int i = 0; i < 5; ++i) CHECK(account(directory, kBob) == "NO_ACCOUNT");
  CHECK(f.loads == first);

  f.write("local:alice al2\nlocal:bob b\n");
  CHECK(account(directory, kAlice) == "\"al2\"");
  CHECK(account(directory, kBob) == "\"b\"");
  CHECK(f.loads == first + 1);

  f.write("local:alice al3\nlocal:bob b\n");  // as long as before
  CHECK(account(directory, kAlice) == "\"al3\"");
  f.write("");
  CHECK(account(directory, kAlice) == "NO_ACCOUNT");
  CHECK(f.loads == first + 3);
  CHECK(f.reports.empty());
}

TEST_CASE("a file that changed between the configuration's reading and the first question is read") {
  Fixture f;
  f.write("local:bob b\n");
  const auto directory = f.directory({{kAlice, LocalAccount("al1")}});  // as it was read before
  CHECK(account(directory, kAlice) == "NO_ACCOUNT");
  CHECK(account(directory, kBob) == "\"b\"");
}

TEST_CASE("a broken or missing file keeps the last good map and is reported once, until it changes again") {
  Fixture f;
  f.write("local:alice al1\n");
  const auto directory = f.directory({{kAlice, LocalAccount("al1")}});
  CHECK(account(directory, kAlice) == "\"al1\"");

  f.write("broken\n");
  for (int i = 0; i < 3; ++i) CHECK(account(directory, kAlice) == "\"al1\"");
  CHECK(f.reports == std::vector<std::string>{"alpha BAD_ACCOUNTS"});

  f.write("broken again\nbroken");
  for (int i = 0; i < 3; ++i) CHECK(account(directory, kAlice) == "\"al1\"");
  CHECK(f.reports.size() == 2);

  fs::remove(f.folder.file());
  const auto loads = f.loads;
  for (int i = 0; i < 3; ++i) CHECK(account(directory, kAlice) == "\"al1\"");
  CHECK(f.loads == loads + 1);

  f.write("local:bob b\n");
  CHECK(account(directory, kAlice) == "NO_ACCOUNT");
  CHECK(account(directory, kBob) == "\"b\"");
}

TEST_CASE("a file at a site of the broker's own account: only who is in it, and an empty one is nobody") {
  Fixture f;
  f.write("local:alice x\n");
  const auto directory = f.directory({{kAlice, LocalAccount("x")}}, true);
  CHECK(account(directory, kAlice) == "\"\"");
  CHECK(account(directory, kBob) == "NO_ACCOUNT");
  f.write("");
  CHECK(account(directory, kAlice) == "NO_ACCOUNT");
}

TEST_CASE("projects are those that list the person, in the configuration's order") {
  const AccountDirectory directory(
      {}, {{ProjectId("zeta"), {kAlice, kBob}}, {ProjectId("empty"), {}}, {ProjectId("alpha"), {kAlice}}},
      [](const fs::path&) -> Result<AccountMap> { return AccountMap{}; }, [](const SiteId&, const Error&) {});
  CHECK(directory.projects_of(kAlice) == std::vector{ProjectId("zeta"), ProjectId("alpha")});
  CHECK(directory.projects_of(kBob) == std::vector{ProjectId("zeta")});
  CHECK(directory.projects_of(Principal("local:eve")).empty());
  CHECK(directory.projects_of(Principal("")).empty());
}

TEST_CASE("who leads a project is its member, named among the members or not") {
  const AccountDirectory directory(
      {}, {{ProjectId("zeta"), {kAlice}, {kAlice, kBob}}, {ProjectId("alpha"), {kBob}}},
      [](const fs::path&) -> Result<AccountMap> { return AccountMap{}; }, [](const SiteId&, const Error&) {});
  CHECK(directory.led_by(kAlice) == std::vector{ProjectId("zeta")});
  CHECK(directory.projects_of(kAlice) == std::vector{ProjectId("zeta")});
  CHECK(directory.led_by(kBob) == std::vector{ProjectId("zeta")});
  CHECK(directory.projects_of(kBob) == std::vector{ProjectId("zeta"), ProjectId("alpha")});
  CHECK(directory.led_by(Principal("local:eve")).empty());
}
