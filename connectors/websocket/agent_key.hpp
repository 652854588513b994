// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who a peer of TLS is: the public key that its certificate shows and that its handshake is signed with. An agent's certificate
// says nothing else: it is made from the key at each start, signed by nobody, and its dates are not looked at.

#include "broker/core/descriptor.hpp"
#include "broker/core/error.hpp"

#include <boost/asio/ssl/context.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace hansa::connectors::websocket {

/// What was made, renamed or removed there is on disk. If not, errno says why.
bool sync_folder(const std::filesystem::path& folder);

/// A new file of the account's own (0600), on disk, and so is its name, when this returns. Refuses to write over one.
Result<void> write_private_file(const std::filesystem::path& file, std::string_view text);

/// Makes a key (P-256) that leaves its file never: see write_private_file.
Result<void> make_key_file(const std::filesystem::path& file);

/// The same in memory alone; it goes with the descriptor. file_of() is its name to this process.
Result<Descriptor> make_key_in_memory();
std::filesystem::path file_of(const Descriptor& descriptor);

/// Has `context` show the key of that file, in a certificate made for it. Errors: the file cannot be used, others may read it.
Result<void> use_key_file(boost::asio::ssl::context& context, const std::filesystem::path& file);

/// "sha256:" and the SHA-256, in hex, of the key's SubjectPublicKeyInfo (RFC 5280).
Result<std::string> key_id_of_key_file(const std::filesystem::path& file);
Result<std::string> key_id_of_certificate_file(const std::filesystem::path& file);  // of a chain: its first
/// Of what the other end showed; "" if nothing.
std::string key_id_of_peer(SSL* tls);
/// Of a certificate; "" if it has none that can be written.
std::string key_id_of(X509* certificate);

bool is_key_id(std::string_view text);

}  // namespace hansa::connectors::websocket
