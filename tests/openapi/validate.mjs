// SPDX-License-Identifier: Apache-2.0
// node validate.mjs DOCUMENT: whether it is OpenAPI 3.1 and its schemas are JSON Schema 2020-12. Offline. So that this check cannot
// pass by checking nothing, it first refuses some broken documents.
import { readFile } from "node:fs/promises";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { Validator } from "@seriousme/openapi-schema-validator";

const clone = (json) => JSON.parse(JSON.stringify(json));

async function faults(document) {
  const result = await new Validator().validate(clone(document));
  if (!result.valid) return JSON.stringify(result.errors, null, 1);
  const ajv = addFormats(new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, validateSchema: true }));
  ajv.addVocabulary(["components"]);
  ajv.addSchema({ $id: "hansa:", components: { schemas: document.components.schemas } });
  for (const name of Object.keys(document.components.schemas)) {
    try {
      ajv.compile({ $ref: `hansa:#/components/schemas/${name}` });
    } catch (error) {
      return `components/schemas/${name}: ${error.message}`;
    }
  }
  return "";
}

const kBreaks = {
  "no info": (d) => delete d.info,
  "a path without a slash": (d) => (d.paths["v1/jobs"] = d.paths["/v1/jobs"]),
  "a parameter without a place": (d) => delete d.paths["/v1/jobs"].get.parameters[0].in,
  "a path parameter that is optional": (d) => (d.paths["/v1/jobs/{id}"].get.parameters[0].required = false),
  "a response without a description": (d) => delete d.paths["/v1/jobs"].get.responses["200"].description,
  "another version": (d) => (d.openapi = "4.0.0"),
  "a schema of no type": (d) => (d.components.schemas.Job.type = "job"),
  "a keyword that is none": (d) => (d.components.schemas.Job.propertys = {}),
  "a reference to nowhere": (d) => (d.components.schemas.Job.properties.state = { $ref: "#/components/schemas/Nowhere" }),
};

const document = JSON.parse(await readFile(process.argv[2], "utf8"));
let failed = false;
const found = await faults(document);
if (found) {
  console.error(`${process.argv[2]} is not valid:\n${found}`);
  failed = true;
}
for (const [what, bend] of Object.entries(kBreaks)) {
  const bent = clone(document);
  bend(bent);
  if (!(await faults(bent))) {
    console.error(`the validator takes a document with ${what}`);
    failed = true;
  }
}
if (!failed) console.log(`valid: ${Object.keys(document.paths).length} paths, ${Object.keys(document.components.schemas).length} schemas`);
process.exit(failed ? 1 : 0);
