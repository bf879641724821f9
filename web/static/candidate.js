// <button data-copy-file="/address" hidden> copies the file at an address.

for (const button of document.querySelectorAll("[data-copy-file]")) {
  // Only pages with TLS, or of this machine, may write to the clipboard.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const label = button.textContent;
    const answer = await fetch(button.dataset.copyFile);
    if (answer.ok) await navigator.clipboard.writeText(await answer.text());
    button.textContent = answer.ok ? "Copied" : "Not copied";
    setTimeout(() => (button.textContent = label), 1200);
  });
}
