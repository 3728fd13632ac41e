// A filter that is sent says only what is asked for, so that its address can be read and kept.
"use strict";
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-tidy]")) return;
  const data = event.formData;
  [...data].forEach(([name, value]) => { if (!value) data.delete(name); });
  if (![...data].length) data.set("view", "open"); // nothing asked, and that on purpose
});
