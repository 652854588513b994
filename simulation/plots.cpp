// SPDX-License-Identifier: Apache-2.0
#include "simulation/plots.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <utility>

namespace hansa::simulation {
namespace {

constexpr double kWidth = 760, kHeight = 420, kLeft = 70, kRight = 170, kTop = 40, kBottom = 50;
constexpr double kAcross = kWidth - kLeft - kRight, kDown = kHeight - kTop - kBottom;
constexpr std::size_t kMostPoints = 400;

/// Distinct also to most people who see colours differently (Okabe and Ito, 2008).
constexpr std::array<std::string_view, 7> kColours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};

std::string number(double value) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.1f", value);
  return {text.data(), static_cast<std::size_t>(std::clamp(size, 0, 31))};
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + std::string(anchor) + "\">" +
         std::string(text) + "</text>\n";
}

std::string line_from(double x1, double y1, double x2, double y2, std::string_view colour) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
         "\" stroke=\"" + std::string(colour) + "\"/>\n";
}

std::string box(double x, double y, double width, double height, std::string_view colour) {
  return "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) + "\" height=\"" + number(height) +
         "\" fill=\"" + std::string(colour) + "\"/>\n";
}

/// A frame with a title and the policies' names beside it.
std::string begin(std::string_view title, const Comparison& comparison) {
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(kWidth) + "\" height=\"" + number(kHeight) +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n" + box(0, 0, kWidth, kHeight, "#ffffff") +
                    text_at(kLeft, kTop - 15, "start", title) +
                    line_from(kLeft, kTop + kDown, kLeft + kAcross, kTop + kDown, "#444") +
                    line_from(kLeft, kTop, kLeft, kTop + kDown, "#444");
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const double y = kTop + 10 + 18.0 * static_cast<double>(i);
    svg += box(kLeft + kAcross + 15, y - 9, 10, 10, kColours[i % kColours.size()]);
    svg += text_at(kLeft + kAcross + 32, y, "start", to_string(comparison.runs[i].policy));
  }
  return svg;
}

std::string y_mark(double share, std::string_view label) {
  const double y = kTop + kDown * (1 - share);
  return line_from(kLeft, y, kLeft + kAcross, y, "#ddd") + text_at(kLeft - 8, y + 4, "end", label);
}

/// A step line through points in the unit square, thinned to what can be seen.
std::string curve(const std::vector<std::pair<double, double>>& points, std::string_view colour) {
  std::string svg = "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"" + std::string(colour) + "\" points=\"";
  for (const auto& [x, y] : points) svg += number(kLeft + kAcross * x) + "," + number(kTop + kDown * (1 - y)) + " ";
  return svg + "\"/>\n";
}

double log_place(double seconds, double most) { return std::log10(1 + seconds) / std::log10(1 + most); }

/// Waiting jobs at each of kMostPoints equal steps of time up to `until`.
std::vector<std::int64_t> waiting_over_time(const Comparison& comparison, const PolicyRun& run, Instant until) {
  std::vector<std::int64_t> change(kMostPoints + 1, 0);
  const auto step_of = [&](Instant t) {
    return static_cast<std::size_t>(
        std::min<double>(static_cast<double>(t) * kMostPoints / static_cast<double>(until), kMostPoints));
  };
  for (std::size_t i = 0; i < run.fates.size(); ++i) {
    ++change[step_of(comparison.workload.jobs[i].submit)];
    --change[step_of(run.fates[i].started)];
  }
  for (std::size_t i = 1; i < change.size(); ++i) change[i] += change[i - 1];
  return change;
}

}  // namespace

std::string waits_plot(const Comparison& comparison) {
  auto svg = begin("share of jobs that waited no longer than", comparison);
  for (const auto& [share, label] : {std::pair(0.0, "0 %"), {0.25, "25 %"}, {0.5, "50 %"}, {0.75, "75 %"}, {1.0, "100 %"}})
    svg += y_mark(share, label);
  std::vector<std::vector<double>> waits;
  double most = 60;
  for (const auto& run : comparison.runs) {
    auto& of_run = waits.emplace_back();
    for (std::size_t i = 0; i < run.fates.size(); ++i)
      of_run.push_back(static_cast<double>(run.fates[i].started - comparison.workload.jobs[i].submit));
    std::ranges::sort(of_run);
    most = std::max(most, of_run.back());
  }
  for (const auto& [seconds, label] : {std::pair(0.0, "0"),
                                       {60.0, "1 min"},
                                       {600.0, "10 min"},
                                       {3600.0, "1 h"},
                                       {36'000.0, "10 h"},
                                       {864'000.0, "10 d"},
                                       {8.64e6, "100 d"}}) {
    if (seconds > most) break;
    const double x = kLeft + kAcross * log_place(seconds, most);
    svg += line_from(x, kTop + kDown, x, kTop + kDown + 5, "#444") + text_at(x, kTop + kDown + 20, "middle", label);
  }
  for (std::size_t run = 0; run < waits.size(); ++run) {
    std::vector<std::pair<double, double>> points;
    const auto n = waits[run].size();
    for (std::size_t i = 0; i <= kMostPoints; ++i) {
      const auto rank = std::max<std::size_t>(i * n / kMostPoints, 1);
      points.emplace_back(log_place(waits[run][rank - 1], most), static_cast<double>(rank) / static_cast<double>(n));
    }
    svg += curve(points, kColours[run % kColours.size()]);
  }
  return svg + "</svg>\n";
}

std::string queue_plot(const Comparison& comparison) {
  auto svg = begin("jobs waiting, over time", comparison);
  Instant until = 1;
  for (const auto& run : comparison.runs) until = std::max(until, run.by_seed.front().makespan_s);
  std::vector<std::vector<std::int64_t>> waiting;
  std::int64_t most = 1;
  for (const auto& run : comparison.runs) {
    waiting.push_back(waiting_over_time(comparison, run, until));
    most = std::max(most, std::ranges::max(waiting.back()));
  }
  for (const double share : {0.0, 0.5, 1.0}) svg += y_mark(share, number(static_cast<double>(most) * share));
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    svg +=
        text_at(kLeft + kAcross * share, kTop + kDown + 20, "middle", number(static_cast<double>(until) * share / 86'400) + " d");
  }
  for (std::size_t run = 0; run < waiting.size(); ++run) {
    std::vector<std::pair<double, double>> points;
    for (std::size_t i = 0; i <= kMostPoints; ++i) {
      points.emplace_back(static_cast<double>(i) / kMostPoints, static_cast<double>(waiting[run][i]) / static_cast<double>(most));
    }
    svg += curve(points, kColours[run % kColours.size()]);
  }
  return svg + "</svg>\n";
}

std::string sites_plot(const Comparison& comparison, const std::vector<SimulatedSite>& sites) {
  auto svg = begin("utilisation between the first submit and the last", comparison);
  for (const auto& [share, label] : {std::pair(0.0, "0 %"), {0.5, "50 %"}, {1.0, "100 %"}}) svg += y_mark(share, label);
  const double group = kAcross / static_cast<double>(sites.size());
  const double bar = group * 0.8 / static_cast<double>(comparison.runs.size());
  for (std::size_t site = 0; site < sites.size(); ++site) {
    const double from = kLeft + group * static_cast<double>(site) + group * 0.1;
    for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
      const auto& used = comparison.runs[run].by_seed.front().utilisation;
      const double share = std::clamp(used[std::min(site, used.size() - 1)], 0.0, 1.0);  // merged has one figure for all
      svg += box(from + bar * static_cast<double>(run), kTop + kDown * (1 - share), bar * 0.9, kDown * share,
                 kColours[run % kColours.size()]);
    }
    svg += text_at(from + group * 0.4, kTop + kDown + 20, "middle", sites[site].id);
  }
  return svg + "</svg>\n";
}

std::vector<Plot> plots_of(const Comparison& comparison, const std::vector<SimulatedSite>& sites) {
  return {
      {"waits.svg", waits_plot(comparison)}, {"queue.svg", queue_plot(comparison)}, {"sites.svg", sites_plot(comparison, sites)}};
}

}  // namespace hansa::simulation
