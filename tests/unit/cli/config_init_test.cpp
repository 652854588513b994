// SPDX-License-Identifier: Apache-2.0
// `hansa config init`: four answers become files that a broker starts with, and nothing that is there is touched.
#include "broker/cli/config_init.hpp"

#include "broker/core/toml_document.hpp"
#include "config/broker_config.hpp"
#include "tests/unit/cli/call_under_test.hpp"
#include "tests/unit/store/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

namespace hansa::cli {
namespace {

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A call without a scheduler on its PATH.
class Init : public Call {
 public:
  Init() { environment["PATH"] = folder.path().string(); }
  [[nodiscard]] std::string file() const { return (folder.path() / "hansad.toml").string(); }

  store::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("four questions, and a file that works") {
  Init init;
  init.answers = {"national \"one\"", "fi", "FI", "slurm", "root", "Alice", "alice"};
  CHECK(init.run({"config", "init", init.file().c_str()}) == 0);
  INFO(init.err);
  CHECK(init.prompts.size() == 7);  // what will not do is asked again
  CHECK(init.err.contains("in two letters is needed: FI?"));
  CHECK(init.err.contains("no job runs as root"));
  const auto config = config::load_broker_config(init.file());
  REQUIRE(config);
  CHECK(config->broker.name == "national \"one\"");
  REQUIRE(config->sites.size() == 1);
  CHECK(config->sites[0].run_as == config::RunAs::by_switch);
  CHECK(config->sites[0].accounts.size() == 1);
  CHECK(init.out.contains("hansa token create --user alice"));

  const auto allowed = content_of(init.folder.path() / "switch.toml");
  CHECK(parse_toml(allowed, "switch.toml"));
  CHECK(allowed.contains("\"/usr/bin/sbatch\""));
  CHECK(allowed.contains("\"/usr/bin/mkdir\""));
}

TEST_CASE("every kind of scheduler gives a file without a fault") {
  for (const auto* connector : {"slurm", "pbs", "local"}) {
    CAPTURE(connector);
    Init init;
    CHECK(init.run({"config", "init", "--name", "n", "--country", "SI", "--connector", connector, "--person", "bob", "--json",
                    init.file().c_str()}) == 0);
    CHECK(config::load_broker_config(init.file()));
    CHECK(std::filesystem::exists(init.folder.path() / "switch.toml") == (std::string_view(connector) != "local"));
    CHECK(init.out.contains("\"switch_file\":"));
    struct stat found{};
    REQUIRE(::stat(init.file().c_str(), &found) == 0);
    CHECK((found.st_mode & 07777U) == 0644);  // whatever the umask
  }
}

TEST_CASE("without a terminal every answer that cannot be told is a flag's") {
  Init init;
  CHECK(init.run({"config", "init", "--person", "bob", init.file().c_str()}) == 2);
  CHECK(init.err.contains("--country: is needed"));
  Init wrong;
  CHECK(wrong.run({"config", "init", "--country", "Finland", "--person", "bob", wrong.file().c_str()}) == 2);
  CHECK(wrong.err.contains("--country"));
  Init unknown;
  CHECK(unknown.run({"config", "init", "--country", "FI", "--connector", "lsf", "--person", "bob", unknown.file().c_str()}) == 2);
  CHECK_FALSE(std::filesystem::exists(unknown.file()));
  Init hostile;
  CHECK(hostile.run({"config", "init", "--country", "FI", "--person", "bob\" = \"root", hostile.file().c_str()}) == 2);
}

TEST_CASE("the scheduler that is there is the one that is meant") {
  Init init;
  std::ofstream(init.folder.path() / "qsub") << "#!/bin/sh\n";
  std::filesystem::permissions(init.folder.path() / "qsub", std::filesystem::perms::owner_all);
  init.environment["SUDO_USER"] = "carol";
  CHECK(init.run({"config", "init", "--country", "CZ", init.file().c_str()}) == 0);
  const auto config = config::load_broker_config(init.file());
  REQUIRE(config);
  CHECK(config->sites[0].connector == config::Connector::pbs);
  CHECK(config->projects[0].members[0].str() == "local:carol");
}

TEST_CASE("what is there is never touched") {
  Init init;
  std::ofstream(init.file()) << "mine";
  CHECK(init.run({"config", "init", "--country", "FI", "--person", "bob", init.file().c_str()}) == 8);
  CHECK(content_of(init.file()) == "mine");

  Init beside;
  std::ofstream(beside.folder.path() / "switch.toml") << "mine";
  CHECK(beside.run({"config", "init", "--country", "FI", "--connector", "slurm", "--person", "bob", beside.file().c_str()}) == 0);
  CHECK(content_of(beside.folder.path() / "switch.toml") == "mine");

  Init nowhere;
  CHECK(nowhere.run({"config", "init", "--country", "FI", "--connector", "local", "--person", "bob", "/no/such/folder/h.toml"}) != 0);
}

}  // namespace hansa::cli
