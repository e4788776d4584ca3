for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "descending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.children[column].dataset.sort ?? "";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    body.append(...rows);
  }));
}
function control(place, type, text, change) {
  const label = document.createElement("label"), input = document.createElement("input");
  Object.assign(input, {type, checked: type === "checkbox" && text !== "details"});
  input.addEventListener("input", () => change(input));
  label.append(...(type === "checkbox" ? [input, " " + text] : [text + " ", input]));
  place.append(label);
}
for (const section of document.querySelectorAll("section")) {
  const place = section.querySelector(".controls"), results = [...section.querySelectorAll("table.results")];
  control(place, "search", "show rows with", input => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of section.querySelectorAll("tbody tr:not(.constant)")) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    }
  });
  control(place, "checkbox", "details", input => results.forEach(table => table.classList.toggle("details", input.checked)));
  const columns = document.createElement("details"), summary = document.createElement("summary");
  summary.textContent = "columns";
  columns.append(summary);
  [...results[0].querySelectorAll("thead th")].forEach((head, column) => column && control(columns, "checkbox", head.textContent, input => {
    for (const table of results) for (const row of table.rows) row.children[column].hidden = !input.checked;
  }));
  place.append(columns);
}
function openRun() { const row = document.getElementById(location.hash.slice(1)); row?.closest("details")?.setAttribute("open", ""); row?.scrollIntoView(); }
addEventListener("hashchange", openRun); openRun();
