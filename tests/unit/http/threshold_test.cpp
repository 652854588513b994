// SPDX-License-Identifier: Apache-2.0
// Who gives way when all places before the door are taken.
#include "broker/http/threshold.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace hansa::http::test {

namespace {

struct Street {
  Threshold threshold;
  std::vector<std::shared_ptr<Threshold::Place>> places;
  int told = 0;  // to give way

  explicit Street(Threshold::Limits limits) : threshold(limits) {}
  Threshold::Place& enter(const std::string& from) {
    bool another_left = false;
    const auto before = told;
    places.push_back(threshold.enter(network_of(boost::asio::ip::make_address(from)), [this] { ++told; }, another_left));
    CHECK(another_left == (told != before));
    return *places.back();
  }
};

}  // namespace

TEST_CASE("a network is what one customer is given") {
  const auto of = [](const char* text) { return network_of(boost::asio::ip::make_address(text)); };
  CHECK(of("192.0.2.7") == "192.0.2.0/24");
  CHECK(of("::ffff:192.0.2.7") == of("192.0.2.200"));
  CHECK(of("192.0.3.7") != of("192.0.2.7"));
  CHECK(of("2001:db8:7:1::1") == of("2001:db8:7:ffff::2"));
  CHECK(of("2001:db8:7::1") != of("2001:db8:8::1"));
  CHECK(of("fe80::1%1") == of("fe80::2"));
}

TEST_CASE("the oldest of a full network gives way to its own, and no other does") {
  Street street({.all = 10, .of_network = 2});
  const auto& other = street.enter("198.51.100.1");
  const auto& first = street.enter("192.0.2.1");
  const auto& second = street.enter("192.0.2.2");
  const auto& third = street.enter("192.0.2.3");
  CHECK(first.gives_way());
  CHECK_FALSE(second.gives_way());
  CHECK_FALSE(third.gives_way());
  CHECK_FALSE(other.gives_way());
  CHECK(street.threshold.size() == 3);
}

TEST_CASE("when all places are taken the oldest of the network with the most gives way") {
  Street street({.all = 6, .of_network = 4});
  const auto& lone = street.enter("198.51.100.1");
  const auto& oldest = street.enter("192.0.2.1");
  for (int i = 0; i < 3; ++i) street.enter("192.0.2.1");
  const auto& pair = street.enter("203.0.113.1");
  CHECK_FALSE(oldest.gives_way());
  const auto& newcomer = street.enter("203.0.113.2");
  CHECK(oldest.gives_way());
  for (int i = 0; i < 100; ++i) street.enter("192.0.2.1");
  for (const auto* place : {&lone, &pair, &newcomer}) CHECK_FALSE(place->gives_way());
  CHECK(street.threshold.size() == 6);
}

TEST_CASE("when everybody has one place the oldest of all gives way, and who has left does not count") {
  Street street({.all = 3, .of_network = 2});
  auto& in = street.enter("192.0.2.1");
  const auto& second = street.enter("192.0.3.1");
  const auto& third = street.enter("192.0.4.1");
  in.leave();
  in.leave();
  const auto& fourth = street.enter("192.0.5.1");
  CHECK_FALSE(in.gives_way());
  CHECK_FALSE(second.gives_way());
  street.enter("192.0.6.1");
  CHECK(second.gives_way());
  CHECK_FALSE(third.gives_way());
  CHECK_FALSE(fourth.gives_way());
  street.places.clear();
  CHECK(street.threshold.size() == 0);
}

TEST_CASE("room is made by the oldest of the network with the most, while anybody stands there") {
  Street street({.all = 10, .of_network = 10});
  const auto& lone = street.enter("198.51.100.1");
  const auto& first = street.enter("192.0.2.1");
  const auto& second = street.enter("192.0.2.2");
  CHECK(street.threshold.make_room());
  CHECK(first.gives_way());
  CHECK_FALSE(lone.gives_way());
  CHECK(street.threshold.make_room());
  CHECK(lone.gives_way());
  CHECK(street.threshold.make_room());
  CHECK(second.gives_way());
  CHECK_FALSE(street.threshold.make_room());
  CHECK(street.told == 3);
}

}  // namespace hansa::http::test
