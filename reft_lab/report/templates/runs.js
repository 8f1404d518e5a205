// The table of runs: filtered by words, sorted by a column, made anew while something runs. What was chosen is in the
// address, so that it outlives a reload and can be sent to somebody.
(() => {
  "use strict";
  const SECONDS = [60, 15]; // between two looks, and while runs are at work
  const live = JSON.parse(document.getElementById("live").textContent);
  const table = document.getElementById("runs");
  const words = document.getElementById("words");
  const again = () => setTimeout(() => {
    if (document.hidden || (words && document.activeElement === words)) again();
    else location.reload();
  }, SECONDS[Number(live.running > 0)] * 1000);
  again();
  if (!table) return;

  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells].filter((head) => head.dataset.key);
  const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const sort = document.getElementById("sort");
  const chosen = new URLSearchParams(location.hash.slice(1));
  const numeric = new Set(["step", "dev", "test", "age"]);
  let key = heads.some((head) => head.dataset.key === chosen.get("sort")) ? chosen.get("sort") : "age";
  let turned = chosen.get("turned") === "1"; // largest and newest come first, words by the alphabet, unless turned

  const compare = (column) => (a, b) => {
    const [x, y] = [a.row.cells[column], b.row.cells[column]];
    if (!numeric.has(key)) {
      return x.textContent.localeCompare(y.textContent, "en", { numeric: true }) * (turned ? -1 : 1);
    }
    const [p, q] = [x.dataset.value, y.dataset.value];
    if (p === "" || q === "") return (p === "") - (q === ""); // what is not known comes last
    return (Number(q) - Number(p)) * (turned ? -1 : 1);
  };

  const order = () => {
    const column = heads.findIndex((head) => head.dataset.key === key);
    rows.sort(compare(column));
    body.append(...rows.map((each) => each.row));
    heads.forEach((head, index) => {
      if (index !== column) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", (numeric.has(key) && key !== "age") === turned ? "ascending" : "descending");
    });
    sort.value = [...sort.options].some((option) => option.value === key) ? key : "";
  };

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = wanted.length ? `${shown} of ${rows.length}` : "";
    document.getElementById("nothing").hidden = shown > 0;
  };

  const remember = () => {
    const kept = new URLSearchParams();
    if (words.value) kept.set("words", words.value);
    if (key !== "age") kept.set("sort", key);
    if (turned) kept.set("turned", "1");
    history.replaceState(null, "", `${location.pathname}${kept.size ? `#${kept}` : ""}`);
  };

  const choose = (next) => {
    turned = next === key && !turned;
    key = next;
    order();
    remember();
  };

  heads.forEach((head) => head.firstElementChild.addEventListener("click", () => choose(head.dataset.key)));
  sort.addEventListener("change", () => choose(sort.value));
  words.form.addEventListener("submit", (event) => event.preventDefault());
  words.addEventListener("input", () => { filter(); remember(); });

  const ages = () => { // as `reft runs` writes them
    for (const { row } of rows) {
      const cell = row.querySelector('[data-label="age"]');
      if (cell.dataset.value === "") continue;
      const seconds = Math.max(0, Date.now() / 1000 - Number(cell.dataset.value));
      const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find((each) => seconds >= each[1]) ?? ["s", 1];
      cell.textContent = `${Math.floor(seconds / length)} ${unit}`;
    }
  };

  words.value = chosen.get("words") ?? "";
  ages();
  setInterval(ages, 20000);
  order();
  filter();
})();
