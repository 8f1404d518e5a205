"use strict";
// Draws Optuna's pictures with plotly, which takes no CSS variables: a change of theme draws them anew.
// Parallel coordinates are always on white, which is what plotly paints behind their lines.
(() => {
  const { pictures, looks } = JSON.parse(document.getElementById("content").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const look = (data) => (dark.matches && !data.some(({ type }) => type === "parcoords") ? looks.dark : looks.light);
  const draw = () => pictures.forEach(({ data, layout }, number) =>
    Plotly.react(`picture-${number}`, data, { ...layout, template: look(data) }, { displaylogo: false, responsive: true }));
  dark.addEventListener("change", draw);
  draw();
})();
