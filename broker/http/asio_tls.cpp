// SPDX-License-Identifier: Apache-2.0
// Asio's part for TLS, compiled once (BOOST_ASIO_SEPARATE_COMPILATION). Apart from Beast, so that a program that is a client
// only need not carry it: the client speaks to OpenSSL itself.
#include <boost/asio/ssl/impl/src.hpp>
