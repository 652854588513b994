// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/remote_place.hpp"

#include "broker/async/child.hpp"
#include "broker/async/real_scheduler.hpp"
#include "broker/core/canonical_json.hpp"
#include "connectors/mover/tool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace hansa::connectors::mover {
namespace {

namespace asio = boost::asio;
using domain::TransferEnd;

constexpr std::size_t kMostListed = std::size_t{256} << 20;  // bytes of JSON: some million files
constexpr Milliseconds kMostTime{3'600'000};
constexpr int kNoFolder = 3, kNoFile = 4;                    // rclone's exit statuses

class RemotePlace final : public Place {
 public:
  RemotePlace(RemoteRoot root, std::string rclone) : root_(std::move(root)), rclone_(std::move(rclone)) {}

  Result<Kind> look_at(const std::string& path) override {
    const auto told = ask({"--stat"}, path);
    if (!told) return std::unexpected(told.error());
    if (!*told || (*told)->is_null()) return Kind::nothing;
    return (*told)->is_object() && (*told)->value("IsDir", false) ? Kind::folder : Kind::something_else;
  }

  Result<FoundTree> list(const std::string& path) override {
    const auto told = ask({"--recursive"}, path);
    if (!told) return std::unexpected(told.error());
    FoundTree tree;
    if (!*told) return stop(TransferEnd::source_missing, "the replica to copy from is not there");
    if (!(*told)->is_array()) return not_understood("no list");
    for (const auto& entry : **told) {
      const auto name = entry.is_object() ? entry.find("Path") : entry.end();
      const auto size = entry.is_object() ? entry.find("Size") : entry.end();
      if (name == entry.end() || !name->is_string() || size == entry.end() || !size->is_number_integer())
        return not_understood("an entry without path or size");
      if (entry.value("IsDir", false)) {
        ++tree.folders;
        continue;
      }
      if (size->get<std::int64_t>() < 0)
        return stop(TransferEnd::unsuitable_file, "a file has no size that its store would tell", name->get<std::string>());
      tree.files.push_back({.path = name->get<std::string>(), .size = {size->get<std::int64_t>()}});
    }
    return tree;
  }

  // To take from, only.
  Result<void> read(const std::string&, const TakeBytes&) override { return only_a_source(); }
  Result<FreeSpace> free_space() override { return only_a_source(); }
  Result<void> make_folder(const std::string&) override { return only_a_source(); }
  Result<std::string> claim(const std::string&, const std::string&) override { return only_a_source(); }
  Result<void> rename(const std::string&, const std::string&) override { return only_a_source(); }
  Result<void> remove(const std::string&) override { return only_a_source(); }
  Result<void> flush() override { return only_a_source(); }

  Result<Descriptor> open_folder(const std::string&) override { return Descriptor(); }

 private:
  static std::unexpected<Error> only_a_source() {
    return stop(TransferEnd::tool_failed, "nothing is brought to what lies behind a remote of rclone's");
  }
  static std::unexpected<Error> not_understood(const std::string& what) {
    return stop(TransferEnd::unreachable, "rclone did not say what is there", what);
  }

  /// What `rclone lsjson` says; none: nothing is there.
  [[nodiscard]] Result<std::optional<Json>> ask(std::vector<std::string> options, const std::string& path) const {
    async::ChildSpec call{.argv = {rclone_, "lsjson", "--config", root_.configuration, "--no-modtime", "--no-mimetype",
                                   "--retries", "1", "--low-level-retries", "3", "--contimeout", "15s", "--timeout", "60s"},
                          .environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/nonexistent"}, {"LC_ALL", "C"}},
                          .output_limit = kMostListed};
    for (auto& option : options) call.argv.push_back(std::move(option));
    call.argv.emplace_back("--");
    call.argv.push_back(remote_path(root_, path));
    asio::io_context context;
    async::RealScheduler scheduler;
    std::optional<Result<async::ChildResult>> ended;
    asio::co_spawn(context, async::run_child(scheduler, async::Deadline::in(scheduler, kMostTime), std::move(call)),
                   [&](const std::exception_ptr&, Result<async::ChildResult> result) { ended.emplace(std::move(result)); });
    context.run();
    if (!ended || !*ended) return stop(TransferEnd::tool_failed, "rclone cannot be called", ended ? ended->error().message : "");
    const auto& result = **ended;
    if (result.exit_status == kNoFolder || result.exit_status == kNoFile) return std::nullopt;
    if (!result.succeeded() || result.out_truncated)
      return stop(TransferEnd::unreachable, "the remote \"" + root_.remote + "\" of a site's root gives no answer",
                  result.err.substr(0, 2'000));
    auto json = Json::parse(result.out, nullptr, false);
    if (json.is_discarded()) return not_understood("no JSON");
    return std::optional<Json>(std::move(json));
  }

  RemoteRoot root_;
  std::string rclone_;
};

}  // namespace

Result<std::unique_ptr<Place>> open_remote_place(const RemoteRoot& root, const std::string& rclone) {
  return std::make_unique<RemotePlace>(root, rclone);
}

}  // namespace hansa::connectors::mover
