// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/reply.hpp"

#include "connectors/batch/answers.hpp"
#include "connectors/slurm/submission.hpp"

#include <algorithm>

namespace hansa::connectors::slurmrest {

namespace {

constexpr std::size_t kMaxComplaints = 8;
constexpr std::size_t kBeginning = 200;

std::string printable(std::string_view text) { return batch::words_of(text.substr(0, 2 * kBeginning)); }

/// {"description", "error", "error_number" or "error_code"}, {"string", "message", "code"}.
std::optional<Complaint> read_complaint(const JsonNode& node) {
  Complaint complaint{.number = -1, .words = {}};
  for (const auto* name : {"error_number", "error_code", "code"}) {
    const auto* found = node.find(name);
    if (found != nullptr && found->kind == JsonNode::Kind::integer) complaint.number = found->integer;
  }
  std::string words;
  for (const auto* name : {"description", "error", "message"}) {
    const auto said = text(node.find(name));
    if (!said || said->empty() || words.contains(*said)) continue;
    if (!words.empty()) words += ": ";
    words += *said;
  }
  complaint.words = printable(words);
  return complaint;
}

void read_complaints(const JsonNode& root, std::vector<Complaint>& complaints) {
  const auto add = [&](const JsonNode& node) {
    if (complaints.size() >= kMaxComplaints) return;
    if (auto complaint = read_complaint(node)) complaints.push_back(std::move(*complaint));
  };
  if (const auto* errors = root.find("errors"); errors != nullptr && errors->kind != JsonNode::Kind::null) {
    if (errors->is_array()) {
      for (const auto& error : errors->members()) add(error);
    } else {
      add(*errors);  // no list: something is wrong all the same
    }
  }
  if (const auto* statuses = root.find("status"); statuses != nullptr && statuses->is_array()) {
    for (const auto& status : statuses->members()) {
      const auto* error = status.find("error");
      const auto code = error == nullptr ? Field<std::int64_t>{} : number(error->find("code"));
      if (error != nullptr && code.value_or(std::nullopt).value_or(1) != 0) add(*error);
    }
  }
}

std::unexpected<Error> down(std::string message, std::string detail = {}) {
  return fail(ErrorKind::unavailable, "SITE_DOWN", std::move(message), std::move(detail));
}

std::unexpected<Error> refused_token(const std::string& user, const std::string& words) {
  return fail(ErrorKind::unavailable, "TOKEN_REFUSED",
              "slurmrestd does not accept the token of \"" + user + "\" (" + words +
                  "): it may have ended or been revoked, or be another's");
}

Error meaning(const Reply& reply, const std::string& user) {
  const auto words = reply.words();
  const auto status = "status " + std::to_string(reply.status);
  if (reply.status >= 300 && reply.status < 400 && reply.status != 304) {
    return fail(ErrorKind::unavailable, "SITE_REDIRECTS",
                "slurmrestd's address answers with a redirect" + (reply.location.empty() ? "" : " to " + reply.location) +
                    ", which is not followed: write the right address into slurmrest.url")
        .error();
  }
  if (!reply.document) {
    if (reply.status == 401 || reply.status == 403 || reply.status == 511)
      return refused_token(user, status + ": " + words).error();
    if (reply.status == 404) {
      return fail(ErrorKind::unavailable, "SITE_VERSION",
                  "slurmrestd does not serve what it served (status 404): its version is asked for again")
          .error();
    }
    if (reply.status >= 200 && reply.status < 300) {
      return fail(ErrorKind::internal, "SITE_GARBLED", "what answers at slurmrest.url sends no JSON: is it slurmrestd?",
                  reply.beginning)
          .error();
    }
    return down("slurmrestd answers with " + status + ": " + words, reply.beginning).error();
  }
  const auto unspecified = [](const Complaint& complaint) { return complaint.number == -1; };
  if (reply.status == 401 || reply.status == 511 || reply.has(1007)) return refused_token(user, words).error();
  if (reply.has(kAccessDenied)) {
    return fail(ErrorKind::permission_denied, "SITE_DENIED", "the site does not allow \"" + user + "\" that: " + words).error();
  }
  if (!reply.complaints.empty() && std::ranges::all_of(reply.complaints, unspecified)) {
    return down("slurmrestd says \"" + words +
                "\": the site's controller does not answer it, or does not accept the token of \"" + user + "\"")
        .error();
  }
  return down("slurmrestd answers with " + status + ": " + words).error();
}

}  // namespace

Reply Reply::read(http::Response response) {
  Reply reply{.status = response.status};
  if (const auto location = response.header("Location")) reply.location = printable(*location);
  reply.beginning = printable(response.body);
  auto document = Document::parse(std::move(response.body));
  if (!document || !document->root().is_object()) return reply;
  reply.document = std::move(*document);
  read_complaints(reply.document->root(), reply.complaints);
  return reply;
}

std::string Reply::words() const {
  std::string words;
  for (const auto& complaint : complaints) {
    if (complaint.words.empty() || words.contains(complaint.words)) continue;
    if (!words.empty()) words += "; ";
    words += complaint.words;
  }
  words = batch::words_of(words.empty() && !document ? beginning : words);
  return words.empty() ? "no reason given" : words;
}

bool Reply::has(std::int64_t number) const {
  return std::ranges::any_of(complaints, [&](const Complaint& complaint) { return complaint.number == number; });
}

bool is_unreachable(const Complaint& complaint) {
  // Numbers below 1000 are of the C library: a cancellation with the controller down says 1, "Operation not permitted" (26.05.3).
  return complaint.number < 2000 || (complaint.number >= 5000 && complaint.number < 6000) ||
         (complaint.number >= 7000 && complaint.number < 7100) || slurm::is_communication_failure(complaint.words);
}

std::optional<Error> failure_of(const Reply& reply, const std::string& user) {
  if (reply.status == 200 && reply.document && reply.complaints.empty()) return std::nullopt;
  return meaning(reply, user);
}

std::optional<Error> failure_of_change(const Reply& reply, const std::string& user) {
  const auto over = [](const Complaint& complaint) {
    // 0.0.38 complains without a number of every change of an array that went well (22.05.8: "job array update from ... failed").
    const bool of_array = complaint.number == -1 && complaint.words.starts_with("job array update from ");
    return complaint.number == kInvalidJobId || complaint.number == kAlreadyDone || of_array;
  };
  if (reply.document && !reply.complaints.empty() && std::ranges::all_of(reply.complaints, over)) return std::nullopt;
  return failure_of(reply, user);
}

}  // namespace hansa::connectors::slurmrest
