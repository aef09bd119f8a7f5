// The curves of all runs, over one another.

const FEW = 10; // so many runs have a colour each; of more, the best ones stand out
const STRESSED = 5;
const DASHES = { validation: "solid", train: "dot", batch: "dashdot" };

/**
 * An exponential moving average without the pull of its beginning (Kingma and Ba 2015, section 3): a gap stays.
 * `weight` is the share that earlier values keep, 0 to 1.
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

/** Whether values are better told by their logarithms: they fall by a factor of ten. */
function spansMuch(lists) {
  const found = lists.flat().filter((value) => value !== null);
  const low = found.reduce((least, value) => Math.min(least, value), Infinity);
  return low > 0 && found.reduce((most, value) => Math.max(most, value), 0) > 10 * low;
}

/** What is drawn at first: the figure that decides, on validation, and on train where there are few runs. */
function firstCurves() {
  const drawable = runs.map((_, number) => number).filter((number) => Object.keys(runs[number].curves).length);
  const ofRuns = drawable.map((number) => runs[number].curves);
  const splits = namesOf(ofRuns.map(Object.keys), "validation");
  const figures = namesOf(ofRuns.flatMap((curves) => Object.values(curves).map(Object.keys)), report.objective[0]);
  const usual = ["validation", ...(drawable.length <= 6 ? ["train"] : [])].filter((split) => splits.includes(split));
  return {
    drawable, splits, figures, figure: figures[0], shown: new Set(usual.length ? usual : splits),
    visible: new Set(drawable), logX: false, logY: false, weight: 0,
  };
}

/** The `[steps, values]` of a run, or undefined. */
const curveOf = ({ figure }, number, split) => ownOf(ownOf(runs[number].curves, split) ?? {}, figure);

/** Whether a run has anything of the chosen figure. */
const hasCurve = (state, number) => state.splits.some((split) => curveOf(state, number, split));

/** The colour of each visible run: its own where there are few, the best ones' where there are many. */
function coloursOf(state) {
  const { drawable, visible } = state;
  const all = drawable.filter((number) => visible.has(number));
  const shown = [true, false].flatMap((has) => all.filter((number) => hasCurve(state, number) === has));
  const few = shown.length <= FEW;
  const free = palette().map((_, place) => place).filter((place) => !visible.has(place));
  return new Map(
    shown.map((number, place) => {
      if (few) return [number, palette()[number < FEW ? number : free.shift()]];
      return [number, place < STRESSED ? palette()[place] : colour("grey")];
    }),
  );
}

/** A run's curve on a split; `stressed` ones are thick. */
function traceOf(state, number, split, hue, stressed) {
  const [steps, values] = curveOf(state, number, split);
  const smooth = smoothed(values, state.weight);
  const head = `<b>${escaped(runs[number].name)}</b><br>${escaped(split)}`;
  const keys = toldKeys(number).map((line) => `<br>${line}`).join("");
  const told = (value, place) => `${head} ${formatFigure(state.figure, value)}<br>step ${formatStep(steps[place])}${keys}`;
  return {
    x: steps, y: smooth.map((value) => drawn(state.figure, value)), hovertext: smooth.map(told), hoverinfo: "text",
    meta: number, mode: values.length <= 30 ? "lines+markers" : "lines", connectgaps: false, opacity: stressed ? 1 : 0.55,
    line: { color: hue, width: stressed ? 2 : 1, dash: ownOf(DASHES, split) ?? "dash" },
    marker: { color: hue, size: values.length === 1 ? 8 : 4.5 },
  };
}

/** The curve before it was smoothed, behind. */
function rawOf(state, number, split, hue) {
  const [steps, values] = curveOf(state, number, split);
  const y = values.map((value) => drawn(state.figure, value));
  return { x: steps, y, hoverinfo: "skip", mode: "lines", line: { color: hue, width: 1 }, opacity: 0.25, meta: number };
}

/** A ring around the best step of a run. */
function bestMark({ figure }, number, hue) {
  const { best_step: step, name } = runs[number];
  const value = bestOf(runs[number], figure);
  const told = `<b>${escaped(name)}</b><br>best, ${formatFigure(figure, value)}<br>step ${formatStep(step)}`;
  return {
    x: [step], y: [drawn(figure, value)], mode: "markers", hovertext: [told], hoverinfo: "text", meta: number,
    marker: { symbol: "circle-open", size: 12, color: hue, line: { width: 2.2 } },
  };
}

/** All that belongs to a run. */
function tracesOf(state, number, hue, stressed, few) {
  const splits = [...state.shown].filter((split) => curveOf(state, number, split));
  const raw = state.weight > 0 && few ? splits.map((split) => rawOf(state, number, split, hue)) : [];
  const curves = splits.map((split) => traceOf(state, number, split, hue, stressed));
  const known = runs[number].best_step !== null && bestOf(runs[number], state.figure) !== undefined;
  const marked = known && stressed && splits.includes("validation");
  return [...raw, ...curves, ...(marked ? [bestMark(state, number, hue)] : [])];
}

function drawCurves(state) {
  const hues = [...coloursOf(state)];
  const few = hues.length <= FEW;
  const ofRun = ([number, hue], place) => tracesOf(state, number, hue, few || place < STRESSED, few);
  const [x, y] = [state.logX, state.logY].map((log) => (log ? "log" : "linear"));
  return {
    traces: hues.map(ofRun).reverse().flat(), // the best ones last, so that they lie on top
    layout: {
      // A zoom stays while curves come and go; another figure or scale begins anew.
      xaxis: axis("step", { type: x, uirevision: x, tickformat: state.logX ? "~s" : ",d", nticks: narrow.matches ? 5 : 10 }),
      yaxis: axis(axisTitle(state.figure), { type: y, uirevision: `${y} ${state.figure}` }),
    },
  };
}
