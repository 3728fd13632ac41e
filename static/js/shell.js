// What the frame around the page does after htmx has put a new #main in place, and filters that send themselves.
"use strict";
(() => {
  const announce = document.getElementById("announce");

  // The link in the sidebar that leads to where we are now: the longest path that the address begins with.
  const markSidebar = () => {
    const links = [...document.querySelectorAll("#side li a")];
    const here = links
      .filter((link) => location.pathname.startsWith(link.pathname))
      .sort((a, b) => b.pathname.length - a.pathname.length)[0];
    links.forEach((link) => link.removeAttribute("aria-current"));
    here?.setAttribute("aria-current", "page");
  };

  // The live region stays while the page around it is replaced. It is emptied first, so that the same words are read again.
  let texts = [];
  const say = (text) => {
    if (!text) return;
    texts.push(text);
    announce.textContent = "";
    setTimeout(() => {
      if (texts.length) announce.textContent = texts.join(" ");
      texts = [];
    }, 60);
  };
  document.body.addEventListener("announce", (event) => say(event.detail.value));

  // Messages, and whatever else says of itself that it is news: data-announce, with words or with its own text.
  // (What goes on in phases is said at a pace of its own.)
  const sayWhatCame = (came) => {
    const news = "[data-announce]:not([data-phase]), #main .message";
    [...(came.matches(news) ? [came] : []), ...came.querySelectorAll(news)]
      .forEach((element) => say(element.dataset.announce || element.textContent.trim()));
  };

  document.body.addEventListener("htmx:afterSettle", (event) => {
    sayWhatCame(event.target);
    if (event.detail.target.id !== "main") return;
    markSidebar();
    const main = document.getElementById("main");
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  });

  // Focus is never lost: what had it when the request left, and is gone when the answer is in place, is looked for
  // in what came instead; if there is nothing like it, focus goes to the heading of the part of the page it was in.
  const marks = new WeakMap(); // request → what had focus
  const isLost = () => !document.activeElement || document.activeElement === document.body;
  const canHaveFocus = (element) => element.isConnected && element.checkVisibility() && !element.matches(":disabled");
  const labelOf = (element) => element.getAttribute("aria-label") || element.textContent.trim();

  const describe = (element) => {
    const around = [];
    for (let parent = element.parentElement; parent; parent = parent.parentElement) around.push(parent);
    return { element, around, id: element.id, label: labelOf(element) };
  };

  const alike = (mark, place) => {
    const { element, id, label } = mark;
    const [href, name, value] = ["href", "name", "value"].map((key) => element.getAttribute(key));
    const others = [...place.querySelectorAll(element.tagName)].filter(canHaveFocus);
    return others.find((other) => id && other.id === id) ||
      others.find((other) => href && other.getAttribute("href") === href && labelOf(other) === label) ||
      others.find((other) => href && other.getAttribute("href") === href) ||
      others.find((other) => name && other.name === name && (!/^(BUTTON|INPUT)$/.test(other.tagName) || other.getAttribute("value") === value)) ||
      others.find((other) => name && other.name === name && other.type === element.type) ||
      others.find((other) => !href && !name && label && labelOf(other) === label);
  };

  const findAgain = (mark) => {
    if (canHaveFocus(mark.element)) return mark.element;
    const places = mark.around
      .map((place) => (place.isConnected ? place : place.id && document.getElementById(place.id)))
      .filter((place) => place && place !== document.documentElement);
    for (const place of places) {
      const same = alike(mark, place);
      if (same) return same;
    }
    const headings = places.map((place) => [...place.querySelectorAll("h1, h2, h3")].find(canHaveFocus));
    const heading = headings.find(Boolean) || document.getElementById("main");
    if (!heading.hasAttribute("tabindex")) heading.tabIndex = -1;
    return heading;
  };

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (!isLost()) marks.set(event.detail.xhr, describe(document.activeElement));
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    const mark = marks.get(xhr);
    if (!isLost()) marks.set(xhr, describe(document.activeElement));
    else if (mark && canHaveFocus(mark.element)) marks.delete(xhr); // somebody took focus away on purpose
  });
  const keepFocus = (event) => {
    const mark = marks.get(event.detail.xhr);
    if (!mark || !isLost() || event.detail.target?.id === "main") return;
    marks.delete(event.detail.xhr);
    findAgain(mark)?.focus({ preventScroll: true });
  };
  document.body.addEventListener("htmx:afterSettle", keepFocus);
  document.body.addEventListener("htmx:afterOnLoad", keepFocus); // an empty answer settles nothing

  // A session that ended answers with the sign-in page: go there as a whole page, and come back here after it.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    const wholePage = /<html[\s>]/i.test(xhr.response);
    if (!wholePage || xhr.status >= 400 || target.id === "main" || target.id === "dialog") return;
    event.detail.shouldSwap = false;
    location.reload();
  });

  document.addEventListener("change", (event) => {
    event.target.closest("form[data-autosubmit]")?.requestSubmit();
  });
})();
