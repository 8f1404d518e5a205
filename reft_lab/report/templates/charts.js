"use strict";
// Draws every chart of the page. Colours in the specifications are CSS variables, so a change of theme needs no redraw.
// Curves over the course of training can be zoomed (those on one axis together), smoothed and shown by factors.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  let specs = read("specs");
  let tools = read("tools"); // of the charts whose curves have some
  const options = { actions: false, renderer: "svg", defaultStyle: false, ast: true, config: read("look"),
                    formatLocale: read("locale"), tooltip: { disableDefaultStyle: true } };
  const drawn = {};
  const failed = new Set();
  const zooms = {}; // [from, to] by axis
  const logs = new Set();
  let smoothing = 0;

  const isCurve = (layer) => layer.mark.type === "line" && /^s\d+$/.test(layer.encoding.y?.field);

  // A mean that forgets: each value weighs `smoothing` times as much as the next one.
  const smooth = (rows, from, to) => {
    let sum = 0;
    let weight = 0;
    for (const row of rows) {
      if (typeof row[from] !== "number") continue;
      sum = smoothing * sum + row[from];
      weight = smoothing * weight + 1;
      row[to] = sum / weight;
    }
  };

  const shaped = (key) => {
    const tool = tools[key];
    if (!tool) return specs[key];
    const spec = structuredClone(specs[key]);
    if (logs.has(key)) {
      for (const row of spec.data.values) {
        for (const name of Object.keys(row)) if (/^[slh]\d+$/.test(name) && row[name] <= 0) delete row[name];
      }
      for (const { encoding } of spec.layer) if (encoding.y?.field) encoding.y.scale = { type: "log" };
    }
    if (smoothing) {
      spec.layer = spec.layer.flatMap((layer) => {
        if (!isCurve(layer)) return [layer];
        const name = layer.encoding.y.field;
        smooth(spec.data.values, name, `smooth-${name}`);
        const raw = { ...layer, mark: { ...layer.mark, opacity: 0.25, strokeWidth: 1 } };
        const encoding = { ...layer.encoding, y: { ...layer.encoding.y, field: `smooth-${name}` } };
        return [raw, { ...layer, encoding }];
      });
    }
    const zoom = zooms[tool.group]?.map((place) => place + tool.seam);
    if (zoom) {
      const rows = spec.data.values;
      const inside = rows.map(({ x }) => x >= zoom[0] && x <= zoom[1]);
      // One more on either side, so that curves reach the edges.
      spec.data.values = rows.filter((_, index) => inside[index] || inside[index - 1] || inside[index + 1]);
      spec.layer = spec.layer.filter(({ data }) => data?.values?.[0]?.x === undefined);
      for (const layer of spec.layer) {
        layer.mark.clip = true;
        if (!layer.encoding.x?.field) continue;
        const { values, ...axis } = layer.encoding.x.axis;
        Object.assign(layer.encoding.x, { scale: { domain: zoom, nice: false, zero: false }, axis });
      }
    }
    return spec;
  };

  const draw = async (key) => {
    const place = byId(key);
    try {
      const spec = shaped(key);
      place.style.minHeight = `${place.offsetHeight}px`; // so that the page does not jump
      drawn[key]?.finalize();
      drawn[key] = await vegaEmbed(place, spec, options);
      place.style.minHeight = "";
      failed.delete(key);
    } catch (error) {
      failed.add(key);
      place.textContent = "This chart could not be drawn.";
      console.error(key, error);
    }
  };
  const waiting = new Set();
  let working = false;
  // One after another, those in sight first.
  const redraw = async (keys) => {
    keys.forEach((key) => waiting.add(key));
    if (working || !waiting.size) return;
    working = true;
    const root = document.documentElement;
    delete root.dataset.charts;
    while (waiting.size) {
      const inSight = (key) => {
        const { top, bottom } = byId(key).getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
      };
      const key = [...waiting].find(inSight) ?? [...waiting][0];
      waiting.delete(key);
      await draw(key);
    }
    working = false;
    root.dataset.charts = failed.size ? "failed" : "drawn";
  };

  const all = Object.keys(tools);
  const groups = all.map((key) => tools[key].group);
  // What the bar speaks of: the axis of most charts.
  const size = (group) => groups.filter((each) => each === group).length;
  const main = [...groups].sort((one, other) => size(other) - size(one))[0];
  const end = () => Math.ceil(Math.max(...all.filter((key) => tools[key].group === main)
    .flatMap((key) => specs[key].data.values.map(({ x }) => x - tools[key].seam))));
  const bar = byId("curve-tools");

  const tell = () => {
    if (!bar || !all.length) return;
    for (const id of ["zoom-from", "zoom-to"]) Object.assign(byId(id), { min: 1, max: end() });
    [byId("zoom-from").value, byId("zoom-to").value] = (zooms[main] || [1, end()]).map((place) => Math.round(place));
    byId("zoom-out").disabled = !Object.keys(zooms).length;
  };
  const zoomTo = (group, zoom) => {
    if (zoom) zooms[group] = zoom;
    else delete zooms[group];
    tell();
    redraw(all.filter((key) => tools[key].group === group));
  };

  // Dragging over a curve marks what is to be seen alone. Fingers scroll the page; they have the fields of the bar.
  const draggable = (key) => {
    const plot = byId(key);
    plot.classList.add("curves");
    const at = (clientX) => {
      const { view } = drawn[key];
      const tool = tools[key];
      const svg = plot.querySelector("svg").getBoundingClientRect();
      const inside = Math.max(0, Math.min(view.width(), clientX - svg.left - view.origin()[0]));
      return { place: view.scale("x").invert(inside) - tool.seam, left: svg.left - plot.getBoundingClientRect().left + view.origin()[0] + inside };
    };
    plot.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button || !drawn[key]) return;
      event.preventDefault();
      const start = at(event.clientX);
      const band = Object.assign(document.createElement("div"), { className: "band" });
      plot.append(band);
      const move = ({ clientX }) => {
        const now = at(clientX);
        band.style.left = `${Math.min(start.left, now.left)}px`;
        band.style.width = `${Math.abs(now.left - start.left)}px`;
      };
      const done = ({ clientX, type }) => {
        for (const name of ["pointermove", "pointerup", "pointercancel"]) removeEventListener(name, name === "pointermove" ? move : done);
        band.remove();
        const now = at(clientX);
        if (type === "pointercancel" || Math.abs(now.left - start.left) < 8) return;
        const tool = tools[key];
        const [from, to] = [start.place, now.place].sort((one, other) => one - other);
        // A part of the warm-up has no iterations; what lies before them is left out.
        if (!tool.seam || to >= 1) zoomTo(tool.group, [tool.seam ? Math.max(from, 1) : from, to]);
      };
      addEventListener("pointermove", move);
      addEventListener("pointerup", done);
      addEventListener("pointercancel", done);
    });
    plot.addEventListener("dblclick", () => zoomTo(tools[key].group, null));
  };
  all.forEach(draggable);

  if (bar && all.length) {
    bar.hidden = false;
    byId("zoom-what").textContent = main;
    tell();
    const typed = () => {
      const [from, to] = ["zoom-from", "zoom-to"].map((id) => Number(byId(id).value));
      if (from < to) zoomTo(main, from <= 1 && to >= end() ? null : [from, to]);
    };
    byId("zoom-from").addEventListener("change", typed);
    byId("zoom-to").addEventListener("change", typed);
    byId("zoom-out").addEventListener("click", () => {
      for (const group of Object.keys(zooms)) delete zooms[group];
      zoomTo(main, null);
      redraw(all);
    });
    const slider = byId("smoothing");
    slider.value = 0;
    slider.addEventListener("input", () => {
      smoothing = Number(slider.value);
      byId("smoothing-is").textContent = smoothing ? smoothing.toFixed(2) : "off";
      redraw(all.filter((key) => specs[key].layer.some(isCurve)));
    });
  }
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("button.log");
    if (!button) return;
    const key = button.value;
    if (!logs.delete(key)) logs.add(key);
    button.setAttribute("aria-pressed", logs.has(key));
    redraw([key]);
  });
  document.addEventListener("renewed", () => {
    [specs, tools] = [read("specs"), read("tools")];
    for (const button of document.querySelectorAll("button.log")) {
      button.setAttribute("aria-pressed", logs.has(button.value));
    }
    tell();
    redraw(Object.keys(specs));
  });
  redraw(Object.keys(specs));
})();
