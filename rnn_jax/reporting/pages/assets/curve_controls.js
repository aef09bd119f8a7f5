// Controls of the curves: metric, splits, scales, smoothing, and the legend, which shows and hides runs.

/** The CSS classes of the splits' line samples: see DASHES. */
const DASH_CLASSES = { validation: "solid", train: "dot", batch: "dash-dot" };

function showCurves() {
  const state = initialCurves();
  if (state.drawable.length === 0) {
    part("curves-chart").remove();
    part("curves").append(element("p", { class: "quiet" }, "No run has logged a metric yet."));
    return;
  }
  state.logY = isLogarithmic(state);
  const drawing = chart(part("curves-chart"), () => drawCurves(state));
  const refresh = () => {
    drawing.redraw();
    fillLegend(state, refresh);
  };
  part("curves-controls").append(...curveControls(state, drawing, refresh));
  // The legend has the chart's colours.
  dark.addEventListener("change", refresh);
  refresh();
}

/** Whether the selected metric starts with a logarithmic axis. */
function isLogarithmic(state) {
  const lists = state.drawable.flatMap((number) => [...state.shown].map((split) => curveOf(state, number, split)?.[1] ?? []));
  return !isPercentage(state.metric) && spansMuch(lists);
}

function curveControls(state, drawing, refresh) {
  const set = (name) => (value) => {
    state[name] = value;
    drawing.redraw();
  };
  const [logX, logY] = [checkbox("log x", state.logX, set("logX")), checkbox("log y", state.logY, set("logY"))];
  const choose = (metric) => {
    state.metric = metric;
    state.logY = isLogarithmic(state);
    logY.querySelector("input").checked = state.logY;
    refresh();
  };
  const splits = state.splits.map((split) => {
    const label = checkbox(split.replace("_", " "), state.shown.has(split), (shown) => {
      shown ? state.shown.add(split) : state.shown.delete(split);
      drawing.redraw();
    });
    label.append(element("i", { class: `dash ${ownOf(DASH_CLASSES, split) ?? "other"}` }));
    return label;
  });
  return [
    choice("metric", state.metrics, choose, (name) => name.replaceAll("_", " ")),
    element("fieldset", { "aria-label": "splits" }, ...splits, element("span", { class: "quiet" }, "○ best step")),
    logX,
    logY,
    smoothing(set("weight")),
    ...visibilityButtons(state, refresh),
  ];
}

/** A slider; `changed` is called with the weight, from 0 to 0.99. */
function smoothing(changed) {
  const weight = element("output", {}, "0");
  const slider = element("input", { type: "range", min: "0", max: "0.99", step: "0.01", value: "0" });
  let next = 0;
  slider.addEventListener("input", () => {
    weight.textContent = slider.value;
    // At most one redraw per frame, with the latest value.
    cancelAnimationFrame(next);
    next = requestAnimationFrame(() => changed(Number(slider.value)));
  });
  return element("label", {}, "smoothing", slider, weight);
}

/** Buttons that show all runs, the best ones, or none. */
function visibilityButtons(state, refresh) {
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
  return [element("fieldset", { "aria-label": "visible runs" }, ...buttons)];
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

/** A line of the legend: checkbox, colour, name and metric of a run. */
function legendEntry(state, refresh, number, hue) {
  const box = element("input", { type: "checkbox", checked: state.visible.has(number) });
  box.addEventListener("change", () => {
    box.checked ? state.visible.add(number) : state.visible.delete(number);
    refresh();
  });
  const swatch = element("i");
  swatch.style.background = hue ?? "transparent";
  const name = element("span", { class: "name", title: runs[number].name }, runs[number].name);
  const best = bestOf(runs[number], state.metric);
  const metric = element("span", { class: "metric" }, best === undefined ? "" : formatMetric(state.metric, best));
  const kind = hasCurve(state, number) ? {} : { class: "without" };
  const label = element("label", kind, box, swatch, name, metric);
  let undo = () => {};
  label.addEventListener("pointerenter", () => (undo = thicken(number)));
  label.addEventListener("pointerleave", () => undo());
  return label;
}

/** Make the curves of a run thick, and return a function that undoes it. */
function thicken(number) {
  const place = part("curves-chart");
  const { data } = place;
  const own = data.flatMap((trace, at) => (trace.meta === number && trace.mode !== "markers" ? [at] : []));
  if (own.length === 0) return () => {};
  const before = { "line.width": own.map((at) => data[at].line.width), opacity: own.map((at) => data[at].opacity) };
  Plotly.restyle(place, { "line.width": 4.5, opacity: 1 }, own);
  // A chart redrawn meanwhile needs no undo.
  return () => place.data === data && Plotly.restyle(place, before, own);
}
