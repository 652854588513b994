// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/listing.hpp"

#include "broker/core/encoding.hpp"

#include <array>

namespace hansa::connectors::batch {

std::string make_separator(Random& random) {
  std::array<std::byte, 8> bytes{};  // it stands in every field: 64 bits are enough for one call
  random.fill(bytes);
  return "z" + to_hex(bytes);
}

std::unexpected<Error> not_understood(const std::string& program, const Dropped& first, const async::ChildResult& result) {
  return fail(ErrorKind::internal, "SITE_GARBLED", program + "'s answer is not understood: " + first.why,
              result.err.substr(0, 512) + " / " + result.out.substr(0, 512));
}

}  // namespace hansa::connectors::batch
