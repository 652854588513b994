// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/dialler.hpp"

#include "broker/async/with_deadline.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/websocket/agent_key.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/this_coro.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <utility>

namespace hansa::connectors::websocket {

namespace asio = boost::asio;
using async::Deadline;
using async::Task;

namespace {

constexpr Milliseconds kNameWithin{10'000};

std::string target_of(const DialOptions& options) {
  return options.broker.prefix + "/v1/agents/" + http::percent_encode(options.site.str());
}

std::unexpected<Error> out_of_reach(const DialOptions& options, std::string_view code, const std::string& why) {
  return fail(ErrorKind::unavailable, code, "cannot reach the broker at " + options.broker.authority() + ": " + why);
}

std::string words_for(const boost::system::error_code& failed) {
  if (failed == asio::error::timed_out || failed == asio::error::host_unreachable || failed == asio::error::network_unreachable)
    return failed.message() + ": the network between, or a firewall that must let connections out to that port";
  return failed.message();
}

std::string date_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable time";
  return format_utc(from_unix_seconds(::timegm(&parts)));
}

/// What was found wrong with the broker's certificate.
struct Verdict {
  std::string pin;
  std::string seen;         // the key's id that was shown, if it is not the pinned one
  int error = X509_V_OK;
  std::string from, until;  // of the certificate that is wrong

  bool look(bool good, X509_STORE_CTX* chain) {
    auto* certificate = X509_STORE_CTX_get_current_cert(chain);
    if (!pin.empty()) {  // a key that is known needs no authority, and no dates
      if (X509_STORE_CTX_get_error_depth(chain) > 0) return true;
      const auto id = key_id_of(certificate);
      if (id == pin) return true;
      seen = id.empty() ? "none" : id;
      return false;
    }
    if (good) return true;
    error = X509_STORE_CTX_get_error(chain);
    from = date_of(X509_get0_notBefore(certificate));
    until = date_of(X509_get0_notAfter(certificate));
    return false;
  }
};

std::unexpected<Error> not_trusted(const DialOptions& options, const Verdict& verdict, UtcTime now) {
  const auto say = [&](std::string_view code, const std::string& what) {
    return fail(ErrorKind::permission_denied, code,
                "the broker at " + options.broker.authority() + " is not taken for the one that was meant: " + what);
  };
  if (!verdict.seen.empty()) {
    return say("BROKER_KEY",
               "its key is " + verdict.seen + ", not the pinned " + verdict.pin +
                   ": somebody else may be answering. Ask its operator, by another way than this network, whether it "
                   "has a new key, and enrol again with that");
  }
  const auto clock = ", and this machine's clock says " + format_utc(now);
  switch (verdict.error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return say("BROKER_EXPIRED",
                 "a certificate of its chain ended at " + verdict.until + clock +
                     ": its operator renews it (agents.tls_certificate, then SIGHUP), or the clock here is ahead");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return say("BROKER_NOT_YET",
                 "a certificate of its chain begins at " + verdict.from + clock + ": is the clock here behind?");
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return say("BROKER_NAME", "its certificate is for another name than \"" + options.broker.host +
                                    "\": enrol with the name that it has, or its operator has that name put into it");
    default:
      return say("BROKER_UNKNOWN",
                 std::string("its certificate is not signed by an authority of ") +
                     (options.ca_file.empty() ? "this system" : options.ca_file.string()) + " (" +
                     X509_verify_cert_error_string(verdict.error) +
                     "): enrol with --pin (hansa site enroll says the key), or with --ca and the authority that signed it");
  }
}

Result<std::shared_ptr<asio::ssl::context>> client_context(const DialOptions& options) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  if (!options.key_file.empty()) {
    if (auto used = use_key_file(*context, options.key_file); !used) return std::unexpected(std::move(used.error()));
  }
  if (!options.pin.empty()) return context;
  boost::system::error_code failed;
  if (options.ca_file.empty())
    context->set_default_verify_paths(failed);
  else
    context->load_verify_file(options.ca_file.string(), failed);
  if (failed)
    return fail(ErrorKind::invalid_argument, "CA_FILE",
                "cannot read authorities from " + options.ca_file.string() + ": " + failed.message());
  return context;
}

}  // namespace

Result<http::Url> parse_broker_address(std::string_view text) {
  constexpr std::string_view kScheme = "wss://";
  if (!text.starts_with(kScheme))
    return fail(ErrorKind::invalid_argument, "BAD_ADDRESS",
                "\"" + std::string(text) + "\" is no broker's address for agents: wss://HOST:PORT");
  auto url = http::Url::parse("https://" + std::string(text.substr(kScheme.size())));
  if (!url) url.error().message += "; a broker's address for agents is wss://HOST:PORT";
  return url;
}

/// Somebody on the way whose address is to be found.
struct Dialler::End {
  std::string code;   // its codes begin so
  std::string words;  // "the broker at hansa.example.org:7718"
  std::string host;
  std::uint16_t port = 0;
  std::string if_unknown;
  std::string if_refused;
};

Task<std::vector<std::string>> Dialler::find(End end, Deadline deadline) {
  if (http::is_address(end.host)) co_return std::vector<std::string>{end.host};
  std::function<Result<std::vector<std::string>>()> ask = [look_up = look_up_, host = end.host] { return look_up(host); };
  auto found =
      co_await names_.run<std::vector<std::string>>(scheduler_, deadline.shortened_to(scheduler_, kNameWithin), std::move(ask));
  if (found && !found->empty()) co_return found;
  if (!found && found.error().kind == ErrorKind::cancelled) co_return found;
  const bool hangs = !found && (found.error().code == "LOOKUP_HANGS" || found.error().code == "LOOKUPS_HANG");
  co_return fail(ErrorKind::unavailable, end.code + "_NOT_FOUND",
                 "cannot reach " + end.words + ": " +
                     (hangs ? "this machine's name service gives no answer about its name: see its resolver (/etc/resolv.conf)"
                            : "its name is not known here (" + (found ? "it has no address" : found.error().message) +
                                  "): " + end.if_unknown));
}

/// Each of its addresses is tried for its share of the time: one that swallows what is sent to it takes no other's.
Task<Tcp::socket> Dialler::reach(End end, Deadline deadline) {
  const auto addresses = co_await find(end, deadline);
  if (!addresses) co_return std::unexpected(addresses.error());
  const auto executor = co_await asio::this_coro::executor;
  auto connect_to = [](Tcp::socket* socket, Tcp::endpoint where) -> Task<boost::system::error_code> {
    const auto [failed] = co_await socket->async_connect(where, kAsTuple);
    co_return failed;
  };
  boost::system::error_code last = asio::error::host_not_found;
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    boost::system::error_code failed;
    const auto address = asio::ip::make_address((*addresses)[i], failed);
    if (failed) continue;
    Tcp::socket socket(executor);
    const auto share = deadline.remaining(scheduler_) / static_cast<std::int64_t>(addresses->size() - i);
    const auto connected = co_await async::with_deadline(scheduler_, deadline.shortened_to(scheduler_, share),
                                                         connect_to(&socket, {address, end.port}));
    if (!connected && connected.error().kind == ErrorKind::cancelled) co_return std::unexpected(connected.error());
    last = connected && *connected != asio::error::operation_aborted ? *connected : asio::error::timed_out;
    if (last) continue;
    socket.set_option(Tcp::no_delay(true), failed);
    co_return socket;
  }
  co_return fail(ErrorKind::unavailable, end.code + "_UNREACHABLE",
                 "cannot reach " + end.words + ": " +
                     (last == asio::error::connection_refused ? "nothing listens there: " + end.if_refused : words_for(last)));
}

Task<Tcp::socket> Dialler::reach_through(Proxy proxy, Deadline deadline) {
  const auto words = "the proxy at " + proxy.authority();
  auto socket = co_await reach({.code = "PROXY",
                                .words = words,
                                .host = proxy.host,
                                .port = proxy.port,
                                .if_unknown = "look at agent.proxy, or the environment's https_proxy",
                                .if_refused = "it is down, or agent.proxy, or the environment's https_proxy, is not its address"},
                               deadline);
  if (!socket) co_return socket;
  const auto target = with_port(options_.broker.host, options_.broker.port);
  const auto soon =
      deadline.shortened_to(scheduler_, deadline.remaining(scheduler_) / 4 * 3);  // so that it is known who was silent
  const auto opened =
      co_await async::with_deadline(scheduler_, soon, open_tunnel(&*socket, std::move(proxy), target, options_.name));
  if (opened) co_return socket;
  if (opened.error().kind != ErrorKind::deadline_exceeded) co_return std::unexpected(opened.error());
  co_return fail(ErrorKind::unavailable, "PROXY_SILENT",
                 words + " has not opened a tunnel to " + target + " in time: its own way there is closed, or it hangs");
}

Task<Tcp::socket> Dialler::reach_broker(Deadline deadline) {
  if (options_.proxy) co_return co_await reach_through(*options_.proxy, deadline);
  co_return co_await reach({.code = "BROKER",
                            .words = "the broker at " + options_.broker.authority(),
                            .host = options_.broker.host,
                            .port = options_.broker.port,
                            .if_unknown = "look at the address that it was enrolled with, and at this machine's name service",
                            .if_refused = "the broker is down, or has no [agents] table, or the port is another's"},
                           deadline);
}

/// A TLS connection in which the broker has proven who it is, and this end has shown its key.
Task<std::shared_ptr<TlsStream>> Dialler::connect(Deadline deadline) {
  const auto context = client_context(options_);
  if (!context) co_return std::unexpected(context.error());
  const auto& host = options_.broker.host;
  auto socket = co_await reach_broker(deadline);
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  boost::system::error_code ignored;

  const auto stream = std::make_shared<TlsStream>(std::move(*socket), **context);
  Verdict verdict{.pin = options_.pin};
  auto* parameters = SSL_get0_param(stream->native_handle());
  asio::ip::make_address(host, ignored);
  if (!ignored)
    X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str());
  else {
    X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
    SSL_set_tlsext_host_name(stream->native_handle(), host.c_str());
  }
  stream->set_verify_mode(asio::ssl::verify_peer);
  stream->set_verify_callback(
      [&verdict](bool good, asio::ssl::verify_context& chain) { return verdict.look(good, chain.native_handle()); }, ignored);
  const auto [failed] = co_await stream->async_handshake(asio::ssl::stream_base::client, kAsTuple);
  stream->set_verify_callback([](bool, asio::ssl::verify_context&) { return false; }, ignored);  // `verdict` goes
  if (!failed) co_return stream;
  if (failed == asio::error::operation_aborted) co_return std::unexpected(async::detail::cancelled());
  if (!verdict.seen.empty() || verdict.error != X509_V_OK) co_return not_trusted(options_, verdict, scheduler_.now_utc());
  co_return out_of_reach(
      options_, "BROKER_NO_TLS",
      "no TLS handshake (" + failed.message() +
          "): what listens there is no broker's door for agents, or a proxy between breaks into it; TLS has to "
          "get through from end to end");
}

Task<std::unique_ptr<protocol::Lines>> Dialler::open(Deadline deadline) {
  auto stream = co_await connect(deadline);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  auto socket = co_await WebSocket::open(std::move(**stream), options_.broker.authority(), target_of(options_), options_.name,
                                         options_.authorization);
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  co_return std::unique_ptr<protocol::Lines>(std::move(*socket));
}

Task<> Dialler::enrol(Secret token, Deadline deadline) {
  const auto stream = co_await connect(deadline);
  if (!stream) co_return std::unexpected(stream.error());
  std::string request = "POST " + target_of(options_) + "/enrolment HTTP/1.1\r\nHost: " + options_.broker.authority() +
                        "\r\nUser-Agent: " + options_.name + "\r\nAuthorization: Bearer " + std::string(token.reveal()) +
                        "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const auto answer = co_await exchange(stream->get(), std::move(request));
  if (!answer) co_return std::unexpected(answer.error());
  if (answer->status != 200) co_return std::unexpected(refusal_of(*answer));
  co_return Result<void>{};
}

}  // namespace hansa::connectors::websocket
