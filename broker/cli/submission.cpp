// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/submission.hpp"

#include "broker/cli/files.hpp"
#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "broker/directives/directives.hpp"
#include "broker/directives/values.hpp"
#include "broker/wire/job_request.hpp"
#include "broker/wire/output_name.hpp"

#include <algorithm>
#include <charconv>
#include <ranges>
#include <tuple>

namespace hansa::cli {
namespace {

template <typename N>
std::optional<N> whole(std::string_view text) {
  N value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end || value < 0) return std::nullopt;
  return value;
}

std::unexpected<Error> bad(std::string_view code, std::string message) {
  return fail(ErrorKind::invalid_argument, code, std::move(message));
}

/// Reads the options of a submission; every fault is remembered with its option.
class SubmissionReader {
 public:
  SubmissionReader(const Invocation& call, Surroundings& outside) : call_(call), outside_(outside) {}

  Result<domain::Submission> read() {
    auto& [spec, payload, after_earlier] = submission_;
    resources();
    if (const auto text = call_.value("--time")) {
      if (const auto time = taken("--time", parse_duration(*text))) spec.time_limit = *time;
    }
    for (const auto site : call_.values("--site")) {
      if (readable("--site", site)) spec.placement.sites.emplace_back(site);
    }
    for (const auto country : call_.values("--country")) {
      if (readable("--country", country)) spec.placement.countries.emplace_back(country);
    }
    for (const auto dataset : call_.values("--data")) {
      if (readable("--data", dataset)) spec.datasets.emplace_back(dataset);
    }
    for (const auto label : call_.values("--label")) {
      if (readable("--label", label)) spec.labels.emplace(std::string(label));
    }
    for (const auto output : call_.values("--output")) named_output(output);
    for (const auto secret : call_.values("--secret")) {
      if (auto use = taken("--secret", domain::parse_secret_use(secret))) spec.secrets.push_back(std::move(*use));
    }
    if (const auto text = call_.value("--array")) {
      if (auto array = taken("--array", domain::parse_task_array(*text))) spec.array = std::move(*array);
    }
    for (const auto ids : call_.values("--after")) comes_after(ids);
    software();
    for (const auto variable : call_.values("--env")) environment(variable);
    spec.requeue = call_.has("--requeue");
    spec.resources.exclusive = call_.has("--exclusive");
    const auto& operands = call_.operands();
    script(operands.front());
    for (std::size_t i = 1; i < operands.size(); ++i) {
      if (readable("argument " + std::to_string(i) + " of the script", operands[i])) payload.arguments.push_back(operands[i]);
    }
    spec.name = job_name(operands.front());
    if (faults_.empty()) return std::move(submission_);
    auto error = bad("BAD_SUBMISSION", faults_.size() == 1
                                           ? faults_[0].where + ": " + faults_[0].message
                                           : "the job cannot be sent; " + std::to_string(faults_.size()) + " things are wrong:");
    error.error().faults = std::move(faults_);
    return error;
  }

 private:
  template <typename T>
  std::optional<T> taken(const std::string& where, Result<T> result) {
    if (result) return std::move(*result);
    faults_.push_back({where, result.error().message});
    return std::nullopt;
  }

  bool readable(const std::string& where, std::string_view text) {
    if (is_utf8(text)) return true;
    faults_.push_back({where, "is not UTF-8; pass such text in a file"});
    return false;
  }

  void count(const char* option, std::int32_t& into) {
    const auto text = call_.value(option);
    if (!text) return;
    const auto value = whole<std::int32_t>(*text);
    if (value && *value >= 1)
      into = *value;
    else
      faults_.push_back({option, "must be a whole number of at least 1"});
  }

  void resources() {
    auto& r = submission_.spec.resources;
    count("--nodes", r.nodes);
    r.tasks = r.nodes;
    count("--ntasks", r.tasks);
    if (r.tasks < r.nodes) faults_.push_back({"--ntasks", "must be at least --nodes, " + std::to_string(r.nodes)});
    count("--cpus-per-task", r.cpus_per_task);
    if (const auto text = call_.value("--mem")) {
      if (const auto memory = taken("--mem", parse_memory(*text))) r.memory_per_node = *memory;
    }
    if (const auto text = call_.value("--gpus-per-node")) {
      if (auto gpus = taken("--gpus-per-node", parse_gpus(*text))) {
        r.gpus_per_node = gpus->count;
        r.gpu_model = std::move(gpus->model);
      }
    }
  }

  void environment(std::string_view variable) {
    const auto equals = variable.find('=');
    const auto name = variable.substr(0, equals);
    auto& all = submission_.payload.environment;
    if (equals == std::string_view::npos || equals == 0) {
      faults_.push_back({"--env", "must be NAME=VALUE"});
    } else if (std::ranges::find(all, name, &std::pair<std::string, std::string>::first) != all.end()) {
      faults_.push_back({"--env", std::string(name) + " is given twice"});
    } else if (readable("--env", variable)) {
      all.emplace_back(name, variable.substr(equals + 1));
    }
  }

  void software() {
    auto& software = submission_.spec.software;
    if (const auto image = call_.value("--image"); image && readable("--image", *image)) software.image = *image;
    for (const auto bind : call_.values("--bind")) {
      if (readable("--bind", bind)) software.binds.emplace_back(bind);
    }
    if (const auto inside = call_.value("--inside")) {
      software.processes_only = *inside == "processes";
      if (*inside != "processes" && *inside != "script") faults_.push_back({"--inside", "must be script or processes"});
    }
    if (software.image.empty() && (!software.binds.empty() || software.processes_only))
      faults_.push_back({"--image", "is needed with --bind and --inside"});
    if (const auto network = call_.value("--network")) {
      software.outbound = *network == "outbound";
      if (*network != "outbound" && *network != "any") faults_.push_back({"--network", "must be outbound or any"});
    }
    for (const auto names : call_.values("--module")) {
      for (const auto part : std::views::split(names, ',')) {
        const std::string_view name(part.begin(), part.end());
        if (name.empty())
          faults_.push_back({"--module", "names no module"});
        else if (readable("--module", name))
          software.modules.emplace_back(name);
      }
    }
  }

  void comes_after(std::string_view ids) {
    if (ids.empty()) faults_.push_back({"--after", "names no job; see: hansa jobs"});  // an unset variable in a script
    for (const auto part : std::views::split(ids, ',')) {
      const std::string_view text(part.begin(), part.end());
      if (const auto id = JobId::parse(text))
        submission_.spec.after.push_back(*id);
      else
        faults_.push_back({"--after", "\"" + printable(text.substr(0, 40)) + "\" is no job id; see: hansa jobs"});
    }
  }

  void named_output(std::string_view text) {
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    const auto path = equals == std::string_view::npos ? name : text.substr(equals + 1);
    if (!readable("--output", text)) return;
    if (equals == std::string_view::npos && name.contains('/')) {
      const auto base = name.substr(name.rfind('/') + 1);
      faults_.push_back({"--output", printable(name) + " is a path: give it a name to be fetched by, as in --output " +
                                         printable(base.empty() ? "NAME" : base) + "=" + printable(name)});
      return;
    }
    auto message = wire::output_name_fault(name);
    if (message.empty()) message = wire::output_path_fault(path);
    if (!message.empty())
      faults_.push_back({"--output " + printable(name), std::move(message)});
    else if (!submission_.spec.outputs.emplace(name, path).second)
      faults_.push_back({"--output", printable(name) + " is given twice"});
  }

  void script(const std::string& file) {
    const bool standard_input = file == "-";
    const auto name = standard_input ? std::string("standard input") : file;
    std::optional<std::string> text;
    if (standard_input) {
      text = taken("SCRIPT", outside_.in(wire::kMaxScriptBytes));
    } else if (auto read = taken("SCRIPT", read_file(file, wire::kMaxScriptBytes))) {
      text = std::move(read->text);
    }
    if (!text) return;
    if (auto good = check_script(name, *text); !good)
      faults_.push_back({"SCRIPT", good.error().message});
    else
      submission_.payload.script = std::move(*text);
  }

  /// --name, or else what a directive says, or else the script's file name where it is fit for one.
  std::string job_name(std::string_view file) {
    if (const auto name = call_.value("--name")) return readable("--name", *name) ? std::string(*name) : "";
    if (file == "-" || script_says_its_name()) return {};
    const auto base = file.substr(file.rfind('/') + 1);
    return is_utf8(base) && base.size() <= wire::kMaxNameBytes && printable(base) == base ? std::string(base) : "";
  }

  bool script_says_its_name() const {
    return !call_.has("--ignore-directives") && directives::settle(submission_.payload.script, {}).fields.name.has_value();
  }

  const Invocation& call_;
  Surroundings& outside_;
  domain::Submission submission_;
  std::vector<Fault> faults_;
};

}  // namespace

Result<Mebibytes> parse_memory(std::string_view text) {
  if (const auto size = directives::sbatch_mebibytes(text); size && *size > 0) return Mebibytes{*size};
  return bad("BAD_SIZE",
             "\"" + printable(text.substr(0, 40)) + "\" is no size: write 4G, 512M or 1T; a number alone is MiB; per node");
}

Result<GpuRequest> parse_gpus(std::string_view text) {
  const auto colon = text.find(':');
  const auto count = whole<std::int32_t>(text.substr(0, colon));
  const auto model = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (count && *count >= 1 && (colon == std::string_view::npos || !model.empty()) && is_utf8(model))
    return GpuRequest{*count, std::string(model)};
  auto message = "\"" + printable(text.substr(0, 40)) + "\" is no number of GPUs: write 4, or 4:a100 for a model";
  const auto turned = whole<std::int32_t>(model);  // sbatch has it the other way round
  if (!count && turned && *turned >= 1)
    message += " (did you mean \"" + printable(model) + ":" + printable(text.substr(0, colon)) + "\"?)";
  return bad("BAD_GPUS", std::move(message));
}

Result<void> check_script(const std::string& name, std::string_view text) {
  if (text.size() > wire::kMaxScriptBytes) {
    return bad("SCRIPT_TOO_LARGE", name + " is longer than " + std::to_string(wire::kMaxScriptBytes) +
                                       " bytes, the most that is taken; keep data in files at the site");
  }
  if (text.empty())
    return bad("SCRIPT_EMPTY", name + " is empty; a script begins with \"#!\" and its interpreter, as in #!/bin/bash");
  if (text.starts_with("\x7f"
                       "ELF"))
    return bad("SCRIPT_BINARY", name + " is a program, no script; call it from a script that begins with #!/bin/bash");
  if (text.starts_with("\xEF\xBB\xBF"))
    return bad("SCRIPT_BOM",
               name + " begins with a byte order mark, so that no system finds its \"#!\"; save it as UTF-8 without BOM");
  if (!text.starts_with("#!"))
    return bad("SCRIPT_WITHOUT_INTERPRETER",
               name + " does not begin with \"#!\"; put the interpreter into its first line, as in #!/bin/bash");
  if (const auto at = text.find('\0'); at != std::string_view::npos) {
    return bad("SCRIPT_BINARY", name + " has a NUL character at byte " + std::to_string(at) +
                                    ", it is no text; call programs from a script, and keep data in files at the site");
  }
  if (!is_utf8(text))
    return bad("SCRIPT_NOT_UTF8", name + " is not UTF-8; convert it, for example with: iconv -f LATIN1 -t UTF-8");
  if (text.substr(0, text.find('\n')).ends_with('\r'))
    return bad("SCRIPT_CRLF",
               name + " has Windows line ends, with which its interpreter is not found; convert it with: dos2unix");
  return {};
}

Result<domain::Submission> submission_from(const Invocation& call, Surroundings& outside) {
  return SubmissionReader(call, outside).read();
}

Json request_of(const domain::Submission& submission, const Invocation& call) {
  auto json = wire::to_json(submission);
  json.erase("directives");
  if (call.has("--ignore-directives")) json["directives"] = "ignore";
  if (!call.value("--time")) json.erase("time_limit_s");
  const auto& r = submission.spec.resources;
  const std::tuple<const char*, const char*, std::int64_t> kNumbers[] = {
      {"--nodes", "nodes", r.nodes}, {"--ntasks", "tasks", r.tasks}, {"--cpus-per-task", "cpus_per_task", r.cpus_per_task}};
  for (const auto& [option, field, value] : kNumbers) {
    if (call.value(option)) json["resources"][field] = value;  // also what is the default
  }
  return json;
}

Error in_options(Error error) {
  constexpr std::pair<std::string_view, std::string_view> kOptions[] = {
      {"/name", "--name"},
      {"/project", "--project"},
      {"/script", "SCRIPT"},
      {"/arguments", "ARG"},
      {"/environment", "--env"},
      {"/time_limit_s", "--time"},
      {"/resources/nodes", "--nodes"},
      {"/resources/tasks", "--ntasks"},
      {"/resources/cpus_per_task", "--cpus-per-task"},
      {"/resources/memory_per_node_mib", "--mem"},
      {"/resources/gpu", "--gpus-per-node"},
      {"/placement/sites", "--site"},
      {"/placement/countries", "--country"},
      {"/datasets", "--data"},
      {"/labels", "--label"},
      {"/outputs", "--output"},
      {"/code", "--code"},
      {"/secrets", "--secret"},
      {"/after", "--after"},
      {"/array", "--array"},
      {"/container/image", "--image"},
      {"/container/binds", "--bind"},
      {"/container/inside", "--inside"},
      {"/modules", "--module"},
      {"/network", "--network"},
      {"/variants", "--variants"},
  };
  for (auto& [where, message] : error.faults) {
    for (const auto& [pointer, option] : kOptions) {
      if (!where.starts_with(pointer)) continue;
      const auto rest = where.substr(pointer.size());
      const bool goes_on = pointer == "/environment" || pointer == "/outputs" || pointer == "/variants";
      where = std::string(option) + (goes_on && rest.size() > 1 ? " " + rest.substr(1) : "");
      break;
    }
  }
  if (error.code == "RULES_DENY") return error;  // a sentence of its own: the rest is what it rests on
  if (error.faults.size() == 1) error.message = error.faults[0].where + ": " + error.faults[0].message;
  if (error.faults.size() > 1)
    error.message = "the broker does not take the job; " + std::to_string(error.faults.size()) + " things are wrong:";
  return error;
}

Result<UtcTime> parse_moment(std::string_view option, std::string_view text, UtcTime now, Direction direction) {
  if (auto time = parse_utc(text)) return *time;
  const auto duration = parse_duration(text);
  if (!duration) {
    return bad("BAD_TIME", std::string(option) + ": \"" + printable(text.substr(0, 40)) +
                               "\" is no time: write 2026-11-22, 2026-11-22T10:00:00Z, or " +
                               (direction == Direction::back ? "how long ago: 90m, 12h, 7d" : "how long from now: 12h, 30d"));
  }
  return direction == Direction::back ? now - *duration : now + *duration;
}

}  // namespace hansa::cli
