// The curves of all runs in one chart.

const FEW = 10; // up to so many runs have a colour each; of more, only the best ones
const EMPHASIZED = 5;
const DASHES = { validation: "solid", train: "dot", batch: "dashdot" };

/**
 * Bias-corrected exponential moving average (Kingma and Ba 2015, section 3); gaps stay.
 * weight: of earlier values, from 0 to 1.
 */
function smoothed(values, weight) {
  let mean = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null || weight === 0) return value;
    count += 1;
    mean = weight * mean + (1 - weight) * value;
    return mean / (1 - weight ** count);
  });
}

/** Whether values span more than a factor of ten, for a logarithmic axis. */
function spansMuch(lists) {
  const found = lists.flat().filter((value) => value !== null);
  const low = found.reduce((least, value) => Math.min(least, value), Infinity);
  return low > 0 && found.reduce((most, value) => Math.max(most, value), 0) > 10 * low;
}

/** The initial state: the objective on validation, and on train if there are few runs. */
function initialCurves() {
  const drawable = runs.map((_, number) => number).filter((number) => Object.keys(runs[number].curves).length);
  const ofRuns = drawable.map((number) => runs[number].curves);
  const splits = namesOf(ofRuns.map(Object.keys), "validation");
  const metrics = namesOf(ofRuns.flatMap((curves) => Object.values(curves).map(Object.keys)), report.metric);
  const usual = ["validation", ...(drawable.length <= 6 ? ["train"] : [])].filter((split) => splits.includes(split));
  return {
    drawable, splits, metrics, metric: metrics[0], shown: new Set(usual.length ? usual : splits),
    visible: new Set(drawable), logX: false, logY: false, weight: 0,
  };
}

/** The `[steps, values]` of a run, or undefined. */
const curveOf = ({ metric }, number, split) => ownOf(ownOf(runs[number].curves, split) ?? {}, metric);

/** Whether a run has any curve of the selected metric. */
const hasCurve = (state, number) => state.splits.some((split) => curveOf(state, number, split));

/** The colour of each visible run: its own if there are few; of many, only the best ones have one. */
function coloursOf(state) {
  const { drawable, visible } = state;
  const all = drawable.filter((number) => visible.has(number));
  const shown = [true, false].flatMap((has) => all.filter((number) => hasCurve(state, number) === has));
  const few = shown.length <= FEW;
  const free = palette().map((_, place) => place).filter((place) => !visible.has(place));
  return new Map(
    shown.map((number, place) => {
      if (few) return [number, palette()[number < FEW ? number : free.shift()]];
      return [number, place < EMPHASIZED ? palette()[place] : colour("grey")];
    }),
  );
}

/** A run's curve on a split; `emphasized` ones are thick. */
function traceOf(state, number, split, hue, emphasized) {
  const [steps, values] = curveOf(state, number, split);
  const smooth = smoothed(values, state.weight);
  const head = `<b>${escaped(runs[number].name)}</b><br>${escaped(split)}`;
  const keys = keyLines(number).map((line) => `<br>${line}`).join("");
  const text = (value, place) => `${head} ${formatMetric(state.metric, value)}<br>step ${formatStep(steps[place])}${keys}`;
  return {
    x: steps, y: smooth.map((value) => scaled(state.metric, value)), hovertext: smooth.map(text), hoverinfo: "text",
    meta: number, mode: values.length <= 30 ? "lines+markers" : "lines", connectgaps: false, opacity: emphasized ? 1 : 0.55,
    line: { color: hue, width: emphasized ? 2 : 1, dash: ownOf(DASHES, split) ?? "dash" },
    marker: { color: hue, size: values.length === 1 ? 8 : 4.5 },
  };
}

/** The curve before smoothing, in the background. */
function rawOf(state, number, split, hue) {
  const [steps, values] = curveOf(state, number, split);
  const y = values.map((value) => scaled(state.metric, value));
  return { x: steps, y, hoverinfo: "skip", mode: "lines", line: { color: hue, width: 1 }, opacity: 0.25, meta: number };
}

/** A ring around the best step of a run. */
function bestMark({ metric }, number, hue) {
  const { best_step: step, name } = runs[number];
  const value = bestOf(runs[number], metric);
  const text = `<b>${escaped(name)}</b><br>best, ${formatMetric(metric, value)}<br>step ${formatStep(step)}`;
  return {
    x: [step], y: [scaled(metric, value)], mode: "markers", hovertext: [text], hoverinfo: "text", meta: number,
    marker: { symbol: "circle-open", size: 12, color: hue, line: { width: 2.2 } },
  };
}

/** All traces of a run. */
function tracesOf(state, number, hue, emphasized, few) {
  const splits = [...state.shown].filter((split) => curveOf(state, number, split));
  const raw = state.weight > 0 && few ? splits.map((split) => rawOf(state, number, split, hue)) : [];
  const curves = splits.map((split) => traceOf(state, number, split, hue, emphasized));
  const known = runs[number].best_step !== null && bestOf(runs[number], state.metric) !== undefined;
  const marked = known && emphasized && splits.includes("validation");
  return [...raw, ...curves, ...(marked ? [bestMark(state, number, hue)] : [])];
}

function drawCurves(state) {
  const hues = [...coloursOf(state)];
  const few = hues.length <= FEW;
  const ofRun = ([number, hue], place) => tracesOf(state, number, hue, few || place < EMPHASIZED, few);
  const [x, y] = [state.logX, state.logY].map((log) => (log ? "log" : "linear"));
  return {
    traces: hues.map(ofRun).reverse().flat(), // the best ones last, on top
    layout: {
      // The zoom stays while curves come and go, but not with another metric or scale.
      xaxis: axis("step", { type: x, uirevision: x, tickformat: state.logX ? "~s" : ",d", nticks: narrow.matches ? 5 : 10 }),
      yaxis: axis(axisTitle(state.metric), { type: y, uirevision: `${y} ${state.metric}` }),
    },
  };
}
