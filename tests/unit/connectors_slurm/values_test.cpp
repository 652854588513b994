// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/values.hpp"

#include "connectors/slurm/host_list.hpp"
#include "connectors/slurm/records.hpp"

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

namespace hansa::connectors::slurm {

using Catch::Matchers::Equals;

TEST_CASE("rows: a field may hold anything but the separator") {
  const std::string_view text = "1#a|b\n99#x\n2##\xff\n";
  const auto rows = split_rows("1#evil\n99|x|R|#\n2##\n", "#", 2);
  REQUIRE(rows.rows.size() == 2);
  CHECK(rows.rows[0][1] == "evil\n99|x|R|");
  CHECK(rows.rows[1][1].empty());
  CHECK(rows.dropped.empty());
  CHECK(rows.complete);
  CHECK_FALSE(split_rows(text, "#", 2).dropped.empty());
}

TEST_CASE("rows: a broken one takes no others with it") {
  const auto rows = split_rows("1#a#\n2#b#c#\n3#d#\n", "#", 2);
  REQUIRE(rows.rows.size() == 2);
  CHECK(rows.rows[1][0] == "3");
  REQUIRE(rows.dropped.size() == 1);
  CHECK(rows.dropped[0].row == 2);
  CHECK(rows.complete);
}

TEST_CASE("rows: an answer that was cut is not complete") {
  for (const std::string_view text : {"1#a#\n2#", "1#a#\n2#b", "1#a#\n2", "1#a#\n2#b#"}) {
    const auto rows = split_rows(text, "#", 2);
    CHECK(rows.rows.size() == 1);
    CHECK_FALSE(rows.complete);
  }
  CHECK(split_rows("", "#", 2).complete);
}

TEST_CASE("times, limits and memory as Slurm writes them") {
  CHECK(to_unix_seconds(parse_time("1795341614").value().value()) == 1795341614);
  CHECK(to_unix_seconds(parse_time("2026-11-22T10:00:14").value().value()) == 1795341614);
  for (const auto none : {"N/A", "Unknown", "None", "NONE", "", "0", "(null)"}) CHECK_FALSE(parse_time(none).value().has_value());
  for (const auto bad : {"x", "-1", "2026-13-22T10:00:14", "2026-02-30T10:00:14", "2026-11-22 10:00:14", "2026-11-22T25:00:14",
                         "999999999999999999", "1795341614 ", "9999999999999999999999"}) {
    INFO(bad);
    CHECK_FALSE(parse_time(bad).has_value());
  }
  CHECK(parse_limit("10:00").value() == Seconds{600});
  CHECK(parse_limit("0:00").value() == Seconds{0});
  CHECK(parse_limit("1:00:00").value() == Seconds{3600});
  CHECK(parse_limit("1-02:00:00").value() == Seconds{93600});
  CHECK(parse_limit("00:10:00").value() == Seconds{600});
  for (const auto none : {"UNLIMITED", "INVALID", "NOT_SET", "Partition_Limit", "N/A"})
    CHECK_FALSE(parse_limit(none).value().has_value());
  for (const auto bad : {"10", "1:2:3:4", "1-", "a:b", "-1:00", "1--1:00", "999999999999:00"}) {
    INFO(bad);
    CHECK_FALSE(parse_limit(bad).has_value());
  }
  CHECK(parse_memory("16000M").value().value().value == 16000);
  CHECK(parse_memory("1.50G").value().value().value == 1536);
  CHECK(parse_memory("2T").value().value().value == 2 * 1024 * 1024);
  CHECK(parse_memory("100Mn").value().value().value == 100);
  CHECK(parse_memory("1500K").value().value().value == 2);
  CHECK(parse_memory("0").value().value().value == 0);
  CHECK(parse_memory("300").value().value().value == 300);
  for (const auto bad : {"M", "1.M", "1X", "-1M", "999999999999999999P", "1.xM"}) {
    INFO(bad);
    CHECK_FALSE(parse_memory(bad).has_value());
  }
}

TEST_CASE("TRES, Gres and exit codes") {
  auto tres = parse_tres("billing=4,cpu=4,gres/gpu=2,gres/gpu:a100=2,mem=600M,node=2,fs/disk=7,energy=-2").value();
  CHECK(tres.cpus == 4);
  CHECK(tres.nodes == 2);
  CHECK(tres.gpus == 2);
  CHECK(tres.gpu_model == "a100");
  CHECK(tres.memory.value == 600);
  CHECK_FALSE(tres.energy_j);
  CHECK(parse_tres("cpu=1,energy=5000000").value().energy_j == 5'000'000);
  for (const auto unknown : {"energy=0", "energy=18446744073709551614", "energy=1.5K", "energy="})
    CHECK_FALSE(parse_tres(unknown).value().energy_j);
  tres = parse_tres("cpu=1,gres/gpu:a100=2,gres/gpu:v100=1").value();
  CHECK(tres.gpus == 3);
  CHECK(tres.gpu_model.empty());
  CHECK(parse_tres("").value().cpus == 0);
  for (const auto bad : {"cpu", "cpu=", "cpu=x", "cpu=1,", "mem=1Q,cpu=1", "node=-1"}) {
    INFO(bad);
    CHECK_FALSE(parse_tres(bad).has_value());
  }

  CHECK(parse_node_gpus("gpu:a100:2(S:0-1),mps:400").count == 2);
  CHECK(parse_node_gpus("gpu:a100:2(S:0,1),gpu:v100:4").model == "v100");
  CHECK(parse_node_gpus("gpu:2").count == 2);
  CHECK(parse_node_gpus("gpu:2").model.empty());
  CHECK(parse_node_gpus("gpu:a100").model == "a100");
  CHECK(parse_node_gpus("gpu").count == 1);
  CHECK(parse_node_gpus("(null)").count == 0);
  CHECK(parse_node_gpus("gpu:a100:x,gpu:::").count == 0);

  CHECK(parse_exit_code("3:0")->code == 3);
  CHECK(parse_exit_code("0:9")->signal == 9);
  CHECK(parse_exit_code("768")->code == 3);
  CHECK(parse_exit_code("15")->signal == 15);
  for (const auto bad : {"", ":", "3:", ":9", "x", "-1", "3:0:0", "99999999"}) {
    INFO(bad);
    CHECK_FALSE(parse_exit_code(bad).has_value());
  }
}

TEST_CASE("key=value lines: free text at the end overrides nothing") {
  const auto values = parse_key_values(
      "NodeName=n1 OS=Linux 6.1 #1 SMP @0  RealMemory=16000 TRES=cpu=8,mem=1M State=DOWN "
      "Reason=x State=IDLE CPUTot=99 [root@1]");
  CHECK(values.at("NodeName") == "n1");
  CHECK(values.at("OS") == "Linux 6.1 #1 SMP @0");
  CHECK(values.at("RealMemory") == "16000");
  CHECK(values.at("TRES") == "cpu=8,mem=1M");
  CHECK(values.at("State") == "DOWN");
  CHECK(parse_key_values("").empty());
  CHECK(parse_key_values("= = x=").at("x").empty());
}

TEST_CASE("host lists") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> good{
      {"vm", {"vm"}},
      {"vm,vm2", {"vm", "vm2"}},
      {"hel-n[1-2]", {"hel-n1", "hel-n2"}},
      {"n[8-11]", {"n8", "n9", "n10", "n11"}},
      {"n[08-10,3]", {"n08", "n09", "n10", "n3"}},
      {"r[1-2]n[01-02]-ib,login", {"r1n01-ib", "r1n02-ib", "r2n01-ib", "r2n02-ib", "login"}},
      {"a[1],b[2]", {"a1", "b2"}},
      {"", {}},
      {"(null)", {}},
      {"None assigned", {}},
  };
  for (const auto& [text, hosts] : good) {
    INFO(text);
    const auto expanded = expand_hosts(text);
    REQUIRE(expanded.has_value());
    CHECK_THAT(*expanded, Equals(hosts));
  }
  for (const auto bad : {"n[1-", "n[", "n]", "n[]", "n[2-1]", "n[a-b]", "n[1-2-3]", ",", "a,,b", "a,", "n[1-999999999999]",
                         "n[[1]]", "n[1-1000][1-1000][1-1000]", "a b", "n[000x333]", "a\nb"}) {
    INFO(bad);
    CHECK_FALSE(expand_hosts(bad).has_value());
  }
  CHECK(expand_hosts("n[1-" + std::to_string(kMaxHosts) + "]")->size() == kMaxHosts);
  CHECK_FALSE(expand_hosts("n[1-" + std::to_string(kMaxHosts) + "],m").has_value());
  std::string many = "n";
  for (int i = 0; i < 100'000; ++i) many += "[1]";
  CHECK_FALSE(expand_hosts(many).has_value());
}

}  // namespace hansa::connectors::slurm
