// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site behind the connector protocol (docs/connector-protocol.md): whatever answers there (a site's hansa-agent, a plug-in) is
// asked over one connection, many requests at a time.
//
// Submit is the one call that is not safe to repeat. Its line may never leave (unavailable), or be answered; an answer that
// never comes, or is not understood, is an unknown_outcome. Of all others no answer is unavailable.
//
// Strand: `executor`.

#include "broker/ports/site_connector.hpp"
#include "connectors/remote/link.hpp"

#include <functional>
#include <map>
#include <memory>

namespace hansa::connectors::remote {

class RemoteConnector final : public ports::SiteConnector {
 public:
  /// `scheduler`, `random` and `log` outlive it.
  RemoteConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
                  std::unique_ptr<Carrier> carrier, LinkOptions options);

  /// Ends the connection. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<> close() { return link_.close(); }

  /// Waits while the connection is being made; why there is none.
  async::Task<> ready(ports::Deadline deadline);
  void when_reachable(std::function<void()> tell) override { link_.on_connected(std::move(tell)); }

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) override;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, ports::Deadline deadline) override;
  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline) override;
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) override;
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline) override;
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline) override;
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline) override;
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline deadline) override;
  /// Of the projects that are asked about alone, whatever the other end says. One without the capability tells none.
  ports::Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, ports::Deadline deadline) override;
  /// Of an end that cannot look itself over: what is seen of it from here.
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  /// Of a call that may be repeated.
  ports::Task<Json> ask(std::string_view method, Json params, ports::Deadline deadline);
  ports::Task<Json> serve(std::string method, Json params);
  ports::Task<std::vector<ports::JobStatus>> status_of_some(std::vector<ports::SiteJob> jobs, ports::Deadline deadline);
  ports::Task<ports::FindResult> find_some(std::vector<ports::SiteJob> wanted, ports::Deadline deadline);

  async::Scheduler& scheduler_;
  SiteId site_;
  std::multimap<CodeId, ports::Code> code_;  // of submissions under way
  Link link_;
};

}  // namespace hansa::connectors::remote
