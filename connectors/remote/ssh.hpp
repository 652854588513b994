// SPDX-License-Identifier: Apache-2.0
#pragma once
// OpenSSH's client as the way to a site's agent: what it is started with, and what its failures mean.

#include "broker/async/live_child.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/core/error.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace hansa::connectors::remote {

struct SshOptions {
  std::string host;
  std::string user;
  std::uint16_t port = 22;
  std::string known_hosts;  // absolute; no other host key is taken, and none is learnt
  std::string identity;     // a private key's file; a certificate beside it (identity + "-cert.pub") is used with it
  bool by_certificate = false;  // of a person: the files are gone once ssh has read them
  std::string program = "/usr/bin/ssh";
};

/// Nothing of the account's or the system's SSH configuration counts, nothing is forwarded, nobody is asked. Values that could be
/// taken for options or hold more than one word are for the configuration to refuse.
std::vector<std::string> ssh_command(const SshOptions& options);

/// What ssh's end and last words mean, with the remedy. Asks ssh-keygen whether the certificate has ended, if that may be why.
boost::asio::awaitable<Error> explain_ssh(async::Scheduler* scheduler, SshOptions options, async::ChildEnd end,
                                          std::string last_words, Error why);

}  // namespace hansa::connectors::remote
