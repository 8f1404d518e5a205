"use strict";
// Draws every chart of the page. Colours in the specifications are CSS variables, so a change of theme needs no redraw.
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const font = getComputedStyle(document.body).fontFamily;
  const words = { labelFont: font, titleFont: font, labelFontSize: 11.5, titleFontSize: 11.5, titleFontWeight: 400,
                  labelColor: "var(--muted)", titleColor: "var(--muted)" };
  const config = {
    background: null,
    font,
    padding: { left: 2, right: 8, top: 16, bottom: 2 },
    autosize: { type: "fit-x", contains: "padding", resize: true },
    view: { stroke: null },
    axis: { ...words, gridColor: "var(--line)", domainColor: "var(--line)", tickColor: "var(--line)", tickSize: 4,
            labelPadding: 5, titlePadding: 8, labelOverlap: "greedy" },
    axisX: { grid: false, labelFlush: true, tickCount: { expr: "max(3, floor(width / 90))" } },
    axisY: { domain: false, ticks: false, tickCount: 5, minExtent: 34 },
    text: { font, fontSize: 11.5 },
  };
  const options = { actions: false, renderer: "svg", defaultStyle: false, ast: true, config,
                    tooltip: { disableDefaultStyle: true } };
  const failed = [];
  const drawn = Object.entries(specs).map(([key, spec]) =>
    vegaEmbed(document.getElementById(key), spec, options).catch((error) => {
      failed.push(key);
      document.getElementById(key).textContent = "This chart could not be drawn.";
      console.error(key, error);
    }));
  Promise.all(drawn).then(() => {
    document.documentElement.dataset.charts = failed.length ? "failed" : "drawn";
  });
})();
