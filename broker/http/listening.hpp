// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server of ours stands on: its TLS, its address.

#include "broker/http/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <optional>
#include <string>

namespace hansa::http {

/// TLS 1.2 and later, "intermediate" of Mozilla's Server Side TLS 6.0 (https://ssl-config.mozilla.org/guidelines/6.0.json):
/// AES-GCM and ChaCha20-Poly1305 with ECDHE alone, the client's choice among them; X25519MLKEM768 where this OpenSSL has it
/// (3.5). Errors name the file that cannot be used (TLS_FILES).
Result<std::shared_ptr<boost::asio::ssl::context>> server_context(const TlsFiles& files);

/// None: it cannot be read.
std::optional<UtcTime> end_of_certificate(boost::asio::ssl::context& context);

/// `address` is an IP address; port 0 is any free one. Errors say which address and why.
Result<boost::asio::ip::tcp::acceptor> listen_on(boost::asio::io_context& io, const std::string& address, std::uint16_t port);

/// "192.0.2.7:40312", "[2001:db8::7]:40312"
std::string name_of(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace hansa::http
