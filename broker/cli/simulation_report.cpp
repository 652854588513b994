// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/simulation_report.hpp"

#include "broker/core/canonical_json.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace hansa::cli {
namespace {

using simulation::Figures;
using simulation::PolicyRun;

std::string decimal(double value, int places) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", places, value);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string name_of(const PolicyRun& run) { return std::string(to_string(run.policy)); }

double mean_wait(const Figures& f) { return f.all.mean_wait_s; }
double slowdown(const Figures& f) { return f.all.mean_bounded_slowdown; }

std::vector<Cell> figure_cells(const simulation::WaitFigures& f) {
  return {decimal(f.mean_wait_s, 0), decimal(f.median_wait_s, 0), decimal(f.p99_wait_s, 0), decimal(f.mean_bounded_slowdown, 2)};
}

/// Each figure's median over the seeds.
simulation::WaitFigures middle(const PolicyRun& run, simulation::WaitFigures Figures::* of) {
  const auto take = [&](double simulation::WaitFigures::* figure) {
    return median_of(run, [&](const Figures& f) { return f.*of.*figure; });
  };
  return {.jobs = (run.by_seed.front().*of).jobs,
          .mean_wait_s = take(&simulation::WaitFigures::mean_wait_s),
          .median_wait_s = take(&simulation::WaitFigures::median_wait_s),
          .p99_wait_s = take(&simulation::WaitFigures::p99_wait_s),
          .mean_bounded_slowdown = take(&simulation::WaitFigures::mean_bounded_slowdown)};
}

simulation::WaitFigures middle_of_kind(const PolicyRun& run, std::size_t kind) {
  const auto take = [&](double simulation::WaitFigures::* figure) {
    return median_of(run, [&](const Figures& f) { return f.kinds[kind].*figure; });
  };
  return {.jobs = run.by_seed.front().kinds[kind].jobs,
          .mean_wait_s = take(&simulation::WaitFigures::mean_wait_s),
          .median_wait_s = take(&simulation::WaitFigures::median_wait_s),
          .p99_wait_s = take(&simulation::WaitFigures::p99_wait_s),
          .mean_bounded_slowdown = take(&simulation::WaitFigures::mean_bounded_slowdown)};
}

/// Of all seeds.
std::int64_t violations_of(const PolicyRun& run) {
  std::int64_t all = 0;
  for (const auto& figures : run.by_seed) all += figures.violations;
  return all;
}

void append(std::vector<Cell>& row, std::vector<Cell> more) {
  for (auto& cell : more) row.push_back(std::move(cell));
}

std::string headline(const SimulationReport& report) {
  const auto& comparison = report.comparison;
  std::string text = printable(report.trace_file) + ": " + std::to_string(comparison.workload.jobs.size()) +
                     " jobs, offered load " + decimal(static_cast<double>(comparison.workload.offered_load) / 1e6, 2);
  if (comparison.seeds.front() != 0) {
    text += "; medians over " + std::to_string(comparison.seeds.size()) + " shaken seeds (jobs: of the first)";
  }
  if (report.left_out > 0) text += "; " + std::to_string(report.left_out) + " jobs that never ran are left out";
  if (comparison.workload.clipped > 0) {
    text += "; " + std::to_string(comparison.workload.clipped) + " jobs wider than the widest site are made as wide as that (" +
            std::to_string(comparison.workload.widest_site) + ")";
  }
  return text + "\n\n";
}

std::string policies_table(const simulation::Comparison& comparison, const Look& look) {
  Table table({{"POLICY"},
               {"MEAN WAIT", true},
               {"MEDIAN", true},
               {"P99", true},
               {"SLOWDOWN", true},
               {"MAKESPAN", true},
               {"MESSAGES/JOB", true},
               {"MOVES", true}});
  for (const auto& run : comparison.runs) {
    std::vector<Cell> row{name_of(run)};
    append(row, figure_cells(middle(run, &Figures::all)));
    row.emplace_back(decimal(median_of(run, [](const Figures& f) { return static_cast<double>(f.makespan_s); }), 0));
    row.emplace_back(decimal(median_of(run, [](const Figures& f) { return f.messages_per_job; }), 3));
    row.emplace_back(decimal(median_of(run, [](const Figures& f) { return static_cast<double>(f.moves); }), 0));
    table.add(std::move(row));
  }
  return table.text(look) + "\n";
}

std::string kinds_table(const simulation::Comparison& comparison, const Look& look) {
  Table table(
      {{"JOBS OF"}, {"POLICY"}, {"JOBS", true}, {"MEAN WAIT", true}, {"MEDIAN", true}, {"P99", true}, {"SLOWDOWN", true}});
  const auto add = [&](const char* kind, simulation::WaitFigures Figures::* of) {
    for (const auto& run : comparison.runs) {
      const auto figures = middle(run, of);
      if (figures.jobs == 0) continue;
      std::vector<Cell> row{kind, name_of(run), std::to_string(figures.jobs)};
      append(row, figure_cells(figures));
      table.add(std::move(row));
    }
  };
  if (comparison.runs.front().by_seed.front().local.jobs > 0) {
    add("broker", &Figures::broker);
    add("local people", &Figures::local);
  }
  add("widest", &Figures::wide);
  return table.empty() ? "" : table.text(look) + "\n";
}

std::string sites_table(const SimulationReport& report, const Look& look) {
  std::vector<std::string> titles;
  for (const auto& run : report.comparison.runs) titles.push_back(name_of(run));
  std::vector<Column> columns{{"SITE"}, {"PROCESSORS", true}};
  for (const auto& title : titles) columns.push_back({title, true});
  Table table(columns);
  for (std::size_t site = 0; site < report.sites.size(); ++site) {
    std::vector<Cell> row{report.sites[site].id, std::to_string(report.sites[site].cores)};
    for (const auto& run : report.comparison.runs) {
      const auto used = median_of(run, [&](const Figures& f) { return f.utilisation[std::min(site, f.utilisation.size() - 1)]; });
      row.emplace_back(decimal(used * 100, 1) + " %");
    }
    table.add(std::move(row));
  }
  return "Utilisation\n" + table.text(look) + "\n";
}

/// What became of each kind of job under the rules.
std::string rules_table(const SimulationReport& report, const Look& look) {
  const auto& comparison = report.comparison;
  const auto& kinds = comparison.workload.kinds;
  if (kinds.empty()) return "";
  Table sites({{"LABEL"}, {"SITES THAT MAY TAKE IT", false, true}, {"KEPT OUT", true}});
  Table waits({{"LABEL"}, {"POLICY"}, {"JOBS", true}, {"MEAN WAIT", true}, {"MEDIAN", true}, {"P99", true}, {"SLOWDOWN", true}});
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const auto label = kinds[i].label.empty() ? std::string("(no data)") : kinds[i].label;
    std::string names;
    for (const auto site : kinds[i].allowed) names += (names.empty() ? "" : ", ") + report.sites[site].id;
    sites.add({label, names.empty() ? std::string("none") : names, std::to_string(kinds[i].kept_out)});
    for (const auto& run : comparison.runs) {
      const auto figures = middle_of_kind(run, i);
      if (figures.jobs == 0) continue;
      std::vector<Cell> row{label, name_of(run), std::to_string(figures.jobs)};
      append(row, figure_cells(figures));
      waits.add(std::move(row));
    }
  }
  auto text = "Under the rules\n" + sites.text(look) + "\n" + waits.text(look);
  for (const auto& run : comparison.runs)
    text += "violations, " + name_of(run) + ": " + std::to_string(violations_of(run)) + "\n";
  return text + "\n";
}

std::string ratios_table(const simulation::Comparison& comparison, const Look& look) {
  if (comparison.runs.size() < 2) return "";
  const auto& ours = comparison.runs.front();
  Table table({{"RATIO OF"}, {"TO"}, {"MEAN WAIT", true}, {"SLOWDOWN", true}, {"P99", true}});
  for (std::size_t i = 1; i < comparison.runs.size(); ++i) {
    const auto& other = comparison.runs[i];
    table.add({name_of(ours), name_of(other), decimal(median_ratio(ours, other, mean_wait), 3),
               decimal(median_ratio(ours, other, slowdown), 3),
               decimal(median_ratio(ours, other, [](const Figures& f) { return f.all.p99_wait_s; }), 3)});
  }
  return table.text(look) + "\n";
}

std::string seeds_table(const simulation::Comparison& comparison, const Look& look) {
  if (comparison.seeds.size() < 2) return "";
  Table table({{"SEED", true},
               {"POLICY"},
               {"MEAN WAIT", true},
               {"MEDIAN", true},
               {"P99", true},
               {"SLOWDOWN", true},
               {"MESSAGES/JOB", true}});
  for (std::size_t i = 0; i < comparison.seeds.size(); ++i) {
    for (const auto& run : comparison.runs) {
      std::vector<Cell> row{std::to_string(comparison.seeds[i]), name_of(run)};
      append(row, figure_cells(run.by_seed[i].all));
      row.emplace_back(decimal(run.by_seed[i].messages_per_job, 3));
      table.add(std::move(row));
    }
  }
  return table.text(look);
}

Json wait_json(const simulation::WaitFigures& f) {
  return {{"jobs", f.jobs},
          {"mean_wait_s", f.mean_wait_s},
          {"median_wait_s", f.median_wait_s},
          {"p99_wait_s", f.p99_wait_s},
          {"mean_bounded_slowdown", f.mean_bounded_slowdown}};
}

Json run_json(const SimulationReport& report, const PolicyRun& run) {
  Json told{{"policy", name_of(run)}};
  told.update(wait_json(middle(run, &Figures::all)));
  told["makespan_s"] = median_of(run, [](const Figures& f) { return static_cast<double>(f.makespan_s); });
  told["messages_per_job"] = median_of(run, [](const Figures& f) { return f.messages_per_job; });
  told["moves"] = median_of(run, [](const Figures& f) { return static_cast<double>(f.moves); });
  told["broker_jobs"] = wait_json(middle(run, &Figures::broker));
  told["local_jobs"] = wait_json(middle(run, &Figures::local));
  told["widest_jobs"] = wait_json(middle(run, &Figures::wide));
  told["utilisation"] = Json::object();
  for (std::size_t site = 0; site < report.sites.size(); ++site) {
    told["utilisation"][report.sites[site].id] =
        median_of(run, [&](const Figures& f) { return f.utilisation[std::min(site, f.utilisation.size() - 1)]; });
  }
  const auto& kinds = report.comparison.workload.kinds;
  if (!kinds.empty()) {
    told["violations"] = violations_of(run);
    told["labels"] = Json::object();
    for (std::size_t i = 0; i < kinds.size(); ++i) told["labels"][kinds[i].label] = wait_json(middle_of_kind(run, i));
  }
  told["ratios"] = Json::object();
  for (const auto& other : report.comparison.runs) {
    if (other.policy == run.policy) continue;
    told["ratios"][name_of(other)] = {
        {"mean_wait", median_ratio(run, other, mean_wait)},
        {"mean_bounded_slowdown", median_ratio(run, other, slowdown)},
        {"p99_wait", median_ratio(run, other, [](const Figures& f) { return f.all.p99_wait_s; })},
        {"broker_mean_wait", median_ratio(run, other, [](const Figures& f) { return f.broker.mean_wait_s; })},
        {"local_mean_wait", median_ratio(run, other, [](const Figures& f) { return f.local.mean_wait_s; })},
        {"widest_mean_wait", median_ratio(run, other, [](const Figures& f) { return f.wide.mean_wait_s; })}};
  }
  told["seeds"] = Json::array();
  for (std::size_t i = 0; i < run.by_seed.size(); ++i) {
    auto seed = wait_json(run.by_seed[i].all);
    seed["seed"] = report.comparison.seeds[i];
    seed["makespan_s"] = run.by_seed[i].makespan_s;
    seed["messages_per_job"] = run.by_seed[i].messages_per_job;
    seed["moves"] = run.by_seed[i].moves;
    told["seeds"].push_back(std::move(seed));
  }
  return told;
}

}  // namespace

std::string simulation_text(const SimulationReport& report, const Look& look) {
  const auto& comparison = report.comparison;
  return headline(report) + "Waits and makespan in seconds\n" + policies_table(comparison, look) + kinds_table(comparison, look) +
         rules_table(report, look) + sites_table(report, look) + ratios_table(comparison, look) + seeds_table(comparison, look);
}

std::string simulation_json(const SimulationReport& report) {
  const auto& workload = report.comparison.workload;
  Json told{{"trace", report.trace_file},
            {"jobs", workload.jobs.size()},
            {"left_out", report.left_out},
            {"clipped", workload.clipped},
            {"offered_load", static_cast<double>(workload.offered_load) / 1e6},
            {"sites", Json::array()},
            {"policies", Json::array()}};
  for (const auto& site : report.sites) {
    told["sites"].push_back({{"id", site.id},
                             {"processors", site.cores},
                             {"country", site.country.empty() ? Json(nullptr) : Json(site.country)},
                             {"local_share", static_cast<double>(site.local_share) / 1e6}});
  }
  if (!workload.kinds.empty()) {
    told["labels"] = Json::array();
    for (const auto& kind : workload.kinds) {
      Json sites = Json::array();
      for (const auto site : kind.allowed) sites.push_back(report.sites[site].id);
      told["labels"].push_back({{"label", kind.label}, {"sites", std::move(sites)}, {"kept_out", kind.kept_out}});
    }
  }
  for (const auto& run : report.comparison.runs) told["policies"].push_back(run_json(report, run));
  return told.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hansa::cli
