"use strict";
(() => {
  const root = document.documentElement;
  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";

  // "@name" is a colour of the page's theme.
  const coloured = (value, style) => {
    if (typeof value === "string") {
      return value.startsWith("@") ? style.getPropertyValue("--" + value.slice(1)).trim() : value;
    }
    if (Array.isArray(value)) {
      // Long arrays are data.
      return value.length > 64 && typeof value[0] !== "object" ? value : value.map((one) => coloured(one, style));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, style)]));
    }
    return value;
  };

  const draw = (plot) => {
    plot.figure ||= JSON.parse(plot.querySelector("script").textContent);
    const style = getComputedStyle(root);
    const { data, layout } = coloured(plot.figure, style);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const narrow = plot.clientWidth < 560;
    layout.font = { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: narrow ? 11 : 12 };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.hoverlabel = { bgcolor: colour("paper"), bordercolor: colour("ink"), font: { color: colour("ink") } };
    // A finger that scrolls the page must not be caught by the plot: the buttons zoom.
    layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis/.test(key)) Object.assign(layout[key], { gridcolor: colour("grid"), linecolor: colour("rule") });
    }
    if (plot.classList.contains("lanes") && drawn.has(plot)) layout.xaxis.range = [...plot.layout.xaxis.range];
    if (narrow && plot.classList.contains("lanes")) {
      // The legend takes several rows there.
      layout.legend = { ...layout.legend, entrywidth: 110 };
      layout.height += 130;
      layout.margin.t += 130;
    }
    for (const child of plot.querySelectorAll("script")) child.remove();
    drawn.add(plot);
    Plotly.react(plot, data, layout, {
      responsive: true, displaylogo: false, // The page's own buttons can be reached by keyboard, and hide no legend.
      displayModeBar: false,
    });
  };

  // Built when it comes near the view: a closed run costs nothing.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && entry.target.clientWidth) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "600px 0px" });
  for (const plot of plots) watcher.observe(plot);

  const zoom = (plot, how) => {
    if (!drawn.has(plot)) draw(plot);
    const whole = plot.figure.layout.xaxis.range;
    let [a, b] = plot.layout.xaxis.range;
    const width = b - a;
    if (how === "all") [a, b] = whole;
    else if (how === "in") [a, b] = [a + width / 4, b - width / 4];
    else if (how === "out") [a, b] = [a - width / 2, b + width / 2];
    else if (how === "left") [a, b] = [a - width / 4, b - width / 4];
    else if (how === "right") [a, b] = [a + width / 4, b + width / 4];
    else [a, b] = how.split(",").map(Number);
    Plotly.relayout(plot, { "xaxis.range": [a, b] });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) zoom(button.closest("details").querySelector(".lanes"), button.dataset.zoom);
  });

  const toggle = document.getElementById("theme");
  const told = () => {
    toggle.setAttribute("aria-pressed", String(dark()));
    for (const plot of drawn) draw(plot);
  };
  toggle.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    told();
  });
  system.addEventListener("change", told);
  told();
})();
