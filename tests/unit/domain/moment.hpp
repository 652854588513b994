// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "broker/core/clock.hpp"

namespace hansa::domain::test {

/// So long after the clock began.
inline MonotonicTime moment(std::int64_t ms) { return {Milliseconds{ms}}; }

}  // namespace hansa::domain::test
