// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/explanation.hpp"

#include "broker/cli/session.hpp"
#include "broker/domain/fair_share.hpp"

#include <algorithm>
#include <tuple>

namespace hansa::cli {
namespace {

std::string source_text(const Json& verdict) {
  auto text = shown(verdict, "source");
  if (const auto age = number(verdict, "age_s")) text += " " + duration_text(Seconds{*age}) + " old";
  return text;
}

/// The queue's time or the data's, whichever is longer.
std::optional<std::int64_t> start_of(const Json& verdict) {
  const auto wait = number(verdict, "wait_s");
  const auto stage = number(member(verdict, "stage_in"), "time_s");
  return wait && stage ? std::max(*wait, *stage) : wait;
}

/// "20m", where data have to come.
std::string data_text(const Json& verdict) {
  const auto time = number(member(verdict, "stage_in"), "time_s");
  return time ? duration_text(Seconds{*time}) : "";
}

/// "4.1 GB to come: d1 from alpha"
std::string sources_text(const Json& verdict) {
  const auto& stage = member(verdict, "stage_in");
  const auto bytes = number(stage, "bytes");
  if (!bytes) return {};
  std::string from;
  if (const auto& sources = member(stage, "from"); sources.is_array()) {
    for (const auto& source : sources)
      from += (from.empty() ? "" : ", ") + shown(source, "dataset") + " from " + shown(source, "site");
  }
  return size_text(*bytes) + (member(stage, "under_way") == true ? " on their way: " : " to come: ") + from;
}

/// "in 10m"
std::string in_text(std::int64_t seconds) { return seconds == 0 ? "now" : "in " + duration_text(Seconds{seconds}); }

std::string wait_text(const Json& verdict) {
  const auto wait = number(verdict, "wait_s");
  return !wait ? "no estimate" : *wait == 0 ? "none" : duration_text(Seconds{*wait});
}

/// "in 10m (up to 45m)": half of such jobs have started by then, nine in ten by the other.
std::string start_text(const Json& verdict) {
  const auto start = start_of(verdict);
  if (!start) return "no estimate";
  const auto most = number(verdict, "wait_p90_s");
  return in_text(*start) + (most && *most > *start ? " (up to " + duration_text(Seconds{*most}) + ")" : "");
}

/// What was predicted first, and what made the range of it.
std::string correction_text(const Json& verdict) {
  const auto& correction = member(verdict, "correction");
  const auto count = number(correction, "count");
  if (!count) return {};
  const auto likeness = raw_text(correction, "likeness");
  const auto predicted = number(verdict, "predicted_s");
  std::string text =
      predicted ? "first predicted " + (*predicted == 0 ? "now" : duration_text(Seconds{*predicted})) + ", corrected by" : "by";
  text += " the last " + std::to_string(*count) + " starts";
  if (likeness == "project") text += " of this project and size";
  if (likeness == "size") text += " of this size";
  return text;
}

std::vector<Cell> verdict_row(const Json& verdict, bool chosen) {
  const auto site = shown(verdict, "site");
  if (raw_text(verdict, "obstacle") != "none") {
    const bool never = raw_text(verdict, "obstacle") == "permanent";
    return {site, Cell(never ? "no" : "not now", never ? Tint::bad : Tint::odd), "", "",
            "",   shown(verdict, "code") + ": " + shown(verdict, "message")};
  }
  std::string how;
  for (const auto& part :
       {sources_text(verdict), shown(verdict, "queue").empty() ? std::string() : "queue " + shown(verdict, "queue"),
        shown(verdict, "variant").empty() ? std::string() : "variant " + shown(verdict, "variant"), shown(verdict, "method"),
        correction_text(verdict), source_text(verdict)}) {
    if (!part.empty()) how += (how.empty() ? "" : ", ") + part;
  }
  return {site,
          Cell(chosen ? "chosen" : "possible", chosen ? Tint::good : Tint::none),
          wait_text(verdict),
          data_text(verdict),
          start_text(verdict),
          how};
}

}  // namespace

std::string explanation(const Json& decision, const Look& look) {
  const auto site = shown(decision, "site");
  const auto& job = member(decision, "job");
  const auto id = shown(job, "id");
  const auto name = shown(job, "name");
  auto head =
      id.empty() ? std::string("the job") : "job " + id + (name.empty() ? "" : " (" + name + ")") + ", " + shown(job, "state");
  const auto verb = id.empty() ? std::string(" would go to ") : std::string("; decided for ");
  const auto none = !id.empty() ? "; no site was chosen" : is_never(decision) ? " would be rejected" : " would be held";
  head += site.empty() ? std::string(none) : verb + site;
  const auto why = shown(member(decision, "reason"), "message");
  if (!why.empty()) head += ": " + why;
  auto out = head + "\n";
  if (const auto at = shown(decision, "at"); !at.empty()) out += "decided " + at + "\n";
  const auto& share = member(decision, "fair_share");
  if (const auto used = number(share, "used_ppm"); used) {
    const domain::FairShare told{.share_ppm = number(share, "share_ppm").value_or(0),
                                 .used_ppm = *used,
                                 .factor_ppm = number(share, "factor_ppm").value_or(0)};
    out += "its turn: project " + shown(share, "project") + " has " + domain::to_text(told) + "\n";
  }
  out += "\n";

  Table table({{"SITE"}, {"VERDICT"}, {"WAIT"}, {"DATA"}, {"START"}, {"WHY", false, true}});
  const auto& verdicts = member(decision, "verdicts");
  // The chosen one first, then by their wait, then those that cannot take it; equal ones in the order of the sites.
  std::vector<const Json*> order;
  if (verdicts.is_array()) {
    for (const auto& verdict : verdicts) order.push_back(&verdict);
  }
  const auto chosen = raw_text(decision, "site");
  std::ranges::sort(order, {}, [&](const Json* verdict) {
    const auto obstacle = raw_text(*verdict, "obstacle");
    const int group = !chosen.empty() && raw_text(*verdict, "site") == chosen ? 0
                      : obstacle == "none"                                    ? 1
                      : obstacle == "temporary"                               ? 2
                                                                              : 3;
    return std::tuple(group, group == 1 ? start_of(*verdict).value_or(INT64_MAX) : 0,
                      verdict);  // elements of one array: in its order
  });
  for (const auto* verdict : order) table.add(verdict_row(*verdict, !chosen.empty() && raw_text(*verdict, "site") == chosen));
  Look uncut = look;
  uncut.width = 0;  // the reasons are what is asked for
  return out + (table.empty() ? "the broker has no sites\n" : table.text(uncut));
}

bool is_never(const Json& decision) {
  const auto& verdicts = member(decision, "verdicts");
  return raw_text(decision, "site").empty() && verdicts.is_array() && !verdicts.empty() &&
         std::ranges::all_of(verdicts, [](const Json& verdict) { return raw_text(verdict, "obstacle") == "permanent"; });
}

}  // namespace hansa::cli
