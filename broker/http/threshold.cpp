// SPDX-License-Identifier: Apache-2.0
#include "broker/http/threshold.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>
#include <utility>

namespace hansa::http {

namespace ip = boost::asio::ip;

std::string network_of(const ip::address& address) {
  constexpr unsigned short kIpv4 = 24, kIpv6 = 48;
  if (address.is_v4()) return ip::network_v4(address.to_v4(), kIpv4).canonical().to_string();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return network_of(ip::make_address_v4(ip::v4_mapped, v6));
  return ip::network_v6(ip::address_v6(v6.to_bytes()), kIpv6).canonical().to_string();  // without its interface
}

void Threshold::Place::leave() {
  auto* network = std::exchange(network_, nullptr);
  if (network == nullptr) return;
  threshold_.standing_.erase(at_);
  if (--network->places == 0) threshold_.networks_.erase(network->name);
}

/// The one that has stood there longest, of that network or, if there is none named, of those that hold the most.
bool Threshold::send_away(const Network* of) {
  std::size_t most = 0;
  if (of == nullptr) {
    for (const auto& [name, network] : networks_) most = std::max(most, network.places);
  }
  const auto oldest = std::ranges::find_if(
      standing_, [&](const Place* place) { return of != nullptr ? place->network_ == of : place->network_->places == most; });
  if (oldest == standing_.end()) return false;
  auto* place = *oldest;
  place->leave();
  place->gives_way_ = true;
  place->give_way_();
  return true;
}

bool Threshold::make_room() { return send_away(nullptr); }

std::shared_ptr<Threshold::Place> Threshold::enter(const std::string& network, std::function<void()> give_way,
                                                   bool& another_left) {
  const auto held = networks_.find(network);
  if (held != networks_.end() && held->second.places >= limits_.of_network)
    another_left = send_away(&held->second);
  else if (standing_.size() >= limits_.all)
    another_left = make_room();
  std::shared_ptr<Place> place(new Place(*this, std::move(give_way)));
  place->network_ = &networks_.try_emplace(network, Network{.name = network}).first->second;
  place->at_ = standing_.insert(standing_.end(), place.get());
  ++place->network_->places;
  return place;
}

}  // namespace hansa::http
