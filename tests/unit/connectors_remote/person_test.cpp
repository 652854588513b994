// SPDX-License-Identifier: Apache-2.0
// An agent that a person starts for themselves: what it is handed, and the scheduler that it finds.
#include "connectors/agent/person.hpp"

#include "broker/core/time_text.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <map>

namespace hansa::connectors::agent {

namespace fs = std::filesystem;

namespace {

const std::string kPin = "sha256:" + std::string(64, 'a');

std::string ticket(const std::string& field = "", const std::string& value = "") {
  std::map<std::string, std::string> fields{{"broker", "wss://b.example:7718"},
                                            {"pin", kPin},
                                            {"site", "alpha"},
                                            {"person", "local:alice"},
                                            {"token", "hansa_berth_x"},
                                            {"session_until", "2026-11-29T20:00:00Z"}};
  if (!field.empty()) fields[field] = value;
  std::string text = "{";
  for (const auto& [key, word] : fields) text += (text.size() > 1 ? ",\"" : "\"") + key + "\":\"" + word + "\"";
  return text + "}";
}

void touch(const fs::path& file, bool program = false) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "#!/bin/sh\n";
  if (program) fs::permissions(file, fs::perms::owner_all);
}

}  // namespace

TEST_CASE("an agent takes what hansa connect hands it and nothing else") {
  const auto good = read_ticket(ticket());
  REQUIRE(good);
  CHECK(good->site == SiteId("alpha"));
  CHECK(good->person == Principal("local:alice"));
  CHECK(good->token.reveal() == "hansa_berth_x");
  CHECK(format_utc(good->session_until) == "2026-11-29T20:00:00Z");
  for (const auto* field : {"broker", "pin", "site", "person", "token", "session_until"}) {
    const auto bad = read_ticket(ticket(field, ""));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == "BAD_TICKET");
    CHECK_FALSE(bad.error().message.contains("hansa_berth_x"));
  }
  for (const auto& [field, value] : {std::pair("token", "a\\r\\nX: y"), std::pair("token", "a b"), std::pair("pin", "sha256:00"),
                                     std::pair("session_until", "soon")})
    CHECK_FALSE(read_ticket(ticket(field, value)));
  for (const auto* text : {"", "{", "[]", "hello", "{\"token\": 7}", "null"}) CHECK_FALSE(read_ticket(text));
  CHECK_FALSE(read_ticket(ticket("person", std::string(5'000, 'x'))));
}

TEST_CASE("the scheduler is the one that the login finds") {
  const hansa::test::TemporaryFolder folder;
  const auto at = [&](const char* name) { return fs::path(folder.path()) / name; };
  const Login nothing{.home = at("home"), .path = at("bin").string() + "::relative:/nowhere", .slurm_conf = {}, .pbs_conf = {}};
  const auto none = find_scheduler(SiteId("alpha"), nothing);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == "NO_SCHEDULER");
  CHECK(none.error().message.contains("--config"));

  touch(at("bin/sbatch"));
  CHECK_FALSE(find_scheduler(SiteId("alpha"), nothing));  // nobody may run it
  touch(at("bin/sbatch"), true);
  auto login = nothing;
  login.slurm_conf = at("slurm.conf").string();
  touch(at("slurm.conf"));
  const auto slurm = find_scheduler(SiteId("alpha"), login);
  REQUIRE(slurm);
  CHECK(slurm->site.connector == config::Connector::slurm);
  CHECK(slurm->site.slurm.conf == at("slurm.conf"));
  CHECK(slurm->site.slurm.bin_dir == at("bin"));
  CHECK(slurm->site.id == SiteId("alpha"));
  CHECK_FALSE(slurm->has_budget);

  fs::remove(at("bin/sbatch"));
  touch(at("bin/qsub"), true);
  touch(at("pbs.conf"));
  login.pbs_conf = at("pbs.conf").string();
  const auto pbs = find_scheduler(SiteId("alpha"), login);
  REQUIRE(pbs);
  CHECK(pbs->site.connector == config::Connector::pbs);
  CHECK(pbs->site.pbs.conf == at("pbs.conf"));
}

}  // namespace hansa::connectors::agent
