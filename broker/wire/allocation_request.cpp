// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/allocation_request.hpp"

#include "broker/wire/register_fields.hpp"

namespace hansa::wire {
namespace {

constexpr std::size_t kMaxName = 64;

/// "" is a fault where it is `required`.
std::string read_name(ObjectReader& fields, std::string_view name, bool required, std::string_view example) {
  auto text = fields.text(name, kMaxName);
  if (text.empty() && required) fields.fault(name, "is required, as \"" + std::string(example) + "\"");
  if (!text.empty() && !is_identifier(text, kMaxName))
    fields.fault(name, "must be up to 64 letters, digits, \"_\", \".\" and \"-\"");
  return text;
}

domain::Charge read_charge(ObjectReader& fields, std::string_view name) {
  const auto text = fields.text(name, kMaxName);
  const auto amount = domain::parse_charge(text);
  if (!amount) fields.fault(name, text.empty() ? "is required: a text, as \"5000\" or \"0.5\"" : amount.error().message);
  return amount.value_or(domain::Charge{});
}

Json time_view(const std::optional<UtcTime>& time) { return time ? Json(format_utc(*time)) : Json(); }

}  // namespace

Result<GrantRequest> grant_request_from_json(const Json& json) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  GrantRequest request;
  request.project = ProjectId(read_name(fields, "project", true, "ai-lab"));
  request.site = SiteId(read_name(fields, "site", false, "alpha"));
  request.unit = read_name(fields, "unit", true, "core-hours");
  request.amount = read_charge(fields, "amount");
  request.from = read_time(fields, "from");
  request.until = read_time(fields, "until");
  request.reason = read_reason(fields);
  return finished(fields, faults, std::move(request));
}

Result<BalanceRequest> balances_from_json(const Json& json) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  BalanceRequest request;
  request.reason = read_reason(fields);
  const auto* list = fields.field("balances");
  if (list == nullptr || !list->is_array())
    fields.fault("balances", "is required: a list of objects");
  else if (list->count > kMaxBalances)
    fields.fault("balances", "has more than " + std::to_string(kMaxBalances) + " entries: tell them in several requests");
  else {
    for (const auto& entry : list->members()) {
      ObjectReader row(entry, "/balances/" + std::to_string(&entry - list->first), faults);
      if (!entry.is_object()) continue;
      BalanceRow read;
      read.project = ProjectId(read_name(row, "project", false, "ai-lab"));
      read.account = read_name(row, "account", false, "proj1");
      if (read.project.empty() == read.account.empty()) row.fault("project", "is required, or else account, and not both");
      read.site = SiteId(read_name(row, "site", true, "alpha"));
      read.unit = read_name(row, "unit", true, "core-hours");
      read.left = read_charge(row, "left");
      read.as_of = read_time(row, "as_of");
      row.no_others();
      request.rows.push_back(std::move(read));
    }
  }
  return finished(fields, faults, std::move(request));
}

Json allocation_view(const domain::Allocation& allocation, UtcTime now) {
  const auto told = domain::forecast(allocation, now);
  const bool is_balance = allocation.kind == domain::AllocationKind::balance;
  const auto age = std::max(std::chrono::floor<Seconds>(now - allocation.from), Seconds{0});
  return {{"id", allocation.id.str()},
          {"kind", to_string(allocation.kind)},
          {"project", allocation.project.str()},
          {"site", allocation.site.empty() ? Json() : Json(allocation.site.str())},
          {"unit", allocation.unit},
          {"granted", allocation.granted.value},
          {"reserved", allocation.reserved.value},
          {"used", allocation.used.value},
          {"left", allocation.left().value},
          {"from", format_utc(allocation.from)},
          {"until", time_view(allocation.until)},
          {"age_s", is_balance ? Json(age.count()) : Json()},
          {"revoked_at", time_view(allocation.revoked_at)},
          {"by", allocation.by.str()},
          {"at", format_utc(allocation.at)},
          {"note", allocation.note},
          {"forecast",
           {{"per_day", told.per_day.value},
            {"spent_at", time_view(told.spent_at)},
            {"left_at_end", told.left_at_end ? Json(told.left_at_end->value) : Json()}}}};
}

}  // namespace hansa::wire
