// Details of one run: facts, config, confusion matrix, mistakes, samples.

let confusionChart = null;

/** Show a run's details. */
function showRun(number) {
  const select = part("details-controls").querySelector("select");
  select.value = String(number);
  fillDetails(number);
  part("details").scrollIntoView({ block: "start" });
  select.focus({ preventScroll: true });
}

/** A choice of runs, with the best one selected. */
function showDetails() {
  const names = runs.map((run, number) => `${run.name} (${run.status})`);
  const numbers = runs.map((_, number) => number);
  part("details-controls").append(choice("run", numbers, fillDetails, (number) => names[number]));
  fillDetails(0);
}

function fillDetails(number) {
  const run = runs[number];
  confusionChart?.remove();
  confusionChart = null;
  const body = part("details-body");
  body.replaceChildren();
  if (run.facts) body.append(listOf(run.facts), commandOf(run));
  else body.append(element("p", { class: "quiet" }, `${run.status}; details are left out, see the notes below.`));
  body.append(configOf(run));
  if (run.confusion) showConfusion(run, body);
  if (run.mistakes) showMistakes(run.mistakes, body);
  if (run.samples) showSamples(run.samples, body);
}

/** A list of pairs of name and text. */
function listOf(facts) {
  return element("dl", {}, ...facts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}

function commandOf({ point, command }) {
  const title = Object.keys(point).length ? "Train this member alone:" : "Resume it, or print its results:";
  return element("div", {}, element("p", { class: "quiet" }, title), element("pre", {}, command));
}

/** The whole config; keys in which runs differ are marked. */
function configOf({ own }) {
  const config = { ...report.common, ...own };
  const rows = Object.keys(config).sort().map((key) =>
    element("tr", { class: Object.hasOwn(own, key) && runs.length > 1 ? "differs" : "" },
      element("th", { scope: "row" }, key), element("td", {}, formatValue(config[key]))),
  );
  const box = element("div", { class: "box" }, element("table", {}, element("tbody", {}, ...rows)));
  return element("details", {}, element("summary", {}, `Config, ${rows.length} keys`), box);
}

function showConfusion(run, body) {
  const { classes, matrix, caption, note, command } = run.confusion;
  if (!classes && !note) return;
  body.append(element("h3", {}, "Confusion matrix"), element("p", { class: "quiet" }, caption ?? note));
  if (command) body.append(element("pre", {}, command));
  if (!classes) return;
  const place = element("div", { id: "confusion", class: "chart" });
  body.append(place);
  place.style.height = `${Math.min(760, Math.max(300, 120 + 42 * classes.length))}px`;
  confusionChart = chart(place, () => drawConfusion(classes, matrix));
}

/** Correct predictions and errors have a colour scale each: on one, the errors of a good model would be invisible. */
function drawConfusion(classes, matrix) {
  const sums = matrix.map((row) => Math.max(1, row.reduce((sum, count) => sum + count, 0)));
  const shares = (correct) =>
    matrix.map((row, label) => row.map((count, other) => (count > 0 && correct === (label === other) ? count / sums[label] : null)));
  const texts = matrix.map((row, label) =>
    row.map((count, prediction) =>
      `label ${escaped(classes[label])}, predicted ${escaped(classes[prediction])}<br><b>${formatStep(count)}</b> ` +
      `of ${formatStep(sums[label])} (${formatMetric("accuracy", count / sums[label])})`),
  );
  const counts = matrix.map((row) => row.map((count) => (count ? formatStep(count) : "")));
  const few = classes.length <= (narrow.matches ? 12 : 20);
  // Indices, not names: two classes may have the same.
  const at = classes.map((_, number) => number);
  const trace = (correct, hue, most) => ({
    type: "heatmap", x: at, y: at, z: shares(correct), zmin: 0, zmax: most, showscale: false, hoverongaps: false,
    text: counts, textfont: { color: colour("text") }, hovertext: texts, hoverinfo: "text", xgap: 1, ygap: 1,
    colorscale: [[0, faint(hue, 0.08)], [1, faint(hue, 0.75)]], ...(few ? { texttemplate: "%{text}" } : {}),
  });
  const wrong = shares(false).flat().reduce((most, share) => Math.max(most, share ?? 0), 1e-9);
  const names = classes.map((name) => escaped(shortened(name)));
  const recalls = matrix.map((row, label) => `${names[label]}  ${((100 * row[label]) / sums[label]).toFixed(1)} %`);
  const step = Math.ceil(classes.length / 40);
  const ticks = at.filter((number) => number % step === 0);
  const of = (texts) => ({ tickvals: ticks, ticktext: ticks.map((number) => texts[number]), showgrid: false, zeroline: false });
  return {
    traces: [trace(true, colour("accent"), 1), trace(false, colour("wrong"), wrong)],
    layout: {
      xaxis: axis("prediction", { ...of(names), range: [-0.5, classes.length - 0.5] }),
      yaxis: axis("label, recall", { ...of(recalls), range: [classes.length - 0.5, -0.5] }),
    },
  };
}

function showMistakes({ image, note }, body) {
  if (!image && !note) return;
  body.append(element("h3", {}, "Mistakes"));
  if (note) body.append(element("p", { class: "quiet" }, note));
  if (image) body.append(element("img", { class: "mistakes", src: image, alt: "the most confident mistakes" }));
}

/** Samples of a language model: the latest one, and earlier ones to unfold. */
function showSamples({ texts: [latest, ...earlier] = [], note }, body) {
  if (note) body.append(element("p", { class: "quiet" }, note));
  if (!latest) return;
  body.append(element("h3", {}, `Sample, ${latest[0]}`), element("pre", { dir: "auto" }, latest[1]));
  for (const [heading, text] of earlier) {
    if (!text) body.append(element("p", { class: "quiet" }, heading));
    else body.append(element("details", {}, element("summary", {}, heading), element("pre", { dir: "auto" }, text)));
  }
}
