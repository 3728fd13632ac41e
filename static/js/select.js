// Choosing rows of a list: the whole page, a range with Shift, the row under focus with x; what is chosen is counted.
"use strict";
(() => {
  const form = () => document.querySelector("form[data-selection]");
  const boxes = () => [...form().querySelectorAll("tbody input[name=chosen]")];
  let last = null; // where a range begins
  let ranges = false; // Shift was held when the pointer came down, perhaps beside the box

  const update = () => {
    if (!form()) return;
    const rows = boxes();
    const count = rows.filter((box) => box.checked).length;
    const page = form().querySelector("[data-choose-page]");
    const all = form().querySelector("[data-choose-all]");
    const bar = form().querySelector("[data-selection-bar]");
    const words = bar.querySelector("[data-selection-count]");
    page.checked = count === rows.length;
    page.indeterminate = count > 0 && count < rows.length;
    rows.forEach((box) => box.closest("tr").classList.toggle("chosen", box.checked || Boolean(all?.checked)));
    bar.hidden = !count && !all?.checked;
    words.textContent = all?.checked
      ? form().dataset.all.replace("{n}", all.dataset.count)
      : form().dataset.chosen.replace("{n}", count);
  };

  // keys.js presses what has the key: the box of the row under focus, or of the first row.
  const giveKeyTo = (row) => {
    const box = row?.querySelector("input[name=chosen]");
    if (!box) return;
    form().querySelectorAll("[data-key=x]").forEach((other) => other.removeAttribute("data-key"));
    box.dataset.key = "x";
  };

  document.addEventListener("mousedown", (event) => {
    ranges = event.shiftKey && Boolean(event.target.closest("form[data-selection] tbody .tick"));
    if (ranges) event.preventDefault(); // else the text between is selected too
  });

  document.addEventListener("click", (event) => {
    const box = event.target.closest("form[data-selection] tbody input[name=chosen]");
    if (!box) return;
    if ((event.shiftKey || ranges) && last?.isConnected) {
      const rows = boxes();
      const [from, to] = [rows.indexOf(last), rows.indexOf(box)].sort((a, b) => a - b);
      rows.slice(from, to + 1).forEach((between) => { between.checked = box.checked; });
    }
    last = box;
    ranges = false;
    update();
  });

  document.addEventListener("change", (event) => {
    if (!event.target.closest("form[data-selection]")) return;
    if (event.target.matches("[data-choose-page]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    update();
  });

  document.addEventListener("reset", (event) => {
    if (event.target.matches("form[data-selection]")) setTimeout(update);
  });

  document.addEventListener("focusin", (event) => giveKeyTo(event.target.closest("form[data-selection] tbody tr")));

  const begin = () => {
    if (!form()) return;
    giveKeyTo(form().querySelector("tbody tr"));
    update();
  };
  window.addEventListener("pageshow", begin); // also when the browser brings back what was ticked
  document.body.addEventListener("htmx:afterSettle", (event) => { if (event.detail.target.id === "main") begin(); });
})();
