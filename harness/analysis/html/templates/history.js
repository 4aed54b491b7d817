"use strict";
const numbersOf = (text, count) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const read = bytes.length === 8 * count ? (place) => view.getFloat64(8 * place, true) : (place) => view.getFloat32(4 * place, true);
  return Array.from({ length: count }, (_, place) => read(place));
};
const cell = (row, tag, text) => {
  const made = document.createElement(tag);
  made.textContent = text;
  if (tag === "th") made.scope = "col";
  row.append(made);
};
for (const group of document.querySelectorAll("section.group")) {
  let data;
  for (const series of group.querySelectorAll(".series")) {
    const svg = series.querySelector("svg");
    let values;
    let chosen = -1;
    const show = (night) => {
      data ??= JSON.parse(group.querySelector("script").textContent);
      values ??= numbersOf(data.values[Number(series.dataset.place)], data.launch.length);
      chosen = Math.max(0, Math.min(data.nights.length - 1, night));
      const mark = svg.querySelector("line.chosen") ?? document.createElementNS("http://www.w3.org/2000/svg", "line");
      const x = (chosen * svg.viewBox.baseVal.width) / Math.max(1, data.nights.length - 1);
      const place = { class: "chosen", x1: x, x2: x, y1: 0, y2: svg.viewBox.baseVal.height };
      for (const [name, value] of Object.entries(place)) mark.setAttribute(name, value);
      svg.append(mark);
      const table = document.createElement("table");
      table.className = "launches";
      cell(table.createCaption(), "span", `night of ${data.nights[chosen]}`);
      const head = table.createTHead().insertRow();
      for (const name of ["launch", series.dataset.unit || "value", "commit", "attempt", "other work"]) cell(head, "th", name);
      const body = table.createTBody();
      data.night.forEach((of, number) => {
        if (of !== chosen) return;
        const value = values[number] / Number(series.dataset.divisor);
        const row = body.insertRow();
        cell(row, "td", data.launch[number]);
        cell(row, "td", Number.isNaN(value) ? "\u2013" : value.toPrecision(Number(series.dataset.digits)));
        cell(row, "td", data.commits[data.commit[number]].slice(0, 12));
        cell(row, "td", data.attempt[number]);
        cell(row, "td", data.foreign.includes(number) ? "yes" : "no");
      });
      series.querySelector(".launches")?.remove();
      series.append(table);
    };
    svg.addEventListener("click", (event) => {
      data ??= JSON.parse(group.querySelector("script").textContent);
      const box = svg.getBoundingClientRect();
      show(Math.round(((event.clientX - box.left) / box.width) * (data.nights.length - 1)));
    });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(chosen + step);
    });
  }
}
