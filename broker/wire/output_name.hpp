// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an output may be called, and where it may lie. A name is that of the file that it is fetched to, so it is one on any
// machine; a path stays beneath the job's working folder, whatever the site makes of it.

#include <cstddef>
#include <string>
#include <string_view>

namespace hansa::wire {

inline constexpr std::size_t kMaxOutputs = 32;
inline constexpr std::size_t kMaxOutputNameBytes = 128;
inline constexpr std::size_t kMaxOutputPathBytes = 512;
inline constexpr std::size_t kMaxOutputFolders = 16;  // steps of a path, the file's own among them

/// What is wrong with it, and what to write instead; "" if nothing is.
std::string output_name_fault(std::string_view name);
std::string output_path_fault(std::string_view path);

}  // namespace hansa::wire
