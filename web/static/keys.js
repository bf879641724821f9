// The keyboard. Keys do nothing while somebody types.
//
// A page takes part by attributes: data-row on rows and data-open on the link of a row;
// data-filter on the filter; data-key="p" (or "g c") on a link or button that a key stands for.

let before = "";
let cleared = 0;

export function listen() {
  document.addEventListener("keydown", pressed);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-help]")) help();
  });
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const key = event.key;
  const sequence = `${before} ${key}`.trim();
  before = key;
  clearTimeout(cleared);
  cleared = setTimeout(() => (before = ""), 1000);
  const stands = [...document.querySelectorAll("[data-key]")];
  const target =
    stands.find((element) => element.dataset.key === sequence) ??
    stands.find((element) => element.dataset.key === key);
  if (target) {
    event.preventDefault();
    target.click();
  } else if (key === "?") {
    help();
  } else if (key === "/") {
    const filter = document.querySelector("[data-filter]");
    if (filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    }
  } else if (key === "j" || key === "k") {
    move(key === "j" ? 1 : -1);
  } else if (key === "x") {
    current()?.querySelector("[data-mark]")?.click();
  }
}

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function current() {
  return document.activeElement?.closest("[data-row]");
}

function move(by) {
  const all = rows();
  const here = all.indexOf(current());
  const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by];
  (next?.querySelector("[data-open]") ?? next)?.focus();
}

function help() {
  document.querySelector("#keys")?.showModal();
}
