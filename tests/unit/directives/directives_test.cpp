// SPDX-License-Identifier: Apache-2.0
#include "broker/directives/directives.hpp"

#include "broker/core/encoding.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <string>

using namespace hansa;
using namespace hansa::directives;

namespace {

/// "nodes=2 tasks=8 ...": only what is said.
std::string text_of(const Fields& f) {
  std::string text;
  const auto add = [&](const std::string& name, const std::string& value) {
    text += (text.empty() ? "" : " ") + name + "=" + value;
  };
  const auto number = [&](const char* name, const std::optional<std::int64_t>& value) {
    if (value) add(name, std::to_string(*value));
  };
  const auto words = [&](const char* name, const std::optional<std::string>& value) {
    if (value) add(name, *value);
  };
  number("nodes", f.nodes);
  number("tasks", f.tasks);
  number("cpus", f.cpus_per_task);
  number("mem", f.memory_per_node_mib);
  number("gpus", f.gpus_per_node);
  words("model", f.gpu_model);
  if (f.time_limit) add("time", std::to_string(f.time_limit->count()));
  words("name", f.name);
  words("project", f.project);
  if (f.requeue) add("requeue", *f.requeue ? "yes" : "no");
  words("array", f.array);
  if (f.exclusive) add("exclusive", *f.exclusive ? "yes" : "no");
  for (const auto& [name, value] : f.environment) add("$" + name, value);
  return text;
}

std::string script_of(const std::string& lines) {
  return "#!/bin/bash\n" + lines + "\nhostname\n#SBATCH --nodes=99\n#PBS -l nodes=99\n";
}

std::string first(const std::vector<Remark>& remarks) { return remarks.empty() ? "" : to_text(remarks.front()); }

struct Row {
  std::string lines;
  std::string fields;
  std::string note = {};   // a piece of the first; "": there is none
};

void check(const Row& row, const Fields& stated = {}) {
  const auto settled = settle(script_of(row.lines), stated);
  INFO(row.lines);
  CHECK(first(settled.faults).empty());
  CHECK(text_of(settled.fields) == row.fields);
  const auto note = first(settled.notes);
  INFO(note);
  CHECK((row.note.empty() ? note.empty() : note.find(row.note) != std::string::npos));
}

struct BadRow {
  std::string lines;
  std::size_t line;
  std::string words;
  std::string message;  // a piece of it
};

void check(const BadRow& row, const Fields& stated = {}) {
  const auto settled = settle(script_of(row.lines), stated);
  INFO(row.lines);
  REQUIRE(settled.faults.size() == 1);
  const auto& fault = settled.faults.front();
  CHECK(fault.line == row.line);
  CHECK(fault.words == row.words);
  INFO(fault.message);
  CHECK(fault.message.find(row.message) != std::string::npos);
  CHECK(text_of(settled.fields).find("nodes=99") == std::string::npos);
}

}  // namespace

TEST_CASE("what #SBATCH lines ask for") {
  const Row kTable[] = {
      {"", ""},
      {"#SBATCH", ""},
      {"# SBATCH --nodes=2\n##SBATCH --nodes=3\n #SBATCH --nodes=4\n#sbatch --nodes=5", ""},
      {"#SBATCH --nodes=2", "nodes=2"},
      {"#SBATCH --nodes 2", "nodes=2"},
      {"#SBATCH -N2", "nodes=2"},
      {"#SBATCH -N 2", "nodes=2"},
      {"#SBATCH -N 1k", "nodes=1024"},
      {"#SBATCH --nodes=2-2", "nodes=2"},
      {"#SBATCH --nodes=2-4", "nodes=2", "line 2, \"#SBATCH --nodes=2-4\": a job has one number of nodes: it is 2"},
      {"#SBATCH\t--nodes=2\t -n  8", "nodes=2 tasks=8"},
      {"#SBATCH--nodes=2", "nodes=2"},
      {"#SBATCH --nodes=2 # --nodes=3", "nodes=2"},
      {"#SBATCH --nodes=2#3", "nodes=2"},
      {"\n# a comment\n\n   # another\n#SBATCH --nodes=2\n\n#SBATCH --nodes=3", "nodes=3"},
      {"#SBATCH -N 2 -n 8 -c 4 --mem=16G -t 90 -J train", "nodes=2 tasks=8 cpus=4 mem=16384 time=5400 name=train"},
      {"#SBATCH --job=x --cpus-per-t=3", "cpus=3 name=x"},  // as getopt_long has it
      {"#SBATCH --ntasks-per-node=4 --nodes=2", "nodes=2 tasks=8"},
      {"#SBATCH --ntasks-per-node=4", "tasks=4"},
      {"#SBATCH --ntasks-per-node=4 --ntasks=10", "nodes=3 tasks=10"},
      {"#SBATCH --tasks-per-node=4 --tasks=8", "nodes=2 tasks=8"},
      {"#SBATCH --ntasks-per-node=8 --ntasks=8 --nodes=2", "nodes=2 tasks=8"},
      {"#SBATCH --ntasks=128", "tasks=128", "all tasks have one node"},
      {"#SBATCH --nodes=4\n#SBATCH --ntasks=2", "nodes=2 tasks=2", "line 3, \"#SBATCH --ntasks=2\": fewer tasks than nodes"},
      {"#SBATCH --mem=4000", "mem=4000"},
      {"#SBATCH --mem=4gb", "mem=4096"},
      {"#SBATCH --mem=2T", "mem=2097152"},
      {"#SBATCH --mem=1025K", "mem=2"},
      {"#SBATCH --mem-per-cpu=2G -c 4", "cpus=4 mem=8192"},
      {"#SBATCH --mem-per-cpu=2G -c 4 -N2 -n 6", "nodes=2 tasks=6 cpus=4 mem=24576"},
      {"#SBATCH --mem-per-gpu=10G --gpus-per-node=4", "mem=40960 gpus=4"},
      {"#SBATCH --gres=gpu:a100:4", "gpus=4 model=a100"},
      {"#SBATCH --gres=gpu:4", "gpus=4"},
      {"#SBATCH --gres=gpu", "gpus=1"},
      {"#SBATCH --gres=gpu:a100", "gpus=1 model=a100"},
      {"#SBATCH --gres=gres:gpu:2", "gpus=2"},
      {"#SBATCH --gres=none", "gpus=0"},
      {"#SBATCH --gpus-per-node=a100:4", "gpus=4 model=a100"},
      {"#SBATCH --gpus=8 --nodes=2", "nodes=2 gpus=4"},
      {"#SBATCH -G mi250:8 -N2 --gpus-per-node=mi250:4", "nodes=2 gpus=4 model=mi250"},
      {"#SBATCH --gpus-per-task=1 -N2 -n 8", "nodes=2 tasks=8 gpus=4"},
      {"#SBATCH --cpus-per-gpu=8 --gpus-per-node=4 --ntasks-per-node=4 -N1", "nodes=1 tasks=4 cpus=8 gpus=4"},
      {"#SBATCH --time=30", "time=1800"},
      {"#SBATCH --time=30:15", "time=1815"},
      {"#SBATCH --time=1:30:00", "time=5400"},
      {"#SBATCH --time=2-12", "time=216000"},
      {"#SBATCH --time=2-12:30", "time=217800"},
      {"#SBATCH --time=2-12:30:15", "time=217815"},
      {"#SBATCH --job-name=\"my job\" --account=ai-lab", "name=my job project=ai-lab"},
      {"#SBATCH -J'a b' -A ai-lab", "name=a b project=ai-lab"},
      {"#SBATCH --requeue", "requeue=yes"},
      {"#SBATCH --requeue\n#SBATCH --no-requeue", "requeue=no"},
      {"#SBATCH --array=0-9%2", "array=0-9%2"},
      {"#SBATCH --exclusive -N2", "nodes=2 exclusive=yes"},
      {"#SBATCH --export=NONE", ""},
      {"#SBATCH --export=A=1,B=x=y", "$A=1 $B=x=y"},
      {"#SBATCH --export='A=\"1,2\",B=3'", "$A=1,2 $B=3"},
      {"#SBATCH --export=ALL,A=1", "$A=1", "do not travel"},
      {"#SBATCH --mail-type=END,FAIL", "", "line 2, \"#SBATCH --mail-type=END,FAIL\": not used: Hansa sends no mail"},
      {"#SBATCH -o out-%j.txt", "", "line 2, \"#SBATCH -o out-%j.txt\": not used: hansa logs"},
      {"#SBATCH -p gpu", "", "narrow it with --site"},
      {"#SBATCH --qos=high", "", "--site"},
      {"#SBATCH -Qv -N2", "nodes=2", "\"#SBATCH -Q\": not used"},
      {"#SBATCH --nice", "", "not used"},
      {"#SBATCH --nice=100", "", "not used"},
      {"#SBATCH -W", "", "hansa submit --wait"},
      {"#SBATCH --ignore-pbs -N2\n#PBS -l select=4", "nodes=2"},
      {"#SBATCH -- -N2", "nodes=2"},
  };
  CHECK(std::size(kTable) >= 60);
  for (const auto& row : kTable) check(row);
}

TEST_CASE("what #PBS lines ask for") {
  const Row kTable[] = {
      {"#PBS", ""},
      {"#PBS -l select=2:ncpus=8:mpiprocs=4:mem=16gb:ngpus=2 -l place=scatter", "nodes=2 tasks=8 cpus=2 mem=16384 gpus=2"},
      {"#PBS -l select=1:ncpus=8", "nodes=1 tasks=1 cpus=8"},
      {"#PBS -lselect=1:ncpus=8", "nodes=1 tasks=1 cpus=8"},
      {"#PBS -l select=ncpus=8", "nodes=1 tasks=1 cpus=8"},
      {"   #PBS -l select=1:ncpus=2", "nodes=1 tasks=1 cpus=2"},
      {": a line that is no command to qsub\n#PBS -l walltime=60", "time=60"},
      {"#PBS -l select=2:ncpus=1+1:ncpus=1,place=free", "nodes=3 tasks=3 cpus=1"},
      {"#PBS -l select=2:ncpus=1", "nodes=2 tasks=2 cpus=1", "each of the 2 chunks has a node of its own"},
      {"#PBS -l select=4:ncpus=2:mem=1gb:ngpus=1 -l place=pack", "nodes=1 tasks=4 cpus=2 mem=4096 gpus=4"},
      {"#PBS -l select=1:ncpus=8:mpiprocs=2:ompthreads=4", "nodes=1 tasks=2 cpus=4 $OMP_NUM_THREADS=4"},
      {"#PBS -l select=1:ncpus=4:ngpus=1:accelerator_model=a100", "nodes=1 tasks=1 cpus=4 gpus=1 model=a100"},
      {"#PBS -l nodes=2:ppn=4", "nodes=2 tasks=8 cpus=1"},
      {"#PBS -l nodes=2:ppn=4#shared", "nodes=2 tasks=8 cpus=1"},
      {"#PBS -l nodes=2:ppn=4:gpus=1,mem=8gb,walltime=1:00:00", "nodes=2 tasks=8 cpus=1 mem=4096 gpus=1 time=3600"},
      {"#PBS -l nodes=3", "nodes=3 tasks=3 cpus=1"},
      {"#PBS -l ncpus=4 -l mem=2000mb", "nodes=1 cpus=4 mem=2000"},
      {"#PBS -l ngpus=2", "gpus=2"},
      {"#PBS -l walltime=3600", "time=3600"},
      {"#PBS -l walltime=30:00", "time=1800"},
      {"#PBS -l walltime=100:00:00", "time=360000"},
      {"#PBS -l walltime=59.7", "time=60"},
      {"#PBS -l walltime=1:00:00\n#PBS -l walltime=2:00:00", "time=3600",
       "line 3, \"#PBS -l walltime=2:00:00\": not used: an earlier line"},
      {"#PBS -l mem=1048577", "mem=2"},
      {"#PBS -l mem=1gw", "mem=8192"},
      {"#PBS -N train -A ai-lab -r y", "name=train project=ai-lab requeue=yes"},
      {"#PBS -N first\n#PBS -N second", "name=second"},
      {"#PBS -P ai-lab\n#PBS -r n", "project=ai-lab requeue=no"},
      {"#PBS -J 0-9", "array=0-9"},
      {"#PBS -l place=excl", "exclusive=yes"},
      {"#PBS -l select=2:ncpus=4 -l place=scatter:excl", "nodes=2 tasks=2 cpus=4 exclusive=yes"},
      {"#PBS -l place=exclhost", "exclusive=yes"},
      {"#PBS -n", "exclusive=yes"},
      {"#PBS -v A=1,B='x y'", "$A=1 $B=x y"},
      {"#PBS -v \"A='1,2',B=3\"", "$A=1,2 $B=3"},
      {"#PBS -V", "", "do not travel"},
      {"#PBS -j oe", "", "line 2, \"#PBS -j oe\": not used: the two streams are kept apart"},
      {"#PBS -o out.txt -e err.txt", "", "hansa logs"},
      {"#PBS -m abe\n#PBS -M me@example.org", "", "Hansa sends no mail"},
      {"#PBS -q workq", "", "--site"},
      {"#PBS -zV -N x", "name=x", "not used"},
      {"#PBS -l select=1:ncpus=2:arch=linux", "nodes=1 tasks=1 cpus=2", "arch is not used"},
      {"#PBS -l place=free", ""},
      {"#PBS -N a\\\nb -r \\\n y", "name=ab requeue=yes"},
      {"#PBS -W block=true", "", "hansa submit --wait"},
      {"#PBS -N \"my job\" -N a\\ b", "name=a b"},
  };
  for (const auto& row : kTable) check(row);
}

TEST_CASE("what cannot be translated names its line and the nearest thing", "[T09][T10]") {
  const BadRow kTable[] = {
      {"#SBATCH --uid=0", 2, "#SBATCH --uid=0", "privilege"},
      {"\n#SBATCH -N2\n#SBATCH --gid=0", 4, "#SBATCH --gid=0", "privilege"},
      {"#SBATCH --priority=9", 2, "#SBATCH --priority=9", "privilege"},
      {"#SBATCH --clusters=beta", 2, "#SBATCH --clusters=beta", "--site"},
      {"#SBATCH -M beta", 2, "#SBATCH -M beta", "--site"},
      {"#SBATCH --reservation=x", 2, "#SBATCH --reservation=x", "--site"},
      {"#SBATCH -w n[1-2]", 2, "#SBATCH -w n[1-2]", "--site"},
      {"#SBATCH -x n1", 2, "#SBATCH -x n1", "--site"},
      {"#SBATCH --constraint=gpu", 2, "#SBATCH --constraint=gpu", "--gpus-per-node"},
      {"#SBATCH --wrap=reboot", 2, "#SBATCH --wrap=reboot", "take it out"},
      {"#SBATCH --dependency=afterok:7", 2, "#SBATCH --dependency=afterok:7", "--after ID"},
      {"#SBATCH --begin=now+1hour", 2, "#SBATCH --begin=now+1hour", "hansa hold"},
      {"#SBATCH -H", 2, "#SBATCH -H", "hansa hold"},
      {"#SBATCH -QH", 2, "#SBATCH -H", "hansa hold"},
      {"#SBATCH -D /scratch", 2, "#SBATCH -D /scratch", "cd"},
      {"#SBATCH --exclusive=user", 2, "#SBATCH --exclusive=user", "nodes of its own are --exclusive"},
      {"#SBATCH --exclusive=mcs", 2, "#SBATCH --exclusive=mcs", "nodes of its own are --exclusive"},
      {"#SBATCH --test-only", 2, "#SBATCH --test-only", "--dry-run"},
      {"#SBATCH --export=HOME", 2, "#SBATCH --export=HOME", "--env HOME=VALUE"},
      {"#SBATCH hetjob", 2, "#SBATCH hetjob", "one by one"},
      {"#SBATCH --nodes=0", 2, "#SBATCH --nodes=0", "a number of nodes"},
      {"#SBATCH --nodes=4-2", 2, "#SBATCH --nodes=4-2", "a number of nodes"},
      {"#SBATCH --nodes=1000001", 2, "#SBATCH --nodes=1000001", "a number of nodes"},
      {"#SBATCH --ntasks=-1", 2, "#SBATCH --ntasks=-1", "whole number"},
      {"#SBATCH --ntasks=", 2, "#SBATCH --ntasks=", "whole number"},
      {"#SBATCH --ntasks", 2, "#SBATCH --ntasks", "needs a value"},
      {"#SBATCH -n", 2, "#SBATCH -n", "needs a value"},
      {"#SBATCH --mem=lots", 2, "#SBATCH --mem=lots", "a size"},
      {"#SBATCH --mem=0", 2, "#SBATCH --mem=0", "say how much"},
      {"#SBATCH --mem=99999999999T", 2, "#SBATCH --mem=99999999999T", "a size"},
      {"#SBATCH --mem=1G\n#SBATCH --mem-per-cpu=1G", 3, "#SBATCH --mem-per-cpu=1G", "in line 2 already"},
      {"#SBATCH --gres=nvme:1", 2, "#SBATCH --gres=nvme:1", "GPUs only"},
      {"#SBATCH --gres=gpu:a100:1,gpu:v100:1", 2, "#SBATCH --gres=gpu:a100:1,gpu:v100:1", "one model"},
      {"#SBATCH --gres=gpu:a100:x", 2, "#SBATCH --gres=gpu:a100:x", "must be gpu"},
      {"#SBATCH --gpus=3 -N2", 2, "#SBATCH --gpus=3", "3 GPUs on 2 nodes cannot be shared evenly"},
      {"#SBATCH --gpus=3 -N1 --gpus-per-node=4", 2, "#SBATCH --gpus=3", "are not what line 2 says"},
      {"#SBATCH --cpus-per-gpu=4", 2, "#SBATCH --cpus-per-gpu=4", "no GPUs"},
      {"#SBATCH --mem-per-gpu=4G", 2, "#SBATCH --mem-per-gpu=4G", "no GPUs"},
      {"#SBATCH -N2 -n 9 --ntasks-per-node=4", 2, "#SBATCH --ntasks-per-node=4", "9 tasks on 2 nodes are 5 on each"},
      {"#SBATCH --time=UNLIMITED", 2, "#SBATCH --time=UNLIMITED", "must be a limit"},
      {"#SBATCH --time=0", 2, "#SBATCH --time=0", "must be a limit"},
      {"#SBATCH --requeue=1", 2, "#SBATCH --requeue=1", "takes no value"},
      {"#SBATCH --ndoes=2", 2, "#SBATCH --ndoes=2", "did you mean \"nodes\"?"},
      {"#SBATCH --n=2", 2, "#SBATCH --n=2", "no option of sbatch"},  // of several
      {"#SBATCH -Z", 2, "#SBATCH -Z", "no option of sbatch"},
      {"#SBATCH nodes=2", 2, "#SBATCH nodes=2", "begins with \"-\""},
      {"#SBATCH --comment=\"odd", 2, "#SBATCH", "quotation mark"},
      {"#SBATCH --nodes=2\r", 2, "#SBATCH", "dos2unix"},
      {"#PBS -W depend=afterok:7", 2, "#PBS -W depend=afterok:7", "--after ID"},
      {"#PBS -W group_list=root", 2, "#PBS -W group_list=root", "privilege"},
      {"#PBS -W stagein=a@b:c,d@e:f", 2, "#PBS -W stagein=a@b:c,d@e:f", "--data"},
      {"#PBS -W umask=022", 2, "#PBS -W umask=022", "in the script"},
      {"#PBS -W odd=1", 2, "#PBS -W odd=1", "take it out"},
      {"#PBS -u root", 2, "#PBS -u root", "privilege"},
      {"#PBS -I", 2, "#PBS -I", "interactive"},
      {"#PBS -h", 2, "#PBS -h", "hansa hold"},
      {"#PBS -a 1200", 2, "#PBS -a 1200", "hansa hold"},
      {"#PBS -v HOME", 2, "#PBS -v HOME", "--env HOME=VALUE"},
      {"#PBS -r maybe", 2, "#PBS -r maybe", "y or n"},
      {"#PBS -N", 2, "#PBS -N", "needs a value"},
      {"#PBS -l walltime=soon", 2, "#PBS -l walltime=soon", "a limit"},
      {"#PBS -l walltime=0", 2, "#PBS -l walltime=0", "a limit"},
      {"#PBS -l walltime=1:2:3:4", 2, "#PBS -l walltime=1:2:3:4", "a limit"},
      {"#PBS -l mem=4q", 2, "#PBS -l mem=4q", "a size"},
      {"#PBS -l select=2:ncpus=x", 2, "#PBS -l select=2:ncpus=x", "ncpus must be a whole number"},
      {"#PBS -l select=0:ncpus=1", 2, "#PBS -l select=0:ncpus=1", "number of chunks"},
      {"#PBS -l select=1:host=n1", 2, "#PBS -l select=1:host=n1", "--site"},
      {"#PBS -l select=1:scratch_ssd=1gb", 2, "#PBS -l select=1:scratch_ssd=1gb", "\"scratch_ssd\" is a resource of one site"},
      {"#PBS -l filesystems=home", 2, "#PBS -l filesystems=home", "is a resource of one site"},
      {"#PBS -l select=1:ncpus=4+1:ncpus=8", 2, "#PBS -l select=1:ncpus=4+1:ncpus=8", "all nodes of a job are alike"},
      {"#PBS -l select=1:ncpus=8:mpiprocs=3", 2, "#PBS -l select=1:ncpus=8:mpiprocs=3", "ask for 9 cores"},
      {"#PBS -l place=odd", 2, "#PBS -l place=odd", "must be of"},
      {"#PBS -l nodes=n1+n2", 2, "#PBS -l nodes=n1+n2", "--site"},
      {"#PBS -l nodes=1:ppn=2:bigmem", 2, "#PBS -l nodes=1:ppn=2:bigmem", "is a resource of one site"},
      {"#PBS -l select=1\n#PBS -l nodes=1", 3, "#PBS -l nodes=1", "old way"},
      {"#PBS -l select=1\n#PBS -l ncpus=2", 3, "#PBS -l ncpus=2", "into the chunk"},
      {"#PBS -l select=1\n#PBS -l mem=2gb", 3, "#PBS -l mem=2gb", "into the chunk"},
      {"#PBS -N x # a comment", 2, "#PBS #", "a comment needs a line of its own"},
      {"#PBS -N \"x", 2, "#PBS", "quotation mark"},
      {"#PBS -Y", 2, "#PBS -Y", "no option of qsub"},
      {"#PBS --version", 2, "#PBS --version", "no option of qsub"},
  };
  for (const auto& row : kTable) check(row);
}

TEST_CASE("both dialects in one script have to agree") {
  check(
      Row{"#SBATCH -N2 -n 8 -c 2 --time=1:00:00 -J x\n#PBS -l select=2:ncpus=8:mpiprocs=4,walltime=3600,place=scatter\n#PBS -N x",
          "nodes=2 tasks=8 cpus=2 time=3600 name=x"});
  check(Row{"#SBATCH -N1 --mem=4G\n#PBS -l walltime=60", "nodes=1 mem=4096 time=60"});  // what one says alone is said
  check(Row{"#SBATCH --export=A=1\n#PBS -v A=1,B=2", "$A=1 $B=2"});
  const BadRow kTable[] = {
      {"#SBATCH --nodes=2\n#PBS -l nodes=3", 3, "#PBS -l nodes=3",
       "the number of nodes is 3 here and 2 in line 2 (#SBATCH --nodes=2)"},
      {"#PBS -l walltime=60\n#SBATCH --time=2", 2, "#PBS -l walltime=60", "the time limit is 60 s here and 120 s in line 3"},
      {"#SBATCH -J a\n#PBS -N b", 3, "#PBS -N b", "the name is \"b\" here and \"a\" in line 2"},
      {"#SBATCH --requeue\n#PBS -r n", 3, "#PBS -r n", "no here and yes"},
      {"#SBATCH --export=A=1\n#PBS -v A=2", 3, "#PBS -v A=2", "has another value in line 2"},
  };
  for (const auto& row : kTable) check(row);
  check(Row{"#SBATCH --nodes=2\n#PBS -l nodes=3", "tasks=3 cpus=1"}, {.nodes = 3});  // the request says it: no matter any more
}

TEST_CASE("what the request says wins, in sums as well") {
  check(Row{"#SBATCH -N4 -n 8 -c 2 --mem-per-cpu=1G", "tasks=8 cpus=2 mem=8192"}, {.nodes = 2});
  check(Row{"#SBATCH -N2 --ntasks-per-node=4", "tasks=12"}, {.nodes = 3});
  check(Row{"#SBATCH -N2 -c 2 --mem-per-cpu=1G", "nodes=2 mem=4096"}, {.cpus_per_task = 4});
  check(Row{"#SBATCH --gres=gpu:a100:4", ""}, {.gpus_per_node = 2});  // GPUs are one thing: no model of the script's
  check(Row{"#SBATCH --gres=gpu:a100:4", "gpus=4"}, {.gpu_model = "v100"});
  check(Row{"#SBATCH --mem=1G --time=5 -J a --requeue --export=A=1,B=2", "$B=2"},
        {.memory_per_node_mib = 7, .time_limit = Seconds{1}, .name = "n", .requeue = false, .environment = {{"A", "x"}}});
  check(Row{"#SBATCH -A site-account", "", "charged to the project that was asked for, ai-lab"}, {.project = "ai-lab"});
  check(Row{"#SBATCH -A ai-lab", ""}, {.project = "ai-lab"});
  check(Row{"#PBS -l select=2:ncpus=8:mpiprocs=8", "nodes=2 cpus=2", "each of the 2 chunks"}, {.tasks = 8});
  check(BadRow{"#PBS -l select=1:ncpus=8:mpiprocs=8", 2, "#PBS -l select=1:ncpus=8:mpiprocs=8",
               "8 cores of a node cannot be shared evenly by 3 tasks"},
        {.tasks = 3});
}

TEST_CASE("a script of directives alone costs no more than reading it", "[T24]") {
  std::string script = "#!/bin/bash\n";
  while (script.size() < (std::size_t{5} << 19))
    script += "#SBATCH -Q --export=V" + std::to_string(script.size()) + "=,\n#PBS -odd\n";
  const auto settled = settle(script, {});
  CHECK(settled.notes.size() == kMaxRemarks);
  CHECK(settled.faults.size() == kMaxRemarks);
  CHECK(has_directives(script));
  CHECK_FALSE(has_directives("#!/bin/bash\n# nothing\necho\n#SBATCH -N2\n"));
}

TEST_CASE("words of a message are short and of whole characters") {
  const auto settled = settle("#!/bin/bash\n#SBATCH --comment=" + std::string(70, 'x') + "\xC3\xA4\xC3\xA4\xC3\xA4\t\n", {});
  REQUIRE(settled.notes.size() == 1);
  CHECK(settled.notes[0].words.size() <= 90);
  CHECK(is_utf8(settled.notes[0].words));
  CHECK(first(settle("#!/bin/bash\n#SBATCH --comment='a\tb' -n x\n", {}).notes).find("a?b") != std::string::npos);
}

TEST_CASE("any directives make fields that hold or faults that say where") {
  rc::prop("settle()", [] {
    const std::vector<std::string> pieces{"#SBATCH ",
                                          "#PBS ",
                                          "\n",
                                          " ",
                                          "--nodes=",
                                          "-N",
                                          "2",
                                          "8",
                                          "1000000",
                                          "--ntasks=",
                                          "-l ",
                                          "select=",
                                          ":ncpus=",
                                          ":mpiprocs=",
                                          "nodes=",
                                          ":ppn=",
                                          "--mem=",
                                          "--mem-per-cpu=",
                                          "9G",
                                          "--gpus=",
                                          "--gres=gpu:",
                                          "a100:4",
                                          "--cpus-per-gpu=",
                                          "--ntasks-per-node=",
                                          "+",
                                          ",",
                                          "\\",
                                          "\"",
                                          "#",
                                          "mem=",
                                          "1tb",
                                          "place=pack",
                                          "--gpus-per-task=",
                                          "-c",
                                          "--export=A=",
                                          "-v A="};
    std::string script = "#!/bin/sh\n";
    for (const auto& piece : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces))) script += piece;
    const auto settled = settle(script, {});
    const auto holds = [](const std::optional<std::int64_t>& value, std::int64_t least, std::int64_t most) {
      return !value || (*value >= least && *value <= most);
    };
    RC_ASSERT(holds(settled.fields.nodes, 1, kMaxCount));
    RC_ASSERT(holds(settled.fields.tasks, 1, kMaxCount));
    RC_ASSERT(holds(settled.fields.cpus_per_task, 1, kMaxCount));
    RC_ASSERT(holds(settled.fields.gpus_per_node, 0, kMaxCount));
    RC_ASSERT(holds(settled.fields.memory_per_node_mib, 1, kMaxMebibytes));
    for (const auto& remark : settled.faults) RC_ASSERT(remark.line >= 2 && !remark.words.empty() && !remark.message.empty());
  });
}
