// Elements of the page, and values as text. Content from run folders is untrusted: it becomes text by
// `textContent`, and in charts, which interpret a few tags, by `escaped`.

const report = JSON.parse(document.getElementById("data").textContent);
const runs = report.runs;

/** A new element with attributes and children; strings become text nodes. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The element with this id. */
const part = (id) => document.getElementById(id);

/** A text for charts, which interpret tags and entities. */
const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Whether a metric is shown in percent: see `reporting/formatting.py`. */
const isPercentage = (metric) => metric.endsWith("accuracy");

/** A number with decimals, rounded like Python does: half to even. */
function fixed(value, decimals) {
  if (Math.abs(value) >= 1e21) return String(value);
  const text = value.toFixed(decimals);
  const exact = value.toFixed(80);
  const isHalf = /^50*$/.test(exact.slice(exact.indexOf(".") + 1 + decimals));
  return isHalf && text.at(-1) % 2 ? (Number(text) - Math.sign(value) * 10 ** -decimals).toFixed(decimals) : text;
}

/** A metric as the console prints it: see `reporting/formatting.py`. */
function formatMetric(name, value) {
  if (value === null || value === undefined) return "nan";
  if (isPercentage(name)) return `${fixed(100 * value, 2)} %`;
  if (name.endsWith("perplexity")) return fixed(value, 2);
  if (value !== 0 && Math.abs(value) < 1e-3) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  return fixed(value, 4);
}

const formatStep = (step) => step.toLocaleString("en-US");

/** A value of a config, as Python prints it. */
function formatValue(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : value;
}

/** A name shortened for the ticks of an axis. */
const shortened = (text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);

/** A value of a config for charts. */
const nameOf = (value) => escaped(formatValue(value));

/** Lines for charts: a run's values of the keys in which runs differ. */
const keyLines = (number) =>
  report.parameters.map(({ key, values }) => `${escaped(key)} = ${nameOf(values[number])}`);

/** A metric's value in a chart: accuracies in percent. */
const scaled = (metric, value) => (value === null || !isPercentage(metric) ? value : 100 * value);

/** The title of an axis, with its unit. */
function axisTitle(metric) {
  const unit = isPercentage(metric) ? "%" : ownOf(report.units, metric);
  const name = metric.replace(/^bits_per_/, "bits per ");
  return unit ? `${name} (${unit})` : name;
}

/** An object's own property: a metric may be called `constructor`. */
const ownOf = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** The validation metric of a run at its best step, or undefined. */
const bestOf = (run, metric) => ownOf(run.metrics.validation, metric);

/** The distinct names in some lists, the given one first. */
function namesOf(lists, first) {
  const found = new Set(lists.flat());
  return [...(found.has(first) ? [first] : []), ...[...found].filter((name) => name !== first)];
}

/** A <select> of names; `changed` is called with the selected one. */
function choice(label, names, changed, shown = (name) => name) {
  const options = names.map((name, place) => element("option", { value: String(place) }, shown(name)));
  const select = element("select", { onchange: () => changed(names[Number(select.value)]) }, ...options);
  return element("label", {}, label, select);
}

/** A checkbox; `changed` is called with its state. */
function checkbox(label, checked, changed) {
  const box = element("input", { type: "checkbox", checked, onchange: () => changed(box.checked) });
  return element("label", {}, box, label);
}

/** The CSS class of a status. */
function toneOf(status) {
  if (status === "finished" || status === "stopped early") return "good";
  return status === "diverged" || status === "failed" ? "bad" : "wait";
}
