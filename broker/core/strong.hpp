// SPDX-License-Identifier: Apache-2.0
#pragma once
// Strong types: names that are not mixed up by accident, and integer amounts with a unit.

#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace hansa {

/// A name of one kind (site id, queue, account, ...). Compared and hashed as its text.
template <typename Tag>
class Name {
 public:
  Name() = default;
  explicit Name(std::string text) : text_(std::move(text)) {}
  explicit Name(std::string_view text) : text_(text) {}
  explicit Name(const char* text) : text_(text) {}

  [[nodiscard]] const std::string& str() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }

  friend bool operator==(const Name&, const Name&) = default;
  friend std::strong_ordering operator<=>(const Name&, const Name&) = default;

 private:
  std::string text_;
};

/// A non-negative-by-convention integer amount of one unit.
template <typename Tag>
struct Amount {
  std::int64_t value = 0;

  friend constexpr auto operator<=>(Amount, Amount) = default;
  friend constexpr Amount operator+(Amount a, Amount b) { return {a.value + b.value}; }
  friend constexpr Amount operator-(Amount a, Amount b) { return {a.value - b.value}; }
  constexpr Amount& operator+=(Amount other) {
    value += other.value;
    return *this;
  }
  constexpr Amount& operator-=(Amount other) {
    value -= other.value;
    return *this;
  }
};

using SiteId = Name<struct SiteIdTag>;             // configuration's [[site]] id: [a-z0-9-]{1,32}
using QueueName = Name<struct QueueNameTag>;       // Slurm partition, PBS queue
using ProjectId = Name<struct ProjectIdTag>;
using Principal = Name<struct PrincipalTag>;       // "<issuer-id>:<subject>", split at the first colon
using LocalAccount = Name<struct LocalAccountTag>; // a Unix account at a site
using SiteJobId = Name<struct SiteJobIdTag>;       // the scheduler's own job id, always text
using Tag = Name<struct TagTag>;                   // "hansa-<job id>-<attempt>"
using DatasetId = Name<struct DatasetIdTag>;
using CodeId = Name<struct CodeIdTag>;             // "sha256:<64 hex>", of an archive (broker/domain/code_archive.hpp)

using Mebibytes = Amount<struct MebibytesTag>;
using CoreSeconds = Amount<struct CoreSecondsTag>;
using GpuSeconds = Amount<struct GpuSecondsTag>;
using NodeSeconds = Amount<struct NodeSecondsTag>;

}  // namespace hansa

template <typename T>
struct std::hash<hansa::Name<T>> {
  std::size_t operator()(const hansa::Name<T>& name) const noexcept { return std::hash<std::string>{}(name.str()); }
};
