// A campaign's settled candidates as columns, in the order in which they were settled.
//
// Few come as JSON, many as bytes: a uint32 with the length of the head, the head as JSON, then
// the columns at the offsets that the head gives.

const TYPES = { int32: Int32Array, uint8: Uint8Array, float32: Float32Array, float64: Float64Array };

// Those after a fact: { count, seq, every, outcomes, operators, models, columns }.
export async function fetchPoints(campaign, { names, metric = "", after = 0 }) {
  const query = new URLSearchParams({ after, metric });
  for (const name of names) query.append("columns", name);
  const answer = await fetch(`/api/campaigns/${encodeURIComponent(campaign)}/points?${query}`);
  if (!answer.ok) throw new Error(`points: ${answer.status}`);
  if (answer.headers.get("content-type").startsWith("application/json")) {
    const head = await answer.json();
    const columns = Object.fromEntries(
      names.map((name) => [name, Float64Array.from(head[name], (value) => value ?? NaN)]),
    );
    return { ...head, columns };
  }
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const columns = {};
  for (const [name, { type, offset }] of Object.entries(head.columns)) {
    columns[name] = new TYPES[type](bytes, 4 + length + offset, head.count);
  }
  return { ...head, columns };
}

// What was known with what is new.
export function joined(known, fresh) {
  const columns = {};
  for (const [name, old] of Object.entries(known.columns)) {
    const added = fresh.columns[name];
    const Kind = old.constructor === added.constructor ? old.constructor : Float64Array;
    const column = new Kind(old.length + added.length);
    column.set(old);
    column.set(added, old.length);
    columns[name] = column;
  }
  return { ...fresh, every: Math.max(known.every, fresh.every), count: known.count + fresh.count, columns };
}

// Calls `take(fresh)` for what is settled while the page is open, at most four times a second.
export function follow(campaign, wanted, seq, paced, take) {
  let busy = false;
  let more = false;
  const read = paced(async () => {
    if (busy) {
      more = true;
      return;
    }
    busy = true;
    try {
      const fresh = await fetchPoints(campaign, { ...wanted(), after: seq() });
      if (fresh.count) take(fresh);
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
