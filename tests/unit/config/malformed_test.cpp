// SPDX-License-Identifier: Apache-2.0
// Every way we could think of to get a configuration wrong: each must give exactly one fault, at its line, by its key.
#include "config/broker_config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <string>

using namespace hansa;
using namespace hansa::config;

namespace {

constexpr const char* kBroker = "[broker]\nname = \"t\"\ncountry = \"FI\"\n";
constexpr const char* kSite = "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n";
constexpr const char* kSlurmSite = "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"slurm\"\naccounts = {}\n";

/// What stands above the case's own text, always eight lines: its first line is line 9.
constexpr const char* kPbsSite = "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"pbs\"\naccounts = {}\n";

constexpr const char* kSlurmrestSite = "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"slurmrest\"\naccounts = {}\n";

enum class After { broker, site, slurm_site, pbs_site, slurmrest_site };

std::string text_before(After after) {
  switch (after) {
    case After::broker: return std::string(kSite) + kBroker;
    case After::site: return std::string(kBroker) + kSite;
    case After::slurm_site: return std::string(kBroker) + kSlurmSite;
    case After::pbs_site: return std::string(kBroker) + kPbsSite;
    case After::slurmrest_site: return std::string(kBroker) + kSlurmrestSite;
  }
  return {};
}

// Four lines.
#define ISSUER(id, url) "[[issuer]]\nid = \"" id "\"\nurl = \"" url "\"\naudience = \"https://h.example\"\n"

// Lines 9 to 23, with both sites.
#define LINK_FROM_A_TO_B                                                           \
  "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\n"                                   \
  "[[site]]\nid = \"b\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n" \
  "[[site.root]]\nid = \"q\"\nfolder = \"/q\"\nstaging = true\n[[link]]\nfrom = \"a\"\nto = \"b\"\n"

struct Case {
  After after;
  const char* text;
  int line;
  const char* key;
  const char* message;  // a part of it
};

const Case kCases[] = {
    // The root
    {After::site, "[brokr]\n", 9, "brokr",
     "is no key here (did you mean \"broker\"?); allowed: accelerator, agents, api, break_glass, broker, code, engine, issuer, ledger, link, "
     "mover, "
     "person, "
     "placement, privacy, project, rules, "
     "site, store"},
    {After::site, "[[sites]]\nid = \"b\"\n", 9, "sites", "(did you mean \"site\"?)"},
    {After::site, "[\"\"]\n", 9, "\"\"", "is no key here"},
    {After::site, "[\"a\\u0000b\"]\n", 9, "\"a\\x00b\"", "is no key here"},
    {After::site, "[api]\n[store]\n[[engine]]\n", 11, "engine", "stands as [[engine]]; allowed: one table, [engine]"},
    // [[issuer]]
    {After::site, ISSUER("local", "https://i.example"), 10, "issuer[local].id", "is the issuer of the broker's own tokens"},
    {After::site, ISSUER("x", "http://i.example"), 11, "issuer[x].url", "allowed: \"https://host"},
    {After::site, ISSUER("x", "https://i.example/?a=b"), 11, "issuer[x].url", "allowed: \"https://host"},
    {After::site, ISSUER("x", "https://i.example") "algorithms = [\"HS256\"]\n", 13, "issuer[x].algorithms[0]",
     "allowed: one of \"RS256\""},
    {After::site, ISSUER("x", "https://i.example") "algorithms = []\n", 13, "issuer[x].algorithms",
     "no token would ever be taken"},
    {After::site, ISSUER("x", "https://i.example") "claims_last_s = 0\n", 13, "issuer[x].claims_last_s",
     "allowed: an integer from 1 to 300"},
    {After::site, ISSUER("x", "https://i.example") "introspection_client = \"c\"\n", 13, "issuer[x].introspection_client",
     "is of no use without"},
    {After::site, ISSUER("x", "https://i.example") "claims_from = \"introspection\"\nintrospection_client = \"c\"\n", 13,
     "issuer[x].introspection_secret_file", "is missing"},
    {After::site, ISSUER("x", "https://i.example") "projects = { \"urn:x:y:group:a\" = \"none\" }\n", 13,
     "issuer[x].projects.\"urn:x:y:group:a\"", "there is no [[project]]"},
    {After::site, ISSUER("x", "https://i.example") "leads = { \"urn:x:y:group:a\" = \"ai-lab\" }\n", 13,
     "issuer[x].leads.\"urn:x:y:group:a\"", "there is no [[project]]"},
    {After::site, ISSUER("x", "https://i.example") "site_operators = { \"urn:x:y:group:a\" = \"b\" }\n", 13,
     "issuer[x].site_operators.\"urn:x:y:group:a\"", "there is no [[site]]"},
    {After::site, ISSUER("x", "https://i.example") "roles = { \"/staff\" = \"operator\" }\n", 13, "issuer[x].roles.\"/staff\"",
     "needs groups = \"plain\""},
    {After::site, ISSUER("x", "https://i.example") "roles = { \"urn:x:y:group:a\" = \"root\" }\n", 13,
     "issuer[x].roles.\"urn:x:y:group:a\"", "allowed: one of \"user\""},
    {After::site, ISSUER("x", "https://i.example") "other_origins = [\"https://i.example/keys\"]\n", 13,
     "issuer[x].other_origins[0]", "without a path"},
    {After::site, ISSUER("x", "https://i.example") ISSUER("y", "https://i.example"), 15, "issuer[y].url",
     "is issuer \"x\"'s already"},
    // [rules], facts, people
    {After::site, "[rules]\npacks = [\"Open Science\"]\n", 10, "rules.packs[0]",
     "is \"Open Science\"; allowed: the name of a shipped pack"},
    {After::site, "[rules]\npacks = \"open-science\"\n", 10, "rules.packs", "allowed: a list"},
    {After::site, "[rules]\npacks = [\"a\", \"a\"]\n", 10, "rules.packs[1]", "stands in the list twice"},
    {After::site, "facts = { status = \"member\" }\n", 9, "site[a].facts.as_of", "is missing: facts count from the day"},
    {After::site, "facts = { as_of = \"2026-11-01\", status = \"member\" }\n", 9, "site[a].facts.as_of", "allowed: a date"},
    {After::site, "facts = { as_of = 2026-11-01, status = \"membr\" }\n", 9, "site[a].facts.status",
     "allowed: one of \"member\""},
    {After::site, "facts = { as_of = 2026-11-01, kind = \"cluster\" }\n", 9, "site[a].facts.kind", "is no key here"},
    {After::site, "facts = { as_of = 2026-11-01, eurohpc = \"no\" }\n", 9, "site[a].facts.eurohpc", "allowed: true or false"},
    {After::site, "facts = { as_of = 2026-11-01, labels = [\"iso\"] }\n", 9, "site[a].facts.labels[0]",
     "allowed: one of \"iso-27001\""},
    {After::site, "[[project]]\nid = \"p\"\nmembers = []\nfacts.purpose = \"war\"\n", 12, "project[p].facts.purpose",
     "allowed: one of"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = []\nfacts.training_petaflop = -1\n", 12,
     "project[p].facts.training_petaflop", "from 0"},
    {After::site, "[[person]]\nid = \"alice\"\n", 10, "person[#1].id", "a person as"},
    {After::site, "[[person]]\nid = \"local:a\"\nassurance = \"good\"\n", 11, "person[local:a].assurance",
     "allowed: one of \"low\""},
    {After::site, "[[person]]\nid = \"local:a\"\n[[person]]\nid = \"local:a\"\n", 12, "person[local:a].id", "is taken already"},
    {After::broker, "facts.status = \"member\"\n", 9, "broker.facts.as_of", "is missing"},
    // [broker]
    {After::broker, "nmae = \"x\"\n", 9, "broker.nmae",
     "is no key here (did you mean \"name\"?); allowed: country, facts, log, name,"},
    {After::broker, "state_dir = \"var/lib\"\n", 9, "broker.state_dir", "is \"var/lib\"; allowed: an absolute path"},
    {After::broker, "state_dir = \"/var/../etc\"\n", 9, "broker.state_dir", "without \"..\""},
    {After::broker, "state_dir = \"/\"\n", 9, "broker.state_dir", "allowed: an absolute path"},
    {After::broker, "state_dir = \"\"\n", 9, "broker.state_dir", "is \"\"; allowed"},
    {After::broker, "state_dir = \"/a\\nb\"\n", 9, "broker.state_dir", "is \"/a\\x0ab\"; allowed"},
    {After::broker, "state_dir = 5\n", 9, "broker.state_dir", "is 5; allowed"},
    {After::broker, "switch_socket = \"run/s\"\n", 9, "broker.switch_socket", "absolute path of at most 107 bytes"},
    {After::broker,
     "switch_socket = "
     "\"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
     9, "broker.switch_socket", "aaa...\"; allowed"},
    {After::broker, "shutdown_grace_ms = -1\n", 9, "broker.shutdown_grace_ms",
     "is -1; allowed: an integer from 0 to 600000 (milliseconds)"},
    {After::broker, "log = \"info\"\n", 9, "broker.log", "is \"info\"; allowed: a table"},
    {After::broker, "log.level = \"warn\"\n", 9, "broker.log.level",
     "allowed: one of \"debug\", \"info\", \"warning\", \"error\""},
    {After::broker, "log.level = true\n", 9, "broker.log.level", "is true; allowed: one of"},
    {After::broker, "log.format = \"jsno\"\n", 9, "broker.log.format", "(did you mean \"json\"?)"},
    {After::broker, "[broker.log]\nlevl = \"info\"\n", 10, "broker.log.levl", "(did you mean \"level\"?)"},
    {After::broker, "admin_password = \"hunter2\"\n", 9, "broker.admin_password", "a secret never stands in this file"},
    // [api]
    {After::site, "[api]\nlisten = \"127.0.0.1\"\n", 10, "api.listen", "an IP address and a port"},
    {After::site, "[api]\nlisten = \"localhost:7717\"\n", 10, "api.listen", "is \"localhost:7717\"; allowed: an IP address"},
    {After::site, "[api]\nlisten = \"127.0.0.1:65536\"\n", 10, "api.listen", "allowed: an IP address"},
    {After::site, "[api]\nlisten = \"127.0.0.1:-1\"\n", 10, "api.listen", "allowed: an IP address"},
    {After::site, "[api]\nlisten = \"::1:7717\"\n", 10, "api.listen", "allowed: an IP address"},
    {After::site, "[api]\nlisten = 7717\n", 10, "api.listen", "is 7717; allowed"},
    {After::site, "[api]\nlisten = \"0.0.0.0:7717\"\n", 10, "api.listen",
     "is \"0.0.0.0:7717\", which is not loopback: set tls_certificate and tls_key"},
    {After::site, "[api]\nlisten = \"[::]:7717\"\n", 10, "api.listen", "which is not loopback"},
    {After::site, "[api]\nlisten = \"[::ffff:127.0.0.1]:7717\"\n", 10, "api.listen", "which is not loopback"},
    {After::site, "[api]\ntls_key = \"key.pem\"\n", 10, "api.tls_key", "needs api.tls_certificate as well"},
    {After::site, "[api]\ntls_certificate = \"cert.pem\"\nlisten = \"0.0.0.0:1\"\n", 10, "api.tls_certificate",
     "needs api.tls_key as well"},
    {After::site, "[api]\ntls_certificate = \"~/c.pem\"\ntls_key = \"k.pem\"\n", 10, "api.tls_certificate",
     "\"~\" is not expanded"},
    {After::site, "[api]\nthreads = 0\n", 10, "api.threads", "is 0; allowed: an integer from 1 to 64"},
    {After::site, "[api]\nthreads = 65\n", 10, "api.threads", "is 65; allowed"},
    {After::site, "[api]\nthreads = 2.0\n", 10, "api.threads", "is a number with a fraction; allowed: an integer"},
    {After::site, "[api]\nthreads = \"2\"\n", 10, "api.threads", "is \"2\"; allowed: an integer"},
    {After::site, "[api]\nthreads = 1979-05-27\n", 10, "api.threads", "is a date; allowed: an integer"},
    {After::site, "[api]\ntoken = \"x\"\n", 10, "api.token", "only the path of a file that holds it"},
    {After::site, "[api]\nlimits.conections = 9\n", 10, "api.limits.conections", "(did you mean \"connections\"?)"},
    {After::site, "[api]\nlimits.bulk_kib = 100\n", 10, "api.limits.bulk_kib",
     "bulk_kib (100) must not be less than job_kib (4096)"},
    // [store]
    {After::site, "[store]\nurl = \"hansa.db\"\n", 10, "store.url", "allowed: \"sqlite:<file>\""},
    {After::site, "[store]\nurl = \"postgresql://u:pw@h/db\"\n", 10, "store.url", "allowed: \"sqlite:<file>\""},
    {After::site, "[store]\nurl = \"sqlite:\"\n", 10, "store.url", "allowed: \"sqlite:<file>\""},
    {After::site, "[store]\nurl = \"sqlite::memory:\"\n", 10, "store.url", "allowed: \"sqlite:<file>\""},
    {After::site, "[store]\nurl = \"sqlite:../x.db\"\n", 10, "store.url", "allowed: \"sqlite:<file>\""},
    // [engine]
    {After::site, "[engine]\nstatus_interval_s = 30\n", 10, "engine.status_interval_s", "(did you mean \"status_interval_ms\"?)"},
    {After::site, "[engine]\nstatus_interval_ms = 0\n", 10, "engine.status_interval_ms",
     "an integer from 10 to 86400000 (milliseconds)"},
    {After::site, "[engine]\nsnapshot_max_age_ms = 60000\n", 10, "engine.snapshot_max_age_ms",
     "must be more than snapshot_interval_ms (60000)"},
    {After::site, "[engine]\nsnapshot_interval_ms = 300000\n", 10, "engine.snapshot_interval_ms", "or every snapshot is stale"},
    {After::site, "[engine]\nmax_sends = 9223372036854775807\n", 10, "engine.max_sends", "is 9223372036854775807; allowed"},
    // [[site]]
    {After::site, "[[site]]\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n", 9, "site[#2].id",
     "is missing; allowed: 1 to 32 of a-z, 0-9"},
    {After::site, "[[site]]\nid = \"B\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n", 10, "site[#2].id",
     "is \"B\"; allowed: 1 to 32 of"},
    {After::site, "[[site]]\nid = \"-b\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n", 10, "site[#2].id",
     "not starting with \"-\""},
    {After::site,
     "[[site]]\nid = \"abcdefghijklmnopqrstuvwxyz0123456\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n", 10,
     "site[#2].id", "1 to 32"},
    {After::site, "[[site]]\nid = \"a\"\ncountry = \"FI\"\nconnector = \"local\"\naccounts = {}\n", 10, "site[a].id",
     "is taken already, at line 5"},
    {After::site, "[[site]]\nid = \"b\"\nconnector = \"local\"\naccounts = {}\n", 9, "site[b].country",
     "is missing; allowed: an ISO 3166-1 alpha-2"},
    {After::site, "[[site]]\nid = \"b\"\ncountry = \"XX\"\nconnector = \"local\"\naccounts = {}\n", 11, "site[b].country",
     "is \"XX\"; allowed: an ISO"},
    {After::site, "[[site]]\nid = \"b\"\ncountry = \"uk\"\nconnector = \"local\"\naccounts = {}\n", 11, "site[b].country",
     "(did you mean \"GB\"?)"},
    {After::site, "[[site]]\nid = \"b\"\ncountry = \"FIN\"\nconnector = \"local\"\naccounts = {}\n", 11, "site[b].country",
     "is \"FIN\"; allowed"},
    {After::site, "[[site]]\nid = \"b\"\ncountry = \"FI\"\naccounts = {}\n", 9, "site[b].connector",
     "is missing; allowed: one of \"local\", \"slurm\", \"slurmrest\", \"pbs\", \"model\", \"remote\""},
    {After::site, "[[site]]\nid = \"b\"\ncountry = \"FI\"\nconnector = \"slrum\"\naccounts = {}\n", 12, "site[b].connector",
     "(did you mean \"slurm\"?)"},
    {After::site, "[[site]]\nid = \"b\"\ncountry = \"FI\"\nconnector = \"local\"\n", 9, "site[b].accounts_file",
     "is missing, and so is accounts"},
    {After::site, "accounts_file = \"a.toml\"\n", 8, "site[a].accounts", "stands beside accounts_file; allowed: one of the two"},
    // [site.apel], [site.waldur]
    {After::site, "apel = { site = \"A\", submit_host = \"h\", service_level = { Si2k = \"2\" } }\n", 9,
     "site[a].apel.cpu_duration", "is missing; allowed: one of \"allocated\""},
    {After::site, "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"used\", service_level = { Si2k = \"2\" } }\n", 9,
     "site[a].apel.cpu_duration", "is \"used\"; allowed"},
    {After::site,
     "apel = { site = \"A B\", submit_host = \"h\", cpu_duration = \"allocated\", service_level = { Si2k = \"2\" } }\n", 9,
     "site[a].apel.site", "1 to 255 letters"},
    {After::site,
     "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"allocated\", infrastructure = \"cloud\", service_level = { "
     "Si2k = \"2\" } }\n",
     9, "site[a].apel.infrastructure", "allowed: one of \"grid\", \"local\""},
    {After::site,
     "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"allocated\", service_level = { hs23 = \"1\" } }\n", 9,
     "site[a].apel.service_level.\"hs23\"", "hepscore23"},
    {After::site,
     "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"allocated\", service_level = { HEPSPEC = \"0.0\" } }\n", 9,
     "site[a].apel.service_level.\"HEPSPEC\"", "a number above 0"},
    {After::site,
     "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"allocated\", service_level = { HEPSPEC = \"1\", Si2k = \"2\" "
     "} }\n",
     9, "site[a].apel.service_level", "must name one benchmark"},
    {After::site, "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"allocated\", service_level = {} }\n", 9,
     "site[a].apel.service_level", "must name one benchmark"},
    {After::site, "apel = { site = \"A\", submit_host = \"h\", cpu_duration = \"allocated\" }\n", 9, "site[a].apel.service_level",
     "is missing"},
    {After::site, "waldur = { components = {}, resources = {} }\n", 9, "site[a].waldur.components", "is empty"},
    {After::site, "waldur = { components = { cpu = \"60000\" }, resources = {} }\n", 9, "site[a].waldur.components.\"cpu\"",
     "\"60000 core-minutes\""},
    {After::site, "waldur = { components = { cpu = \"0 core-hours\" }, resources = {} }\n", 9,
     "site[a].waldur.components.\"cpu\"", "what one unit of it is"},
    {After::site,
     "waldur.components = { cpu = \"1 core-hours\" }\nwaldur.resources = { p = \"6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11\" }\n", 10,
     "site[a].waldur.resources.\"p\"", "there is no [[project]] with this id"},
    {After::site,
     "waldur.components = { cpu = \"1 core-hours\" }\nwaldur.resources = { p = \"6F1e\" }\n[[project]]\nid = \"p\"\nmembers = "
     "[]\n",
     10, "site[a].waldur.resources.\"p\"", "a UUID in lower case"},
    {After::site,
     "waldur.components = { cpu = \"1 core-hours\" }\nwaldur.resources = { p = \"6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11\", q = "
     "\"6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11\" }\n[[project]]\nid = \"p\"\nmembers = []\n[[project]]\nid = \"q\"\nmembers = []\n",
     9, "site[a].waldur.resources.q", "is the resource of site[a].waldur.resources.p as well"},
    {After::site, "run_as = \"root\"\n", 9, "site[a].run_as",
     "is \"root\"; allowed: one of \"self\", \"switch\", \"token\", \"agent\""},
    {After::site, "run_as = \"switch\"\n", 9, "site[a].run_as", "is \"switch\"; allowed with this connector: \"self\""},
    {After::slurm_site, "", 4, "site[a].run_as", "is missing; with connector = \"slurm\" it must say whose account"},
    {After::slurm_site, "run_as = \"switch\"\n", 9, "site[a].run_as", "needs broker.switch_socket"},
    {After::slurm_site, "run_as = \"self\"\nlocal.cpus = 2\n", 10, "site[a].local",
     "belongs to connector = \"local\"; this site has connector = \"slurm\""},
    {After::slurm_site, "run_as = \"self\"\nslurm.bin_dir = \"bin\"\n", 10, "site[a].slurm.bin_dir", "an absolute path"},
    {After::slurm_site, "run_as = \"self\"\nslurm.cnf = \"/x\"\n", 10, "site[a].slurm.cnf", "(did you mean \"conf\"?)"},
    {After::pbs_site, "", 4, "site[a].run_as", "is missing; with connector = \"pbs\" it must say whose account"},
    {After::pbs_site, "run_as = \"self\"\npbs.bin_dir = \"bin\"\n", 10, "site[a].pbs.bin_dir", "an absolute path"},
    {After::pbs_site, "run_as = \"self\"\npbs.gpu_resource = \"a:b\"\n", 10, "site[a].pbs.gpu_resource", "letters"},
    {After::pbs_site, "run_as = \"self\"\nslurm.conf = \"/x\"\n", 10, "site[a].slurm", "belongs to connector = \"slurm\""},
    {After::slurm_site, "run_as = \"token\"\n", 9, "site[a].run_as",
     "is \"token\"; allowed with this connector: \"self\", \"switch\""},
    {After::slurmrest_site, "slurmrest = { url = \"http://127.0.0.1:1\", token_file = \"t\" }\n", 4, "site[a].run_as",
     "one of \"self\", \"token\""},
    {After::slurmrest_site, "run_as = \"self\"\n", 4, "site[a].slurmrest", "is missing"},
    {After::slurmrest_site, "run_as = \"token\"\nslurmrest = { url = \"http://127.0.0.1:1\", token_file = \"{account}\" }\n", 9,
     "site[a].run_as", "is \"token\", which needs broker.switch_socket"},
    {After::slurmrest_site, "run_as = \"self\"\nslurmrest.token_file = \"t\"\n", 10, "site[a].slurmrest.url", "is missing"},
    {After::slurmrest_site, "run_as = \"self\"\nslurmrest = { url = \"http://slurm.example:1\", token_file = \"t\" }\n", 10,
     "site[a].slurmrest.url", "with a loopback host"},
    {After::slurmrest_site, "run_as = \"self\"\nslurmrest = { url = \"unix:x\", token_file = \"t\" }\n", 10,
     "site[a].slurmrest.url", "an absolute path"},
    {After::slurmrest_site, "run_as = \"self\"\nslurmrest = { url = \"https://h/slurm\" }\n", 10, "site[a].slurmrest.token_file",
     "or token_command must be there"},
    {After::slurmrest_site,
     "run_as = \"self\"\nslurmrest = { url = \"https://h\", token_file = \"t\", token_command = [\"/t\"] }\n", 10,
     "site[a].slurmrest.token_file", "only one of the two"},
    {After::slurmrest_site, "run_as = \"self\"\nslurmrest = { url = \"https://h\", token_command = [\"t\"] }\n", 10,
     "site[a].slurmrest.token_command", "must begin with a program's path"},
    {After::slurmrest_site, "run_as = \"self\"\nslurmrest = { url = \"https://h\", token_file = \"t\", answer_limit_mib = 0 }\n",
     10, "site[a].slurmrest.answer_limit_mib", "is 0; allowed"},
    {After::site, "slurmrest.url = \"https://h\"\n", 9, "site[a].slurmrest", "belongs to connector = \"slurmrest\""},
    {After::site, "remote.command = [\"/x\"]\n", 9, "site[a].remote", "belongs to connector = \"remote\""},
    {After::site, "run_as = \"agent\"\n", 9, "site[a].run_as", "is \"agent\"; allowed with this connector: \"self\""},
    {After::slurm_site, "run_as = \"agent\"\n", 9, "site[a].run_as", "allowed with this connector: \"self\", \"switch\""},
    {After::site, "pbs.server = \"pbs01\"\n", 9, "site[a].pbs", "belongs to connector = \"pbs\""},
    {After::site, "slurm.conf = \"/etc/slurm.conf\"\n", 9, "site[a].slurm", "belongs to connector = \"slurm\""},
    {After::site, "model = {}\n", 9, "site[a].model", "belongs to connector = \"model\""},
    {After::site, "local.cpus = 0\n", 9, "site[a].local.cpus", "is 0; allowed"},
    {After::site, "local.gpus = 1\n", 9, "site[a].local.gpus", "is 1, which needs gpu_model as well"},
    {After::site, "local.gpu_model = \"a100\"\n", 9, "site[a].local.gpu_model", "is \"a100\", but gpus is 0"},
    {After::site, "work_dir = \"scratch\"\n", 9, "site[a].work_dir", "starting with \"/\" or \"~/\""},
    {After::site, "work_dir = \"~bob/x\"\n", 9, "site[a].work_dir", "starting with \"/\" or \"~/\""},
    {After::site, "work_dir = \"~/../x\"\n", 9, "site[a].work_dir", "without \"..\""},
    {After::site, "work_dir = \"/s/{user}\"\n", 9, "site[a].work_dir", "no braces but \"{account}\""},
    {After::site, "allocation = \"ignor\"\n", 9, "site[a].allocation", "(did you mean \"ignore\"?)"},
    {After::site, "allocation = \"budget\"\n", 9, "site[a].allocation", "needs a [[site.charge]]"},
    {After::site, "[[site.charge]]\nunit = \"BU\"\n", 9, "site[a].charge[#1]", "has no effect"},
    {After::site, "[site.energy]\npue_milli = 1090\ncarbon_mg_per_kwh = 58000\n", 9, "site[a].energy.source", "who states these"},
    {After::site, "[site.energy]\npue_milli = 1090\nsource = \"x\"\n", 9, "site[a].energy.carbon_mg_per_kwh", "from both"},
    {After::site, "allocation = \"budget\"\n[[site.charge]]\nunit = \"BU\"\nper_core = 0.75\n", 12, "site[a].charge[#1].per_core",
     "allowed: an integer from 0 to 1000000000 (thousandths of the unit for one hour)"},
    {After::site, "allocation = \"budget\"\n[[site.charge]]\nunit = \"BU\"\nmemory_slice_mib = 1024\n", 12,
     "site[a].charge[#1].per_memory_slice", "memory counts by slices of a size, each at a price"},
    {After::site, "allocation = \"budget\"\n[[site.charge]]\nunit = \"BU\"\nwhole_nodes = true\nper_core = 1\n", 12,
     "site[a].charge[#1].node_cores", "what a whole node counts as"},
    {After::site, "allocation = \"budget\"\n[[site.charge]]\nunit = \"BU\"\n[[site.charge]]\nunit = \"CU\"\n", 12,
     "site[a].charge[#2].from", "which of them counts?"},
    {After::site, "allocation = \"budget\"\n[[site.charge]]\nunit = \"BU\"\nlimit = \"cpu\"\n", 12, "site[a].charge[#1].limit",
     "import balances (hansa allocation import)"},
    {After::slurm_site, "run_as = \"self\"\nallocation = \"budget\"\n[[site.charge]]\nunit = \"BU\"\nlimit = \"cpu\"\n", 13,
     "site[a].charge[#1].limit", "needs the site's `projects`"},
    {After::slurm_site,
     "run_as = \"self\"\nallocation = \"budget\"\nprojects = { p = \"x\" }\n[[site.charge]]\nunit = \"BU\"\nlimit = "
     "\"cpu=1\"\n[[project]]\nid = \"p\"\nmembers = []\n",
     14, "site[a].charge[#1].limit", "allowed: 1 to 64 letters"},
    {After::slurm_site,
     "run_as = \"self\"\nallocation = \"budget\"\nprojects = { p = \"x\" }\n[[site.charge]]\nunit = \"BU\"\nlimit = "
     "\"cpu\"\n[[site.charge]]\n"
     "queues = [\"q\"]\nunit = \"CU\"\nlimit = \"cpu\"\n[[project]]\nid = \"p\"\nmembers = []\n",
     18, "site[a].charge[#2].limit", "of which of them is it the balance?"},
    {After::slurm_site,
     "run_as = \"self\"\nallocation = \"budget\"\nprojects = { p = \"x\" }\n[[site.charge]]\nunit = \"BU\"\nlimit = "
     "\"cpu\"\n[[site.charge]]\n"
     "queues = [\"q\"]\nunit = \"BU\"\nlimit = \"billing\"\n[[project]]\nid = \"p\"\nmembers = []\n",
     18, "site[a].charge[#2].limit", "which of them is its balance?"},
    {After::site, "budget = { queries_per_minute = 0 }\n", 9, "site[a].budget.queries_per_minute",
     "an integer from 1 to 60000 (per minute)"},
    {After::site, "budget = { query_per_minute = 5 }\n", 9, "site[a].budget.query_per_minute",
     "(did you mean \"queries_per_minute\"?)"},
    {After::site, "budget = 10\n", 9, "site[a].budget", "is 10; allowed: a table"},
    {After::site, "budget.waiting_jobs = 1000001\n", 9, "site[a].budget.waiting_jobs", "is 1000001; allowed"},
    {After::site, "profile.gpu_vendor = \"AMD\"\n", 9, "site[a].profile.gpu_vendor",
     "allowed: one of \"nvidia\", \"amd\", \"intel\""},
    {After::site, "profile.architecture = \"arm64\"\n", 9, "site[a].profile.architecture", "aarch64"},
    {After::site, "profile.devices_per_gpu = 0\n", 9, "site[a].profile.devices_per_gpu", "from 1 to 16"},
    {After::site, "profile.modules = { torch = \"a  b\" }\n", 9, "site[a].profile.modules.\"torch\"", "one space between them"},
    {After::site, "profile.modules = { torch = \"a; id\" }\n", 9, "site[a].profile.modules.\"torch\"", "one space between them"},
    {After::site, "profile.modules = { \"a b\" = \"x\" }\n", 9, "site[a].profile.modules.\"a b\"", "the key"},
    {After::site, "profile.container_images = [\"http://x/\"]\n", 9, "site[a].profile.container_images[0]", "\"data:...\""},
    {After::site, "profile.outbound = [\"a b\"]\n", 9, "site[a].profile.outbound[0]", "the name of a queue"},
    {After::site, "profile.outbound = true\n", 9, "site[a].profile.outbound", "allowed: a list"},
    {After::site, "profile.container_runtime = \"apptainer\"\n", 9, "site[a].profile.container_runtime", "allowed"},
    {After::site, "[[site.qos]]\nname = \"short\"\n", 9, "site[a].qos[#1]", "is Slurm's"},
    {After::site, "budget.quiet_hours = \"22:00-06:00 UTC\"\n", 9, "site[a].budget.quiet_hours", "allowed: a list"},
    {After::site, "budget.quiet_hours = [\"22:00-06:00\"]\n", 9, "site[a].budget.quiet_hours[0]",
     "as \"22:00-06:00 Europe/Helsinki\""},
    {After::site, "budget.quiet_hours = [\"22:00-06:00 Europe/Helsinky\"]\n", 9, "site[a].budget.quiet_hours[0]",
     "the zone by its name in the IANA database"},
    {After::site, "budget.quiet_hours = [\"25:00-06:00 UTC\"]\n", 9, "site[a].budget.quiet_hours[0]", "allowed"},
    {After::site, "name = \"\"\n", 9, "site[a].name", "1 to 128 characters"},
    {After::site, "projects = { nope = \"x\" }\n", 9, "site[a].projects.\"nope\"", "there is no [[project]] with this id"},
    {After::site, "projects = { ai-lba = \"x\" }\n[[project]]\nid = \"ai-lab\"\nmembers = []\n", 9, "site[a].projects.\"ai-lba\"",
     "(did you mean \"ai-lab\"?)"},
    {After::site, "projects = { p = \"--x\" }\n[[project]]\nid = \"p\"\nmembers = []\n", 9, "site[a].projects.\"p\"",
     "is \"--x\"; allowed"},
    {After::site, "projects = [\"p\"]\n", 9, "site[a].projects", "is a list; allowed: a table"},
    {After::site, "[site.name]\nfull = \"x\"\n", 9, "site[a].name", "is a table; allowed: 1 to 128 characters"},
    {After::site, "[[site.projects]]\nid = \"x\"\n", 9, "site[a].projects", "is a list; allowed: a table"},
    // [[site.root]], [[link]], [mover]
    {After::site, "[site.root]\nid = \"p\"\n", 9, "site[a].root",
     "blocks that start with [[site.root]], with two brackets on each side"},
    {After::site, "[[site.root]]\nid = \"p\"\n", 9, "site[a].root[p].folder", "is missing; allowed: an absolute path"},
    {After::site, "[[site.root]]\nid = \"P\"\nfolder = \"/p\"\n", 10, "site[a].root[#1].id", "is \"P\"; allowed"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\n[[site.root]]\nid = \"p\"\nfolder = \"/q\"\n", 13,
     "site[a].root[p].id", "is taken already, at line 10"},
    {After::site,
     "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nstaging = true\n[[site.root]]\nid = \"q\"\nfolder = \"/q\"\nstaging = "
     "true\n",
     16, "site[a].root[q].staging", "is true of another root of this site already, at line 12"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nquota_mib = 5\n", 12, "site[a].root[p].quota_mib",
     "counts only with staging = true"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nlifetime_s = 5\n", 12, "site[a].root[p].lifetime_s",
     "counts only with staging = true"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nuser = \"x\"\n", 12, "site[a].root[p].user",
     "counts only with host"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nhost = \"h\"\nuser = \"x\"\nkey_file = \"k\"\n", 12,
     "site[a].root[p].host", "needs site[a].root[p].known_hosts as well"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nreaders = \"all\"\n", 12, "site[a].root[p].readers",
     "allowed: one of \"account\", \"group\", \"everyone\""},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nstaging = true\n[[link]]\nfrom = \"b\"\nto = \"a\"\n", 14,
     "link[#1].from", "there is no [[site]] with this id"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nstaging = true\n[[link]]\nfrom = \"a\"\nto = \"a\"\n", 15,
     "link[#1].to", "is where it comes from"},
    {After::site, "[[link]]\nto = \"a\"\n[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nstaging = true\n", 9, "link[#1].from",
     "is missing"},
    {After::site, LINK_FROM_A_TO_B "[link.job]\nsite = \"a\"\n", 24, "link[#1].job.queue", "is missing; allowed: "},
    {After::site, LINK_FROM_A_TO_B "job = { queue = \"t\", site = \"c\" }\n", 24, "link[#1].job.site",
     "is neither end of the link"},
    {After::site, LINK_FROM_A_TO_B "job = { queue = \"t\", account = \"data\" }\n", 24, "link[#1].job.account",
     "counts only at a site with run_as = \"switch\""},
    {After::site, LINK_FROM_A_TO_B "job = { queue = \"t\", time_limit_s = 59 }\n", 24, "link[#1].job.time_limit_s",
     "is 59; allowed: an integer from 60"},
    {After::site, LINK_FROM_A_TO_B "job = \"transfer\"\n", 24, "link[#1].job", "is \"transfer\"; allowed: a table"},
    {After::site, "[mover]\nrclone = \"rclone\"\n", 10, "mover.rclone", "an absolute path"},
    {After::site, "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nremote = \"store\"\n", 12, "site[a].root[p].remote",
     "needs mover.rclone_config"},
    {After::site,
     "[[site.root]]\nid = \"p\"\nfolder = \"/p\"\nremote = \"store\"\nstaging = true\n[mover]\nrclone_config = \"/c\"\n", 13,
     "site[a].root[p].staging", "nothing can be brought in one step"},
    // [[project]]
    {After::site, "[project]\nid = \"p\"\n", 9, "project", "blocks that start with [[project]], with two brackets on each side"},
    {After::site, "[[project]]\nid = \"p\"\n", 9, "project[p].members", "is missing; allowed: a list"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = \"local:a\"\n", 11, "project[p].members",
     "is \"local:a\"; allowed: a list"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = [\n  \"local:a\",\n  \"alice\",\n]\n", 13, "project[p].members[1]",
     "a person as \"<issuer>:<subject>\""},
    {After::site, "[[project]]\nid = \"p\"\nmembers = [\":alice\"]\n", 11, "project[p].members[0]", "is \":alice\"; allowed"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = [\"local:\"]\n", 11, "project[p].members[0]", "is \"local:\"; allowed"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = [\"local:a b\"]\n", 11, "project[p].members[0]", "allowed: a person"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = [1]\n", 11, "project[p].members[0]", "is 1; allowed: a person"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = [\"local:a\", \"local:a\"]\n", 11, "project[p].members[1]",
     "stands in the list twice"},
    {After::site, "[[project]]\nid = \"p\"\nmembers = []\n[[project]]\nid = \"p\"\nmembers = []\n", 13, "project[p].id",
     "is taken already, at line 10"},
    {After::site, "[[project]]\nid = \"a/b\"\nmembers = []\n", 10, "project[#1].id", "is \"a/b\"; allowed"},
};

struct SyntaxCase {
  std::string text;
  const char* where;
  const char* message;
};

}  // namespace

TEST_CASE("each malformed configuration gives its one fault, with line, key and what is allowed") {
  STATIC_REQUIRE(std::size(kCases) >= 60);
  for (const auto& c : kCases) {
    const std::string text = text_before(c.after) + c.text;
    INFO(text);
    const auto config = parse_broker_config(text, "hansad.toml");
    REQUIRE_FALSE(config);
    INFO(describe_errors(config.error()));
    CHECK(config.error().code == "BAD_CONFIGURATION");
    const auto where = "hansad.toml:" + std::to_string(c.line) + ": " + c.key;
    const auto fault = std::ranges::find(config.error().faults, where, &Fault::where);
    REQUIRE(fault != config.error().faults.end());
    CHECK_THAT(fault->message, Catch::Contains(c.message));
    CHECK(config.error().faults.size() == 1);
  }
}

TEST_CASE("what is not TOML is told with line and column") {
  const SyntaxCase cases[] = {
      {"[broker\nname = 1\n", "f.toml:1:8", ""},
      {"[broker]\nname = \"x\n", "f.toml:2:10", ""},
      {"[broker]\nname = x\n", "f.toml:2:", ""},
      {"[broker]\nname = \"a\"\nname = \"b\"\n", "f.toml:3:", "name"},
      {"[broker]\n[broker]\n", "f.toml:2:", "broker"},
      {"[broker]\nname \"a\"\n", "f.toml:2:", ""},
      {"a = 99999999999999999999\n", "f.toml:1:", ""},
      {"a = \"\xff\xfe\"\n", "f.toml:1:", ""},
      {std::string("a = \"\0\"\n", 8), "f.toml:1:", ""},
      {"a = " + std::string(100, '[') + std::string(100, ']'), "f.toml:1:", ""},
      {"a" +
           [] {
             std::string dots;
             for (int i = 0; i < 100; ++i) dots += ".a";
             return dots;
           }() +
           " = 1\n",
       "f.toml:1:130", "dots"},
      {"x = '''\n\"'''\n\ny" +
           [] {
             std::string dots;
             for (int i = 0; i < 100; ++i) dots += ".\"a\"";
             return dots;
           }() +
           " = 1\n",
       "f.toml:4:258", "dots"},
      // What the parser itself checks by assertion only
      {"[&", "f.toml:1:1", "is malformed"},
      {"[broker]\nname = \"x\"\n[[[site]]]\nid = 1\n", "f.toml:3:1", "is malformed"},
      {"\n\n[[=\n", "f.toml:3:1", "is malformed"},
      // Where its tables of characters have holes
      {"\n\xC3\xA4 = 1\n", "f.toml:2:1", "write the key or the value in quotes"},
      {"\xEF\xBB\xBF[a]\n\xCF\xAF\x12\n", "f.toml:2:1", "beyond ASCII"},
      {"a = \"\"\"\n\\ \xC3\xA4\"\"\"\n", "f.toml:2", ""},
      {"a = \"\"\"\\\xC3\xA4\"\"\"\n", "f.toml:1", ""},
      {"a = +\"b\"n[\"/\xEF\xB8\xBFus*", "f.toml:1", ""},
      {"a =  [1\"\"\"\xC3\xA4\\\" \t\x02\"\n", "f.toml:1", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto config = parse_broker_config(c.text, "f.toml");
    REQUIRE_FALSE(config);
    CHECK(config.error().code == "TOML_SYNTAX");
    REQUIRE(config.error().faults.size() == 1);
    CHECK_THAT(config.error().faults[0].where, Catch::StartsWith(c.where));
    CHECK_THAT(config.error().faults[0].message, Catch::Contains(c.message));
    CHECK_FALSE(config.error().faults[0].message.empty());
  }
}

TEST_CASE("characters beyond ASCII are welcome in strings, quoted keys and comments, after a byte-order mark or not") {
  const auto text = "\xEF\xBB\xBF# \xC3\xA4\n" + std::string(kBroker) + kSite + "name = \"\"\"\xC3\x84tna \\\"x\"\"\"\"\n";
  const auto config = parse_broker_config(text, "f.toml");
  INFO((config ? std::string() : describe_errors(config.error())));
  REQUIRE(config);
  CHECK(config->sites[0].name == "\xC3\x84tna \"x\"");
  const auto key = parse_broker_config("[broker]\n\"n\xC3\xA4me\" = 1\n", "f.toml");
  CHECK(key.error().faults[2].where == "f.toml:2: broker.\"n\xC3\xA4me\"");
}

TEST_CASE("dots within strings and comments are no key's depth") {
  const std::string dots(500, '.');
  const auto text =
      std::string(kBroker) + "# " + dots + "\n" + kSite + "name = \"" + std::string(100, '.') + "\\\"" + "\" # '\"" + dots + "\n";
  const auto config = parse_broker_config(text, "f.toml");
  INFO((config ? std::string() : describe_errors(config.error())));
  REQUIRE(config);
  CHECK(config->sites[0].name == std::string(100, '.') + "\"");
}
