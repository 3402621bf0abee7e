"use strict";
const filter = document.querySelector(".filter");
const input = filter.querySelector("input");
const output = filter.querySelector("output");
const body = document.querySelector("tbody");
const rows = [...body.rows];
const show = () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  output.textContent = `${shown} of ${rows.length}`;
};
filter.hidden = false;
input.addEventListener("input", show);
show();
const key = (row, column) => {
  const cell = row.cells[column];
  return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.toLowerCase();
};
document.querySelectorAll("thead th").forEach((head, column) => {
  const button = document.createElement("button");
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    document.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    rows.sort((one, other) => {
      const [a, b] = [key(one, column), key(other, column)];
      const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
      return descending ? -order : order;
    });
    body.append(...rows);
  });
});
