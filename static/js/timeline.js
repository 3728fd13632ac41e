// The page of an opportunity: where focus goes after a swap, fields in the place of text, and notes that are not lost.
"use strict";
(() => {
  const KEPT = "kansen-kept ";

  // The server marks what gets the focus in what it sends; a field is selected, ready to be typed over.
  const focusMarked = () => {
    const marked = document.querySelector("[data-focus]");
    if (!marked || document.querySelector("dialog[open]")) return;
    marked.removeAttribute("data-focus");
    marked.focus();
    if (marked.matches("input:not([type=date])")) marked.select();
  };

  // On a narrow screen the path is wider than the screen: the stage one is in comes to the middle.
  const showStage = () => {
    const path = document.querySelector(".path");
    const here = path?.querySelector(".now, .won, .lost");
    if (here) path.scrollLeft = here.offsetLeft - path.offsetLeft - (path.clientWidth - here.clientWidth) / 2;
  };

  // A note that could not be sent, because the session had ended, is there again after signing in.
  const restore = () => {
    document.querySelectorAll("form[data-keep]").forEach((form) => {
      const kept = sessionStorage.getItem(KEPT + form.dataset.keep);
      if (!kept || form.elements.text.value) return;
      sessionStorage.removeItem(KEPT + form.dataset.keep);
      const { files, ...fields } = JSON.parse(kept);
      for (const [name, value] of Object.entries(fields)) {
        if (form.elements[name]) form.elements[name].value = value;
      }
      if (files) askForFiles(form, files); // no page may choose them again by itself
    });
  };

  const askForFiles = (form, files) => {
    const alert = form.querySelector("[data-left-out]");
    alert.textContent = form.querySelector("[data-attach]").dataset.again.replace("{names}", files);
    alert.hidden = false;
  };

  const keep = (form) => {
    const { text, kind, happened_on: day, attach } = form.elements;
    const files = [...attach.files].map((file) => file.name).join(", ");
    const typed = { text: text.value, kind: kind.value, happened_on: day.value, files };
    sessionStorage.setItem(KEPT + form.dataset.keep, JSON.stringify(typed));
  };

  const sayFailure = (form) => {
    form.querySelector("[data-failure]")?.remove();
    const alert = document.createElement("p");
    alert.className = "mistake";
    alert.setAttribute("role", "alert");
    alert.dataset.failure = "";
    alert.textContent = document.getElementById("dialog").dataset.failed;
    form.append(alert);
  };

  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const form = event.detail.requestConfig?.elt;
    if (!form?.matches("form[data-keep]") || !/<html[\s>]/i.test(event.detail.xhr.response)) return;
    if (event.detail.xhr.status < 400) keep(form); // the sign-in page: shell.js goes there
    else {
      event.detail.shouldSwap = false; // a page that says 403 or 404 is no timeline
      sayFailure(form);
    }
  });
  const onFailure = (event) => {
    const form = event.detail.requestConfig?.elt;
    if (form?.matches("form[data-keep], form[data-inline]")) sayFailure(form);
  };
  document.body.addEventListener("htmx:responseError", onFailure);
  document.body.addEventListener("htmx:sendError", onFailure);

  document.body.addEventListener("htmx:afterSwap", focusMarked);
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "main") showStage();
    restore();
  });

  // A kind that is chosen by its key or by pointing leads to the text; the arrows only change the kind.
  document.addEventListener("click", (event) => {
    const kind = event.target.closest?.("[data-kind]");
    if (!kind || (event.isTrusted && !event.detail)) return;
    const { text } = kind.closest("form").elements;
    setTimeout(() => text.focus());
  });

  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.("form[data-inline], form[data-keep]");
    if (!form || event.isComposing) return;
    if (event.key === "Escape" && form.matches("[data-inline]")) {
      event.preventDefault();
      form.querySelector("[data-give-up]").click();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) {
      event.preventDefault();
      form.requestSubmit();
    }
  });

  showStage();
  restore();
})();
