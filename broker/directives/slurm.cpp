// SPDX-License-Identifier: Apache-2.0
// Every option of sbatch 22.05 (sbatch(1), src/common/slurm_opt.c), and what becomes of it.
#include "broker/core/suggest.hpp"
#include "broker/core/time_text.hpp"
#include "broker/directives/values.hpp"
#include "broker/directives/wishes.hpp"
#include "broker/directives/words.hpp"

#include <algorithm>
#include <array>

namespace hansa::directives {
namespace sbatch {
namespace {

enum class Argument { none, required, optional };

enum class Meaning {
  account,
  array,
  cpus_per_gpu,
  cpus_per_task,
  environment,
  exclusive,
  gpus_in_all,
  gpus_per_node,
  gpus_per_task,
  gres,
  ignore_pbs,
  ignored,
  memory_per_cpu,
  memory_per_gpu,
  memory_per_node,
  name,
  no_requeue,
  nodes,
  refused,
  requeue,
  tasks,
  tasks_per_node,
  time_limit,
};

struct Option {
  std::string_view name;
  char letter;  // 0: none
  Argument argument;
  Meaning meaning;
  std::string_view words = {};  // of a note or a refusal
};

// The words that several options have.
constexpr std::string_view kLayout = "not used: how cores and memory are laid out is the site's";
constexpr std::string_view kSpeed = "not used: it is a hint to one site";
constexpr std::string_view kFeature =
    "names a feature of one site's nodes; say what you need (--gpus-per-node N:MODEL, --mem), or --site";
constexpr std::string_view kPrivilege = "is a privilege of one site's operators; take it out";
constexpr std::string_view kSite =
    "what it names is one site's, which Hansa cannot ask for; take it out, and name the site with --site";

constexpr auto kNone = Argument::none;
constexpr auto kRequired = Argument::required;
constexpr auto kOptional = Argument::optional;

constexpr auto kOptions = std::to_array<Option>({
    {"account", 'A', kRequired, Meaning::account},
    {"acctg-freq", 0, kRequired, Meaning::ignored, kSpeed},
    {"array", 'a', kRequired, Meaning::array},
    {"batch", 0, kRequired, Meaning::refused, kFeature},
    {"bb", 0, kRequired, Meaning::refused, kSite},
    {"bbf", 0, kRequired, Meaning::refused, kSite},
    {"begin", 'b', kRequired, Meaning::refused, kStartWords},
    {"chdir", 'D', kRequired, Meaning::refused, kFolderWords},
    {"cluster", 'M', kRequired, Meaning::refused, "chooses a cluster past Hansa; narrow where the job may go with --site"},
    {"cluster-constraint", 0, kRequired, Meaning::refused,
     "chooses a cluster past Hansa; narrow where the job may go with --site"},
    {"clusters", 'M', kRequired, Meaning::refused, "chooses a cluster past Hansa; narrow where the job may go with --site"},
    {"comment", 0, kRequired, Meaning::ignored, "not used: sites get no comments; --name is a label for people"},
    {"constraint", 'C', kRequired, Meaning::refused, kFeature},
    {"container", 0, kRequired, Meaning::refused,
     "names a folder of one site; name an image of any, with --image oras://HOST/NAME@sha256:DIGEST"},
    {"contiguous", 0, kNone, Meaning::ignored, kSpeed},
    {"core-spec", 'S', kRequired, Meaning::ignored, kLayout},
    {"cores-per-socket", 0, kRequired, Meaning::ignored, kLayout},
    {"cpu-freq", 0, kRequired, Meaning::ignored, kSpeed},
    {"cpus-per-gpu", 0, kRequired, Meaning::cpus_per_gpu},
    {"cpus-per-task", 'c', kRequired, Meaning::cpus_per_task},
    {"deadline", 0, kRequired, Meaning::refused, kStartWords},
    {"delay-boot", 0, kRequired, Meaning::ignored, kSpeed},
    {"dependency", 'd', kRequired, Meaning::refused, kDependencyWords},
    {"distribution", 'm', kRequired, Meaning::ignored, kLayout},
    {"error", 'e', kRequired, Meaning::ignored, kOutputWords},
    {"exclude", 'x', kRequired, Meaning::refused, kNodesWords},
    {"exclusive", 0, kOptional, Meaning::exclusive},
    {"export", 0, kRequired, Meaning::environment},
    {"export-file", 0, kRequired, Meaning::refused, "the broker reads no files of yours; give variables with --env NAME=VALUE"},
    {"extra-node-info", 'B', kRequired, Meaning::ignored, kLayout},
    {"get-user-env", 0, kOptional, Meaning::ignored, "not used: the job has its account's login environment anyway"},
    {"gid", 0, kRequired, Meaning::refused, kPrivilege},
    {"gpu-bind", 0, kRequired, Meaning::ignored, kLayout},
    {"gpu-freq", 0, kRequired, Meaning::ignored, kSpeed},
    {"gpus", 'G', kRequired, Meaning::gpus_in_all},
    {"gpus-per-node", 0, kRequired, Meaning::gpus_per_node},
    {"gpus-per-socket", 0, kRequired, Meaning::refused, "Hansa counts GPUs by node: --gpus-per-node"},
    {"gpus-per-task", 0, kRequired, Meaning::gpus_per_task},
    {"gres", 0, kRequired, Meaning::gres},
    {"gres-flags", 0, kRequired, Meaning::ignored, kLayout},
    {"help", 'h', kNone, Meaning::refused, "is about the sbatch command itself; take it out"},
    {"hint", 0, kRequired, Meaning::ignored, kLayout},
    {"hold", 'H', kNone, Meaning::refused, kHoldWords},
    {"ignore-pbs", 0, kNone, Meaning::ignore_pbs},
    {"input", 'i', kRequired, Meaning::refused, "a job has no standard input; redirect it in the script"},
    {"job-name", 'J', kRequired, Meaning::name},
    {"kill-on-invalid-dep", 0, kRequired, Meaning::ignored, "not used: a job has no dependencies at its site"},
    {"licenses", 'L', kRequired, Meaning::refused, kSite},
    {"mail-type", 0, kRequired, Meaning::ignored, kMailWords},
    {"mail-user", 0, kRequired, Meaning::ignored, kMailWords},
    {"mcs-label", 0, kRequired, Meaning::refused, kSite},
    {"mem", 0, kRequired, Meaning::memory_per_node},
    {"mem-bind", 0, kRequired, Meaning::ignored, kLayout},
    {"mem-per-cpu", 0, kRequired, Meaning::memory_per_cpu},
    {"mem-per-gpu", 0, kRequired, Meaning::memory_per_gpu},
    {"mincpus", 0, kRequired, Meaning::refused, "Hansa counts cores by task: --cpus-per-task"},
    {"network", 0, kRequired, Meaning::refused, kSite},
    {"nice", 0, kOptional, Meaning::ignored, kTurnWords},
    {"no-kill", 'k', kOptional, Meaning::refused, "a job ends when one of its nodes fails; --requeue has it started again"},
    {"no-requeue", 0, kNone, Meaning::no_requeue},
    {"nodefile", 'F', kRequired, Meaning::refused, kNodesWords},
    {"nodelist", 'w', kRequired, Meaning::refused, kNodesWords},
    {"nodes", 'N', kRequired, Meaning::nodes},
    {"ntasks", 'n', kRequired, Meaning::tasks},
    {"ntasks-per-core", 0, kRequired, Meaning::ignored, kLayout},
    {"ntasks-per-gpu", 0, kRequired, Meaning::refused, "Hansa counts tasks of the whole job: --ntasks"},
    {"ntasks-per-node", 0, kRequired, Meaning::tasks_per_node},
    {"ntasks-per-socket", 0, kRequired, Meaning::ignored, kLayout},
    {"open-mode", 0, kRequired, Meaning::ignored, kOutputWords},
    {"output", 'o', kRequired, Meaning::ignored, kOutputWords},
    {"overcommit", 'O', kNone, Meaning::refused,
     "each task has cores of its own; ask for fewer tasks and start more in the script"},
    {"oversubscribe", 's', kNone, Meaning::ignored, kLayout},
    {"parsable", 0, kNone, Meaning::ignored, kCommandWords},
    {"partition", 'p', kRequired, Meaning::ignored, kQueueWords},
    {"power", 0, kRequired, Meaning::ignored, kSpeed},
    {"prefer", 0, kRequired, Meaning::ignored, kSpeed},
    {"priority", 0, kRequired, Meaning::refused, kPrivilege},
    {"profile", 0, kRequired, Meaning::ignored, kSpeed},
    {"propagate", 0, kOptional, Meaning::ignored, "not used: limits of the shell that submits do not travel"},
    {"qos", 'q', kRequired, Meaning::ignored, kQueueWords},
    {"quiet", 'Q', kNone, Meaning::ignored, kCommandWords},
    {"reboot", 0, kNone, Meaning::refused, kPrivilege},
    {"requeue", 0, kNone, Meaning::requeue},
    {"reservation", 0, kRequired, Meaning::refused, kSite},
    {"share", 's', kNone, Meaning::ignored, kLayout},
    {"signal", 0, kRequired, Meaning::refused,
     "Hansa announces no end; have the script look at the time, as with timeout --signal"},
    {"sockets-per-node", 0, kRequired, Meaning::ignored, kLayout},
    {"spread-job", 0, kNone, Meaning::ignored, kLayout},
    {"switches", 0, kRequired, Meaning::ignored, kSpeed},
    {"tasks", 'n', kRequired, Meaning::tasks},
    {"tasks-per-node", 0, kRequired, Meaning::tasks_per_node},
    {"test-only", 0, kNone, Meaning::refused, "is asked on the command line: hansa submit --dry-run"},
    {"thread-spec", 0, kRequired, Meaning::ignored, kLayout},
    {"threads-per-core", 0, kRequired, Meaning::ignored, kLayout},
    {"time", 't', kRequired, Meaning::time_limit},
    {"time-min", 0, kRequired, Meaning::ignored, "not used: the time limit is not shortened"},
    {"tmp", 0, kRequired, Meaning::refused, "Hansa knows nothing of nodes' disks; the job finds a folder in HANSA_SCRATCH"},
    {"uid", 0, kRequired, Meaning::refused, kPrivilege},
    {"usage", 0, kNone, Meaning::refused, "is about the sbatch command itself; take it out"},
    {"use-min-nodes", 0, kNone, Meaning::ignored, kLayout},
    {"verbose", 'v', kNone, Meaning::ignored, kCommandWords},
    {"version", 'V', kNone, Meaning::refused, "is about the sbatch command itself; take it out"},
    {"wait", 'W', kNone, Meaning::ignored, "not used: to wait for the end, hansa submit --wait"},
    {"wait-all-nodes", 0, kRequired, Meaning::ignored, kSpeed},
    {"wckey", 0, kRequired, Meaning::ignored, "not used: usage is booked on the project"},
    {"workdir", 'D', kRequired, Meaning::refused, kFolderWords},
    {"wrap", 0, kRequired, Meaning::refused, "a script brings its own commands; take it out"},
});

/// As getopt_long(3): a name may be cut where what is left is one option's only.
const Option* by_name(std::string_view name) {
  const Option* found = nullptr;
  for (const auto& option : kOptions) {
    if (option.name == name) return &option;
    if (!option.name.starts_with(name)) continue;
    if (found != nullptr) return nullptr;
    found = &option;
  }
  return found;
}

const Option* by_letter(char letter) {
  const auto found = std::ranges::find(kOptions, letter, &Option::letter);
  return letter == 0 || found == kOptions.end() ? nullptr : &*found;
}

std::string no_such_option(std::string_view name) {
  static const auto names = [] {
    std::array<std::string_view, kOptions.size()> all;
    std::ranges::transform(kOptions, all.begin(), &Option::name);
    return all;
  }();
  return "is no option of sbatch" + did_you_mean(name, names);
}

/// "a100:4" or "4"; sbatch has the model first.
std::optional<Gpus> gpus_of(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto count = whole(colon == std::string_view::npos ? text : text.substr(colon + 1), kMaxCount);
  const auto model = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  if (!count || (colon != std::string_view::npos && (model.empty() || model.contains(':') || model.contains(','))))
    return std::nullopt;
  return Gpus{*count, std::string(model)};
}

class Reader {
 public:
  Reader(Wishes& wishes, Remarks& remarks) : wishes_(wishes), remarks_(remarks) {}

  void read(const Line& line) {
    line_ = line.number;
    for (std::size_t i = 0; i < line.words.size(); ++i) {
      const std::string_view word = line.words[i];
      const auto* next = i + 1 < line.words.size() ? &line.words[i + 1] : nullptr;
      bool took_next = false;
      if (word == "hetjob" || word == "packjob" || word == ":") {
        remarks_.fault(place(word), "Hansa has no jobs of several parts; submit them one by one");
      } else if (word.starts_with("--")) {
        if (word.size() > 2) took_next = long_option(word, next);
      } else if (word.starts_with('-') && word.size() > 1) {
        took_next = short_options(word, next);
      } else {
        remarks_.fault(place(word), "is no option of sbatch; an option begins with \"-\", and a value with blanks is quoted");
      }
      if (took_next) ++i;
    }
  }

  bool ignores_pbs() const { return ignores_pbs_; }

  void finish() {
    const Wish<std::int64_t>* first = nullptr;
    for (const auto* each : {&wishes_.memory_per_node, &wishes_.memory_per_cpu, &wishes_.memory_per_gpu}) {
      if (!*each) continue;
      if (first != nullptr)
        remarks_.fault((*each)->place,
                       "memory is asked for in line " + std::to_string((*first)->place.line) + " already, in another way");
      first = each;
    }
  }

 private:
  Place place(std::string_view words) const { return {line_, shown("#SBATCH " + std::string(words))}; }

  /// Whether the next word was its value.
  bool long_option(std::string_view word, const std::string* next) {
    const auto equals = word.find('=');
    const auto name = word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    const auto* option = by_name(name);
    if (option == nullptr) {
      remarks_.fault(place(word), no_such_option(name));
      return false;
    }
    if (equals != std::string_view::npos) {
      if (option->argument == Argument::none)
        remarks_.fault(place(word), "takes no value");
      else
        take(*option, word.substr(equals + 1), place(word));
      return false;
    }
    if (option->argument != Argument::required) {
      take(*option, {}, place(word));
      return false;
    }
    return with_next(*option, word, next);
  }

  bool short_options(std::string_view word, const std::string* next) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const auto dashed = "-" + std::string(1, word[i]);
      const auto* option = by_letter(word[i]);
      if (option == nullptr) {
        remarks_.fault(place(word), (static_cast<unsigned char>(word[i]) < 0x80 ? "\"" + shown(dashed) + "\" " : "") +
                                        "is no option of sbatch");
        return false;
      }
      const auto rest = word.substr(i + 1);
      if (option->argument == Argument::none) {
        take(*option, {}, place(dashed));
      } else if (!rest.empty() || option->argument == Argument::optional) {
        take(*option, rest, place(dashed + std::string(rest)));
        return false;
      } else {
        return with_next(*option, dashed, next);
      }
    }
    return false;
  }

  bool with_next(const Option& option, std::string_view word, const std::string* next) {
    if (next == nullptr) {
      remarks_.fault(place(word), "needs a value in the same line");
      return false;
    }
    take(option, *next, place(std::string(word) + " " + *next));
    return true;
  }

  template <typename T>
  void keep(Wish<T>& wish, std::optional<T> value, const Place& where, std::string_view expected) {
    if (value)
      wish = Said<T>{std::move(*value), where};  // of several in one script the last counts, as for sbatch
    else
      remarks_.fault(where, "must be " + std::string(expected));
  }

  void count(Wish<std::int64_t>& wish, std::string_view value, const Place& where) {
    auto number = whole(value, kMaxCount);
    if (number == 0) number.reset();
    keep(wish, number, where, "a whole number from 1 to " + std::to_string(kMaxCount));
  }

  void memory(Wish<std::int64_t>& wish, std::string_view value, const Place& where) {
    const auto size = sbatch_mebibytes(value);
    if (size == 0)
      remarks_.fault(where, "0 is all the memory of a node, which differs from site to site; say how much the job needs");
    else
      keep(wish, size, where, "a size: 4G, 512M, 1T, 2048K; a number alone is MiB");
  }

  void gpus(Wish<Gpus>& wish, std::string_view value, const Place& where) {
    if (value.contains(','))
      remarks_.fault(where, "Hansa asks for GPUs of one model; name one, as in a100:4");
    else
      keep(wish, gpus_of(value), where, "a number of GPUs, as in 4 or a100:4");
  }

  void nodes(std::string_view value, const Place& where) {
    const auto node_count = [](std::string_view text) -> std::optional<std::int64_t> {
      const bool kilo = text.ends_with('k') || text.ends_with('K');
      const auto number = whole(kilo ? text.substr(0, text.size() - 1) : text, kMaxCount);
      if (!number || *number == 0 || *number > kMaxCount / (kilo ? 1024 : 1)) return std::nullopt;
      return *number * (kilo ? 1024 : 1);
    };
    const auto dash = value.find('-');
    auto least = node_count(value.substr(0, dash));
    const auto most = dash == std::string_view::npos ? least : node_count(value.substr(dash + 1));
    if (!most || least > most) least.reset();
    if (least && least < most)
      remarks_.note(where, "a job has one number of nodes: it is " + std::to_string(*least) + ", the least of these");
    keep(wishes_.nodes, least, where, "a number of nodes, as in 2 or 2-4");
  }

  /// "gpu:a100:4,..."; what is no GPU is one site's.
  void gres(std::string_view value, const Place& where) {
    Wish<Gpus> found;
    for (std::string_view entry : list_of(value)) {
      if (entry == "none") {
        found = Said<Gpus>{{}, where};
        continue;
      }
      for (const std::string_view prefix : {"gres:", "gres/"}) {
        if (entry.starts_with(prefix)) entry.remove_prefix(prefix.size());
      }
      if (entry != "gpu" && !entry.starts_with("gpu:")) {
        remarks_.fault(where, "\"" + shown(entry) + "\": Hansa knows GPUs only; " + std::string(kSite));
        return;
      }
      if (found && found->value.count > 0) {
        remarks_.fault(where, "Hansa asks for GPUs of one model; name one, as in gpu:a100:4");
        return;
      }
      entry.remove_prefix(std::min<std::size_t>(4, entry.size()));
      auto asked = entry.empty() ? Gpus{1, {}} : gpus_of(entry);
      if (!asked && !entry.contains(':')) asked = Gpus{1, std::string(entry)};  // "gpu:a100" is one of them
      if (asked)
        found = Said<Gpus>{std::move(*asked), where};
      else
        remarks_.fault(where, "must be gpu, gpu:4 or gpu:a100:4");
    }
    if (found) wishes_.gpus_per_node = std::move(found);
  }

  void environment(std::string_view value, const Place& where) {
    for (const auto& entry : list_of(value)) {
      if (set_assigned(wishes_, entry, where, remarks_)) continue;
      if (entry == "ALL") {
        remarks_.note(where, std::string(kShellWords));
      } else if (entry != "NONE" && entry != "NIL") {
        remarks_.fault(where, value_wanted(entry));
      }
    }
  }

  void time_limit(std::string_view value, const Place& where) {
    const auto time = parse_duration(value);
    keep(wishes_.time_limit, time ? std::optional(*time) : std::nullopt, where,
         "a limit, as in 90 (minutes), 1:30:00, 1-12 or 1-12:00:00; there is none without an end");
  }

  void take(const Option& option, std::string_view value, const Place& where) {
    const auto text = [&](Wish<std::string>& wish) {
      keep(wish, value.empty() ? std::nullopt : std::optional(std::string(value)), where, "given");
    };
    switch (option.meaning) {
      case Meaning::account: return text(wishes_.project);
      case Meaning::array: return text(wishes_.array);
      case Meaning::cpus_per_gpu: return count(wishes_.cpus_per_gpu, value, where);
      case Meaning::cpus_per_task: return count(wishes_.cpus_per_task, value, where);
      case Meaning::environment: return environment(value, where);
      case Meaning::exclusive:
        if (value.empty())
          wishes_.exclusive = Said<bool>{true, where};
        else
          remarks_.fault(where, std::string(kWholeWords));
        return;
      case Meaning::gpus_in_all: return gpus(wishes_.gpus_in_all, value, where);
      case Meaning::gpus_per_node: return gpus(wishes_.gpus_per_node, value, where);
      case Meaning::gpus_per_task: return gpus(wishes_.gpus_per_task, value, where);
      case Meaning::gres: return gres(value, where);
      case Meaning::ignore_pbs: ignores_pbs_ = true; return;
      case Meaning::ignored: return remarks_.note(where, std::string(option.words));
      case Meaning::memory_per_cpu: return memory(wishes_.memory_per_cpu, value, where);
      case Meaning::memory_per_gpu: return memory(wishes_.memory_per_gpu, value, where);
      case Meaning::memory_per_node: return memory(wishes_.memory_per_node, value, where);
      case Meaning::name: return text(wishes_.name);
      case Meaning::no_requeue: wishes_.requeue = Said<bool>{false, where}; return;
      case Meaning::nodes: return nodes(value, where);
      case Meaning::refused: return remarks_.fault(where, std::string(option.words));
      case Meaning::requeue: wishes_.requeue = Said<bool>{true, where}; return;
      case Meaning::tasks: return count(wishes_.tasks, value, where);
      case Meaning::tasks_per_node: return count(wishes_.tasks_per_node, value, where);
      case Meaning::time_limit: return time_limit(value, where);
    }
  }

  Wishes& wishes_;
  Remarks& remarks_;
  std::size_t line_ = 0;
  bool ignores_pbs_ = false;
};

}  // namespace
}  // namespace sbatch

Wishes slurm_wishes(std::string_view script, Remarks& remarks, bool& ignores_pbs) {
  Wishes wishes;
  sbatch::Reader reader(wishes, remarks);
  read_directives(script, Dialect::slurm, reader, remarks);
  ignores_pbs = reader.ignores_pbs();
  return wishes;
}

}  // namespace hansa::directives
