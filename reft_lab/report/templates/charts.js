"use strict";
// Draws every chart of the page. Colours in the specifications are CSS variables, so a change of theme needs no redraw.
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const config = JSON.parse(document.getElementById("look").textContent);
  const formatLocale = JSON.parse(document.getElementById("locale").textContent);
  const options = { actions: false, renderer: "svg", defaultStyle: false, ast: true, config, formatLocale,
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
