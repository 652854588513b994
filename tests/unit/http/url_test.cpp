// SPDX-License-Identifier: Apache-2.0
#include "broker/http/url.hpp"

#include "broker/http/message.hpp"
#include "broker/http/response_head.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::http;

TEST_CASE("a broker's address is taken apart") {
  const auto plain = Url::parse("http://127.0.0.1:7717").value();
  CHECK_FALSE(plain.tls);
  CHECK(plain.host == "127.0.0.1");
  CHECK(plain.port == 7717);
  CHECK(plain.prefix.empty());
  CHECK(plain.authority() == "127.0.0.1:7717");
  const auto tls = Url::parse("https://hansa.example.org/broker/").value();
  CHECK(tls.tls);
  CHECK(tls.port == 443);
  CHECK(tls.prefix == "/broker");
  CHECK(tls.authority() == "hansa.example.org");
  const auto six = Url::parse("http://[::1]:80/").value();
  CHECK(six.host == "::1");
  CHECK(six.authority() == "[::1]");
  CHECK(six.str() == "http://[::1]");
}

TEST_CASE("what is no broker's address is refused with a reason") {
  for (const auto* bad : {"",
                          "127.0.0.1:7717",
                          "ftp://x",
                          "http://",
                          "http://:80",
                          "http://a b",
                          "http://x:0",
                          "http://x:65536",
                          "http://x:",
                          "http://x:8a",
                          "http://u@x",
                          "http://x?q",
                          "http://x#f",
                          "http://[::1",
                          "http://[::1]x",
                          "http://[zz]",
                          "http://x\n",
                          "HTTP://x",
                          "http://x:80:80",
                          "http://a,b",
                          "unix:///run/x"}) {
    INFO(bad);
    const auto url = Url::parse(bad);
    REQUIRE_FALSE(url);
    CHECK(url.error().kind == ErrorKind::invalid_argument);
  }
}

TEST_CASE("percent coding round-trips every byte") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const auto encoded = percent_encode(all);
  CHECK(percent_decode(encoded) == all);
  CHECK(encoded.find_first_of("/?#&= \n") == std::string::npos);
  CHECK(percent_encode("a-b.c_d~e/f") == "a-b.c_d~e%2Ff");
  for (const auto* bad : {"%", "%4", "%zz", "a%g1", "%%41"}) CHECK_FALSE(percent_decode(bad));
}

TEST_CASE("a query is names and values") {
  CHECK(parse_query("") == Query{});
  CHECK(parse_query("a=1&b=&c&&=d&a=2") == Query{{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"a", "2"}});
  CHECK(parse_query("q=a+b%2Bc%3D") == Query{{"q", "a b+c="}});
  CHECK_FALSE(parse_query("a=%"));
  CHECK_FALSE(parse_query("a=%ff"));
}

TEST_CASE("headers are found in any case, the first first") {
  Headers headers;
  headers.add("X-One", "1");
  headers.add("x-one", "2");
  headers.add("Empty", "");
  CHECK(headers.get("X-ONE") == "1");
  CHECK(headers.count("x-one") == 2);
  CHECK(headers.get("empty") == "");
  CHECK_FALSE(headers.get("X-On"));
  CHECK_FALSE(headers.get(""));
}

TEST_CASE("a date is RFC 9110's") {
  CHECK(imf_fixdate(from_unix_seconds(784111777)) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(imf_fixdate(from_unix_seconds(0)) == "Thu, 01 Jan 1970 00:00:00 GMT");
}
