// Keys, and times that go on. Everything works without this file; nothing here approves or denies.
"use strict";

(() => {
  const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];

  function span(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    for (const [size, unit, below, small] of UNITS) {
      if (seconds >= size) {
        const rest = Math.floor((seconds % size) / below);
        return `${Math.floor(seconds / size)} ${unit}` + (rest ? ` ${rest} ${small}` : "");
      }
    }
    return `${seconds} s`;
  }

  function tick() {
    const now = Date.now();
    for (const node of document.querySelectorAll(".age[data-since]")) {
      node.textContent = span(now - Number(node.dataset.since));
    }
    for (const node of document.querySelectorAll(".left[data-until]")) {
      const left = Number(node.dataset.until) - now;
      node.textContent = span(left);
      node.classList.toggle("soon", left < 120000);
    }
  }

  // What is decided or over takes no answer any more: the server refuses it, this only says so in time.
  function settle() {
    const state = document.getElementById("state");
    if (!state) return;
    const over = !["requested", "granted"].includes(state.dataset.status);
    for (const answer of document.querySelectorAll(".answering")) answer.disabled = over;
  }

  function typing(target) {
    return target instanceof Element && target.closest("input, textarea, select, [contenteditable]");
  }

  function move(step) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
    rows[next].focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) {
      event.target.blur();
      return;
    }
    if (typing(event.target)) return;
    const back = document.querySelector("[data-back]");
    const keys = document.querySelector(".foot details");
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "u" && back) back.click();
    else if (event.key === "?" && keys) {
      keys.open = !keys.open;
      keys.querySelector("summary").focus();
    } else return;
    event.preventDefault();
  });

  document.addEventListener("htmx:after:swap", () => { tick(); settle(); });
  document.addEventListener("DOMContentLoaded", () => { tick(); settle(); });
  setInterval(tick, 1000);
})();
