// Fill the page.

function showHead() {
  part("title").textContent = document.title;
  const count = runs.length === 1 ? "1 run" : `${formatStep(runs.length)} runs`;
  part("date").textContent = `${count}, ${report.date}`;
  part("statuses").append(
    ...report.statuses.map(([status, number]) => element("li", { class: toneOf(status) }, `${formatStep(number)} ${status}`)),
  );
  const several = report.best.length > 1;
  for (const [subject, sentence] of report.best) {
    const head = several ? `Best by validation, ${subject}: ` : "Best by validation: ";
    part("best").append(element("p", {}, element("b", {}, head), sentence));
  }
  if (several) part("best").append(element("p", { class: "quiet" }, "Metrics of different tasks or datasets are not comparable."));
  part("facts").append(...listOf(report.facts).children);
  part("command").textContent = report.command;
  part("damaged").append(...report.damaged.map((line) => element("p", { class: "warning" }, `Left out: ${line}`)));
}

function showFoot() {
  part("about").hidden = report.notes.length === 0;
  part("notes").append(...report.notes.map((note) => element("p", { class: "quiet" }, note)));
  part("library").textContent = `Plotly.js ${Plotly.version}`;
}

/** Links to the visible sections. */
function showContents() {
  const sections = [...document.querySelectorAll("main section")].filter((section) => !section.hidden);
  part("contents").append(
    ...sections.map((section) => element("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)),
  );
}

showHead();
showResults(showRun);
showDetails();
showCurves();
showParameters(showRun);
showDifferences();
showFoot();
showContents();
