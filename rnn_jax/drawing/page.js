// The pen reports a change, the server predicts, and the page shows the prediction row by row.

import { clearMap, createBars, paintImage, paintProbabilities, paintStates, percentage } from "./maps.js";
import { createPen } from "./pen.js";

const ROW_MILLISECONDS = 70;
const MIN_REQUEST_MILLISECONDS = 120; // between requests while the pen is down
const MAX_BARS = 12;

const find = (id) => document.getElementById(id);
const model = await (await fetch("model")).json();
const { height, width } = model.image;
const rows = model.pixels.length;
const when = new Array(height * width);
model.pixels.forEach((pixels, row) => pixels.forEach((pixel) => { when[pixel] = row; }));
// With a permuted pixel order, a row of the maps is not a row of the image.
const isScattered = when.some((row, pixel) => row !== Math.floor(pixel / width));

let reading = null; // the latest prediction; null: nothing is drawn
let row = rows - 1; // shown now
let playing = null; // when and at which row playing began
const request = { isRunning: false, isPending: false, isToPlay: false, timer: null };
let showBars = createBars(find("bars"), model.classes, shownClasses(null));

const brush = find("brush");
brush.value = Math.round(100 * model.brush);
const pen = createPen(find("ink"), model.canvas, () => brush.value / 100, (isDown) => {
  find("undo").disabled = find("clear").disabled = pen.isEmpty;
  document.body.classList.toggle("is-drawn", !pen.isEmpty);
  find("prediction").ariaBusy = !pen.isEmpty;
  pause();
  if (isDown) {
    request.timer ??= setTimeout(() => predict(false), MIN_REQUEST_MILLISECONDS);
    return;
  }
  if (pen.isEmpty) show(null);
  else predict(true);
});

// Predicting ----------------------------------------------------------------------------------------------

/** Request a prediction for the drawing; one request at a time, and the latest drawing is always requested. */
async function predict(isToPlay) {
  clearTimeout(request.timer);
  request.timer = null;
  request.isPending = true;
  request.isToPlay = isToPlay;
  if (request.isRunning) return;
  request.isRunning = true;
  try {
    while (request.isPending && !pen.isEmpty) {
      request.isPending = false;
      const prediction = await fetchPrediction(pen.ink());
      if (!pen.isEmpty && !request.isPending) show(prediction, request.isToPlay && !pen.isDown);
    }
    showError("");
  } catch (error) {
    showError(error instanceof TypeError ? "The server does not respond; was it stopped?" : error.message);
  } finally {
    request.isRunning = false;
    find("prediction").ariaBusy = pen.isDown;
  }
}

async function fetchPrediction(ink) {
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await fetch("predict", { method: "POST", headers, body: ink });
  const content = await response.json();
  if (!response.ok) throw new Error(`The server reported an error: ${content.error}.`);
  return content.image === null ? null : content;
}

function showError(message) {
  find("error").textContent = message;
  find("error").hidden = message === "";
}

// Showing -------------------------------------------------------------------------------------------------

function show(prediction, isToPlay = false) {
  reading = prediction && { ...prediction, largest: largestOf(prediction.states) };
  find("play").disabled = find("scrubber").disabled = reading === null;
  document.body.classList.toggle("is-empty", reading === null);
  if (model.classes.length > MAX_BARS) showBars = createBars(find("bars"), model.classes, shownClasses(reading));
  for (const bound of document.querySelectorAll(".bound")) bound.textContent = reading?.largest.toFixed(2) ?? "1";
  find("states-size").textContent = reading ? unitsOf(reading.states[0]) : "";
  // For screen readers: once per prediction, not for every row played.
  find("announcement").textContent = reading ? summaryOf(reading.probabilities.at(-1)) : "";
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isToPlay && reading && !isStill) play(0);
  else showRow(rows - 1);
}

function largestOf(states) {
  return states.flat().reduce((largest, state) => Math.max(largest, Math.abs(state)), 1e-9);
}

/** A backward layer has read the whole image before its first row. */
function unitsOf(state) {
  return `${state.length} units${model.bidirectional ? "; the right half reads backwards" : ""}`;
}

function summaryOf(probabilities) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  return `${model.classes[best]}, ${percentage(probabilities[best])}`;
}

/** Show the prediction after a row. */
function showRow(next) {
  row = next;
  find("maps").style.setProperty("--row", row);
  find("scrubber").value = row + 1;
  const probabilities = reading?.probabilities[row] ?? null;
  const best = probabilities === null ? -1 : probabilities.indexOf(Math.max(...probabilities));
  showBars(probabilities, best);
  find("best").textContent = model.classes[best] ?? "–";
  find("best").parentElement.classList.toggle("is-long", (model.classes[best] ?? "").length > 3);
  find("best-probability").textContent = probabilities === null ? "nothing drawn yet" : percentage(probabilities[best]);
  document.body.classList.toggle("is-unsure", row < rows - 1);
  find("position").textContent = isScattered
    ? `${Math.round((100 * (row + 1)) / rows)} % of the pixels read`
    : `row ${row + 1} of ${rows}`;
  find("scrubber").setAttribute("aria-valuetext", find("position").textContent);
  if (reading === null) {
    ["image", "probabilities", "states"].forEach((id) => clearMap(find(id)));
    return;
  }
  paintImage(find("image"), model.image, reading.image, when, row);
  paintProbabilities(find("probabilities"), reading.probabilities, row);
  paintStates(find("states"), reading.states, reading.largest, row);
}

/** The indices of the classes with a bar: all, or the most likely ones, in the dataset's order. */
function shownClasses(prediction) {
  const numbers = model.classes.map((_, number) => number);
  const most = (number) => Math.max(...(prediction?.probabilities ?? []).map((each) => each[number]), 0);
  return numbers.sort((a, b) => most(b) - most(a)).slice(0, MAX_BARS).sort((a, b) => a - b);
}

// Playing -------------------------------------------------------------------------------------------------

function play(from) {
  playing = { since: performance.now(), from };
  find("play").textContent = "Pause";
  showRow(from);
  requestAnimationFrame(advance);
}

function advance(now) {
  if (playing === null) return;
  const next = Math.min(rows - 1, playing.from + Math.max(0, Math.floor((now - playing.since) / ROW_MILLISECONDS)));
  if (next !== row) showRow(next);
  if (next < rows - 1) requestAnimationFrame(advance); else pause();
}

function pause() {
  playing = null;
  find("play").textContent = "Play";
}

// Controls ------------------------------------------------------------------------------------------------

find("undo").addEventListener("click", () => pen.undo());
find("clear").addEventListener("click", () => pen.clear());
find("play").addEventListener("click", () => (playing === null ? play(row < rows - 1 ? row : 0) : pause()));
find("scrubber").addEventListener("input", (event) => { pause(); showRow(event.target.value - 1); });
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") pen.undo();
});
// A row can also be selected on the maps.
for (const map of document.querySelectorAll(".map")) {
  for (const type of ["pointerdown", "pointermove"]) {
    map.addEventListener(type, (event) => {
      if (reading === null || !(event.buttons & 1)) return;
      const box = map.getBoundingClientRect();
      const pointedAt = Math.floor((rows * (event.clientY - box.top)) / box.height);
      pause();
      showRow(Math.max(0, Math.min(rows - 1, pointedAt)));
    });
  }
}

find("about").textContent = `${model.about}, trained on ${model.dataset}`;
find("scrubber").max = rows;
find("maps").style.setProperty("--rows", rows);
find("maps").style.setProperty("--shape", `${width} / ${height}`);
find("image-size").textContent = `${height} × ${width}`;
if (model.classes.length <= MAX_BARS && model.classes.every((name) => name.length <= 2)) {
  find("columns").replaceChildren(...model.classes.map((name) => Object.assign(document.createElement("li"), { textContent: name })));
}
document.body.classList.toggle("is-scattered", isScattered);
show(null);
document.body.dataset.ready = "true";
