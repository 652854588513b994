// SPDX-License-Identifier: Apache-2.0
#pragma once
// One call for all who ask the same while it is under way.

#include "broker/async/event.hpp"
#include "broker/async/task_group.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace hansa::identity {

/// Strand: `executor`. The call goes on whoever of those that wait for it leaves. Closed before it goes, as a TaskGroup.
template <class T>
class SharedCalls {
 public:
  SharedCalls(boost::asio::any_io_executor executor, std::size_t at_once)
      : executor_(executor), group_(std::move(executor), at_once, [](std::string_view, const Error&) {}) {}

  /// unavailable, GROUP_FULL: so many different ones are under way.
  async::Task<T> run(std::string key, std::function<async::Task<T>()> call) {
    auto& entry = under_way_[key];
    if (!entry) {
      entry = std::make_shared<Call>(executor_);
      if (auto begun = group_.spawn("shared call", carry_out(this, entry, key, std::move(call))); !begun) {
        under_way_.erase(key);
        co_return std::unexpected(begun.error());
      }
    }
    const auto shared = entry;
    while (!shared->outcome) {
      if (!co_await shared->ended.wait()) co_return std::unexpected(async::detail::cancelled());
    }
    shared->ended.set();  // for the next who waits
    co_return *shared->outcome;
  }

  [[nodiscard]] bool busy() const { return !under_way_.empty(); }

  async::Task<> close() { return group_.close(); }

 private:
  struct Call {
    explicit Call(boost::asio::any_io_executor executor) : ended(std::move(executor)) {}
    async::Event ended;
    std::optional<Result<T>> outcome;
  };

  static async::Task<> carry_out(SharedCalls* self, std::shared_ptr<Call> shared, std::string key,
                                 std::function<async::Task<T>()> call) {
    struct End {  // also when it is cancelled: nobody waits for ever
      SharedCalls* self;
      Call& shared;
      const std::string& key;
      ~End() {
        if (!shared.outcome) shared.outcome.emplace(std::unexpected(async::detail::cancelled()));
        self->under_way_.erase(key);
        shared.ended.set();
      }
    } end{self, *shared, key};
    shared->outcome.emplace(co_await async::without_exceptions(call()));
    co_return Result<void>{};
  }

  boost::asio::any_io_executor executor_;
  std::map<std::string, std::shared_ptr<Call>> under_way_;
  async::TaskGroup group_;
};

}  // namespace hansa::identity
