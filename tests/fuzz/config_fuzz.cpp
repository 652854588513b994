// SPDX-License-Identifier: Apache-2.0
// Any bytes as hansad.toml, as an accounts file and as the client's settings: a result or faults with their place, and
// what was accepted is written out and read back the same.
#include "config/accounts.hpp"
#include "config/broker_config.hpp"
#include "config/client_config.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::config;

namespace {

template <typename T>
void require_told(const Result<T>& result) {
  if (result) return;
  require(!result.error().faults.empty());
  for (const auto& fault : result.error().faults) require(fault.where.starts_with("/f:") && !fault.message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  const auto config = parse_broker_config(text, "/f");
  require_told(config);
  if (config) {
    const auto again = parse_broker_config(to_toml(*config), "/f");
    require(again && *again == *config);
  }
  require_told(parse_accounts(text, "/f"));
  require_told(parse_client_config(text, "/f", "/home/x"));
  return 0;
}
