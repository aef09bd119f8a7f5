// One run at length: what it is, its config, what it mistook, what it wrote.

let confusionDrawing = null;

/** Goes to a run's details. */
function showRun(number) {
  const select = part("details-controls").querySelector("select");
  select.value = String(number);
  fillDetails(number);
  part("details").scrollIntoView({ block: "start" });
  select.focus({ preventScroll: true });
}

/** The choice of a run, and the best one at first. */
function showDetails() {
  const names = runs.map((run, number) => `${run.name} (${run.status})`);
  const numbers = runs.map((_, number) => number);
  part("details-controls").append(choice("run", numbers, fillDetails, (number) => names[number]));
  fillDetails(0);
}

function fillDetails(number) {
  const run = runs[number];
  confusionDrawing?.end();
  confusionDrawing = null;
  const body = part("details-body");
  body.replaceChildren();
  if (run.facts) body.append(listOf(run.facts), commandOf(run));
  else body.append(element("p", { class: "quiet" }, `${run.status}; not told at length: see the notes at the end.`));
  body.append(configOf(run));
  if (run.confusion) showConfusion(run, body);
  if (run.mistakes) showMistakes(run.mistakes, body);
  if (run.samples) showSamples(run.samples, body);
}

/** Pairs of what it is and what is so. */
function listOf(facts) {
  return element("dl", {}, ...facts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}

function commandOf({ point, command }) {
  const what = Object.keys(point).length ? "Alone, it is" : "It goes on, or says what it came to, with";
  return element("div", {}, element("p", { class: "quiet" }, what), element("pre", {}, command));
}

/** The whole config; what not all runs have in common is marked. */
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
  const { classes, matrix, told, note } = run.confusion;
  if (!classes && !note) return;
  body.append(element("h3", {}, "What was taken for what"));
  if (note === "evaluate") {
    body.append(element("p", { class: "quiet" }, "Not evaluated yet; this counts it:"), element("pre", {}, run.evaluation));
  } else if (note) {
    body.append(element("p", { class: "quiet" }, note));
  }
  if (!classes) return;
  body.append(element("p", { class: "quiet" }, told));
  const place = element("div", { id: "confusion", class: "chart" });
  body.append(place);
  place.style.height = `${Math.min(760, Math.max(300, 120 + 42 * classes.length))}px`;
  confusionDrawing = chart(place, () => drawConfusion(classes, matrix));
}

/** Right answers and mistakes have a colour each: on one scale the mistakes of a good model would be invisible. */
function drawConfusion(classes, matrix) {
  const sums = matrix.map((row) => Math.max(1, row.reduce((sum, count) => sum + count, 0)));
  const shares = (wanted) =>
    matrix.map((row, label) => row.map((count, answer) => (count > 0 && wanted === (label === answer) ? count / sums[label] : null)));
  const told = matrix.map((row, label) =>
    row.map((count, answer) =>
      `label ${escaped(classes[label])}, answered ${escaped(classes[answer])}<br><b>${formatStep(count)}</b> ` +
      `of ${formatStep(sums[label])} (${formatFigure("accuracy", count / sums[label])})`),
  );
  const counts = matrix.map((row) => row.map((count) => (count ? formatStep(count) : "")));
  const few = classes.length <= (narrow.matches ? 12 : 20);
  // Places and not names: two classes may have the same.
  const at = classes.map((_, number) => number);
  const trace = (right, hue, most) => ({
    type: "heatmap", x: at, y: at, z: shares(right), zmin: 0, zmax: most, showscale: false, hoverongaps: false,
    text: counts, textfont: { color: colour("text") }, hovertext: told, hoverinfo: "text", xgap: 1, ygap: 1,
    colorscale: [[0, faint(hue, 0.08)], [1, faint(hue, 0.75)]], ...(few ? { texttemplate: "%{text}" } : {}),
  });
  const wrong = shares(false).flat().reduce((most, share) => Math.max(most, share ?? 0), 1e-9);
  const names = classes.map((name) => escaped(shortened(name)));
  const recalls = matrix.map((row, label) => `${names[label]}  ${((100 * row[label]) / sums[label]).toFixed(1)} %`);
  const step = Math.ceil(classes.length / 40);
  const marks = at.filter((number) => number % step === 0);
  const of = (texts) => ({ tickvals: marks, ticktext: marks.map((number) => texts[number]), showgrid: false, zeroline: false });
  return {
    traces: [trace(true, colour("accent"), 1), trace(false, colour("wrong"), wrong)],
    layout: {
      xaxis: axis("answer", { ...of(names), range: [-0.5, classes.length - 0.5] }),
      yaxis: axis("label, share recognized", { ...of(recalls), range: [classes.length - 0.5, -0.5] }),
    },
  };
}

function showMistakes({ picture, note }, body) {
  if (!picture && !note) return;
  body.append(element("h3", {}, "Mistakes"));
  if (note) body.append(element("p", { class: "quiet" }, note));
  if (picture) body.append(element("img", { class: "mistakes", src: picture, alt: "the most confident mistakes" }));
}

/** What a language model wrote: the latest, and behind it the earlier ones. */
function showSamples({ texts: [latest, ...earlier] = [], note }, body) {
  if (note) body.append(element("p", { class: "quiet" }, note));
  if (!latest) return;
  body.append(element("h3", {}, `What it writes, ${latest[0]}`), element("pre", { dir: "auto" }, latest[1]));
  for (const [heading, text] of earlier) {
    if (!text) body.append(element("p", { class: "quiet" }, heading));
    else body.append(element("details", {}, element("summary", {}, heading), element("pre", { dir: "auto" }, text)));
  }
}
