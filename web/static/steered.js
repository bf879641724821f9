// Rings around the candidates whose prompt showed a hint or an idea of a person.
export const RING = "with a person's hint or idea";

// Number of each such candidate -> numbers of the commands.
export async function fetchSteered(campaign) {
  const answer = await fetch(`/api/campaigns/${encodeURIComponent(campaign)}/steered`);
  if (!answer.ok) throw new Error(`steered: ${answer.status}`);
  const { candidates } = await answer.json();
  return new Map(candidates.map(({ candidate, commands }) => [candidate, commands]));
}

// The series of rings around these places.
export function rings(id, spots, size, colours) {
  return {
    id,
    name: RING,
    type: "scatter",
    data: spots,
    symbolSize: size + 6,
    silent: true,
    progressive: 0,
    z: 3,
    itemStyle: { color: "transparent", borderColor: colours.text, borderWidth: 1.5 },
  };
}

// What a ring says in words.
export function told(commands) {
  return commands ? `with ${commands.length > 1 ? "commands" : "command"} ${commands.join(", ")} in its prompt` : "";
}

// Places of such candidates among these numbers.
export function placesOf(steered, numbers) {
  const found = [];
  if (steered.size) numbers.forEach((number, place) => steered.has(number) && found.push(place));
  return found;
}

// Calls `take(steered)` at once, and when candidates are settled while prompts show what a person said.
export function followSteered(campaign, paced, take) {
  let any = false;
  const read = async () => {
    const found = await fetchSteered(campaign);
    any ||= found.size > 0;
    take(found);
  };
  const again = paced(read);
  document.addEventListener("events", (event) => {
    const { events, settled } = JSON.parse(event.detail.data);
    any ||= events.some(({ kind }) => kind === "steered");
    if (any && settled.length) again();
  });
  read();
}
