// SPDX-License-Identifier: Apache-2.0
#pragma once
// A month of two sites, with what bad days leave in it. The same as tests/data/exchange was written from.

#include "broker/ledger/apel.hpp"
#include "broker/ledger/waldur.hpp"

#include <string>
#include <vector>

namespace hansa::ledger::test {

inline constexpr Month kNovember{2026, 11};
inline constexpr std::int64_t kFirstSecond = 1'793'491'200, kLastSecond = 1'796'083'199;  // of it
inline const UtcTime kNow = from_unix_seconds(kLastSecond + 3'600);

inline const ApelSite kAlpha{.name = "ALPHA-HPC",
                             .submit_host = "login.alpha.example.org:22/slurm",
                             .is_grid = true,
                             .description = "HANSA-SLURM",
                             .service_level_type = "hepscore23",
                             .service_level = "12.5"};
inline const ApelSite kBeta{.name = "BETA",
                            .submit_host = "pbs.beta.example",
                            .is_grid = false,
                            .description = "HANSA-PBS",
                            .service_level_type = "Si2k",
                            .service_level = "2500"};
inline const WaldurSite kAlphaInWaldur{
    .components = {{"cpu", {WaldurMeasure::core_seconds, 3'600'000}}, {"node", {WaldurMeasure::node_seconds, 3'600}}},
    .resources = {{"ai-lab", "6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11"}}};
inline const WaldurSite kBetaInWaldur{.components = {{"gpu", {WaldurMeasure::gpu_seconds, 3'600}}},
                                      .resources = {{"climate", "0d9a2b7c-51a4-4b59-8a32-6f0e5c1b2d3e"}}};

struct RunTraits {
  std::string site = "alpha", id = "1", queue = "batch", project = "ai-lab", cluster = "alpha-slurm";
  std::optional<std::int64_t> started = {};
  std::int64_t ended = 0, cores = 8, nodes = 1, gpus = 0;
  std::string person = "alice";
};

/// As the ledger has it: through a record's bytes.
inline ExchangeRun run_from(std::int64_t seq, const RunTraits& traits) {
  const auto elapsed = traits.started ? std::max<std::int64_t>(traits.ended - *traits.started, 0) : 0;
  UsageEntry entry{.seq = seq,
                   .at_s = traits.ended + 30,
                   .attempt = 1,
                   .site = traits.site,
                   .country = "FI",
                   .cluster = traits.cluster,
                   .site_job_id = traits.id,
                   .submitted_s = traits.ended - 100'000,
                   .started_s = traits.started,
                   .ended_s = traits.ended,
                   .site_state = "COMPLETED",
                   .project = traits.project,
                   .queue = traits.queue,
                   .scheduler_account = "proj1",
                   .nodes = static_cast<std::int32_t>(traits.nodes),
                   .cores = static_cast<std::int32_t>(traits.cores),
                   .gpus = static_cast<std::int32_t>(traits.gpus),
                   .amounts = {1, elapsed, elapsed * traits.cores, elapsed * traits.gpus, elapsed * traits.nodes},
                   .personal = Hash{}};
  auto run = read_run(record_text(entry)).value();
  if (!traits.person.empty()) {
    run.owner = "local:" + traits.person;
    run.account = traits.person;
    run.pseudonym = pseudonym_of(run.owner, std::string(32, 'k'));
  }
  return run;
}

inline std::vector<ExchangeRun> sample_runs() {
  constexpr auto kNoon = kFirstSecond + 43'200;
  std::vector<RunTraits> all{
      {.id = "4711", .started = kFirstSecond - 200, .ended = kFirstSecond},  // 23:56:40 to 00:00, over the month's end
      {.id = "4712",
       .started = kFirstSecond + 19'800,
       .ended = kFirstSecond + 25'800},  // New York sets its clocks back meanwhile
      {.id = "5000", .started = kNoon - 500, .ended = kNoon, .cores = 64},  // and put back into the queue at its end:
      {.id = "5000", .started = kNoon, .ended = kNoon, .cores = 64},        // another run of one second's name
      {.id = "5001", .ended = kNoon + 1},                                   // cancelled in the queue
      {.id = "5002", .started = kNoon + 90, .ended = kNoon + 2},            // a clock that stepped
      {.id = "1%%\n2: x",
       .queue = "gpu\r\nSite: EVIL\n%%",
       .cluster = "  ä none ",
       .started = kNoon,
       .ended = kNoon + 60,
       .person = "Grün:%41"},
      {.id = "5003", .queue = "", .started = kNoon, .ended = kNoon + 61, .person = ""},  // and whose person was erased
      {.id = "5004", .queue = "None", .project = "climate", .started = kNoon, .ended = kNoon + 62},
      {.site = "beta",
       .id = "77[3].pbs",
       .project = "climate",
       .cluster = "beta",
       .started = kNoon,
       .ended = kNoon + 7'200,
       .cores = 32,
       .nodes = 2,
       .gpus = 8,
       .person = "bob"},
      {.site = "beta",
       .id = "78.pbs",
       .project = "climate",
       .cluster = "beta",
       .started = kNoon,
       .ended = kNoon + 9'000,
       .cores = 32,
       .nodes = 2,
       .gpus = 1,
       .person = "alice"},
      {.site = "beta",
       .id = "79.pbs",
       .project = "ai-lab",
       .cluster = "beta",
       .started = kNoon,
       .ended = kNoon + 9'001,
       .person = "bob"},
      {.id = "4711", .started = kLastSecond - 100, .ended = kLastSecond},  // an id that was given out again
  };
  std::vector<ExchangeRun> runs;
  for (const auto& traits : all) runs.push_back(run_from(static_cast<std::int64_t>(runs.size()) + 1, traits));
  return runs;
}

}  // namespace hansa::ledger::test
