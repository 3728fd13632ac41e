// Single keys: every one clicks something that is on the page, so there is always a way without it.
// Whoever has switched them off (data-keys="off") keeps Ctrl K, Escape and the list of keys.
"use strict";
(() => {
  const help = document.getElementById("keys");
  if (!help) return;
  const allowsSingleKeys = document.documentElement.dataset.keys !== "off";
  const PATIENCE = 1200; // milliseconds between the two keys of "g o"
  let leader = ""; // the first of two keys
  let forget = 0;

  const TYPING = "textarea, select, [contenteditable]:not([contenteditable=false]), [role=textbox], [role=combobox], [role=listbox], " +
    "input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=reset], [type=image])";
  const isTyping = (element) => Boolean(element.closest?.(TYPING));
  const isBusy = () => Boolean(document.querySelector("dialog[open]"));
  const isThere = (element) => element.checkVisibility() || Boolean(element.closest("#side"));
  const withKeys = () => [...document.querySelectorAll("[data-key]")].filter(isThere);

  // Rows: focus goes to the link of the next row, so Enter opens it and a screen reader reads it.
  const step = (by) => {
    const links = [...document.querySelectorAll("[data-rows] > *")].map((row) => row.querySelector(".row-link, a")).filter(Boolean);
    if (!links.length) return;
    const row = document.activeElement.closest("[data-rows] > *");
    const now = links.findIndex((link) => row?.contains(link));
    const next = links[now < 0 ? 0 : Math.min(Math.max(now + by, 0), links.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  const press = (element) => {
    if (element.matches("input:not([type=checkbox], [type=radio]), select, textarea")) element.focus();
    else element.click();
  };

  const nameOf = (element) => {
    const label = element.cloneNode(true);
    label.querySelectorAll("kbd, svg").forEach((extra) => extra.remove());
    return element.dataset.keyLabel || label.textContent.trim() || element.getAttribute("aria-label");
  };

  const lineOf = (element) => {
    const line = document.createElement("div");
    const name = document.createElement("dt");
    const keys = document.createElement("dd");
    name.textContent = nameOf(element);
    element.dataset.key.split(" ").forEach((key) => {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      keys.append(cap, " ");
    });
    line.append(name, keys);
    return line;
  };

  const listKeys = () => {
    const seen = new Set();
    const fresh = withKeys().filter((element) => // keys of rows are those of every list
      !element.closest("[data-rows]") && !seen.has(element.dataset.key) && seen.add(element.dataset.key));
    for (const [where, isOfPage] of [["page", true], ["anywhere", false]]) {
      const part = help.querySelector(`[data-keys-of=${where}]`);
      const lines = allowsSingleKeys ? fresh.filter((element) => Boolean(element.closest("#main")) === isOfPage) : [];
      part.querySelector("[data-keys-here]").replaceChildren(...lines.map(lineOf));
      part.hidden = isOfPage && !lines.length;
    }
  };

  const openHelp = () => {
    listKeys();
    help.showModal();
    help.scrollTop = 0;
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]")) openHelp();
    else if (event.target === help || event.target.closest("[data-keys-close]")) help.close();
  });
  help.addEventListener("close", () => {
    if (document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
  });

  const isForUs = (event) =>
    allowsSingleKeys && !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.altKey &&
    !event.isComposing && event.keyCode !== 229 && !isTyping(event.target) && !isBusy();

  document.addEventListener("keydown", (event) => {
    if (!isForUs(event)) return;
    const pressed = leader ? `${leader} ${event.key}` : event.key;
    clearTimeout(forget);
    leader = "";
    if (pressed === "j" || pressed === "k") {
      step(pressed === "j" ? 1 : -1);
    } else if (pressed === "g") {
      leader = "g";
      forget = setTimeout(() => { leader = ""; }, PATIENCE);
    } else {
      const element = withKeys().find((other) => other.dataset.key === pressed);
      if (!element || event.repeat) return;
      press(element);
    }
    event.preventDefault();
  });
})();
