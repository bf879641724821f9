// Two objectives against each other: all candidates, and those that none beats in both.
import { chart, paced } from "./charts.js";
import { digits, fetchFirst, fetchPoints, follow, joined, pairs } from "./columns.js";
import { nearest, point } from "./near.js";

const figure = document.querySelector("figure.chart[data-campaign]");
const { campaign, base, a, b, aWay, bWay } = figure.dataset;
const until = figure.querySelector("[data-until]");
const names = ["number", "value"];
const [signA, signB] = [aWay, bWay].map((way) => (way === "minimize" ? -1 : 1));

let across;
let up;
let colours;
let dots;

async function load(fetchSome) {
  [across, up] = await Promise.all([a, b].map((metric) => fetchSome(campaign, { metric, names })));
}

await load(fetchFirst);
// Samples of a moment each: they need not be of the same candidates.
if (across.seq !== up.seq || across.every !== up.every) await load(fetchPoints);

// Places that nothing dominates among candidates up to a number.
function front(last) {
  const [xs, ys, numbers] = [across.columns.value, up.columns.value, across.columns.number];
  const known = [];
  for (let place = 0; place < Math.min(across.count, up.count); place += 1) {
    if (numbers[place] <= last && xs[place] === xs[place] && ys[place] === ys[place]) known.push(place);
  }
  known.sort((one, other) => signA * (xs[other] - xs[one]) || signB * (ys[other] - ys[one]));
  const found = [];
  let best = -Infinity;
  for (const place of known) {
    if (signB * ys[place] <= best) continue;
    best = signB * ys[place];
    found.push(place);
  }
  return { known, found };
}

function option() {
  const numbers = across.columns.number;
  let most = 0;
  for (const number of numbers) most = Math.max(most, number);
  const { known, found } = front((most * until.value) / 1000);
  const [xs, ys] = [across.columns.value, up.columns.value];
  dots = { x: xs, y: ys };
  const shown = new Int8Array(numbers.length).fill(-1);
  for (const place of known) shown[place] = 0;
  const [flat] = pairs(numbers.length, 1, (place) => shown[place], xs, ys);
  const axis = (name, way) => ({ type: "value", scale: true, name: `${name} (${way === "minimize" ? "lower" : "higher"} is better)`, axisLine: { onZero: false }, axisLabel: { formatter: digits, hideOverlap: true } });
  const size = known.length > 20000 ? 2 : known.length > 2000 ? 3 : 6;
  return {
    grid: { left: 76, right: 40, top: 34, bottom: 56 },
    xAxis: { ...axis(a, aWay), nameLocation: "middle", nameGap: 30, splitLine: { show: false } },
    yAxis: { ...axis(b, bWay), nameTextStyle: { align: "left", padding: [0, 0, 0, -50] } },
    dataZoom: ["xAxisIndex", "yAxisIndex"].map((name) => ({ type: "inside", [name]: 0, zoomOnMouseWheel: "shift", moveOnMouseMove: "shift", filterMode: "none" })),
    series: [
      { type: "scatter", data: flat, dimensions: ["x", "y"], large: true, largeThreshold: 500, progressive: 0, symbolSize: size, silent: true, itemStyle: { color: colours.muted, opacity: known.length > 2000 ? 0.35 : 0.6 } },
      {
        type: "line", step: signA > 0 ? "start" : "end", silent: true, symbolSize: 8, showSymbol: true,
        data: found.map((place) => [xs[place], ys[place]]).reverse(),
        lineStyle: { width: 2, color: colours.series[0] }, itemStyle: { color: colours.series[0] },
        label: { show: true, position: "right", color: colours.text, formatter: ({ dataIndex }) => `#${numbers[found[found.length - 1 - dataIndex]]}` },
        labelLayout: { hideOverlap: true },
      },
    ],
  };
}

const instance = await chart(figure.querySelector(".canvas"), (palette) => {
  colours = palette;
  return option();
});
const redraw = () => instance.setOption({ animation: false, ...option() }, { replaceMerge: ["series"] });
figure.dataset.count = across.count;
point(instance, figure.querySelector(".readout"), {
  base,
  number: (place) => across.columns.number[place],
  find: (pixel) => nearest(instance, 0, dots, pixel),
  describe: (place, count) =>
    `#${across.columns.number[place]} · ${a} ${digits(dots.x[place])} · ${b} ${digits(dots.y[place])}` + (count > 1 ? ` · and ${count === 8 ? "more" : count - 1} close by` : ""),
});
until.addEventListener("input", paced(redraw));

async function loadAll() {
  await load(fetchPoints);
  redraw();
  figure.dataset.count = across.count;
}

follow(campaign, () => across, paced, async (fresh) => {
  up = joined(up, await fetchPoints(campaign, up.wanted, up.seq));
  across = joined(across, fresh);
  redraw();
  figure.dataset.count = across.count;
}, across.every > 1 ? loadAll() : null);
