// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"

namespace hansa::cli {
namespace {

constexpr Option kJson{.name = "--json", .help = "Print the API's JSON, one document"};

constexpr Option kGlobals[] = {
    {.name = "--url", .value = "URL", .help = "The broker's address (else HANSA_URL, else the configuration file)"},
    {.name = "--token-file", .value = "FILE", .help = "The file with your token (else HANSA_TOKEN_FILE)"},
    {.name = "--ca-file", .value = "FILE", .help = "The authorities that may sign the broker's certificate (PEM)"},
    {.name = "--help", .help = "Explain the command", .letter = 'h'},
    {.name = "--version", .help = "Print the version"},
};

constexpr Option kSubmit[] = {
    {.name = "--project", .value = "P", .help = "The project that the job is for"},
    {.name = "--nodes", .value = "N", .help = "Nodes (1)"},
    {.name = "--ntasks", .value = "N", .help = "Tasks, all nodes together (one a node)"},
    {.name = "--cpus-per-task", .value = "N", .help = "Cores of each task (1)"},
    {.name = "--gpus-per-node", .value = "N[:MODEL]", .help = "GPUs on each node, as 4 or 4:a100"},
    {.name = "--mem", .value = "SIZE", .help = "Memory on each node: 4G, 512M; MiB without a unit"},
    {.name = "--time", .value = "T", .help = "Time limit (1h): 30m, 2h, 1d, or minutes, h:m:s, d-h:m:s"},
    {.name = "--site", .value = "S", .help = "Only at this site", .repeated = true},
    {.name = "--country", .value = "C", .help = "Only in this country, as FI", .repeated = true},
    {.name = "--data",
     .value = "DATASET",
     .help = "A registered dataset that it reads: only where a verified copy is",
     .repeated = true},
    {.name = "--label",
     .value = "L",
     .help = "What script and arguments hold, as personal: the rules may refuse it",
     .repeated = true},
    {.name = "--image",
     .value = "IMAGE",
     .help = "Run in this container: oras://HOST/NAME@sha256:DIGEST, code:PATH.sif, data:DATASET/PATH.sif"},
    {.name = "--bind",
     .value = "SRC[:DST[:ro]]",
     .help = "A folder in the container, as far as the site lets it",
     .repeated = true},
    {.name = "--inside", .value = "WHAT", .help = "What runs in it: the script, or the processes of hansa-launch (script)"},
    {.name = "--module",
     .value = "NAME[,NAME]",
     .help = "A module that sites map to their own, loaded in this order",
     .repeated = true},
    {.name = "--network", .value = "WHAT", .help = "What its nodes must reach: outbound, the network outside; or any (any)"},
    {.name = "--variants",
     .value = "FILE",
     .help = "Other images, modules, variables and resources for other machines (JSON, or TOML)"},
    {.name = "--code", .value = "DIR", .help = "What git tracks in DIR, as it is now, in the job's working folder"},
    {.name = "--secret",
     .value = "NAME[=FILE]",
     .help = "A secret of yours (hansa secret put), in a file of the folder $HANSA_SECRET_DIR (FILE: NAME)",
     .repeated = true},
    {.name = "--output",
     .value = "NAME[=PATH]",
     .help = "A file that it leaves in its working folder, for hansa fetch (PATH: NAME)",
     .repeated = true},
    {.name = "--array", .value = "LIST", .help = "Once for each index of 0-15, 0,6,16-32, 0-15:4; with %N so many at a time"},
    {.name = "--after",
     .value = "ID[,ID]",
     .help = "Start only once these jobs have succeeded, at whatever sites",
     .repeated = true},
    {.name = "--name", .value = "N", .help = "A name for people (a directive's, or the script's file name)"},
    {.name = "--env", .value = "K=V", .help = "A variable of the job's environment", .repeated = true},
    {.name = "--exclusive", .help = "Its nodes are its own, whole: nobody else's job runs there"},
    {.name = "--requeue", .help = "The site may start the job again after a node failed"},
    {.name = "--ignore-directives", .help = "Take no notice of the script's #SBATCH and #PBS lines"},
    {.name = "--idempotency-key", .value = "K", .help = "Submitting again with the same key gives the same job (random)"},
    {.name = "--dry-run", .help = "Only say what the job asks for, where it would go and why; exit 6 if nowhere ever"},
    {.name = "--wait", .help = "Wait for the job's end; exit 1 unless it succeeds"},
    kJson,
};
constexpr Option kJobs[] = {
    {.name = "--state", .value = "S", .help = "Only in this state, or S,S,...", .repeated = true},
    {.name = "--since",
     .value = "T",
     .help = "Only those accepted since 2026-11-22, 2026-11-22T10:00:00Z, or in the last 12h, 7d"},
    {.name = "--project", .value = "P", .help = "Only of this project"},
    {.name = "--limit", .value = "N", .help = "At most N, the newest (100)"},
    {.name = "--all", .help = "All of them, however many"},
    kJson,
};
constexpr Option kJsonOnly[] = {kJson};
constexpr Option kWait[] = {{.name = "--timeout", .value = "T", .help = "Give up after T (30s, 10m, 2h): exit 7"}, kJson};
constexpr Option kLogs[] = {
    {.name = "--follow", .help = "Go on until the job is over and all of it is read", .letter = 'f'},
    {.name = "--stderr", .help = "What the job wrote to standard error"},
    {.name = "--task", .value = "N", .help = "Of an array: what its task N wrote"},
};
constexpr Option kFetch[] = {
    {.name = "--output-dir", .value = "DIR", .help = "Into this folder, made if need be (the current one)", .letter = 'o'},
    {.name = "--list", .help = "Only say what is there, and how large"},
    {.name = "--force", .help = "Replace files that are there already"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kSecretPut[] = {
    {.name = "--file", .value = "FILE", .help = "What is in this file, byte for byte (else standard input, to its end)"},
    kJson,
};
constexpr Option kCancel[] = {{.name = "--task", .value = "LIST", .help = "Of one array: these tasks alone (3,5-7)"}, kJson};
constexpr Option kResolve[] = {
    {.name = "--as", .value = "lost", .help = "What the job is to count as"},
    {.name = "--reason", .value = "TEXT", .help = "Why; recorded with your name"},
    kJson,
};
constexpr Option kDrain[] = {{.name = "--reason", .value = "TEXT", .help = "Why; shown to everybody whose job waits for it"},
                             kJson};
constexpr Option kReportFrom{
    .name = "--from", .value = "D", .help = "What ended, or was done, at D or later: 2026-11-01, or 30d for the last 30 days"};
constexpr Option kReportTo{.name = "--to", .value = "D", .help = "Before D"};
constexpr Option kReportFormat{.name = "--format", .value = "FORMAT", .help = "table (default), csv or json"};
constexpr Option kReportOutput{.name = "--output",
                               .value = "FILE",
                               .help = "Into this file, which must not be there yet, with FILE.manifest.json beside it"};
constexpr Option kReportFor{.name = "--for",
                            .value = "third-party",
                            .help = "Figures of fewer than five persons are withheld, and what would give them away"};
constexpr Option kOfProjects{.name = "--project",
                             .value = "P",
                             .help = "Only of this project, everybody's runs: its leads have it too (P,P,...)",
                             .repeated = true};
constexpr Option kOfSites{.name = "--site",
                          .value = "S",
                          .help = "Only of this site, everybody's runs: its operators have it too (S,S,...)",
                          .repeated = true};
constexpr Option kReport[] = {kReportFrom, kReportTo, kReportFormat, kReportOutput, kJson};
constexpr Option kProjectReport[] = {kOfProjects, kReportFrom, kReportTo, kReportFormat, kReportOutput, kJson};
constexpr Option kSiteReport[] = {kOfSites, kReportFrom, kReportTo, kReportFormat, kReportOutput, kJson};
constexpr Option kCorrectionsReport[] = {kOfProjects, kOfSites, kReportFrom, kReportTo, kReportFormat, kReportOutput, kJson};
constexpr Option kLogReport[] = {
    kReportFrom,
    kReportTo,
    {.name = "--person", .value = "P", .help = "Only what concerns this person"},
    {.name = "--limit", .value = "N", .help = "The newest N rows (all)"},
    kReportFormat,
    kReportOutput,
    kJson,
};
constexpr Option kSums[] = {
    {.name = "--by",
     .value = "WHAT",
     .help = "Sum by project, person, site, country, centre, home, home_country, funding_body, call, allocation, queue, "
             "resource, label, state, "
             "day, month",
     .repeated = true},
    kOfProjects,
    kOfSites,
    kReportFrom,
    kReportTo,
    {.name = "--time-sliced", .help = "Of each run what it used between D and D, not all of those that ended then"},
    kReportFor,
    kReportFormat,
    kReportOutput,
    kJson,
};
constexpr Option kClearing[] = {
    {.name = "--by", .value = "WHAT", .help = "Of centre, home, day, month (centre,home)", .repeated = true},
    kOfSites,
    kReportFrom,
    kReportTo,
    {.name = "--time-sliced", .help = "Of each run what it used between D and D, not all of those that ended then"},
    kReportFor,
    kReportFormat,
    kReportOutput,
    kJson,
};
constexpr Option kEstimates[] = {
    {.name = "--by", .value = "WHAT", .help = "Group by site, class, project, basis (site)", .repeated = true},
    kOfProjects,
    kOfSites,
    {.name = "--since", .value = "D", .help = "Starts at D or later: 2026-11-01, or 30d for the last 30 days"},
    {.name = "--format", .value = "FORMAT", .help = "table (default), csv or json"},
    kJson,
};
constexpr Option kOfMonth{.name = "--month", .value = "M", .help = "Runs that ended in this month of UTC, as 2026-11"};
constexpr Option kOfSite{.name = "--site", .value = "S", .help = "Only of this site"};
constexpr Option kApel[] = {
    {.name = "--kind", .value = "KIND", .help = "individual, summary or sync"},
    kOfMonth,
    kOfSite,
    {.name = "--output", .value = "DIR", .help = "Into this folder, which must not be there yet"},
    {.name = "--pseudonyms", .help = "With pseudonyms of the month, as GlobalUserName"},
    {.name = "--personal", .help = "With persons and local accounts"},
};
constexpr Option kWaldur[] = {
    kOfMonth,
    kOfSite,
    {.name = "--output", .value = "FILE", .help = "Into this file, which must not be there yet"},
    {.name = "--personal", .help = "Also by local account"},
};
constexpr Option kLedgerKey{.name = "--key", .value = "KEY", .help = "The ledger's public key, as its operator gave it to you"};
constexpr Option kLedgerVerify[] = {
    kLedgerKey,
    {.name = "--witness", .value = "KEY", .help = "This witness must have signed it too", .repeated = true},
    {.name = "--report",
     .value = "REPORT",
     .help = "Check a report's file against its manifest; with FILE also that it is of this ledger, and its sums"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kLedgerExport[] = {
    {.name = "--output", .value = "FILE", .help = "Into this file, which must not be there yet"},
    {.name = "--personal", .help = "With the personal parts: persons, local accounts, the sites' own lines"},
};
constexpr Option kLedgerWitness[] = {
    {.name = "--dir", .value = "DIR", .help = "The witness's folder: its key, and what it saw last (hansa-witness)"},
    {.name = "--name", .value = "NAME", .help = "The first time: who it is, as auditor.example"},
    {.name = "--key", .value = "KEY", .help = "The first time: the ledger's public key"},
    {.name = "--key-only", .help = "Only print the witness's own public key, and make it if need be"},
};
constexpr Option kCorrections[] = {{.name = "--limit", .value = "N", .help = "At most N, the newest (100)"}, kJson};
constexpr Option kReconcile[] = {
    {.name = "--from", .value = "D", .help = "Runs that ended at D or later: 2026-11-01, or 7d for the last seven days"},
    {.name = "--to", .value = "D", .help = "Runs that ended before D (now)"},
    kJson,
};
constexpr Option kReconciliations[] = {
    {.name = "--site", .value = "S", .help = "Only of this site"},
    {.name = "--limit", .value = "N", .help = "At most N, the newest (100)"},
    kJson,
};
constexpr Option kPeriodClose[] = {
    {.name = "--early", .help = "Although the month is not over: what ends in it later counts as a correction"},
    kJson,
};
constexpr Option kAdjust[] = {
    {.name = "--core-seconds", .value = "N", .help = "So many are added; with a minus taken away"},
    {.name = "--gpu-seconds", .value = "N", .help = "So many are added"},
    {.name = "--node-seconds", .value = "N", .help = "So many are added"},
    {.name = "--reason", .value = "TEXT", .help = "Why; stays in the ledger for good, so name no person"},
    kJson,
};
constexpr Option kExplainDifference[] = {
    {.name = "--reason", .value = "TEXT", .help = "Why they differ; recorded with your name"}, kJson};
constexpr Option kRuling[] = {{.name = "--reason", .value = "TEXT", .help = "Why; recorded with your name"}, kJson};
constexpr Option kSiteEnroll[] = {
    {.name = "--expires", .value = "T", .help = "Until when it may be used: 2027-01-31, or 2d from now (1d; 30d at most)"},
    kJson,
};
constexpr Option kConnect[] = {
    {.name = "--login", .value = "[USER@]HOST", .help = "The login node, as your own ssh knows it (as the broker names it)"},
    {.name = "--agent", .value = "PATH", .help = "hansa-agent there (on the PATH, or in ~/.local/bin)"},
    {.name = "--agent-config", .value = "PATH", .help = "What the site is like, for that agent (what the login finds)"},
    {.name = "--for", .value = "T", .help = "How long: 12h, 90m (as long as the broker lets it)"},
    {.name = "--local", .help = "You are on the login node already: start the agent here"},
    {.name = "--print", .help = "Print what an agent has to be handed, to start it there by hand"},
    kJson,
};
constexpr Option kDisconnect[] = {
    {.name = "--person", .value = "P", .help = "Somebody else (operators)"},
    {.name = "--reason", .value = "TEXT", .help = "Why; recorded, and told to the agent's owner"},
    kJson,
};
constexpr Option kTokenCreate[] = {
    {.name = "--user", .value = "U", .help = "Whose token: U is local:U to the broker"},
    {.name = "--role", .value = "R", .help = "user (default), operator, policy-officer or auditor"},
    {.name = "--site", .value = "S", .help = "An operator of this site alone (all)", .repeated = true},
    {.name = "--note", .value = "T", .help = "What it is for"},
    {.name = "--expires", .value = "T", .help = "When it ends: 2027-01-31, or 90d from now (never)"},
    kJson,
};
constexpr Option kLogin[] = {
    {.name = "--issuer", .value = "I", .help = "Whose login: an id of hansa login --list (the broker's only one)"},
    {.name = "--device", .help = "Open an address on any device, and type a code there"},
    {.name = "--browser", .help = "In a browser on this machine"},
    {.name = "--list", .help = "Only say which issuers the broker takes"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kTokenRevoke[] = {
    {.name = "--person", .value = "P", .help = "Shut out a person, whatever token they show"},
    {.name = "--issued", .value = "ISSUER:JTI", .help = "Refuse one token of an issuer's"},
    {.name = "--signed-by", .value = "ISSUER:KID", .help = "Refuse all tokens that this key of an issuer's signed"},
    {.name = "--issuer", .value = "I", .help = "Refuse all tokens of an issuer's"},
    {.name = "--reason", .value = "TEXT", .help = "Why; recorded with your name"},
    kJson,
};
constexpr Option kWhy{.name = "--reason", .value = "TEXT", .help = "Why; recorded with your name"};
constexpr Option kSha256{.name = "--sha256", .value = "HEX", .help = "SHA-256 of the dataset's manifest, 64 hex digits"};
constexpr Option kDataAdd[] = {
    {.name = "--project", .value = "P", .help = "The project that it belongs to"},
    {.name = "--label", .value = "L", .help = "What it holds: open, personal, health, ...; at least one", .repeated = true},
    {.name = "--size", .value = "BYTES", .help = "All files together, in bytes"},
    {.name = "--files", .value = "N", .help = "How many files"},
    kSha256,
    {.name = "--owner", .value = "U", .help = "Whose it is (you; operators may name others)"},
    kWhy,
    kJson,
};
constexpr Option kDataList[] = {
    {.name = "--label", .value = "L", .help = "Only those with this label"},
    {.name = "--project", .value = "P", .help = "Only of this project"},
    {.name = "--owner", .value = "U", .help = "Only this person's"},
    {.name = "--limit", .value = "N", .help = "At most N (100)"},
    {.name = "--all", .help = "All of them, however many"},
    kJson,
};
constexpr Option kWithReason[] = {kWhy, kJson};
constexpr Option kBreakGlass[] = {
    {.name = "--scope", .value = "WHAT", .help = "What is to be opened: job:ID, or person:NAME for all jobs of a person"},
    {.name = "--for", .value = "T", .help = "For how long, from the approval on: 30m, 1h; as long as the broker allows (8h)"},
    {.name = "--reason", .value = "TEXT", .help = "Why: it stays on record, and whose data it is can read it"},
    kJson,
};
constexpr Option kBreakGlassList[] = {
    {.name = "--state", .value = "S", .help = "Only those that are pending, open, rejected or ended"},
    {.name = "--limit", .value = "N", .help = "At most N (100)"},
    kJson,
};
constexpr Option kPrivacyExport[] = {
    {.name = "--reason", .value = "TEXT", .help = "Why another person's data are read: it stays on record"},
    {.name = "--output", .value = "FILE", .help = "Into this new file, for you alone to read (standard output)", .letter = 'o'},
};
constexpr Option kDataTerms[] = {
    {.name = "--permit", .value = "ID", .help = "The data permit under which it may be used, with --until"},
    {.name = "--until", .value = "D", .help = "When that permit ends: 2028-03-31, or 90d from now"},
    {.name = "--no-permit", .help = "It has no permit any more"},
    {.name = "--transfer-basis",
     .value = "B",
     .help = "Of transfers to third countries: none, adequacy, standard-clauses, binding-rules or derogation"},
    {.name = "--reviewed", .value = "true|false", .help = "Whether a reviewer found that it is no longer personal"},
    kWhy,
    kJson,
};
constexpr Option kReplicaAdd[] = {
    {.name = "--root", .value = "ROOT", .help = "The site's name for the folder that holds replicas"},
    {.name = "--path", .value = "PATH", .help = "Where it is beneath that folder"},
    kWhy,
    kJson,
};
constexpr Option kReplicaVerify[] = {
    kSha256,
    {.name = "--expires", .value = "T", .help = "Until when it counts: 2027-01-31, or 90d from now; at most a year"},
    {.name = "--at", .value = "D", .help = "When it was looked at: 2026-11-22, or 2h ago (now)"},
    kWhy,
    kJson,
};
constexpr Option kDataChanges[] = {
    {.name = "--state", .value = "S", .help = "Only those that are applied, pending, approved or rejected"},
    {.name = "--limit", .value = "N", .help = "At most N, the newest (100)"},
    {.name = "--all", .help = "All of them, however many"},
    kJson,
};
constexpr Option kAllocationList[] = {
    {.name = "--project", .value = "P", .help = "Only of this project; then those that are over as well"}, kJson};
constexpr Option kAllocationGrant[] = {
    {.name = "--unit", .value = "UNIT", .help = "What sites charge in, as core-hours"},
    {.name = "--site", .value = "S", .help = "To be spent at this site alone (any that charges in that unit)"},
    {.name = "--from", .value = "D", .help = "From when on: 2027-01-01, or 2d from now (now)"},
    {.name = "--until", .value = "D", .help = "Before when: 2028-01-01, or 365d from now (for ever)"},
    kWhy,
    kJson,
};
constexpr Option kAllocationImport[] = {
    {.name = "--site", .value = "S", .help = "The site of all that name none"},
    {.name = "--component",
     .value = "NAME=UNIT",
     .help = "Of sshare's TRES, or Waldur's components: one, and what it is a unit of here",
     .repeated = true},
    kWhy,
    kJson,
};
constexpr Option kFactsSet[] = {
    {.name = "--evidence", .value = "TEXT", .help = "Where it is written down: a certificate's number, a report"},
    {.name = "--until", .value = "D", .help = "From then on it is no evidence: 2027-01-31, or 90d from now"},
    {.name = "--as-of", .value = "D", .help = "Of a place, when somebody looked: 2026-11-22, or 2h ago (now)"},
    kWhy,
    kJson,
};
constexpr Option kJsonAnswer[] = {{.name = "--json", .help = "Print one JSON document"}};  // of what needs no broker
constexpr Option kPolicyCheck[] = {
    {.name = "--sites", .value = "FILE", .help = "A hansad.toml: tell also the labels that none of its sites can serve"},
    {.name = "--at", .value = "D", .help = "Tell what has ended by D, as 2027-01-31 (now)"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kPolicyDiff[] = {
    {.name = "--last", .value = "T", .help = "Decisions of the last 30d (default), or since 2026-11-01"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kSimulate[] = {
    {.name = "--trace", .value = "FILE", .help = "The jobs: a trace in the Standard Workload Format, plain or .gz"},
    {.name = "--sites", .value = "FILE", .help = "The sites: TOML, [[site]] with id, processors, country, local_share, hidden"},
    {.name = "--policy",
     .value = "NAME,...",
     .help = "hansa (default), home, random, shortest-queue, earliest-start, redundant, merged",
     .repeated = true},
    {.name = "--load", .value = "X", .help = "Stretch the time between submits so that the sites' offered load is X, as 0.85"},
    {.name = "--seeds", .value = "N", .help = "Not the trace itself but N shaken ones; figures of each, and medians"},
    {.name = "--sample", .value = "N", .help = "Take one job in N"},
    {.name = "--add-capacity",
     .value = "SITE:CORES",
     .help = "What if this site had so many cores more, with the same jobs",
     .repeated = true},
    {.name = "--hidden",
     .value = "all|SITE,...",
     .help = "What if these sites showed Hansa no jobs but its own (PrivateData=jobs)",
     .repeated = true},
    {.name = "--rules",
     .value = "PACK",
     .help = "Only where this rule pack lets each job go (a file, or a folder of them)",
     .repeated = true},
    {.name = "--label",
     .value = "NAME=SHARE",
     .help = "So many of the broker's jobs read data with this label, as personal=0.2",
     .repeated = true},
    {.name = "--at", .value = "D", .help = "Ask the rules as on this day (now)"},
    {.name = "--plot", .value = "DIR", .help = "Write waits.svg, queue.svg and sites.svg into this folder"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kConfigInit[] = {
    {.name = "--name", .value = "N", .help = "What the broker is called (this machine's name)"},
    {.name = "--country", .value = "C", .help = "Where it stands, as FI"},
    {.name = "--connector", .value = "KIND", .help = "What runs the jobs: slurm, pbs, local (what is found here)"},
    {.name = "--person", .value = "P", .help = "The account of the first who may use it (who calls this)"},
    {.name = "--json", .help = "Print one JSON document"},
};
constexpr Option kReference[] = {{.name = "--man", .help = "As the man page hansad.toml(5)"}};

constexpr Command kCommands[] = {
    {"submit", "SCRIPT [ARG...]", "Submit a job; SCRIPT may be - for standard input. Prints the job's id.",
     "hansa submit --nodes 2 --gpus-per-node 4:a100 --time 2h train.sh --epochs 3", kSubmit, 1, kMany, submit, true},
    {"jobs", "", "List jobs, newest first.", "hansa jobs --state running,queued --since 7d", kJobs, 0, 0, jobs},
    {"show", "ID", "Show everything about a job.", "hansa show 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, show},
    {"explain", "ID", "Say where a job goes and why, for every site.", "hansa explain 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1,
     1, explain},
    {"wait", "ID...", "Wait until jobs are over; exit 0 if all succeeded, else 1.",
     "hansa wait --timeout 2h 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kWait, 1, kMany, wait},
    {"logs", "ID", "Print what a job wrote, byte for byte.", "hansa logs -f 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kLogs, 1, 1, logs},
    {"script", "ID", "Print the script that a job was given: your own, or by break-glass.",
     "hansa script 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, script},
    {"fetch", "ID [NAME...]", "Bring the outputs that a job names, all or some. Run again, it goes on where it was interrupted.",
     "hansa fetch 01JDA0XJ2GQ4M8T6V9ZK3N5R7W model.pt -o results", kFetch, 1, kMany, fetch},
    {"hold", "ID...", "Keep waiting jobs from going to a site.", "hansa hold 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, kMany,
     hold},
    {"release", "ID...", "Let held jobs go on.", "hansa release 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, kMany, release},
    {"cancel", "ID...", "Cancel jobs, or tasks of an array.", "hansa cancel 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kCancel, 1, kMany,
     cancel},
    {"resolve", "ID", "Give a job up for lost (operators): its site can no longer tell what became of it.",
     "hansa resolve 01JDA0XJ2GQ4M8T6V9ZK3N5R7W --as lost --reason \"site decommissioned\"", kResolve, 1, 1, resolve},
    {"connect", "SITE", "Serve your jobs at a site through your own login there, as long as it lasts.",
     "hansa connect alpha --login alice@login.alpha.example.org", kConnect, 1, 1, connect},
    {"disconnect", "SITE", "End your sessions at such a site; jobs there go on.", "hansa disconnect alpha", kDisconnect, 1, 1,
     disconnect},
    {"login", "", "Log in at the broker through your home organisation; other calls use it and renew it.",
     "hansa login --issuer egi --device", kLogin, 0, 0, login},
    {"logout", "", "Forget the login at the broker, and have its issuer take it back.", "hansa logout", {}, 0, 0, logout},
    {"whoami", "", "Say who you are to the broker: principal, role, projects.", "hansa whoami", kJsonOnly, 0, 0, whoami},
    {"sites", "", "List the sites and their load.", "hansa sites", kJsonOnly, 0, 0, sites},
    {"site show", "SITE", "Show one site.", "hansa site show alpha", kJsonOnly, 1, 1, site_show},
    {"site doctor", "SITE", "Look a site over (operators); exit 1 if there is a fault.", "hansa site doctor alpha", kJsonOnly, 1,
     1, site_doctor},
    {"site agent", "SITE", "Show a site's agent that connects to the broker, and what became of it (operators, auditors).",
     "hansa site agent alpha", kJsonOnly, 1, 1, site_agent},
    {"site enroll", "SITE", "Make a token with which a site's agent enrols (operators). Prints it, this once.",
     "hansa site enroll alpha --expires 2d", kSiteEnroll, 1, 1, site_enroll},
    {"site revoke", "SITE", "Take back a site's agent's key and token; its connection ends at once (operators).",
     "hansa site revoke alpha --reason \"login node was broken into\"", kDrain, 1, 1, site_revoke},
    {"site drain", "SITE", "Send a site no new jobs (operators).", "hansa site drain alpha --reason \"maintenance on Monday\"",
     kDrain, 1, 1, site_drain},
    {"site resume", "SITE", "Send a site jobs again (operators).", "hansa site resume alpha", kJsonOnly, 1, 1, site_resume},
    {"report usage", "", "Sum up what was used.",
     "hansa report usage --by project,site --from 2026-11-01 --to 2026-12-01 --format csv", kSums, 0, 0, report_named},
    {"report countries", "", "Sum up what was used by country of the site and home country of the project.",
     "hansa report countries --from 2026-11-01 --to 2026-12-01", kSums, 0, 0, report_named},
    {"report energy", "", "Sum up energy and CO2e: measured, measured of shared nodes, estimated, not known.",
     "hansa report energy --by site,month --from 2026-01-01 --to 2027-01-01", kSums, 0, 0, report_named},
    {"report funding", "",
     "Show budgets, what is left and how fast they are used, by funding body and call (operators, auditors, leads).",
     "hansa report funding", kProjectReport, 0, 0, report_named},
    {"report grants", "", "Show what was granted and used by call and month (operators, auditors, leads).",
     "hansa report grants --from 2026-01-01 --to 2027-01-01 --format csv --output grants.csv", kProjectReport, 0, 0,
     report_named},
    {"report clearing", "", "Show what centres gave to each other and took (operators, auditors).",
     "hansa report clearing --by centre,home,month --from 2026-01-01 --to 2027-01-01", kClearing, 0, 0, report_named},
    {"report corrections", "", "List corrected records, as published and as corrected (operators, auditors, leads).",
     "hansa report corrections --from 2026-11-01", kCorrectionsReport, 0, 0, report_named},
    {"report sovereignty", "", "List where jobs on restricted data went and might not go, and by which rules.",
     "hansa report sovereignty --from 30d --format csv", kProjectReport, 0, 0, report_named},
    {"report estimates", "", "Compare predicted waits with what became of them.",
     "hansa report estimates --by site,class --since 30d", kEstimates, 0, 0, report_estimates},
    {"report period", "", "Show the months: checkpoints, grades, as published and as corrected (operators, auditors).",
     "hansa report period --from 2026-01-01 --format csv --output periods.csv", kReport, 0, 0, report_named},
    {"report reconciliation", "", "List what reconciliations saw and every difference, newest first (operators, auditors).",
     "hansa report reconciliation --from 2026-11-01 --to 2026-12-01", kSiteReport, 0, 0, report_named},
    {"report completeness", "", "Show what the ledger may lack: gaps, silent sites, what came late (operators, auditors).",
     "hansa report completeness --from 2026-11-01", kSiteReport, 0, 0, report_named},
    {"report access", "", "List who has read whose data, newest first (operators, auditors).",
     "hansa report access --from 30d --person alice", kLogReport, 0, 0, report_named},
    {"report retention", "", "List what has ended by age and by erasure, newest first (operators, auditors).",
     "hansa report retention --from 30d", kReport, 0, 0, report_named},
    {"privacy retention", "", "Show what is held of people, for how long, and when the oldest of it ends (operators, auditors).",
     "hansa privacy retention", kJsonOnly, 0, 0, privacy_retention},
    {"privacy record", "", "Print the record of processing activities, as Markdown (operators, auditors).",
     "hansa privacy record > record.md", kJsonOnly, 0, 0, privacy_record},
    {"privacy export", "[PERSON]", "Write all that is held of you, as JSON; operators of anybody, saying why.",
     "hansa privacy export --output my-data.json", kPrivacyExport, 0, 1, privacy_export},
    {"privacy erase", "PERSON", "Have a person forgotten (operators); begins after a second operator's yes.",
     "hansa privacy erase alice --reason \"request of 2026-11-20\"", kWithReason, 1, 1, privacy_erase},
    {"privacy approve", "ERASURE", "Say yes to an erasure that another operator asked for. It cannot be undone.",
     "hansa privacy approve 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, privacy_approve},
    {"privacy reject", "ERASURE", "Say no to an erasure, or withdraw your own (operators).",
     "hansa privacy reject 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, privacy_reject},
    {"privacy erasures", "", "List erasures and what became of them, newest first (operators, auditors).",
     "hansa privacy erasures", kJsonOnly, 0, 0, privacy_erasures},
    {"break-glass request", "",
     "Ask for what is a job's owner's alone, in an incident (operators); opens with a second one's yes.",
     "hansa break-glass request --scope job:01JDA0XJ2GQ4M8T6V9ZK3N5R7W --for 1h --reason \"incident 4711\"", kBreakGlass, 0, 0,
     break_glass_request},
    {"break-glass approve", "ID", "Say yes to what another operator asked for: its time begins.",
     "hansa break-glass approve 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, break_glass_approve},
    {"break-glass reject", "ID", "Say no to it, or withdraw your own (operators).",
     "hansa break-glass reject 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, break_glass_reject},
    {"break-glass end", "ID", "End it before its time (operators).", "hansa break-glass end 01JDA0XJ2GQ4M8T6V9ZK3N5R7W",
     kJsonOnly, 1, 1, break_glass_end},
    {"break-glass show", "ID", "Show one with its uses and the ledger's records of it (operators, auditors).",
     "hansa break-glass show 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, break_glass_show},
    {"break-glass list", "", "List what was opened or asked for, newest first (operators, auditors).",
     "hansa break-glass list --state open", kBreakGlassList, 0, 0, break_glass_list},
    {"report apel", "", "Write a month's usage as messages for APEL's ssmsend (operators, auditors). Nothing is sent.",
     "hansa report apel --kind summary --month 2026-11 --output apel-2026-11", kApel, 0, 0, report_apel},
    {"report waldur", "", "Write a month's usage as Waldur's marketplace takes it (operators, auditors). Nothing is sent.",
     "hansa report waldur --month 2026-11 --personal --output waldur-2026-11.json", kWaldur, 0, 0, report_waldur},
    {"ledger show", "", "Show the ledger's head, keys and witnesses, and what was not booked (operators, auditors).",
     "hansa ledger show", kJsonOnly, 0, 0, ledger_show},
    {"ledger checkpoint", "", "Print the ledger's newest checkpoint, signed (operators, auditors).", "hansa ledger checkpoint",
     kJsonOnly, 0, 0, ledger_checkpoint},
    {"ledger verify", "[FILE]", "Check the ledger, or an export of it, which needs no broker; exit 1 if it was altered.",
     "hansa ledger verify --key KEY ledger.txt", kLedgerVerify, 0, 1, ledger_verify},
    {"ledger prove", "ID", "Prove that a job's records, or the record with this number, are in the ledger (operators, auditors).",
     "hansa ledger prove 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, ledger_prove},
    {"ledger export", "", "Write the ledger into a file that anybody can check (operators, auditors).",
     "hansa ledger export --output ledger.txt", kLedgerExport, 0, 0, ledger_export},
    {"ledger witness", "", "Vouch that the ledger has only grown since you looked last (auditors); exit 1 if it has not.",
     "hansa ledger witness --dir /var/lib/hansa-witness --name auditor.example --key KEY", kLedgerWitness, 0, 0, ledger_witness},
    {"ledger corrections", "", "List runs whose records their sites changed after they were booked (operators, auditors).",
     "hansa ledger corrections", kCorrections, 0, 0, ledger_corrections},
    {"ledger change-key", "", "Have another key sign from now on; the old one says so in the ledger (operators).",
     "hansa ledger change-key", kJsonOnly, 0, 0, ledger_change_key},
    {"ledger reconcile", "SITE",
     "Ask a site's accounting anew and hold it against the ledger (operators); exit 1 if there is something to explain.",
     "hansa ledger reconcile alpha --from 2026-11-01 --to 2026-12-01", kReconcile, 1, 1, ledger_reconcile},
    {"ledger reconciliations", "[ID]", "List what reconciliations saw, or show one with its differences (operators, auditors).",
     "hansa ledger reconciliations --site alpha", kReconciliations, 0, 1, ledger_reconciliations},
    {"ledger explain-difference", "SITE DIFFERENCE",
     "Say why a site and the ledger differ; for a month instead of a difference, why the site cannot be asked (operators).",
     "hansa ledger explain-difference alpha 0123456789abcdef --reason \"slurmdbd was restored from a backup\"",
     kExplainDifference, 2, 2, ledger_explain_difference},
    {"ledger period open", "MONTH", "Open a month of the ledger (operators).", "hansa ledger period open 2026-11", kJsonOnly, 1,
     1, ledger_period_open},
    {"ledger period close", "MONTH", "Close a month whose sites are reconciled, sum it up and sign it (operators).",
     "hansa ledger period close 2026-11", kPeriodClose, 1, 1, ledger_period_close},
    {"ledger period show", "[MONTH]", "List the months, or show what a month waits for and who signed it (operators, auditors).",
     "hansa ledger period show 2026-11", kJsonOnly, 0, 1, ledger_period_show},
    {"ledger adjust", "RECORD", "Ask that amounts be added to a record; waits for another operator.",
     "hansa ledger adjust 4711 --core-seconds -3600 --reason \"node was down for an hour\"", kAdjust, 1, 1, ledger_adjust},
    {"ledger adjustments", "", "List what operators asked to add by hand, newest first (operators, auditors).",
     "hansa ledger adjustments", kCorrections, 0, 0, ledger_adjustments},
    {"ledger approve", "ADJUSTMENT", "Approve an adjustment that another operator asked for: it is booked.",
     "hansa ledger approve 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kRuling, 1, 1, ledger_approve},
    {"ledger reject", "ADJUSTMENT", "Reject an adjustment, or withdraw your own (operators).",
     "hansa ledger reject 01JDA0XJ2GQ4M8T6V9ZK3N5R7W --reason \"wrong record\"", kRuling, 1, 1, ledger_reject},
    {"token create", "", "Make an API token (operators). Prints it, this once.",
     "hansa token create --user alice --expires 90d > alice.token", kTokenCreate, 0, 0, token_create},
    {"token list", "", "List the API tokens, without their secrets (operators).", "hansa token list", kJsonOnly, 0, 0,
     token_list},
    {"token revoke", "[ID]", "Revoke an API token, or shut out a person, a token, a key or an issuer, from now on (operators).",
     "hansa token revoke --person egi:28c5353b@egi.eu --reason \"laptop stolen\"", kTokenRevoke, 0, 1, token_revoke},
    {"token revocations", "", "List who and what is or was shut out (operators).", "hansa token revocations", kJsonOnly, 0, 0,
     token_revocations},
    {"token restore", "NUMBER", "Let them in again (operators).", "hansa token restore 7", kJsonOnly, 1, 1, token_restore},
    {"secret put", "NAME", "Keep a secret for your jobs, from a file or standard input. It is never shown again.",
     "hansa secret put hf-token --file ~/hf.token", kSecretPut, 1, 1, secret_put},
    {"secret list", "", "List your secrets by name; never what they are.", "hansa secret list", kJsonOnly, 0, 0, secret_list},
    {"secret delete", "NAME", "Delete a secret of yours; jobs that are at a site already have it.",
     "hansa secret delete hf-token", kJsonOnly, 1, 1, secret_delete},
    {"data add", "DATASET", "Register a dataset.",
     "hansa data add imagenet-1k --label open --size 155000000000 --files 1331167 --sha256 HEX", kDataAdd, 1, 1, data_add},
    {"data list", "", "List the datasets that you may see.", "hansa data list --label health", kDataList, 0, 0, data_list},
    {"data show", "DATASET", "Show a dataset, its replicas and what waits for approval.", "hansa data show imagenet-1k",
     kJsonOnly, 1, 1, data_show},
    {"data label", "DATASET LABEL...", "Say which labels a dataset is to have; losing one waits for a second person.",
     "hansa data label cohort-7 personal health --reason \"diagnoses in column 4\"", kWithReason, 2, kMany, data_label},
    {"data owner", "DATASET USER", "Give a dataset another owner; waits for a second person.", "hansa data owner cohort-7 bob",
     kWithReason, 2, 2, data_owner},
    {"data terms", "DATASET",
     "Record what was decided about a dataset: permit, transfers, review; what loosens waits for a second person.",
     "hansa data terms cohort-7 --permit FI-0143 --until 2028-03-31 --reason \"decision of 2026-11-20\"", kDataTerms, 1, 1,
     data_terms},
    {"data replica add", "DATASET SITE", "Say that a copy is at a site; it counts once it is verified.",
     "hansa data replica add imagenet-1k alpha --root projects --path ai-lab/imagenet", kReplicaAdd, 2, 2, data_replica_add},
    {"data replica remove", "DATASET SITE", "Forget the copy at a site; nothing is deleted there.",
     "hansa data replica remove imagenet-1k alpha", kJsonOnly, 2, 2, data_replica_remove},
    {"data replica verify", "DATASET SITE", "Say what was seen of the copy at a site; waits for a second person.",
     "hansa data replica verify imagenet-1k alpha --sha256 HEX --expires 90d", kReplicaVerify, 2, 2, data_replica_verify},
    {"data changes", "[DATASET]", "List changes of datasets and who approved them, newest first.",
     "hansa data changes --state pending", kDataChanges, 0, 1, data_changes},
    {"data approve", "CHANGE", "Approve a change that somebody else made (operators).",
     "hansa data approve 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kWithReason, 1, 1, data_approve},
    {"data reject", "CHANGE", "Reject a change that waits, or withdraw your own.",
     "hansa data reject 01JDA0XJ2GQ4M8T6V9ZK3N5R7W --reason \"wrong dataset\"", kWithReason, 1, 1, data_reject},
    {"allocation list", "", "List what your projects may spend: granted, reserved, used, left, and by when it is spent.",
     "hansa allocation list --project ai-lab", kAllocationList, 0, 0, allocation_list},
    {"allocation show", "ALLOCATION", "Show an allocation, the jobs that something is kept for, and what became of it.",
     "hansa allocation show 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kJsonOnly, 1, 1, allocation_show},
    {"allocation grant", "PROJECT AMOUNT", "Grant a project a budget (operators). Prints its id.",
     "hansa allocation grant ai-lab 5000 --unit GPU-hours --site alpha --until 2028-01-01", kAllocationGrant, 2, 2,
     allocation_grant},
    {"allocation revoke", "ALLOCATION", "Take back what is left of a grant (operators).",
     "hansa allocation revoke 01JDA0XJ2GQ4M8T6V9ZK3N5R7W --reason \"project ended\"", kWithReason, 1, 1, allocation_revoke},
    {"allocation release", "JOB",
     "Let go what is kept for a job's runs, or an attempt's (hansa-<job>-<attempt>), that are over and that no accounting will "
     "ever tell (operators).",
     "hansa allocation release 01JDA0XJ2GQ4M8T6V9ZK3N5R7W --reason \"alpha lost its accounting of June\"", kWithReason, 1, 1,
     allocation_release},
    {"allocation import", "FILE",
     "Tell what a site says is left to projects (operators): CSV, JSON, sshare's or Waldur's; FILE may be -.",
     "hansa allocation import balances.csv --site alpha", kAllocationImport, 1, 1, allocation_import},
    {"facts show", "SUBJECT", "Show what rules may ask of site:ID, project:ID, person:NAME or broker, and who said it.",
     "hansa facts show site:alpha", kJsonOnly, 1, 1, facts_show},
    {"facts set", "SUBJECT ATTRIBUTE=VALUE", "Say what is so of it (operators); counts after a second person's yes.",
     "hansa facts set site:alpha site.labels=iso-27001,c5 --evidence \"certificate 4711\" --until 2027-06-30", kFactsSet, 2, 2,
     facts_set},
    {"facts withdraw", "SUBJECT ATTRIBUTE", "Say that it is not known any more (operators), at once.",
     "hansa facts withdraw site:alpha site.secure_processing --reason \"audit failed\"", kWithReason, 2, 2, facts_withdraw},
    {"facts changes", "[SUBJECT]", "List changes of facts and who approved them, newest first (operators, auditors).",
     "hansa facts changes --state pending", kDataChanges, 0, 1, facts_changes},
    {"facts approve", "CHANGE", "Approve a change that somebody else made (operators).",
     "hansa facts approve 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", kWithReason, 1, 1, facts_approve},
    {"facts reject", "CHANGE", "Reject a change that waits (operators).",
     "hansa facts reject 01JDA0XJ2GQ4M8T6V9ZK3N5R7W --reason \"certificate has ended\"", kWithReason, 1, 1, facts_reject},
    {"policy check", "PACK...", "Check rule packs, each and all together; PACK is a file, or a folder of them. Needs no broker.",
     "hansa policy check --sites /etc/hansa/hansad.toml gdpr-eea.toml", kPolicyCheck, 1, kMany, policy_check},
    {"policy test", "PACK...", "Run the tests that rule packs carry, and tell rules without one.",
     "hansa policy test gdpr-eea.toml", kJsonAnswer, 1, kMany, policy_test},
    {"policy show", "[PACK...]", "Print what rule packs say, in sentences; without one, the rules in force at the broker.",
     "hansa policy show gdpr-eea.toml", kJsonAnswer, 0, kMany, policy_show},
    {"policy diff", "[OLD] NEW", "Tell which past decisions a change of rules would change (operators, auditors); exit 1 if any.",
     "hansa policy diff --last 30d gdpr-eea.toml gdpr-eea-next.toml", kPolicyDiff, 1, 2, policy_diff},
    {"simulate", "", "Play a trace of jobs at simulated sites; needs no broker.",
     "hansa simulate --trace kth.swf.gz --sites sites.toml --policy hansa,redundant --load 0.85 --seeds 20", kSimulate, 0, 0,
     simulate},
    {"config init", "[FILE]",
     "Ask four questions, or take the answers from options, and write a hansad.toml that works; needs no broker.",
     "hansa config init --country FI --connector slurm --person alice", kConfigInit, 0, 1, config_init},
    {"config check", "FILE", "Check a hansad.toml; needs no broker.", "hansa config check /etc/hansa/hansad.toml", kJsonAnswer, 1,
     1, config_check},
    {"config reference", "", "Print what every key of hansad.toml means.", "hansa config reference", kReference, 0, 0,
     config_reference},
    {"version", "", "Print the version.", "hansa version", kJsonAnswer, 0, 0, version},
};

constexpr CommandTable kTable{.commands = kCommands, .globals = kGlobals};

}  // namespace

const CommandTable& commands() { return kTable; }

}  // namespace hansa::cli
