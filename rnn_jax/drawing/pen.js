// Strokes by mouse, finger or stylus, and the ink they leave.

/**
 * Make a canvas to draw on.
 *
 * Strokes are kept as points relative to the canvas's longer side, so that they can be undone, and drawn once at
 * the screen's resolution and once for the network.
 *
 * size: {height, width} of the ink in pixels. brush: () -> thickness as a share of the longer side.
 * changed: (isDown) is called after each change; isDown: the pen still touches the canvas.
 */
export function createPen(canvas, size, brush, changed) {
  const longer = Math.max(size.height, size.width);
  const sheet = new OffscreenCanvas(size.width, size.height).getContext("2d", { willReadFrequently: true });
  const screen = canvas.getContext("2d");
  let strokes = [];
  let pointer = null;

  function paint(context, scale, colour) {
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.strokeStyle = colour;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.lineWidth = stroke.brush * scale;
      context.stroke(curve(stroke.points, scale));
    }
  }

  function paintScreen() {
    paint(screen, Math.max(canvas.width, canvas.height), getComputedStyle(canvas).color);
  }

  function fitScreen() {
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round((canvas.width * size.height) / size.width);
    paintScreen();
  }

  function change(next, isDown) {
    strokes = next;
    paintScreen();
    changed(isDown);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    const scale = Math.max(box.width, box.height);
    return [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return; // ignore a second finger
    event.preventDefault();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    change([...strokes, { brush: brush(), points: [place(event)] }], true);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    // Browsers dispatch one event per frame; the pen may have passed more points.
    const all = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).points.push(...(all.length ? all : [event]).map(place));
    change(strokes, true);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      change(strokes, false);
    });
  }
  new ResizeObserver(fitScreen).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintScreen);
  canvas.style.aspectRatio = `${size.width} / ${size.height}`;
  fitScreen();

  return {
    get isEmpty() { return strokes.length === 0; },
    get isDown() { return pointer !== null; },
    undo() { if (pointer === null && strokes.length) change(strokes.slice(0, -1), false); },
    clear() { if (pointer === null && strokes.length) change([], false); },
    /** The ink of each pixel, from 0 to 255, row by row. */
    ink() {
      paint(sheet, longer, "black");
      const { data } = sheet.getImageData(0, 0, size.width, size.height);
      return Uint8Array.from({ length: data.length / 4 }, (_, pixel) => data[4 * pixel + 3]); // opacity
    },
  };
}

/** A smooth curve through the midpoints of successive points. */
function curve(points, scale) {
  const path = new Path2D();
  const at = points.map(([x, y]) => [x * scale, y * scale]);
  path.moveTo(...at[0]);
  for (let number = 1; number < at.length - 1; number += 1) {
    const [[x, y], [nextX, nextY]] = [at[number], at[number + 1]];
    path.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  path.lineTo(...at.at(-1));
  return path;
}
