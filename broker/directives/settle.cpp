// SPDX-License-Identifier: Apache-2.0
#include "broker/directives/directives.hpp"
#include "broker/directives/lines.hpp"
#include "broker/directives/values.hpp"
#include "broker/directives/wishes.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace hansa::directives {
namespace {

std::int64_t rounded_up(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

std::string many(std::int64_t count, const char* what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

/// What one dialect asks for in the words of a job.
struct Terms {
  Wish<std::int64_t> nodes;
  Wish<std::int64_t> tasks;
  Wish<std::int64_t> cpus_per_task;
  Wish<std::int64_t> memory;
  Wish<std::int64_t> gpus;
  Wish<std::string> model;
};

/// The arithmetic between what is said and what is meant, with what the request says in the place of what the script does.
class Sum {
 public:
  Sum(const Wishes& wishes, const Fields& stated, Remarks& remarks) : wishes_(wishes), stated_(stated), remarks_(remarks) {}

  Terms terms() {
    nodes_and_tasks();
    gpus();
    cpus();
    memory();
    return std::move(terms_);
  }

 private:
  void nodes_and_tasks() {
    const auto& w = wishes_;
    const auto& s = stated_;
    const auto asked_tasks = s.tasks ? s.tasks : w.tasks ? std::optional(w.tasks->value) : std::nullopt;
    if (s.nodes) {
      nodes_ = std::max<std::int64_t>(1, *s.nodes);
    } else if (w.nodes) {
      nodes_ = w.nodes->value;
      terms_.nodes = w.nodes;
    } else if (w.tasks_per_node && asked_tasks) {
      nodes_ = rounded_up(*asked_tasks, w.tasks_per_node->value);
      terms_.nodes = {nodes_, w.tasks_per_node->place};
    }
    if (s.tasks) {
      tasks_ = std::max<std::int64_t>(1, *s.tasks);
    } else if (w.tasks) {
      tasks_ = w.tasks->value;
      terms_.tasks = w.tasks;
    } else if (w.tasks_per_node) {
      tasks_ = product(w.tasks_per_node->value, nodes_, kMaxCount);
      terms_.tasks = {tasks_, w.tasks_per_node->place};
    } else {
      tasks_ = nodes_;
    }
    if (terms_.tasks && terms_.nodes && w.tasks && tasks_ < nodes_) {  // as sbatch does
      remarks_.note(w.tasks->place, "fewer tasks than nodes: the job has " + many(tasks_, "node"));
      nodes_ = tasks_;
      terms_.nodes->value = nodes_;
    }
    tasks_of_node_ = std::max<std::int64_t>(1, rounded_up(tasks_, nodes_));
    if (terms_.tasks && w.tasks && w.tasks_per_node && tasks_of_node_ > w.tasks_per_node->value) {
      remarks_.fault(w.tasks_per_node->place, many(tasks_, "task") + " on " + many(nodes_, "node") + " are " +
                                                  std::to_string(tasks_of_node_) + " on each; ask for more nodes or fewer tasks");
    }
    if (terms_.tasks && w.tasks && tasks_ > 1 && !s.nodes && !terms_.nodes)
      remarks_.note(terms_.tasks->place, "the number of nodes is not said: all tasks have one node; --nodes has them on more");
  }

  void gpus() {
    const auto& w = wishes_;
    if (stated_.gpus_per_node) {
      gpus_ = *stated_.gpus_per_node;
      return;
    }
    const auto* said = w.gpus_per_node ? &w.gpus_per_node : w.gpus_per_task ? &w.gpus_per_task : &w.gpus_in_all;
    if (!*said) return;
    const auto& [asked, place] = **said;
    if (w.gpus_per_node)
      gpus_ = asked.count;
    else if (w.gpus_per_task)
      gpus_ = product(asked.count, tasks_of_node_, kMaxCount);
    else
      gpus_ = asked.count / nodes_;
    if (w.gpus_in_all && product(gpus_, nodes_, kMaxCount) != w.gpus_in_all->value.count) {
      remarks_.fault(w.gpus_in_all->place,
                     many(w.gpus_in_all->value.count, "GPU") + " on " + many(nodes_, "node") +
                         (said == &w.gpus_in_all ? " cannot be shared evenly; say how many on each: --gpus-per-node"
                                                 : " are not what line " + std::to_string(place.line) + " says"));
      return;
    }
    terms_.gpus = {gpus_, place};
    if (!asked.model.empty() && !stated_.gpu_model) terms_.model = {asked.model, place};
  }

  void cpus() {
    const auto& w = wishes_;
    if (stated_.cpus_per_task) {
      cpus_ = *stated_.cpus_per_task;
    } else if (w.cpus_per_task) {
      cpus_ = w.cpus_per_task->value;
      terms_.cpus_per_task = w.cpus_per_task;
    } else if (w.cpus_per_gpu && gpus_ == 0) {
      remarks_.fault(w.cpus_per_gpu->place, "the job has no GPUs; ask for cores with --cpus-per-task");
    } else if (w.cpus_per_gpu || w.cpus_per_node) {
      const auto cores = w.cpus_per_gpu ? product(w.cpus_per_gpu->value, gpus_, kMaxCount) : w.cpus_per_node->value;
      const auto& place = w.cpus_per_gpu ? w.cpus_per_gpu->place : w.cpus_per_node->place;
      if (cores % tasks_of_node_ != 0) {
        remarks_.fault(place, many(cores, "core") + " of a node cannot be shared evenly by " + many(tasks_of_node_, "task") +
                                  "; ask for " + std::to_string(rounded_up(cores, tasks_of_node_) * tasks_of_node_) +
                                  " cores, or for --cpus-per-task");
        return;
      }
      cpus_ = cores / tasks_of_node_;
      terms_.cpus_per_task = {cpus_, place};
    }
  }

  void memory() {
    const auto& w = wishes_;
    if (stated_.memory_per_node_mib) return;
    if (w.memory_per_node) {
      terms_.memory = w.memory_per_node;
    } else if (w.memory_per_cpu) {
      const auto cores = product(tasks_of_node_, cpus_, kMaxMebibytes);
      terms_.memory = {product(w.memory_per_cpu->value, cores, kMaxMebibytes), w.memory_per_cpu->place};
    } else if (w.memory_per_gpu && gpus_ == 0) {
      remarks_.fault(w.memory_per_gpu->place, "the job has no GPUs; ask for memory with --mem");
    } else if (w.memory_per_gpu) {
      terms_.memory = {product(w.memory_per_gpu->value, gpus_, kMaxMebibytes), w.memory_per_gpu->place};
    } else if (w.memory_in_all) {
      terms_.memory = {rounded_up(w.memory_in_all->value, nodes_), w.memory_in_all->place};
    }
  }

  const Wishes& wishes_;
  const Fields& stated_;
  Remarks& remarks_;
  Terms terms_;
  std::int64_t nodes_ = 1;
  std::int64_t tasks_ = 1;
  std::int64_t tasks_of_node_ = 1;
  std::int64_t cpus_ = 1;
  std::int64_t gpus_ = 0;
};

std::string text_of(const std::string& value) { return "\"" + shown(value) + "\""; }
std::string text_of(std::int64_t value) { return std::to_string(value); }
std::string text_of(bool value) { return value ? "yes" : "no"; }
std::string text_of(Seconds value) { return std::to_string(value.count()) + " s"; }

/// What either says; that they do not agree is a fault at the second.
template <typename T>
const Wish<T>& agreed(const char* what, const Wish<T>& slurm, const Wish<T>& pbs, Remarks& remarks) {
  if (slurm && pbs && slurm->value != pbs->value) {
    remarks.fault(pbs->place, std::string(what) + " is " + text_of(pbs->value) + " here and " + text_of(slurm->value) +
                                  " in line " + std::to_string(slurm->place.line) + " (" + slurm->place.words +
                                  "); make them agree, or take one out");
  }
  return slurm ? slurm : pbs;
}

template <typename T>
void put(std::optional<T>& field, const std::optional<T>& stated, const Wish<T>& wish) {
  if (wish && !stated) field = wish->value;
}

void environment(const Wishes& slurm, const Wishes& pbs, const Fields& stated, Fields& fields, Remarks& remarks) {
  std::unordered_set<std::string_view> named;
  for (const auto& [name, value] : stated.environment) named.insert(name);
  const auto is_open = [&](const Said<Variable>& said) { return !named.contains(said.value.first); };
  for (const auto& said : slurm.environment) {
    if (is_open(said)) fields.environment.push_back(said.value);
  }
  for (const auto& said : pbs.environment) {
    if (!is_open(said)) continue;
    const auto at = slurm.variables.find(said.value.first);
    if (at == slurm.variables.end()) {
      fields.environment.push_back(said.value);
      continue;
    }
    const auto* other = &slurm.environment[at->second];
    if (other->value.second != said.value.second)
      remarks.fault(said.place, "the variable " + shown(said.value.first) + " has another value in line " +
                                    std::to_string(other->place.line) + "; make them agree");
  }
}

}  // namespace

std::string to_text(const Remark& remark) {
  if (remark.line == 0) return remark.message;
  return "line " + std::to_string(remark.line) + ", \"" + remark.words + "\": " + remark.message;
}

bool has_directives(std::string_view script) {
  return Lines(script, Dialect::slurm).next().has_value() || Lines(script, Dialect::pbs).next().has_value();
}

Settled settle(std::string_view script, const Fields& stated) {
  Remarks remarks;
  bool ignores_pbs = false;
  const auto slurm = slurm_wishes(script, remarks, ignores_pbs);
  const auto pbs = ignores_pbs ? Wishes() : pbs_wishes(script, remarks);
  Settled settled;
  auto& fields = settled.fields;
  if (remarks.faults.empty()) {  // else what follows from them would be told as well
    const auto a = Sum(slurm, stated, remarks).terms();
    const auto b = Sum(pbs, stated, remarks).terms();
    put(fields.nodes, stated.nodes, agreed("the number of nodes", a.nodes, b.nodes, remarks));
    put(fields.tasks, stated.tasks, agreed("the number of tasks", a.tasks, b.tasks, remarks));
    put(fields.cpus_per_task, stated.cpus_per_task,
        agreed("the number of cores of a task", a.cpus_per_task, b.cpus_per_task, remarks));
    put(fields.memory_per_node_mib, stated.memory_per_node_mib, agreed("the memory of a node", a.memory, b.memory, remarks));
    put(fields.gpus_per_node, stated.gpus_per_node, agreed("the number of GPUs of a node", a.gpus, b.gpus, remarks));
    put(fields.gpu_model, stated.gpu_model, agreed("the model of GPU", a.model, b.model, remarks));
    put(fields.time_limit, stated.time_limit, agreed("the time limit", slurm.time_limit, pbs.time_limit, remarks));
    put(fields.name, stated.name, agreed("the name", slurm.name, pbs.name, remarks));
    put(fields.requeue, stated.requeue, agreed("whether it may be started again", slurm.requeue, pbs.requeue, remarks));
    put(fields.exclusive, stated.exclusive, agreed("whether its nodes are its own", slurm.exclusive, pbs.exclusive, remarks));
    put(fields.array, stated.array, agreed("the array", slurm.array, pbs.array, remarks));
    const auto& project = agreed("the project", slurm.project, pbs.project, remarks);
    put(fields.project, stated.project, project);
    if (project && stated.project && project->value != *stated.project)
      remarks.note(project->place, "not used: the job is charged to the project that was asked for, " + shown(*stated.project));
    environment(slurm, pbs, stated, fields, remarks);
  }
  settled.notes = std::move(remarks.notes);
  settled.faults = std::move(remarks.faults);
  return settled;
}

}  // namespace hansa::directives
