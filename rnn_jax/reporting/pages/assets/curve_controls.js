// What one sets the curves by: figure, splits, scales, smoothing, and the legend, which shows and hides runs.

/** How the lines of the splits look beside their names: see DASHES. */
const DASH_CLASSES = { validation: "solid", train: "dot", batch: "dash-dot" };

function showCurves() {
  const state = firstCurves();
  if (state.drawable.length === 0) {
    part("curves-chart").remove();
    part("curves").append(element("p", { class: "quiet" }, "No run has logged a figure yet."));
    return;
  }
  state.logY = isToldByLogarithms(state);
  const drawing = chart(part("curves-chart"), () => drawCurves(state));
  const refresh = () => {
    drawing.again();
    fillLegend(state, refresh);
  };
  part("curves-controls").append(...curveControls(state, drawing, refresh));
  // The legend's colours are the page's too.
  dark.addEventListener("change", refresh);
  refresh();
}

/** Whether the chosen figure is first shown on a logarithmic axis. */
function isToldByLogarithms(state) {
  const lists = state.drawable.flatMap((number) => [...state.shown].map((split) => curveOf(state, number, split)?.[1] ?? []));
  return !isShare(state.figure) && spansMuch(lists);
}

function curveControls(state, drawing, refresh) {
  const set = (name) => (value) => {
    state[name] = value;
    drawing.again();
  };
  const [logX, logY] = [tick("log x", state.logX, set("logX")), tick("log y", state.logY, set("logY"))];
  const choose = (figure) => {
    state.figure = figure;
    state.logY = isToldByLogarithms(state);
    logY.querySelector("input").checked = state.logY;
    refresh();
  };
  const splits = state.splits.map((split) => {
    const label = tick(split.replace("_", " "), state.shown.has(split), (shown) => {
      shown ? state.shown.add(split) : state.shown.delete(split);
      drawing.again();
    });
    label.append(element("i", { class: `dash ${ownOf(DASH_CLASSES, split) ?? "other"}` }));
    return label;
  });
  return [
    choice("figure", state.figures, choose, (name) => name.replaceAll("_", " ")),
    element("fieldset", { "aria-label": "splits" }, ...splits, element("span", { class: "quiet" }, "○ best step")),
    logX,
    logY,
    smoothing(set("weight")),
    ...shownRuns(state, refresh),
  ];
}

/** The slider; `changed` is called with the weight, 0 to 0.99. */
function smoothing(changed) {
  const weight = element("output", {}, "0");
  const slider = element("input", { type: "range", min: "0", max: "0.99", step: "0.01", value: "0" });
  let next = 0;
  slider.addEventListener("input", () => {
    weight.textContent = slider.value;
    // Where drawing takes longer than the hand, what lies between is passed over.
    cancelAnimationFrame(next);
    next = requestAnimationFrame(() => changed(Number(slider.value)));
  });
  return element("label", {}, "smoothing", slider, weight);
}

/** Buttons that show all runs, the best ones, or none. */
function shownRuns(state, refresh) {
  const { drawable } = state;
  if (drawable.length < 2) return [];
  const best = drawable.length > FEW ? [[`best ${FEW}`, drawable.slice(0, FEW)]] : [];
  const buttons = [["all", drawable], ...best, ["none", []]].map(([name, numbers]) => {
    const show = () => {
      state.visible = new Set(numbers);
      refresh();
    };
    return element("button", { onclick: show }, name);
  });
  return [element("fieldset", { "aria-label": "shown runs" }, ...buttons)];
}

function fillLegend(state, refresh) {
  const legend = part("curves-legend");
  const hues = coloursOf(state);
  const focused = [...legend.children].findIndex((label) => label.contains(document.activeElement));
  const at = legend.scrollTop;
  legend.replaceChildren(...state.drawable.map((number) => legendEntry(state, refresh, number, hues.get(number))));
  legend.scrollTop = at;
  if (focused >= 0) legend.children[focused].querySelector("input").focus();
}

/** A line of the legend: shown or not, its colour, its name, its figure. */
function legendEntry(state, refresh, number, hue) {
  const box = element("input", { type: "checkbox", checked: state.visible.has(number) });
  box.addEventListener("change", () => {
    box.checked ? state.visible.add(number) : state.visible.delete(number);
    refresh();
  });
  const swatch = element("i");
  swatch.style.background = hue ?? "transparent";
  const name = element("span", { class: "name", title: runs[number].name }, runs[number].name);
  const best = bestOf(runs[number], state.figure);
  const figure = element("span", { class: "figure" }, best === undefined ? "" : formatFigure(state.figure, best));
  const kind = hasCurve(state, number) ? {} : { class: "without" };
  const label = element("label", kind, box, swatch, name, figure);
  let undo = () => {};
  label.addEventListener("pointerenter", () => (undo = thicken(number)));
  label.addEventListener("pointerleave", () => undo());
  return label;
}

/** Makes the curves of a run thick, and returns what makes them as they were. */
function thicken(number) {
  const place = part("curves-chart");
  const { data } = place;
  const own = data.flatMap((trace, at) => (trace.meta === number && trace.mode !== "markers" ? [at] : []));
  if (own.length === 0) return () => {};
  const before = { "line.width": own.map((at) => data[at].line.width), opacity: own.map((at) => data[at].opacity) };
  Plotly.restyle(place, { "line.width": 4.5, opacity: 1 }, own);
  // What was drawn anew meanwhile is as it should be.
  return () => place.data === data && Plotly.restyle(place, before, own);
}
