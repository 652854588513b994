// SPDX-License-Identifier: Apache-2.0
// Any bytes as what comes back from an account at a site: frames of hansa-switch, the words of coreutils, the target of a fence,
// the answer of sbatch, a stored cursor. A yes is only what is one.
#include "broker/core/encoding.hpp"
#include "connectors/batch/usage_window.hpp"
#include "connectors/slurm/host_list.hpp"
#include "connectors/slurm/submission.hpp"
#include "connectors/slurm/values.hpp"
#include "connectors/transport/file_access.hpp"
#include "connectors/transport/switch_protocol.hpp"
#include "connectors/transport/wrapper.hpp"
#include "tests/fuzz/require.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <exception>

using namespace hansa;
using namespace hansa::connectors;

namespace {

/// Every command ends so.
class Canned final : public transport::Transport {
 public:
  explicit Canned(transport::CommandResult result) : result_(std::move(result)) {}
  async::Task<transport::CommandResult> run(transport::Command, async::Deadline) override { co_return result_; }

 private:
  transport::CommandResult result_;
};

template <typename T>
Result<T> wait(async::Task<T> task) {
  boost::asio::io_context context;
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(context, std::move(task),
                        [&](const std::exception_ptr&, Result<T> result) { outcome = std::move(result); });
  context.run();
  return std::move(outcome.value());
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

void check_frames(std::string_view text) {
  constexpr std::size_t kLimit = 100;
  transport::ReplyReader whole(kLimit);
  const bool taken = whole.take(text);
  transport::ReplyReader parts(kLimit);
  bool taken_in_parts = true;
  for (std::size_t at = 0; at < text.size() && taken_in_parts; at += 3) taken_in_parts = parts.take(text.substr(at, 3));
  require(taken == taken_in_parts);
  if (!taken) return;
  require(whole.ended() == parts.ended() && whole.refusal().has_value() == parts.refusal().has_value());
  require(whole.result().out == parts.result().out && whole.result().out.size() <= kLimit);
  require(whole.result().err == parts.result().err && whole.result().err.size() <= kLimit);
  if (whole.refusal()) require(!whole.refusal()->message.empty());
}

void check_files(const transport::CommandResult& result) {
  Canned canned(result);
  const transport::FilesAt files(canned, LocalAccount("a"), Principal("local:a"), "");
  const auto target = wait(files.read_link("p", {}));
  if (target && *target) require(result.succeeded() && **target == result.out);
  const auto made = wait(files.make_link("t", "p", {}));
  if (made) require(result.succeeded() == made->created);
  const auto read = wait(files.read_range("p", 0, 10, {}));
  if (read && *read) require(result.succeeded() && (*read)->size() <= 10);
  const auto seen = wait(files.look({"p"}, {}));
  for (const auto& [path, what] : seen.value_or(std::map<std::string, transport::Seen>{}))
    require(!what.version.empty() && what.version.find_first_not_of("0123456789.-") == std::string::npos);
  if (!seen) require(!seen.error().message.empty());
  for (const auto* error : {target ? nullptr : &target.error(), made ? nullptr : &made.error(), read ? nullptr : &read.error()}) {
    require(error == nullptr || !error->message.empty());
  }
}

void check_cursor(std::string_view text) {
  const auto now = from_unix_seconds(1'800'000'000);
  const auto window = batch::next_window(text, now, Seconds{86'400});
  if (!window) return require(window.error().kind == ErrorKind::invalid_argument);
  require(window->from <= window->to && window->to <= now);
  require(batch::next_window(window->next_cursor, now, Seconds{86'400}).has_value());
}

void check_values(std::string_view text) {
  if (const auto tres = slurm::parse_tres(text)) require(tres->cpus >= 0 && tres->gpus >= 0 && tres->memory.value >= 0);
  if (const auto hosts = slurm::expand_hosts(text)) require(hosts->size() <= slurm::kMaxHosts);
  if (const auto code = slurm::parse_exit_code(text)) require(code->code >= 0 && code->signal >= 0);
  if (const auto limit = slurm::parse_limit(text); limit && *limit) require((*limit)->count() >= 0);
  if (const auto memory = slurm::parse_memory(text); memory && *memory) require((*memory)->value >= 0);
  require(slurm::parse_node_gpus(text).count >= 0);
  static_cast<void>(slurm::parse_time(text));
  static_cast<void>(slurm::parse_key_values(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  check_frames(text);
  check_cursor(text);
  check_values(text);
  const auto holder = transport::holder_of(text);
  require(holder.empty() || (text.starts_with("job:") && holder.str().find(':') == std::string::npos));

  const auto refusal = transport::read_refusal(text);
  require(is_utf8(refusal.message) && refusal.message.size() < 400);
  require(refusal.code == "FENCE_FAILED" || text.starts_with(refusal.code));
  transport::CommandResult fine;
  fine.out = text;
  fine.exit_status = 0;
  transport::CommandResult failed;
  failed.err = text;
  failed.exit_status = 1;
  check_files(fine);
  check_files(failed);
  if (const auto receipt = slurm::read_sbatch_answer(fine)) require(all_digits(receipt->site_job_id.str()));
  const auto refused = slurm::read_sbatch_answer(failed);
  require(!refused && refused.error().kind == ErrorKind::unknown_outcome);
  return 0;
}
