// SPDX-License-Identifier: Apache-2.0
#pragma once
// OpenSSH's client with somebody's short-lived certificate. The private key is in a file, in memory, from ssh's start to the
// first line that comes through it.

#include "broker/ports/log.hpp"
#include "connectors/remote/carrier.hpp"
#include "connectors/remote/credentials.hpp"
#include "connectors/remote/ssh.hpp"

namespace hansa::connectors::remote {

class CertificateCarrier final : public Carrier {
 public:
  /// `ssh` lacks user and identity. `credentials`, `scheduler` and `log` outlive it.
  CertificateCarrier(async::Scheduler& scheduler, ports::Log& log, SiteId site, SshOptions ssh, Credentials& credentials,
                     Login login)
      : scheduler_(scheduler),
        log_(log),
        site_(std::move(site)),
        ssh_(std::move(ssh)),
        credentials_(credentials),
        login_(std::move(login)) {}

  async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) override;

 private:
  boost::asio::awaitable<Error> told(SshOptions ssh, async::ChildEnd end, std::string words, Error why);

  async::Scheduler& scheduler_;
  ports::Log& log_;
  SiteId site_;
  SshOptions ssh_;
  Credentials& credentials_;
  Login login_;
};

}  // namespace hansa::connectors::remote
