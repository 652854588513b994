// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/ssh.hpp"

#include "broker/async/child.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/protocol/lines.hpp"
#include "connectors/remote/child_carrier.hpp"

#include <unistd.h>

#include <optional>
#include <string_view>

namespace hansa::connectors::remote {

namespace {

/// ssh's own failures, as OpenSSH 7 to 10 says them (ssh.c, sshconnect.c, sshconnect2.c).
struct Meaning {
  std::string_view words;
  std::string_view code;
  std::string_view what;
};
constexpr Meaning kMeanings[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", "SSH_HOST_KEY",
     "its host key is not the pinned one: somebody else may be answering. Ask the site whether it has a new key, by another way "
     "than this "
     "network, and put that into remote.ssh.known_hosts"},
    {"Host key verification failed", "SSH_HOST_KEY",
     "its host key is not among the pinned ones: get it from the site by another way than this network, and put it into "
     "remote.ssh.known_hosts (a line \"host type key\", or \"[host]:port type key\" for another port than 22)"},
    {"host key is known for", "SSH_HOST_KEY",
     "its host key is not among the pinned ones: get it from the site by another way than this network, and put it into "
     "remote.ssh.known_hosts (a line \"host type key\", or \"[host]:port type key\" for another port than 22)"},
    {"Connection refused", "SSH_REFUSED", "nothing listens there: sshd is down, or remote.ssh.port is another's"},
    {"Could not resolve hostname", "SSH_UNREACHABLE",
     "its name is not known here: look at remote.ssh.host and this machine's name service"},
    {"Connection timed out", "SSH_UNREACHABLE",
     "it does not answer: the network between, or a firewall that must let this broker's address in"},
    {"No route to host", "SSH_UNREACHABLE",
     "there is no way there: the network between, or a firewall that must let this broker's address in"},
    {"Network is unreachable", "SSH_UNREACHABLE", "this machine has no network that leads there"},
    {"not responding", "SSH_LOST", "it has stopped to answer: the network between was cut"},
    {"Connection reset", "SSH_LOST", "the connection was reset"},
    {"Broken pipe", "SSH_LOST", "the connection was cut"},
    {"Connection closed by", "SSH_CLOSED",
     "its sshd closed the connection: too many connections (MaxStartups), or this address is barred"},
    {"kex_exchange_identification", "SSH_CLOSED", "what listens there is no sshd, or it closed the connection at once"},
};

std::optional<UtcTime> certificate_end(std::string_view listing) {
  // "        Valid: from 2026-11-29T10:00:00 to 2026-11-29T11:00:00", in local time, which TZ makes UTC
  const auto valid = listing.find("Valid: from ");
  if (valid == std::string_view::npos) return std::nullopt;
  const auto to = listing.find(" to ", valid);
  if (to == std::string_view::npos) return std::nullopt;
  const auto time = listing.substr(to + 4, 19);
  const auto end = parse_utc(std::string(time) + "Z");
  return end ? std::optional(*end) : std::nullopt;
}

/// "" unless it has one that has ended.
async::Task<std::string> ended_certificate(async::Scheduler* scheduler, std::string identity) {
  const auto file = identity + "-cert.pub";
  if (::access(file.c_str(), R_OK) != 0) co_return std::string();
  async::ChildSpec spec{.argv = {"/usr/bin/ssh-keygen", "-L", "-f", file},
                        .environment = {{"TZ", "UTC"}, {"LC_ALL", "C"}},
                        .working_directory = "/"};
  const auto listing = co_await async::run_child(*scheduler, async::Deadline::in(*scheduler, Seconds{5}), std::move(spec));
  const auto end = listing ? certificate_end(listing->out) : std::nullopt;
  if (!end || *end > scheduler->now_utc()) co_return std::string();
  co_return "the certificate " + file + " ended at " + format_utc(*end) + ": have the site's CA sign a new one";
}

}  // namespace

std::vector<std::string> ssh_command(const SshOptions& options) {
  std::vector<std::string> argv{options.program, "-F", "/dev/null", "-T"};
  for (const auto& setting : {
           std::string("BatchMode=yes"),
           std::string("StrictHostKeyChecking=yes"),
           "UserKnownHostsFile=" + options.known_hosts,
           std::string("GlobalKnownHostsFile=/dev/null"),
           std::string("UpdateHostKeys=no"),
           std::string("CheckHostIP=no"),
           std::string("IdentitiesOnly=yes"),
           std::string("IdentityAgent=none"),
           std::string("PreferredAuthentications=publickey"),
           std::string("ForwardAgent=no"),
           std::string("ForwardX11=no"),
           std::string("ClearAllForwardings=yes"),
           std::string("PermitLocalCommand=no"),
           std::string("ControlMaster=no"),
           std::string("ControlPath=none"),
           std::string("EscapeChar=none"),
           std::string("RequestTTY=no"),
           std::string("ConnectTimeout=20"),
           std::string("ConnectionAttempts=1"),
           std::string("ServerAliveInterval=15"),
           std::string("ServerAliveCountMax=4"),
       }) {
    argv.insert(argv.end(), {"-o", setting});
  }
  argv.insert(argv.end(), {"-i", options.identity, "-p", std::to_string(options.port), "-l", options.user, "--", options.host,
                           "hansa-agent", "--stdio"});
  return argv;
}

boost::asio::awaitable<Error> explain_ssh(async::Scheduler* scheduler, SshOptions options, async::ChildEnd end,
                                          std::string last_words, Error why) {
  const auto where = "ssh to " + options.user + "@" + options.host + ":" + std::to_string(options.port);
  const bool ended = why.code == "CONNECTION_ENDED" || why.code == "CONNECTION_CUT";
  if (!ended) co_return why;
  const auto because = [&](std::string_view code, const std::string& what) {
    return fail(ErrorKind::unavailable, code, where + ": " + what,
                why.message + "; ssh said " + protocol::excerpt(last_words, 1'000))
        .error();
  };
  if (end.exit_status == 255) {  // ssh's own
    for (const auto& [words, code, what] : kMeanings) {
      if (last_words.contains(words)) co_return because(code, std::string(what));
    }
    if (last_words.contains("bad permissions") || last_words.contains("not accessible"))
      co_return because("SSH_IDENTITY",
                        options.identity + " cannot be used: it must exist, and be readable by the broker's account alone");
    if (last_words.contains("Permission denied") && options.by_certificate) {
      co_return because(
          "SSH_DENIED",
          "it does not let this person's certificate in: its sshd must trust the CA that signed it (TrustedUserCAKeys) "
          "and its principal for that account, and neither may be revoked (RevokedKeys)");
    }
    if (last_words.contains("Permission denied")) {
      const auto ended_one = co_await ended_certificate(scheduler, options.identity);
      if (ended_one && !ended_one->empty()) co_return because("SSH_CERTIFICATE", *ended_one);
      co_return because("SSH_DENIED",
                        "it does not let remote.ssh.identity in: the site puts its public key into authorized_keys of " +
                            options.user + ", or trusts the CA that signed its certificate (and its principal)");
    }
  }
  if (end.exit_status == 127) {
    co_return because("AGENT_MISSING",
                      "there is no hansa-agent in the PATH of that account: install it, or name it in authorized_keys "
                      "(command=\"/path/hansa-agent --stdio ...\")");
  }
  co_return co_await explain_program(where, end, std::move(last_words), std::move(why));
}

}  // namespace hansa::connectors::remote
