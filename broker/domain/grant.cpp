// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/grant.hpp"

#include "broker/core/time_text.hpp"
#include "broker/domain/json_fields.hpp"
#include "broker/domain/variant.hpp"

#include <algorithm>
#include <cctype>

namespace hansa::domain {

namespace {

/// Slurm keeps accounts in small letters, however they are written.
bool same_account(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

Grant joined(Grant later, const Grant& before) {
  const auto take = [](auto& value, const auto& known) {
    if (value == std::remove_cvref_t<decltype(value)>{}) value = known;
  };
  take(later.nodes, before.nodes);
  take(later.tasks, before.tasks);
  take(later.cores, before.cores);
  take(later.gpus, before.gpus);
  take(later.memory, before.memory);
  take(later.time_limit, before.time_limit);
  take(later.queue, before.queue);
  take(later.account, before.account);
  take(later.exclusive, before.exclusive);
  return later;
}

Reason compare(const JobSpec& spec, const Attempt& attempt, const Grant& grant) {
  const auto& r = resources_of(spec, attempt.variant);
  Reason reason;
  const auto differs = [&](std::string_view code, std::string text) {
    reason.code = code;
    reason.message += (reason.message.empty() ? "" : "; ") + std::move(text);
  };
  if (!grant.queue.empty() && !attempt.queue.empty() && grant.queue != attempt.queue)
    differs(kGrantedElsewhere, "queue " + grant.queue.str() + ", not " + attempt.queue.str());
  const auto less = [&](const char* what, std::int64_t given, std::int64_t asked) {
    if (given > 0 && given < asked) differs(kGrantedLess, std::to_string(given) + " of " + std::to_string(asked) + " " + what);
  };
  less("nodes", grant.nodes, r.nodes);
  less("tasks", grant.tasks, r.tasks);
  less("cores", grant.cores, std::int64_t{r.tasks} * r.cpus_per_task);
  less("MiB of memory", grant.memory.value, r.memory_per_node.value * r.nodes);
  less("GPUs", grant.gpus, std::int64_t{r.gpus_per_node} * r.nodes);
  if (grant.time_limit.count() > 0 && grant.time_limit < spec.time_limit)
    differs(kGrantedLess, "a time limit of " + format_duration(grant.time_limit) + ", not " + format_duration(spec.time_limit));
  if (r.exclusive && grant.exclusive == false) differs(kGrantedLess, "nodes that others share");
  if (!grant.account.empty() && !attempt.scheduler_account.empty() && !same_account(grant.account, attempt.scheduler_account))
    differs(kOtherAccount, "account " + grant.account + ", not " + attempt.scheduler_account);
  if (!reason.code.empty())
    reason.message = "site " + attempt.site.str() + " has changed what was asked for: it gives " + reason.message;
  return reason;
}

Json to_json(const Grant& grant) {
  Json json = Json::object();
  const auto put_number = [&](const char* key, std::int64_t value) {
    if (value != 0) json[key] = value;
  };
  put_number("nodes", grant.nodes);
  put_number("tasks", grant.tasks);
  put_number("cores", grant.cores);
  put_number("gpus", grant.gpus);
  put_number("memory_mib", grant.memory.value);
  put_number("time_limit_s", grant.time_limit.count());
  if (!grant.queue.empty()) json["queue"] = grant.queue.str();
  if (!grant.account.empty()) json["scheduler_account"] = grant.account;
  put(json, "exclusive", grant.exclusive);
  return json;
}

Result<Grant> grant_from_json(const Json& json) {
  FieldReader f(json);
  Grant grant{.nodes = f.optional_small("nodes").value_or(0),
              .tasks = f.optional_small("tasks").value_or(0),
              .cores = f.optional_small("cores").value_or(0),
              .gpus = f.optional_small("gpus").value_or(0),
              .memory = {json.is_object() && json.contains("memory_mib") ? f.integer("memory_mib") : 0},
              .time_limit = f.optional_seconds("time_limit_s").value_or(Seconds{0}),
              .queue = f.name<QueueName>("queue"),
              .account = f.text_or_empty("scheduler_account"),
              .exclusive = std::nullopt};
  if (json.is_object() && json.contains("exclusive")) grant.exclusive = f.flag("exclusive");
  if (!f.ok()) return f.error("grant");
  return grant;
}

}  // namespace hansa::domain
