// What every page needs.
import { closeAnswered } from "./commands.js";
import { listen } from "./keys.js";
import { followStream } from "./live.js";

closeAnswered();
listen();
followStream();

// On a phone the tabs are one line: the page's own is moved into sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Every request of htmx may change something, so each one says where it comes from.
document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.request.headers["X-Metasearch"] = "1";
});

// <button data-copy="#id"> copies the text of another element.
document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element && event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(source ? source.textContent : "");
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1200);
});
