// The base of all charts: ECharts on a canvas, in the page's colours, resized with its box.
//
//   import { chart, palette } from "./charts.js";
//   chart(element, async (colours) => ({ series: [...] }));
//
// The page includes echarts.min.js (deferred, before the module). Tooltips are drawn as rich
// text: HTML ones need inline styles, which the policy refuses, and hostile names stay pixels.

const SERIES = 8;

// Colours of the current theme, from the custom properties of app.css.
export function palette() {
  const probe = document.body.appendChild(document.createElement("i"));
  const value = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    series: Array.from({ length: SERIES }, (_, index) => value(`--series-${index + 1}`)),
    text: value("--text"),
    muted: value("--muted"),
    line: value("--line"),
    surface: value("--surface"),
    accent: value("--accent"),
    failed: value("--failed"),
  };
  probe.remove();
  return colours;
}

function base(colours) {
  const axis = {
    axisLine: { lineStyle: { color: colours.line } },
    axisLabel: { color: colours.muted },
    nameTextStyle: { color: colours.muted },
    splitLine: { lineStyle: { color: colours.line, opacity: 0.4 } },
  };
  return {
    color: colours.series,
    backgroundColor: "transparent",
    textStyle: { color: colours.text, fontFamily: "system-ui, sans-serif" },
    legend: { textStyle: { color: colours.text } },
    valueAxis: axis,
    logAxis: axis,
    categoryAxis: axis,
    timeAxis: axis,
  };
}

// The ends of an axis, moved outward by up to a twentieth: one that followed each new value would
// jump with it and write a number at its end that was never there before, of which the browser
// keeps the shape.
export function rounded(low, high) {
  const step = 10 ** Math.floor(Math.log10(high - low)) / 20;
  return { min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step };
}

// Draw into an element of fixed height. `build(colours)` gives the option and is asked again
// when the theme changes. Returns the ECharts instance.
export async function chart(element, build) {
  const instance = echarts.init(element, base(palette()), { renderer: "canvas" });
  const draw = async () => {
    const option = await build(palette());
    instance.setOption({
      animation: false,
      ...option,
      tooltip: { confine: true, ...option.tooltip, renderMode: "richText" },
    });
  };
  new ResizeObserver(() => instance.resize()).observe(element);
  document.addEventListener("theme", () => {
    instance.setTheme(base(palette()));
    draw();
  });
  await draw();
  return instance;
}

// Calls `draw` at most four times a second, however often something arrives.
export function paced(draw) {
  let waiting = 0;
  return () => {
    waiting ||= setTimeout(() => {
      waiting = 0;
      draw();
    }, 250);
  };
}
