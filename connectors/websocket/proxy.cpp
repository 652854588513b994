// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/proxy.hpp"

#include "broker/core/encoding.hpp"
#include "broker/http/header_scan.hpp"
#include "connectors/websocket/web_socket.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace hansa::connectors::websocket {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;
using async::Task;

namespace {

constexpr std::size_t kHeadLimit = std::size_t{16} << 10;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

/// "http://[USER:PASSWORD@]HOST[:PORT][/]"; the scheme may be missing.
Result<Proxy> parse_proxy(std::string_view text, const std::string& where) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::invalid_argument, "BAD_PROXY",
                where + " is no proxy's address that can be used: " + std::string(why) + " (wanted: http://HOST:PORT)");
  };
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
    const auto name = lowered(text.substr(0, scheme));
    if (name == "https") return refuse("TLS to the proxy itself is not spoken, only through it");
    if (name != "http") return refuse("only HTTP proxies (CONNECT) are gone through");
    text.remove_prefix(scheme + 3);
  }
  text = text.substr(0, text.find('/'));
  Proxy proxy;
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    auto login = http::percent_decode(text.substr(0, at));
    if (!login) return refuse("a \"%\" in its user or password is not followed by two hex digits");
    if (std::ranges::any_of(*login, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }))
      return refuse("its user or password has a control character");
    if (!login->contains(':')) *login += ':';
    proxy.login = Secret(std::move(*login));
    text.remove_prefix(at + 1);
  }
  const auto url = http::Url::parse("http://" + std::string(text));
  if (!url) return refuse("its host or port is none");
  proxy.host = url->host;
  proxy.port = url->port;
  return proxy;
}

bool is_this_machine(const http::Url& broker) {
  boost::system::error_code no_address;
  const auto address = ip::make_address(broker.host, no_address);
  return no_address ? lowered(broker.host) == "localhost" : address.is_loopback();
}

/// "10.0.0.0/8", "2001:db8::/32"
bool lies_in(const ip::address& address, const std::string& network) {
  boost::system::error_code bad;
  if (address.is_v4()) {
    const auto all = ip::make_network_v4(network, bad);
    return !bad && ip::network_v4(address.to_v4(), all.prefix_length()).canonical() == all.canonical();
  }
  const auto all = ip::make_network_v6(network, bad);
  return !bad && ip::network_v6(address.to_v6(), all.prefix_length()).canonical() == all.canonical();
}

/// Takes ":port" off its end. False: it is for another one.
bool take_port(std::string& item, std::uint16_t port) {
  const auto colon = item.rfind(':');
  const bool has_port = colon != std::string::npos && (item.starts_with('[') ? item[colon - 1] == ']' : item.find(':') == colon);
  if (has_port) {
    std::uint16_t named = 0;
    const auto* end = item.data() + item.size();
    const auto [stop, failed] = std::from_chars(item.data() + colon + 1, end, named);
    if (failed != std::errc{} || stop != end || named != port) return false;
    item.resize(colon);
  }
  if (item.starts_with('[') && item.ends_with(']')) item = item.substr(1, item.size() - 2);
  return true;
}

bool names(std::string item, const http::Url& broker) {
  if (item == "*") return true;
  if (!take_port(item, broker.port)) return false;
  boost::system::error_code no_address;
  if (const auto address = ip::make_address(broker.host, no_address); !no_address) {
    if (item.contains('/')) return lies_in(address, item);
    const auto other = ip::make_address(item, no_address);
    return !no_address && other == address;
  }
  if (item.starts_with("*.")) item.erase(0, 1);
  if (item.starts_with('.')) item.erase(0, 1);
  auto host = lowered(broker.host);
  if (host.ends_with('.')) host.pop_back();
  return !item.empty() && (host == item || host.ends_with("." + item));
}

/// The status of "HTTP/1.1 407 ..."; 0: it is none.
int status_of(std::string_view head) {
  int status = 0;
  const bool is_one = head.starts_with("HTTP/1.") && head.size() > 12 && head[8] == ' ' && (head[12] == ' ' || head[12] == '\r');
  if (!is_one) return 0;
  const auto [stop, failed] = std::from_chars(head.data() + 9, head.data() + 12, status);
  return failed == std::errc{} && stop == head.data() + 12 && status >= 100 ? status : 0;
}

/// The schemes by which it wants a login: "Basic, Negotiate". Plain words only.
std::string schemes_in(std::string_view head) {
  constexpr std::string_view kField = "proxy-authenticate:";
  // By name only these: a proxy has heard the login, and has no words of its own in our log.
  constexpr std::string_view kSchemes[] = {"Basic", "Bearer", "Digest", "Kerberos", "Negotiate", "NTLM"};
  std::string schemes;
  while (!head.empty()) {
    const auto end = std::min(head.find("\r\n"), head.size());
    const auto line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    if (!lowered(line.substr(0, kField.size())).starts_with(kField)) continue;
    auto value = line.substr(kField.size());
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    const auto word = value.substr(0, std::min<std::size_t>(value.find_first_of(" \t,"), 20));
    const auto known = std::ranges::find_if(kSchemes, [&](std::string_view name) { return lowered(name) == lowered(word); });
    schemes.append(schemes.empty() ? "" : ", ").append(known == std::end(kSchemes) ? "another" : *known);
  }
  return schemes;
}

}  // namespace

std::string with_port(const std::string& host, std::uint16_t port) {
  return (host.contains(':') ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Proxy::authority() const { return with_port(host, port); }

bool is_exempt(std::string_view list, const http::Url& broker) {
  while (!list.empty()) {
    const auto end = std::min(list.find_first_of(", \t"), list.size());
    if (end > 0 && names(lowered(list.substr(0, end)), broker)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

Result<std::optional<Proxy>> proxy_for(const std::optional<std::string>& configured, const http::Url& broker,
                                       const Environment& environment) {
  const auto found = [](Result<Proxy> proxy) -> Result<std::optional<Proxy>> {
    if (!proxy) return std::unexpected(std::move(proxy.error()));
    return std::optional<Proxy>(std::move(*proxy));
  };
  if (configured) {
    if (*configured == "none") return std::nullopt;
    return found(parse_proxy(*configured, "agent.proxy"));
  }
  const auto one_of = [&](const char* first, const char* second) -> std::pair<const char*, std::string_view> {
    for (const auto* name : {first, second}) {
      if (const auto* value = environment(name); value != nullptr && *value != '\0') return {name, value};
    }
    return {first, {}};
  };
  const auto [name, address] = one_of("https_proxy", "HTTPS_PROXY");
  if (address.empty() || is_this_machine(broker) || is_exempt(one_of("no_proxy", "NO_PROXY").second, broker)) return std::nullopt;
  return found(parse_proxy(address, "the environment's " + std::string(name)));
}

Result<void> read_tunnel_answer(std::string_view head, const Proxy& proxy, const std::string& target) {
  const auto say = [&](std::string_view code, const std::string& what) {
    return fail(ErrorKind::unavailable, code, "the proxy at " + proxy.authority() + " " + what);
  };
  const auto status = status_of(head);
  switch (status) {
    case 0: return say("NOT_A_PROXY", "does not answer as an HTTP proxy: look at its address (agent.proxy, https_proxy)");
    case 407: {
      const auto schemes = schemes_in(head);
      const auto asked = " (status 407" + (schemes.empty() ? "" : ", " + schemes) + ")";
      if (!schemes.empty() && !lowered(schemes).contains("basic"))
        return say("PROXY_LOGIN", "asks for a login that hansa-agent cannot give" + asked +
                                      ": it knows Basic; ask its operator for that, or to let connections to " + target +
                                      " out without a login");
      if (proxy.login.empty())
        return say("PROXY_LOGIN",
                   "asks for a login" + asked + ": name a file that holds USER:PASSWORD with agent.proxy_login_file");
      return say("PROXY_LOGIN", "does not take the login that it was given" + asked +
                                    ": see agent.proxy_login_file, or the "
                                    "environment's https_proxy");
    }
    case 401:
    case 403:
    case 405:
      return say("PROXY_REFUSED", "does not let connections out to " + target + " (status " + std::to_string(status) +
                                      "): ask its operator to allow CONNECT to it");
    case 502:
    case 503:
    case 504:
      return say("PROXY_UPSTREAM", "cannot reach " + target + " (status " + std::to_string(status) +
                                       "): the broker is down, or the proxy's own way to it is closed");
    default: break;
  }
  if (status >= 200 && status < 300) return {};
  return say("PROXY_REFUSED", "opens no tunnel to " + target + " (status " + std::to_string(status) + "): ask its operator");
}

Task<> open_tunnel(ip::tcp::socket* socket, Proxy proxy, std::string target, std::string name) {
  const auto cut = [&](const boost::system::error_code& why) {
    if (why == asio::error::operation_aborted) return std::unexpected(async::detail::cancelled());
    return fail(ErrorKind::unavailable, "PROXY_CUT",
                "the proxy at " + proxy.authority() + " closed the connection before it opened a tunnel to " + target + " (" +
                    why.message() + "): ask its operator to allow CONNECT to it");
  };
  {
    std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nUser-Agent: " + name + "\r\n";
    if (!proxy.login.empty()) request += "Proxy-Authorization: Basic " + to_base64(proxy.login.reveal()) + "\r\n";
    request += "\r\n";
    const Secret bytes(std::move(request));
    const auto [failed, size] = co_await asio::async_write(*socket, asio::buffer(bytes.reveal()), kAsTuple);
    if (failed) co_return cut(failed);
  }
  // To the head's end and not a byte further: in TLS the other end is silent until it is spoken to.
  std::string head;
  http::HeaderScan scan;
  while (head.size() < kHeadLimit) {
    const auto have = head.size();
    head.resize(std::min(have + 2'048, kHeadLimit));
    const auto [failed, size] = co_await socket->async_read_some(asio::buffer(head.data() + have, head.size() - have), kAsTuple);
    head.resize(have + size);
    if (failed) co_return cut(failed);
    const auto state = scan.feed(head);
    if (state == http::HeaderScan::State::bad) break;
    if (state == http::HeaderScan::State::more) continue;
    auto answer = read_tunnel_answer(std::string_view(head).substr(0, scan.size()), proxy, target);
    if (answer && scan.size() != head.size()) break;
    co_return answer;
  }
  co_return read_tunnel_answer({}, proxy, target);
}

}  // namespace hansa::connectors::websocket
