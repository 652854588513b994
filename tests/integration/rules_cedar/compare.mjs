// SPDX-License-Identifier: Apache-2.0
// node compare.mjs CASES: asks Cedar every question of CASES (print_cases.cpp) and compares its answer with ours. So that this check
// cannot pass by asking nothing, it counts, wants both answers often, and finds out, for every fifth question, whether it would notice that
// all forbids were taken away.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import cedar from "@cedar-policy/cedar-wasm/nodejs";

let sets = 0;
let questions = 0;
let allowed = 0;
let disagreements = 0;
let noticed = 0;

function load(id, policies) {
  const answer = cedar.preparsePolicySet(id, { staticPolicies: policies });
  if (answer.type !== "success") throw new Error(`Cedar does not take the rules: ${JSON.stringify(answer.errors)}\n${policies}`);
}

function decide(id, question) {
  for (const context of question.contexts) {
    const answer = cedar.statefulIsAuthorized({
      principal: { type: "Job", id: "job" },
      action: { type: "Action", id: question.action },
      resource: { type: "Place", id: "site" },
      context,
      preparsedPolicySetId: id,
      entities: [],
    });
    if (answer.type !== "success" || answer.response.diagnostics.errors.length > 0) {
      throw new Error(`Cedar cannot answer: ${JSON.stringify(answer)}`);
    }
    if (answer.response.decision !== "allow") return false;
  }
  return true;
}

for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const set = JSON.parse(line);
  load("rules", set.policies);
  load("without forbids", set.policies.split("\n").filter((policy) => !policy.startsWith("forbid")).join("\n"));
  sets += 1;
  for (const question of set.questions) {
    questions += 1;
    if (question.allowed) allowed += 1;
    if (decide("rules", question) !== question.allowed) {
      disagreements += 1;
      if (disagreements <= 3) console.error(`disagreement: we say ${question.allowed}\n${set.policies}\n${JSON.stringify(question)}`);
    }
    if (questions % 5 === 0 && !question.allowed && decide("without forbids", question)) noticed += 1;
  }
}

console.log(`${sets} rule sets, ${questions} questions, ${allowed} allowed, ${disagreements} disagreements, ${noticed} of a fifth of them that a forbid decides`);
const enough = questions >= 20000 && allowed >= questions / 50 && noticed >= 100;
if (!enough) console.error("too few questions, or too few of a kind, to mean anything");
process.exit(disagreements === 0 && enough ? 0 : 1);
