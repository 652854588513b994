# SPDX-License-Identifier: Apache-2.0
# bash completion for hansa: /usr/share/bash-completion/completions/hansa
# Options and commands only: nothing is asked of a broker while somebody types.
# shellcheck disable=SC2207 # words without blanks
_hansa() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word command="" i
  local commands="submit jobs show explain wait logs script fetch hold release cancel resolve connect disconnect login logout whoami sites site report ledger privacy break-glass data facts allocation secret token policy simulate config version"
  local globals="--url --token-file --ca-file --help --version"
  local states="accepted waiting held submitting queued running finishing succeeded failed timed_out cancelled lost rejected"
  local labels="open internal personal health trade-secret export-controlled"
  local options="" script=0
  COMPREPLY=()

  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      --url | --token-file | --ca-file | --project | --nodes | --ntasks | --cpus-per-task | --gpus-per-node | --mem | --time | --site | --country | --data | --image | --bind | --inside | --module | --network | --variants | --code | --secret | --file | --output | --array | --task | --after | --output-dir | -o | \
        --name | --connector | --env | --idempotency-key | --state | --since | --limit | --timeout | --as | --reason | --by | --from | --to | --format | \
        --user | --role | --note | --expires | --sites | --at | --trace | --policy | --load | --seeds | --sample | --add-capacity | --hidden | --plot | --label | --size | --files | --sha256 | --owner | --root | --path | --permit | --until | --transfer-basis | --reviewed | --last | --rules | --evidence | --as-of | --scope | --for | --key | --witness | --dir | --output | --issuer | --issued | --signed-by | --core-seconds | --gpu-seconds | --node-seconds) ((i++)) ;;
      -*) ;;
      *)
        case $command in
          "" | site | report | ledger | privacy | break-glass | data | "data replica" | "ledger period" | facts | allocation | secret | token | policy | config) command=${command:+$command }$word ;;
          submit) script=1 ;;
        esac
        ;;
    esac
  done
  if ((script)); then # the script's own arguments
    compopt -o default
    return
  fi

  case $prev in
    -o | --output-dir | --code | --dir) compopt -o dirnames; return ;;
    --output) [[ $command == "ledger export" || $command == "privacy export" || $command == report\ * ]] && compopt -o default; return ;;
    --kind) COMPREPLY=($(compgen -W "individual summary sync" -- "$cur")); return ;;
    --token-file | --ca-file | --file | --variants | --trace | --sites | --rules | --plot) compopt -o default; return ;;
    --state)
      [[ $command == *" changes" ]] && states="applied pending approved rejected"
      [[ $command == "break-glass list" ]] && states="pending open rejected ended"
      COMPREPLY=($(compgen -W "$states" -- "$cur")); return ;;
    --format) COMPREPLY=($(compgen -W "table csv json" -- "$cur")); return ;;
    --policy) COMPREPLY=($(compgen -W "hansa home random shortest-queue earliest-start redundant merged" -- "$cur")); return ;;
    --role) COMPREPLY=($(compgen -W "user operator policy-officer auditor" -- "$cur")); return ;;
    --as) COMPREPLY=($(compgen -W "lost" -- "$cur")); return ;;
    --by)
      [[ $command == "report estimates" ]] && COMPREPLY=($(compgen -W "site class project basis" -- "$cur")) && return
      [[ $command == "report clearing" ]] && COMPREPLY=($(compgen -W "centre home day month" -- "$cur")) && return
      COMPREPLY=($(compgen -W "project person site country centre home home_country funding_body call allocation queue resource label state day month" -- "$cur")); return ;;
    --url | --project | --nodes | --ntasks | --cpus-per-task | --gpus-per-node | --mem | --time | --site | --country | --data | --image | --bind | --module | --secret | --output | --array | --task | --after | --name | --env | \
      --idempotency-key | --since | --limit | --timeout | --reason | --from | --to | --user | --note | --expires | --at | --login | --agent | --agent-config | --for | --person | \
      --load | --seeds | --sample | --add-capacity | --hidden | --size | --files | --sha256 | --owner | --root | --path | --permit | --until | --last | --evidence | --key | --witness | --as-of | --issuer | --issued | --signed-by | --core-seconds | --gpu-seconds | --node-seconds) return ;;
    --connector) COMPREPLY=($(compgen -W "slurm pbs local" -- "$cur")); return ;;
    --inside) COMPREPLY=($(compgen -W "script processes" -- "$cur")); return ;;
    --network) COMPREPLY=($(compgen -W "outbound any" -- "$cur")); return ;;
    --transfer-basis) COMPREPLY=($(compgen -W "none adequacy standard-clauses binding-rules derogation" -- "$cur")); return ;;
    --reviewed) COMPREPLY=($(compgen -W "true false" -- "$cur")); return ;;
    --label) COMPREPLY=($(compgen -W "$labels" -- "$cur")); return ;;
  esac

  case $command in
    "") options=$commands ;;
    site) options="show doctor agent enroll revoke drain resume" ;;
    report) options="usage countries energy funding grants clearing corrections sovereignty period reconciliation completeness access retention estimates apel waldur" ;;
    privacy) options="retention record export erase approve reject erasures" ;;
    break-glass) options="request approve reject end show list" ;;
    ledger) options="show checkpoint verify prove export witness corrections change-key reconcile reconciliations explain-difference period adjust adjustments approve reject" ;;
    "ledger period") options="open close show" ;;
    data) options="add list show label terms owner replica changes approve reject" ;;
    "data replica") options="add remove verify" ;;
    facts) options="show set withdraw changes approve reject" ;;
    allocation) options="list show grant revoke release import" ;;
    secret) options="put list delete" ;;
    token) options="create list revoke revocations restore" ;;
    policy) options="check test diff show" ;;
    config) options="init check reference" ;;
    submit)
      options="--project --nodes --ntasks --cpus-per-task --gpus-per-node --mem --time --site --country --data --label --image --bind --inside --module --network --variants --code --secret --output --array --after --name --env --exclusive --requeue --ignore-directives --idempotency-key --dry-run --wait --json"
      ;;
    jobs) options="--state --since --project --limit --all --json" ;;
    wait) options="--timeout --json" ;;
    logs) options="--follow --stderr --task" ;;
    fetch) options="--output-dir --list --force --json" ;;
    resolve) options="--as --reason --json" ;;
    connect) options="--login --agent --agent-config --for --local --print --json" ;;
    disconnect) options="--person --reason --json" ;;
    login) options="--issuer --device --browser --list --json" ;;
    "secret put") options="--file --json" ;;
    "secret list" | "secret delete") options="--json" ;;
    "token revoke") options="--person --issued --signed-by --issuer --reason --json" ;;
    "site drain" | "site revoke") options="--reason --json" ;;
    "site enroll") options="--expires --json" ;;
    "report usage" | "report countries" | "report energy") options="--by --project --site --from --to --time-sliced --for --format --output --json" ;;
    "report clearing") options="--by --site --from --to --time-sliced --for --format --output --json" ;;
    "report funding" | "report grants" | "report sovereignty") options="--project --from --to --format --output --json" ;;
    "report corrections") options="--project --site --from --to --format --output --json" ;;
    "report reconciliation" | "report completeness") options="--site --from --to --format --output --json" ;;
    "report period" | "report retention") options="--from --to --format --output --json" ;;
    "report estimates") options="--by --project --site --since --format --json" ;;
    "report apel") options="--kind --month --site --output --pseudonyms --personal" ;;
    "report waldur") options="--month --site --output --personal" ;;
    "ledger verify") options="--key --witness --report --json" ;;
    "ledger export") options="--output --personal" ;;
    "ledger witness") options="--dir --name --key --key-only" ;;
    "ledger corrections" | "ledger adjustments") options="--limit --json" ;;
    "ledger reconcile") options="--from --to --json" ;;
    "ledger reconciliations") options="--site --limit --json" ;;
    "ledger explain-difference" | "ledger approve" | "ledger reject") options="--reason --json" ;;
    "ledger period close") options="--early --json" ;;
    "ledger adjust") options="--core-seconds --gpu-seconds --node-seconds --reason --json" ;;
    "report access") options="--from --to --person --limit --format --output --json" ;;
    "privacy export") options="--reason --output" ;;
    "break-glass request") options="--scope --for --reason --json" ;;
    "break-glass list") options="--state --limit --json" ;;
    "break-glass approve" | "break-glass reject" | "break-glass end" | "break-glass show" | script) options="--json" ;;
    "privacy erase") options="--reason --json" ;;
    "privacy retention" | "privacy record" | "privacy approve" | "privacy reject" | "privacy erasures") options="--json" ;;
    "data add") options="--project --label --size --files --sha256 --owner --reason --json" ;;
    "data list") options="--label --project --owner --limit --all --json" ;;
    "data label" | "data owner" | "data approve" | "data reject" | "facts withdraw" | "facts approve" | "facts reject" | "allocation revoke" | "allocation release") options="--reason --json" ;;
    "allocation list") options="--project --json" ;;
    "allocation grant") options="--unit --site --from --until --reason --json" ;;
    "allocation import") options="--site --component --reason --json" ;;
    "data replica add") options="--root --path --reason --json" ;;
    "data replica verify") options="--sha256 --expires --at --reason --json" ;;
    "data changes" | "facts changes") options="--state --limit --all --json" ;;
    "facts set") options="--evidence --until --as-of --reason --json" ;;
    "token create") options="--user --role --site --note --expires --json" ;;
    "data terms") options="--permit --until --no-permit --transfer-basis --reviewed --reason --json" ;;
    "policy diff") options="--last --json" ;;
    "policy check") options="--sites --at --json" ;;
    simulate) options="--trace --sites --policy --load --seeds --sample --add-capacity --hidden --rules --label --at --plot --json" ;;
    "config init") options="--name --country --connector --person --json" ;;
    "config reference") options="--man" ;;
    cancel) options="--task --json" ;;
    show | explain | hold | release | sites | "site show" | "site doctor" | "site agent" | "site resume" | "ledger show" | "ledger checkpoint" | "ledger prove" | "ledger change-key" | "ledger period open" | "ledger period show" | "data show" | "facts show" | "allocation show" | "data replica remove" | "token list" | "token revocations" | "token restore" | whoami | "policy test" | "policy show" | "config check" | version) options="--json" ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options $globals" -- "$cur"))
  elif [[ $command == submit || $command == "config check" || $command == "config init" || $command == "ledger verify" || $command == policy\ * ]]; then
    compopt -o default
  elif [[ $options != -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  fi
}
complete -F _hansa hansa
