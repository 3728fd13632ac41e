// A button with data-copy="id" puts the value of that field on the clipboard, and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  let said = button.dataset.copied;
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = said;
  } catch {
    said = button.dataset.notCopied;
    field.focus();
  }
  document.getElementById("announce").textContent = said;
});
