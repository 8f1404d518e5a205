"use strict";
// The table of test problems. Rows are made as they are asked for, and what a row holds when it is opened. Everything
// that comes from the run is set as text, never as HTML.
(() => {
  const content = JSON.parse(document.getElementById("problems").textContent);
  if (!content) return;
  const outcomes = JSON.parse(document.getElementById("outcomes").textContent);
  const byId = (id) => document.getElementById(id);
  const AT_ONCE = 20;
  const ANY = "";
  const labels = byId("problem-list").dataset;
  const problems = content.problems;
  const right = (answered) => answered.outcome === "correct";
  for (const problem of problems) {
    if (problem.before === "same") problem.before = problem.after;
    const { before, after } = problem;
    problem.change = before && (right(after) ? (right(before) ? "both" : "gained") : right(before) ? "lost" : "neither");
    problem.text = [problem.id, problem.question, problem.gold, problem.reasoning, after.answer, after.response,
                    before && before.answer, before && before.response].join("\n").toLowerCase();
  }
  const changes = { gained: "became right", lost: "became wrong", both: "right both times", neither: "wrong both times" };

  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const named = (kind) => outcomes[kind] || kind;

  const choices = (select, values, all) => {
    if (!select) return;
    select.append(make("option", { value: ANY, textContent: `${all} (${problems.length})` }));
    for (const [value, label, count] of values) {
      if (count) select.append(make("option", { value, textContent: `${label} (${count})` }));
    }
    select.addEventListener("change", list);
  };

  const badge = (answered, className) => {
    const element = make("span", { className: `answered ${className}` });
    if (!answered) return element;
    const mark = make("span", { className: "outcome", textContent: answered.answer ?? named(answered.outcome) });
    mark.style.setProperty("--key", `var(--${/^\w+$/.test(answered.outcome) ? answered.outcome : "other"})`);
    mark.title = named(answered.outcome);
    element.append(mark);
    return element;
  };

  const block = (title, text, ...more) =>
    make("div", {}, make("h4", { textContent: title }), ...more,
      ...(text ? [make("pre", { textContent: text })] : []));

  const answer = (title, problem, answered) => {
    const whole = answered.response !== undefined && /^def[ \t]+solution\b/m.test(answered.response);
    const text = answered.response === undefined ? ""
      : (problem.head && !whole ? `${problem.head}\n` : "") + (answered.response || "(nothing)");
    const verdict = badge(answered, "");
    verdict.firstChild.textContent = named(answered.outcome);
    const told = answered.answer === undefined ? answered.detail || "no answer"
      : `${content.is_program ? "returned" : "answer"} ${answered.answer}${answered.detail ? `; ${answered.detail}` : ""}`;
    return block(title, text, make("p", { className: "told" }, verdict, ` ${told}`));
  };

  const open = (details, problem) => {
    if (details.children.length > 1) return;
    const parts = [block(`gold: ${problem.gold}`, problem.reasoning)];
    if (problem.before) parts.push(answer(labels.before, problem, problem.before));
    parts.push(answer(labels.after, problem, problem.after));
    details.append(
      make("p", { className: "asked", textContent: problem.question }),
      make("div", { className: "parts" }, ...parts),
      make("p", { className: "hint", textContent: problem.id }));
  };

  const row = (problem) => {
    const cells = [make("span", { className: "question", textContent: problem.question }),
                   make("span", { className: "gold", textContent: problem.gold ?? "" })];
    if (labels.before) cells.push(badge(problem.before, "before"));
    cells.push(badge(problem.after, "after"));
    const details = make("details", { className: `problem ${problem.change || ""}` }, make("summary", {}, ...cells));
    details.dataset.id = problem.id;
    details.addEventListener("toggle", () => { if (details.open) open(details, problem); });
    return details;
  };

  let found = [];
  let shown = 0;
  const more = () => {
    const next = found.slice(shown, shown + AT_ONCE);
    byId("problem-list").append(...next.map(row));
    shown += next.length;
    const left = found.length - shown;
    byId("problem-more").hidden = !left;
    byId("problem-more").textContent = `Show ${Math.min(AT_ONCE, left)} more`;
    byId("problem-count").textContent = `${found.length} of ${problems.length} problems` +
      (left ? `, the first ${shown} below` : "");
  };
  const list = () => {
    const words = byId("problem-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = byId("problem-outcome").value;
    const change = byId("problem-change") ? byId("problem-change").value : ANY;
    found = problems.filter((problem) =>
      (outcome === ANY || problem.after.outcome === outcome) && (change === ANY || problem.change === change) &&
      words.every((word) => problem.text.includes(word)));
    byId("problem-list").replaceChildren();
    shown = 0;
    more();
  };

  const count = (is) => problems.filter(is).length;
  choices(byId("problem-outcome"), [...new Set([...Object.keys(outcomes), ...problems.map(({ after }) => after.outcome)])]
    .map((kind) => [kind, named(kind), count(({ after }) => after.outcome === kind)]), "any outcome");
  choices(byId("problem-change"),
    Object.entries(changes).map(([key, label]) => [key, label, count(({ change }) => change === key)]), "anything");
  byId("problem-search").addEventListener("input", list);
  byId("problem-more").addEventListener("click", more);
  list();
})();
