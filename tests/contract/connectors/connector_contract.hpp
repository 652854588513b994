// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every connector must do, whatever stands behind it: one suite (*_contract.cpp), linked with one maker of a
// connector under test for each kind (model, local, slurm).

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::contract {

/// What a job of the suite does. A site that runs real processes gets a script that does it; a modelled one is told.
struct Behaviour {
  std::string prints = {};      // one line on standard output, at once
  Seconds runs{0};              // then
  int exit_code = 0;
  std::optional<int> signal = {};  // ends itself by this instead
  std::vector<int> failing = {};   // of an array: these tasks alone end with exit_code, the others with 0
  /// In its working folder, at once, the folders above it too. No path and no text has an apostrophe; text is whole lines.
  struct Left {
    enum class Kind { file, folder, link } kind = Kind::file;
    std::string path;
    std::string text = {};        // a link's is its target
  };
  std::vector<Left> leaves = {};
};

/// One site and the way to it, with room for at least two jobs of one core at a time. Fresh, or at least idle, for each test
/// case.
class ConnectorUnderTest {
 public:
  virtual ~ConnectorUnderTest() = default;

  virtual ports::SiteConnector& connector() = 0;
  virtual async::Scheduler& scheduler() = 0;
  /// Runs `work` to its end on the connector's strand.
  virtual void run(boost::asio::awaitable<void> work) = 0;
  /// Lets time pass: sleeps for real, or moves the virtual clock.
  virtual void advance(Milliseconds step) = 0;

  [[nodiscard]] virtual Principal person() const { return Principal("local:tester"); }
  [[nodiscard]] virtual LocalAccount account() const = 0;
  [[nodiscard]] virtual QueueName queue() const = 0;
  [[nodiscard]] virtual std::string scheduler_account() const { return ""; }
  /// An account that this way to the site must refuse; none if it has but one.
  [[nodiscard]] virtual std::optional<LocalAccount> refused_account() const { return std::nullopt; }
  /// What fills the site, so that the next job waits.
  [[nodiscard]] virtual domain::Resources whole_site() const = 0;
  virtual domain::JobPayload payload(const Behaviour& behaviour) = 0;

  /// It runs job arrays.
  [[nodiscard]] virtual bool runs_arrays() const { return true; }
  /// It tells what it gives a job.
  [[nodiscard]] virtual bool reads_back() const { return true; }
  /// Its accounting tells how a failed run ended.
  [[nodiscard]] virtual bool books_exit_codes() const { return true; }
  /// Scripts really run here: delivery byte for byte and output can be looked at.
  [[nodiscard]] virtual bool executes() const { return true; }
  /// Its profile has pretended_profile() of profile_under_test.hpp.
  [[nodiscard]] virtual bool has_profile() const { return false; }
  /// Questions asked of the scheduler so far (squeue and sacct calls, not a job's own submissions and files).
  [[nodiscard]] virtual std::size_t site_calls() const = 0;
  /// Most of them for one snapshot, however large the site.
  [[nodiscard]] virtual std::size_t snapshot_calls() const { return 2; }
  /// Shortest wall-time limit that is kept to.
  [[nodiscard]] virtual Seconds time_unit() const { return Seconds{1}; }
  /// How long a step that takes no time of its own may take (start, end, accounting) before the suite gives up.
  [[nodiscard]] virtual Seconds patience() const { return Seconds{30}; }
};

/// Defined by each kind beside its test target.
std::unique_ptr<ConnectorUnderTest> make_connector_under_test();

/// For kinds that run scripts: bash that behaves so.
std::string behaving_script(const Behaviour& behaviour);

}  // namespace hansa::contract
