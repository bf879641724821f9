// The live dot of the header: a word for how the page's one stream is doing.
//
// The stream is opened by htmx (the macro live() of parts.html). Its messages arrive as DOM
// events that bubble: "events" and "status", with the message's JSON text in event.detail.data.

export function followStream() {
  const box = document.querySelector("[data-live]");
  if (!box) return;
  const word = box.querySelector("[data-live-word]");
  let state = box.dataset.state;

  const show = (text, kind) => {
    word.textContent = text;
    box.dataset.kind = kind;
  };
  const showState = () => show(state === "running" ? "live" : state, state);

  box.addEventListener("htmx:sse:before:connection", (event) => {
    const { attempt, lastEventId } = event.detail.connection;
    if (attempt > 0) show(lastEventId ? "catching up" : "connecting", "waiting");
  });
  box.addEventListener("htmx:sse:after:connection", showState);
  box.addEventListener("htmx:sse:error", () => show("lost, retrying", "lost"));
  box.addEventListener("status", (event) => {
    state = JSON.parse(event.detail.data).state;
    showState();
  });
}
