"use strict";
// Sort a table by the column whose heading is pressed.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => {
      const cell = row.cells[column];
      return cell.dataset.v === undefined ? cell.textContent.trim() : parseFloat(cell.dataset.v);
    };
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => {
      if (typeof a === "string") return (up ? 1 : -1) * a.localeCompare(b, undefined, { numeric: true });
      // What was not measured comes last either way.
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return up ? a - b : b - a;
    });
    body.append(...rows.map(([, row]) => row));
  });
}

// Show only the samples whose name holds what is typed.
const filter = document.getElementById("filter");
if (filter) {
  filter.closest(".tools").hidden = false;
  filter.addEventListener("input", () => {
    const typed = filter.value.trim().toLowerCase();
    for (const item of document.querySelectorAll("[data-name]")) {
      item.hidden = !item.dataset.name.toLowerCase().includes(typed);
    }
  });
}

// Compare two pictures of a sample.
const viewer = document.getElementById("viewer");
if (viewer) {
  const pick = (name) => viewer.querySelector(`[name="${name}"]`);
  const pictures = [...document.querySelectorAll("img[data-kind]")];
  const find = (kind, method, level) =>
    pictures.find((p) => p.dataset.kind === kind && p.dataset.method === method &&
      (p.dataset.level === level || p.dataset.level === ""));
  const compare = document.querySelector(".compare");
  const slider = compare.querySelector("input");
  const slide = () => {
    compare.style.setProperty("--cut", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${Math.round(slider.value)} % of the left picture`);
  };
  const show = () => {
    const kind = pick("kind").value;
    const level = pick("level").value;
    for (const [side, name] of [["over", "before"], ["under", "after"]]) {
      const select = pick(name);
      for (const option of select.options) option.disabled = !find(kind, option.value, level);
      if (select.selectedOptions[0].disabled) {
        const other = pick(name === "before" ? "after" : "before").value;
        const free = [...select.options].filter((o) => !o.disabled);
        const choice = free.find((o) => o.value !== other) || free[0];
        if (choice) select.value = choice.value;
      }
      const picture = find(kind, select.value, level);
      if (!picture) continue;
      const image = compare.querySelector(`img.${side}`);
      image.src = picture.src;
      image.alt = picture.alt;
      compare.querySelector(`.name.${name}`).textContent = picture.dataset.label;
    }
    for (const key of document.querySelectorAll("[data-for]")) key.hidden = key.dataset.for !== kind;
  };
  slider.addEventListener("input", slide);
  for (const name of ["kind", "level", "before", "after"]) pick(name).addEventListener("change", show);
  viewer.hidden = compare.hidden = false;
  show();
  slide();
}
