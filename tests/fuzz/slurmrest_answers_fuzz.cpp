// SPDX-License-Identifier: Apache-2.0
// Any bytes are an answer of slurmrestd, its status in the first of them; or a token. What is made of them can be told on:
// integers in range, text that is UTF-8, a receipt only for a job id.

#include "broker/core/encoding.hpp"
#include "connectors/slurm/host_list.hpp"
#include "connectors/slurmrest/api_version.hpp"
#include "connectors/slurmrest/lists.hpp"
#include "connectors/slurmrest/reply.hpp"
#include "connectors/slurmrest/submission.hpp"
#include "connectors/slurmrest/token.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::slurmrest;

namespace {

void check(const std::optional<Error>& error) {
  require(!error || (!error->code.empty() && !error->message.empty() && is_utf8(error->message)));
}

void check(const slurm::Tres& tres) { require(tres.cpus >= 0 && tres.nodes >= 0 && tres.gpus >= 0 && tres.memory.value >= 0); }

void check_lists(const JsonNode& root) {
  if (const auto queue = read_queue(root)) {
    for (const auto& row : queue->rows) {
      require(!row.id.empty() && !row.state.empty() && is_utf8(row.name) && row.restarts >= 0 && row.priority >= 0);
      check(row.tres);
      require((slurm::to_status(row).phase == ports::Phase::ended) == slurm::to_status(row).outcome.has_value());
    }
  }
  if (const auto history = read_history(root, "")) {
    for (const auto& row : history->rows) {
      require(!row.id.empty() && row.elapsed.count() >= 0 && row.core_seconds.value >= 0 && row.run >= 0);
      check(row.granted);
      const auto usage = slurm::to_usage(row, SiteId("s"));
      require(usage.gpu_seconds.value >= 0 && usage.node_seconds.value >= 0 && usage.cores >= 0);
    }
  }
  slurm::Inventory inventory;
  (void)read_nodes(root, inventory);
  (void)read_partitions(root, inventory);
  (void)read_reservations(root, inventory);
  for (const auto& node : inventory.nodes) require(!node.name.empty() && node.cpus >= 0 && node.memory.value >= 0);
  for (const auto& partition : inventory.partitions)
    require(partition.nodes.size() <= slurm::kMaxHosts && partition.min_nodes >= 1);
  (void)read_meta(root);
  (void)read_clusters(root);
  const auto version = choose_version(root);
  check(version ? std::nullopt : std::optional(version.error()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr int kStatuses[] = {200, 201, 204, 302, 400, 401, 403, 404, 422, 500, 502, 503, 511};
  if (size == 0) return 0;
  const auto text = as_text(bytes + 1, size - 1);
  const http::Response response{.status = kStatuses[bytes[0] % std::size(kStatuses)], .body = std::string(text)};

  const auto reply = Reply::read(response);
  require(is_utf8(reply.words()) && !reply.words().empty());
  check(failure_of(reply, "alice"));
  check(failure_of_change(reply, "alice"));
  if (!failure_of(reply, "alice")) require(reply.status == 200 && reply.document.has_value());
  const auto receipt = read_receipt(response, "alice");
  if (receipt) {
    require(response.status == 200 && reply.document && slurm::parse_count(receipt->site_job_id.str()).value_or(0) > 0);
  } else {
    require(receipt.error().kind == ErrorKind::unknown_outcome);
    check(receipt.error());
  }
  if (reply.document) check_lists(reply.document->root());

  if (const auto token = read_token(text, "a file")) {
    require(token->text.reveal().size() <= kMaxTokenBytes && !token->text.reveal().contains('\n'));
  } else {
    check(token.error());
  }
  return 0;
}
