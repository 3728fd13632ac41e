// A change of many goes on by itself (htmx, one answer asks for the next); this says how far it is, and when it stops.
"use strict";
(() => {
  const SILENCE = 5000; // milliseconds between two reports of the same phase
  const announce = document.getElementById("announce");
  let phase = "";
  let lastAt = 0;

  const isPanel = (element) => element?.id === "batch-panel";

  document.body.addEventListener("htmx:afterSettle", (event) => {
    const panel = event.detail.target;
    if (!isPanel(panel)) return;
    const news = panel.querySelector("[data-announce]");
    const isNew = news?.dataset.phase !== phase;
    if (news && (isNew || Date.now() - lastAt > SILENCE)) {
      announce.textContent = news.dataset.announce;
      phase = news.dataset.phase;
      lastAt = Date.now();
    }
  });

  const stop = (event) => {
    if (!isPanel(event.detail.target)) return;
    const form = event.detail.target.querySelector(".batch-going");
    form?.classList.add("stopped");
    form?.querySelector("[data-stopped]")?.removeAttribute("hidden");
  };
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.body.addEventListener(name, stop);
  }

  // It is gone, or one may not any more: the page itself says so.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (!isPanel(target) || xhr.status < 400 || xhr.status >= 500) return;
    event.detail.shouldSwap = false;
    location.reload();
  });
})();
