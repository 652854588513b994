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

#include "broker/async/event.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace hansa::connectors::websocket {

class Threshold {
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
    [[nodiscard]] const std::string& network() const { return network_; }
    /// To make room for another.
    [[nodiscard]] bool gives_way() const { return gives_way_; }
    /// Ends when it is to give way.
    boost::asio::awaitable<void> until_it_gives_way();

   private:
    friend Threshold;
    Place(Threshold& threshold, const boost::asio::any_io_executor& executor, std::string network)
        : threshold_(threshold), network_(std::move(network)), told_(executor) {}

    Threshold& threshold_;
    const std::string network_;
    async::Event told_;
    bool stands_ = false;
    bool gives_way_ = false;
    std::list<Place*>::iterator at_;
  };

  explicit Threshold(Limits limits) : limits_(limits) {}

  /// A place, whatever it takes. True at `another_left`: somebody has been told to give way.
  std::shared_ptr<Place> enter(const boost::asio::any_io_executor& executor, const boost::asio::ip::address& from,
                               bool& another_left);
  [[nodiscard]] std::size_t size() const { return standing_.size(); }

 private:
  void make_room(const std::string& network, bool& another_left);

  const Limits limits_;
  std::list<Place*> standing_;  // whoever came first is first
  std::map<std::string, std::size_t> of_network_;
};

/// "192.0.2.0/24", "2001:db8:7::/48"
std::string network_of(const boost::asio::ip::address& address);

}  // namespace hansa::connectors::websocket
