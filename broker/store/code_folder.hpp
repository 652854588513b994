// SPDX-License-Identifier: Apache-2.0
#pragma once
// The archives of code, as files of the state folder:
//
//   code/<SHA-256 of the owner>/<digest>.tar      complete, durable, read back; its time of change is that of its last use
//   code/<SHA-256 of the owner>/<digest>.part     as far as it has come
//
// All of it is done on one thread, one thing after the other.

#include "broker/core/clock.hpp"
#include "broker/ports/code_store.hpp"
#include "broker/ports/privacy.hpp"

#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <type_traits>

namespace hansa::store {

class CodeFolder final : public ports::CodeStore, public ports::PersonalFiles {
 public:
  struct Options {
    std::filesystem::path folder;              // made when something comes
    std::uint64_t most_bytes = std::uint64_t{64} << 20;    // of one archive
    std::uint64_t quota_bytes = std::uint64_t{1} << 30;    // of one owner's
    Seconds keep{30 * 86'400};                 // what no job that is not over names
    bool inline_mode = false;                  // on the caller's thread
  };

  /// `clock` outlives it.
  CodeFolder(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}
  ~CodeFolder() override { thread_.join(); }

  async::Task<std::optional<ports::CodeState>> look(Principal owner, CodeId id) override;
  async::Task<ports::CodeState> put(Principal owner, ports::CodePiece piece, std::set<CodeId> in_use) override;
  async::Task<std::string> read(Principal owner, CodeId id, std::uint64_t offset, std::size_t limit) override;
  async::Task<std::size_t> sweep(std::map<Principal, std::set<CodeId>> in_use) override;
  async::Task<> forget(Principal person) override;

 private:
  template <typename Work>
  auto on_thread(Work work) -> async::Task<typename std::invoke_result_t<Work>::value_type>;
  Result<std::optional<ports::CodeState>> look_here(const Principal& owner, const CodeId& id) const;
  Result<ports::CodeState> put_here(const Principal& owner, const ports::CodePiece& piece, const std::set<CodeId>& in_use) const;
  Result<std::string> read_here(const Principal& owner, const CodeId& id, std::uint64_t offset, std::size_t limit) const;
  Result<std::size_t> sweep_here(const std::map<Principal, std::set<CodeId>>& in_use) const;
  [[nodiscard]] std::filesystem::path folder_of(const Principal& owner) const;
  Result<void> make_room(const std::filesystem::path& folder, const ports::CodePiece& piece,
                         const std::set<CodeId>& in_use) const;
  Result<ports::CodeState> complete(const std::filesystem::path& folder, int part, const ports::CodePiece& piece) const;

  const Options options_;
  const Clock& clock_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace hansa::store
