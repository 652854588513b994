# SPDX-License-Identifier: Apache-2.0
# fish completion for hansa: /usr/share/fish/vendor_completions.d/hansa.fish

function __hansa_is --description "the command so far is one of the arguments"
    set -l words
    set -l skip 0
    set -l with_value --url --token-file --ca-file --project --nodes --ntasks --cpus-per-task --gpus-per-node --mem --time --site --country --data --label --image --bind --inside --module --network --variants --code --output --array --after --output-dir -o --name --env \
        --idempotency-key --state --since --limit --timeout --as --reason --by --from --to --format --user --role --note --expires --at \
        --trace --sites --policy --load --seeds --sample --add-capacity --hidden --plot --label --size --files --sha256 --owner --root --path --permit --until --transfer-basis --reviewed --last --rules --evidence --as-of
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
        else if contains -- $word $with_value
            set skip 1
        else if not string match -q -- '-*' $word
            set -a words $word
            # A second word belongs to the command's name, or is a script, after which everything is the script's.
            contains -- $words[1] site report data facts token policy config submit; and test (count $words) -eq 1; and continue
            test "$words" = "data replica"; or break
        end
    end
    contains -- "$words" $argv
end

complete -c hansa -f
complete -c hansa -l url -x -d "The address of the broker"
complete -c hansa -l token-file -r -F -d "The file with your token"
complete -c hansa -l ca-file -r -F -d "The authorities that may sign its certificate"
complete -c hansa -s h -l help -d "Explain the command"
complete -c hansa -l version -d "Print the version"

complete -c hansa -n '__hansa_is ""' -a submit -d "Submit a job"
complete -c hansa -n '__hansa_is ""' -a jobs -d "List jobs"
complete -c hansa -n '__hansa_is ""' -a show -d "Show everything about a job"
complete -c hansa -n '__hansa_is ""' -a explain -d "Say where a job goes and why"
complete -c hansa -n '__hansa_is ""' -a wait -d "Wait until jobs are over"
complete -c hansa -n '__hansa_is ""' -a logs -d "Print what a job wrote"
complete -c hansa -n '__hansa_is ""' -a fetch -d "Bring the outputs that a job names"
complete -c hansa -n '__hansa_is ""' -a hold -d "Keep waiting jobs from going to a site"
complete -c hansa -n '__hansa_is ""' -a release -d "Let held jobs go on"
complete -c hansa -n '__hansa_is ""' -a cancel -d "Cancel jobs, or tasks of an array"
complete -c hansa -n '__hansa_is ""' -a resolve -d "Give a job up for lost"
complete -c hansa -n '__hansa_is ""' -a sites -d "List the sites"
complete -c hansa -n '__hansa_is ""' -a site -d "Show, look over, drain or resume a site; its agent"
complete -c hansa -n '__hansa_is ""' -a report -d "Sum up what was used"
complete -c hansa -n '__hansa_is ""' -a data -d "Register datasets, their labels and copies"
complete -c hansa -n '__hansa_is ""' -a facts -d "What rules may ask of sites, projects and people"
complete -c hansa -n '__hansa_is ""' -a token -d "Make, list and revoke tokens"
complete -c hansa -n '__hansa_is ""' -a policy -d "Check, test and show rule packs"
complete -c hansa -n '__hansa_is ""' -a simulate -d "Play a trace of jobs at simulated sites"
complete -c hansa -n '__hansa_is ""' -a config -d "Check a hansad.toml, or explain its keys"
complete -c hansa -n '__hansa_is ""' -a version -d "Print the version"
complete -c hansa -n '__hansa_is site' -a "show doctor agent enroll revoke drain resume"
complete -c hansa -n '__hansa_is report' -a "usage estimates"
complete -c hansa -n '__hansa_is data' -a "add list show label terms owner replica changes approve reject"
complete -c hansa -n '__hansa_is "data replica"' -a "add remove verify"
complete -c hansa -n '__hansa_is facts' -a "show set withdraw changes approve reject"
complete -c hansa -n '__hansa_is token' -a "create list revoke"
complete -c hansa -n '__hansa_is policy' -a "check test diff show"
complete -c hansa -n '__hansa_is config' -a "check reference"

complete -c hansa -n '__hansa_is submit jobs show explain wait fetch hold release cancel resolve sites "site show" "site doctor" "site agent" "site enroll" "site revoke" "site drain" "site resume" "report usage" "report estimates" "data add" "data list" "data show" "data label" "data terms" "data owner" "data replica add" "data replica remove" "data replica verify" "data changes" "data approve" "data reject" "facts show" "facts set" "facts withdraw" "facts changes" "facts approve" "facts reject" "token create" "token list" "token revoke" "policy check" "policy test" "policy diff" "policy show" simulate "config check" version' -l json -d "Print the JSON of the API"
complete -c hansa -n '__hansa_is submit "policy check" "policy test" "policy diff" "policy show" "config check"' -F
complete -c hansa -n '__hansa_is "policy check"' -l sites -r -F -d "A hansad.toml: tell also labels that no site can serve"
complete -c hansa -n '__hansa_is "policy check"' -l at -x -d "Tell what has ended by then"
complete -c hansa -n '__hansa_is submit' -l nodes -x -d Nodes
complete -c hansa -n '__hansa_is submit' -l ntasks -x -d "Tasks, all nodes together"
complete -c hansa -n '__hansa_is submit' -l cpus-per-task -x -d "Cores of each task"
complete -c hansa -n '__hansa_is submit' -l gpus-per-node -x -d "GPUs on each node, as 4:a100"
complete -c hansa -n '__hansa_is submit' -l mem -x -d "Memory on each node"
complete -c hansa -n '__hansa_is submit' -l time -x -d "Time limit"
complete -c hansa -n '__hansa_is submit' -l site -x -d "Only at this site"
complete -c hansa -n '__hansa_is submit' -l country -x -d "Only in this country"
complete -c hansa -n '__hansa_is submit' -l data -x -d "A registered dataset that it reads"
complete -c hansa -n '__hansa_is submit' -l label -x -d "What script and arguments hold"
complete -c hansa -n '__hansa_is submit' -l image -x -d "Run in this container"
complete -c hansa -n '__hansa_is submit' -l bind -x -d "A folder in the container"
complete -c hansa -n '__hansa_is submit' -l inside -x -a "script processes" -d "What runs in the container"
complete -c hansa -n '__hansa_is submit' -l network -x -a "outbound any" -d "What its nodes must reach"
complete -c hansa -n '__hansa_is submit' -l module -x -d "A module that sites map to their own"
complete -c hansa -n '__hansa_is submit' -l variants -r -F -d "What differs on other machines"
complete -c hansa -n '__hansa_is submit' -l code -x -a "(__fish_complete_directories)" -d "What git tracks in a folder"
complete -c hansa -n '__hansa_is submit' -l output -x -d "A file that it leaves, for hansa fetch"
complete -c hansa -n '__hansa_is submit' -l array -x -d "Once for each index, as 0-99%10"
complete -c hansa -n '__hansa_is logs' -l task -x -d "Of an array: what this task wrote"
complete -c hansa -n '__hansa_is cancel' -l task -x -d "Of one array: these tasks alone"
complete -c hansa -n '__hansa_is submit' -l after -x -d "Start only once these jobs have succeeded"
complete -c hansa -n '__hansa_is submit' -l name -x -d "A name for people"
complete -c hansa -n '__hansa_is submit' -l env -x -d "A variable of the environment"
complete -c hansa -n '__hansa_is submit' -l exclusive -d "Its nodes are its own, whole"
complete -c hansa -n '__hansa_is submit' -l requeue -d "The site may start it again after a node failed"
complete -c hansa -n '__hansa_is submit' -l ignore-directives -d "Take no notice of #SBATCH and #PBS lines"
complete -c hansa -n '__hansa_is submit' -l idempotency-key -x -d "The same key gives the same job"
complete -c hansa -n '__hansa_is submit' -l dry-run -d "Only say where it would go and why"
complete -c hansa -n '__hansa_is submit' -l wait -d "Wait for its end"
complete -c hansa -n '__hansa_is submit jobs "data add" "data list"' -l project -x -d "The project"
complete -c hansa -n '__hansa_is "data changes" "facts changes"' -l state -x -a "applied pending approved rejected"
complete -c hansa -n '__hansa_is jobs' -l state -x -a "accepted waiting held submitting queued running finishing succeeded failed timed_out cancelled lost rejected"
complete -c hansa -n '__hansa_is jobs' -l since -x -d "Accepted since"
complete -c hansa -n '__hansa_is jobs "data list" "data changes" "facts changes"' -l limit -x -d "At most so many"
complete -c hansa -n '__hansa_is jobs "data list" "data changes" "facts changes"' -l all -d "All of them"
complete -c hansa -n '__hansa_is wait' -l timeout -x -d "Give up after"
complete -c hansa -n '__hansa_is logs' -s f -l follow -d "Go on until the job is over"
complete -c hansa -n '__hansa_is logs' -l stderr -d "What it wrote to standard error"
complete -c hansa -n '__hansa_is fetch' -s o -l output-dir -x -a "(__fish_complete_directories)" -d "Into this folder"
complete -c hansa -n '__hansa_is fetch' -l list -d "Only say what is there"
complete -c hansa -n '__hansa_is fetch' -l force -d "Replace files that are there already"
complete -c hansa -n '__hansa_is resolve' -l as -x -a lost
complete -c hansa -n '__hansa_is resolve "site drain" "site revoke" "data add" "data label" "data terms" "data owner" "data replica add" "data replica verify" "data approve" "data reject" "facts set" "facts withdraw" "facts approve" "facts reject"' -l reason -x -d Why
complete -c hansa -n '__hansa_is "report usage"' -l by -x -a "project owner site country queue account day month state"
complete -c hansa -n '__hansa_is "report usage"' -l from -x -d "Runs that ended at or after"
complete -c hansa -n '__hansa_is "report usage"' -l to -x -d "Runs that ended before"
complete -c hansa -n '__hansa_is "report usage" "report estimates"' -l format -x -a "table csv json"
complete -c hansa -n '__hansa_is "report estimates"' -l by -x -a "site class project basis"
complete -c hansa -n '__hansa_is "report estimates"' -l since -x -d "Starts at or after"
complete -c hansa -n '__hansa_is "data add" "data list"' -l label -x -a "open internal personal health trade-secret export-controlled"
complete -c hansa -n '__hansa_is "data label"' -a "open internal personal health trade-secret export-controlled"
complete -c hansa -n '__hansa_is "data terms"' -l permit -x -d "The data permit"
complete -c hansa -n '__hansa_is "data terms"' -l until -x -d "When it ends"
complete -c hansa -n '__hansa_is "facts set"' -l until -x -d "No evidence from then on"
complete -c hansa -n '__hansa_is "facts set"' -l evidence -x -d "Where it is written down"
complete -c hansa -n '__hansa_is "facts set"' -l as-of -x -d "When somebody looked"
complete -c hansa -n '__hansa_is "data terms"' -l no-permit -d "It has no permit any more"
complete -c hansa -n '__hansa_is "data terms"' -l transfer-basis -x -a "none adequacy standard-clauses binding-rules derogation"
complete -c hansa -n '__hansa_is "data terms"' -l reviewed -x -a "true false"
complete -c hansa -n '__hansa_is "policy diff"' -l last -x -d "Decisions since then"
complete -c hansa -n '__hansa_is "data add"' -l size -x -d "In bytes"
complete -c hansa -n '__hansa_is "data add"' -l files -x -d "How many files"
complete -c hansa -n '__hansa_is "data add" "data replica verify"' -l sha256 -x -d "SHA-256 of the manifest"
complete -c hansa -n '__hansa_is "data add" "data list"' -l owner -x -d "Whose it is"
complete -c hansa -n '__hansa_is "data replica add"' -l root -x -d "The folder by its name at the site"
complete -c hansa -n '__hansa_is "data replica add"' -l path -x -d "Where it is beneath that"
complete -c hansa -n '__hansa_is "data replica verify"' -l at -x -d "When it was looked at"
complete -c hansa -n '__hansa_is "data replica verify"' -l expires -x -d "Until when it counts"
complete -c hansa -n '__hansa_is "token create"' -l user -x -d "Whose token"
complete -c hansa -n '__hansa_is "token create"' -l role -x -a "user operator auditor"
complete -c hansa -n '__hansa_is "token create"' -l note -x -d "What it is for"
complete -c hansa -n '__hansa_is "token create" "site enroll"' -l expires -x -d "When it ends"
complete -c hansa -n '__hansa_is simulate' -l trace -r -F -d "The jobs, in the Standard Workload Format"
complete -c hansa -n '__hansa_is simulate' -l sites -r -F -d "The sites, as TOML"
complete -c hansa -n '__hansa_is simulate' -l rules -r -F -d "Only where this rule pack lets jobs go"
complete -c hansa -n '__hansa_is simulate' -l label -x -d "NAME=SHARE of the jobs read such data"
complete -c hansa -n '__hansa_is simulate' -l at -x -d "Ask the rules as on this day"
complete -c hansa -n '__hansa_is simulate' -l policy -x -a "hansa home random shortest-queue earliest-start redundant merged"
complete -c hansa -n '__hansa_is simulate' -l load -x -d "The offered load, as 0.85"
complete -c hansa -n '__hansa_is simulate' -l seeds -x -d "So many shaken traces"
complete -c hansa -n '__hansa_is simulate' -l sample -x -d "Take one job in so many"
complete -c hansa -n '__hansa_is simulate' -l add-capacity -x -d "Give a site more cores, as alpha:64"
complete -c hansa -n '__hansa_is simulate' -l hidden -x -d "Sites that show no jobs but ours, or all"
complete -c hansa -n '__hansa_is simulate' -l plot -r -F -d "Write pictures into this folder"
complete -c hansa -n '__hansa_is "config reference"' -l man -d "As a man page"
