// Opens links marked data-dialog in the one native <dialog>; without this script they are ordinary pages.
"use strict";
(() => {
  const dialog = document.getElementById("dialog");
  let opener = null; // the link that focus returns to
  let finished = null; // what the dialog held when the server said where to go on: that closes with the page behind it

  const openInDialog = (link) => {
    const url = link.href;
    if (!dialog.contains(link)) opener = link;
    htmx.ajax("GET", url, { target: "#dialog", swap: "innerHTML", source: link }).catch(() => location.assign(url));
  };

  // A page that is itself such a form has the same field names and ids, so it opens the next one as a page.
  const opensHere = (link) => dialog.contains(link) || !document.querySelector("#main > .sheet");

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const closer = event.target.closest("[data-close]");
    if (closer && dialog.contains(closer)) {
      event.preventDefault();
      dialog.close();
      return;
    }
    const link = event.target.closest("a[data-dialog]");
    if (!link || !opensHere(link)) return;
    event.preventDefault();
    openInDialog(link);
  });

  const showFailure = () => {
    const alert = document.createElement("div");
    alert.className = "form-errors";
    alert.setAttribute("role", "alert");
    alert.textContent = dialog.dataset.failed;
    dialog.querySelector("[data-failure]")?.remove();
    alert.dataset.failure = "";
    dialog.querySelector("form")?.prepend(alert);
  };

  const focusInside = () => {
    const first =
      dialog.querySelector("[data-errors]") ||
      dialog.querySelector("[autofocus]") ||
      dialog.querySelector("form :is(input:not([type=hidden]), select, textarea):not(:disabled, [readonly])") ||
      dialog.querySelector("h1[tabindex]");
    first?.focus();
  };

  document.body.addEventListener("htmx:beforeOnLoad", (event) => {
    const { elt, xhr } = event.detail;
    if (dialog.contains(elt) && xhr.getResponseHeader("HX-Location")) finished = dialog.firstElementChild;
  });

  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (target.id === "main" && event.detail.shouldSwap) {
      opener = null; // it goes with the page it is on
      if (finished && finished === dialog.firstElementChild) dialog.close(); // and not one that was opened meanwhile
      finished = null;
    }
    if (target !== dialog || !/<html[\s>]/i.test(xhr.response)) return;
    if (xhr.status >= 400) {
      event.detail.selectOverride = ".notice"; // 403 and 404 are whole pages: take what they say
    } else {
      event.detail.shouldSwap = false; // the sign-in page, or no dialog at all
      location.assign(opener?.href || location.href);
    }
  });

  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== dialog || !dialog.firstElementChild) return;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    focusInside();
  });

  // No answer that can be shown: a form keeps what was typed and says so, a page is asked for in the plain way.
  const onFailure = (event) => {
    const { target, requestConfig, pathInfo } = event.detail;
    if (target !== dialog && target?.id !== "main") return;
    if (requestConfig.verb === "get") location.assign(pathInfo.requestPath);
    else showFailure();
  };
  document.body.addEventListener("htmx:responseError", onFailure);
  document.body.addEventListener("htmx:sendError", onFailure);

  dialog.addEventListener("close", () => {
    if (dialog.open) return; // it was opened again before this was told
    dialog.replaceChildren();
    (opener?.isConnected ? opener : document.getElementById("main")).focus({ preventScroll: true });
    opener = null;
  });
})();
