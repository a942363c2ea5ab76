"use strict";
/* The page: the choices of the reader, and the sections that depend on them. */
(() => {
  const data = JSON.parse($("payload").textContent);
  const PRICED = data.prices.label != null;
  const SHOWN = 20; /* Largest number of settings in a chart; more would not be readable. */
  const SOLD = {
    label: "One label", device_hour: "Device hour", kwh: "kWh", prompt_tokens: "1 M prompt tokens", output_tokens: "1 M output tokens",
  };

  /* ---- what is chosen ------------------------------------------------------------------------------------------------------ */

  const atFirst = (task) => ({
    ...data.use, task, budget: task ? Math.max(...task.budgets) : 0, prices: {...data.prices, label: {...data.prices.label}},
  });
  const now = atFirst(data.tasks[0]);
  const prices = (all = now.prices) => ({...all, label: all.label[now.task.name]});
  const boards = () => data.boards.filter((board) => board.task === now.task.name);
  const points = () => now.task.settings.flatMap((setting) => setting.points.map((point) => ({setting, point})));
  const answers = () => points().some(({point}) => point.facts.student_ms != null || point.facts.student_flops != null);
  /* Task -> the settings with a colour and a marker: name -> index, in alphabetical order. */
  const places = new Map(data.tasks.map((task) => [task, new Map(task.shown.slice(0, SHOWN).sort().map((name, i) => [name, i]))]));

  let controls = [];
  function makeControls() {
    const own = (name) => ({get: () => now[name], set: (value) => (now[name] = value), changed: update});
    const [low, high] = [Math.min(...now.task.budgets), Math.max(...now.task.budgets)];
    const budget = {least: Math.max(low / 4, 0.01), most: Math.max(high * 4, 0.04), zero: false, ...own("budget")};
    controls = [control("budget", "Budget", "USD", budget)];
    for (const [name, title] of Object.entries(SOLD)) {
      if (!data.prices.moves.includes(name) && !(name === "device_hour" && answers())) continue;
      const first = prices(data.prices)[name], [least, most] = first > 0 ? [first / 50, first * 50] : [0.001, 10];
      const set = (value) => (name === "label" ? (now.prices.label[now.task.name] = value) : (now.prices[name] = value));
      controls.push(control(`price-${name}`, title, "USD", {least, most, get: () => prices()[name], set, changed: update}));
    }
    if (answers()) {
      controls.push(control("requests", "Requests a month", "", {least: 1, most: 1e9, ...own("requests")}));
      controls.push(control("months", "Months", "", {least: 1, most: 120, ...own("months")}));
    }
    $("controls").replaceChildren(...controls.map((one) => one.node));
    targets.slider(now, update);
  }

  /* ---- sections that follow the prices ------------------------------------------------------------------------------------- */

  function verdict([best, ...others]) {
    const lines = [el("p", {class: "eyebrow"}, `Best for ${plain(now.budget)} USD at these prices`)];
    if (best) {
      lines.push(el("p", {class: "best"}, best.name), el("p", {}, `${now.task.metric.name} ${scoreText(pricing.estimate(best, now.task))}`));
      lines.push(el("p", {}, ...standing(others)));
      if (others.length) lines.push(el("p", {}, `Next: ${others[0].name}, ${scoreText(others[0].behind.estimate)} behind.`));
    } else {
      const known = points().map(({point}) => pricing.standsFor(point, prices()));
      const range = known.length ? ` At these prices the runs stand for budgets of ${usd(Math.min(...known))} to ${usd(Math.max(...known))} USD.` : "";
      lines.push(el("p", {}, `No setting was run near this budget.${range}`));
    }
    $("verdict").replaceChildren(...lines, ...decision.asItWasRun(best, now, prices()));
  }

  function standing(others) {
    const tied = others.filter((one) => one.behind.tied);
    if (!others.length) return ["No other setting was run near this budget."];
    const untested = others.some((one) => !one.behind.tested);
    if (untested) return [tag("not tested"), " a test needs two seeds, and scores by example"];
    if (tied.length) return [tag("no clear winner"), ` no significant difference from ${listed(tied.map((one) => one.name))}`];
    return [tag("significant", "wins"), others.length > 1 ? ` better than all ${others.length} others` : " better than the other one"];
  }

  function rankedTable(found) {
    const from = (one) => one.parts.map(([, , point]) => plain(point.budget)).join(" to ");
    const columns = [
      column("setting", (r) => r.name, undefined, TEXT),
      column(now.task.metric.title, (r) => r.mean, (r) => score(pricing.estimate(r, now.task))),
      column("behind the best", (r) => r.behind?.estimate[0] ?? 0, (r) => behindOf(r.behind)),
      column("run with (USD)", (r) => r.parts[0][2].budget, from),
      column("costs (USD)", (r) => r.dollars, (r) => usd(r.dollars)),
      column("labels bought", (r) => r.amount("label"), (r) => fixed(r.amount("label"), 0)),
    ];
    const all = now.task.settings.length, without = all - found.length;
    const made = found.length ? table(`Settings for ${plain(now.budget)} USD at these prices, best first`, columns, found).node : "";
    $("now-table").replaceChildren(made);
    $("prices-text").textContent = controls.map((one) => one.text()).join("; ");
    const rest = without ? ` ${without} of ${all} settings have no score there.` : "";
    $("now-text").textContent = `With ${$("prices-text").textContent}.${rest}`;
  }

  function answering(found) {
    const all = found.map((one) => pricing.served(one, prices(), now.prices)).filter(Boolean);
    const count = now.requests * now.months;
    if (!all.length) {
      const unknown = "The cost of an answer is unknown: neither its time nor its FLOPs were measured.";
      $("answering-text").textContent = found.length ? unknown : "No setting was run near this budget at these prices.";
      return $("answering-table").replaceChildren();
    }
    const least = all.reduce((a, b) => (a.made <= b.made ? a : b));
    for (const one of all) {
      one.total = one.made + count * one.answer;
      one.overLeast = one === least ? null : pricing.breakEven(least.made, least.answer, one.made, one.answer);
    }
    const best = all.find((one) => one.one === found[0]);
    all.sort((a, b) => a.total - b.total);
    const from = (n) => (n == null ? "–" : n === Infinity ? "never" : n === 0 ? "at once" : fixed(Math.ceil(n), 0));
    const columns = [
      column("setting", (s) => s.one.name, undefined, TEXT),
      column(now.task.metric.title, (s) => s.one.mean, (s) => score(pricing.estimate(s.one, now.task))),
      column("to make it (USD)", (s) => s.made, (s) => usd(s.made)),
      column("1,000 answers (USD)", (s) => s.answer, (s) => computed(1000 * s.answer)),
      column("in all (USD)", (s) => s.total, (s) => computed(s.total)),
      column("overtakes the large model at (answers)", (s) => s.paysFrom, (s) => from(s.paysFrom)),
      column("overtakes the cheapest to make at (answers)", (s) => s.overLeast, (s) => from(s.overLeast)),
    ];
    const other = best && best !== all[0] ? ` Best score: ${best.one.name}, ${computed(best.total)} USD in all.` : "";
    $("answering-text").textContent =
      `${plain(now.requests)} requests a month for ${plain(now.months)} months: ${plain(count)} answers. ` +
      `Cheapest in all: ${all[0].one.name}, ${computed(all[0].total)} USD.${other}`;
    $("answering-table").replaceChildren(table("Making and using a model, cheapest in all first", columns, all).node);
  }

  /* ---- the leaderboard ----------------------------------------------------------------------------------------------------- */

  let board = null;
  /* Only a setting whose dollars are known has `bought`. */
  const spent = (row) => (!row.bought ? null : PRICED ? pricing.dollars(row.bought, prices()) : row.facts["usd spent"]);
  const fact = (title, name, by = 1, digits = 0) => column(title, (r) => r.facts[name] ?? null, (r) => fixed(r.facts[name] / by, digits));

  function leaderboard() {
    const rows = boards().flatMap((one) => one.lines.map((line) => ({...line, budget: one.budget})));
    const columns = [
      column("strategy (setting)", (r) => r.name, named, TEXT),
      ...(now.task.budgets.length > 1 ? [column("budget (USD)", (r) => r.budget, (r) => plain(r.budget))] : []),
      column("rank", (r) => r.place, (r) => r.rank || "–"),
      ...data.metrics.map((m) => column(m.title, (r) => r.scores[m.name]?.[0], (r) => score(r.scores[m.name]))),
      column("behind the best", (r) => (r.place === 1 ? 0 : r.behind?.estimate[0]), (r) => behindOf(r.behind)),
      column("spent (USD)", spent, (r) => (missing(spent(r)) ? "–" : usd(spent(r))), LIVE),
      column("its teacher", (r) => r.teacher, (r) => fixed(r.teacher)),
      column("behind its teacher", (r) => r.behind_teacher?.[0], (r) => score(r.behind_teacher)),
      fact("labels bought", "labels_bought"),
      fact("pseudo-labels", "pseudo_labels"),
      fact("parameters (M) ↓", "student_parameters", 1e6, 1),
      fact("ms per answer ↓", "student_ms", 1, 1),
      fact("speed-up ↑", "speed_up", 1, 2),
      column("arms", (r) => r.arms ?? "", undefined, TEXT),
    ].filter((one) => rows.some((r) => !missing(one.value(r)) && one.value(r) !== ""));
    board = table(`Every setting, teacher and baseline of ${now.task.name}, by budget and place`, columns, rows);
    $("leaderboard-table").replaceChildren(board.node);
    const choice = $("budget-shown");
    choice.replaceChildren(el("option", {value: ""}, "all"), ...now.task.budgets.map((b) => el("option", {value: b}, `${plain(b)} USD`)));
    $("budget-choice").hidden = now.task.budgets.length < 2;
    choice.onchange = () => board.filter((row) => choice.value === "" || row.budget === Number(choice.value));
  }

  function named(row) {
    if (row.kind !== "setting") return el("span", {class: "name"}, row.name, el("small", {}, ` ${row.who || row.kind}`));
    const place = places.get(now.task).get(row.name);
    return el("span", {class: "name"}, place == null ? "" : charts.swatch(place), row.name);
  }

  /* ---- charts -------------------------------------------------------------------------------------------------------------- */

  const width = (id) => Math.max(280, Math.min(900, $(id).clientWidth || 600));
  const entry = ([name, place]) => el("li", {}, charts.swatch(place), name);
  const legend = () => el("ul", {class: "legend"}, [...places.get(now.task)].map(entry));
  const tooMany = () => (now.task.shown.length > SHOWN ? `The best ${SHOWN} of ${now.task.shown.length} settings. ` : "");

  function shownFigure(id, drawn, caption, legend, note) {
    const same = sameAsTable(caption, drawn.table);
    same.open = $(id).querySelector("details")?.open ?? false;
    $(id).replaceChildren(el("figure", {}, legend, drawn.chart, el("figcaption", {class: "note"}, note)), same);
  }

  function baselines() {
    const {name} = now.task.metric, lines = boards().flatMap((one) => one.lines);
    const found = lines.filter((line) => line.kind === "baseline" && line.scores[name]).map((line) => [line.name, line.scores[name][0]]);
    return [...new Map(found)].map(([name, y]) => ({name: `baseline: ${name}`, y})).sort((a, b) => a.y - b.y);
  }

  function quality() {
    const {metric} = now.task, shown = places.get(now.task);
    const dots = points().filter(({setting}) => shown.has(setting.name)).map(({setting: {name}, point}) => {
      const {mean: y, low, high, budget} = point, open = !point.elastic, text = scoreText([y, low, high]);
      const x = (PRICED && pricing.standsFor(point, prices())) || budget; /* A point without cost stands at the budget it was run with. */
      const stands = `stands for ${charts.figure(x)} USD${open ? " and more" : ""}`;
      const title = `${name}\n${metric.name} ${text}\nrun with ${plain(budget)} USD, ${stands}`;
      const dollars = PRICED ? pricing.dollars(point.bought, prices()) : null;
      return {name, place: shown.get(name), x, y, low, high, budget, open, title, score: text, dollars};
    });
    if (!dots.length) return nothing("quality-chart", "No setting has a score.");
    dots.sort((a, b) => a.x - b.x);
    const budget = PRICED ? now.budget : null;
    const drawn = charts.quality({points: dots, count: shown.size, baselines: baselines(), metric, budget, width: width("quality-chart")});
    const note = `${tooMany()}Bars: 95 % intervals. Dotted: more money changes nothing. Dashed: baselines.`;
    shownFigure("quality-chart", drawn, "Quality against dollars", legend(), note + (PRICED ? " Grey: your budget." : ""));
  }

  function allocation() {
    if (!PRICED) return nothing("allocation-chart", `There are no prices: ${data.prices.why_none}.`);
    const names = now.task.shown.slice(0, SHOWN), wanted = new Set(names);
    const parts = ({name, bought}, budget) =>
      Object.entries(bought).map(([purpose, amounts]) => ({name, budget, purpose, usd: pricing.usd(amounts, prices())}));
    const lines = ({lines, budget}) => lines.filter((line) => line.bought && wanted.has(line.name)).flatMap((line) => parts(line, budget));
    const rows = boards().flatMap(lines);
    if (!rows.length) return nothing("allocation-chart", "No arm's purse paid for anything.");
    const drawn = charts.allocation({rows, names, width: width("allocation-chart")});
    const key = drawn.purposes.map(([name, fill]) => {
      const box = el("span", {class: "box"});
      box.style.background = fill; /* The policy would block a style attribute. */
      return el("li", {}, box, name);
    });
    const note = `${tooMany()}Means over arms, at your prices; on the right what was spent in all.`;
    shownFigure("allocation-chart", drawn, "Where the dollars go", el("ul", {class: "legend"}, key), note);
  }

  function fronts() {
    const away = (one) => Math.abs(one.budget - now.budget), nearest = boards().reduce((a, b) => (away(b) < away(a) ? b : a));
    const settings = nearest.lines.filter((line) => line.kind === "setting");
    const reached = new Map(settings.map((line) => [line.name, line.scores[now.task.metric.name]]));
    const differing = nearest.fronts.filter((one) => one.differ), alike = nearest.fronts.filter((one) => !one.differ);
    const note = [
      differing.length ? `Run with ${plain(nearest.budget)} USD, the budget nearest to yours. Grey: the Pareto front.` : "",
      alike.length ? `The same for all: ${alike.map((one) => one.title).join(", ")}.` : "",
      nearest.fronts.length ? "" : "No cost of an answer was measured.",
    ].join(" ");
    const drawn = el("div", {class: "pair"}, differing.map((one) => frontChart(one, reached)));
    $("fronts-charts").replaceChildren(differing.length ? legend() : "", drawn, el("p", {class: "note"}, note));
  }

  function frontChart({title, costs, front}, reached) {
    const shown = places.get(now.task), best = new Set(front);
    const rows = Object.entries(costs).filter(([name]) => shown.has(name)).map(([name, x]) => {
      const [y, low, high] = reached.get(name), text = scoreText([y, low, high]);
      const tip = `${name}\n${charts.figure(x)} ${title}\n${text}${best.has(name) ? "\non the front" : ""}`;
      return {name, place: shown.get(name), x, y, low, high, front: best.has(name), score: text, title: tip};
    });
    const drawn = charts.front({rows, title, metric: now.task.metric, width: Math.min(430, width("fronts-charts"))});
    return el("div", {}, el("figure", {}, drawn.chart), sameAsTable(`Quality against ${title}`, drawn.table));
  }

  /* ---- together ------------------------------------------------------------------------------------------------------------ */

  let waiting = 0;
  function update() {
    if (!waiting) waiting = requestAnimationFrame(draw);
  }

  function draw() {
    waiting = 0;
    if (PRICED) {
      const found = pricing.ranked(now.task, now.budget, prices());
      verdict(found);
      rankedTable(found);
      targets.show(now, prices());
      answering(found);
      decision.map(now, prices(), places.get(now.task));
      board.refresh();
    }
    quality();
    allocation();
    fronts();
  }

  function start() {
    if (PRICED) makeControls();
    else {
      $("controls").replaceChildren(el("p", {class: "note"}, `No prices can be changed: ${data.prices.why_none}.`));
      for (const id of ["now", "target", "answering", "map", "reset"]) $(id).hidden = true;
    }
    leaderboard();
    draw();
  }

  function listen() {
    const choose = (changes) => { Object.assign(now, changes); start(); };
    $("task").replaceChildren(...data.tasks.map((task, i) => el("option", {value: i}, task.name)));
    $("task-choice").hidden = data.tasks.length < 2;
    $("task").addEventListener("change", () => {
      const task = data.tasks[$("task").value];
      choose({task, budget: atFirst(task).budget});
    });
    $("reset").addEventListener("click", () => choose(atFirst(now.task)));
    for (const id of ["controls", "target-control"]) $(id).addEventListener("submit", (event) => event.preventDefault());
    let wide = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === wide) return; /* Only the height changed: a table was opened, or a chart was drawn. */
      wide = document.body.clientWidth;
      update();
    }).observe(document.body);
  }

  $("left-out").replaceChildren(...data.left_out.map((why) => el("p", {class: "note"}, why)));
  predictions(data.predictions);
  withoutScore(data.without_score);
  if (now.task) { listen(); start(); }
  else for (const id of ["prices", "now", "target", "leaderboard", "quality", "allocation", "fronts", "answering", "map"]) $(id).hidden = true;

  let unfolded = []; /* On paper everything is unfolded except the tables of charts. */
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:not(.same):not([open])")];
    for (const one of unfolded) one.open = true;
  });
  addEventListener("afterprint", () => unfolded.forEach((one) => (one.open = false)));
})();
