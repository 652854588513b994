// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way out to issuers: http's client on threads of its own, few for each host, so that one that hangs keeps nobody else
// waiting. No redirect is followed; a name is looked up once, and only the addresses that were looked at are connected to.

#include "broker/async/lookups.hpp"
#include "broker/identity/provider.hpp"

#include <atomic>
#include <map>
#include <memory>

namespace hansa::identity {

/// Of the Internet: neither private, nor link-local, loopback, multicast, documentation's, or an IPv4 address in IPv6's clothes.
bool is_public_address(const std::string& numeric);

/// Strand: of whoever calls. May go while calls hang.
class OutwardCalls final : public Outward {
 public:
  explicit OutwardCalls(async::Scheduler& scheduler) : scheduler_(scheduler) {}
  ~OutwardCalls() override;
  async::Task<OutwardAnswer> call(OutwardRequest request, async::Deadline deadline) override;

  static constexpr std::size_t kMostAnswerBytes = KeySet::kMostBytes;

 private:
  async::Scheduler& scheduler_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  std::map<std::string, async::Lookups> threads_;  // by host
};

}  // namespace hansa::identity
