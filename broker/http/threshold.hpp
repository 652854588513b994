// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who stands before the door and is not let in yet. Whoever comes finds a place: is there none left, one who has stood there
// longest gives way, of the network that holds the most, so that somebody who knocks once is not driven away by those who
// knock a thousand times.
//
// What counts as one network is the smallest block that the internet routes, which is also what one customer is given whole:
// IPv4 /24, IPv6 /48. Several sites of one network share its places, which each needs for less than a second.
//
// Strand: its owner's. The places go before it.

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace hansa::http {

class Threshold {
  struct Network {
    std::string name;
    std::size_t places = 0;
  };

 public:
  struct Limits {
    std::size_t all = 128;
    std::size_t of_network = 16;
  };

  class Place {
   public:
    ~Place() { leave(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// It stands here no more: it is let in, or gone.
    void leave();
    /// To make room for another.
    [[nodiscard]] bool gives_way() const { return gives_way_; }

   private:
    friend Threshold;
    Place(Threshold& threshold, std::function<void()> give_way) : threshold_(threshold), give_way_(std::move(give_way)) {}

    Threshold& threshold_;
    const std::function<void()> give_way_;
    Network* network_ = nullptr;  // null: it does not stand here
    bool gives_way_ = false;
    std::list<Place*>::iterator at_;
  };

  explicit Threshold(Limits limits) : limits_(limits) {}

  /// A place, whatever it takes. `give_way` is called, once, when it is to make room for another, which has its place already:
  /// from within enter() or make_room(), neither of which it may call. True at `another_left`: somebody else's was called.
  std::shared_ptr<Place> enter(const std::string& network, std::function<void()> give_way, bool& another_left);
  /// One gives way, if any stands here.
  bool make_room();
  [[nodiscard]] std::size_t size() const { return standing_.size(); }

 private:
  bool send_away(const Network* of);

  const Limits limits_;
  std::list<Place*> standing_;  // whoever came first is first
  std::map<std::string, Network> networks_;  // of those
};

/// "192.0.2.0/24", "2001:db8:7::/48"
std::string network_of(const boost::asio::ip::address& address);

}  // namespace hansa::http
