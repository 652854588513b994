// SPDX-License-Identifier: Apache-2.0
// What the OpenAPI document says of the bodies.
#include "broker/api/openapi_parts.hpp"

namespace hansa::api {

// No literal may be longer than 64 KiB.
const std::array<std::string_view, 2> kSchemas{R"json({
  "AnyObject": {"type": "object"},
  "Status": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
  "State": {"type": "string", "enum": ["accepted", "waiting", "held", "staging", "submitting", "queued", "running", "finishing", "succeeded", "failed", "timed_out", "cancelled", "lost", "rejected"]},
  "Reason": {"type": ["object", "null"], "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
  "Time": {"type": ["string", "null"], "format": "date-time"},
  "Problem": {
    "type": "object", "description": "RFC 9457, with a stable code and every fault of the request.", "required": ["type", "title", "status", "detail", "code"],
    "properties": {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}, "code": {"type": "string"}, "request_id": {"type": "string"},
                   "errors": {"type": "array", "items": {"type": "object", "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}}}}}
  },
  "Resources": {
    "type": "object", "additionalProperties": false,
    "properties": {"nodes": {"type": "integer", "minimum": 1, "default": 1}, "tasks": {"type": "integer", "minimum": 1, "description": "At least nodes, which is the default."},
                   "cpus_per_task": {"type": "integer", "minimum": 1, "default": 1}, "memory_per_node_mib": {"type": "integer", "minimum": 0, "description": "0 or absent: what the site gives by default."},
                   "gpus_per_node": {"type": "integer", "minimum": 0, "default": 0, "description": "As a program sees them: of an MI250X two."}, "gpu_model": {"type": "string"}}
  },
  "JobRequest": {
    "type": "object", "additionalProperties": false, "required": ["script"],
    "properties": {
      "name": {"type": "string", "maxLength": 200}, "project": {"type": "string", "description": "Needed by members of several projects."},
      "script": {"type": "string", "pattern": "^#!", "description": "Delivered byte for byte; at most 2.5 MiB, no NUL."},
      "arguments": {"type": "array", "items": {"type": "string"}, "maxItems": 4096},
      "environment": {"type": "object", "additionalProperties": {"type": "string"}},
      "directives": {"enum": ["read", "ignore"], "default": "read", "description": "The script's #SBATCH and #PBS lines say what the request leaves open: resources, time_limit_s, name, project, exclusive, requeue, environment (docs/using-hansa.md has what becomes of each). One that cannot be translated is an error at /script with its line; one that changes nothing here is told in the answer's notes."},
      "resources": {"$ref": "#/components/schemas/Resources"},
      "time_limit_s": {"type": "integer", "minimum": 1, "default": 3600},
      "container": {"$ref": "#/components/schemas/Container"}, "modules": {"$ref": "#/components/schemas/Modules"}, "network": {"$ref": "#/components/schemas/Network"},
      "variants": {"type": "array", "maxItems": 16, "items": {"$ref": "#/components/schemas/Variant"}, "description": "Of a site's queue the first counts whose `when` holds there; a queue of which none does takes no job (NO_VARIANT_MATCHES)."},
      "placement": {"type": "object", "additionalProperties": false, "properties": {"sites": {"type": "array", "items": {"type": "string"}}, "countries": {"type": "array", "items": {"type": "string", "pattern": "^[A-Z]{2}$"}}}},
      "exclusive": {"type": "boolean", "default": false, "description": "Its nodes are its own, whole: nobody else's job runs there, and it is charged as its site charges that."},
      "requeue": {"type": "boolean", "default": false, "description": "The site may start it again, from its beginning, after a node failed."},
      "datasets": {"type": "array", "maxItems": 100, "uniqueItems": true, "items": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$"}, "description": "What the job reads, as registered: it goes where the rules let their labels go, and a copy of each is or can be brought. The job finds them in HANSA_DATA_1, HANSA_DATA_2, ..."},
      "labels": {"type": "array", "maxItems": 20, "items": {"$ref": "#/components/schemas/Label"}, "description": "What the submission says of its own script and environment; can only make the broker refuse."},
      "outputs": {"type": "object", "maxProperties": 32, "propertyNames": {"maxLength": 128, "pattern": "^[^/]+$"}, "additionalProperties": {"type": "string", "maxLength": 512}, "description": "Files that the job leaves, to be fetched by name: name -> path beneath its working folder."},
      "code": {"$ref": "#/components/schemas/CodeId"},
      "secrets": {"type": "array", "maxItems": 16, "items": {"$ref": "#/components/schemas/SecretUse"}, "description": "Secrets of the caller's (PUT /v1/secrets/{name}), which the job finds in files of the folder HANSA_SECRET_DIR."}, "array": {"type": "string", "maxLength": 16384, "pattern": "^([0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*(%[0-9]+)?)?$", "description": "Runs the script once for each of these indices, which it finds in HANSA_ARRAY_INDEX: at most 1,000 tasks, %N so many at a time. Resources and time limit are those of each task. One job: it has succeeded once all of them have."},
      "after": {"type": "array", "maxItems": 100, "uniqueItems": true, "items": {"type": "string", "pattern": "^([0-9A-HJKMNP-TV-Z]{26}|#[0-9]{1,3})$"}, "description": "Jobs of the caller's that must have succeeded before it goes to any site; held (DEPENDENCY) until then, cancelled (DEPENDENCY_NEVER_SATISFIED) if one ends otherwise. In a bulk request also earlier ones of it by their place: #0 is the first."}
    }
  },
  "Container": {
    "type": "object", "additionalProperties": false, "description": "Run by Apptainer at the site, as the job's account; GPUs, the job's folder and HANSA_SCRATCH are there.",
    "properties": {"image": {"type": "string", "maxLength": 512, "pattern": "^((oras|docker)://|/).*@sha256:[0-9a-f]{64}$|^(code|data):.|^$", "description": "Pinned by its digest: oras://HOST/NAME@sha256:..., docker://NAME@sha256:..., or a path at the site with the SHA-256 of that file. code:PATH is a file of the job's code, data:DATASET[/PATH] one of a dataset, which the job reads then like any other. Empty, in a variant: none."},
                   "binds": {"type": "array", "maxItems": 32, "items": {"type": "string", "maxLength": 512}, "description": "SOURCE[:TARGET[:ro|:rw]]; SOURCE beneath the job's working folder, or absolute and beneath what the site lets be bound."},
                   "inside": {"enum": ["script", "processes"], "default": "script", "description": "processes: the script runs beside the container, what its hansa-launch starts in it, on all nodes."}}
  },
  "Network": {"enum": ["outbound", "any"], "default": "any", "description": "outbound: it goes only to queues whose nodes are known to reach the network outside (NO_OUTBOUND_NETWORK)."},
  "Modules": {"type": "array", "maxItems": 32, "items": {"type": "string", "pattern": "^[A-Za-z0-9._+][A-Za-z0-9._+-]{0,63}$"}, "description": "Names that each site maps to environment modules of its own, loaded in this order before the script; a site that maps one of them not is no site for the job (NO_SUCH_MODULE)."},
  "Variant": {
    "type": "object", "additionalProperties": false, "required": ["when"], "description": "What it does not say is as the job says it.",
    "properties": {"name": {"type": "string", "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$", "description": "Its place, counted from 0, if it has none; HANSA_VARIANT in the job."},
                   "when": {"type": "object", "additionalProperties": false, "description": "All of it must hold of the nodes that the job can get; {} holds everywhere.",
                            "properties": {"gpu_vendor": {"enum": ["nvidia", "amd", "intel", "none"]}, "gpu_model": {"type": "string", "maxLength": 64, "description": "As sites call it; the job then asks for this model."}, "architecture": {"enum": ["x86_64", "aarch64", "ppc64le", "riscv64"]}, "site": {"type": "string"}, "country": {"type": "string", "pattern": "^[A-Z]{2}$"}}},
                   "resources": {"$ref": "#/components/schemas/Resources"}, "container": {"$ref": "#/components/schemas/Container"}, "modules": {"$ref": "#/components/schemas/Modules"}, "network": {"$ref": "#/components/schemas/Network"},
                   "environment": {"type": "object", "additionalProperties": {"type": ["string", "null"]}, "description": "Beside the job's own, over which it wins; at most 16 KiB over all variants. Answers have names alone: each value is null."}}
  },
  "SecretUse": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(=[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$", "description": "NAME, or NAME=FILE: the secret of that name, in a file of the same or of that name."},
  "SecretFacts": {"type": "object", "required": ["name", "bytes", "changed_at"], "properties": {"name": {"type": "string"}, "bytes": {"type": "integer", "minimum": 1, "maximum": 65536}, "changed_at": {"$ref": "#/components/schemas/Time"}}},
  "SecretList": {"type": "object", "required": ["secrets"], "properties": {"secrets": {"type": "array", "items": {"$ref": "#/components/schemas/SecretFacts"}}}},
  "CodeId": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": "The SHA-256 of an archive of code (docs/using-hansa.md), unpacked into the job's working folder before it starts."},
  "Code": {
    "type": "object", "required": ["id", "received_bytes", "complete"],
    "properties": {"id": {"$ref": "#/components/schemas/CodeId"}, "received_bytes": {"type": "integer", "description": "Of the caller's archive, from its beginning on; the next piece begins there."}, "complete": {"type": "boolean", "description": "All of it is here and is what its id says: jobs may name it."}}
  },
  "BulkRequest": {"type": "object", "additionalProperties": false, "required": ["jobs"], "properties": {"jobs": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/components/schemas/JobRequest"}}}},
  "Output": {
    "type": "object", "required": ["name", "path", "state"],
    "properties": {"name": {"type": "string"}, "path": {"type": "string", "description": "Beneath the job's working folder."},
                   "state": {"enum": ["missing", "file", "folder", "link", "special", "unreadable"], "description": "Only a file can be fetched; a symbolic link is not followed."},
                   "size_bytes": {"type": "integer", "description": "Of a file."}, "version": {"type": "string", "description": "Of a file: another one once it was written to; its ETag, without the quotes."}}
  },
  "OutputList": {"type": "object", "required": ["job_state", "outputs"], "properties": {"job_state": {"$ref": "#/components/schemas/State"}, "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Output"}}}},
  "Cancel": {"type": ["object", "null"], "properties": {"by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "outcome": {"enum": ["never_started", "stopped", "already_ended", "unknown", null]}}},
  "Job": {
    "type": "object", "required": ["id", "state", "owner", "project", "version"],
    "properties": {
      "id": {"type": "string"}, "name": {"type": ["string", "null"]}, "state": {"$ref": "#/components/schemas/State"}, "owner": {"type": "string"}, "project": {"type": "string"},
      "site": {"type": ["string", "null"]}, "queue": {"type": ["string", "null"]}, "site_job_id": {"type": ["string", "null"]}, "account": {"type": ["string", "null"]},
      "exit_code": {"type": ["integer", "null"]}, "signal": {"type": ["integer", "null"]}, "reason": {"$ref": "#/components/schemas/Reason"},
      "unknown_since": {"$ref": "#/components/schemas/Time"}, "accepted_at": {"$ref": "#/components/schemas/Time"}, "started_at": {"$ref": "#/components/schemas/Time"}, "ended_at": {"$ref": "#/components/schemas/Time"},
      "version": {"type": "integer"}, "cancel": {"$ref": "#/components/schemas/Cancel"}
    }
  },
  "Notes": {"type": "array", "items": {"type": "string"}, "description": "Only if there are any: directives of the script that are not used, and what others were read as, each with its line."},
  "AcceptedJob": {"allOf": [{"$ref": "#/components/schemas/Job"}, {"type": "object", "properties": {"notes": {"$ref": "#/components/schemas/Notes"}}}]},
  "AcceptedJobList": {"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": {"$ref": "#/components/schemas/AcceptedJob"}}}},
  "DryRun": {"allOf": [{"$ref": "#/components/schemas/Decision"}, {"type": "object", "properties": {"submission": {"$ref": "#/components/schemas/Submission"}, "notes": {"$ref": "#/components/schemas/Notes"}}}]},
  "Submission": {
    "type": "object", "description": "What a job asks for, the script's directives included.",
    "properties": {
      "name": {"type": ["string", "null"]}, "project": {"type": ["string", "null"]}, "environment": {"type": "object", "additionalProperties": {"type": "string"}},
      "resources": {"$ref": "#/components/schemas/Resources"}, "time_limit_s": {"type": "integer"}, "requeue": {"type": "boolean"}, "exclusive": {"type": "boolean"}, "placement": {"type": "object"},
      "datasets": {"type": "array", "items": {"type": "string"}}, "labels": {"type": "array", "items": {"$ref": "#/components/schemas/Label"}}, "outputs": {"type": "object", "additionalProperties": {"type": "string"}},
      "code": {"oneOf": [{"$ref": "#/components/schemas/CodeId"}, {"type": "null"}]}, "secrets": {"type": "array", "items": {"$ref": "#/components/schemas/SecretUse"}},
      "container": {"oneOf": [{"$ref": "#/components/schemas/Container"}, {"type": "null"}]}, "modules": {"$ref": "#/components/schemas/Modules"}, "network": {"$ref": "#/components/schemas/Network"}, "variants": {"type": "array", "items": {"$ref": "#/components/schemas/Variant"}, "description": "Complete: with what they have of the job."},
      "array": {"type": ["string", "null"], "description": "The indices of its tasks, as \"0-9%2\"."},
      "after": {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}, "description": "The jobs that it starts after."}
    }
  },
  "JobDetails": {
    "allOf": [{"$ref": "#/components/schemas/Job"}, {"type": "object", "properties": {
      "broker_id": {"type": "string"}, "resources": {"$ref": "#/components/schemas/Resources"}, "time_limit_s": {"type": "integer"}, "requeue": {"type": "boolean"}, "exclusive": {"type": "boolean"},
      "placement": {"type": "object"}, "datasets": {"type": "array", "items": {"type": "string"}}, "labels": {"type": "array", "items": {"$ref": "#/components/schemas/Label"}}, "outputs": {"type": "object", "additionalProperties": {"type": "string"}},
      "code": {"oneOf": [{"$ref": "#/components/schemas/CodeId"}, {"type": "null"}]}, "secrets": {"type": "array", "items": {"$ref": "#/components/schemas/SecretUse"}}, "attempts": {"type": "array", "items": {"$ref": "#/components/schemas/Attempt"}},
      "container": {"oneOf": [{"$ref": "#/components/schemas/Container"}, {"type": "null"}]}, "modules": {"$ref": "#/components/schemas/Modules"}, "network": {"$ref": "#/components/schemas/Network"}, "variants": {"type": "array", "items": {"$ref": "#/components/schemas/Variant"}},
      "array": {"type": ["string", "null"]}, "cancelled_tasks": {"type": ["string", "null"], "description": "Of an array: the tasks whose own cancel was asked for, as ranges."},
      "tasks": {"type": ["object", "null"], "additionalProperties": {"type": "object", "properties": {"count": {"type": "integer"}, "tasks": {"type": "string"}}}, "description": "Of an array: its tasks by their state (waiting, running, succeeded, failed, timed_out, cancelled, never_started), as ranges."},
      "after": {"type": "array", "items": {"type": "object", "required": ["id", "state"], "properties": {"id": {"type": "string"}, "state": {"$ref": "#/components/schemas/State"}}}, "description": "The jobs that it starts after, and how they are now."},
      "transfers": {"type": "array", "items": {"$ref": "#/components/schemas/Transfer"}, "description": "While its state is staging: its datasets that are under way."}}}]
  },
  "Attempt": {
    "type": "object",
    "properties": {
      "number": {"type": "integer"}, "site": {"type": "string"}, "queue": {"type": ["string", "null"]}, "tag": {"type": "string"}, "state": {"enum": ["intended", "sent", "bound", "ended"]},
      "account": {"type": ["string", "null"]}, "scheduler_account": {"type": ["string", "null"]}, "variant": {"type": ["string", "null"], "description": "Which of the job's it is there, by name."}, "site_job_id": {"type": ["string", "null"]}, "intended_at": {"$ref": "#/components/schemas/Time"},
      "sends": {"type": "integer"}, "sealed": {"type": "boolean"}, "unknown_since": {"$ref": "#/components/schemas/Time"},
      "outcome": {"enum": ["succeeded", "failed", "timed_out", "cancelled", "never_started", null]}, "reason": {"$ref": "#/components/schemas/Reason"},
      "granted": {"type": ["object", "null"], "description": "Read back after the submission, as far as the site says: amounts in all, of an array those of one task. null: not yet.", "properties": {"nodes": {"type": "integer"}, "tasks": {"type": "integer"}, "cores": {"type": "integer"}, "gpus": {"type": "integer"}, "memory_mib": {"type": "integer"}, "time_limit_s": {"type": "integer"}, "queue": {"type": "string"}, "scheduler_account": {"type": "string"}, "exclusive": {"type": "boolean"}}},
      "granted_otherwise": {"$ref": "#/components/schemas/Reason", "description": "Where that is not what was asked for: GRANTED_ELSEWHERE (another queue), GRANTED_LESS, OTHER_ACCOUNT (another account would be charged: it is taken back and held)."},
      "move": {"type": ["object", "null"], "description": "Begun: the site was asked to let it go to another before it starts. Made if the reason is MOVED.", "properties": {"to": {"type": "string"}, "why": {"type": "string"}}},
      "runs": {"type": "array", "items": {"type": "object"}}
    }
  },
  "JobList": {"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}, "next_cursor": {"type": ["string", "null"]}}},
  "RuleVerdict": {
    "type": "object", "required": ["code", "rules", "obligations"], "description": "What the rules said of the job at the site; absent where no rule is in force or nothing could be asked.",
    "properties": {"code": {"enum": ["PERMITTED", "NO_PERMIT", "FORBIDDEN", "EVIDENCE_MISSING"]}, "rules": {"type": "array", "items": {"type": "string"}}, "obligations": {"type": "array", "items": {"type": "string"}}}
  },
  "RulesInForce": {
    "type": "object", "required": ["in_force", "policy_hash", "packs"],
    "properties": {"in_force": {"type": "boolean"}, "policy_hash": {"type": ["string", "null"]},
                   "packs": {"type": "array", "items": {"type": "object", "required": ["id", "version", "title", "approved_by", "rules"],
                             "properties": {"id": {"type": "string"}, "version": {"type": "string"}, "title": {"type": "string"}, "approved_by": {"type": "array", "items": {"type": "string"}},
                                            "rules": {"type": "array", "items": {"$ref": "#/components/schemas/RuleInForce"}}}}},
                   "texts": {"type": "array", "description": "Only if asked for: each pack as it is written.", "items": {"type": "string"}}}
  },
  "PastDecision": {
    "type": "object", "required": ["job", "at", "site", "policy_hash", "input"],
    "properties": {"job": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "site": {"type": ["string", "null"]}, "policy_hash": {"type": ["string", "null"]},
                   "input": {"type": ["string", "null"], "description": "Name of an entry of evidence; null if no rule was asked. Without its entry: it is no longer kept."}}
  },
  "DecisionList": {
    "type": "object", "required": ["decisions", "evidence", "next_cursor"], "description": "In the order in which they were taken. A page may be empty although more follow.",
    "properties": {"decisions": {"type": "array", "items": {"$ref": "#/components/schemas/PastDecision"}},
                   "evidence": {"type": "object", "description": "What rules were asked about, once for all decisions that share it.", "additionalProperties": {"$ref": "#/components/schemas/DecisionEvidence"}},
                   "next_cursor": {"type": ["string", "null"]}}
  },
  "DecisionEvidence": {
    "type": "object", "required": ["job", "datasets", "sites"],
    "properties": {"job": {"type": "array", "items": {"type": "object"}}, "datasets": {"type": "array", "items": {"type": "array", "items": {"type": "object"}}},
                   "sites": {"type": "array", "items": {"type": "object", "required": ["id", "facts"], "properties": {"id": {"type": "string"}, "facts": {"type": "array", "items": {"type": "object"}}}}}}
  },
  "RuleInForce": {"type": "object", "required": ["id", "effect", "sentence", "legal_basis", "owner"], "properties": {"id": {"type": "string"}, "effect": {"enum": ["permit", "forbid"]}, "sentence": {"type": "string"}, "legal_basis": {"type": "string"}, "owner": {"type": "string"}}},
  "Verdict": {
    "type": "object", "required": ["site", "possible", "obstacle", "code", "message"],
    "properties": {
      "site": {"type": "string"}, "possible": {"type": "boolean"}, "obstacle": {"enum": ["none", "temporary", "permanent"]}, "code": {"type": "string"}, "message": {"type": "string"},
      "source": {"type": "string"}, "age_s": {"type": "integer"}, "queue": {"type": "string"}, "method": {"type": "string"}, "snapshot_hash": {"type": "string"},
      "basis": {"enum": ["queue", "room", "scheduler", "history", "none"], "description": "What the wait was found from. Where other people's jobs are hidden: room that is free now, the scheduler's word, past waits; none: no estimate."},
      "predicted_s": {"type": "integer", "description": "Before the correction."}, "correction": {"$ref": "#/components/schemas/Correction"},
      "wait_s": {"type": "integer", "description": "Half of such jobs have started by then (p50)."}, "wait_p90_s": {"type": "integer", "description": "Nine in ten have; absent while too few have started there."}, "variant": {"type": "string", "description": "Which of the job's it would be there, by name; absent: it has none."},
      "stage_in": {"type": "object", "description": "What the job reads and would have to be brought: it starts when this time and wait_s have passed.", "properties": {"time_s": {"type": "integer"}, "bytes": {"type": "integer"}, "under_way": {"type": "boolean"},
                   "from": {"type": "array", "items": {"type": "object", "properties": {"dataset": {"type": "string"}, "site": {"type": "string"}}}}}},
      "rules": {"$ref": "#/components/schemas/RuleVerdict"}
    }
  },
  "Correction": {
    "type": "object", "required": ["likeness", "count", "p50_ppm", "p90_ppm"], "description": "Quantiles of (actual + 60 s) / (predicted + 60 s) of past waits at the site, in millionths.",
    "properties": {"likeness": {"enum": ["project", "size", "site"], "description": "Whose: jobs of its size and project, of its size, all of the broker's there."}, "count": {"type": "integer"}, "p50_ppm": {"type": "integer"}, "p90_ppm": {"type": "integer"}}
  },
  "Decision": {
    "type": "object", "required": ["at", "verdicts"],
    "properties": {"at": {"$ref": "#/components/schemas/Time"}, "site": {"type": ["string", "null"]}, "queue": {"type": ["string", "null"]}, "reason": {"$ref": "#/components/schemas/Reason"}, "policy_hash": {"type": ["string", "null"]},
                   "verdicts": {"type": "array", "items": {"$ref": "#/components/schemas/Verdict"}}, "job": {"$ref": "#/components/schemas/Job"},
                   "fair_share": {"type": "object", "description": "Of a stored job, where `placement.fair_share_half_life_s` says that projects' use counts for their turn; in millionths. factor_ppm is 2^(-used/share).", "properties": {"project": {"type": "string"}, "share_ppm": {"type": "integer"}, "used_ppm": {"type": "integer"}, "factor_ppm": {"type": "integer"}}}}
  },
  "EventList": {"type": "object", "properties": {"events": {"type": "array", "items": {"type": "object", "properties": {"version": {"type": "integer"}, "at": {"$ref": "#/components/schemas/Time"}, "event": {"type": "string"}, "details": {"type": "object"}}}}}},
  "UsageRecords": {"type": "object", "properties": {"records": {"type": "array", "items": {"$ref": "#/components/schemas/UsageRecord"}}}},
  "UsageRecord": {
    "type": "object",
    "properties": {
      "site": {"type": "string"}, "cluster": {"type": "string"}, "site_job_id": {"type": "string"}, "account": {"type": ["string", "null"]}, "scheduler_account": {"type": ["string", "null"]},
      "queue": {"type": ["string", "null"]}, "submitted_at": {"$ref": "#/components/schemas/Time"}, "started_at": {"$ref": "#/components/schemas/Time"}, "ended_at": {"$ref": "#/components/schemas/Time"},
      "site_state": {"type": "string"}, "exit_code": {"type": ["integer", "null"]}, "elapsed_s": {"type": "integer"}, "nodes": {"type": "integer"}, "cores": {"type": "integer"}, "gpus": {"type": "integer"},
      "core_seconds": {"type": "integer"}, "gpu_seconds": {"type": "integer"}, "node_seconds": {"type": "integer"}
    }
  },
  "Ledger": {
    "type": "object", "required": ["origin", "size", "root", "keys", "checkpoint", "witnesses", "refused"],
    "properties": {
      "origin": {"type": "string", "description": "The ledger's name in its checkpoints."}, "size": {"type": "integer"}, "root": {"$ref": "#/components/schemas/TreeHash"},
      "keys": {"type": "array", "items": {"type": "object", "properties": {"key": {"type": "string"}, "record": {"type": "integer", "description": "That named it."}}}, "description": "Public keys that signed, oldest first (C2SP signed-note's verifier keys)."},
      "checkpoint": {"anyOf": [{"$ref": "#/components/schemas/Checkpoint"}, {"type": "null"}]},
      "witnesses": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "key": {"type": "string"}, "size": {"type": ["integer", "null"], "description": "Of the newest checkpoint that it signed."}, "signed_at": {"$ref": "#/components/schemas/Time"}}}},
      "refused": {"type": "array", "description": "Records of sites that were not booked.", "items": {"type": "object", "properties": {"site": {"type": "string"}, "reason": {"enum": ["NOT_OURS", "IMPOSSIBLE_AMOUNT", "IMPOSSIBLE_TIME", "TEXT_TOO_LONG", "SECOND_RECORD_OF_A_RUN", "CHANGED_TOO_OFTEN"]}, "records": {"type": "integer"}, "last_at": {"$ref": "#/components/schemas/Time"}, "last_site_job_id": {"type": "string"}}}}
    }
  },
  "TreeHash": {"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$", "description": "SHA-256 of a tree as RFC 6962 has it, base 64."},
  "Checkpoint": {"type": "object", "required": ["size", "note", "signed_at"], "properties": {"size": {"type": "integer"}, "note": {"type": "string", "description": "C2SP tlog-checkpoint, with the ledger's signature and its witnesses'."}, "signed_at": {"$ref": "#/components/schemas/Time"}}},
  "LedgerRecords": {"type": "object", "required": ["records"], "properties": {"records": {"type": "array", "items": {"type": "object", "required": ["record"], "properties": {"record": {"type": "string", "description": "The bytes that are hashed (docs/ledger.md)."}, "personal": {"type": "string", "description": "Of a usage record: salt, source line, personal part; - if it is erased."},
    "rests_on": {"type": "string", "description": "Of a month's close: what it rests on (docs/ledger.md); - if that was not kept."}}}}}},
  "UsageInForce": {"type": "object", "required": ["records", "size", "next"], "properties": {"size": {"type": "integer", "description": "Of the ledger that the records are of."},
    "next": {"type": ["string", "null"], "description": "For `after` of the next page; null: this one is empty, and there is no more."},
    "records": {"type": "array", "items": {"type": "object", "required": ["record"], "properties": {"record": {"type": "string", "description": "The bytes that are hashed (docs/ledger.md), of a usage record that was not reversed."},
      "adjusted": {"type": "object", "description": "What adjustments of it add.", "properties": {"elapsed_s": {"type": "integer"}, "core_seconds": {"type": "integer"}, "gpu_seconds": {"type": "integer"}, "node_seconds": {"type": "integer"}}},
      "pseudonym": {"type": "string", "description": "Empty: erased; so are the next two."}, "owner": {"type": "string"}, "account": {"type": "string"}}}}}},
  "ExchangeNames": {"type": "object", "required": ["sites"], "properties": {"sites": {"type": "array", "items": {"type": "object", "required": ["id", "apel", "waldur"], "properties": {"id": {"type": "string"},
    "apel": {"type": ["object", "null"], "properties": {"site": {"type": "string"}, "submit_host": {"type": "string"}, "infrastructure": {"type": "string", "enum": ["grid", "local"]}, "description": {"type": "string"}, "service_level_type": {"type": "string"}, "service_level": {"type": "string"}}},
    "waldur": {"type": ["object", "null"], "properties": {"components": {"type": "object", "additionalProperties": {"type": "object", "properties": {"of": {"type": "string", "enum": ["core_seconds", "gpu_seconds", "node_seconds"]}, "unit_seconds": {"type": "integer"}}}}, "resources": {"type": "object", "additionalProperties": {"type": "string"}}}}}}}}},
  "LedgerProofs": {"type": "object", "required": ["checkpoint", "proofs"], "properties": {"checkpoint": {"type": "string"}, "proofs": {"type": "array", "items": {"type": "object", "properties": {"record": {"type": "string"}, "seq": {"type": "integer"}, "path": {"type": "array", "items": {"$ref": "#/components/schemas/TreeHash"}}}}}}},
  "ConsistencyProof": {"type": "object", "required": ["from", "to", "path"], "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}, "path": {"type": "array", "items": {"$ref": "#/components/schemas/TreeHash"}}}},
  "CosignatureRequest": {"type": "object", "additionalProperties": false, "required": ["checkpoint", "cosignature"], "properties": {"checkpoint": {"type": "string", "description": "The checkpoint's three lines."}, "cosignature": {"type": "string", "description": "A line as C2SP tlog-cosignature v1 has it."}}},
  "LedgerKey": {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}},
  "RetentionTable": {"type": "object", "required": ["holdings"], "properties": {"holdings": {"type": "array", "items": {"type": "object", "required": ["holding", "what", "where", "purpose", "days", "from", "kept_by", "erased", "tested"], "properties": {
    "holding": {"type": "string"}, "what": {"type": "string"}, "where": {"type": "string"}, "purpose": {"type": "string"}, "days": {"type": "integer", "description": "0: it stays."}, "from": {"type": "string"},
    "kept_by": {"type": "string", "enum": ["broker", "elsewhere", "others"], "description": "Who sees to the period: the daily clean-up, another part of the broker, or the site, the host or its operator."},
    "erased": {"type": "string"}, "tested": {"type": "string"}, "held": {"type": ["integer", "null"]}, "oldest": {"$ref": "#/components/schemas/Time"}, "next_end": {"$ref": "#/components/schemas/Time"}}}}}},
  "Responsible": {"type": "object", "properties": {"controller": {"type": ["string", "null"]}, "processor": {"type": ["string", "null"], "description": "null: the controller itself."}, "contact": {"type": ["string", "null"]}}},
  "RecordOfProcessing": {"type": "object", "description": "Regulation (EU) 2016/679, Article 30; Regulation (EU) 2018/1725, Article 31. What nobody has said is null, and named in missing.", "required": ["format", "made_at", "broker", "country", "responsible", "legal_basis", "sites", "activities", "holdings", "measures", "missing"], "properties": {
    "format": {"type": "string"}, "made_at": {"$ref": "#/components/schemas/Time"}, "broker": {"type": "string"}, "country": {"type": "string"}, "responsible": {"$ref": "#/components/schemas/Responsible"}, "legal_basis": {"type": ["string", "null"]},
    "sites": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "country": {"type": "string"}, "third_country": {"type": "boolean", "description": "Outside the EEA."}, "responsible": {"$ref": "#/components/schemas/Responsible"}}}},
    "activities": {"type": "array", "items": {"type": "object", "properties": {"purpose": {"type": "string"}, "people": {"type": "array", "items": {"type": "string"}}, "holdings": {"type": "array", "items": {"type": "string"}}, "recipients": {"type": "string"}}}},
    "holdings": {"type": "array", "items": {"type": "object", "properties": {"holding": {"type": "string"}, "what": {"type": "string"}, "where": {"type": "string"}, "purpose": {"type": "string"}, "days": {"type": "integer"}, "from": {"type": "string"}, "erased": {"type": "string"}}}},
    "measures": {"type": "array", "items": {"type": "string"}}, "missing": {"type": "array", "items": {"type": "string"}}}},
  "PersonDocument": {"type": "object", "description": "All that is held of a person, written as it is read (Regulation (EU) 2016/679, Articles 15 and 20).", "required": ["format", "person", "made_at", "tokens", "secrets", "jobs", "usage", "datasets", "facts", "changes", "sessions", "requests", "accesses", "break_glass"], "properties": {
    "format": {"type": "string"}, "withheld": {"type": "array", "items": {"type": "string"}, "description": "What jobs were given, left out for whoever is somebody else: arguments, environment, script; by break-glass (person:NAME) environment values alone, `environment` of a job is the names then."}, "broker": {"type": "string"}, "person": {"type": "string"}, "made_at": {"$ref": "#/components/schemas/Time"}, "tokens": {"type": "array", "items": {"type": "object"}}, "secrets": {"type": "array", "items": {"type": "object"}, "description": "Their names; never what they are."}, "jobs": {"type": "array", "items": {"type": "object"}}, "usage": {"type": "array", "items": {"type": "object"}},
    "datasets": {"type": "array", "items": {"type": "object"}}, "facts": {"type": "array", "items": {"type": "object"}}, "changes": {"type": "array", "items": {"type": "object"}}, "sessions": {"type": "array", "items": {"type": "object"}},
    "requests": {"type": "array", "items": {"type": "object"}}, "accesses": {"type": "array", "items": {"type": "object"}}, "break_glass": {"type": "array", "items": {"type": "object"}, "description": "What was opened to operators of it, and why."}}},
  "ErasureRequest": {"type": "object", "additionalProperties": false, "required": ["person", "reason"], "properties": {"person": {"type": "string"}, "reason": {"type": "string", "description": "Stays on record, the person's name taken out."}}},
  "Erasure": {"type": "object", "required": ["id", "person", "reason", "state", "by", "at", "ruled_by", "ruled_at", "done_at", "jobs", "records"], "properties": {"id": {"type": "string"}, "person": {"type": ["string", "null"], "description": "null: it is not known any more."}, "reason": {"type": "string"},
    "state": {"type": "string", "enum": ["pending", "rejected", "approved", "done"]}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "ruled_by": {"type": ["string", "null"]}, "ruled_at": {"$ref": "#/components/schemas/Time"}, "done_at": {"$ref": "#/components/schemas/Time"},
    "jobs": {"type": "integer", "description": "That became nobody's."}, "records": {"type": "integer", "description": "Of the ledger that lost their personal part."}}},
  "ErasureList": {"type": "object", "required": ["erasures"], "properties": {"erasures": {"type": "array", "items": {"$ref": "#/components/schemas/Erasure"}}}},
  "JobScript": {"type": "object", "required": ["script", "arguments", "environment"], "properties": {"script": {"type": "string"}, "arguments": {"type": "array", "items": {"type": "string"}}, "environment": {"type": "object", "additionalProperties": {"type": ["string", "null"]}, "description": "null: a value that is its owner's alone, by break-glass too."}}},
  "BreakGlassRequest": {"type": "object", "additionalProperties": false, "required": ["scope", "reason", "lasts_s"], "properties": {"scope": {"type": "string", "description": "job:ID, or person:NAME for all jobs of a person."}, "reason": {"type": "string", "description": "Stays on record; the person whose data it is can read it."}, "lasts_s": {"type": "integer", "minimum": 60, "description": "Seconds from the approval on; at most break_glass.longest_s."}}},
  "BreakGlass": {"type": "object", "required": ["id", "scope", "person", "reason", "state", "by", "at", "lasts_s", "ruled_by", "ruled_at", "until", "ended_by", "ended_at", "why", "uses"], "properties": {"id": {"type": "string"}, "scope": {"type": "string"}, "person": {"type": "string"}, "reason": {"type": "string"},
    "state": {"type": "string", "enum": ["pending", "rejected", "open", "ended"]}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "lasts_s": {"type": "integer"}, "ruled_by": {"type": ["string", "null"]}, "ruled_at": {"$ref": "#/components/schemas/Time"}, "until": {"$ref": "#/components/schemas/Time"},
    "ended_by": {"type": ["string", "null"], "description": "null: it ended by itself."}, "ended_at": {"$ref": "#/components/schemas/Time"}, "why": {"type": "string", "description": "TIME_OVER, ENDED, PERSON_REVOKED, NOT_APPROVED; empty: it is not over."}, "uses": {"type": "integer"}}},
  "BreakGlassList": {"type": "object", "required": ["break_glass"], "properties": {"break_glass": {"type": "array", "items": {"$ref": "#/components/schemas/BreakGlass"}}}},
  "BreakGlassDetails": {"allOf": [{"$ref": "#/components/schemas/BreakGlass"}, {"type": "object", "required": ["used", "steps"], "properties": {
    "used": {"type": "array", "items": {"type": "object", "properties": {"job": {"type": ["string", "null"], "description": "null: all of the person's, exported."}, "operation": {"type": "string", "description": "operationId."}, "first_at": {"$ref": "#/components/schemas/Time"}, "last_at": {"$ref": "#/components/schemas/Time"}, "times": {"type": "integer"}}}},
    "steps": {"type": "array", "items": {"type": "object", "properties": {"record": {"type": "integer", "description": "The ledger's, of kind breakglass."}, "event": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "salt": {"type": ["string", "null"], "description": "In hex. SHA-256 of its bytes and `personal` is what the record has; null: erased."}, "personal": {"type": ["string", "null"]}}}}}}]},
  "CorrectionList": {"type": "object", "required": ["corrections"], "properties": {"corrections": {"type": "array", "items": {"type": "object", "properties": {
    "at": {"$ref": "#/components/schemas/Time"}, "reason": {"type": "string"}, "site": {"type": "string"}, "site_job_id": {"type": "string"}, "project": {"type": "string"},
    "reversed": {"type": "integer"}, "reversal": {"type": "integer"}, "replaced_by": {"type": ["integer", "null"]},
    "core_seconds_before": {"type": "integer"}, "core_seconds_after": {"type": "integer"}, "gpu_seconds_before": {"type": "integer"}, "gpu_seconds_after": {"type": "integer"}}}}}},
  "ReconciliationRequest": {"type": "object", "additionalProperties": false, "required": ["site", "from"], "properties": {"site": {"type": "string"}, "from": {"type": "string", "description": "Runs that ended at or after."}, "to": {"type": "string", "description": "Runs that ended before; left out: now. What ended in the last minutes has not reached the ledger yet and is left to the next time."}}},
  "BegunReconciliation": {"type": "object", "required": ["id", "state", "site"], "properties": {"id": {"type": "string"}, "state": {"const": "under_way"}, "site": {"type": "string"}}},
  "Reconciliation": {
    "type": "object", "required": ["id", "state"],
    "properties": {
      "id": {"type": "string"}, "state": {"enum": ["under_way", "failed", "done"]}, "reason": {"$ref": "#/components/schemas/Reason"}, "site": {"type": "string"}, "from": {"$ref": "#/components/schemas/Time"}, "to": {"$ref": "#/components/schemas/Time"},
      "begun_at": {"$ref": "#/components/schemas/Time"}, "at": {"$ref": "#/components/schemas/Time"}, "by": {"type": "string"}, "ledger_size": {"type": "integer", "description": "Records when it ended."}, "tolerance_s": {"type": "integer"}, "matched": {"type": "integer"},
      "counts": {"type": "object", "description": "Differences, by kind.", "additionalProperties": {"type": "integer"}}, "listed": {"type": "integer", "description": "Differences that are kept: 1,000 at most."}, "unexplained": {"type": "integer", "description": "As it is now."},
      "others": {"type": ["integer", "null"], "description": "Runs that are not the broker's; null: the site hides them."}, "differences": {"type": "array", "items": {"$ref": "#/components/schemas/Difference"}}
    }
  }
})json",
                                               R"json({
  "Difference": {
    "type": "object", "required": ["kind", "key", "site_job_id", "outcome"],
    "properties": {
      "kind": {"enum": ["missing_at_broker", "missing_at_site", "field_mismatch", "duplicate", "late"]}, "key": {"type": "string", "description": "Names it at its site, whenever it is seen."}, "cluster": {"type": "string"}, "site_job_id": {"type": "string"},
      "submitted_at": {"$ref": "#/components/schemas/Time"}, "started_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "ended_at": {"$ref": "#/components/schemas/Time"}, "record": {"type": ["integer", "null"], "description": "Of the ledger, that stands for the run."},
      "fields": {"type": "object", "description": "What differs: the ledger's word, then the site's.", "additionalProperties": {"type": "array", "items": {"type": "string"}}}, "outcome": {"type": "string", "description": "booked, corrected, left, or why it cannot be booked."},
      "explanation": {"$ref": "#/components/schemas/Explanation"}
    }
  },
  "Explanation": {"type": ["object", "null"], "properties": {"reason": {"type": "string"}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}}},
  "ReconciliationList": {"type": "object", "required": ["reconciliations"], "properties": {"reconciliations": {"type": "array", "items": {"$ref": "#/components/schemas/Reconciliation"}}}},
  "ExplanationRequest": {"type": "object", "additionalProperties": false, "required": ["site", "difference", "reason"], "properties": {"site": {"type": "string"}, "difference": {"type": "string", "description": "A difference's key; or a month, as 2026-11, of which the site as a whole cannot be asked."}, "reason": {"type": "string", "maxLength": 1000}}},
  "PeriodList": {"type": "object", "required": ["periods"], "properties": {"periods": {"type": "array", "items": {"type": "object", "properties": {"period": {"type": "string"}, "state": {"enum": ["open", "closed"]}, "opened_at": {"$ref": "#/components/schemas/Time"}, "closed_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}}}}},
  "Period": {
    "type": "object", "required": ["period", "state", "sites", "unseen_records"],
    "properties": {
      "period": {"type": "string", "description": "A month of UTC, as 2026-11."}, "state": {"enum": ["not_opened", "open", "closed"]}, "opened_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "closed_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
      "open_record": {"type": ["integer", "null"]}, "summary_record": {"type": ["integer", "null"]}, "close_record": {"type": ["integer", "null"]}, "apart_s": {"type": ["integer", "null"], "description": "That lay between two clean reconciliations at least."},
      "unseen_records": {"type": "integer", "description": "Records of it that no reconciliation has seen."}, "opening": {"anyOf": [{"$ref": "#/components/schemas/Checkpoint"}, {"type": "null"}]}, "closing": {"anyOf": [{"$ref": "#/components/schemas/Checkpoint"}, {"type": "null"}]},
      "sites": {"type": "array", "items": {"type": "object", "properties": {"site": {"type": "string"}, "grade": {"enum": ["A", "B", "C"], "description": "A: signed by the site; B: held against all of its records; C: the broker's own jobs only."}, "settled": {"type": "boolean"}, "unsettled_from": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "unexplained": {"type": "integer"}, "explanation": {"$ref": "#/components/schemas/Explanation"}, "signed_size": {"type": ["integer", "null"], "description": "Of the newest checkpoint that the site's own key vouches for."}}}}
    }
  },
  "AdjustmentRequest": {"type": "object", "additionalProperties": false, "required": ["record", "reason"], "properties": {"record": {"type": "integer"}, "core_seconds": {"type": "integer"}, "gpu_seconds": {"type": "integer"}, "node_seconds": {"type": "integer"}, "reason": {"type": "string", "maxLength": 500, "description": "Stands in the ledger for good: name no person."}}},
  "Adjustment": {"type": "object", "required": ["id", "record", "state"], "properties": {"id": {"type": "string"}, "record": {"type": "integer"}, "core_seconds": {"type": "integer"}, "gpu_seconds": {"type": "integer"}, "node_seconds": {"type": "integer"}, "reason": {"type": "string"}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "state": {"enum": ["pending", "approved", "rejected"]}, "ruling": {"type": ["object", "null"]}, "booked_as": {"type": ["integer", "null"]}}},
  "AdjustmentList": {"type": "object", "required": ["adjustments"], "properties": {"adjustments": {"type": "array", "items": {"$ref": "#/components/schemas/Adjustment"}}}},
  "DecisionLeaves": {"type": "object", "required": ["leaves"], "properties": {"leaves": {"type": "array", "items": {"type": "object", "properties": {"sequence": {"type": "integer"}, "leaf": {"type": "string", "description": "The bytes that are hashed."}, "erased": {"type": "boolean", "description": "A name was taken out of the decision since: its hash is the one from before."}}}}}},
  "Report": {
    "type": "object", "required": ["report", "title", "by", "from", "to", "period", "whose", "ledger", "rows", "count"],
    "properties": {"report": {"type": "string"}, "title": {"type": "string"}, "by": {"type": "array", "items": {"type": "string"}}, "from": {"$ref": "#/components/schemas/Time"}, "to": {"$ref": "#/components/schemas/Time"},
                   "period": {"enum": ["by-end", "time-sliced"]}, "whose": {"enum": ["everybody", "own"]}, "projects": {"type": "array", "items": {"type": "string"}, "description": "It is of their records alone, and at these sites; absent: of all."}, "sites": {"type": "array", "items": {"type": "string"}}, "for": {"const": "third_party"},
                   "ledger": {"type": "object", "required": ["origin", "size", "root"], "properties": {"origin": {"type": "string"}, "size": {"type": "integer"}, "root": {"type": "string"}}},
                   "grade": {"type": "string", "description": "A, B or C of the weakest site, then of each."}, "rows": {"type": "array", "items": {"type": "object"}}, "count": {"type": "integer"}, "total": {"type": "object"}}
  },
  "EstimateReport": {
    "type": "object", "required": ["by", "whose", "rows"], "description": "A start up to a minute past a quantile counts as within it.",
    "properties": {"by": {"type": "array", "items": {"type": "string"}}, "since": {"$ref": "#/components/schemas/Time"}, "whose": {"enum": ["everybody", "own"]},
                   "projects": {"type": "array", "items": {"type": "string"}, "description": "It is of their starts alone; absent: of all."}, "sites": {"type": "array", "items": {"type": "string"}},
                   "rows": {"type": "array", "items": {"type": "object", "required": ["starts", "estimated", "within_p50", "ranged", "within_p90", "actual_s", "predicted_s", "error_s"],
                            "properties": {"starts": {"type": "integer"}, "estimated": {"type": "integer", "description": "Of those, with an estimate."}, "within_p50": {"type": "integer", "description": "Of those; about half."},
                                           "ranged": {"type": "integer", "description": "With a p90."}, "within_p90": {"type": "integer", "description": "Of those; about nine in ten."}, "actual_s": {"type": "integer", "description": "Median wait."},
                                           "predicted_s": {"type": ["integer", "null"], "description": "Median p50."}, "error_s": {"type": ["integer", "null"], "description": "Median of |actual - p50|."}},
                            "additionalProperties": {"type": "string"}}}}
  },
  "Site": {
    "type": "object", "required": ["id", "state"],
    "properties": {
      "id": {"type": "string"}, "name": {"type": "string"}, "country": {"type": "string"}, "connector": {"type": "string"}, "state": {"enum": ["unseen", "up", "down", "drained"]},
      "health": {"enum": ["unseen", "up", "down"]}, "drained": {"type": "boolean"}, "drain_reason": {"type": "string"}, "last_success": {"$ref": "#/components/schemas/Time"}, "last_failure": {"$ref": "#/components/schemas/Time"},
      "last_error": {"$ref": "#/components/schemas/Reason"}, "snapshot_at": {"$ref": "#/components/schemas/Time"}, "scheduler": {"type": "string"}, "cluster": {"type": "string"},
      "queues": {"type": "array", "items": {"type": "string"}}, "nodes": {"type": "integer"}, "usable_nodes": {"type": "integer"}, "cores": {"type": "integer"}, "free_cores": {"type": "integer"},
      "gpus": {"type": "integer"}, "free_gpus": {"type": "integer"}, "running_jobs": {"type": "integer"}, "waiting_jobs": {"type": "integer"}, "our_live_jobs": {"type": "integer"},
      "our_waiting_jobs": {"type": "integer"}, "our_unknown_jobs": {"type": "integer"}, "calls_made": {"type": "integer"}, "budget": {"type": "object", "additionalProperties": {"type": "integer"}},
      "budget_use": {"type": "object", "description": "By kind: queries, submits and cancels of the last minute, calls and jobs of now.", "additionalProperties": {"type": "object", "properties": {"used": {"type": "integer"}, "limit": {"type": "integer"}, "held_back": {"type": "integer", "description": "Calls that had to wait for it, since the broker started."}}}},
      "own_budget": {"type": ["object", "null"], "description": "Of the budget that the site's own agent keeps, over all who ask there, as it was at the snapshot; null: it keeps none.", "additionalProperties": {"type": "object", "properties": {"used": {"type": "integer"}, "limit": {"type": "integer"}}}},
      "profile": {"type": "object", "description": "What its jobs can run in, and what its operator says of its machines.", "properties": {"containers": {"type": "boolean"}, "images": {"type": "array", "items": {"type": "string"}, "description": "What the names of images begin with that it starts; absent: any."}, "binds": {"type": "array", "items": {"type": "string"}}, "outbound": {"type": "array", "items": {"type": "string"}, "description": "Queues whose nodes reach the network outside, as its operator says; *: all."}, "modules": {"type": "array", "items": {"type": "string"}, "description": "As jobs name them."}, "gpu_vendor": {"type": "string"}, "architecture": {"type": "string"}, "devices_per_gpu": {"type": "integer", "description": "GPUs that a program sees for each that its scheduler counts."}}},
      "quiet_hours": {"type": "array", "items": {"type": "string"}}, "quiet_until": {"$ref": "#/components/schemas/Time"},
      "breaker": {"type": "object", "properties": {"state": {"enum": ["closed", "open", "half_open"], "description": "open: the site did not answer so many times in a row and is left alone; half_open: a probe is under way."}, "failures_in_a_row": {"type": "integer"}, "next_probe_at": {"$ref": "#/components/schemas/Time"}}},
      "balances": {"type": ["object", "null"], "description": "How it stands with what the site tells of projects' balances, by its scheduler's own limits; for operators and auditors. Null: it is not asked.", "properties": {"read_at": {"type": ["string", "null"], "format": "date-time", "description": "The last answer since the broker started."}, "balances": {"type": "integer", "description": "That it told."}, "left_out": {"type": "array", "items": {"type": "string"}, "description": "Projects of which it told nothing, and why."}, "failing": {"oneOf": [{"$ref": "#/components/schemas/Reason"}, {"type": "null"}], "description": "Why the last question got no answer: meanwhile what was told before stands."}}},
      "agent": {"oneOf": [{"$ref": "#/components/schemas/SiteAgent"}, {"type": "null"}], "description": "Of a site whose agent connects to the broker, without its events; for operators and auditors."},
      "people": {"type": ["object", "null"], "description": "Of a site that people's own agents serve.", "properties": {"terms": {"enum": ["not_stated", "allowed", "forbidden"], "description": "What its terms of use say of them, as the broker's operator states."}, "longest_session_s": {"type": "integer"}, "connected": {"type": "integer", "description": "How many are."}, "you": {"oneOf": [{"$ref": "#/components/schemas/Connection"}, {"type": "null"}]}}},
      "doctor": {"oneOf": [{"$ref": "#/components/schemas/DoctorReport"}, {"type": "null"}], "description": "The last report; for operators."},
      "facts": {"type": "array", "description": "What rules may ask of the site.", "items": {"$ref": "#/components/schemas/Fact"}}
    }
  },
  "DoctorReport": {
    "type": "object", "required": ["at", "scheduler", "findings", "drift"],
    "properties": {
      "site": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "scheduler": {"type": "string"}, "faults": {"type": "integer"}, "warnings": {"type": "integer"},
      "findings": {"type": "array", "items": {"type": "object", "required": ["check", "verdict", "value", "source", "at"], "properties": {
        "check": {"type": "string"}, "account": {"type": "string", "description": "The local account that it is about; absent: the site."}, "verdict": {"enum": ["ok", "warning", "fault", "not_checked"]},
        "value": {"type": "string"}, "source": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "remedy": {"type": "string"}, "bars": {"const": true, "description": "No job (of that account) goes there meanwhile, unless site.ignore_findings names the check."}, "offers": {"type": "string", "description": "What jobs may need, container_runtime or outbound_network: found to be there, for a day."}, "lacks": {"const": true, "description": "It was found not to be there."}, "queue": {"type": "string", "description": "On this queue's nodes; absent: on all."}}}},
      "drift": {"type": "array", "description": "What was found otherwise than by the report before; the newest first.", "items": {"type": "object", "properties": {
        "check": {"type": "string"}, "account": {"type": "string"}, "before": {"type": "string"}, "after": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}}}}
    }
  },
  "SiteAgent": {
    "type": "object", "required": ["key", "enrolled_at", "invited_until", "connection", "last_failure"],
    "properties": {
      "site": {"type": "string"}, "key": {"type": ["string", "null"], "description": "The enrolled agent's public key: sha256: and the SHA-256 of its SubjectPublicKeyInfo."},
      "enrolled_at": {"$ref": "#/components/schemas/Time"}, "invited_until": {"$ref": "#/components/schemas/Time"},
      "connection": {"type": ["object", "null"], "properties": {"since": {"$ref": "#/components/schemas/Time"}, "from": {"type": "string"}, "name": {"type": "string"}}},
      "last_failure": {"type": ["object", "null"], "description": "A connection that ended, or one that was refused.", "properties": {"at": {"$ref": "#/components/schemas/Time"}, "from": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}}},
      "events": {"type": "array", "description": "Oldest first; never edited.", "items": {"type": "object", "required": ["at", "what"], "properties": {
        "at": {"$ref": "#/components/schemas/Time"}, "what": {"enum": ["invited", "enrolled", "revoked"]}, "by": {"type": "string"}, "expires_at": {"$ref": "#/components/schemas/Time"},
        "key": {"type": "string"}, "from": {"type": "string"}, "reason": {"type": "string"}}}}
    }
  },
  "EnrolmentRequest": {"type": "object", "additionalProperties": false, "properties": {"expires_at": {"type": "string", "description": "A day from now by default, 30 at most."}}},
  "Enrolment": {
    "type": "object", "required": ["site", "token", "expires_at", "broker", "pin"],
    "properties": {"site": {"type": "string"}, "token": {"type": "string", "description": "Good once; not shown again."}, "expires_at": {"$ref": "#/components/schemas/Time"},
                   "broker": {"type": "string", "description": "Where the agent connects to."}, "pin": {"type": "string", "description": "The id of the broker's key there."}}
  },
  "ConnectionRequest": {"type": "object", "additionalProperties": false, "properties": {"for_s": {"type": "integer", "minimum": 60, "description": "How long the session is to last; the site's longest by default."}}},
  "Berth": {
    "type": "object", "required": ["site", "person", "token", "token_until", "session_until", "broker", "pin", "terms", "login", "agent"],
    "properties": {"site": {"type": "string"}, "person": {"type": "string"}, "token": {"type": "string", "description": "Good once; not shown again."}, "token_until": {"$ref": "#/components/schemas/Time"}, "session_until": {"$ref": "#/components/schemas/Time"},
                   "broker": {"type": "string", "description": "Where the agent connects to."}, "pin": {"type": "string", "description": "The id of the broker's key there."}, "terms": {"enum": ["not_stated", "allowed", "forbidden"]},
                   "login": {"type": ["string", "null"], "description": "The host to log in to."}, "agent": {"type": ["string", "null"], "description": "Where hansa-agent lies there."}}
  },
  "Connection": {
    "type": "object", "required": ["person", "connected", "session_until", "connection", "last_failure"],
    "properties": {
      "person": {"type": "string"}, "connected": {"type": "boolean"}, "session_until": {"$ref": "#/components/schemas/Time"},
      "connection": {"type": ["object", "null"], "properties": {"since": {"$ref": "#/components/schemas/Time"}, "from": {"type": "string"}, "name": {"type": "string"}}},
      "last_failure": {"type": ["object", "null"], "description": "How the last connection ended.", "properties": {"at": {"$ref": "#/components/schemas/Time"}, "from": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}}}
    }
  },
  "ConnectionList": {"type": "object", "required": ["site", "connections"], "properties": {"site": {"type": "string"}, "connections": {"type": "array", "items": {"$ref": "#/components/schemas/Connection"}}}},
  "DisconnectionRequest": {"type": "object", "additionalProperties": false, "properties": {"person": {"type": "string", "description": "For operators; the caller by default."}, "reason": {"type": "string", "maxLength": 500}}},
  "Disconnection": {"type": "object", "required": ["site", "person", "ended"], "properties": {"site": {"type": "string"}, "person": {"type": "string"}, "ended": {"type": "integer", "description": "Sessions, and tokens that were not used yet."}}},
  "RevocationRequest": {"type": "object", "additionalProperties": false, "properties": {"reason": {"type": "string", "maxLength": 500}}},
  "SiteList": {"type": "object", "properties": {"sites": {"type": "array", "items": {"$ref": "#/components/schemas/Site"}}, "rules_in_force": {"type": "boolean"}}},
  "DrainRequest": {"type": "object", "additionalProperties": false, "properties": {"reason": {"type": "string", "maxLength": 1000}}},
  "CancelTasks": {"type": "object", "additionalProperties": false, "properties": {"tasks": {"type": "string", "examples": ["3,5-7"], "description": "Of an array: these tasks alone. Those that are over stay as they are. Left out: all of the job; the answer is then without the details."}}},
  "ResolveRequest": {"type": "object", "additionalProperties": false, "required": ["as", "reason"], "properties": {"as": {"const": "lost"}, "reason": {"type": "string", "maxLength": 1000}}},
  "Label": {"type": "string", "description": "A word of the rules' vocabulary; every one but open restricts."},
  "Labels": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"$ref": "#/components/schemas/Label"}},
  "Sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Of the dataset's manifest."},
  "DatasetRequest": {
    "type": "object", "additionalProperties": false, "required": ["id", "labels", "size_bytes", "files", "sha256"],
    "properties": {
      "id": {"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@+-]*$"}, "project": {"type": "string", "description": "Needed where the owner is a member of several."},
      "owner": {"type": "string", "description": "Whoever asks, unless an operator says otherwise."}, "labels": {"$ref": "#/components/schemas/Labels"},
      "size_bytes": {"type": "integer", "minimum": 0}, "files": {"type": "integer", "minimum": 1}, "sha256": {"$ref": "#/components/schemas/Sha256"}, "reason": {"type": "string", "maxLength": 1000}
    }
  },
  "DatasetAmendment": {
    "type": "object", "additionalProperties": false,
    "properties": {"labels": {"$ref": "#/components/schemas/Labels"}, "owner": {"type": "string"}, "permit": {"$ref": "#/components/schemas/DataPermit"},
                   "transfer_basis": {"$ref": "#/components/schemas/TransferBasis"}, "reviewed": {"type": "boolean"}, "reason": {"type": "string", "maxLength": 1000}}
  },
  "DataPermit": {
    "type": ["object", "null"], "additionalProperties": false, "required": ["id", "until"], "description": "The permit under which the data may be used; null: there is none.",
    "properties": {"id": {"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9._:@/+-]+$"}, "until": {"type": "string"}}
  },
  "TransferBasis": {"type": ["string", "null"], "enum": ["none", "adequacy", "standard-clauses", "binding-rules", "derogation", null], "description": "Of transfers to third countries, as the controller recorded it."},
  "DatasetTerms": {
    "type": "object", "required": ["permit", "transfer_basis", "reviewed"], "description": "What was decided about the data elsewhere; what is null is no evidence.",
    "properties": {"permit": {"$ref": "#/components/schemas/DataPermit"}, "transfer_basis": {"$ref": "#/components/schemas/TransferBasis"}, "reviewed": {"type": ["boolean", "null"]}}
  },
  "ReplicaRequest": {
    "type": "object", "additionalProperties": false, "required": ["site", "root", "path"],
    "properties": {"site": {"type": "string"}, "root": {"type": "string", "pattern": "^[a-z0-9_-]{1,32}$"}, "path": {"type": "string", "maxLength": 1024}, "reason": {"type": "string", "maxLength": 1000}}
  },
  "EvidenceRequest": {
    "type": "object", "additionalProperties": false, "required": ["sha256", "expires_at"],
    "properties": {"sha256": {"$ref": "#/components/schemas/Sha256"}, "verified_at": {"type": "string", "description": "Now by default."}, "expires_at": {"type": "string"}, "reason": {"type": "string", "maxLength": 1000}}
  },
  "ApprovalRequest": {"type": "object", "additionalProperties": false, "properties": {"reason": {"type": "string", "maxLength": 1000}}},
  "RejectionRequest": {"type": "object", "additionalProperties": false, "required": ["reason"], "properties": {"reason": {"type": "string", "maxLength": 1000}}},
  "Replica": {
    "type": "object", "required": ["site", "state"],
    "properties": {
      "site": {"type": "string"}, "root": {"type": "string"}, "path": {"type": "string"}, "state": {"enum": ["unverified", "verified", "expired"], "description": "Only a verified one counts."},
      "added_at": {"$ref": "#/components/schemas/Time"}, "verified_by": {"type": ["string", "null"]}, "verified_at": {"$ref": "#/components/schemas/Time"}, "expires_at": {"$ref": "#/components/schemas/Time"}
    }
  },
  "Dataset": {
    "type": "object", "required": ["id", "owner", "project", "labels", "terms", "sha256", "replicas"],
    "properties": {
      "id": {"type": "string"}, "owner": {"type": "string"}, "project": {"type": "string"}, "labels": {"$ref": "#/components/schemas/Labels"}, "terms": {"$ref": "#/components/schemas/DatasetTerms"}, "size_bytes": {"type": "integer"}, "files": {"type": "integer"},
      "sha256": {"$ref": "#/components/schemas/Sha256"}, "created_at": {"$ref": "#/components/schemas/Time"}, "changed_at": {"$ref": "#/components/schemas/Time"}, "version": {"type": "integer"},
      "replicas": {"type": "array", "items": {"$ref": "#/components/schemas/Replica"}}
    }
  },
  "Transfer": {
    "type": "object", "required": ["id", "dataset", "from", "to", "phase", "bytes", "size_bytes"],
    "properties": {
      "id": {"type": "string"}, "dataset": {"type": "string"}, "from": {"type": "string"}, "to": {"type": "string"}, "root": {"type": "string"}, "path": {"type": "string"}, "begun_at": {"$ref": "#/components/schemas/Time"},
      "phase": {"enum": ["not_seen", "interrupted", "queued", "preparing", "copying", "verifying", "ended"]}, "bytes": {"type": "integer"}, "size_bytes": {"type": "integer"}, "files_done": {"type": "integer"}, "files": {"type": "integer"}, "verified_bytes": {"type": "integer"}, "bytes_per_second": {"type": "integer"}
    }
  },
  "TransferList": {"type": "object", "required": ["transfers"], "properties": {"transfers": {"type": "array", "items": {"$ref": "#/components/schemas/Transfer"}}}},
  "DatasetList": {"type": "object", "required": ["datasets"], "properties": {"datasets": {"type": "array", "items": {"$ref": "#/components/schemas/Dataset"}}, "next_cursor": {"type": ["string", "null"]}}},
  "Ruling": {
    "type": ["object", "null"], "properties": {"approved": {"type": "boolean"}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"}, "reason": {"type": "string"}}
  },
  "DatasetChange": {
    "type": "object", "required": ["id", "dataset", "change", "state", "by", "at"],
    "properties": {
      "id": {"type": "string"}, "dataset": {"type": "string"}, "change": {"enum": ["registered", "relabelled", "owner_changed", "replica_added", "replica_removed", "replica_verified", "terms_changed"]},
      "state": {"enum": ["applied", "pending", "approved", "rejected"], "description": "pending: waits for a second person."}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"},
      "reason": {"type": "string"}, "details": {"type": "object"}, "ruling": {"$ref": "#/components/schemas/Ruling"}
    }
  },
  "Fact": {
    "type": "object", "required": ["attribute", "state", "value", "source"],
    "properties": {
      "attribute": {"type": "string", "description": "A name of the rules' vocabulary."}, "value": {"type": ["string", "null"], "description": "As a person reads it."},
      "state": {"enum": ["known", "stale", "from the future", "not a value it can have", "missing", "withdrawn", "ended"], "description": "Only what is known counts."},
      "source": {"type": ["string", "null"], "description": "register, or who is believed where nothing was changed: what the configuration says."}, "change": {"type": ["string", "null"], "description": "Of the register, that made it so."},
      "as_of": {"$ref": "#/components/schemas/Time"}, "until": {"$ref": "#/components/schemas/Time"}, "evidence": {"type": "string"}
    }
  },
  "Allocation": {
    "type": "object", "required": ["id", "kind", "project", "site", "unit", "granted", "reserved", "used", "left"],
    "description": "Amounts are whole numbers of 1/3,600,000 of the unit: divide at the end, for people.",
    "properties": {
      "id": {"type": "string"}, "kind": {"enum": ["grant", "balance"], "description": "A budget of Hansa's own, or what the site said was left at `from`."},
      "project": {"type": "string"}, "site": {"type": ["string", "null"], "description": "null: any."}, "unit": {"type": "string"},
      "granted": {"type": "integer"}, "reserved": {"type": "integer", "description": "Kept for jobs that may still cost something."},
      "used": {"type": "integer", "description": "Charged; of a balance since it was told."}, "left": {"type": "integer", "description": "Negative if runs cost more than was kept, or the site's word is less than what is kept."},
      "from": {"type": "string"}, "until": {"type": ["string", "null"]}, "age_s": {"type": ["integer", "null"], "description": "Of a balance: how long ago it was so."},
      "revoked_at": {"type": ["string", "null"]}, "by": {"type": "string"}, "at": {"type": "string"}, "note": {"type": "string"},
      "forecast": {"type": "object", "description": "At the rate of the last 7 days, or since it began if that is less (a day at least).",
                   "properties": {"per_day": {"type": "integer"}, "spent_at": {"type": ["string", "null"]}, "left_at_end": {"type": ["integer", "null"]}}}
    }
  },
  "AllocationDetails": {
    "type": "object", "required": ["allocation", "reservations", "events"],
    "properties": {
      "allocation": {"$ref": "#/components/schemas/Allocation"},
      "reservations": {"type": "array", "description": "Oldest first, 1,000 at most.", "items": {"$ref": "#/components/schemas/Reservation"}},
      "events": {"type": "array", "description": "The newest 500, oldest first.", "items": {"type": "object", "properties": {"name": {"enum": ["granted", "revoked", "told", "released"]}, "by": {"type": "string"}, "at": {"type": "string"}, "amount": {"type": "integer"}, "note": {"type": "string"}}}}
    }
  },
  "Reservation": {
    "type": "object", "required": ["job", "attempt", "site", "unit", "reserved"],
    "properties": {
      "job": {"type": "string"}, "attempt": {"type": "integer"}, "site": {"type": "string"}, "unit": {"type": "string"}, "of_run": {"type": "integer", "description": "The most that one of its runs may cost."},
      "reserved": {"type": "integer"}, "used": {"type": "integer"}, "at": {"type": "string"}
    }
  },
  "ReleaseRequest": {
    "type": "object", "required": ["job", "reason"], "additionalProperties": false,
    "properties": {"job": {"type": "string", "description": "Its id, or the tag of one attempt, as hansa-<job>-<attempt>."}, "reason": {"type": "string", "maxLength": 500}}
  },
  "ReservationsReleased": {
    "type": "object", "required": ["released"],
    "properties": {"released": {"type": "array", "description": "As they were: `reserved` is what was let go.", "items": {"$ref": "#/components/schemas/Reservation"}}}
  },
  "AllocationList": {"type": "object", "required": ["allocations"], "properties": {"allocations": {"type": "array", "items": {"$ref": "#/components/schemas/Allocation"}}}},
  "GrantRequest": {
    "type": "object", "required": ["project", "unit", "amount"], "additionalProperties": false,
    "properties": {"project": {"type": "string"}, "site": {"type": "string", "description": "Only there; any site by default."}, "unit": {"type": "string", "description": "A unit of a charge rule of the site's, or of any site's."},
                   "amount": {"type": "string", "description": "Of the unit, with three decimals at most, as 5000 or 0.5."}, "from": {"type": "string", "description": "Now by default."}, "until": {"type": "string", "description": "Before which; for ever by default."}, "reason": {"type": "string"}}
  },
  "BalanceReport": {
    "type": "object", "required": ["balances"], "additionalProperties": false,
    "properties": {
      "balances": {"type": "array", "maxItems": 1000, "items": {"type": "object", "required": ["site", "unit", "left"], "additionalProperties": false, "properties": {
        "project": {"type": "string"}, "account": {"type": "string", "description": "Instead of the project: its account in the site's scheduler, as the site's `projects` have it."},
        "site": {"type": "string"}, "unit": {"type": "string"}, "left": {"type": "string", "description": "As the amount of a grant."}, "as_of": {"type": "string", "description": "When it was so; now by default."}}}},
      "reason": {"type": "string", "description": "Where it is from."}
    }
  },
  "BalancesTaken": {"type": "object", "required": ["taken", "older"], "properties": {"taken": {"type": "integer"}, "older": {"type": "integer", "description": "Left out: something younger is known."}}},
  "FactList": {"type": "object", "required": ["subject", "facts"], "properties": {"subject": {"type": "string"}, "facts": {"type": "array", "items": {"$ref": "#/components/schemas/Fact"}}}},
  "FactRequest": {
    "type": "object", "additionalProperties": false, "required": ["subject", "attribute", "value"],
    "properties": {
      "subject": {"type": "string", "description": "site:ID, project:ID, person:NAME or broker."}, "attribute": {"type": "string", "description": "A name of the rules' vocabulary: site.operator_country."},
      "value": {"type": ["string", "integer", "boolean", "array", "null"], "description": "Of the attribute's type, a time as text; null: nothing is known any more.", "items": {"type": "string"}},
      "as_of": {"type": "string", "description": "Of a place: when somebody looked; now by default. It counts from then, as long as the vocabulary lets it."},
      "until": {"type": "string", "description": "From then on it is no evidence."}, "evidence": {"type": "string", "maxLength": 1000}, "reason": {"type": "string", "maxLength": 1000}
    }
  },
  "FactChange": {
    "type": "object", "required": ["id", "subject", "attribute", "change", "state", "by", "at"],
    "properties": {
      "id": {"type": "string"}, "subject": {"type": "string"}, "attribute": {"type": "string"}, "change": {"enum": ["fact_stated", "fact_withdrawn"]},
      "state": {"enum": ["applied", "pending", "approved", "rejected"], "description": "pending: waits for a second person."}, "by": {"type": "string"}, "at": {"$ref": "#/components/schemas/Time"},
      "reason": {"type": "string"}, "details": {"type": "object", "description": "before and after: {value, as_of, until, evidence} or null; made_from: the change that counted before, or null."},
      "ruling": {"$ref": "#/components/schemas/Ruling"}
    }
  },
  "FactOutcome": {
    "type": "object", "required": ["subject", "attribute", "changes"],
    "properties": {"subject": {"type": "string"}, "attribute": {"type": "string"}, "changes": {"type": "array", "items": {"$ref": "#/components/schemas/FactChange"}}}
  },
  "ChangeOutcome": {"anyOf": [{"$ref": "#/components/schemas/DatasetOutcome"}, {"$ref": "#/components/schemas/FactOutcome"}]},
  "ChangeList": {"type": "object", "required": ["changes"], "properties": {"changes": {"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/DatasetChange"}, {"$ref": "#/components/schemas/FactChange"}]}}, "next_cursor": {"type": ["string", "null"]}}},
  "DatasetOutcome": {
    "type": "object", "required": ["dataset", "changes"],
    "properties": {"dataset": {"$ref": "#/components/schemas/Dataset"}, "changes": {"type": "array", "items": {"$ref": "#/components/schemas/DatasetChange"}}}
  },
  "Issuer": {
    "type": "object", "required": ["id", "name", "url", "audience", "client_id", "scopes", "resource"],
    "properties": {"id": {"type": "string", "description": "What stands before the colon of its people's principals."}, "name": {"type": "string"}, "url": {"type": "string", "description": "The issuer, as tokens have it in iss; its OpenID Connect description lies beneath."},
                   "audience": {"type": "string", "description": "What a token must have in aud."}, "client_id": {"type": "string", "description": "The public client for hansa login; empty: there is none."},
                   "scopes": {"type": "array", "items": {"type": "string"}}, "resource": {"type": "string", "description": "To be asked for by RFC 8707; empty: none."}}
  },
  "IssuerList": {"type": "object", "required": ["issuers"], "properties": {"issuers": {"type": "array", "items": {"$ref": "#/components/schemas/Issuer"}}}},
  "Me": {"type": "object", "required": ["principal", "role", "sites", "projects", "leads"], "properties": {"principal": {"type": "string"}, "role": {"enum": ["user", "operator", "policy-officer", "auditor"]}, "sites": {"type": "array", "items": {"type": "string"}, "description": "Of an operator: these alone; empty: all."}, "projects": {"type": "array", "items": {"type": "string"}}, "leads": {"type": "array", "items": {"type": "string"}, "description": "Projects that the caller leads."},
    "vouched": {"type": "object", "description": "What the caller's issuer said last; left out where none did.", "required": ["assurance", "authentication", "at"], "properties": {"assurance": {"enum": ["low", "medium", "high", null]}, "authentication": {"enum": ["sfa", "mfa", null]}, "at": {"$ref": "#/components/schemas/Time"}}}}},
  "NewRevocation": {"type": "object", "additionalProperties": false, "required": ["what", "value"], "properties": {"what": {"enum": ["person", "token", "key", "issuer"]}, "value": {"type": "string", "description": "A principal; an issuer's id, a colon and a jti or kid; an issuer's id."}, "reason": {"type": "string"}}},
  "Revocation": {
    "type": "object", "required": ["number", "what", "value", "reason", "by", "at", "lifted_by", "lifted_at"],
    "properties": {"number": {"type": "integer"}, "what": {"enum": ["person", "token", "key", "issuer"]}, "value": {"type": "string"}, "reason": {"type": "string"}, "by": {"type": "string"},
                   "at": {"$ref": "#/components/schemas/Time"}, "lifted_by": {"type": ["string", "null"]}, "lifted_at": {"$ref": "#/components/schemas/Time"}}
  },
  "RevocationList": {"type": "object", "required": ["revocations"], "properties": {"revocations": {"type": "array", "items": {"$ref": "#/components/schemas/Revocation"}}}},
  "TokenRequest": {"type": "object", "additionalProperties": false, "required": ["user"], "properties": {"user": {"type": "string"}, "role": {"enum": ["user", "operator", "policy-officer", "auditor"]}, "sites": {"type": "array", "items": {"type": "string"}, "description": "Of an operator: these alone; empty: all."}, "note": {"type": "string"}, "expires_at": {"type": "string"}}},
  "Token": {
    "type": "object", "required": ["id", "principal", "role", "sites"],
    "properties": {"id": {"type": "string"}, "principal": {"type": "string"}, "role": {"enum": ["user", "operator", "policy-officer", "auditor"]}, "sites": {"type": "array", "items": {"type": "string"}, "description": "Of an operator: these alone; empty: all."}, "note": {"type": "string"}, "created_at": {"$ref": "#/components/schemas/Time"},
                   "expires_at": {"$ref": "#/components/schemas/Time"}, "revoked_at": {"$ref": "#/components/schemas/Time"}}
  },
  "NewToken": {"allOf": [{"$ref": "#/components/schemas/Token"}, {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}}]},
  "TokenList": {"type": "object", "properties": {"tokens": {"type": "array", "items": {"$ref": "#/components/schemas/Token"}}}}
})json"};

}  // namespace hansa::api
