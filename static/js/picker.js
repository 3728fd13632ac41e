// Suggestions under a text field (data-picker): htmx fetches them, arrows and Enter or a click choose one.
// Without this script the field is plain text, and the server finds what is meant.
"use strict";
(() => {
  const listOf = (input) => document.getElementById(input.getAttribute("aria-controls"));
  const inputOf = (list) => document.querySelector(`[data-picker][aria-controls="${CSS.escape(list.id)}"]`);
  const optionsOf = (list) => [...list.querySelectorAll("[role=option]:not([aria-disabled])")];
  const isOpen = (list) => list.matches(":popover-open");

  // The list lies above everything, dialogs too, so it is placed by hand under its field.
  const place = (input, list) => {
    const box = input.getBoundingClientRect();
    const below = window.innerHeight - box.bottom - 12;
    const above = box.top - 12;
    const up = below < 180 && above > below;
    list.style.width = `${box.width}px`;
    list.style.left = `${box.left}px`;
    list.style.maxHeight = `${Math.min(up ? above : below, 340)}px`;
    list.style.top = up ? "auto" : `${box.bottom + 4}px`;
    list.style.bottom = up ? `${window.innerHeight - box.top + 4}px` : "auto";
  };

  const mark = (input, list, option) => {
    optionsOf(list).forEach((other) => other.setAttribute("aria-selected", other === option));
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  };

  const close = (input, list) => {
    if (isOpen(list)) list.hidePopover();
    input.setAttribute("aria-expanded", "false");
    mark(input, list, null);
  };

  const open = (input, list) => {
    if (!list.childElementCount || document.activeElement !== input) return close(input, list);
    list.querySelectorAll("[role=option]").forEach((option, index) => { option.id = `${list.id}_${index}`; });
    if (!isOpen(list)) list.showPopover();
    place(input, list);
    input.setAttribute("aria-expanded", "true");
    mark(input, list, null);
  };

  const choose = (input, list, option) => {
    input.value = option.dataset.value;
    close(input, list);
    list.replaceChildren();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  document.body.addEventListener("htmx:configRequest", (event) => {
    const input = event.detail.elt;
    if (!input.matches("[data-picker]")) return;
    delete event.detail.parameters[input.name];
    event.detail.parameters.q = input.value;
  });

  // Only while somebody is looking for it; an answer that is not a list of suggestions is no answer.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (target.matches("[data-options]") && xhr.status !== 200) event.detail.shouldSwap = false;
  });

  document.body.addEventListener("htmx:afterSwap", (event) => {
    const list = event.detail.target;
    if (list.matches("[data-options]")) open(inputOf(list), list);
  });

  document.addEventListener("keydown", (event) => {
    const input = event.target;
    if (!input.matches?.("[data-picker]") || event.isComposing) return;
    const list = listOf(input);
    const options = optionsOf(list);
    const now = options.findIndex((option) => option.id === input.getAttribute("aria-activedescendant"));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!options.length) return;
      if (!isOpen(list)) open(input, list);
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark(input, list, options[now < 0 ? (step > 0 ? 0 : options.length - 1) : (now + step + options.length) % options.length]);
    } else if (event.key === "Enter" && isOpen(list) && now >= 0) {
      choose(input, list, options[now]);
    } else if (event.key === "Escape" && isOpen(list)) {
      close(input, list);
      event.stopPropagation();
    } else {
      return;
    }
    event.preventDefault();
  });

  // A press on the list must not take the focus out of the field.
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest?.("[data-options]")) event.preventDefault();
  });
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest?.("[data-options]")) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const option = event.target.closest?.("[data-options] [role=option]:not([aria-disabled])");
    if (!option) return;
    const list = option.closest("[data-options]");
    choose(inputOf(list), list, option);
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("[data-picker]")) close(event.target, listOf(event.target));
  });

  const replace = () => {
    document.querySelectorAll("[data-options]:popover-open").forEach((list) => place(inputOf(list), list));
  };
  addEventListener("scroll", replace, { capture: true, passive: true });
  addEventListener("resize", replace);
})();
