// The main chart: all candidates, the best so far, and failures in a strip under the axis.
import { chart, paced, rounded } from "./charts.js";
import { digits, fetchFirst, fetchPoints, follow, joined, pairs } from "./columns.js";
import { inside, nearest, point } from "./near.js";
import { followSteered, placesOf, RING, rings, told } from "./steered.js";

const MOST_SERIES = 8;
const MOST_LISTED = 80; // numbers that a filter has room for
const MARKS = ["commanded", "changed", "reopened"];
const NAMES = { number: "number", evaluations: "evaluations", at: "time", usd: "USD", tokens: "tokens" };
const GRID = { left: 92, right: 24, top: 38 };

const figure = document.querySelector("figure.chart[data-campaign]");
const { campaign, base, direction, objective } = figure.dataset;
const target = figure.dataset.target === undefined ? null : Number(figure.dataset.target);
const form = figure.querySelector("form.axes");
const note = figure.querySelector("[data-note]");
const table = figure.querySelector("[data-table]");
const buttons = figure.querySelectorAll("[data-brush]");
const selection = document.querySelector("#selection");
const sign = direction === "minimize" ? -1 : 1;

let points; // the columns that are shown
let marks = []; // events that changed the course
let steered = new Map(); // number -> commands that a person gave, in its prompt
let dots; // what is drawn, for the pointer
let instance;

const chosen = () => Object.fromEntries(new FormData(form));
const metric = () => (chosen().y === "distance" ? "" : chosen().y);
const wanted = () => ({
  metric: metric(),
  names: [
    ...new Set(["fact", "number", "outcome", "value", "record", "operator", "model", "island", chosen().x]),
  ],
});

function xs() {
  const column = points.columns[chosen().x];
  return chosen().x === "at" ? Float64Array.from(column, (seconds) => seconds * 1000) : column;
}

function ys() {
  if (chosen().y !== "distance") return points.columns.value;
  return Float64Array.from(points.columns.value, (value) => {
    const distance = Math.abs(target - value);
    return distance > 0 ? distance : NaN; // reached: there is no logarithm
  });
}

// Names of the categories, the most frequent first, and the category of each candidate.
function categories() {
  const { by } = chosen();
  if (by === "outcome") return { names: ["scored"], of: () => 0 };
  const codes = points.columns[by];
  const label = (code) =>
    by === "island" ? (code < 0 ? "none" : `island ${code}`) : (points[`${by}s`][code] ?? "other") || "none";
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  const ranked = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one));
  const shown = ranked.length > MOST_SERIES ? ranked.slice(0, MOST_SERIES - 1) : ranked;
  const places = new Map(shown.map((code, place) => [code, place]));
  const names = shown.map(label);
  if (shown.length < ranked.length) names.push("others");
  return { names, of: (place) => places.get(codes[place]) ?? names.length - 1 };
}

// The lowest and highest value that are drawn: a few wild ones must not squeeze the rest.
function range(values) {
  const known = Float64Array.from(values).filter((value) => Number.isFinite(value)).sort();
  if (known.length < 20) return { low: undefined, high: undefined, outside: 0 };
  const at = (share) => known[Math.floor(share * (known.length - 1))];
  const [low, high] = [at(0.03), at(0.97)];
  const margin = 1.5 * (high - low) || Math.abs(high) || 1;
  const first = Math.max(known[0], low - margin);
  const last = Math.min(known[known.length - 1], high + margin);
  const outside = known.filter((value) => value < first || value > last).length;
  return { low: first, high: last, outside };
}

// The best so far as steps, where the values are the first objective's. A record of the order in
// which candidates were settled may be none in the order of their numbers.
function steps(x, y, end) {
  const { record, value } = points.columns;
  const records = [];
  for (let place = 0; place < points.count; place += 1) if (record[place]) records.push(place);
  records.sort((one, other) => x[one] - x[other]);
  const found = [];
  let best = -Infinity;
  for (const place of records) {
    if (sign * value[place] <= best) continue;
    best = sign * value[place];
    if (found.length) found.push([x[place], found[found.length - 1][1]]);
    found.push([x[place], y[place]]);
  }
  if (found.length) found.push([end, found[found.length - 1][1]]);
  return found;
}

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

function lanes() {
  const { outcome, value } = points.columns;
  const scored = points.outcomes.indexOf("scored");
  const early = points.outcomes.length; // scored by a cheap stage only, or without this metric
  const code = (place) => (outcome[place] === scored ? early : outcome[place]);
  const seen = new Set();
  for (let place = 0; place < points.count; place += 1) if (!(value[place] === value[place])) seen.add(code(place));
  const codes = [...seen].sort((one, other) => one - other);
  const names = codes.map((found) => (found === early ? "not compared" : points.outcomes[found].replaceAll("_", " ")));
  const places = new Map(codes.map((found, lane) => [found, lane]));
  return { names, of: (place) => places.get(code(place)) };
}

function option(colours) {
  const x = xs();
  const y = ys();
  const kinds = categories();
  const strip = lanes();
  const { value } = points.columns;
  const drawn = (place) => value[place] === value[place];
  const lane = new Float32Array(points.count).fill(NaN);
  for (let place = 0; place < points.count; place += 1) if (!drawn(place)) lane[place] = strip.of(place);
  dots = { x, y, lane };
  const scored = pairs(points.count, kinds.names.length, (place) => (drawn(place) ? kinds.of(place) : -1), x, y);
  const [failed] = pairs(points.count, 1, (place) => (drawn(place) ? -1 : 0), x, lane);
  const ringed = placesOf(steered, points.columns.number);
  const above = ringed.filter(drawn).map((place) => [x[place], y[place]]);
  const below = ringed.filter((place) => !drawn(place)).map((place) => [x[place], lane[place]]);
  const named = [...(kinds.names.length > 1 ? kinds.names : []), ...(ringed.length ? [RING] : [])];
  const log = chosen().y === "distance";
  const { low, high, outside } = log ? { outside: 0 } : range(value);
  say(outside);
  const height = strip.names.length * 14;
  const bottom = 50 + height;
  const [start, end] = extent(x);
  const timed = chosen().x === "at";
  const last = end > start ? end : start + 1;
  const xAxis = { type: timed ? "time" : "value", min: start, max: timed ? last : rounded(start, last).max, splitLine: { show: false } };
  const padded = low === undefined || low === high ? {} : rounded(low - 0.03 * (high - low), high + 0.03 * (high - low));
  const best = metric() === "" || metric() === objective ? steps(x, y, end) : [];
  const size = points.count > 20000 ? 2 : points.count > 2000 ? 3 : 6;
  return {
    grid: [
      { ...GRID, bottom: bottom + (height ? 10 : 0) },
      { left: GRID.left, right: GRID.right, height, bottom: 50 },
    ],
    legend: named.length ? { show: true, top: 0, right: 20, left: 200, type: "scroll", itemHeight: 8, data: named } : { show: false },
    xAxis: [
      { ...xAxis, gridIndex: 0, axisLine: { onZero: false }, axisLabel: { show: !height, hideOverlap: true }, axisTick: { show: !height }, name: height ? "" : NAMES[chosen().x], nameLocation: "middle", nameGap: 28 },
      { ...xAxis, gridIndex: 1, show: height > 0, axisLabel: { hideOverlap: true }, name: NAMES[chosen().x], nameLocation: "middle", nameGap: 28 },
    ],
    yAxis: [
      {
        gridIndex: 0,
        type: log ? "log" : "value",
        scale: true,
        ...padded,
        axisLabel: { formatter: (found) => digits(found), showMinLabel: false, showMaxLabel: false },
        name: log ? `distance of ${objective} to ${digits(target)}` : `${metric() || objective}${metric() ? "" : sign > 0 ? " (higher is better)" : " (lower is better)"}`,
        nameTextStyle: { align: "left", padding: [0, 0, 0, -60] },
        nameGap: 20, // names of marks stand below it
      },
      { gridIndex: 1, type: "category", data: strip.names, show: height > 0, axisLabel: { fontSize: 10, width: 86, overflow: "truncate", interval: 0, margin: 4 }, axisTick: { show: false }, splitLine: { show: true } },
    ],
    brush: { seriesIndex: [], toolbox: [], brushStyle: { color: colours.accent, opacity: 0.2 } },
    toolbox: { show: false },
    dataZoom: [{ type: "inside", xAxisIndex: [0, 1], zoomOnMouseWheel: "shift", moveOnMouseMove: "shift", filterMode: "none" }],
    series: [
      ...kinds.names.map((name, place) => ({
        type: "scatter",
        name,
        data: scored[place],
        dimensions: ["x", "y"],
        large: true,
        largeThreshold: 500,
        progressive: 0,
        symbolSize: size,
        silent: true,
        itemStyle: { color: colours.series[place], opacity: points.count > 2000 ? 0.55 : 0.85 },
      })),
      {
        type: "scatter",
        name: "failed",
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: failed,
        dimensions: ["x", "y"],
        large: true,
        largeThreshold: 500,
        progressive: 0,
        symbol: "rect",
        symbolSize: size > 3 ? [3, 9] : size,
        silent: true,
        itemStyle: { color: colours.failed, opacity: 0.6 },
      },
      rings("ringed", above, size, colours),
      { ...rings("ringed below", below, 2, colours), xAxisIndex: 1, yAxisIndex: 1 },
      {
        type: "line",
        name: "best so far",
        data: best,
        symbol: "none",
        silent: true,
        lineStyle: { color: colours.accent, width: 2 },
        markLine: { silent: true, symbol: "none", label: { formatter: "{b}", position: "end", distance: 2, color: colours.muted }, lineStyle: { color: colours.muted }, data: markLines(x) },
      },
    ],
  };
}

// What was selected with the pointer is listed as the server lists what a filter finds: the best
// of it, then what failed.
function select({ areas }) {
  const outline = areas.flatMap(({ brushType, range: [x, y], range }) =>
    brushType === "polygon" ? range : [[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]]],
  );
  const places = outline.length
    ? [dots, { x: dots.x, y: dots.lane }].flatMap((drawn, grid) => inside(instance, grid, drawn, outline))
    : [];
  const { number, value } = points.columns;
  const gain = (place) => (value[place] === value[place] ? sign * value[place] : -Infinity);
  places.sort((one, other) => gain(other) - gain(one) || number[one] - number[other]);
  const listed = places.slice(0, MOST_LISTED).map((place) => number[place]);
  selection.hidden = !places.length;
  selection.dataset.count = places.length;
  selection.querySelector("h2").textContent =
    `${places.length} selected` + (places.length > MOST_LISTED ? `, the first ${MOST_LISTED} of them` : "");
  const address = `${base}/candidates?${new URLSearchParams({ q: `number:${listed}`, limit: MOST_LISTED })}`;
  selection.querySelector("a").href = address;
  if (places.length) htmx.ajax("GET", address, { target: "#selected", select: "#listed" });
}

// A pressed button selects with the pointer until it is pressed again.
function brush(pressed) {
  const on = pressed.getAttribute("aria-pressed") !== "true";
  for (const button of buttons) button.setAttribute("aria-pressed", on && button === pressed);
  instance.dispatchAction({ type: "brush", areas: [] });
  instance.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: { brushType: on && pressed.value, brushMode: "single" } });
  select({ areas: [] });
}

function markLines(x) {
  const facts = points.columns.fact;
  return marks.flatMap(({ seq, kind }) => {
    let [place, end] = [0, points.count]; // of the first one after it
    while (place < end) {
      const middle = (place + end) >> 1;
      if (facts[middle] > seq) end = middle;
      else place = middle + 1;
    }
    return place === points.count ? [] : [{ name: kind, xAxis: x[place] }];
  });
}

function say(outside) {
  const parts = [];
  if (outside) parts.push(`${outside} lie outside the picture.`);
  if (points.every > 1) parts.push(`Every ${points.every}th candidate is drawn, and each best.`);
  note.textContent = parts.join(" ");
}

function redraw() {
  instance.setOption(
    { animation: false, ...option(colours()) },
    { replaceMerge: ["series", "xAxis", "yAxis", "grid", "legend"] },
  );
}

let kept; // the theme's colours are asked for once, not at each redraw
const colours = () => kept;

let turn = 0; // a later load makes earlier ones void

async function load(fetchSome) {
  turn += 1;
  const own = turn;
  const found = await fetchSome(campaign, wanted());
  if (own !== turn) return;
  points = found;
  if (instance) redraw();
}

async function readMarks() {
  const query = new URLSearchParams(MARKS.map((kind) => ["kind", kind]));
  const answer = await fetch(`/api/campaigns/${encodeURIComponent(campaign)}/events?${query}`);
  if (!answer.ok) return;
  // That prices are fixed when the engine first asks a model changes no course.
  marks = (await answer.json()).events.filter(({ detail }) => detail !== "models.prices");
}

function describe(place, count) {
  const { number, value, outcome, operator, model } = points.columns;
  const words = [`#${number[place]}`];
  words.push(value[place] === value[place] ? digits(value[place]) : points.outcomes[outcome[place]].replaceAll("_", " "));
  words.push(points.operators[operator[place]] ?? "", points.models[model[place]] ?? "");
  words.push(told(steered.get(number[place])));
  if (count > 1) words.push(`and ${count === 8 ? "more" : count - 1} close by`);
  return words.filter(Boolean).join(" · ");
}

function tableAddress() {
  if (chosen().x !== "number") return;
  const [low, high] = instance.getModel().getComponent("xAxis", 0).axis.scale.getExtent();
  const zoom = instance.getOption().dataZoom[0];
  const whole = zoom.start === 0 && zoom.end === 100;
  const query = `number>=${Math.floor(low)} number<=${Math.ceil(high)}`;
  table.href = whole ? `${base}/candidates` : `${base}/candidates?${new URLSearchParams({ q: query, sort: "oldest" })}`;
}

await Promise.all([load(fetchFirst), readMarks()]);
instance = await chart(figure.querySelector(".canvas"), (palette) => {
  kept = palette;
  return option(palette);
});
instance.on("datazoom", paced(tableAddress));
instance.on("brushEnd", select);
for (const button of buttons) button.addEventListener("click", () => brush(button));
point(instance, figure.querySelector(".readout"), {
  base,
  number: (place) => points.columns.number[place],
  describe,
  find: (pixel) => {
    const found = nearest(instance, 0, dots, pixel);
    return found.length ? found : nearest(instance, 1, { x: dots.x, y: dots.lane }, pixel);
  },
});
form.addEventListener("change", async () => {
  const said = Object.entries(chosen()).filter(([, value]) => value);
  history.replaceState(null, "", `${base}?${new URLSearchParams(said)}`);
  await load(fetchPoints);
});
figure.dataset.count = points.count;
const loaded = points.every > 1 ? load(fetchPoints) : null;
const count = () => (figure.dataset.count = points.count);
follow(campaign, () => points, paced, (fresh) => {
  points = joined(points, fresh);
  redraw();
  count();
}, loaded);
followSteered(campaign, paced, (found) => {
  steered = found;
  if (found.size) redraw();
  figure.dataset.steered = found.size;
});
await loaded;
count();
