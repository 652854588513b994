// SPDX-License-Identifier: Apache-2.0
// check.mjs DASHBOARD: whether Grafana would take it as it is meant. Its form is checked by Grafana's own types (@grafana/schema, which its
// front end is built with), to the last field: one that it does not know it would drop in silence. What types cannot say is checked here:
// ids, places, references. Then the check itself: each of a list of faults must be found.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const folder = dirname(fileURLToPath(import.meta.url));
const PANELS = { stat: "Stat", timeseries: "TimeSeries" };
const COLUMNS = 24;
// Ids of units in Grafana's packages/grafana-data/src/valueFormats/categories.ts, those that are used here. Another would be shown as text.
const UNITS = new Set(["short", "s", "ops", "percentunit", "bytes", "dateTimeFromNow"]);

// A JSON file has an enumerator's text where TypeScript wants the enumerator.
const HEAD = `import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel } from "@grafana/schema";
${Object.entries(PANELS).map(([kind, name]) => `import type * as ${name} from "@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen";`).join("\n")}
type Plain<T> = T extends string ? \`\${T}\` : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Some<T> = T extends (infer U)[] ? Some<U>[] : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
type Checked<T> = Some<Plain<T>>;
type Target = DataQuery & { expr: string; legendFormat?: string; instant?: boolean; range?: boolean; format?: "heatmap" | "table" | "time_series" };
// Beside the query a Prometheus source says what a mark is called.
type Marks = AnnotationQuery<Target> & { titleFormat?: string; textFormat?: string };
`;

/** The dashboard in parts, each as a constant of its type. Fresh literals: an unknown field is an error. */
function typed(board) {
  const lines = [HEAD];
  const say = (name, type, value) => lines.push(`export const ${name}: ${type} = ${JSON.stringify(value)};`);
  const { panels, annotations, ...rest } = board;
  say("board", `Omit<Plain<Dashboard>, "panels" | "annotations">`, rest);
  say("annotations", "{ list: Plain<Marks>[] }", annotations);
  for (const panel of panels) {
    if (panel.type === "row") {
      say(`row_${panel.id}`, "Plain<RowPanel>", panel);
      continue;
    }
    const { options, fieldConfig, targets, ...others } = panel;
    const { custom, ...defaults } = fieldConfig?.defaults ?? {};
    say(`panel_${panel.id}`, `Omit<Plain<Panel>, "options" | "targets" | "fieldConfig">`, others);
    say(`field_${panel.id}`, `Checked<NonNullable<Panel["fieldConfig"]>>`, { ...fieldConfig, defaults });
    say(`targets_${panel.id}`, "Target[]", targets);
    const name = PANELS[panel.type];
    if (!name) continue;  // told by told()
    say(`options_${panel.id}`, `Checked<${name}.Options>`, options ?? {});
    if (custom !== undefined) say(`custom_${panel.id}`, panel.type === "timeseries" ? "Checked<TimeSeries.FieldConfig>" : "never", custom);
  }
  return lines.join("\n") + "\n";
}

/** What Grafana's types say against each of some boards, by name; one compilation for all. */
function typeFaults(boards) {
  const files = new Map(Object.entries(boards).map(([name, board], number) => {
    const file = join(folder, `dashboard_${number}.ts`);
    writeFileSync(file, typed(board));
    return [file, name];
  }));
  const program = ts.createProgram([...files.keys()], { strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
                                                        module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler });
  const found = Object.fromEntries(Object.keys(boards).map((name) => [name, []]));
  for (const one of ts.getPreEmitDiagnostics(program)) {
    const name = files.get(one.file?.fileName);
    const line = one.file ? one.file.text.slice(one.file.text.lastIndexOf("\n", one.start) + 1, one.start) : "";
    const what = `${/const (\w+)/.exec(line)?.[1] ?? one.file?.fileName}: ${ts.flattenDiagnosticMessageText(one.messageText, " ").slice(0, 400)}`;
    if (name === undefined) throw new Error(what);  // the schema's own
    found[name].push(what);
  }
  return found;
}

/** What types cannot say. */
function otherFaults(board) {
  const found = [];
  const expect = (right, what) => right || found.push(what);
  const variables = new Set(board.templating.list.map((one) => one.name));
  const builtIn = new Set(["__rate_interval", "__interval", "__range", "__all"]);
  const known = (text, where) => {
    for (const [, braced, plain] of text.matchAll(/\$(?:\{(\w+)[^}]*\}|(\w+))/g)) expect(variables.has(braced ?? plain) || builtIn.has(braced ?? plain), `${where}: there is no variable ${braced ?? plain}`);
  };
  const source = (reference, where) => expect(reference?.type === "prometheus" && reference.uid === "${datasource}", `${where}: its source is not the one that is chosen above`);
  expect(/^[\w-]{1,40}$/.test(board.uid), `uid ${board.uid}`);
  expect(board.id === undefined || board.id === null, "an id is that of one Grafana");
  expect(board.schemaVersion >= 16 && board.schemaVersion <= 42, `schemaVersion ${board.schemaVersion}`);
  expect(variables.has("datasource") && board.templating.list[0].type === "datasource", "whose data it shows is not asked first");
  for (const one of board.templating.list.slice(1)) source(one.datasource, one.name), known(one.query?.query ?? "", one.name);
  for (const one of board.annotations.list) source(one.datasource, one.name), known(one.target.expr, one.name);
  const ids = new Set(), taken = new Map();
  let below = 0;
  for (const panel of board.panels) {
    const where = `panel "${panel.title}"`;
    expect(Number.isInteger(panel.id) && panel.id > 0 && !ids.has(panel.id), `${where}: id ${panel.id}`);
    ids.add(panel.id);
    expect(panel.title, `${where}: no title`);
    const { x, y, w, h } = panel.gridPos;
    expect(w > 0 && h > 0 && x >= 0 && x + w <= COLUMNS, `${where}: outside of ${COLUMNS} columns`);
    for (let column = x; column < x + w; ++column) {
      for (let line = y; line < y + h; ++line) {
        const place = `${column},${line}`;
        expect(!taken.has(place), `${where}: lies on "${taken.get(place)}"`);
        taken.set(place, panel.title);
      }
    }
    if (panel.type === "row") {
      expect(y >= below, `${where}: a row above what stands before it`);
      below = y;
      continue;
    }
    expect(PANELS[panel.type], `${where}: there is no panel of type ${panel.type} here`);
    source(panel.datasource, where);
    expect(UNITS.has(panel.fieldConfig.defaults.unit), `${where}: unit ${panel.fieldConfig.defaults.unit}`);
    const refs = new Set();
    expect(panel.targets.length > 0, `${where}: asks nothing`);
    for (const target of panel.targets) {
      expect(/^[A-Z]$/.test(target.refId) && !refs.has(target.refId), `${where}: refId ${target.refId}`);
      refs.add(target.refId);
      source(target.datasource, where);
      known(target.expr, where);
      const summed = /\bby \(/.test(target.expr);  // else every label is there
      for (const [, label] of (target.legendFormat ?? "").matchAll(/\{\{\s*(\w+)\s*\}\}/g)) expect(!summed || target.expr.includes(label), `${where}: its legend names ${label}, its query has none`);
    }
  }
  return found;
}

const board = JSON.parse(readFileSync(process.argv[2], "utf8"));

// The check itself: one fault in each of many boards, by kind.
const changed = (change) => {
  const copy = structuredClone(board);
  const plot = copy.panels.find((panel) => panel.type === "timeseries"), stat = copy.panels.find((panel) => panel.type === "stat");
  change(copy, plot, stat);
  return copy;
};
const byTypes = {
  "a field that Grafana does not know": (b) => { b.refreshs = "30s"; },
  "a field of another type": (b) => { b.editable = "yes"; },
  "a panel's unknown option": (b, plot) => { plot.options.legends = {}; },
  "an option's unknown word": (b, plot) => { plot.options.tooltip.mode = "all"; },
  "a drawing style that there is not": (b, plot) => { plot.fieldConfig.defaults.custom.drawStyle = "dots"; },
  "a stat's unknown colour mode": (b, plot, stat) => { stat.options.colorMode = "blink"; },
  "a threshold without a value": (b, plot, stat) => { stat.fieldConfig.defaults.thresholds.steps[0].value = "low"; },
  "a place that is no number": (b, plot) => { plot.gridPos.w = "8"; },
  "a query without a text": (b, plot) => { delete plot.targets[0].expr; },
  "an annotation as it was before Grafana 9": (b) => { b.annotations.list[0].expr = "ALERTS"; },
  "a variable's unknown field": (b) => { b.templating.list[1].definitions = "x"; },
};
const byOthers = {
  "two panels of one id": (b) => { b.panels[1].id = b.panels[0].id; },
  "a panel on another": (b) => { b.panels[1].gridPos = { ...b.panels[0].gridPos }; },
  "a panel beyond the edge": (b, plot) => { plot.gridPos.x = 20; },
  "a variable that there is not": (b, plot) => { plot.targets[0].expr += ' + up{x="$nobody"}'; },
  "one Grafana's own source": (b, plot) => { plot.datasource.uid = "abc123"; },
  "a unit that is none": (b, plot) => { plot.fieldConfig.defaults.unit = "furlongs"; },
  "a legend of nothing": (b, plot) => { plot.targets[0].legendFormat = "{{nobody}}"; },
  "another kind of panel": (b, plot) => { plot.type = "graph"; },
};
const planted = (list) => Object.fromEntries(Object.entries(list).map(([what, change]) => [what, changed(change)]));
const { itself, ...byWhat } = typeFaults({ itself: board, ...planted(byTypes) });
const told = [...otherFaults(board), ...itself];
for (const [what, found] of Object.entries(byWhat)) found.length > 0 || told.push(`not found: ${what}`);
for (const [what, spoilt] of Object.entries(planted(byOthers))) otherFaults(spoilt).length > 0 || told.push(`not found: ${what}`);
if (told.length > 0) {
  console.error(told.join("\n"));
  process.exit(1);
}
const plots = board.panels.filter((panel) => panel.type !== "row");
console.log(`${plots.length} panels in ${board.panels.length - plots.length} rows, ${plots.reduce((sum, panel) => sum + panel.targets.length, 0)} queries, by @grafana/schema; ${Object.keys(byTypes).length + Object.keys(byOthers).length} faults planted and found`);
