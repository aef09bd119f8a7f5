// Tables that are sorted by their headings, and have pages.

const ROWS_OF_A_PAGE = 100;

/** Orders two cells; what has no value stands last, whichever way. */
function compare([, one], [, other], direction) {
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one === "number" && typeof other === "number") return direction * (one - other);
  return direction * String(one).localeCompare(String(other), "en", { numeric: true });
}

/** A table {columns, rows, numbers} with headings that sort it; `chosen` is called with a run's number. */
function sortableTable(table, chosen) {
  const order = table.rows.map((_, place) => place);
  const state = { column: null, direction: 1, page: 0 };
  const body = element("tbody");
  const place = element("span", { class: "quiet" });
  const back = element("button", { onclick: () => turn(-1), "aria-label": "previous rows" }, "‹");
  const on = element("button", { onclick: () => turn(1), "aria-label": "next rows" }, "›");
  const pager = element("div", { class: "pager" }, back, place, on);

  const headings = table.columns.map(([name, kind], column) => {
    // A long key may be broken behind its section.
    const words = name.split(/(?<=\.)/).flatMap((word, place) => (place ? [element("wbr"), word] : [word]));
    const button = element("button", { onclick: () => sort(column) }, ...words);
    return element("th", { scope: "col", class: kind, "aria-sort": "none" }, button);
  });

  function sort(column) {
    // The best first: of accuracies the highest.
    const first = isShare(table.columns[column][0]) ? -1 : 1;
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
    const first = state.page * ROWS_OF_A_PAGE;
    const shown = order.slice(first, first + ROWS_OF_A_PAGE);
    body.replaceChildren(
      ...shown.map((row) => element("tr", {}, ...table.columns.map((_, column) => cell(row, column)))),
    );
    place.textContent = `rows ${first + 1}–${first + shown.length} of ${formatStep(order.length)}`;
    back.disabled = state.page === 0;
    on.disabled = first + shown.length >= order.length;
    pager.hidden = order.length <= ROWS_OF_A_PAGE;
    pager.style.display = pager.hidden ? "none" : "";
  }

  fill();
  const head = element("thead", {}, element("tr", {}, ...headings));
  const box = element("div", { class: "box", tabindex: "0", role: "region", "aria-label": "table" });
  box.append(element("table", {}, head, body));
  return element("div", {}, box, pager);
}

/** `finished`, or `diverged: why`, with the reason under it. */
function statusCell(text) {
  const [status] = text.split(": ", 1);
  const reason = text.slice(status.length + 2);
  const cell = element("td", {}, element("span", { class: `status ${toneOf(status)}` }, status));
  if (reason) cell.append(element("span", { class: "reason" }, reason));
  return cell;
}

/** The table of results, and beside it the one over seeds where there is one. */
function showResults(chosen) {
  const place = part("results-table");
  place.replaceChildren(sortableTable(report.table, chosen));
  if (report.seeds === null) return;
  const tables = { "each run": report.table, "over seeds, mean ± deviation": report.seeds };
  const changed = (name) => place.replaceChildren(sortableTable(tables[name], chosen));
  part("results-controls").append(choice("rows", Object.keys(tables), changed));
}

const MOST_COLUMNS = 50; // runs in the table of differences

/** The keys in which runs differ: a row a key, a column a run. */
function showDifferences() {
  if (runs.length < 2 || report.keys.length === 0) return;
  const shown = runs.slice(0, MOST_COLUMNS);
  const sorted = (value) => (value === undefined ? null : typeof value === "number" ? value : formatValue(value));
  const rows = report.keys.map((key) => [
    [key, key],
    ...shown.map(({ own }) => [Object.hasOwn(own, key) ? formatValue(own[key]) : "–", sorted(ownOf(own, key))]),
  ]);
  const columns = [["key", "key"], ...shown.map((run) => [run.name, "text"])];
  part("differences-table").append(sortableTable({ columns, rows, numbers: [] }, () => {}));
  if (shown.length < runs.length) {
    const note = `The best ${shown.length} of ${formatStep(runs.length)} runs; each run's own config is below.`;
    part("differences-table").append(element("p", { class: "quiet" }, note));
  }
  part("differences").hidden = false;
}
