"use strict";
/* Elements, formatted numbers, and sortable tables. Text reaches the page as text nodes only; nothing here parses HTML. */
const $ = (id) => document.getElementById(id);

/* Makes an element. Children are nodes or text. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null && value !== false) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

const missing = (value) => value == null || Number.isNaN(value);
function fixed(value, digits = 2) {
  if (missing(value)) return "–";
  const whole = Number(value.toFixed(digits)) || 0; /* never -0 */
  return whole.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
}
/* As bench/report/text.py: charges are exact, computed costs have three significant digits. */
const digits = (value, n) => value.toLocaleString("en-US", {minimumSignificantDigits: n, maximumSignificantDigits: n});
const usd = (value) => (value >= 1e-9 && value < 0.095 ? digits(value, 2) : fixed(value));
const computed = (value) => (value >= 1e-9 ? digits(value, 3) : fixed(value));
const plain = (value) => value.toLocaleString("en-US", {maximumFractionDigits: 6});
const between = ([, low, high]) => (missing(low) ? "" : ` [${fixed(low)}, ${fixed(high)}]`);
/* estimate: [mean, low, high] */
const scoreText = (estimate) => (estimate ? fixed(estimate[0]) + between(estimate) : "–");
function score(estimate) {
  return estimate ? el("span", {class: "score"}, el("b", {}, fixed(estimate[0])), el("small", {}, between(estimate))) : "–";
}
const tag = (words, kind = "") => el("b", {class: `tag ${kind}`}, words);
const listed = (names) => (names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", "));

const nothing = (id, why) => $(id).replaceChildren(el("p", {class: "note"}, why));

/* The difference to the best, with its p-value, and whether the two tie. */
function behindOf(found) {
  if (!found) return "–";
  const p = missing(found.p) ? "" : found.p < 0.001 ? " p < 0.001" : ` p ${found.p.toPrecision(2)}`;
  return el("span", {}, score(found.estimate), el("small", {}, p), found.tested ? (found.tied ? tag("tied") : "") : tag("not tested"));
}

/* value(row): sort key. show(row): text or node. text: aligned to the left. live: changes with the prices. */
const column = (title, value, show = value, more = {}) => ({title, value, show, ...more});
const TEXT = {text: true}, LIVE = {live: true};

function compared(column, sign) {
  return ({row: a}, {row: b}) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (missing(x) || missing(y)) return missing(x) - missing(y); /* Missing values come last in both orders. */
    return sign * (typeof x === "string" ? x.localeCompare(y, "en", {numeric: true}) : x - y);
  };
}

/* Returns {node, refresh(): redraws live columns, filter(keep): hides other rows}. */
function table(caption, columns, rows) {
  const side = (one) => (one.text ? null : "number");
  const lines = rows.map((row) => {
    const cells = columns.map((one, i) => el(i ? "td" : "th", {scope: i ? null : "row", class: side(one)}, one.show(row)));
    return {row, cells, tr: el("tr", {class: row.kind && row.kind !== "setting" ? "reference" : null}, cells)};
  });
  const body = el("tbody", {}, lines.map((line) => line.tr));
  const heads = columns.map((one) => {
    const button = el("button", {type: "button"}, one.title.replace(/ ([↑↓])/, "\u00a0$1"));
    const head = el("th", {scope: "col", class: side(one), "aria-sort": "none"}, button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      lines.sort(compared(one, direction === "ascending" ? 1 : -1));
      body.append(...lines.map((line) => line.tr));
      for (const other of heads) other.setAttribute("aria-sort", other === head ? direction : "none");
    });
    return head;
  });
  const whole = el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), body);
  return {
    node: el("div", {class: "scroll", tabindex: 0, role: "group", "aria-label": caption}, whole),
    refresh: () => lines.forEach(({row, cells}) => columns.forEach((one, i) => one.live && cells[i].replaceChildren(one.show(row)))),
    filter: (keep) => lines.forEach(({row, tr}) => (tr.hidden = !keep(row))),
  };
}

/* The content of a chart as a table. Cells are texts; those that are numbers sort as numbers. */
function sameAsTable(caption, [heads, rows]) {
  const sorts = (text) => (Number.isNaN(parseFloat(text)) ? text : parseFloat(text.replaceAll(",", "")));
  const columns = heads.map((title, i) => column(title, (row) => sorts(row[i]), (row) => row[i], {text: i === 0}));
  return el("details", {class: "same"}, el("summary", {}, "The same as a table"), table(caption, columns, rows).node);
}
