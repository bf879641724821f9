// A command that was accepted closes the form that asked for it.
export function closeAnswered() {
  document.addEventListener("commanded", () => {
    for (const form of document.querySelectorAll("form.asks:popover-open")) {
      form.hidePopover();
      form.reset();
    }
  });
}
