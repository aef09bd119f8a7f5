// What the page is made of, and how values are written. Whatever comes from a run folder is untrusted: it
// becomes text by `textContent`, and for the charts, which know a few tags, by `escaped`.

const report = JSON.parse(document.getElementById("data").textContent);
const runs = report.runs;

/** A new element with attributes and children; texts among them stay texts. */
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

/** The element of the page with this id. */
const part = (id) => document.getElementById(id);

/** A text as the charts may have it: they read tags and entities. */
const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const isShare = (figure) => figure.endsWith("accuracy");

/** So many decimals as Python writes them: a value that lies just between two goes to the even one. */
function fixed(value, decimals) {
  if (Math.abs(value) >= 1e21) return String(value);
  const text = value.toFixed(decimals);
  const exact = value.toFixed(80);
  const isBetween = /^50*$/.test(exact.slice(exact.indexOf(".") + 1 + decimals));
  return isBetween && text.at(-1) % 2 ? (Number(text) - Math.sign(value) * 10 ** -decimals).toFixed(decimals) : text;
}

/** A figure as the console writes it: see `reporting/formatting.py`. */
function formatFigure(name, value) {
  if (value === null || value === undefined) return "nan";
  if (isShare(name)) return `${fixed(100 * value, 2)} %`;
  if (name.endsWith("perplexity")) return fixed(value, 2);
  if (value !== 0 && Math.abs(value) < 1e-3) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  return fixed(value, 4);
}

const formatStep = (step) => step.toLocaleString("en-US");

/** A value of a config: numbers short, and Python's names for what has one. */
function formatValue(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : value;
}

/** A name as it stands at an axis, where there is little room. */
const shortened = (text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);

/** A value of a config as the charts may have it. */
const nameOf = (value) => escaped(formatValue(value));

/** Lines for the charts: what a run has for the keys in which runs differ. */
const toldKeys = (number) =>
  report.parameters.map(({ key, values }) => `${escaped(key)} = ${nameOf(values[number])}`);

/** A figure as it is drawn: shares in percent. */
const drawn = (figure, value) => (value === null || !isShare(figure) ? value : 100 * value);

/** The heading of an axis, with its unit. */
function axisTitle(figure) {
  const unit = isShare(figure) ? "%" : ownOf(report.units, figure);
  const name = figure.replace(/^bits_per_/, "bits per ");
  return unit ? `${name} (${unit})` : name;
}

/** What an object has by this name, and not what all objects have: a figure may be called `constructor`. */
const ownOf = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** The validation figure of a run at its best step, or undefined. */
const bestOf = (run, figure) => ownOf(run.figures.validation, figure);

/** Names that are in any run, the wanted one first. */
function namesOf(lists, first) {
  const found = new Set(lists.flat());
  return [...(found.has(first) ? [first] : []), ...[...found].filter((name) => name !== first)];
}

/** A <select> of names; `changed` is called with the chosen one. */
function choice(label, names, changed, shown = (name) => name) {
  const options = names.map((name, place) => element("option", { value: String(place) }, shown(name)));
  const select = element("select", { onchange: () => changed(names[Number(select.value)]) }, ...options);
  return element("label", {}, label, select);
}

/** A checkbox; `changed` is called with whether it is set. */
function tick(label, checked, changed) {
  const box = element("input", { type: "checkbox", checked, onchange: () => changed(box.checked) });
  return element("label", {}, box, label);
}

/** How a status looks: good, bad, or neither yet. */
function toneOf(status) {
  if (status === "finished" || status === "stopped early") return "good";
  return status === "diverged" || status === "failed" ? "bad" : "wait";
}
