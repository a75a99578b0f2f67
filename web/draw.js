// How things are written and drawn: elements, numbers with units, small graphs. Knows nothing of the server.

/** Makes an element. Text is always text, never markup. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const badge = (word) => el("span", { class: `badge ${word}` }, String(word).replaceAll("_", " "));
export const percent = (share) => `${Math.round(share * 100)} %`;

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (Math.abs(count) >= 1024 && step < units.length - 1) { count /= 1024; step += 1; }
  return `${count >= 100 || step === 0 ? Math.round(count) : count.toFixed(1)} ${units[step]}`;
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Nanoseconds since 1970 as the time of day here; the whole instant is in the title. */
export function clock(at) {
  if (at === null || at === undefined) return el("span", {}, "–");
  const date = new Date(at / 1e6);
  const text = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return el("time", { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}

/** A line over time with a soft area below; gaps where nothing is known. `top` is the top of the scale. */
export function spark(values, top, band) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true");
  const add = (name, d) => {
    const path = document.createElementNS(ns, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    svg.append(path);
  };
  add("base", "M0 29.5H100");
  const x = (index) => (values.length < 2 ? 100 : (index / (values.length - 1)) * 100).toFixed(2);
  const y = (value) => (29 - (Math.min(Math.max(value, 0), top) / top) * 27).toFixed(2);
  if (band) add("band", `M0 ${y(band[1])}H100V${y(band[0])}H0Z`);
  const runs = [];
  values.forEach((value, index) => {
    if (value === null || value === undefined) return;
    const last = runs.at(-1);
    if (last && last.at(-1)[0] === index - 1) last.push([index, value]);
    else runs.push([[index, value]]);
  });
  for (const run of runs) {
    const line = run.map(([index, value]) => `${x(index)} ${y(value)}`).join("L");
    add("area", `M${x(run[0][0])} 29.5L${line}L${x(run.at(-1)[0])} 29.5Z`);
    add("line", `M${line}`);
  }
  return svg;
}

/** Nodes with `position` and `parent` as nested lists, root first. */
export function tree(nodes) {
  const isChild = (one, node) => one.parent === node.position && one.position > node.position;
  const item = (node) => {
    const children = nodes.filter((one) => isChild(one, node));
    return el("li", {},
      el("span", { class: "who" }, node.entity), " ", node.sentence, " ",
      node.weight !== null && el("span", { class: "sure" }, percent(node.weight)),
      children.length > 0 && el("ul", {}, children.map(item)));
  };
  const roots = nodes.filter((node) => node.parent === null || node.parent >= node.position);
  return el("ul", { class: "tree" }, roots.map(item));
}

/** A table; columns are {title, cell, number, class}. */
export function table(columns, rows, kind = "") {
  const classes = (column) => [column.number && "number", column.class].filter(Boolean).join(" ") || undefined;
  const head = el("tr", {}, columns.map((column) => el("th", { class: column.number && "number", scope: "col" }, column.title)));
  const body = rows.map((row) => el("tr", {}, columns.map((column) => el("td", { class: classes(column) }, column.cell(row) ?? ""))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": columns.map((column) => column.title).join(", ") },
    el("table", { class: kind }, el("thead", {}, head), el("tbody", {}, body)));
}
