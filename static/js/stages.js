// The table of stages of a cycle, and that of steps of an activity: rows move by buttons or by their handle, and the positions follow.
// Without this script the positions are numbers to type, and the button that adds one asks the server for a row.
"use strict";
(() => {
  const field = (row, name) => row.querySelector(`[name$="-${name}"]`);
  const isBlank = (row) => !field(row, "description")?.value.trim();
  const rowsOf = (table) => [...table.querySelectorAll("[data-stage]")].filter((row) => !row.hidden);

  // The numbers stay, in the new order, so that gaps are kept; a row without one comes after the row above it.
  const renumber = (table) => {
    const inputs = rowsOf(table).filter((row) => !isBlank(row)).map((row) => field(row, "position")).filter(Boolean);
    const numbers = inputs.map((input) => Number(input.value) || Infinity).sort((a, b) => a - b);
    const gap = numbers[0] >= 10 && numbers[0] < Infinity ? 10 : 1;
    let last = 0;
    let changed = null;
    inputs.forEach((input, index) => {
      const number = numbers[index];
      last = number > last && number < Infinity ? number : last + gap;
      if (input.value === String(last)) return;
      input.value = last;
      changed = input;
    });
    changed?.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const sayWhere = (table, row) => {
    const position = rowsOf(table).indexOf(row) + 1;
    const name = field(row, "description")?.value || "";
    document.getElementById("announce").textContent =
      (table.dataset.moved || "").replace("{name}", name).replace("{position}", position);
  };

  const moveByButton = (button) => {
    const row = button.closest("[data-stage]");
    const table = row.closest("[data-stages]");
    const rows = rowsOf(table);
    const up = "up" in button.dataset;
    const neighbour = rows[rows.indexOf(row) + (up ? -1 : 1)];
    if (!neighbour) return;
    if (up) neighbour.before(row); else neighbour.after(row);
    button.focus();
    renumber(table);
    sayWhere(table, row);
  };

  const addRow = () => {
    const table = document.querySelector("[data-stages]");
    const total = document.querySelector('[name$="-TOTAL_FORMS"]');
    const copy = document.getElementById("empty-stage").content.cloneNode(true);
    copy.querySelectorAll("*").forEach((element) => {
      [...element.attributes].filter((attribute) => attribute.value.includes("__prefix__")).forEach((attribute) => {
        attribute.value = attribute.value.replaceAll("__prefix__", total.value);
      });
    });
    total.value = Number(total.value) + 1;
    const row = copy.querySelector("[data-stage]");
    table.append(copy);
    window.htmx?.process(row);
    field(row, "description")?.focus();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-up], [data-down]");
    if (button) moveByButton(button);
    else if (event.target.closest("[data-add-stage]")) {
      event.preventDefault(); // it is a submit button
      addRow();
    }
  });

  // A new row gets its position as soon as it has a name.
  document.addEventListener("input", (event) => {
    const row = event.target.closest("[data-stage]");
    const input = row && field(row, "position");
    if (!input || event.target !== field(row, "description") || input.value || isBlank(row)) return;
    renumber(row.closest("[data-stages]"));
  });

  // Dragging by the handle, with mouse, touch or pen.
  let drag = null;
  const end = (keep) => {
    if (!drag) return;
    const { row, table, next } = drag;
    drag = null;
    row.classList.remove("dragging");
    if (!keep) table.insertBefore(row, next);
    renumber(table);
    sayWhere(table, row);
  };

  document.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest("[data-handle]");
    const row = handle?.closest("[data-stage]");
    if (!row || event.button) return;
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    drag = { row, table: row.closest("[data-stages]"), next: row.nextElementSibling };
    row.classList.add("dragging");
  });

  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const { row, table } = drag;
    const over = rowsOf(table).find((other) => {
      const box = other.getBoundingClientRect();
      return other !== row && event.clientY >= box.top && event.clientY < box.bottom;
    });
    if (over) {
      const box = over.getBoundingClientRect();
      const below = row.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING;
      const pastMiddle = event.clientY > box.top + box.height / 2;
      // The others move round the dragged row: a row that leaves the page would lose the pointer.
      while (below && pastMiddle && row.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING) row.before(row.nextElementSibling);
      while (!below && !pastMiddle && row.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_PRECEDING) row.after(row.previousElementSibling);
    }
    const edge = 48;
    if (event.clientY < edge) scrollBy(0, -12);
    if (event.clientY > innerHeight - edge) scrollBy(0, 12);
  });

  document.addEventListener("pointerup", () => end(true));
  document.addEventListener("pointercancel", () => end(false));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") end(false); });

  // What was typed is not lost by leaving: the browser asks first, and a dialog that would replace the page is a page.
  const unsaved = () => document.querySelector("[data-guarded][data-dirty]");
  const touch = (event) => {
    const form = event.target.closest("[data-guarded]");
    if (form && event.target.name !== "value") form.dataset.dirty = "";
  };
  document.addEventListener("input", touch);
  document.addEventListener("change", touch);
  document.addEventListener("submit", (event) => { delete event.target.dataset.dirty; });
  addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    if (unsaved() && event.target.closest("a[data-dialog]")) event.stopPropagation();
  }, true);
})();
