// SPDX-License-Identifier: Apache-2.0
#pragma once
// slurmrestd at the site: one HTTP request a question, each with a token of the account that asks. Requests and the reading of
// their answers take place on threads of their own, each within its deadline; so does the look-up of its host's address, apart
// from them, for nothing can cut that.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/lookups.hpp"
#include "broker/async/on_thread.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/http/client.hpp"
#include "connectors/slurm/questions.hpp"
#include "connectors/slurmrest/api_version.hpp"
#include "connectors/slurmrest/tokens.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurmrest {

struct RestOptions {
  http::Url url;
  std::string unix_socket = {};      // its path; empty: TCP
  std::string ca_file = {};
  std::size_t answer_limit = std::size_t{64} << 20;
  std::string cluster = {};          // what 0.0.38 does not say; "": asked of the accounting
  std::int64_t max_array_size = 1'001;  // MaxArraySize, which slurmrestd does not tell; 0 or 1: no arrays
  bool private_jobs = false;         // PrivateData=jobs: each account is asked for its own
  std::string own_account;           // of the broker: whose token asks for what is everybody's
};

class Rest final : public slurm::Questions {
 public:
  /// `scheduler` and `pool` outlive it.
  Rest(RestOptions options, TokenSource tokens, async::Scheduler& scheduler, boost::asio::thread_pool& pool);

  ports::Task<slurm::Listing<slurm::QueueRow>> queue(slurm::QueueQuestion question, ports::Deadline deadline) override;
  ports::Task<slurm::Listing<slurm::HistoryRow>> history(slurm::HistoryQuestion question, ports::Deadline deadline) override;
  ports::Task<slurm::Inventory> inventory(ports::Deadline deadline) override;
  ports::Task<slurm::Configuration> configuration(ports::Deadline deadline) override;
  ports::Task<std::vector<slurm::Viewer>> viewers_of(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;

  /// The version in use; the first time, and after SITE_VERSION, slurmrestd is asked what it serves.
  ports::Task<ApiVersion> version(ports::Deadline deadline);

  /// Sends a job. Any error but those of version() and of the account's token is one of read_receipt's, or unknown_outcome,
  /// unless the request never left.
  ports::Task<ports::SubmitReceipt> submit(slurm::Viewer as, ApiVersion version, std::string body, ports::Deadline deadline);

  /// The one job of that id, if there is one.
  ports::Task<std::optional<slurm::QueueRow>> job(slurm::Viewer as, SiteJobId id, ports::Deadline deadline);
  ports::Task<> hold(slurm::Viewer as, SiteJobId id, bool hold, ports::Deadline deadline);
  /// Of an array: those tasks, or all of it if there are none.
  ports::Task<> end(slurm::Viewer as, SiteJobId id, std::vector<std::int32_t> tasks, ports::Deadline deadline);

  /// Whether the controller answers slurmrestd, with its words if not.
  ports::Task<std::optional<std::string>> ping(ports::Deadline deadline);
  /// The controller's clock.
  ports::Task<UtcTime> clock(ports::Deadline deadline);
  /// Gets a token of this account's. When it ends, if it says so.
  ports::Task<std::optional<UtcTime>> token_of(slurm::Viewer as, ports::Deadline deadline);
  [[nodiscard]] std::int64_t max_array_size() const { return options_.max_array_size; }
  [[nodiscard]] bool private_jobs() const { return options_.private_jobs; }
  [[nodiscard]] bool tokens_from_file() const { return tokens_.from_file(); }

  /// Sent so far: what the site is asked, without what is to change something.
  [[nodiscard]] std::size_t questions_asked() const { return questions_asked_; }

 private:
  struct Request {
    std::string method = "GET";
    std::string target;
    std::string body = {};
  };
  template <class T>
  using Reader = std::function<Result<T>(http::Response)>;

  template <class T>
  ports::Task<T> call(std::string user, Request request, Reader<T> read, ports::Deadline deadline);
  /// A question at "/slurm/v0.0.38/" + `what`, or of the other daemon.
  template <class T>
  ports::Task<T> ask(std::string user, std::string daemon, std::string what, Result<T> (*read)(const JsonNode&),
                     ports::Deadline deadline);
  ports::Task<slurm::Listing<slurm::HistoryRow>> runs(std::string user, std::string cluster, std::string query,
                                                      ports::Deadline deadline);
  ports::Task<std::string> cluster_name(ports::Deadline deadline);
  ports::Task<> change(std::string user, std::string method, SiteJobId id, std::string body, ports::Deadline deadline);
  ports::Task<> send_change(std::string user, Request request, ports::Deadline deadline);
  ports::Task<std::vector<std::string>> addresses(ports::Deadline deadline);

  [[nodiscard]] std::string user_of(const slurm::Viewer& viewer) const;
  void heed(const Error& error, const std::string& user);

  RestOptions options_;
  Tokens tokens_;
  async::Scheduler& scheduler_;
  boost::asio::thread_pool& pool_;
  async::Lookups names_{2};
  std::vector<std::string> addresses_;  // of the URL's host, as they were last
  MonotonicTime addresses_good_until_{};
  std::optional<ApiVersion> version_;
  std::optional<slurm::Configuration> configuration_;
  std::size_t questions_asked_ = 0;
};

}  // namespace hansa::connectors::slurmrest
