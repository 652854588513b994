// SPDX-License-Identifier: Apache-2.0
// What a job leaves, file by file and piece by piece. Each piece is asked for of the version that was listed: a file that is
// written to meanwhile is begun again, and never put together from two versions.

#include "broker/cli/commands.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/cli/partial_file.hpp"
#include "broker/core/suggest.hpp"
#include "broker/domain/job.hpp"
#include "broker/wire/output_name.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>

namespace hansa::cli {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
constexpr int kTries = 3;  // of a file that changes

std::unexpected<Error> no_outputs_told() {
  return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer is no list of outputs; check the address");
}

struct Named {
  std::string name, path, state, version;
  std::uint64_t size = 0;
};

struct Listing {
  std::string body;
  std::vector<Named> outputs;
  bool over = false;
};

bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
  });
}

/// What comes from a broker becomes names of files here: only what is fit for one.
Result<Listing> list_outputs(Session& session, const std::string& id) {
  auto answer = session.send("GET", job_path(id, "/outputs"));
  if (!answer) return std::unexpected(answer.error());
  const auto json = Session::read(*answer);
  if (!json) return std::unexpected(json.error());
  const auto& list = member(*json, "outputs");
  if (!list.is_array()) return no_outputs_told();
  const auto state = domain::parse_job_state(raw_text(*json, "job_state"));
  Listing listing{.body = std::move(answer->body), .outputs = {}, .over = state && domain::is_terminal(*state)};
  for (const auto& entry : list) {
    Named output{.name = raw_text(entry, "name"),
                 .path = raw_text(entry, "path"),
                 .state = raw_text(entry, "state"),
                 .version = raw_text(entry, "version")};
    const auto size = number(entry, "size_bytes");
    const bool file = output.state == "file";
    if (!wire::output_name_fault(output.name).empty() || (file && (!is_version(output.version) || !size || *size < 0)))
      return no_outputs_told();
    output.size = static_cast<std::uint64_t>(size.value_or(0));
    listing.outputs.push_back(std::move(output));
  }
  return listing;
}

/// All that may be brought unasked: what is called like a file of settings is not, whoever named it so.
std::vector<Named> all_of(Session& session, const std::string& id, const Listing& listing) {
  std::vector<Named> plain;
  for (const auto& output : listing.outputs) {
    if (!output.name.starts_with('.'))
      plain.push_back(output);
    else
      session.note(output.name + " is left out: a name that begins with '.' is brought when it is asked for; hansa fetch " + id +
                   " " + output.name);
  }
  return plain;
}

Result<std::vector<Named>> wanted_of(Session& session, const Listing& listing, const Invocation& call) {
  const auto& id = call.operands().front();
  if (listing.outputs.empty()) {
    return fail(ErrorKind::not_found, "NO_OUTPUTS",
                "job " + id + " names no outputs; they are named when it is submitted: hansa submit --output NAME[=PATH] ...");
  }
  if (call.operands().size() == 1) return all_of(session, id, listing);
  std::vector<std::string_view> names;
  for (const auto& output : listing.outputs) names.push_back(output.name);
  std::vector<Named> wanted;
  for (const auto& name : std::span(call.operands()).subspan(1)) {
    const auto at = std::ranges::find(listing.outputs, name, &Named::name);
    if (at == listing.outputs.end()) {
      return fail(
          ErrorKind::not_found, "NO_SUCH_OUTPUT",
          "job " + id + " names no output \"" + name + "\"" + did_you_mean(name, names) + "; see: hansa fetch --list " + id);
    }
    if (std::ranges::find(wanted, name, &Named::name) == wanted.end()) wanted.push_back(*at);
  }
  return wanted;
}

/// Why it is not fetched, with what to do.
Error not_a_file(const Named& output, const std::string& id, bool over) {
  const auto told = [&](ErrorKind kind, const std::string& why) {
    return fail(kind, "NOT_FETCHED", output.name + ": " + output.path + " in the job's working folder " + why).error();
  };
  if (output.state == "missing" && !over)
    return told(ErrorKind::not_found, "is not there yet; once the job is over: hansa wait " + id);
  if (output.state == "missing") return told(ErrorKind::not_found, "is not there; did the job write it? see: hansa logs " + id);
  if (output.state == "folder")
    return told(ErrorKind::conflict, "is a folder; have the job pack it (tar -czf) and name the archive as the output");
  if (output.state == "link")
    return told(ErrorKind::permission_denied,
                "is a symbolic link or lies behind one, which is not followed; have the job copy the file there (cp -L)");
  return told(ErrorKind::conflict, "cannot be fetched: it is " + output.state);
}

Result<void> make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0777) == 0 || errno == EEXIST) return {};
  return fail(ErrorKind::invalid_argument, "LOCAL_FILE",
              "cannot make the folder " + folder + ": " + std::generic_category().message(errno) +
                  "; -o takes a folder, or a new one in a "
                  "folder that is there");
}

/// The rest of one version. conflict, OUTPUT_CHANGED: there is another one by now.
Result<void> fetch_rest(Session& session, const std::string& id, const Named& output, PartialFile& file) {
  const auto target = job_path(id, "/outputs/" + percent_encoded(output.name));
  Patience patience(session);
  while (file.size() < output.size) {
    const auto first = file.size(), end = std::min(first + kPieceBytes, output.size);
    const auto piece = session.send(
        "GET", target, {},
        {{"Range", "bytes=" + std::to_string(first) + "-" + std::to_string(end - 1)}, {"If-Match", '"' + output.version + '"'}});
    if (!piece) {
      if (patience.again(piece.error())) continue;
      return std::unexpected(piece.error());
    }
    if (piece->status != 206 || piece->body.empty() || piece->body.size() > end - first) {
      return fail(
          ErrorKind::internal, "BAD_ANSWER",
          "the broker's answer is not the piece that was asked for: is there a proxy before it that drops the header Range?");
    }
    patience.answered();
    if (auto kept = file.append(piece->body); !kept) return kept;
  }
  return {};
}

/// Where it is now.
Result<std::string> fetch_one(Session& session, const Invocation& call, Named output) {
  const auto& id = call.operands().front();
  for (int tries = 1;; ++tries) {
    auto file = PartialFile::open({.folder = std::string(call.value("--output-dir").value_or(".")),
                                   .name = output.name,
                                   .job = id,
                                   .version = output.version,
                                   .replace = call.has("--force")});
    if (!file) return std::unexpected(file.error());
    if (file->size() > output.size) {  // nobody's but ours
      file->discard();
      continue;
    }
    if (file->size() > 0 && file->size() < output.size)
      session.note(output.name + ": going on after " + std::to_string(file->size()) + " of " + std::to_string(output.size) +
                   " bytes");
    auto fetched = fetch_rest(session, id, output, *file);
    if (fetched) fetched = file->finish();
    if (fetched) return file->path();
    if (fetched.error().code != "OUTPUT_CHANGED") return std::unexpected(fetched.error());
    file->discard();
    const auto listing = list_outputs(session, id);
    if (!listing) return std::unexpected(listing.error());
    const auto now = std::ranges::find(listing->outputs, output.name, &Named::name);
    if (now == listing->outputs.end()) return no_outputs_told();
    if (now->state != "file") return std::unexpected(not_a_file(*now, id, listing->over));
    if (tries == kTries) {
      return fail(ErrorKind::conflict, "OUTPUT_CHANGES",
                  output.name + " is written to faster than it is fetched; fetch it once the job is over: hansa wait " + id);
    }
    output = *now;
  }
}

std::string listing_text(const Listing& listing, const Look& look) {
  Table table({{.title = "NAME"}, {.title = "SIZE", .right = true}, {.title = "STATE"}, {.title = "PATH", .flexible = true}});
  for (const auto& output : listing.outputs) {
    const bool file = output.state == "file";
    const auto state = file ? "there" : output.state == "missing" && !listing.over ? "not yet there" : printable(output.state);
    table.add({printable(output.name),
               file ? size_text(static_cast<std::int64_t>(output.size)) : "",
               {state, file ? Tint::good : Tint::odd},
               printable(output.path)});
  }
  return table.text(look);
}

}  // namespace

Result<ExitStatus> fetch(Session& session, const Invocation& call) {
  const auto& id = call.operands().front();
  auto listing = list_outputs(session, id);
  if (!listing) return std::unexpected(listing.error());
  const bool json = call.has("--json");
  if (call.has("--list")) {
    if (call.operands().size() > 1) {
      return fail(ErrorKind::invalid_argument, "USAGE",
                  "--list lists all outputs of a job; leave the names out: hansa fetch --list " + id);
    }
    session.print(json ? listing->body : listing_text(*listing, session.look()));
    return ExitStatus::done;
  }
  const auto wanted = wanted_of(session, *listing, call);
  if (!wanted) return std::unexpected(wanted.error());
  if (const auto folder = call.value("--output-dir")) {
    if (auto made = make_folder(std::string(*folder)); !made) return std::unexpected(made.error());
  }
  session.outside().on_interrupt("stopped; what has come is kept: the same command goes on from there");
  auto status = ExitStatus::done;
  Json files = Json::array();
  for (const auto& output : *wanted) {
    auto fetched = output.state == "file" ? fetch_one(session, call, output)
                                          : Result<std::string>(std::unexpected(not_a_file(output, id, listing->over)));
    if (fetched) {
      if (json)
        files.push_back({{"name", output.name}, {"file", *fetched}});
      else
        session.print(printable(*fetched) + "\n");
      continue;
    }
    session.complain(fetched.error());
    if (fetched.error().code == kNoRoomHere) return ExitStatus::output;
    status = worse(status, exit_status(fetched.error().kind));
    if (exit_status(fetched.error().kind) == ExitStatus::unreachable) break;  // nor would the others come
  }
  if (json) session.print(Json{{"files", std::move(files)}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  return status;
}

}  // namespace hansa::cli
