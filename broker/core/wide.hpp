// SPDX-License-Identifier: Apache-2.0
#pragma once
// For the product of two numbers of 64 bits, which is divided before it is kept.

namespace hansa {

__extension__ using Wide = __int128;

}  // namespace hansa
