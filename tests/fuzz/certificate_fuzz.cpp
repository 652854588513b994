// SPDX-License-Identifier: Apache-2.0
// Whatever a CA's command prints is a certificate or a refusal, and what is taken is read the same when it is read again.

#include "broker/core/encoding.hpp"
#include "connectors/remote/certificate.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::connectors::remote;

namespace {

void check(std::string_view text) {
  const auto read = read_certificate(text, "it");
  if (!read) return;
  require(read->key.size() == 32 && read->begins <= UtcTime::max());
  const auto again = read_certificate(read->line, "it");
  require(again && again->line == read->line && again->principals == read->principals && again->ends == read->ends);
  (void)check_certificate(*read, read->key, "alice", UtcTime{}, "it");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  check("ssh-ed25519-cert-v01@openssh.com " + to_base64(text));
  (void)read_public_key(text, "it");
  return 0;
}
