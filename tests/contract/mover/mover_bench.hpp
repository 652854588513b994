// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every mover must do, whatever copies and whatever lies in between: one suite (mover_contract.cpp, mover_failures.cpp),
// linked with one description of a way for each kind.

#include "broker/async/real_scheduler.hpp"
#include "connectors/mover/job_mover.hpp"
#include "connectors/transport/direct_transport.hpp"
#include "tests/contract/mover/ssh_server.hpp"
#include "tests/contract/mover/webdav_server.hpp"
#include "tests/integration/connectors_local/local_site.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::contract {

namespace fs = std::filesystem;

enum class Ends { folders, to_ssh, from_ssh, from_webdav };

/// Defined by each kind: the ways it is put under the suite.
std::vector<Ends> ends_under_test();
connectors::mover::Tool tool_under_test();
/// Jobs of a local site do the work.
bool by_jobs_under_test();

/// Name beneath the dataset's folder, and contents.
using Files = std::vector<std::pair<std::string, std::string>>;

std::string random_bytes(std::size_t size);

/// Larger in `./dev soak`, which sets HANSA_SOAK.
std::size_t everyday_or_soak(std::size_t everyday, std::size_t soak);

/// Of what does not depend on which end is the remote one, and of what does but lies before both tools. All ways in a soak.
std::vector<Ends> one_way_everyday();
std::vector<Ends> both_ways_with_rclone();

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// For a transfer that is killed on its way: a dataset of kSlowSize takes more than a minute, so that it has not ended before the
/// test comes to it, however busy the machine is.
constexpr domain::Bytes kSlowly{kMiB / 4};
constexpr std::size_t kSlowSize = 16 * kMiB;

/// Two roots, a mover between them, and its spool; all of it gone at the end.
class MoverBench {
 public:
  /// In memory: what is put to the test flushes what it has written, and a disk that is busy takes seconds for each.
  explicit MoverBench(Ends ends, const fs::path& beneath = "/dev/shm");
  ~MoverBench();
  MoverBench(const MoverBench&) = delete;
  MoverBench& operator=(const MoverBench&) = delete;

  /// The roots as this test sees them.
  [[nodiscard]] fs::path from() const { return folder_ / "from"; }
  [[nodiscard]] fs::path to() const { return folder_ / "to"; }
  [[nodiscard]] SshServer* server() { return server_; }
  WebdavServer* webdav() { return webdav_.get(); }
  /// One that nobody else uses, and that may be stopped.
  SshServer& server_of_its_own();
  connectors::mover::MoverOptions& options() { return options_; }  // in force from the next mover() on

  /// From the next mover() on, tools wait before they begin until open_gate(). What their transfers had found out before, they
  /// have: a test can change things behind it, and is in no race.
  void shut_gate();
  void open_gate();

  ports::Mover& mover();
  /// A mover with a spool of its own, on the same two roots.
  ports::Mover& another_mover();

  /// Makes the files at the source, and says what the register would: computed here, not by the mover.
  domain::Content make(const std::string& path, const Files& files);
  domain::Transfer transfer(const std::string& path, const domain::Content& content);

  template <class T>
  Result<T> ask(async::Task<T> question) {
    return site_ ? site_->ask(std::move(question)) : async::run(io_, std::move(question));
  }
  domain::TransferStatus start(const domain::Transfer& transfer);
  domain::TransferStatus status(const domain::TransferId& id);
  /// To its end, or until `enough`; progress must never fall on the way.
  domain::TransferStatus follow(const domain::TransferId& id,
                                const std::function<bool(const domain::TransferStatus&)>& enough = nullptr);
  domain::TransferStatus move(const domain::Transfer& transfer) { return start(transfer), follow(transfer.id); }

  /// The site whose jobs move.
  test::LocalSite& site() { return *site_; }

  /// kill -9 of the supervisors that serve this bench's spool, and no other; returns once the transfer is interrupted. The test
  /// fails at once if it had ended before.
  void kill_supervisor(const domain::TransferId& id);
  /// The copy as it grows.
  [[nodiscard]] fs::path staged(const domain::Transfer& transfer) const;
  /// Nothing beneath the destination's root but what is named here.
  [[nodiscard]] bool has_nothing_but(const std::vector<std::string>& names) const;
  async::Deadline soon() { return async::Deadline::in(scheduler_, Seconds{60}); }

 private:
  [[nodiscard]] std::map<std::pair<SiteId, domain::RootName>, connectors::mover::Root> roots() const;
  ports::Mover& new_mover(connectors::mover::MoverOptions options);
  /// Of this bench, and of no other.
  [[nodiscard]] std::vector<pid_t> processes() const;

  fs::path folder_;
  Ends ends_;
  SshServer* server_ = nullptr;  // everybody's, or own_server_
  std::unique_ptr<SshServer> own_server_;
  std::unique_ptr<WebdavServer> webdav_;
  boost::asio::io_context io_;
  async::RealScheduler scheduler_;
  async::SystemRandom random_;
  UlidSource ids_{scheduler_, random_};
  connectors::transport::DirectTransport transport_{scheduler_};
  connectors::mover::MoverOptions options_;
  test::SilentLog log_;
  std::unique_ptr<test::LocalSite> site_;
  std::vector<std::unique_ptr<ports::Mover>> movers_;
};

}  // namespace hansa::contract
