// SPDX-License-Identifier: Apache-2.0
#pragma once
// Each person's short-lived SSH certificate: a key pair made here, in memory, and signed by whatever the site's or federation's
// CA is, behind a configured command. Kept while it is good; asked for anew before it ends.
//
// Strand: the engine's.

#include "broker/async/deadline.hpp"
#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task.hpp"
#include "broker/core/strong.hpp"
#include "connectors/remote/memory_folder.hpp"
#include "connectors/remote/person_pool.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::remote {

struct CertificateSource {
  std::vector<std::string> command;  // "{account}", "{person}", "{principal}" in its arguments; the public key is its input
  std::string principal = "{account}";  // that the certificate must name: also with "{subject}", the person's without its issuer
};

class Credentials {
 public:
  /// `scheduler` outlives it.
  Credentials(boost::asio::any_io_executor executor, async::Scheduler& scheduler, CertificateSource source, MemoryFolder folder)
      : executor_(std::move(executor)), scheduler_(scheduler), source_(std::move(source)), folder_(std::move(folder)) {}

  /// One that is good now and until `until`. All errors are `unavailable`: CREDENTIAL_ENDS_TOO_EARLY (the best that is to be had
  /// ends before), CREDENTIAL_MISSING (the command gave none), CREDENTIAL_BAD (what it gave is of no use); or deadline_exceeded,
  /// cancelled.
  async::Task<std::shared_ptr<const Credential>> of(Login login, UtcTime until, async::Deadline deadline);

  /// The site did not accept it: the next use asks for another.
  void forget(const Login& login);

  /// Where their keys are put for ssh.
  [[nodiscard]] MemoryFolder& folder() { return folder_; }

 private:
  struct Known {
    std::shared_ptr<const Credential> credential;
    UtcTime renew_at{};  // soon before its end
    std::optional<Error> failure;  // of the last time that it was asked for
    MonotonicTime ask_again_at{};
    bool asking = false;
    std::vector<std::shared_ptr<async::Event>> waiters;
  };
  async::Task<std::shared_ptr<const Credential>> fetch(Login login, async::Deadline deadline);
  async::Task<std::string> run_command(Login login, std::string public_key, async::Deadline deadline);
  async::Task<> make_pair(std::string path, async::Deadline deadline);
  [[nodiscard]] Result<void> check_login(const Login& login) const;
  [[nodiscard]] std::string filled_in(std::string text, const Login& login) const;

  boost::asio::any_io_executor executor_;
  async::Scheduler& scheduler_;
  CertificateSource source_;
  MemoryFolder folder_;
  std::map<Login, Known> known_;
};

}  // namespace hansa::connectors::remote
