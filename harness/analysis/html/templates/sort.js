"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    const order = cell.dataset.order;
    const text = cell.textContent.trim();
    if (order === "" || text === "") return { missing: true };
    const number = Number(order ?? text);
    return Number.isNaN(number) ? { text } : { text, number };
  };
  const compare = (one, other) => {
    if (one.number !== undefined && other.number !== undefined) return one.number - other.number;
    return one.text.localeCompare(other.text, "en", { numeric: true });
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.ariaLabel = `sort by ${head.textContent.trim()}`;
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([one], [other]) => {
        if (one.missing || other.missing) return (one.missing ? 1 : 0) - (other.missing ? 1 : 0);
        return sign * compare(one, other);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
