// Dragging cards on the board with mouse, pen or touch (a long press, so that a short one still scrolls).
// Says what was meant by events on the card: board:move, board:close, board:refused. Escape puts the card back.
"use strict";
(() => {
  const HOLD = 250; // milliseconds until a touch lifts the card
  const SLOP = { mouse: 5, pen: 5, touch: 10 }; // pixels that are no drag yet, or for touch no scrolling yet
  const EDGE = 56; // pixels from the side of the board where it begins to scroll
  const SLOWLY = 7; // the nearer to the side the faster, by so many pixels for each pixel per frame
  let drag = null;

  const board = () => document.getElementById("board");
  const ends = () => document.querySelector(".board-ends");
  const columns = () => [...board().querySelectorAll("[data-column]")];
  const tell = (card, name, detail = {}) => card.dispatchEvent(new CustomEvent(`board:${name}`, { bubbles: true, detail }));
  const rules = () => JSON.parse(document.getElementById("board-refusals").textContent);

  const markColumns = (card) => {
    const reach = card.dataset.reach.split(" ");
    const why = rules()[card.dataset.in] || {};
    columns().forEach((column) => {
      const key = column.dataset.column;
      const state = key === card.dataset.in ? "home" : reach.includes(key) ? "can" : "cannot";
      column.classList.add(state);
      if (state !== "cannot") return;
      const line = column.querySelector(".no");
      line.querySelector("span").textContent = why[key] || "";
      line.hidden = false;
    });
  };
  const unmarkColumns = () => {
    columns().forEach((column) => {
      column.classList.remove("home", "can", "cannot", "over");
      column.querySelector(".no").hidden = true;
    });
    ends().querySelectorAll(".over").forEach((end) => end.classList.remove("over"));
  };

  const makeGhost = (card) => {
    const ghost = document.createElement("div");
    ghost.className = "board-ghost";
    ghost.setAttribute("aria-hidden", "true");
    ghost.append(...[...card.cloneNode(true).childNodes]);
    ghost.querySelectorAll("[id]").forEach((part) => part.removeAttribute("id"));
    ghost.style.width = `${card.offsetWidth}px`;
    document.body.append(ghost);
    return ghost;
  };

  const lift = () => {
    const { card, pointer } = drag;
    drag.lifted = true;
    drag.ghost = makeGhost(card);
    tell(card, "hold");
    card.classList.add("lifted");
    document.documentElement.classList.add("dragging-card");
    try { card.setPointerCapture(pointer); } catch { /* the pointer has just left */ }
    markColumns(card);
    ends().hidden = false;
    follow();
    requestAnimationFrame(scrollAtEdges);
  };

  const placeAt = (x, y) => {
    const under = document.elementFromPoint(x, y);
    return under?.closest(".board-ends [data-outcome]") || under?.closest("#board [data-column]");
  };

  const follow = () => {
    const { ghost, x, y, left, top } = drag;
    ghost.style.transform = `translate(${x - left}px, ${y - top}px)`;
    const over = placeAt(x, y);
    document.querySelectorAll("#board .over, .board-ends .over").forEach((other) => { if (other !== over) other.classList.remove("over"); });
    over?.classList.add("over");
  };

  const scrollAtEdges = () => {
    if (!drag?.lifted) return;
    const box = board().getBoundingClientRect();
    const right = drag.x - (box.right - EDGE);
    const left = box.left + EDGE - drag.x;
    if (right > 0) board().scrollLeft += Math.min(right, EDGE) / SLOWLY;
    else if (left > 0) board().scrollLeft -= Math.min(left, EDGE) / SLOWLY;
    follow();
    requestAnimationFrame(scrollAtEdges);
  };

  // A drag ends with a click, which must not open the card; a click that a script makes meanwhile is none of it.
  const swallowClick = () => {
    const swallow = (event) => {
      if (!event.isTrusted) return;
      event.preventDefault();
      event.stopPropagation();
    };
    document.addEventListener("click", swallow, { capture: true });
    setTimeout(() => document.removeEventListener("click", swallow, true), 60);
  };

  const end = (drop) => {
    if (!drag) return;
    const { card, lifted, ghost, timer, x, y } = drag;
    clearTimeout(timer);
    const over = lifted && drop ? placeAt(x, y) : null;
    drag = null;
    if (!lifted) return;
    ghost.remove();
    card.classList.remove("lifted");
    document.documentElement.classList.remove("dragging-card");
    const why = over?.classList.contains("cannot") ? over.querySelector(".no").textContent.trim() : "";
    const isPossible = over?.classList.contains("can");
    unmarkColumns();
    ends().hidden = true;
    if (over?.dataset.outcome) tell(card, "close", { outcome: over.dataset.outcome });
    else if (isPossible) tell(card, "move", { to: over.dataset.column });
    else if (why || !drop) tell(card, "refused", { why });
    if (drop) swallowClick();
  };

  document.addEventListener("pointerdown", (event) => {
    if (drag) return end(false); // a second finger
    const card = event.target.closest?.("#board [data-reach]");
    if (!card || event.button || event.target.closest(".dots") || card.hasAttribute("aria-busy")) return;
    const box = card.getBoundingClientRect();
    const kind = event.pointerType in SLOP ? event.pointerType : "mouse";
    const { clientX: x, clientY: y } = event;
    drag = { card, kind, pointer: event.pointerId, x, y, fromX: x, fromY: y, left: x - box.left, top: y - box.top };
    if (kind === "touch") drag.timer = setTimeout(lift, HOLD);
  });

  document.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.pointer) return;
    drag.x = event.clientX;
    drag.y = event.clientY;
    if (drag.lifted) return follow();
    if (Math.hypot(drag.x - drag.fromX, drag.y - drag.fromY) < SLOP[drag.kind]) return;
    if (drag.kind === "touch") end(false); // this is scrolling
    else lift();
  });

  document.addEventListener("pointerup", (event) => { if (event.pointerId === drag?.pointer) end(true); });
  document.addEventListener("pointercancel", (event) => { if (event.pointerId === drag?.pointer) end(false); });
  addEventListener("blur", () => end(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag?.lifted) return;
    event.preventDefault();
    event.stopPropagation();
    end(false);
  }, true);

  // While a card is in the hand the page does not scroll, no menu of the browser opens, and no link is dragged.
  document.addEventListener("touchmove", (event) => {
    if (drag?.lifted || drag?.kind === "pen") event.preventDefault();
  }, { passive: false });
  document.addEventListener("contextmenu", (event) => { if (drag && drag.kind !== "mouse") event.preventDefault(); });
  document.addEventListener("dragstart", (event) => { if (event.target.closest?.("#board")) event.preventDefault(); });
})();
