// The list of tasks: d says that the task of the row under focus is done. A row that was changed counts no more.
"use strict";
(() => {
  // keys.js presses what has the key: the check of the row that focus is in, and of no other.
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr.task");
    if (!row) return;
    document.querySelectorAll("tr.task [data-check][data-key]").forEach((other) => other.removeAttribute("data-key"));
    const check = row.querySelector("[data-check]");
    if (check) check.dataset.key = "d";
  });

  // The box of a task that is done is gone with it, so what is chosen is counted again.
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.matches("tr.task")) event.target.closest("form")?.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
