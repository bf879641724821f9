// The tree of those that matter, laid out by the server: number across, lanes down.
import { chart, paced, rounded } from "./charts.js";
import { digits } from "./columns.js";
import { nearest, point } from "./near.js";
import { followSteered, placesOf, RING, rings, told } from "./steered.js";

const figure = document.querySelector("figure.chart[data-campaign]");
const { campaign, base } = figure.dataset;
const focus = Number(figure.dataset.focus ?? -1);
const best = Number(figure.dataset.best ?? -1);
const readout = figure.querySelector(".readout");
const level = figure.querySelector("[data-level]");
const opened = figure.dataset.opened ? figure.dataset.opened.split(",") : [];

let tree;
let steered = new Map(); // number -> commands that a person gave, in its prompt
let places;
let colours;
let instance;

async function load() {
  const query = new URLSearchParams();
  if (focus >= 0) query.append("focus", focus);
  for (const number of opened) query.append("opened", number);
  const answer = await fetch(`/api/campaigns/${encodeURIComponent(campaign)}/lineage?${query}`);
  if (!answer.ok) throw new Error(`lineage: ${answer.status}`);
  tree = await answer.json();
  places = new Map(tree.number.map((number, place) => [number, place]));
}

function line(number) {
  const found = [];
  for (let place = places.get(number); place !== undefined; place = places.get(tree.parent[place])) found.push(place);
  return found;
}

const spot = (place) => [tree.number[place], tree.lane[place]];

// From each node to its parent: along the node's lane, then up where the parent stands.
function segments(chosen) {
  const flat = [];
  for (const place of chosen) {
    const above = places.get(tree.parent[place]);
    if (above === undefined) continue;
    const [x, y] = spot(above);
    flat.push(3, x, y, x, tree.lane[place], ...spot(place));
  }
  return Float64Array.from(flat);
}

function option() {
  const scored = tree.outcomes.indexOf("scored");
  const all = tree.number.map((_, place) => place);
  const groups = {
    scored: all.filter((place) => tree.outcome[place] === scored && !tree.folded[place]),
    folding: all.filter((place) => tree.outcome[place] === scored && tree.folded[place]),
    failed: all.filter((place) => tree.outcome[place] !== scored),
  };
  const ringed = placesOf(steered, tree.number);
  const path = line(best);
  // Without an id: large lines that are merged into the ones before are not drawn.
  const edges = (chosen, more) => {
    const data = segments(chosen);
    if (!data.length) return []; // ECharts cannot draw no lines
    return [{ type: "lines", coordinateSystem: "cartesian2d", polyline: true, large: true, largeThreshold: 0, progressive: 0, silent: true, data, ...more }];
  };
  const size = all.length > 2000 ? 3 : all.length > 400 ? 5 : 7;
  const dot = (id, name, chosen, color, more = {}) => ({ id, name, type: "scatter", silent: true, progressive: 0, symbolSize: size, data: chosen.map(spot), itemStyle: { color }, ...more });
  const label = (formatter) => ({ show: true, position: "top", distance: 2, fontSize: 10, color: colours.muted, formatter });
  return {
    grid: { left: 20, right: 60, top: 34, bottom: 46 },
    xAxis: { type: "value", ...rounded(0, Math.max(1, tree.number[all.length - 1] ?? 1)), name: "number", nameLocation: "middle", nameGap: 26, splitLine: { show: false }, axisLabel: { hideOverlap: true } },
    yAxis: { type: "value", inverse: true, show: false, min: -1, max: Math.max(1, tree.lanes) },
    legend: { top: 0, itemWidth: 14, itemHeight: 10, type: "scroll", data: ["path to the best", "scored", "with others folded away", "failed", "focus", ...(ringed.length ? [RING] : [])] },
    dataZoom: [
      { type: "inside", xAxisIndex: 0, zoomOnMouseWheel: "shift", moveOnMouseMove: "shift", filterMode: "none" },
      { type: "inside", yAxisIndex: 0, zoomOnMouseWheel: "shift", moveOnMouseMove: "shift", filterMode: "none" },
    ],
    series: [
      ...edges(all, { lineStyle: { color: colours.muted, width: 1, opacity: 0.5 } }),
      ...edges(path, { name: "path to the best", lineStyle: { color: colours.series[0], width: 3, opacity: 1 }, itemStyle: { color: colours.series[0] } }),
      dot("failed", "failed", groups.failed, colours.failed, { symbol: "diamond", itemStyle: { color: colours.failed, opacity: 0.5 } }),
      dot("scored", "scored", groups.scored, colours.muted),
      dot("folding", "with others folded away", groups.folding, colours.series[2], { symbol: "roundRect", label: label(({ dataIndex }) => `+${tree.folded[groups.folding[dataIndex]]}`), labelLayout: { hideOverlap: true } }),
      rings("ringed", ringed.map(spot), size, colours),
      dot("focus", "focus", places.has(focus) ? [places.get(focus)] : [], "transparent", { symbolSize: 14, itemStyle: { color: "transparent", borderColor: colours.series[1], borderWidth: 3 } }),
    ],
  };
}

const redraw = () => instance.setOption({ animation: false, ...option() }, { replaceMerge: ["series", "legend"] });

function describe(place) {
  const value = tree.value[place];
  const words = [`#${tree.number[place]}`, value === null ? tree.outcomes[tree.outcome[place]].replaceAll("_", " ") : digits(value)];
  if (tree.parent[place] >= 0) words.push(`from #${tree.parent[place]}`);
  if (tree.folded[place]) {
    const top = tree.folded_best[place];
    words.push(`+${tree.folded[place]} folded away${top === null ? "" : `, best ${digits(top)}`}`);
  }
  words.push(told(steered.get(tree.number[place])));
  return words.filter(Boolean).join(" · ");
}

await load();
instance = await chart(figure.querySelector(".canvas"), (palette) => {
  colours = palette;
  return option();
});
figure.dataset.count = tree.number.length;

// The server reads a large campaign in parts, when it is first asked for it.
async function loadRest() {
  const all = level.textContent;
  while (!tree.complete) {
    level.textContent = `Of the first ${tree.total} candidates so far.`;
    await load();
    redraw();
    figure.dataset.count = tree.number.length;
  }
  level.textContent = all;
}
loadRest();

async function open(place) {
  const number = tree.number[place];
  opened.push(String(number));
  const address = new URL(location.href);
  address.searchParams.append("opened", number);
  history.replaceState(null, "", address);
  await load();
  redraw();
  figure.dataset.count = tree.number.length;
  const link = document.createElement("a");
  link.href = `${base}/${number}`;
  link.textContent = `#${number}`;
  readout.replaceChildren("Opened: ", link);
}

point(instance, readout, {
  base,
  number: (place) => tree.number[place],
  describe,
  find: (pixel) => nearest(instance, 0, { x: tree.number, y: tree.lane }, pixel).slice(0, 1),
  take: (place) => tree.folded[place] && !opened.includes(String(tree.number[place])) && opened.length < 19 ? open(place) : null,
});
document.addEventListener(
  "events",
  paced(async () => {
    await load();
    redraw();
  }),
);
followSteered(campaign, paced, (found) => {
  steered = found;
  if (found.size) redraw();
  figure.dataset.steered = found.size;
});
