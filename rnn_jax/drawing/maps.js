// The maps of a reading: a row of a map is a row of the image, and rows not read yet are faint.

const MINUS = [37, 99, 235];
const PLUS = [225, 90, 20];
const PROBABILITY = [112, 95, 235];
const FAINT = 0.22;

/** Paint a canvas of rows × columns pixels; colour: (row, column) -> [red, green, blue, opacity from 0 to 1]. */
function paintCells(canvas, rows, columns, colour) {
  // Opacity blends the colours with the background, so that light and dark pages share them.
  if (canvas.height !== rows) canvas.height = rows;
  if (canvas.width !== columns) canvas.width = columns;
  const context = canvas.getContext("2d");
  const cells = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const [red, green, blue, opacity] = colour(row, column);
      cells.data.set([red, green, blue, Math.round(255 * opacity)], 4 * (row * columns + column));
    }
  }
  context.putImageData(cells, 0, 0);
}

/** The network's input image in its own greys. when: the row after which each pixel is read. */
export function paintImage(canvas, { height, width, maximum }, image, when, row) {
  paintCells(canvas, height, width, (y, x) => {
    const grey = (255 * image[y][x]) / maximum;
    return [grey, grey, grey, when[y * width + x] <= row ? 1 : 0.4];
  });
}

/** Probabilities [rows][classes]; opacity is their square root, so that small ones are visible. */
export function paintProbabilities(canvas, probabilities, row) {
  paintCells(canvas, probabilities.length, probabilities[0].length, (y, x) => [
    ...PROBABILITY,
    Math.sqrt(probabilities[y][x]) * (y <= row ? 1 : FAINT),
  ]);
}

/** States [rows][units], relative to the largest absolute value. */
export function paintStates(canvas, states, largest, row) {
  paintCells(canvas, states.length, states[0].length, (y, x) => {
    const share = states[y][x] / largest;
    return [...(share < 0 ? MINUS : PLUS), Math.abs(share) * (y <= row ? 1 : FAINT)];
  });
}

/** Clear a map. */
export function clearMap(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/** Bars for the classes with these indices; returns a function that shows probabilities [classes]. */
export function createBars(list, classes, numbers) {
  const bars = numbers.map((number) => {
    const bar = document.createElement("li");
    const parts = ["name", "track", "percent"].map((name) => {
      const part = document.createElement("span");
      part.className = name;
      return part;
    });
    parts[0].textContent = parts[0].title = classes[number];
    const fill = document.createElement("span");
    fill.className = "fill";
    parts[1].append(fill);
    bar.append(...parts);
    return { number, bar, fill, percent: parts[2] };
  });
  list.replaceChildren(...bars.map(({ bar }) => bar));
  return (probabilities, best) => {
    for (const { number, bar, fill, percent } of bars) {
      const share = probabilities?.[number] ?? 0;
      fill.style.transform = `scaleX(${share})`;
      percent.textContent = probabilities === null ? "" : percentage(share);
      bar.classList.toggle("is-best", number === best);
      bar.dataset.probability = share;
    }
  };
}

/** 0.98765 -> "98.8 %". */
export function percentage(share) {
  return `${(100 * share).toFixed(1)} %`;
}
