// Tables with headings that sort them, and pages.

const PAGE_ROWS = 100;

/** Compare two cells; those without a value are last in both directions. */
function compare([, one], [, other], direction) {
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one === "number" && typeof other === "number") return direction * (one - other);
  return direction * String(one).localeCompare(String(other), "en", { numeric: true });
}

/** A table {columns, rows, numbers} with headings that sort it; `chosen` is called with a run's index. */
function sortableTable(table, chosen) {
  const order = table.rows.map((_, place) => place);
  const state = { column: null, direction: 1, page: 0 };
  const body = element("tbody");
  const place = element("span", { class: "quiet" });
  const back = element("button", { onclick: () => turn(-1), "aria-label": "previous rows" }, "‹");
  const next = element("button", { onclick: () => turn(1), "aria-label": "next rows" }, "›");
  const pager = element("div", { class: "pager" }, back, place, next);

  const headings = table.columns.map(([name, kind], column) => {
    // Long keys may wrap after dots.
    const words = name.split(/(?<=\.)/).flatMap((word, place) => (place ? [element("wbr"), word] : [word]));
    const button = element("button", { onclick: () => sort(column) }, ...words);
    return element("th", { scope: "col", class: kind, "aria-sort": "none" }, button);
  });

  function sort(column) {
    const first = table.columns[column][2] ? -1 : 1; // the best first, if that is known
    state.direction = state.column === column ? -state.direction : first;
    Object.assign(state, { column, page: 0 });
    order.sort((one, other) => compare(table.rows[one][column], table.rows[other][column], state.direction) || one - other);
    headings.forEach((heading, number) => {
      const way = state.direction > 0 ? "ascending" : "descending";
      heading.setAttribute("aria-sort", number === column ? way : "none");
    });
    fill();
  }

  function turn(pages) {
    state.page += pages;
    fill();
  }

  function cell(row, column) {
    const [text] = table.rows[row][column];
    const [name, kind] = table.columns[column];
    if (kind === "run") {
      const link = element("button", { class: "link", title: text, onclick: () => chosen(table.numbers[row]) }, text);
      return element("th", { scope: "row" }, link);
    }
    if (name === "status") return statusCell(text);
    return element("td", { class: kind, title: text }, text);
  }

  function fill() {
    const first = state.page * PAGE_ROWS;
    const shown = order.slice(first, first + PAGE_ROWS);
    body.replaceChildren(
      ...shown.map((row) => element("tr", {}, ...table.columns.map((_, column) => cell(row, column)))),
    );
    place.textContent = `rows ${first + 1}–${first + shown.length} of ${formatStep(order.length)}`;
    back.disabled = state.page === 0;
    next.disabled = first + shown.length >= order.length;
    pager.hidden = order.length <= PAGE_ROWS;
    pager.style.display = pager.hidden ? "none" : "";
  }

  fill();
  const head = element("thead", {}, element("tr", {}, ...headings));
  const box = element("div", { class: "box", tabindex: "0", role: "region", "aria-label": "table" });
  box.append(element("table", {}, head, body));
  return element("div", {}, box, pager);
}

/** A status such as `finished`, or `diverged: reason` with the reason below it. */
function statusCell(text) {
  const [status] = text.split(": ", 1);
  const reason = text.slice(status.length + 2);
  const cell = element("td", {}, element("span", { class: `status ${toneOf(status)}` }, status));
  if (reason) cell.append(element("span", { class: "reason" }, reason));
  return cell;
}

/** The table of results, and a choice of the one over seeds if there is one. */
function showResults(chosen) {
  const place = part("results-table");
  place.replaceChildren(sortableTable(report.table, chosen));
  if (report.seeds === null) return;
  const tables = { "each run": report.table, "over seeds, mean ± deviation": report.seeds };
  const changed = (name) => place.replaceChildren(sortableTable(tables[name], chosen));
  part("results-controls").append(choice("rows", Object.keys(tables), changed));
}

const MAX_COLUMNS = 50; // runs in the table of differences

/** The keys in which runs differ: a row per key, a column per run. */
function showDifferences() {
  if (runs.length < 2 || report.keys.length === 0) return;
  const shown = runs.slice(0, MAX_COLUMNS);
  const sorted = (value) => (value === undefined ? null : typeof value === "number" ? value : formatValue(value));
  const rows = report.keys.map((key) => [
    [key, key],
    ...shown.map(({ own }) => [Object.hasOwn(own, key) ? formatValue(own[key]) : "–", sorted(ownOf(own, key))]),
  ]);
  const columns = [["key", "key", false], ...shown.map((run) => [run.name, "text", false])];
  part("differences-table").append(sortableTable({ columns, rows, numbers: [] }, () => {}));
  if (shown.length < runs.length) {
    const note = `The best ${shown.length} of ${formatStep(runs.length)} runs; each run's config is below.`;
    part("differences-table").append(element("p", { class: "quiet" }, note));
  }
  part("differences").hidden = false;
}
