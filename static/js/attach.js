// Files for a note: chosen, dropped on the form or pasted, listed before they are sent, and left out again.
"use strict";
(() => {
  const files = new WeakMap(); // input → the files it will send
  const partsOf = (input) => ({ box: input.closest("[data-attach]"), form: input.form });
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
  const say = (value) => document.body.dispatchEvent(new CustomEvent("announce", { detail: { value } }));

  const sizeOf = (bytes) => {
    const [by, unit] = [[1024 ** 2, "megabyte"], [1024, "kilobyte"], [1, "byte"]].find(([least]) => bytes >= least || least === 1);
    const style = { style: "unit", unit, unitDisplay: by === 1 ? "long" : "short", maximumFractionDigits: 1 };
    return new Intl.NumberFormat(document.documentElement.lang, style).format(bytes / by);
  };

  const lineOf = (input, file, index) => {
    const line = document.createElement("li");
    const name = document.createElement("span");
    const size = document.createElement("span");
    const out = document.createElement("button");
    name.textContent = file.name;
    size.textContent = sizeOf(file.size);
    size.className = "faint";
    Object.assign(out, { type: "button", className: "btn btn-icon", textContent: "×" });
    out.setAttribute("aria-label", filled(partsOf(input).box.dataset.remove, { name: file.name }));
    out.addEventListener("click", () => {
      put(input, files.get(input).toSpliced(index, 1));
      (partsOf(input).form.querySelectorAll("[data-chosen] button")[index] || input).focus();
    });
    line.append(name, " ", size, out);
    return line;
  };

  // What the browser sends is what is listed.
  const put = (input, list) => {
    const transfer = new DataTransfer();
    list.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    files.set(input, list);
    partsOf(input).form.querySelector("[data-chosen]").replaceChildren(...list.map((file, index) => lineOf(input, file, index)));
  };

  const refusal = (input, file, list) => {
    const { tooLarge, wrong, tooMany } = partsOf(input).box.dataset;
    const ending = `.${file.name.split(".").at(-1).toLowerCase()}`;
    const values = { name: file.name, size: sizeOf(Number(input.dataset.largest)), most: input.dataset.most };
    if (!input.accept.split(",").includes(ending)) return filled(wrong, values);
    if (file.size > Number(input.dataset.largest)) return filled(tooLarge, values);
    return list.length >= Number(input.dataset.most) ? filled(tooMany, values) : "";
  };

  // A file that the server would refuse is left out at once, in words; the others stay.
  const add = (input, more) => {
    const list = [...(files.get(input) || [])];
    const refused = [];
    for (const file of more) {
      const why = refusal(input, file, list);
      if (why) refused.push(why);
      else list.push(file);
    }
    put(input, list);
    const alert = partsOf(input).form.querySelector("[data-left-out]");
    alert.textContent = refused.join(" ");
    alert.hidden = !refused.length;
    say(list.map((file) => file.name).join(", "));
  };

  const inputOf = (element) => element.closest?.("form:has([data-attach])")?.querySelector("[data-attach] input[type=file]");
  const bringsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const mark = (form) => {
    document.querySelectorAll(".dropping").forEach((other) => other.classList.toggle("dropping", other === form));
    form?.classList.add("dropping");
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-attach] input[type=file]")) add(event.target, [...event.target.files]);
  });
  document.addEventListener("dragover", (event) => {
    const input = bringsFiles(event) && inputOf(event.target);
    mark(input ? input.form : null);
    if (input) event.preventDefault();
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(null);
  });
  document.addEventListener("drop", (event) => {
    const input = bringsFiles(event) && inputOf(event.target);
    mark(null);
    if (!input) return;
    event.preventDefault();
    add(input, [...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    const { files: pasted, types } = event.clipboardData;
    const input = pasted.length && !types.includes("text/plain") && inputOf(event.target);
    if (!input) return;
    event.preventDefault();
    add(input, [...pasted]);
  });
})();
