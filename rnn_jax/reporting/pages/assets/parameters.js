// The validation metric against the keys in which runs differ: each key alone, and all at once.

const MAX_LINES = 300; // of the parallel coordinates
const MAX_NAMES = 12; // ticks of an axis

const shortKey = (key) => key.slice(key.indexOf(".") + 1);
/** A key in lines of about `letters` letters, broken after underscores. */
function wrapped(key, letters = 13) {
  const lines = [""];
  for (const word of key.split(/(?<=_)/)) {
    if (lines.at(-1) && (lines.at(-1) + word).length > letters) lines.push("");
    lines[lines.length - 1] += word;
  }
  return lines.map(escaped).join("<br>");
}

/** The values with ticks; [] leaves them to the library. */
function ticksOf(scale, distinct) {
  if (distinct.length <= (scale === "names" ? MAX_NAMES : 6)) return distinct;
  return scale === "log" ? roundValues(distinct) : [];
}

/** Maps escaped names to shortened ones. */
const shortNames = (values) => {
  const short = new Map(values.map((value) => [nameOf(value), escaped(shortened(formatValue(value)))]));
  return (name) => short.get(name);
};

/** Round numbers for a logarithmic axis: 1 and 3 times powers of ten; on a wide one powers only. */
function roundValues(sorted) {
  const powers = [sorted[0], sorted.at(-1)].map(Math.log10);
  const wide = powers[1] - powers[0] > 4;
  const found = [];
  for (let power = Math.floor(powers[0]); power <= Math.ceil(powers[1]); power += 1) {
    found.push(...(wide ? [1] : [1, 3]).map((digit) => Number(`${digit}e${power}`)));
  }
  return found.filter((value) => value >= sorted[0] / 1.2 && value <= sorted.at(-1) * 1.2);
}

/** The rank of each value from 0 (worst tenth) to 1 (best), interpolated; 1 for all without a known direction. */
function qualityOf(values, metric) {
  if (metric !== report.metric || report.direction === null) return values.map(() => 1);
  const sorted = [...values].sort((one, other) => (report.direction === "max" ? one - other : other - one));
  const [worst, best] = [sorted[Math.floor(0.1 * (sorted.length - 1))], sorted.at(-1)];
  return values.map((value) => (best === worst ? 1 : Math.min(1, Math.max(0, (value - worst) / (best - worst)))));
}

function showParameters(chosen) {
  const metrics = namesOf(runs.map((run) => Object.keys(run.metrics.validation)), report.metric);
  if (report.parameters.length === 0 || metrics.length === 0) return;
  part("parameters").hidden = false;
  const state = { metric: metrics[0] };
  const known = () => runs.map((_, number) => number).filter((number) => bestOf(runs[number], state.metric) !== undefined);

  function textOf(number) {
    const value = formatMetric(state.metric, bestOf(runs[number], state.metric));
    return [`<b>${escaped(runs[number].name)}</b>: ${escaped(state.metric)} ${value}`, ...keyLines(number)].join("<br>");
  }

  function drawKey({ key, scale, values }) {
    const numbers = known();
    const x = numbers.map((number) => (scale === "names" ? nameOf(values[number]) : values[number]));
    const distinct = [...new Set(x)].sort((one, other) => one - other);
    const ticks = ticksOf(scale, scale === "names" ? [...new Set(x)] : distinct);
    const named = ticks.length > 1 && { tickvals: ticks, ticktext: ticks.map(scale === "names" ? shortNames(values) : nameOf) };
    const type = { log: "log", linear: "linear", names: "category" }[scale];
    const y = numbers.map((number) => scaled(state.metric, bestOf(runs[number], state.metric)));
    const marker = { size: 9, color: colour("accent"), opacity: 0.65, line: { width: 1, color: colour("card") } };
    return {
      traces: [{ x, y, mode: "markers", hovertext: numbers.map(textOf), hoverinfo: "text", marker, customdata: numbers }],
      layout: {
        uirevision: state.metric,
        xaxis: axis(key, { type, nticks: 6, ...(named || {}) }),
        yaxis: axis(`validation ${axisTitle(state.metric)}`, { nticks: 6 }),
      },
    };
  }

  const drawings = report.parameters.map((parameter) => {
    const place = element("div", { class: "chart" });
    part("parameters-charts").append(place);
    const drawing = chart(place, () => drawKey(parameter));
    place.on("plotly_click", ({ points }) => chosen(points[0].customdata));
    return drawing;
  });
  if (report.parameters.length > 1) {
    part("parallel").hidden = false;
    drawings.push(showParallel(state, known, textOf, chosen));
  }
  const changed = (metric) => {
    state.metric = metric;
    drawings.forEach((drawing) => drawing.redraw());
  };
  part("parameters-controls").append(choice("validation", metrics, changed, (name) => name.replaceAll("_", " ")));
  const hint = "Each point is a run at its best step; click it for details.";
  part("parameters-controls").append(element("span", { class: "quiet" }, hint));
}

/** A value as a tick: numbers with four digits. */
const shortValue = (value) => shortened(formatValue(typeof value === "number" ? Number(value.toPrecision(4)) : value));

/** Positions from 0 to 1 of a key's values, and the ticks of its axis. */
function placesOf({ scale, values }, numbers) {
  const own = numbers.map((number) => values[number]);
  if (scale === "names") {
    const names = [...new Set(own.map(formatValue))];
    const at = (value) => (names.length > 1 ? names.indexOf(formatValue(value)) / (names.length - 1) : 0.5);
    const step = Math.ceil(names.length / MAX_NAMES);
    return { places: own.map(at), ticks: names.filter((_, place) => place % step === 0).map((name) => [at(name), name]) };
  }
  const measure = scale === "log" ? Math.log : (value) => value;
  const [low, high] = [Math.min(...own), Math.max(...own)];
  const at = (value) => (high > low ? (measure(value) - measure(low)) / (measure(high) - measure(low)) : 0.5);
  const distinct = [...new Set(own)].sort((one, other) => one - other);
  const middle = scale === "log" ? Math.sqrt(low * high) : (low + high) / 2;
  const ticked = distinct.length <= 6 ? distinct : [low, Number(middle.toPrecision(3)), high];
  return { places: own.map(at), ticks: ticked.map((value) => [at(value), value]) };
}

/** Parallel coordinates made of lines: the library's own need WebGL, and code generation, which the policy forbids. */
function showParallel(state, known, textOf, chosen) {
  const place = part("parallel-chart");
  const count = known().length;
  if (count > MAX_LINES) part("parallel").querySelector("h3").append(`, the best ${MAX_LINES} of ${formatStep(count)}`);
  place.style.minWidth = `${110 * (report.parameters.length + 1)}px`;

  function draw() {
    const numbers = known().slice(0, MAX_LINES);
    const objective = numbers.map((number) => bestOf(runs[number], state.metric));
    const last = placesOf({ scale: "linear", values: objective }, objective.map((_, at) => at));
    const axes = [...report.parameters.map((parameter) => placesOf(parameter, numbers)), last];
    const quality = qualityOf(objective, state.metric);
    const x = axes.map((_, number) => number);
    const traces = numbers.map((number, line) => ({
      x, y: axes.map(({ places }) => places[line]), mode: "lines+markers", meta: number, hoverinfo: "text",
      hovertext: textOf(number), opacity: 0.35 + 0.6 * quality[line], marker: { size: 5 },
      line: { color: between(colour("grey"), colour("accent"), quality[line]), width: 1 + 1.6 * quality[line] },
    }));
    const heads = [...report.parameters.map(({ key }) => shortKey(key)), state.metric];
    const labels = axes.flatMap(({ ticks }, at) =>
      ticks.map(([y, value]) => ({
        x: at, y, text: escaped(at === axes.length - 1 ? formatMetric(state.metric, value) : shortValue(value)), showarrow: false, xanchor: at === axes.length - 1 ? "left" : "right",
        xshift: at === axes.length - 1 ? 8 : -8, bgcolor: colour("card"), opacity: 0.9, font: { size: 11 },
      })),
    );
    const lines = x.map((at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, line: { color: colour("line"), width: 1 }, layer: "below" }));
    return {
      traces: traces.reverse(),
      layout: {
        shapes: lines, annotations: labels, dragmode: false, margin: { l: 20, r: 20, t: 84, b: 16 },
        xaxis: axis("", {
          side: "top", tickvals: x, ticktext: heads.map((head) => `<b>${wrapped(head)}</b>`), showgrid: false,
          zeroline: false, range: [-0.55, axes.length - 0.35], fixedrange: true, tickangle: 0, automargin: false,
        }),
        yaxis: axis("", { visible: false, range: [-0.06, 1.06], fixedrange: true }),
      },
    };
  }

  const drawing = chart(place, draw);
  place.on("plotly_click", ({ points }) => chosen(points[0].data.meta));
  return drawing;
}
