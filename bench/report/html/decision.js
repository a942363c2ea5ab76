"use strict";
/* The decision map at the chosen prices, as in bench/report/analysis/decision.py, and a better setting run with less money. */
const decision = (() => {
  /* A setting that was run with less money, is better than the best one here, and costs no more than this budget. */
  function asItWasRun(best, now, prices) {
    const found = pricing.covered(now.task, now.budget, prices), sign = now.task.metric.direction === "lower" ? -1 : 1;
    if (!found || (best && sign * (found.point.mean - best.mean) <= 0)) return [];
    const {setting, point} = found, reached = scoreText([point.mean, point.low, point.high]);
    const did = `The run of ${setting.name} with ${plain(point.budget)} USD costs ${usd(found.usd)} USD at these prices and reached ${reached}.`;
    return [el("p", {}, `${did} Repeating it leaves ${usd(now.budget - found.usd)} USD.`)];
  }

  /* The best setting for one budget and one label price: {name, wins}; null where fewer than two settings have a score. */
  function cell(task, budget, prices) {
    const found = pricing.ranked(task, budget, prices, task.map.compared);
    if (found.length < 2) return null;
    return {name: found[0].name, wins: found.slice(1).every(({behind}) => behind.tested && !behind.tied)};
  }

  const letter = (i) => (i < 26 ? "" : String.fromCharCode(64 + Math.floor(i / 26))) + String.fromCharCode(65 + (i % 26));
  const nearest = (values, to) => values.reduce((a, b) => (Math.abs(Math.log(b / to)) < Math.abs(Math.log(a / to)) ? b : a));

  function field(found, letters, places, here) {
    if (!found) return el("td", {class: here ? "here" : null}, "–");
    const place = places.get(found.name), node = el("td", {class: `${found.wins ? "wins" : "leads"}${here ? " here" : ""}`});
    node.append(letters.get(found.name), found.wins ? "" : "?");
    node.title = found.wins ? `${found.name} is best` : `${found.name}, but there is no clear winner`;
    node.style.setProperty("--field", place == null ? "var(--soft)" : charts.colour(place)); /* The policy would block a style attribute. */
    return node;
  }

  function map(now, prices, places) {
    const {map: grid} = now.task;
    $("map").hidden = !grid;
    if (!grid) return;
    const labels = [...grid.label_usd].reverse();
    const rows = labels.map((label) => [label, grid.budgets.map((budget) => cell(now.task, budget, {...prices, label}))]);
    const names = [...new Set(rows.flatMap(([, cells]) => cells.filter(Boolean).map(({name}) => name)))].sort();
    const letters = new Map(names.map((name, i) => [name, letter(i)]));
    const column = nearest(grid.budgets, now.budget), row = prices.label > 0 ? nearest(labels, prices.label) : null;
    const heads = ["a label", ...grid.budgets.map(plain)];
    const line = ([label, cells]) => {
      const fields = cells.map((found, i) => field(found, letters, places, label === row && grid.budgets[i] === column));
      return el("tr", {}, el("th", {scope: "row"}, String(Number(label.toPrecision(3)))), fields);
    };
    const caption = "Best setting by budget (across, USD) and price of a label (upwards, USD)";
    const head = el("thead", {}, el("tr", {}, heads.map((text) => el("th", {scope: "col"}, text))));
    const table = el("table", {class: "map"}, el("caption", {}, caption), head, el("tbody", {}, rows.map(line)));
    const key = names.map((name) => el("li", {}, el("b", {}, letters.get(name)), places.has(name) ? charts.swatch(places.get(name)) : "", name));
    const scroll = el("div", {class: "scroll", tabindex: 0, role: "group", "aria-label": caption}, table);
    $("map-table").replaceChildren(el("ul", {class: "legend"}, key), scroll);
  }

  return {asItWasRun, map, cell};
})();
