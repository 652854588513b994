// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/privacy_record.hpp"

#include "broker/cli/session.hpp"

namespace hansa::cli {
namespace {

constexpr const char* kMissing = "**missing: nobody has said**";

/// In a cell of a table, or in a line.
std::string escaped_text(const Json& json, const char* key) {
  std::string out;
  for (const char c : shown(json, key)) {
    if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<' || c == '[') out += '\\';
    out += c;
  }
  return out;
}
std::string or_missing(const Json& json, const char* key) {
  auto text = escaped_text(json, key);
  return text.empty() ? kMissing : text;
}

std::string responsible_text(const Json& who) {
  const auto processor = escaped_text(who, "processor");
  return "- controller: " + or_missing(who, "controller") +
         "\n- processor: " + (processor.empty() ? "the controller itself" : processor) +
         "\n- contact, data protection officer: " + or_missing(who, "contact") + "\n";
}

std::string days_text(const Json& holding) {
  const auto days = number(holding, "days").value_or(0);
  return (days == 0 ? std::string("no period of its own") : std::to_string(days) + " days") + ", from " +
         escaped_text(holding, "from");
}

const Json& list_of(const Json& json, const char* key) {
  static const Json kNone = Json::array();
  const auto& list = member(json, key);
  return list.is_array() ? list : kNone;
}

}  // namespace

std::string record_markdown(const Json& record) {
  std::string out = "# Record of processing activities: " + escaped_text(record, "broker") + "\n\nMade " +
                    escaped_text(record, "made_at") +
                    " from the broker's configuration (Regulation (EU) 2016/679, Article 30; Regulation (EU) 2018/1725, Article "
                    "31).\n\n## Who answers for it\n\n" +
                    responsible_text(member(record, "responsible")) + "- legal basis: " + or_missing(record, "legal_basis") +
                    "\n- the broker stands in: " + escaped_text(record, "country") +
                    "\n\n## Sites: recipients, each answering for what it does\n\n";
  for (const auto& site : list_of(record, "sites")) {
    out += "### " + escaped_text(site, "name") + " (" + escaped_text(site, "id") + ", " + escaped_text(site, "country") +
           ")\n\n" + responsible_text(member(site, "responsible"));
    if (member(site, "third_country") == true)
      out += "- outside the EEA: what goes there is a transfer to a third country, whose basis the controller has to name\n";
    out += "\n";
  }
  out += "## Activities\n\n";
  for (const auto& activity : list_of(record, "activities")) {
    out += "### " + escaped_text(activity, "purpose") + "\n\n- people: " + listed(member(activity, "people")) +
           "\n- data (below): " + listed(member(activity, "holdings")) +
           "\n- recipients: " + escaped_text(activity, "recipients") + "\n\n";
  }
  out += "## Data and periods\n\n| data | what | where | purpose | kept | how it ends |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const auto& holding : list_of(record, "holdings")) {
    out += "| " + escaped_text(holding, "holding") + " | " + escaped_text(holding, "what") + " | " +
           escaped_text(holding, "where") + " | " + escaped_text(holding, "purpose") + " | " + days_text(holding) + " | " +
           escaped_text(holding, "erased") + " |\n";
  }
  out += "\n## Security\n\n";
  for (const auto& measure : list_of(record, "measures")) out += "- " + printable(measure.get<std::string>()) + "\n";
  if (const auto& missing = list_of(record, "missing"); !missing.empty())
    out += "\n## Missing\n\nNobody has said, in `hansad.toml`: " + listed(missing) + ".\n";
  return out;
}

}  // namespace hansa::cli
