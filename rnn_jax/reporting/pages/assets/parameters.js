// The keys in which runs differ against what the runs came to: each key alone, and all at once.

const MOST_LINES = 300; // of the parallel coordinates
const MOST_NAMES = 12; // labels of an axis

const shortKey = (key) => key.slice(key.indexOf(".") + 1);
/** A key in lines of about so many letters, broken behind its underscores. */
function inLines(key, letters = 13) {
  const lines = [""];
  for (const word of key.split(/(?<=_)/)) {
    if (lines.at(-1) && (lines.at(-1) + word).length > letters) lines.push("");
    lines[lines.length - 1] += word;
  }
  return lines.map(escaped).join("<br>");
}


/** The values that are named at an axis; of very many, [] leaves it to the library. */
function marksOf(scale, distinct) {
  if (distinct.length <= (scale === "names" ? MOST_NAMES : 6)) return distinct;
  return scale === "log" ? roundOnes(distinct) : [];
}

/** Which short text stands for a name that is already as the charts may have it. */
const markOfName = (values) => {
  const short = new Map(values.map((value) => [nameOf(value), escaped(shortened(formatValue(value)))]));
  return (name) => short.get(name);
};

/** Round numbers for a logarithmic axis: 1 and 3 times powers of ten, of very wide ones the powers alone. */
function roundOnes(sorted) {
  const powers = [sorted[0], sorted.at(-1)].map(Math.log10);
  const wide = powers[1] - powers[0] > 4;
  const found = [];
  for (let power = Math.floor(powers[0]); power <= Math.ceil(powers[1]); power += 1) {
    found.push(...(wide ? [1] : [1, 3]).map((digit) => Number(`${digit}e${power}`)));
  }
  return found.filter((value) => value >= sorted[0] / 1.2 && value <= sorted.at(-1) * 1.2);
}

/** How well each value did, from 0 (worst) to 1 (best): shares of what lies between, accidents aside. */
function worthOf(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const [low, high] = [0.1, 1].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
  const rising = values.map((value) => (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 1));
  const falls = report.objective[1] === "min";
  const [least, most] = [0, 0.9].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
  const sinking = values.map((value) => (most > least ? Math.min(1, Math.max(0, (most - value) / (most - least))) : 1));
  return falls ? sinking : rising;
}

function showParameters(chosen) {
  const figures = namesOf(runs.map((run) => Object.keys(run.figures.validation)), report.objective[0]);
  if (report.parameters.length === 0 || figures.length === 0) return;
  part("parameters").hidden = false;
  const state = { figure: figures[0] };
  const known = () => runs.map((_, number) => number).filter((number) => bestOf(runs[number], state.figure) !== undefined);

  function toldOf(number) {
    const figure = formatFigure(state.figure, bestOf(runs[number], state.figure));
    return [`<b>${escaped(runs[number].name)}</b>: ${escaped(state.figure)} ${figure}`, ...toldKeys(number)].join("<br>");
  }

  function drawKey({ key, scale, values }) {
    const numbers = known();
    const x = numbers.map((number) => (scale === "names" ? nameOf(values[number]) : values[number]));
    const distinct = [...new Set(x)].sort((one, other) => one - other);
    const marks = marksOf(scale, scale === "names" ? [...new Set(x)] : distinct);
    const named = marks.length > 1 && { tickvals: marks, ticktext: marks.map(scale === "names" ? markOfName(values) : nameOf) };
    const type = { log: "log", linear: "linear", names: "category" }[scale];
    const y = numbers.map((number) => drawn(state.figure, bestOf(runs[number], state.figure)));
    const marker = { size: 9, color: colour("accent"), opacity: 0.65, line: { width: 1, color: colour("card") } };
    return {
      traces: [{ x, y, mode: "markers", hovertext: numbers.map(toldOf), hoverinfo: "text", marker, customdata: numbers }],
      layout: {
        uirevision: state.figure,
        xaxis: axis(key, { type, nticks: 6, ...(named || {}) }),
        yaxis: axis(`validation ${axisTitle(state.figure)}`, { nticks: 6 }),
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
    drawings.push(showParallel(state, known, toldOf, chosen));
  }
  const changed = (figure) => {
    state.figure = figure;
    drawings.forEach((drawing) => drawing.again());
  };
  part("parameters-controls").append(choice("validation", figures, changed, (name) => name.replaceAll("_", " ")));
  const hint = "A point is a run at its best step; it leads to the run.";
  part("parameters-controls").append(element("span", { class: "quiet" }, hint));
}

/** A value as it stands at an axis: numbers with four digits. */
const shortValue = (value) => shortened(formatValue(typeof value === "number" ? Number(value.toPrecision(4)) : value));

/** Where the values of a key stand between 0 and 1, and which marks its axis has. */
function placesOf({ scale, values }, numbers) {
  const own = numbers.map((number) => values[number]);
  if (scale === "names") {
    const names = [...new Set(own.map(formatValue))];
    const at = (value) => (names.length > 1 ? names.indexOf(formatValue(value)) / (names.length - 1) : 0.5);
    const step = Math.ceil(names.length / MOST_NAMES);
    return { places: own.map(at), marks: names.filter((_, place) => place % step === 0).map((name) => [at(name), name]) };
  }
  const measure = scale === "log" ? Math.log : (value) => value;
  const [low, high] = [Math.min(...own), Math.max(...own)];
  const at = (value) => (high > low ? (measure(value) - measure(low)) / (measure(high) - measure(low)) : 0.5);
  const distinct = [...new Set(own)].sort((one, other) => one - other);
  const middle = scale === "log" ? Math.sqrt(low * high) : (low + high) / 2;
  const marked = distinct.length <= 6 ? distinct : [low, Number(middle.toPrecision(3)), high];
  return { places: own.map(at), marks: marked.map((value) => [at(value), value]) };
}

/** Parallel coordinates, of plain lines: the library's own kind needs WebGL, and code that is made on the way. */
function showParallel(state, known, toldOf, chosen) {
  const place = part("parallel-chart");
  const count = known().length;
  if (count > MOST_LINES) part("parallel").querySelector("h3").append(`, the best ${MOST_LINES} of ${formatStep(count)}`);
  place.style.minWidth = `${110 * (report.parameters.length + 1)}px`;

  function draw() {
    const numbers = known().slice(0, MOST_LINES);
    const objective = numbers.map((number) => bestOf(runs[number], state.figure));
    const last = placesOf({ scale: "linear", values: objective }, objective.map((_, at) => at));
    const axes = [...report.parameters.map((parameter) => placesOf(parameter, numbers)), last];
    const worth = worthOf(objective);
    const x = axes.map((_, number) => number);
    const traces = numbers.map((number, line) => ({
      x, y: axes.map(({ places }) => places[line]), mode: "lines+markers", meta: number, hoverinfo: "text",
      hovertext: toldOf(number), opacity: 0.35 + 0.6 * worth[line], marker: { size: 5 },
      line: { color: between(colour("grey"), colour("accent"), worth[line]), width: 1 + 1.6 * worth[line] },
    }));
    const heads = [...report.parameters.map(({ key }) => shortKey(key)), state.figure];
    const labels = axes.flatMap(({ marks }, at) =>
      marks.map(([y, value]) => ({
        x: at, y, text: escaped(at === axes.length - 1 ? formatFigure(state.figure, value) : shortValue(value)), showarrow: false, xanchor: at === axes.length - 1 ? "left" : "right",
        xshift: at === axes.length - 1 ? 8 : -8, bgcolor: colour("card"), opacity: 0.9, font: { size: 11 },
      })),
    );
    const lines = x.map((at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, line: { color: colour("line"), width: 1 }, layer: "below" }));
    return {
      traces: traces.reverse(),
      layout: {
        shapes: lines, annotations: labels, dragmode: false, margin: { l: 20, r: 20, t: 84, b: 16 },
        xaxis: axis("", {
          side: "top", tickvals: x, ticktext: heads.map((head) => `<b>${inLines(head)}</b>`), showgrid: false,
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
