// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/threshold.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>
#include <utility>

namespace hansa::connectors::websocket {

namespace ip = boost::asio::ip;

std::string network_of(const ip::address& address) {
  constexpr unsigned short kIpv4 = 24, kIpv6 = 48;
  if (address.is_v4()) return ip::network_v4(address.to_v4(), kIpv4).canonical().to_string();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return network_of(ip::make_address_v4(ip::v4_mapped, v6));
  return ip::network_v6(ip::address_v6(v6.to_bytes()), kIpv6).canonical().to_string();  // without its interface
}

void Threshold::Place::leave() {
  if (!std::exchange(stands_, false)) return;
  threshold_.standing_.erase(at_);
  const auto of_network = threshold_.of_network_.find(network_);
  if (--of_network->second == 0) threshold_.of_network_.erase(of_network);
}

boost::asio::awaitable<void> Threshold::Place::until_it_gives_way() {
  while (!gives_way_ && co_await told_.wait()) {}
}

void Threshold::make_room(const std::string& network, bool& another_left) {
  const auto held_by = [&](const std::string& which) {
    const auto at = of_network_.find(which);
    return at == of_network_.end() ? std::size_t{0} : at->second;
  };
  std::size_t most = 0;
  for (const auto& [which, count] : of_network_) most = std::max(most, count);
  const bool network_is_full = held_by(network) >= limits_.of_network;
  if (!network_is_full && standing_.size() < limits_.all) return;
  const auto oldest = std::ranges::find_if(standing_, [&](const Place* place) {
    return network_is_full ? place->network_ == network : held_by(place->network_) == most;
  });
  if (oldest == standing_.end()) return;
  auto* place = *oldest;
  place->leave();
  place->gives_way_ = true;
  place->told_.set();
  another_left = true;
}

std::shared_ptr<Threshold::Place> Threshold::enter(const boost::asio::any_io_executor& executor, const ip::address& from,
                                                   bool& another_left) {
  std::shared_ptr<Place> place(new Place(*this, executor, network_of(from)));
  make_room(place->network_, another_left);
  place->at_ = standing_.insert(standing_.end(), place.get());
  place->stands_ = true;
  ++of_network_[place->network_];
  return place;
}

}  // namespace hansa::connectors::websocket
