// Single keys: every one clicks something that is on the page, so there is always a way without it.
"use strict";
(() => {
  const help = document.getElementById("keys");
  if (!help) return;
  let leader = ""; // the first of two keys, as in "g o"
  let forget = 0;

  const isTyping = (element) => element.closest("input, select, textarea, [contenteditable]");
  const isBusy = () => document.querySelector("dialog[open]");
  const isThere = (element) => element.checkVisibility() || element.closest("#side");
  const withKey = (key) => [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key && isThere(element));

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

  const listKeys = () => {
    const seen = new Set();
    const lines = [...document.querySelectorAll("[data-key]")].filter((element) => {
      const fresh = isThere(element) && !seen.has(element.dataset.key);
      seen.add(element.dataset.key);
      return fresh;
    }).map((element) => {
      const line = document.createElement("div");
      const name = document.createElement("dt");
      const keys = document.createElement("dd");
      const label = element.cloneNode(true);
      label.querySelectorAll("kbd, svg").forEach((extra) => extra.remove());
      name.textContent = element.dataset.keyLabel || label.textContent.trim();
      element.dataset.key.split(" ").forEach((key) => {
        const cap = document.createElement("kbd");
        cap.textContent = key;
        keys.append(cap, " ");
      });
      line.append(name, keys);
      return line;
    });
    help.querySelector("[data-keys-here]").replaceChildren(...lines);
  };
  help.addEventListener("beforetoggle", (event) => { if (event.newState === "open") listKeys(); });

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || isBusy()) return;
    const pressed = leader ? `${leader} ${event.key}` : event.key;
    clearTimeout(forget);
    leader = "";
    if (pressed === "?") {
      help.togglePopover();
    } else if (pressed === "j" || pressed === "k") {
      step(pressed === "j" ? 1 : -1);
    } else if (pressed === "g") {
      leader = "g";
      forget = setTimeout(() => { leader = ""; }, 1200);
    } else {
      const element = withKey(pressed);
      if (!element) return;
      element.click();
    }
    event.preventDefault();
  });
})();
