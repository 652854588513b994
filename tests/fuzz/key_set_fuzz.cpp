// SPDX-License-Identifier: Apache-2.0
// Whatever an issuer publishes is a set of keys or an error, and no key of it takes a signature that nobody made.

#include "broker/core/base64url.hpp"
#include "broker/identity/key_set.hpp"
#include "tests/fuzz/require.hpp"

#include <string>

using namespace hansa;
using namespace hansa::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto set = KeySet::parse({reinterpret_cast<const char*>(data), size});
  if (!set) {
    require(!set.error().code.empty());
    return 0;
  }
  require(set->size() > 0 && set->size() <= KeySet::kMostKeys);
  for (const auto algorithm : {Algorithm::rs256, Algorithm::ps256, Algorithm::es256}) {
    for (const std::size_t bytes : {std::size_t{64}, std::size_t{256}}) {
      const auto token = to_base64url("{\"alg\":\"" + std::string(to_string(algorithm)) + "\",\"kid\":\"k\"}") + ".e30." +
                         to_base64url(std::string(bytes, '\1'));
      require(!set->verify(token, "k", algorithm, bytes));
    }
  }
  return 0;
}
