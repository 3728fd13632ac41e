// The board: asks the server to move a card, puts the card where the server says it is, and keeps focus on it.
// Arrows, or h j k l, go from card to card; each card has a menu. Dragging is in board-drag.js.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const board = () => byId("board");
  const cardOf = (element) => element?.closest?.("#board [data-in]");
  const columnOf = (key) => document.querySelector(`#board [data-column="${CSS.escape(key)}"]`);
  const cardsIn = (column) => [...column.querySelectorAll("[data-in]")];
  const linkOf = (card) => card.querySelector(".to");
  const fill = (address, card) => address.replace("/0/", `/${card.id.slice("card-".length)}/`);

  // What is said without the server: a line that can be seen, and read by the live region.
  const say = (text, kind = "error") => {
    const line = document.createElement("p");
    line.className = `message ${kind}`;
    line.textContent = text;
    byId("board-said").replaceChildren(line);
    htmx.trigger(document.body, "announce", { value: text });
  };

  // Focus: the card one works on, or what stands in its place once it is gone.
  let held = null;
  const hold = (card) => {
    held = { id: card.id, column: card.dataset.in, index: cardsIn(card.parentElement).indexOf(card) };
  };
  const show = (card) => card.scrollIntoView({ block: "nearest", inline: "nearest" });
  const focusOn = (card) => {
    linkOf(card).focus({ preventScroll: true });
    show(card);
  };
  const focusHeld = () => {
    if (!held || !board()) return;
    const card = byId(held.id);
    const others = columnOf(held.column) ? cardsIn(columnOf(held.column)) : [];
    const next = card || others[held.index] || others.at(-1);
    if (next) focusOn(next);
    else board().focus({ preventScroll: true });
  };

  // Within a column by closing date, as the server sorts.
  const isBefore = (card, other) => {
    const [one, two] = [card, other].map((each) => each.querySelector("time")?.dateTime || "9999");
    return one === two ? Number(card.id.slice(5)) < Number(other.id.slice(5)) : one < two;
  };
  const putInto = (card, column) => {
    const list = column.querySelector("ul");
    const next = cardsIn(column).find((other) => other !== card && isBefore(card, other)) || list.querySelector("[hx-get]")?.closest("li");
    if (card.parentElement !== list || card.nextElementSibling !== (next || null)) list.insertBefore(card, next || null);
  };
  const settle = (card) => {
    const column = columnOf(card.dataset.in);
    if (column) putInto(card, column);
    else location.reload(); // a stage that was no column when the page was drawn
  };

  const move = (card, to) => {
    hold(card);
    card.setAttribute("aria-busy", "true");
    putInto(card, columnOf(to));
    const values = { to, seen: card.dataset.seen };
    htmx.ajax("POST", fill(board().dataset.move, card), { source: card, target: "#board-said", swap: "innerHTML", values }).catch(() => {});
  };
  document.addEventListener("board:move", (event) => move(event.target, event.detail.to));
  document.addEventListener("board:refused", (event) => {
    if (event.detail.why) say(event.detail.why);
    else say(board().dataset.left, "info");
    hold(event.target);
    focusHeld();
  });
  document.addEventListener("board:hold", (event) => hold(event.target));
  document.addEventListener("board:close", (event) => {
    const link = byId("board-dialog");
    hold(event.target);
    link.href = `${fill(board().dataset.closeCard, event.target)}&outcome=${event.detail.outcome}`;
    link.click();
  });

  // The answer brings the card where it is now; what is missing is asked for in the usual dialog.
  document.body.addEventListener("htmx:afterSettle", (event) => {
    const { target, requestConfig } = event.detail;
    if (target.id === "board-said" && event.target === target) {
      const card = byId(requestConfig.elt.id);
      if (card) settle(card);
      focusHeld();
      target.querySelector("[data-ask]")?.click();
    } else if (target.id === "main" && board()) {
      restoreScroll();
      focusHeld();
    } else if (target.closest?.("#board")) {
      withoutDoubles();
    }
  });
  const onFailure = (event) => {
    const { target, requestConfig } = event.detail;
    if (target?.id !== "board-said") return;
    const card = requestConfig.elt;
    card.removeAttribute("aria-busy");
    settle(card);
    focusHeld();
    say(board().dataset.failed);
  };
  document.body.addEventListener("htmx:responseError", onFailure);
  document.body.addEventListener("htmx:sendError", onFailure);

  // A card that was moved here may come once more with the next page of its column.
  const withoutDoubles = () => {
    const seen = new Set();
    board().querySelectorAll("[data-in]").forEach((card) => {
      if (seen.has(card.id)) card.remove();
      seen.add(card.id);
    });
  };

  // A dialog draws the board anew when it is done: the columns stay where they were scrolled to.
  let scrolled = null;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (target.id === "card-menu" && xhr.status >= 400) {
      event.detail.shouldSwap = false;
      location.reload(); // it is not there any more, and neither should its card be
    }
    if (target.id !== "main" || !board()) return;
    menu().removeAttribute("style"); // htmx would copy it to the next board, which the security policy forbids
    const lists = [...board().querySelectorAll("[data-column]")].map((column) => [column.dataset.column, column.querySelector("ul").scrollTop]);
    scrolled = { left: board().scrollLeft, lists };
  });
  const restoreScroll = () => {
    if (!scrolled) return;
    board().scrollLeft = scrolled.left;
    scrolled.lists.forEach(([key, top]) => columnOf(key)?.querySelector("ul").scrollTo(0, top));
    scrolled = null;
  };
  byId("dialog").addEventListener("close", () => focusHeld());

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss-said]")) {
      byId("board-said").replaceChildren();
      focusHeld();
    }
  });

  // From card to card
  const step = (card, right, down) => {
    const column = card.closest("[data-column]");
    const cards = cardsIn(column);
    const index = cards.indexOf(card);
    if (down) {
      if (!cards[index + down]) column.querySelector("[hx-get]")?.scrollIntoView({ block: "nearest" }); // which loads more
      return cards[index + down];
    }
    const columns = [...board().querySelectorAll("[data-column]")].filter((other) => other === column || cardsIn(other).length);
    const neighbour = columns[columns.indexOf(column) + right];
    return neighbour && (cardsIn(neighbour)[index] || cardsIn(neighbour).at(-1));
  };
  const ARROWS = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
  const LETTERS = { j: [0, 1], k: [0, -1], l: [1, 0], h: [-1, 0] };
  const allowsLetters = document.documentElement.dataset.keys !== "off";

  const onBoardKey = (event) => {
    const way = ARROWS[event.key] || (allowsLetters && LETTERS[event.key]);
    const card = cardOf(event.target);
    if (!way || !board() || document.querySelector("dialog[open]")) return;
    if (!card && (event.target !== document.body && event.target !== byId("main") && event.target !== board() || ARROWS[event.key])) return;
    event.preventDefault();
    event.stopPropagation();
    const next = card ? step(card, ...way) : board().querySelector("[data-in]");
    if (next) focusOn(next);
  };

  // The single key m belongs to the card that has focus; without one to the first.
  const giveKey = (card) => {
    const dots = card?.querySelector(".dots");
    document.querySelectorAll("#board [data-key]").forEach((other) => {
      ["data-key", "aria-keyshortcuts", "data-key-label"].forEach((name) => other.removeAttribute(name));
    });
    if (!dots) return;
    dots.dataset.key = "m";
    dots.dataset.keyLabel = board().dataset.menuLabel;
    if (allowsLetters) dots.setAttribute("aria-keyshortcuts", "m");
  };
  document.addEventListener("focusin", (event) => {
    const card = cardOf(event.target);
    if (!card) return;
    hold(card);
    giveKey(card);
  });
  giveKey(document.querySelector("#board [data-seen]"));

  // The menu of a card
  const menu = () => byId("card-menu");
  const isOpen = () => menu()?.matches(":popover-open");
  const itemsOf = () => [...menu().querySelectorAll("[role=menuitem]")];

  const openMenu = (dots) => {
    htmx.ajax("GET", dots.href, { source: dots, target: "#card-menu", swap: "innerHTML" }).catch(() => location.assign(dots.href));
  };
  const placeMenu = (dots) => {
    const list = menu();
    const box = dots.getBoundingClientRect();
    const up = box.bottom + list.offsetHeight > innerHeight - 8;
    list.style.left = `${Math.max(8, Math.min(box.right - list.offsetWidth, innerWidth - list.offsetWidth - 8))}px`;
    list.style.top = `${up ? Math.max(8, box.top - list.offsetHeight - 4) : box.bottom + 4}px`;
  };
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const { target, requestConfig } = event.detail;
    if (target.id !== "card-menu" || event.target !== target) return;
    const dots = requestConfig.elt;
    hold(cardOf(dots));
    target.setAttribute("aria-label", dots.getAttribute("aria-label"));
    if (!isOpen()) target.showPopover();
    placeMenu(dots);
    itemsOf()[0]?.focus();
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.id !== "card-menu" || event.newState !== "closed") return;
    if (!document.querySelector("dialog[open]") && !cardOf(document.activeElement)) focusHeld();
  }, true);

  const onMenuKey = (event) => {
    const items = itemsOf();
    const now = items.indexOf(document.activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab") menu().hidePopover();
    else if (to !== undefined) items.at(to % items.length).focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (isOpen()) onMenuKey(event);
    else onBoardKey(event);
  }, true);

  document.addEventListener("click", (event) => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const dots = event.target.closest("#board .dots");
    const item = event.target.closest("#card-menu [role=menuitem]");
    if (dots) {
      event.preventDefault();
      openMenu(dots);
    } else if (item && item.getAttribute("aria-disabled")) {
      say(item.querySelector("small").textContent);
    } else if (item) {
      menu().hidePopover();
      if (!item.dataset.to) return;
      event.preventDefault();
      move(byId(held.id), item.dataset.to);
    }
  });
})();
