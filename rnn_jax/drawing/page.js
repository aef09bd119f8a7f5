// Draw, ask, show: the pen says what changed, the program answers, and the reading is shown row by row.

import { clearMap, createBars, paintBelief, paintSeen, paintStates, percentage } from "./maps.js";
import { createPen } from "./pen.js";

const ROW_MILLISECONDS = 70;
const BETWEEN_MILLISECONDS = 120; // a pen that is down is asked about at most so often
const MOST_BARS = 12;

const find = (id) => document.getElementById(id);
const model = await (await fetch("model")).json();
const { height, width } = model.image;
const rows = model.pixels.length;
const when = new Array(height * width);
model.pixels.forEach((pixels, row) => pixels.forEach((pixel) => { when[pixel] = row; }));
// Read in its own order, a row of the maps is a row of the picture.
const isScattered = when.some((row, pixel) => row !== Math.floor(pixel / width));

let reading = null; // what the program answered last; null: nothing is drawn
let row = rows - 1; // that is looked at
let playing = null; // when playing began, and at which row
const asked = { isUnderWay: false, isWanted: false, isToPlay: false, timer: null };
let showBars = createBars(find("bars"), model.classes, shownClasses(null));

const brush = find("brush");
brush.value = Math.round(100 * model.brush);
const pen = createPen(find("ink"), model.canvas, () => brush.value / 100, (isDown) => {
  find("undo").disabled = find("clear").disabled = pen.isEmpty;
  document.body.classList.toggle("is-drawn", !pen.isEmpty);
  find("answer").ariaBusy = !pen.isEmpty;
  pause();
  if (isDown) {
    asked.timer ??= setTimeout(() => ask(false), BETWEEN_MILLISECONDS);
    return;
  }
  if (pen.isEmpty) show(null);
  else ask(true);
});

// Asking --------------------------------------------------------------------------------------------------

/** Asks what the network makes of the drawing; one question at a time, and the last one is always asked. */
async function ask(isToPlay) {
  clearTimeout(asked.timer);
  asked.timer = null;
  asked.isWanted = true;
  asked.isToPlay = isToPlay;
  if (asked.isUnderWay) return;
  asked.isUnderWay = true;
  try {
    while (asked.isWanted && !pen.isEmpty) {
      asked.isWanted = false;
      const answer = await answerTo(pen.ink());
      if (!pen.isEmpty && !asked.isWanted) show(answer, asked.isToPlay && !pen.isDown);
    }
    say("");
  } catch (error) {
    say(error instanceof TypeError ? "The program behind this page does not answer; was it stopped?" : error.message);
  } finally {
    asked.isUnderWay = false;
    find("answer").ariaBusy = pen.isDown;
  }
}

async function answerTo(ink) {
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await fetch("read", { method: "POST", headers, body: ink });
  const answer = await response.json();
  if (!response.ok) throw new Error(`The program refused: ${answer.error}.`);
  return answer.image === null ? null : answer;
}

function say(trouble) {
  find("trouble").textContent = trouble;
  find("trouble").hidden = trouble === "";
}

// Showing -------------------------------------------------------------------------------------------------

function show(answer, isToPlay = false) {
  reading = answer && { ...answer, largest: largestOf(answer.states) };
  find("play").disabled = find("scrubber").disabled = reading === null;
  document.body.classList.toggle("is-empty", reading === null);
  if (model.classes.length > MOST_BARS) showBars = createBars(find("bars"), model.classes, shownClasses(reading));
  for (const bound of document.querySelectorAll(".bound")) bound.textContent = reading?.largest.toFixed(2) ?? "1";
  find("states-size").textContent = reading ? unitsOf(reading.states[0]) : "";
  // Said once, and not at every row that is played.
  find("said").textContent = reading ? summary(reading.probabilities.at(-1)) : "";
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isToPlay && reading && !isStill) play(0);
  else showRow(rows - 1);
}

function largestOf(states) {
  return states.flat().reduce((largest, state) => Math.max(largest, Math.abs(state)), 1e-9);
}

/** Of two directions, the second has read the whole picture before its first row. */
function unitsOf(state) {
  return `${state.length} units${model.bidirectional ? ", the right half from the end" : ""}`;
}

function summary(probabilities) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  return `${model.classes[best]}, ${percentage(probabilities[best])}`;
}

/** Shows what there is after a row has been read. */
function showRow(next) {
  row = next;
  find("maps").style.setProperty("--row", row);
  find("scrubber").value = row + 1;
  const probabilities = reading?.probabilities[row] ?? null;
  const best = probabilities === null ? -1 : probabilities.indexOf(Math.max(...probabilities));
  showBars(probabilities, best);
  find("best").textContent = model.classes[best] ?? "–";
  find("best").parentElement.classList.toggle("is-long", (model.classes[best] ?? "").length > 3);
  find("share").textContent = probabilities === null ? "nothing drawn yet" : percentage(probabilities[best]);
  document.body.classList.toggle("is-unsure", row < rows - 1);
  find("place").textContent = isScattered
    ? `${Math.round((100 * (row + 1)) / rows)} % of the pixels read`
    : `row ${row + 1} of ${rows}`;
  find("scrubber").setAttribute("aria-valuetext", find("place").textContent);
  if (reading === null) {
    ["seen", "belief", "states"].forEach((id) => clearMap(find(id)));
    return;
  }
  paintSeen(find("seen"), model.image, reading.image, when, row);
  paintBelief(find("belief"), reading.probabilities, row);
  paintStates(find("states"), reading.states, reading.largest, row);
}

/** The numbers of the classes that have a bar: all, or the likeliest, in the data set's order. */
function shownClasses(answer) {
  const numbers = model.classes.map((_, number) => number);
  const most = (number) => Math.max(...(answer?.probabilities ?? []).map((each) => each[number]), 0);
  return numbers.sort((a, b) => most(b) - most(a)).slice(0, MOST_BARS).sort((a, b) => a - b);
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
// On the maps too one can point at a row.
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
find("seen-size").textContent = `${height} × ${width}`;
if (model.classes.length <= MOST_BARS && model.classes.every((name) => name.length <= 2)) {
  find("columns").replaceChildren(...model.classes.map((name) => Object.assign(document.createElement("li"), { textContent: name })));
}
document.body.classList.toggle("is-scattered", isScattered);
show(null);
document.body.dataset.ready = "true";
