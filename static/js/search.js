// Search anywhere: Ctrl K, / or the field in the top bar opens the palette; htmx asks while one types.
// Without this script the field is a plain form, and what it finds is a page.
"use strict";
(() => {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const text = palette.querySelector("[role=combobox]");
  const list = palette.querySelector("[role=listbox]");
  const said = palette.querySelector("[role=status]");
  let answered = null; // what the results on screen are the answer to
  let isWaiting = false; // Enter was pressed before the answer came
  let hasFailed = false;

  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    document.querySelectorAll("[data-control-key]").forEach((key) => { key.textContent = "⌘ K"; });
  }

  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  const choose = (option) => {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) text.setAttribute("aria-activedescendant", option.id);
    else text.removeAttribute("aria-activedescendant");
  };

  const show = (answer) => {
    answered = answer;
    options().forEach((option, index) => { option.id = `hit-${index}`; });
    text.setAttribute("aria-expanded", String(options().length > 0));
    list.scrollTop = 0;
    choose(options()[0]);
  };

  const ask = () => htmx.trigger(text, "palette-asks");

  const open = () => {
    if (!palette.open) {
      text.value = said.textContent = "";
      list.replaceChildren();
      show(null);
      isWaiting = hasFailed = false;
      palette.showModal();
      ask();
    }
    text.focus();
    text.select();
  };

  // What has a form that opens over the page opens it from here too; focus then goes where it was before.
  const follow = (option) => {
    palette.close();
    const twin = [...document.querySelectorAll("a[data-dialog]")].find((link) => link.href === option.href && link.checkVisibility());
    if (twin) twin.click();
    else location.assign(option.href);
  };

  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.isComposing) return;
    if (event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    open();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) open();
    else if (event.target === palette || event.target.closest("[data-palette-close]")) palette.close();
  });

  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    follow(option);
  });

  // A press on a result must not take the focus out of the field.
  list.addEventListener("mousedown", (event) => event.preventDefault());

  palette.addEventListener("close", () => {
    if (document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
  });

  text.addEventListener("input", () => { isWaiting = hasFailed = false; });

  text.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const all = options();
    const now = all.indexOf(chosen());
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (all.length) choose(all[(now + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]);
    } else if (event.key !== "Enter" || hasFailed) {
      return; // after a failure Enter sends the form, and the page of results is asked for
    } else if (answered === text.value) {
      if (now >= 0 && (event.ctrlKey || event.metaKey)) window.open(all[now].href);
      else if (now >= 0) follow(all[now]);
    } else {
      isWaiting = true;
      ask();
    }
    event.preventDefault();
  });

  // Only the answer to what is in the field now is shown; an older one is dropped. (htmx sends the newest question
  // when the one under way is answered.)
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr, requestConfig } = event.detail;
    if (target !== list) return;
    const isLate = requestConfig.parameters.q !== text.value || !palette.open;
    if (isLate || xhr.status !== 200) event.detail.shouldSwap = false;
    if (!isLate && xhr.status !== 200) fail();
  });

  document.body.addEventListener("htmx:afterSwap", (event) => {
    const { target, requestConfig } = event.detail;
    if (target !== list) return;
    hasFailed = false;
    show(requestConfig.parameters.q);
    if (isWaiting && chosen()) follow(chosen());
    isWaiting = false;
  });

  const fail = () => {
    hasFailed = true;
    isWaiting = false;
    said.textContent = palette.dataset.failed;
  };
  for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.body.addEventListener(failure, (event) => { if (event.detail.target === list) fail(); });
  }
})();
