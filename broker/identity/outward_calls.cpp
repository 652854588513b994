// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/outward_calls.hpp"

#include "broker/core/encoding.hpp"
#include "broker/http/client.hpp"
#include "broker/http/client_socket.hpp"
#include "broker/http/location.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

namespace hansa::identity {

namespace {

constexpr std::size_t kThreadsForEach = 20;
constexpr Milliseconds kConnectTimeout{3'000}, kAnswerTimeout{5'000};

struct Network {
  std::uint32_t address;
  int bits;
};
// IANA's special-purpose registry of IPv4, and what is above unicast.
constexpr Network kNotPublic[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
                                  {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0A80000, 16}, {0xC0586300, 24},
                                  {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 3}};

/// "max-age=3600, public" -> 3600. no-store and no-cache are 0.
std::optional<Seconds> max_age_of(std::string_view field) {
  if (field.contains("no-store") || field.contains("no-cache")) return Seconds{0};
  const auto at = field.find("max-age=");
  if (at == std::string_view::npos || (at > 0 && field[at - 1] != ' ' && field[at - 1] != ',')) return std::nullopt;
  std::int64_t seconds = -1;
  std::from_chars(field.data() + at + 8, field.data() + field.size(), seconds);
  return seconds < 0 ? std::nullopt : std::optional(Seconds{std::min<std::int64_t>(seconds, 366 * 86'400)});
}

/// On a thread of its own; owns all that it uses.
Result<OutwardAnswer> carry_out(const OutwardRequest& request, const http::Location& target,
                                const std::shared_ptr<const std::atomic<bool>>& stop) {
  const auto unreachable = [](const Error& why) { return fail(ErrorKind::unavailable, "PROVIDER_UNREACHABLE", why.message); };
  auto addresses = http::look_up(target.url.host);
  if (!addresses) return unreachable(addresses.error());
  if (!request.private_addresses) {
    std::erase_if(*addresses, [](const std::string& address) { return !is_public_address(address); });
    if (addresses->empty())
      return fail(
          ErrorKind::unavailable, "ADDRESS_PRIVATE",
          target.url.host + " is at no public address: if the issuer is in your own network, set private_addresses = true");
  }
  http::Client client(target.url, {.token = request.bearer,
                                   .ca_file = request.ca_file,
                                   .addresses = std::move(*addresses),
                                   .peer = "the issuer",
                                   .user_agent = "hansad",
                                   .connect_timeout = kConnectTimeout,
                                   .answer_timeout = kAnswerTimeout,
                                   .answer_limit = OutwardCalls::kMostAnswerBytes,
                                   .stop = stop});
  http::Client::Fields fields{{"Accept", "application/json"}};
  if (!request.form.empty()) fields.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  if (!request.user.empty()) {  // RFC 6749, 2.3.1: both are encoded before they are joined
    const auto pair = http::percent_encode(request.user) + ":" + http::percent_encode(request.password.reveal());
    fields.emplace_back("Authorization", "Basic " + to_base64(pair));
  }
  auto answer = client.request(request.form.empty() ? "GET" : "POST", target.path, fields, request.form.reveal());
  if (!answer) return unreachable(answer.error());
  if (answer->status >= 300 && answer->status < 400)
    return fail(ErrorKind::unavailable, "PROVIDER_REDIRECTS",
                "the issuer at " + target.url.str() + " sends elsewhere, which is not followed: name the right address");
  OutwardAnswer told{.status = answer->status, .content_type = answer->content_type, .body = std::move(answer->body)};
  if (const auto control = answer->header("Cache-Control")) told.max_age = max_age_of(*control);
  return told;
}

}  // namespace

bool is_public_address(const std::string& numeric) {
  in_addr v4{};
  if (::inet_pton(AF_INET, numeric.c_str(), &v4) == 1) {
    const auto address = ntohl(v4.s_addr);
    return std::ranges::none_of(
        kNotPublic, [address](const Network& network) { return (address ^ network.address) >> (32 - network.bits) == 0; });
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, numeric.c_str(), &v6) != 1) return false;
  const auto* b = v6.s6_addr;
  // 2000::/3 is the Internet; in it 2001::/23 (Teredo among others), 2001:db8::/32 and 2002::/16 (6to4) are not.
  return (b[0] & 0xE0) == 0x20 && !(b[0] == 0x20 && b[1] == 0x01 && ((b[2] & 0xFE) == 0 || (b[2] == 0x0D && b[3] == 0xB8))) &&
         !(b[0] == 0x20 && b[1] == 0x02);
}

OutwardCalls::~OutwardCalls() { *stop_ = true; }

async::Task<OutwardAnswer> OutwardCalls::call(OutwardRequest request, async::Deadline deadline) {
  auto target = http::Location::parse(request.url);
  if (!target) co_return fail(ErrorKind::unavailable, "PROVIDER_ANSWER", "an issuer's address is no URL");
  auto& threads = threads_.try_emplace(target->url.authority(), kThreadsForEach).first->second;
  auto told = co_await threads.run<OutwardAnswer>(
      scheduler_, deadline,
      [request = std::move(request), target = std::move(*target), stop = std::shared_ptr<const std::atomic<bool>>(stop_)] {
        return carry_out(request, target, stop);
      });
  if (!told && told.error().kind == ErrorKind::deadline_exceeded)
    co_return fail(ErrorKind::unavailable, "PROVIDER_UNREACHABLE", "the issuer does not answer in time");
  co_return told;
}

}  // namespace hansa::identity
