// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/snapshot.hpp"

#include "tests/unit/connectors_slurm/captures.hpp"

#include <algorithm>

namespace hansa::connectors::slurm {

using test::asked_of_the_queue;
using test::capture;

TEST_CASE("inventory: scontrol's answer to four questions on its standard input (22.05)") {
  const auto inventory = parse_inventory(capture("22.05", "asked.scontrol.out"));
  CHECK(inventory.dropped.empty());
  REQUIRE(inventory.nodes.size() == 2);
  CHECK(inventory.nodes[0].name == "hel-n1");
  CHECK(inventory.nodes[0].cpus == 4);
  CHECK(inventory.nodes[0].memory.value == 16000);
  CHECK(inventory.nodes[0].gpus.count == 2);
  CHECK(inventory.nodes[0].gpus.model == "a100");
  CHECK(inventory.nodes[0].usable);
  REQUIRE(inventory.partitions.size() == 2);
  CHECK(inventory.partitions[0].is_default);
  CHECK(inventory.partitions[0].max_time == Seconds{2 * 86400});
  CHECK_FALSE(inventory.partitions[0].max_nodes.has_value());
  CHECK(inventory.partitions[1].max_time == Seconds{600});
  CHECK(inventory.partitions[1].nodes == std::vector<std::string>{"hel-n1", "hel-n2"});
  REQUIRE(inventory.reservations.size() == 1);
  CHECK(inventory.reservations[0].name == "maint1");
  CHECK(inventory.reservations[0].nodes == std::vector<std::string>{"hel-n2"});
  CHECK(inventory.reservations[0].end - inventory.reservations[0].start == Seconds{3600});
  CHECK(inventory.configuration.cluster == "hel");
  CHECK(inventory.configuration.version == "22.05.8");
  CHECK_FALSE(inventory.configuration.hides_jobs);
}

TEST_CASE("inventory: both versions") {
  const std::string version = GENERATE("22.05", "26.05");
  INFO(version);
  const auto inventory =
      parse_inventory(capture(version, "scontrol.show-node-o.out") + capture(version, "scontrol.show-partition-o.out") +
                      capture(version, "scontrol.show-reservation-o.out") + capture(version, "scontrol.show-config.out"));
  CHECK(inventory.dropped.empty());
  REQUIRE(inventory.nodes.size() == 2);
  CHECK(inventory.nodes[0].name == "vm");
  CHECK(inventory.nodes[0].cpus == 8);
  CHECK(inventory.nodes[1].memory.value == 8000);
  REQUIRE(inventory.partitions.size() == 2);
  CHECK(inventory.partitions[0].nodes == std::vector<std::string>{"vm", "vm2"});
  CHECK(inventory.partitions[0].up);
  CHECK(inventory.reservations.empty());
  CHECK(inventory.configuration.version.starts_with(version));
  const auto drained = parse_inventory(capture(version, "scontrol.show-node-drain.out"));
  REQUIRE(drained.nodes.size() == 2);
  CHECK_FALSE(drained.nodes[0].usable);
}

TEST_CASE("inventory: node states") {
  const auto node = [](const std::string& state) {
    const auto inventory =
        parse_inventory("scontrol: scontrol: NodeName=n CPUTot=1 RealMemory=1 State=" + state + " Reason=x State=IDLE\n");
    REQUIRE(inventory.nodes.size() == 1);
    return inventory.nodes[0];
  };
  for (const auto state :
       {"IDLE", "MIXED", "ALLOCATED", "IDLE+PLANNED", "IDLE+CLOUD+POWERED_DOWN", "IDLE~", "MIXED+RESERVED", "COMPLETING"}) {
    INFO(state);
    CHECK(node(state).usable);
  }
  for (const auto state : {"DOWN", "DOWN*", "DOWN*+NOT_RESPONDING", "IDLE+DRAIN", "MIXED+DRAIN", "IDLE+FAIL",
                           "IDLE*+NOT_RESPONDING", "UNKNOWN", "FUTURE", "DOWN+MAINT", "IDLE+INVALID_REG"}) {
    INFO(state);
    CHECK_FALSE(node(state).usable);
  }
  CHECK(node("IDLE+MAINT").reserved);
  CHECK(node("MIXED+RESERVED").reserved);
}

TEST_CASE("inventory: malformed records are dropped one by one, noise is skipped") {
  const auto inventory = parse_inventory(
      "noise\n\n=\nNodeName=a\nNodeName=b CPUTot=x RealMemory=1 State=IDLE\nNodeName=c CPUTot=2 RealMemory=10 State=IDLE "
      "MemSpecLimit=4\n"
      "PartitionName=p MaxTime=soon Nodes=c\nPartitionName=q MaxTime=UNLIMITED Nodes=c[\nPartitionName=r MaxTime=UNLIMITED "
      "Nodes=c State=DRAIN\n"
      "PartitionName=h MaxTime=1:00 Nodes=c State=UP Hidden=YES\n"
      "ReservationName=x StartTime=1 EndTime=soon Nodes=c\nNo reservations in the system\nPrivateData   = accounts,jobs\n");
  CHECK(inventory.dropped.size() == 5);
  REQUIRE(inventory.nodes.size() == 1);
  CHECK(inventory.nodes[0].memory.value == 6);
  REQUIRE(inventory.partitions.size() == 2);
  CHECK_FALSE(inventory.partitions[0].up);
  CHECK_FALSE(inventory.partitions[1].up);
  CHECK(inventory.configuration.hides_jobs);
}

TEST_CASE("snapshot: running work on its nodes, waiting work in order") {
  const auto inventory = parse_inventory(capture("22.05", "asked.scontrol.out"));
  const auto now = from_unix_seconds(1795348240);
  const auto snapshot = build_snapshot(inventory, inventory.configuration,
                                       parse_squeue(asked_of_the_queue("22.05"), test::kSeparator), now);
  CHECK(snapshot.cluster == "hel");
  CHECK(snapshot.scheduler == "slurm 22.05.8");
  CHECK(snapshot.sees_everyone);
  REQUIRE(snapshot.running.size() == 3);
  const auto& wide = snapshot.running[1];
  CHECK(wide.id.str() == "48");
  REQUIRE(wide.shares.size() == 2);
  CHECK(wide.shares[0].cores == 2);
  CHECK(wide.shares[1].cores == 2);
  CHECK(wide.shares[1].gpus == 1);
  CHECK(wide.shares[1].memory.value == 300);
  CHECK(wide.expected_end == from_unix_seconds(1795348536));
  REQUIRE(snapshot.waiting.size() == 4);
  CHECK(snapshot.waiting[0].id.str() == "51");
  CHECK(snapshot.waiting[0].resources.nodes == 2);  // squeue says one node for eight cores; no node has more than four
  CHECK(snapshot.waiting[0].resources.tasks == 8);
  CHECK_FALSE(snapshot.waiting[0].eligible);
  CHECK(snapshot.waiting[0].eligible_at == from_unix_seconds(1795351836));
  CHECK(snapshot.waiting[3].id.str() == "50_3");
  CHECK_FALSE(snapshot.waiting[3].eligible);
  REQUIRE(snapshot.reservations.size() == 1);
  CHECK(snapshot.reservations[0].nodes == std::vector<std::uint32_t>{1});
}

TEST_CASE("snapshot: where jobs are private, what is allocated tells whether we see those of others") {
  auto inventory = parse_inventory(capture("22.05", "asked.scontrol.out"));
  inventory.configuration.hides_jobs = true;
  auto jobs = parse_squeue(asked_of_the_queue("22.05"), test::kSeparator);
  const auto sees_everyone = [&] {
    return build_snapshot(inventory, inventory.configuration, jobs, from_unix_seconds(1795348240)).sees_everyone;
  };
  CHECK(sees_everyone());  // an operator's account
  std::erase_if(jobs.rows, [](const QueueRow& row) { return row.id == "48"; });
  CHECK_FALSE(sees_everyone());
  for (auto& node : inventory.nodes) node.allocated = {};
  CHECK(sees_everyone());  // there is nobody
}

TEST_CASE("snapshot: of jobs that are hidden from us the room that they take is seen, for a day") {
  const auto inventory = parse_inventory(
      "NodeName=a CPUAlloc=6 CPUTot=8 RealMemory=1000 AllocMem=700 Gres=gpu:a100:4 State=MIXED "
      "AllocTRES=cpu=6,mem=700M,gres/gpu=3\n"
      "NodeName=b CPUAlloc=9 CPUTot=4 RealMemory=100 AllocMem=5000 State=ALLOCATED AllocTRES=cpu=9\n"
      "NodeName=c CPUAlloc=0 CPUTot=4 RealMemory=100 AllocMem=0 State=IDLE AllocTRES=\n"
      "PartitionName=main MaxTime=1:00:00 Nodes=a,b,c State=UP Default=YES\nPrivateData   = jobs\n");
  CHECK(inventory.dropped.empty());
  Listing<QueueRow> jobs;
  QueueRow ours;
  ours.id = ours.display_id = "7";
  ours.state = "RUNNING";
  ours.queue = QueueName("main");
  ours.nodes = "a";
  ours.tres = {.cpus = 2, .nodes = 1, .gpus = 1, .gpu_model = {}, .memory = Mebibytes{100}};
  jobs.rows.push_back(ours);
  const auto now = from_unix_seconds(1'000);
  const auto snapshot = build_snapshot(inventory, inventory.configuration, jobs, now);
  CHECK_FALSE(snapshot.sees_everyone);
  REQUIRE(snapshot.running.size() == 2);
  const auto& hidden = snapshot.running[1];
  CHECK(hidden.id.empty());
  CHECK(hidden.expected_end == domain::hidden_until(now));
  REQUIRE(hidden.shares.size() == 2);
  CHECK(hidden.shares[0].node == 0);
  CHECK(hidden.shares[0].cores == 4);
  CHECK(hidden.shares[0].memory.value == 600);
  CHECK(hidden.shares[0].gpus == 2);
  CHECK(hidden.shares[1].node == 1);
  CHECK(hidden.shares[1].cores == 4);  // a node has no more than it has
  CHECK(hidden.shares[1].memory.value == 100);
}

TEST_CASE("a start that squeue plans is told as a plan") {
  QueueRow row;
  row.id = "7";
  row.state = "PENDING";
  row.starts_at = from_unix_seconds(1'000);
  CHECK(to_status(row).expected_start == from_unix_seconds(1'000));
  CHECK_FALSE(to_status(row).started_at);
  row.state = "RUNNING";
  CHECK_FALSE(to_status(row).expected_start);
  CHECK(to_status(row).started_at == from_unix_seconds(1'000));
}

TEST_CASE("snapshot: a hidden reservation takes its nodes, a visible one says until when") {
  const std::string node = "NodeName=n CPUTot=1 RealMemory=1 State=IDLE+RESERVED\n";
  const auto usable = [](const std::string& text) {
    const auto inventory = parse_inventory(text);
    const auto snapshot = build_snapshot(inventory, {}, {}, from_unix_seconds(1000));
    return snapshot.nodes.at(0).usable;
  };
  CHECK_FALSE(usable(node));
  CHECK(usable(node + "ReservationName=r StartTime=900 EndTime=1100 Nodes=n\n"));
  CHECK_FALSE(usable(node + "ReservationName=r StartTime=1100 EndTime=1200 Nodes=n\n"));
}

}  // namespace hansa::connectors::slurm
