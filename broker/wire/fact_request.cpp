// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/fact_request.hpp"

#include "broker/wire/register_fields.hpp"

namespace hansa::wire {

Result<FactRequest> fact_from_json(const Json& json) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  FactRequest request;
  const auto subject = fields.text("subject", 256);
  if (auto parsed = domain::parse_subject(subject))
    request.key.subject = std::move(*parsed);
  else
    fields.fault("subject", "is required: " + parsed.error().message);
  request.key.attribute = fields.text("attribute", 64);
  if (request.key.attribute.empty()) fields.fault("attribute", "is required: as in \"site.operator_country\"");
  if (!json.contains("value")) fields.fault("value", "is required: null if nothing is known any more");
  if (fields.field("value") != nullptr) request.value = json["value"];
  request.as_of = read_time(fields, "as_of");
  request.until = read_time(fields, "until");
  request.evidence = read_line(fields, "evidence");
  request.reason = read_reason(fields);
  if (!request.value) {
    for (const auto* name : {"as_of", "until", "evidence"}) {
      if (fields.field(name) != nullptr) fields.fault(name, "goes with a value: what is withdrawn says nothing");
    }
  }
  return finished(fields, faults, std::move(request));
}

}  // namespace hansa::wire
