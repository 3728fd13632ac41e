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

  // The live region stays while #main is replaced, so that a message is read out.
  const readMessages = () => {
    const texts = [...document.querySelectorAll("#main .message")].map((message) => message.textContent.trim());
    announce.textContent = texts.join(" ");
  };

  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "main") return;
    markSidebar();
    readMessages();
    document.getElementById("main").focus({ preventScroll: true });
  });

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
