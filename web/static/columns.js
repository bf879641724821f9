// A campaign's settled candidates as columns, in the order in which they were settled.
//
// They come as bytes: a uint32 with the length of the head, the head as JSON, then the columns at
// the offsets that the head gives.

const TYPES = { int32: Int32Array, uint8: Uint8Array, float32: Float32Array, float64: Float64Array };

const SAMPLE = 4000; // points that are drawn before all are there
const SUMS = ["evaluations", "usd", "tokens"]; // a sample cannot have them

async function read(campaign, wanted, more) {
  const query = new URLSearchParams({ ...more, format: "binary", metric: wanted.metric ?? "" });
  for (const name of wanted.names) query.append("columns", name);
  const answer = await fetch(`/api/campaigns/${encodeURIComponent(campaign)}/points?${query}`);
  if (!answer.ok) throw new Error(`points: ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const columns = {};
  for (const [name, { type, offset }] of Object.entries(head.columns)) {
    columns[name] = new TYPES[type](bytes, 4 + length + offset, head.count);
  }
  return { ...head, columns, wanted };
}

// All after a fact: { count, seq, every, outcomes, operators, models, columns, wanted }. The server
// reads a large campaign in parts, when it is first asked for it.
export async function fetchPoints(campaign, wanted, after = 0) {
  let all;
  do {
    const found = await read(campaign, wanted, { after: all?.seq ?? after });
    all = all ? joined(all, found) : found;
  } while (!all.complete);
  return all;
}

// Some of them, chosen evenly, for a picture at once; all where they are few (`every` is 1 then).
export async function fetchFirst(campaign, wanted) {
  if (wanted.names.some((name) => SUMS.includes(name))) return fetchPoints(campaign, wanted);
  return read(campaign, wanted, { sample: SAMPLE });
}

// What was known with what is new.
export function joined(known, fresh) {
  const columns = {};
  for (const [name, old] of Object.entries(known.columns)) {
    const added = fresh.columns[name];
    const column = new old.constructor(old.length + added.length);
    column.set(old);
    column.set(added, old.length);
    columns[name] = column;
  }
  return { ...fresh, every: Math.max(known.every, fresh.every), count: known.count + fresh.count, columns };
}

// Pairs of x and y in one array for each group; `groupOf(place)` is -1 for what is left out.
export function pairs(count, groups, groupOf, x, y) {
  const group = new Int8Array(count);
  for (let place = 0; place < count; place += 1) group[place] = groupOf(place);
  const sizes = new Int32Array(groups);
  for (const found of group) if (found >= 0) sizes[found] += 2;
  const flat = Array.from(sizes, (size) => new Float64Array(size));
  sizes.fill(0);
  for (let place = 0; place < count; place += 1) {
    const found = group[place];
    if (found < 0) continue;
    flat[found][sizes[found]] = x[place];
    flat[found][sizes[found] + 1] = y[place];
    sizes[found] += 2;
  }
  return flat;
}

// Calls `take(fresh)` for what is settled while the page is open, at most four times a second,
// but not before all that there was is `loaded`. `known()` are the points until then.
export function follow(campaign, known, paced, take, loaded) {
  let busy = false;
  let more = false;
  const read = paced(async () => {
    if (busy) {
      more = true;
      return;
    }
    busy = true;
    try {
      await loaded;
      const before = known();
      const fresh = await fetchPoints(campaign, before.wanted, before.seq);
      if (known() !== before) more = true; // others were loaded in between
      else if (fresh.count) await take(fresh);
    } finally {
      busy = false;
    }
    if (more) {
      more = false;
      read();
    }
  });
  document.addEventListener("events", (event) => {
    if (JSON.parse(event.detail.data).settled.length) read();
  });
}

// A number as it is read: six digits.
export const digits = (value) => String(Number(value.toPrecision(6)));
