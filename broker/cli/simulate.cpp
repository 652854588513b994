// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/files.hpp"
#include "broker/cli/policy_packs.hpp"
#include "broker/cli/simulation_report.hpp"
#include "simulation/plots.hpp"
#include "simulation/sites_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <string>
#include <system_error>

namespace hansa::cli {
namespace {

constexpr std::int64_t kMostSeeds = 1000;
constexpr std::int64_t kMostSample = 1'000'000;
constexpr std::size_t kMostSitesBytes = std::size_t{1} << 20U;

std::unexpected<Error> simulate_usage(const std::string& message) { return usage(message + "; see hansa simulate --help"); }

std::optional<std::int64_t> whole(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) return std::nullopt;
  return value;
}

/// "0.85" as millionths.
std::optional<std::int64_t> load_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0.01 && value <= 10)) return std::nullopt;
  return std::llround(value * 1e6);
}

Result<std::vector<simulation::Policy>> policies_of(const Invocation& call) {
  std::vector<simulation::Policy> policies;
  for (auto names : call.values("--policy")) {
    while (true) {
      const auto comma = std::min(names.find(','), names.size());
      const auto name = names.substr(0, comma);
      const auto policy = simulation::parse_policy(name);
      if (!policy) {
        return simulate_usage("--policy: \"" + printable(name.substr(0, 40)) +
                              "\" is none; allowed: hansa, home, random, shortest-queue, earliest-start, redundant, merged");
      }
      if (std::ranges::find(policies, *policy) == policies.end()) policies.push_back(*policy);
      if (comma == names.size()) break;
      names.remove_prefix(comma + 1);
    }
  }
  if (policies.empty()) policies.push_back(simulation::Policy::hansa);
  return policies;
}

/// Adds what --add-capacity says.
Result<void> grow(std::vector<simulation::SimulatedSite>& sites, const Invocation& call) {
  for (const auto text : call.values("--add-capacity")) {
    const auto colon = text.rfind(':');
    const auto id = text.substr(0, std::min(colon, text.size()));
    const auto site = std::ranges::find(sites, id, &simulation::SimulatedSite::id);
    const auto cores =
        colon == std::string_view::npos ? std::nullopt : whole(text.substr(colon + 1), 1, simulation::kMostSiteCores);
    if (!cores) {
      return simulate_usage("--add-capacity: \"" + printable(text.substr(0, 60)) + "\" is no SITE:CORES with 1 to " +
                            std::to_string(simulation::kMostSiteCores) + " cores");
    }
    if (site == sites.end())
      return simulate_usage("--add-capacity: there is no site \"" + printable(id.substr(0, 40)) + "\" in the sites file");
    site->cores += *cores;
    if (site->cores > simulation::kMostSiteCores)
      return simulate_usage("--add-capacity: a site has at most " + std::to_string(simulation::kMostSiteCores) + " cores");
  }
  return {};
}

/// The sites that --hidden names: "all", or ids.
Result<void> hide(std::vector<simulation::SimulatedSite>& sites, const Invocation& call) {
  for (auto names : call.values("--hidden")) {
    while (true) {
      const auto comma = std::min(names.find(','), names.size());
      const auto name = names.substr(0, comma);
      const auto site = std::ranges::find(sites, name, &simulation::SimulatedSite::id);
      if (name == "all") {
        for (auto& each : sites) each.hidden = true;
      } else if (site == sites.end()) {
        return simulate_usage("--hidden: there is no site \"" + printable(name.substr(0, 40)) +
                              "\" in the sites file; name some, or all");
      } else {
        site->hidden = true;
      }
      if (comma == names.size()) break;
      names.remove_prefix(comma + 1);
    }
  }
  return {};
}

/// "personal=0.2", of the vocabulary's labels, together at most 1.
Result<std::vector<simulation::LabelShare>> labels_of(const Invocation& call) {
  std::vector<simulation::LabelShare> labels;
  std::int64_t all = 0;
  for (const auto text : call.values("--label")) {
    const auto equals = std::min(text.find('='), text.size());
    const std::string name(text.substr(0, equals));
    double share = -1;
    if (equals < text.size()) {
      const auto number = text.substr(equals + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), share);
      if (error != std::errc{} || end != number.data() + number.size()) share = -1;
    }
    const auto known = rules::data_labels();
    if (std::ranges::find(known, name) == known.end() || !(share >= 0 && share <= 1)) {
      return simulate_usage("--label: \"" + printable(text.substr(0, 60)) +
                            "\" is no NAME=SHARE with a label of the rules (open, internal, personal, health, trade-secret, "
                            "export-controlled) and a share from 0 to 1");
    }
    if (std::ranges::find(labels, name, &simulation::LabelShare::label) != labels.end())
      return simulate_usage("--label: " + name + " is there twice");
    labels.push_back({.label = name, .share = std::llround(share * 1e6)});
    all += labels.back().share;
  }
  if (all > 1'000'000) return simulate_usage("--label: the shares are more than 1 together");
  return labels;
}

/// What --rules and --label say; none without --rules.
Result<std::optional<simulation::RulesOfPlay>> rules_of(const Session& session, const Invocation& call,
                                                        std::span<const simulation::Policy> policies,
                                                        const std::string& sites_text, const std::string& sites_file,
                                                        std::optional<rules::RuleSet>& rules) {
  std::vector<std::string> packs;
  for (const auto pack : call.values("--rules")) packs.emplace_back(pack);
  if (packs.empty()) {
    if (call.has("--label") || call.has("--at")) return simulate_usage("--label and --at say nothing without --rules");
    return std::nullopt;
  }
  for (const auto policy : policies) {
    if (policy == simulation::Policy::home || policy == simulation::Policy::merged)
      return simulate_usage("--policy " + std::string(to_string(policy)) + " asks no rules; name others with --rules");
  }
  auto at = Result<UtcTime>(session.now());
  if (const auto text = call.value("--at")) at = parse_utc(*text);
  if (!at) return simulate_usage("--at must be a day, as 2027-01-31");
  auto labels = labels_of(call);
  if (!labels) return std::unexpected(labels.error());
  auto read = read_packs(packs);
  if (!read) return std::unexpected(read.error());
  auto compiled = rules::RuleSet::compile(std::move(*read));
  if (!compiled) return std::unexpected(compiled.error());
  rules.emplace(std::move(*compiled));
  auto facts = rules::parse_sites(sites_text, sites_file, *at);
  if (!facts) return std::unexpected(facts.error());
  auto given = rules::parse_given_facts(sites_text, sites_file, *at);
  if (!given) return std::unexpected(given.error());
  return simulation::RulesOfPlay(*rules, *at, std::move(*facts), std::move(*given), std::move(*labels));
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
  const auto failed = [&] {
    return fail(ErrorKind::invalid_argument, "UNWRITABLE_FILE",
                "cannot write " + path + ": " + std::generic_category().message(errno));
  };
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failed();
  while (!bytes.empty()) {
    const auto wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      auto error = failed();
      ::close(fd);
      return error;
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::close(fd) != 0) return failed();
  return {};
}

Result<void> write_plots(const std::string& folder, const std::vector<simulation::Plot>& plots) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail(ErrorKind::invalid_argument, "UNWRITABLE_FILE",
                "cannot make the folder " + folder + ": " + std::generic_category().message(errno));
  }
  for (const auto& plot : plots) {
    if (auto written = write_file(folder + "/" + plot.file, plot.svg); !written) return written;
  }
  return {};
}

}  // namespace

Result<ExitStatus> simulate(Session& session, const Invocation& call) {
  const auto trace_file = call.value("--trace");
  const auto sites_file = call.value("--sites");
  if (!trace_file || !sites_file) return simulate_usage("a simulation needs --trace FILE and --sites FILE");
  simulation::ComparisonOptions options;
  if (const auto text = call.value("--load")) {
    options.load = load_of(*text);
    if (!options.load) return simulate_usage("--load must be a number from 0.01 to 10, as 0.85");
  }
  if (const auto text = call.value("--seeds")) {
    const auto seeds = whole(*text, 1, kMostSeeds);
    if (!seeds) return simulate_usage("--seeds must be a number from 1 to " + std::to_string(kMostSeeds));
    options.seeds = *seeds;
  }
  if (const auto text = call.value("--sample")) {
    const auto one_in = whole(*text, 1, kMostSample);
    if (!one_in) return simulate_usage("--sample must be a number from 1 to " + std::to_string(kMostSample));
    options.one_in = *one_in;
  }
  const auto policies = policies_of(call);
  if (!policies) return std::unexpected(policies.error());

  const auto text = read_file(std::string(*sites_file), kMostSitesBytes);
  if (!text) return std::unexpected(text.error());
  const auto sites = simulation::parse_sites(text->text, std::string(*sites_file));
  if (!sites) return std::unexpected(sites.error());
  auto grown = *sites;
  if (const auto good = grow(grown, call); !good) return std::unexpected(good.error());
  if (const auto good = hide(grown, call); !good) return std::unexpected(good.error());
  std::optional<rules::RuleSet> rules;
  const auto play = rules_of(session, call, *policies, text->text, std::string(*sites_file), rules);
  if (!play) return std::unexpected(play.error());
  if (*play) options.rules = &**play;
  const auto trace = simulation::read_swf(std::string(*trace_file));
  if (!trace) return std::unexpected(trace.error());

  const auto comparison = simulation::compare(*trace, *sites, grown, *policies, options);
  if (!comparison) return std::unexpected(comparison.error());
  if (const auto folder = call.value("--plot")) {
    if (const auto written = write_plots(std::string(*folder), simulation::plots_of(*comparison, grown)); !written)
      return std::unexpected(written.error());
  }
  const SimulationReport report{
      .trace_file = std::string(*trace_file), .left_out = trace->without_run, .sites = grown, .comparison = *comparison};
  session.print(call.has("--json") ? simulation_json(report) : simulation_text(report, session.look()));
  return ExitStatus::done;
}

}  // namespace hansa::cli
