// A form that may take a while (data-busy="Merging…") says so on its button and is sent once.
"use strict";
(() => {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-busy]");
    if (!form || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter || form.querySelector("button[type=submit]");
    button.dataset.rest = button.textContent;
    button.textContent = form.dataset.busy;
    button.setAttribute("aria-disabled", "true");
    form.setAttribute("aria-busy", "true");
  });

  // The page comes back from the browser's memory as it was left: let it be sent again.
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      const button = form.querySelector("button[aria-disabled]");
      delete form.dataset.sent;
      form.removeAttribute("aria-busy");
      if (!button) return;
      button.removeAttribute("aria-disabled");
      button.textContent = button.dataset.rest;
    });
  });
})();
