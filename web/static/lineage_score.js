// All candidates by number and score; edges of the path to the best and of one family.
import { chart, paced, rounded } from "./charts.js";
import { digits, fetchFirst, fetchPoints, follow, joined, pairs } from "./columns.js";
import { nearest, point } from "./near.js";
import { followSteered, placesOf, RING, rings, told as toldOf } from "./steered.js";

const ALL_EDGES = 5000; // above, only those of what is in sight
const MOST_CHILDREN = 500;
const FAMILY = ["ancestors", "children", "focus"]; // what the pointer changes

const figure = document.querySelector("figure.chart[data-campaign]");
const { campaign, base, direction, objective } = figure.dataset;
const allEdges = figure.querySelector("[data-edges]");
const level = figure.querySelector("[data-level]");
const wanted = { names: ["number", "value", "parent", "outcome", "record", "operator"] };

let points = await fetchFirst(campaign, wanted);
let places; // number -> place in the columns, -1 if unknown
let focus = figure.dataset.focus === undefined ? -1 : Number(figure.dataset.focus);
let colours;
let instance;
let dots;

function index() {
  const { number } = points.columns;
  let most = 0;
  for (const found of number) most = Math.max(most, found);
  places = new Int32Array(most + 1).fill(-1);
  for (let place = 0; place < points.count; place += 1) places[number[place]] = place;
}

const placeOf = (number) => (number >= 0 && number < places.length ? places[number] : -1);
const drawn = (place) => points.columns.value[place] === points.columns.value[place];
const spot = (place) => [points.columns.number[place], points.columns.value[place]];

// Places of a candidate and its main ancestors, up to the first one.
function line(number) {
  const found = [];
  for (let place = placeOf(number); place >= 0; ) {
    found.push(place);
    const parent = points.columns.parent[place];
    if (parent >= points.columns.number[place]) break; // a file from elsewhere may claim a circle
    place = placeOf(parent);
  }
  return found;
}

function childrenOf(number) {
  const found = [];
  const { parent } = points.columns;
  for (let place = points.count - 1; place >= 0 && found.length < MOST_CHILDREN; place -= 1) {
    if (parent[place] === number && drawn(place)) found.push(place);
  }
  return found;
}

function best() {
  let found = -1;
  for (let place = 0; place < points.count; place += 1) if (points.columns.record[place]) found = place;
  return found < 0 ? -1 : points.columns.number[found];
}

function edges() {
  const { number, parent } = points.columns;
  const [low, high] = inSight();
  const flat = [];
  for (let place = 0; place < points.count; place += 1) {
    const above = placeOf(parent[place]);
    if (above < 0 || !drawn(place) || !drawn(above)) continue;
    if (points.count > ALL_EDGES && (number[place] < low || number[above] > high)) continue;
    flat.push(2, ...spot(above), ...spot(place));
  }
  return Float64Array.from(flat);
}

function inSight() {
  const model = instance?.getModel().getComponent("xAxis", 0);
  return model ? model.axis.scale.getExtent() : [-Infinity, Infinity];
}

// Those of a path whose labels have room, the latest first.
function apart(path) {
  const { number } = points.columns;
  const room = places.length / 10;
  const told = new Set();
  let last = Infinity;
  for (const place of path) {
    if (last - number[place] < room) continue;
    told.add(place);
    last = number[place];
  }
  return told;
}

let steered = new Map(); // number -> commands that a person gave, in its prompt
let flat; // pairs of what is drawn, while the points stay
let flatOf;

function dotted() {
  if (flatOf === points) return flat;
  const lane = new Float32Array(points.count);
  for (let place = 0; place < points.count; place += 1) lane[place] = drawn(place) ? NaN : 0;
  const { number, value } = points.columns;
  dots = { x: number, y: value, lane };
  const [scored] = pairs(points.count, 1, (place) => (drawn(place) ? 0 : -1), number, value);
  const [failed] = pairs(points.count, 1, (place) => (drawn(place) ? -1 : 0), number, lane);
  flat = [scored, failed];
  flatOf = points;
  return flat;
}

function option() {
  const { number, value, operator } = points.columns;
  const [scored, failed] = dotted();
  const size = points.count > 20000 ? 2 : points.count > 2000 ? 3 : 5;
  const ringed = placesOf(steered, number);
  const joins = allEdges?.checked ? edges() : []; // ECharts cannot draw no lines
  const path = line(best()).filter(drawn);
  const told = apart(path);
  const family = focus === best() ? [] : line(focus).filter(drawn);
  const children = childrenOf(focus);
  const here = placeOf(focus);
  const label = (place) => `#${number[place]} ${points.operators[operator[place]] ?? ""}`;
  const xAxis = { type: "value", ...rounded(0, Math.max(1, places.length - 1)), splitLine: { show: false } };
  // Without an id: large lines that are merged into the ones before are not drawn.
  const haze = { type: "lines", coordinateSystem: "cartesian2d", polyline: false, large: true, largeThreshold: 0, progressive: 0, silent: true };
  const dot = { type: "scatter", dimensions: ["x", "y"], large: true, largeThreshold: 500, progressive: 0, silent: true };
  return {
    grid: [
      { left: 76, right: 40, top: 30, bottom: 76 },
      { left: 76, right: 40, height: 14, bottom: 50 },
    ],
    xAxis: [
      { ...xAxis, axisLabel: { show: false }, axisTick: { show: false }, axisLine: { onZero: false } },
      { ...xAxis, gridIndex: 1, name: "number", nameLocation: "middle", nameGap: 26, axisLabel: { hideOverlap: true } },
    ],
    yAxis: [
      { type: "value", scale: true, name: `${objective} (${direction === "minimize" ? "lower" : "higher"} is better)`, nameTextStyle: { align: "left", padding: [0, 0, 0, -50] }, axisLabel: { formatter: digits } },
      { gridIndex: 1, type: "category", data: ["failed"], axisTick: { show: false } },
    ],
    legend: { top: 0, itemWidth: 18, itemHeight: 8, right: 30, left: 200, type: "scroll", data: ["path to the best", "ancestors of the focus", "children of the focus", ...(ringed.length ? [RING] : [])] },
    dataZoom: [
      { type: "inside", xAxisIndex: [0, 1], zoomOnMouseWheel: "shift", moveOnMouseMove: "shift", filterMode: "none" },
      { type: "inside", yAxisIndex: 0, zoomOnMouseWheel: "shift", moveOnMouseMove: "shift", filterMode: "none" },
    ],
    series: [
      { ...dot, id: "scored", data: scored, symbolSize: size, itemStyle: { color: colours.muted, opacity: points.count > 2000 ? 0.35 : 0.6 } },
      { ...dot, id: "failed", xAxisIndex: 1, yAxisIndex: 1, data: failed, symbol: "rect", symbolSize: size > 3 ? [3, 9] : size, itemStyle: { color: colours.failed, opacity: 0.35 } },
      ...(joins.length ? [{ ...haze, data: joins, lineStyle: { color: colours.muted, width: 1, opacity: 0.15 } }] : []),
      {
        id: "path", name: "path to the best", type: "line", silent: true, symbolSize: 6,
        data: path.map((place) => ({ value: spot(place), label: number[place] ? {} : { position: [8, -20] } })),
        lineStyle: { width: 3, color: colours.series[0] }, itemStyle: { color: colours.series[0] },
        showSymbol: true,
        label: { show: true, position: "top", color: colours.text, formatter: ({ dataIndex }) => (told.has(path[dataIndex]) ? label(path[dataIndex]) : "") },
      },
      {
        id: "ancestors", name: "ancestors of the focus", type: "line", silent: true, data: family.map(spot), symbolSize: 5, showSymbol: true,
        lineStyle: { width: 1.5, color: colours.series[1] }, itemStyle: { color: colours.series[1] },
      },
      {
        id: "children", name: "children of the focus", type: "lines", coordinateSystem: "cartesian2d", silent: true,
        data: here >= 0 && drawn(here) ? children.map((place) => ({ coords: [spot(here), spot(place)] })) : [],
        lineStyle: { color: colours.series[2], width: 1, opacity: children.length > 50 ? 0.2 : 0.7 }, itemStyle: { color: colours.series[2] },
      },
      rings("ringed", ringed.filter(drawn).map(spot), size, colours),
      { ...rings("ringed below", ringed.filter((place) => !drawn(place)).map((place) => [number[place], 0]), 2, colours), xAxisIndex: 1, yAxisIndex: 1 },
      {
        id: "focus", type: "scatter", silent: true, symbolSize: 14, data: here >= 0 && drawn(here) ? [spot(here)] : [],
        itemStyle: { color: "transparent", borderColor: colours.series[1], borderWidth: 3 },
      },
    ],
  };
}

const redraw = () => instance.setOption({ animation: false, ...option() }, { replaceMerge: ["series", "legend"] });

index();
instance = await chart(figure.querySelector(".canvas"), (palette) => {
  colours = palette;
  return option();
});
figure.dataset.count = points.count;

const own = focus;
const showFamily = paced(() => {
  instance.setOption({ series: option().series.filter(({ id }) => FAMILY.includes(id)) });
});
point(instance, figure.querySelector(".readout"), {
  base,
  number: (place) => points.columns.number[place],
  find: (pixel) => {
    let found = nearest(instance, 0, dots, pixel);
    if (!found.length) found = nearest(instance, 1, { x: dots.x, y: dots.lane }, pixel);
    const next = found.length && drawn(found[0]) ? points.columns.number[found[0]] : own;
    if (next !== focus) {
      focus = next;
      showFamily();
    }
    return found;
  },
  describe: (place, count) => {
    const { number, value, outcome, parent, operator } = points.columns;
    const words = [`#${number[place]}`, drawn(place) ? digits(value[place]) : points.outcomes[outcome[place]].replaceAll("_", " ")];
    words.push(points.operators[operator[place]] ?? "");
    if (parent[place] >= 0) words.push(`from #${parent[place]}`);
    if (count > 1) words.push(`and ${count === 8 ? "more" : count - 1} close by`);
    words.push(toldOf(steered.get(number[place])));
    return words.filter(Boolean).join(" · ");
  },
});
allEdges?.addEventListener("change", redraw);
instance.on("datazoom", paced(() => allEdges?.checked && points.count > ALL_EDGES && redraw()));

async function loadAll() {
  const all = level.textContent;
  level.textContent = `Every ${points.every}th candidate so far, and each best.`;
  points = await fetchPoints(campaign, wanted);
  show();
  level.textContent = all;
}

function show() {
  index();
  redraw();
  figure.dataset.count = points.count;
}

follow(campaign, () => points, paced, (fresh) => {
  points = joined(points, fresh);
  show();
}, points.every > 1 ? loadAll() : null);
followSteered(campaign, paced, (found) => {
  steered = found;
  if (found.size) redraw();
  figure.dataset.steered = found.size;
});
