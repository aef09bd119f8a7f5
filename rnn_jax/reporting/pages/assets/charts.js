// Charts in the colours of the page, redrawn when these change.

const PALETTES = {
  light: ["#2f64b5", "#d9661f", "#1f8a5b", "#a3448b", "#7a5c28", "#5b54c4", "#c03a33", "#14839c", "#7c7f12", "#5d6470"],
  dark: ["#7fb0f5", "#f5a15f", "#62d3a2", "#e394cd", "#d3b377", "#aaa5ff", "#ff8f83", "#66d0e8", "#d2d65c", "#b7bec9"],
};
const dark = matchMedia("(prefers-color-scheme: dark)");
const coarse = matchMedia("(pointer: coarse)");
const narrow = matchMedia("(max-width: 640px)");
const redraws = new Set();

/** A colour by its name in page.css. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const palette = () => PALETTES[dark.matches ? "dark" : "light"];

/** A colour (#rrggbb) with an opacity. */
const faint = (hex, opacity) => `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",")},${opacity})`;

/** A mix of two colours (#rrggbb); share: of the second, from 0 to 1. */
function between(one, other, share) {
  const mix = [1, 3, 5].map((at) => {
    const [from, to] = [one, other].map((hex) => parseInt(hex.slice(at, at + 2), 16));
    return Math.round(from + share * (to - from));
  });
  return `rgb(${mix.join(",")})`;
}

/** An axis with further properties. */
function axis(title, more = {}) {
  const line = { gridcolor: colour("grid"), linecolor: colour("line"), zerolinecolor: colour("grid") };
  const text = { text: escaped(title), standoff: 8 };
  return { title: text, automargin: true, exponentformat: "e", ...line, ...more };
}

/** A layout with the properties that all charts share. */
function layout(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text"), size: 12, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("text") }, align: "left" },
    margin: { l: 56, r: 14, t: 30, b: 44 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("quiet"), activecolor: colour("accent") },
    showlegend: false,
    hovermode: "closest",
    // A finger scrolls the page; the buttons of the chart zoom.
    dragmode: coarse.matches ? false : "zoom",
    ...more,
  };
}

/** Draw a chart into an element, and again whenever colours or width change. */
function chart(place, draw) {
  const redraw = () => {
    const { traces, layout: own } = draw();
    const buttons = ["lasso2d", "select2d", "autoScale2d"];
    const options = { responsive: true, displaylogo: false, displayModeBar: coarse.matches || "hover" };
    return Plotly.react(place, traces, layout(own), { ...options, modeBarButtonsToRemove: buttons });
  };
  redraws.add(redraw);
  redraw();
  return { redraw, remove: () => (redraws.delete(redraw), Plotly.purge(place)) };
}

for (const query of [dark, coarse, narrow]) {
  query.addEventListener("change", () => redraws.forEach((redraw) => redraw()));
}
