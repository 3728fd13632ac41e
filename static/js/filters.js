// A filter that is sent says only what is asked for, so that its address can be read and kept.
"use strict";
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-tidy]")) return;
  const data = event.formData;
  new Set(data.keys()).forEach((name) => {
    const values = data.getAll(name);
    if (values.length > 1) data.set(name, values.join(","));
  });
  [...data].forEach(([name, value]) => { if (!value) data.delete(name); });
  if (![...data].length) data.set("view", "open"); // nothing asked, and that on purpose
});

// Where tabs run off the side, the one that one is on is brought into sight.
(() => {
  const show = () => {
    const tab = document.querySelector(".tabs [aria-current]");
    const tabs = tab?.closest(".tabs");
    if (!tabs) return;
    const [inner, outer] = [tab.getBoundingClientRect(), tabs.getBoundingClientRect()];
    tabs.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  };
  show();
  document.body.addEventListener("htmx:afterSettle", (event) => { if (event.detail.target.id === "main") show(); });
})();

// What was opened over the list closes again by Escape or by a click beside it.
(() => {
  const open = () => [...document.querySelectorAll("details.drop[open], details.more[open]")];

  document.addEventListener("click", (event) => {
    open().filter((details) => !details.contains(event.target)).forEach((details) => { details.open = false; });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open], :popover-open")) return;
    const details = event.target.closest?.("details[open]") || open().at(-1);
    if (!details?.matches(".drop, .more")) return;
    details.open = false;
    details.querySelector("summary").focus();
  });
})();
