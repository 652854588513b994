// SPDX-License-Identifier: Apache-2.0
// Every option of qsub (OpenPBS 23.06: qsub(1B), pbs_resources(7B), src/cmds/qsub.c), Torque's where scripts still have them, and
// what becomes of it.
#include "broker/directives/values.hpp"
#include "broker/directives/wishes.hpp"
#include "broker/directives/words.hpp"

#include <algorithm>
#include <array>

namespace hansa::directives {
namespace qsub {
namespace {

enum class Meaning { array, attributes, environment, exclusive, ignored, name, project, refused, requeue, resources };

struct Option {
  char letter;
  bool has_value;
  Meaning meaning;
  std::string_view words = {};  // of a note or a refusal
};

constexpr std::string_view kInteractive = "Hansa has no interactive jobs; take it out";
constexpr std::string_view kSite =
    "is a resource of one site, which Hansa cannot ask for; take it out, and name the site with --site";
constexpr std::string_view kMemory = "Hansa has no such limit; ask for memory of each node with mem";

constexpr auto kOptions = std::to_array<Option>({
    {'a', true, Meaning::refused, kStartWords},
    {'A', true, Meaning::project},
    {'c', true, Meaning::ignored, "not used: Hansa takes no checkpoints"},
    {'C', true, Meaning::refused, "another prefix than #PBS is not read"},
    {'d', true, Meaning::refused, kFolderWords},
    {'D', true, Meaning::refused, kFolderWords},
    {'e', true, Meaning::ignored, kOutputWords},
    {'f', false, Meaning::ignored, kCommandWords},
    {'F', true, Meaning::refused, "give arguments after the script's name: hansa submit SCRIPT ARG..."},
    {'G', false, Meaning::refused, kInteractive},
    {'h', false, Meaning::refused, kHoldWords},
    {'I', false, Meaning::refused, kInteractive},
    {'j', true, Meaning::ignored, "not used: the two streams are kept apart: hansa logs JOB, hansa logs --stderr JOB"},
    {'J', true, Meaning::array},
    {'k', true, Meaning::ignored, kOutputWords},
    {'l', true, Meaning::resources},
    {'m', true, Meaning::ignored, kMailWords},
    {'M', true, Meaning::ignored, kMailWords},
    {'n', false, Meaning::exclusive},
    {'N', true, Meaning::name},
    {'o', true, Meaning::ignored, kOutputWords},
    {'p', true, Meaning::ignored, kTurnWords},
    {'P', true, Meaning::project},
    {'q', true, Meaning::ignored, kQueueWords},
    {'r', true, Meaning::requeue},
    {'R', true, Meaning::ignored, kOutputWords},
    {'S', true, Meaning::ignored, "not used: the script's first line says what runs it"},
    {'t', true, Meaning::array},
    {'u', true, Meaning::refused, "is a privilege: the job runs as the account that its site gives you; take it out"},
    {'v', true, Meaning::environment},
    {'V', false, Meaning::ignored, kShellWords},
    {'w', true, Meaning::refused, kFolderWords},
    {'W', true, Meaning::attributes},
    {'X', false, Meaning::refused, kInteractive},
    {'z', false, Meaning::ignored, kCommandWords},
});

struct Row {
  std::string_view name;
  bool refused;
  std::string_view words;
};

// Of -W: all of them are of one server, and most route the job past Hansa.
constexpr auto kAttributes = std::to_array<Row>({
    {"block", false, "not used: to wait for the end, hansa submit --wait"},
    {"depend", true, kDependencyWords},
    {"group_list", true, "is a privilege: the job runs as the account that its site gives you; take it out"},
    {"sandbox", true, kFolderWords},
    {"stagein", true, "files are brought another way: data with --data, code with --code"},
    {"stageout", true, "files are fetched another way: --output NAME, then hansa fetch JOB"},
    {"umask", true, "the broker sets no umask; say it in the script"},
});

// Of -l, beside those that are read.
constexpr auto kResources = std::to_array<Row>({
    {"arch", false, "not used: sites' nodes are of one kind to Hansa"},
    {"cput", false, "not used: the job's limit is its walltime"},
    {"min_walltime", false, "not used: the time limit is not shortened"},
    {"nice", false, kTurnWords},
    {"pcput", false, "not used: the job's limit is its walltime"},
    {"soft_walltime", false, "not used: the job's limit is its walltime"},
    {"max_walltime", true, "a job has one time limit: walltime"},
    {"pmem", true, kMemory},
    {"procs", true, "say how many on each node: select=NODES:ncpus=CORES:mpiprocs=TASKS"},
    {"pvmem", true, kMemory},
    {"vmem", true, kMemory},
});

/// What a chunk, or a node of `nodes=`, has.
struct Chunk {
  std::int64_t copies = 0;
  std::optional<std::int64_t> cpus;
  std::optional<std::int64_t> tasks;
  std::optional<std::int64_t> cpus_per_task;  // Torque's cpp
  std::optional<std::int64_t> threads;
  std::optional<std::int64_t> memory;
  Gpus gpus;

  bool has_the_same(const Chunk& other) const {
    return cpus == other.cpus && tasks == other.tasks && cpus_per_task == other.cpus_per_task && threads == other.threads &&
           memory == other.memory && gpus.count == other.gpus.count && gpus.model == other.gpus.model;
  }
};

std::string_view cut(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

class Reader {
 public:
  Reader(Wishes& wishes, Remarks& remarks) : wishes_(wishes), remarks_(remarks) {}

  void read(const Line& line) {
    line_ = line.number;
    for (std::size_t i = 0; i < line.words.size(); ++i) {
      const std::string_view word = line.words[i];
      if (!word.starts_with('-') || word.size() < 2) {
        remarks_.fault(place(word), "is no option of qsub; an option begins with \"-\", and a comment needs a line of its own");
        return;
      }
      for (std::size_t at = 1; at < word.size(); ++at) {
        const auto option = std::ranges::find(kOptions, word[at], &Option::letter);
        if (option == kOptions.end()) {
          remarks_.fault(place(word), "is no option of qsub");
          return;
        }
        const auto dashed = "-" + std::string(1, word[at]);
        if (!option->has_value) {
          take(*option, {}, place(dashed));
          continue;
        }
        std::string_view value = word.substr(at + 1);
        if (value.empty()) {
          if (++i == line.words.size()) {
            remarks_.fault(place(dashed), "needs a value");
            return;
          }
          value = line.words[i];
        }
        take(*option, value, place(dashed + " " + std::string(value)));
        break;
      }
    }
  }

  /// Of -l: what a job has depends on what is said elsewhere.
  void finish() {
    if (select_ && nodes_) {
      remarks_.fault(nodes_->place,
                     "nodes is the old way to say select, which line " + std::to_string(select_->place.line) + " does");
      return;
    }
    const auto& chunks = select_ ? select_ : nodes_;
    for (const auto* each : {&cpus_, &gpus_}) {
      if (*each && chunks)
        remarks_.fault((*each)->place,
                       "stands beside line " + std::to_string(chunks->place.line) + "; put it into the chunk there");
    }
    if (memory_ && select_) {
      remarks_.fault(memory_->place, "stands beside select; put it into the chunk, for each of them: select=N:ncpus=C:mem=SIZE");
    } else if (memory_) {
      wishes_.memory_in_all = memory_;
    }
    if (is_packed_ && !select_) remarks_.fault(*place_, "pack needs chunks: select=N:ncpus=C");
    if (!chunks) {
      if (cpus_) wishes_.cpus_per_node = cpus_;
      if (cpus_) wishes_.nodes = Said<std::int64_t>{1, cpus_->place};
      if (gpus_) wishes_.gpus_per_node = Said<Gpus>{{gpus_->value, {}}, gpus_->place};
      return;
    }
    settle_chunks(chunks->value, chunks->place);
  }

 private:
  Place place(std::string_view words) const { return {line_, shown("#PBS " + std::string(words))}; }

  void take(const Option& option, std::string_view value, const Place& where) {
    const auto text = [&](Wish<std::string>& wish) {
      if (value.empty())
        remarks_.fault(where, "must be given");
      else
        wish = Said<std::string>{std::string(value), where};
    };
    switch (option.meaning) {
      case Meaning::array: return text(wishes_.array);
      case Meaning::attributes: return attributes(value, where);
      case Meaning::environment: return environment(value, where);
      case Meaning::exclusive: wishes_.exclusive = Said<bool>{true, where}; return;
      case Meaning::ignored: return remarks_.note(where, std::string(option.words));
      case Meaning::name: return text(wishes_.name);
      case Meaning::project: return text(wishes_.project);
      case Meaning::refused: return remarks_.fault(where, std::string(option.words));
      case Meaning::requeue:
        if (value == "y" || value == "n")
          wishes_.requeue = Said<bool>{value == "y", where};
        else
          remarks_.fault(where, "must be y or n");
        return;
      case Meaning::resources:
        for (const auto& entry : list_of(value)) resource(entry, place("-l " + entry));
        return;
    }
  }

  void attributes(std::string_view value, const Place& where) {
    for (const std::string_view entry : list_of(value)) {
      const auto name = entry.substr(0, entry.find('='));
      const auto row = std::ranges::find(kAttributes, name, &Row::name);
      if (row == kAttributes.end())
        remarks_.fault(where, "attributes of one site's server cannot be set; take it out");
      else if (row->refused)
        remarks_.fault(where, std::string(row->words));
      else
        remarks_.note(where, std::string(row->words));
      if (name == "depend" || name == "stagein" || name == "stageout") return;  // their values have commas of their own
    }
  }

  void environment(std::string_view value, const Place& where) {
    for (const auto& entry : list_of(value)) {
      if (!set_assigned(wishes_, entry, where, remarks_)) remarks_.fault(where, value_wanted(entry));
    }
  }

  std::optional<std::int64_t> count(std::string_view name, std::string_view value, const Place& where, std::int64_t least = 1) {
    const auto number = whole(value, kMaxCount);
    if (number && *number >= least) return number;
    remarks_.fault(
        where, std::string(name) + " must be a whole number from " + std::to_string(least) + " to " + std::to_string(kMaxCount));
    return std::nullopt;
  }

  std::optional<std::int64_t> memory(std::string_view value, const Place& where) {
    const auto size = pbs_mebibytes(value);
    if (size && *size > 0) return size;
    remarks_.fault(where, "mem must be a size, as in 4gb or 512mb; a number alone is bytes");
    return std::nullopt;
  }

  /// Of several with one name the first counts, as for qsub (src/lib/Libcmds/set_resource.c).
  template <typename T>
  bool is_first(const std::optional<T>& wish, const Place& where) {
    if (wish) remarks_.note(where, "not used: an earlier line says it already, and qsub takes the first");
    return !wish;
  }

  void resource(std::string_view entry, const Place& where) {
    auto value = entry;
    const auto name = cut(value, '=');
    if (name == "select") {
      if (is_first(select_, where)) select_ = chunks(value, where, true);
    } else if (name == "nodes") {
      if (is_first(nodes_, where)) nodes_ = chunks(value, where, false);
    } else if (name == "walltime") {
      if (!is_first(wishes_.time_limit, where)) return;
      if (const auto time = pbs_duration(value))
        wishes_.time_limit = Said<Seconds>{*time, where};
      else
        remarks_.fault(where, "must be a limit of at least a second, as in 3600, 30:00 or 1:30:00");
    } else if (name == "ncpus") {
      if (!is_first(cpus_, where)) return;
      if (const auto number = count(name, value, where)) cpus_ = Said<std::int64_t>{*number, where};
    } else if (name == "ngpus" || name == "gpus" || name == "naccelerators") {
      if (!is_first(gpus_, where)) return;
      if (const auto number = count(name, value, where, 0)) gpus_ = Said<std::int64_t>{*number, where};
    } else if (name == "mem") {
      if (!is_first(memory_, where)) return;
      if (const auto size = memory(value, where)) memory_ = Said<std::int64_t>{*size, where};
    } else if (name == "place") {
      if (is_first(place_, where)) placement(value, where);
    } else if (name == "host" || name == "vnode") {
      remarks_.fault(where, std::string(kNodesWords));
    } else if (const auto row = std::ranges::find(kResources, name, &Row::name); row == kResources.end()) {
      remarks_.fault(where, "\"" + shown(name) + "\" " + std::string(kSite));
    } else if (row->refused) {
      remarks_.fault(where, std::string(row->words));
    } else {
      remarks_.note(where, std::string(row->words));
    }
  }

  /// place=[free|pack|scatter|vscatter][:excl|:shared|:exclhost][:group=...]
  void placement(std::string_view value, const Place& where) {
    place_ = where;
    while (!value.empty()) {
      const auto part = cut(value, ':');
      if (part == "pack")
        is_packed_ = true;
      else if (part == "excl" || part == "exclhost")
        wishes_.exclusive = Said<bool>{true, where};
      else if (part.starts_with("group="))
        remarks_.note(where, "group is not used: which nodes are near to each other is the site's to say");
      else if (part != "free" && part != "scatter" && part != "vscatter" && part != "shared")
        remarks_.fault(where, "must be of free, pack, scatter, vscatter, shared, excl");
    }
  }

  /// "2:ncpus=4:mem=1gb+..." or, the old way, "2:ppn=4+..."; chunks that differ are no job of ours.
  Wish<Chunk> chunks(std::string_view value, const Place& where, bool select) {
    Chunk all;
    if (value.empty())
      remarks_.fault(where, select ? "must be chunks, as in select=2:ncpus=4" : "must be nodes, as in nodes=2:ppn=4");
    for (auto rest = value; !rest.empty();) {
      const auto one = chunk(cut(rest, '+'), where, select);
      if (!one) return std::nullopt;
      if (all.copies > 0 && !all.has_the_same(*one)) {
        remarks_.fault(where, "all nodes of a job are alike to Hansa: give each the larger part, or submit two jobs");
        return std::nullopt;
      }
      const auto copies = all.copies + one->copies;
      all = *one;
      all.copies = copies;
    }
    if (all.copies == 0) return std::nullopt;
    return Said<Chunk>{std::move(all), where};
  }

  std::optional<Chunk> chunk(std::string_view text, const Place& where, bool select) {
    Chunk chunk{.copies = 1, .cpus = {}, .tasks = {}, .cpus_per_task = {}, .threads = {}, .memory = {}, .gpus = {}};
    text = text.substr(0, text.find('#'));  // Torque's "#shared"
    for (bool first = true; !text.empty(); first = false) {
      auto value = cut(text, ':');
      if (first && !value.contains('=')) {
        if (const auto copies = whole(value, kMaxCount); copies && *copies > 0) {
          chunk.copies = *copies;
          continue;
        }
        remarks_.fault(where, select ? "must begin with the number of chunks" : std::string(kNodesWords));
        return std::nullopt;
      }
      const auto name = cut(value, '=');
      const auto number = [&](std::optional<std::int64_t>& into) {
        into = count(name, value, where);
        return into.has_value();
      };
      bool good = true;
      if (name == "ncpus") {
        good = number(chunk.cpus);
      } else if (name == (select ? "mpiprocs" : "ppn")) {
        good = number(chunk.tasks);
      } else if (name == "cpp" && !select) {
        good = number(chunk.cpus_per_task);
      } else if (name == "ompthreads" && select) {
        good = number(chunk.threads);
      } else if (name == "mem") {
        chunk.memory = memory(value, where);
        good = chunk.memory.has_value();
      } else if (name == "ngpus" || name == "gpus" || name == "naccelerators") {
        const auto gpus = count(name, value, where, 0);
        chunk.gpus.count = gpus.value_or(0);
        good = gpus.has_value();
      } else if ((name == "accelerator_model" || name == "gpu_model") && !value.empty()) {
        chunk.gpus.model = value;
      } else if (name == "arch") {
        remarks_.note(where, "arch is not used: sites' nodes are of one kind to Hansa");
      } else if (name == "host" || name == "vnode") {
        remarks_.fault(where, std::string(kNodesWords));
        good = false;
      } else {
        remarks_.fault(where, "\"" + shown(name) + "\" " + std::string(kSite));
        good = false;
      }
      if (!good) return std::nullopt;
    }
    if (!chunk.gpus.model.empty() && chunk.gpus.count == 0) chunk.gpus.count = 1;
    return chunk;
  }

  void settle_chunks(const Chunk& chunk, const Place& where) {
    const auto say = [&](Wish<std::int64_t>& wish, std::int64_t value) { wish = Said<std::int64_t>{value, where}; };
    const auto nodes = is_packed_ ? 1 : chunk.copies;
    const auto on_node = is_packed_ ? chunk.copies : 1;
    const auto tasks = chunk.tasks.value_or(1);
    // A chunk of which only the tasks are said has a core for each.
    const auto cpus = chunk.cpus.value_or(product(tasks, chunk.cpus_per_task.value_or(1), kMaxCount));
    if (chunk.copies > 1 && !place_ && select_)
      remarks_.note(where, "each of the " + std::to_string(chunk.copies) +
                               " chunks has a node of its own; -l place=pack has one node for all");
    say(wishes_.nodes, nodes);
    say(wishes_.tasks_per_node, product(tasks, on_node, kMaxCount));
    say(wishes_.cpus_per_node, product(cpus, on_node, kMaxCount));
    if (chunk.memory) say(wishes_.memory_per_node, product(*chunk.memory, on_node, kMaxMebibytes));
    if (chunk.gpus.count > 0)
      wishes_.gpus_per_node = Said<Gpus>{{product(chunk.gpus.count, on_node, kMaxCount), chunk.gpus.model}, where};
    if (chunk.threads) set_variable(wishes_, {"OMP_NUM_THREADS", std::to_string(*chunk.threads)}, where, remarks_);
  }

  Wishes& wishes_;
  Remarks& remarks_;
  std::size_t line_ = 0;
  Wish<Chunk> select_;
  Wish<Chunk> nodes_;
  Wish<std::int64_t> cpus_;
  Wish<std::int64_t> gpus_;
  Wish<std::int64_t> memory_;
  std::optional<Place> place_;
  bool is_packed_ = false;
};

}  // namespace
}  // namespace qsub

Wishes pbs_wishes(std::string_view script, Remarks& remarks) {
  Wishes wishes;
  qsub::Reader reader(wishes, remarks);
  read_directives(script, Dialect::pbs, reader, remarks);
  return wishes;
}

}  // namespace hansa::directives
