// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/balance_files.hpp"

#include "broker/core/suggest.hpp"
#include "broker/domain/account_limit.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace hansa::cli {
namespace {

constexpr std::array<std::string_view, 6> kColumns{"project", "account", "site", "unit", "left", "as_of"};
constexpr std::size_t kDepth = 12;

std::unexpected<Error> refuse(const std::string& where, const std::string& what) {
  return fail(ErrorKind::invalid_argument, "BAD_BALANCES", where + ": " + what);
}

/// The records of a CSV file, with the line that each begins at.
struct Record {
  std::size_t line = 1;
  std::vector<std::string> fields;
};
Result<std::vector<Record>> records_of(std::string_view text) {
  std::vector<Record> records;
  std::size_t line = 1;
  while (!text.empty()) {
    Record record{.line = line, .fields = {}};
    for (bool more = true; more;) {
      std::string field;
      if (text.starts_with('"')) {
        text.remove_prefix(1);
        for (;;) {
          const auto quote = text.find('"');
          if (quote == std::string_view::npos) return refuse("line " + std::to_string(record.line), "a quote is not closed");
          line += static_cast<std::size_t>(std::ranges::count(text.substr(0, quote), '\n'));
          field += text.substr(0, quote);
          text.remove_prefix(quote + 1);
          if (!text.starts_with('"')) break;
          field += '"';
          text.remove_prefix(1);
        }
      } else {
        const auto end = std::min(text.find_first_of(",\r\n"), text.size());
        field = text.substr(0, end);
        text.remove_prefix(end);
      }
      record.fields.push_back(std::move(field));
      more = text.starts_with(',');
      if (more) text.remove_prefix(1);
    }
    if (text.starts_with('\r')) text.remove_prefix(1);
    if (!text.empty() && !text.starts_with('\n'))
      return refuse("line " + std::to_string(line), "after a quoted field comes a comma or the end of the line");
    if (text.starts_with('\n')) text.remove_prefix(1);
    ++line;
    if (record.fields.size() > 1 || !record.fields.front().empty()) records.push_back(std::move(record));
  }
  return records;
}

Result<Json> from_csv(std::string_view text, const BalanceOptions& options) {
  const auto records = records_of(text);
  if (!records) return std::unexpected(records.error());
  if (records->empty())
    return refuse("line 1", "the file is empty: it begins with a line of names, as project,site,unit,left,as_of");
  const auto& names = records->front().fields;
  for (const auto& name : names) {
    if (std::ranges::find(kColumns, name) == kColumns.end())
      return refuse("line 1", "\"" + name.substr(0, 40) + "\" is no column" + did_you_mean(name, kColumns) +
                                  "; there are: project, account, site, unit, left, as_of");
  }
  Json list = Json::array();
  for (std::size_t i = 1; i < records->size(); ++i) {
    const auto& record = (*records)[i];
    if (record.fields.size() != names.size())
      return refuse("line " + std::to_string(record.line), "has " + std::to_string(record.fields.size()) +
                                                               " fields, and the first line " + std::to_string(names.size()));
    Json row = Json::object();
    for (std::size_t column = 0; column < names.size(); ++column) {
      if (!record.fields[column].empty()) row[names[column]] = record.fields[column];
    }
    if (options.site && !row.contains("site")) row["site"] = *options.site;
    list.push_back(std::move(row));
  }
  return list;
}

/// Of a component: numbers of any kind, as Waldur has them. Parts of a thousandth are not given away.
std::string left_of(const Json& limit, const Json& usage) {
  const auto left = limit.get<double>() - (usage.is_number() ? usage.get<double>() : 0.0);
  const auto most = domain::kMostCharge.value / domain::kChargesPerUnit;
  const auto thousandths = std::floor(std::clamp(left, 0.0, static_cast<double>(most)) * 1'000.0);
  return domain::format_charge({static_cast<std::int64_t>(thousandths) * (domain::kChargesPerUnit / 1'000)});
}

bool is_waldurs(const Json& entry) { return entry.is_object() && entry.contains("limits") && entry.contains("backend_id"); }

Result<Json> from_waldur(const Json& resources, const BalanceOptions& options) {
  if (!options.site || options.components.empty())
    return refuse("the file",
                  "holds Waldur's resources, which do not say what the site and its units are called here: give --site SITE "
                  "and --component NAME=UNIT, as --component gpu=GPU-hours");
  Json list = Json::array();
  for (std::size_t i = 0; i < resources.size(); ++i) {
    const auto where = "entry " + std::to_string(i + 1);
    const auto& resource = resources[i];
    if (!is_waldurs(resource) || !resource["backend_id"].is_string() || !resource["limits"].is_object())
      return refuse(where, "is no resource of Waldur's: it needs backend_id and limits");
    const auto& account = resource["backend_id"].get_ref<const std::string&>();
    if (account.empty()) continue;  // not made at the site yet
    const auto usages = resource.contains("current_usages") ? resource["current_usages"] : Json();
    for (const auto& [component, unit] : options.components) {
      const auto limit = resource["limits"].find(component);
      if (limit == resource["limits"].end() || !limit->is_number()) continue;
      const auto used = usages.is_object() && usages.contains(component) ? usages[component] : Json();
      Json row{{"account", account}, {"site", *options.site}, {"unit", unit}, {"left", left_of(*limit, used)}};
      if (const auto synced = resource.find("last_sync"); synced != resource.end() && synced->is_string()) row["as_of"] = *synced;
      list.push_back(std::move(row));
    }
  }
  return list;
}

// ---- sshare

/// Parts of a thousandth are not given away.
std::string thousandths_of(domain::Charge left) {
  constexpr auto kThousandth = domain::kChargesPerUnit / 1'000;
  return domain::format_charge({left.value / kThousandth * kThousandth});
}

Result<Json> from_sshare(std::string_view text, const BalanceOptions& options) {
  if (!options.site || options.components.empty())
    return refuse("the file",
                  "is sshare's, which does not say what the site and its units are called here: give --site SITE and "
                  "--component TRES=UNIT, as --component cpu=core-hours");
  const auto limits = domain::parse_sshare(text);
  if (!limits) return fail(ErrorKind::invalid_argument, "BAD_BALANCES", limits.error().message);
  Json list = Json::array();
  for (const auto& odd : limits->odd) {
    if (std::ranges::any_of(options.components, [&](const auto& one) { return one.first == odd.resource; }))
      return fail(ErrorKind::invalid_argument, "BAD_BALANCES", odd.why);
  }
  for (const auto& [account, limit] : limits->limits) {
    for (const auto& [component, unit] : options.components) {
      if (component != limit.resource) continue;
      list.push_back({{"account", account}, {"site", *options.site}, {"unit", unit}, {"left", thousandths_of(limit.left())}});
    }
  }
  return list;
}

Result<Json> from_json(std::string_view text, const BalanceOptions& options) {
  auto json = parse_json(text, kDepth);
  if (!json) return std::unexpected(json.error());
  Json list = json->is_object() && json->contains("balances") ? (*json)["balances"] : std::move(*json);
  if (!list.is_array()) return refuse("the file", "is neither a list of balances nor an object with such a list as \"balances\"");
  if (std::ranges::any_of(list, is_waldurs)) return from_waldur(list, options);
  for (auto& row : list) {
    if (!row.is_object()) continue;  // the broker says what is wrong with it
    if (options.site && !row.contains("site")) row["site"] = *options.site;
    if (const auto left = row.find("left"); left != row.end() && left->is_number()) row["left"] = left_of(*left, Json());
  }
  return list;
}

}  // namespace

Result<Json> balances_in(std::string_view text, const BalanceOptions& options) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto begin = text.find_first_not_of(" \t\r\n");
  const bool is_json = begin != std::string_view::npos && (text[begin] == '[' || text[begin] == '{');
  const bool is_sshare = text.substr(0, text.find('\n')).contains('|');
  return is_json ? from_json(text, options) : is_sshare ? from_sshare(text, options) : from_csv(text, options);
}

}  // namespace hansa::cli
