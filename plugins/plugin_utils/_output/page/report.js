// SPDX-License-Identifier: GPL-3.0-or-later
// The filter box, and what is folded away when the page is printed. Without it the page shows everything.
"use strict";
(() => {
  const form = document.querySelector(".filter");
  const input = form.querySelector("input");
  const count = form.querySelector("output");
  const rows = [...document.querySelectorAll("[data-row]")].map((row) => ({
    row, text: row.textContent.toLowerCase(), folds: foldsAround(row),
  }));
  const folds = [...document.querySelectorAll("details")];
  const boxes = [...document.querySelectorAll("[data-box]")].map((box) => {
    const list = document.getElementById(box.dataset.box);
    return { box, text: (box.textContent + " " + (list ? list.textContent : "")).toLowerCase() };
  });
  const edges = [...document.querySelectorAll("[data-from]")];

  function foldsAround(row) {
    const found = [];
    for (let at = row.closest("details"); at; at = at.parentElement.closest("details")) found.push(at);
    return found;
  }

  function apply() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (text) => words.every((word) => text.includes(word));
    const open = new Set();
    let shown = 0;
    for (const { row, text, folds: around } of rows) {
      const fit = fits(text);
      row.hidden = !fit;
      if (fit) {
        shown += 1;
        around.forEach((fold) => open.add(fold));
      }
    }
    for (const fold of folds) {
      if (fold.dataset.by === "filter" || !fold.open) {
        fold.open = words.length > 0 && open.has(fold);
        fold.dataset.by = fold.open ? "filter" : "";
      }
    }
    dim(new Set(boxes.filter(({ text }) => fits(text)).map(({ box }) => box.dataset.box)));
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  }

  // What fits stays, with its flows and whoever is at their other end; where nothing fits, all of it stays.
  function dim(kept) {
    const lit = new Set(kept);
    for (const edge of edges) {
      const near = kept.has(edge.dataset.from) || kept.has(edge.dataset.to);
      edge.classList.toggle("dim", kept.size > 0 && !near);
      if (near) lit.add(edge.dataset.from).add(edge.dataset.to);
    }
    boxes.forEach(({ box }) => box.classList.toggle("dim", kept.size > 0 && !lit.has(box.dataset.box)));
  }

  let waiting = 0;
  input.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(apply);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Escape" && document.activeElement === input) {
      input.value = "";
      apply();
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  // A link to a host in a folded list opens the list.
  function unfold() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) {
      const own = target.matches("details") ? [target] : [];
      [...own, ...foldsAround(target)].forEach((fold) => { fold.open = true; });
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", unfold);

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    closed.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));

  form.hidden = false;
  unfold();
})();
