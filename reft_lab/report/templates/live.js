"use strict";
// Keeps the page of something that runs up to date, where `reft serve` serves it. How far it is costs next to nothing and
// is asked every few seconds; the page itself takes the server a while, so it is asked for now and then. Its parts are
// exchanged in place: where the reader is, what is zoomed and what is open stays.
(() => {
  const LOOK = 5; // seconds between two looks
  const RENEW = 30; // and between two pages at least,
  const SHARE = 20; // which may take the server this part of the time
  const byId = (id) => document.getElementById(id);
  let { page } = JSON.parse(byId("live").textContent);
  let due = Date.now() + 1000 * RENEW;
  let busy = false;

  const parts = (from) => [...from.querySelectorAll("[data-live]")];
  const shape = (from) => [...from.querySelectorAll("section, .plot, #token-view, #problem-table, [data-live]")]
    .map(({ id }) => id).join(" ");

  const renew = async () => {
    const began = Date.now();
    const answer = await fetch(location.pathname, { cache: "no-cache" });
    if (!answer.ok) throw new Error(answer.statusText);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    // It has ended, or has come to what the page had no place for.
    if (!next.getElementById("live") || shape(next) !== shape(document)) return location.reload();
    const others = parts(next);
    parts(document).forEach((part, index) => {
      const other = others[index];
      for (const plot of other.querySelectorAll(".plot")) {
        const drawn = byId(plot.id);
        drawn.setAttribute("aria-label", plot.getAttribute("aria-label"));
        plot.replaceWith(drawn);
      }
      const scrolled = [...part.querySelectorAll(".box")].map(({ scrollLeft }) => scrollLeft);
      part.replaceWith(other);
      other.querySelectorAll(".box").forEach((box, place) => { box.scrollLeft = scrolled[place] ?? 0; });
    });
    for (const data of document.querySelectorAll("script[type='application/json']")) {
      data.textContent = next.getElementById(data.id).textContent;
    }
    document.title = next.title;
    ({ page } = JSON.parse(byId("live").textContent));
    due = Date.now() + Math.max(1000 * RENEW, SHARE * (Date.now() - began));
    document.dispatchEvent(new Event("renewed"));
  };

  const look = async (asked) => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const now = await (await fetch("now.json", { cache: "no-store" })).json();
      byId("standing").textContent = now.standing;
      if (now.page !== page && (asked || !now.running || Date.now() >= due)) await renew();
    } catch {
      byId("standing").textContent = "reft serve does not answer, so this page stays as it is.";
    }
    busy = false;
  };
  byId("renew").addEventListener("click", () => look(true));
  document.addEventListener("visibilitychange", () => look(false));
  setInterval(() => look(false), 1000 * LOOK);
  look(false);
})();
