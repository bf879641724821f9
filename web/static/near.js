// Candidates under the pointer. A canvas of many dots cannot tell which one was hit, so the
// columns are searched for the nearest ones.

const REACH = 8; // pixels
const MOST = 8;

// Places in the columns nearest to a pixel. `dots` has typed arrays x and y in the units of the
// axes, and maybe `shown`, which is 0 for those that are not drawn.
export function nearest(chart, grid, dots, pixel) {
  const finder = { gridIndex: grid };
  if (!chart.containPixel(finder, pixel)) return [];
  const [left, top] = chart.convertFromPixel(finder, [pixel[0] - REACH, pixel[1] - REACH]);
  const [right, bottom] = chart.convertFromPixel(finder, [pixel[0] + REACH, pixel[1] + REACH]);
  const [x0, x1] = [Math.min(left, right), Math.max(left, right)];
  const [y0, y1] = [Math.min(top, bottom), Math.max(top, bottom)];
  const found = [];
  for (let place = 0; place < dots.x.length; place += 1) {
    const x = dots.x[place];
    const y = dots.y[place];
    if (x < x0 || x > x1 || !(y >= y0) || !(y <= y1) || dots.shown?.[place] === 0) continue;
    const [px, py] = chart.convertToPixel(finder, [x, y]);
    const distance = Math.hypot(px - pixel[0], py - pixel[1]);
    if (distance <= REACH) found.push({ place, distance });
  }
  found.sort((one, other) => one.distance - other.distance);
  return found.slice(0, MOST).map(({ place }) => place);
}

// Places in the columns inside an outline, a list of pixels; `dots` as above.
export function inside(chart, grid, dots, outline) {
  const finder = { gridIndex: grid };
  const [across, down] = [0, 1].map((axis) => outline.map((pixel) => pixel[axis]));
  const corners = [
    chart.convertFromPixel(finder, [Math.min(...across), Math.max(...down)]),
    chart.convertFromPixel(finder, [Math.max(...across), Math.min(...down)]),
  ];
  const found = [];
  for (let place = 0; place < dots.x.length; place += 1) {
    const spot = [dots.x[place], dots.y[place]];
    if (!spot.every((value, axis) => value >= corners[0][axis] && value <= corners[1][axis])) continue;
    if (encloses(outline, chart.convertToPixel(finder, spot))) found.push(place);
  }
  return found;
}

// Whether a line from the pixel to the right leaves the outline an odd number of times.
function encloses(outline, [x, y]) {
  return outline.reduce((odd, [x1, y1], index) => {
    const [x0, y0] = outline.at(index - 1);
    return y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0) ? !odd : odd;
  }, false);
}

// Follows the pointer: `describe(places)` gives the text for the element beside the chart, and a
// click on one candidate opens it; of several it shows links. `number(place)` is the candidate's;
// `take(place)` may do something else with a click, and then gives a promise.
export function point(chart, readout, { find, describe, number, base, take }) {
  const zr = chart.getZr();
  let waiting = 0;
  let held = false; // links are shown until the next click
  zr.on("mousemove", (event) => {
    if (waiting || held) return;
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      const places = find([event.offsetX, event.offsetY]);
      zr.setCursorStyle(places.length ? "pointer" : "default");
      readout.textContent = places.length ? describe(places[0], places.length) : "";
    });
  });
  zr.on("click", (event) => {
    const places = find([event.offsetX, event.offsetY]);
    held = places.length > 1;
    if (places.length === 1 && take?.(places[0])) {
      held = true;
    } else if (places.length === 1) {
      location.href = `${base}/${number(places[0])}`;
    } else if (held) {
      const links = places.map((place) => {
        const link = document.createElement("a");
        link.href = `${base}/${number(place)}`;
        link.textContent = `#${number(place)}`;
        return link;
      });
      readout.replaceChildren("Here are ", ...links.flatMap((link) => [link, " "]));
    } else {
      readout.textContent = "";
    }
  });
}
