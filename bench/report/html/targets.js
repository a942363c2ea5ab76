"use strict";
/* The smallest budget at which each setting reaches a score, as bench/report/analysis/targets.py computes it. Pure functions. */
const targets = (() => {
  const STEPS = 16, BELOW = 1 - 1e-6;

  /* Scores at budgets in the range that was run: [budget, mixture, [mean, low, high]], more is better. */
  function path(setting, task, prices) {
    const places = setting.points.map((point) => ({stands: pricing.standsFor(point, prices), point}));
    const costs = places.filter(({point}) => !point.elastic).map(({point}) => pricing.dollars(point.bought, prices));
    const ends = [...new Set([...places.map(({stands}) => stands), ...costs])].filter((usd) => usd > 0).sort((a, b) => a - b);
    const steps = ends.slice(1).flatMap((end, i) => Array.from({length: STEPS}, (_, k) => ends[i] * (end / ends[i]) ** (k / (STEPS - 1))));
    const budgets = [...new Set([...ends, ...steps, ...costs.map((usd) => usd * BELOW)])].sort((a, b) => a - b);
    const lower = task.metric.direction === "lower";
    const better = ([mean, low, high]) => (lower ? [-mean, missing(high) ? null : -high, missing(low) ? null : -low] : [mean, low, high]);
    const found = budgets.map((budget) => [budget, pricing.at(setting, budget, prices)]).filter(([, mixture]) => mixture);
    return {covered: costs.length > 0, places: found.map(([budget, mixture]) => [budget, mixture, better(pricing.estimate(mixture, task))])};
  }

  /* The first budget at which one end of the score (0: mean, 1: low, 2: high) reaches the target; null where there is none. */
  function first(places, end, target) {
    const ahead = places.map(([, , ends]) => (missing(ends[end]) ? NaN : ends[end] - target)), at = ahead.findIndex((value) => value >= 0);
    if (at <= 0) return at < 0 ? null : places[0][0];
    const [before, after] = [places[at - 1][0], places[at][0]];
    return before * (after / before) ** (ahead[at - 1] / (ahead[at - 1] - ahead[at]));
  }

  /* What each setting needs to reach a score, the cheapest first: {name, usd, low, high, least, most, bought, best}. usd: null where no
     budget reaches it. low: 0 where the interval is open, high: Infinity. Both are null without an interval. */
  function needs(task, target, prices) {
    const sign = task.metric.direction === "lower" ? -1 : 1;
    const found = task.settings.map((setting) => {
      const {covered, places} = path(setting, task, prices);
      if (!places.length) return null;
      const [usd, early, late] = [0, 2, 1].map((end) => first(places, end, sign * target)), least = places[0][0];
      const [, best] = places.reduce((a, b) => (b[2][0] > a[2][0] ? b : a)), known = task.spread != null;
      return {
        name: setting.name,
        usd,
        low: known ? (early == null ? Infinity : early === least ? 0 : early) : null,
        high: known ? late ?? Infinity : null,
        least,
        most: covered ? Infinity : places.at(-1)[0],
        bought: usd == null ? null : places.find(([budget]) => budget >= usd * BELOW)[1],
        best,
      };
    });
    const order = (one) => one.usd ?? Infinity;
    return found.filter(Boolean).sort((a, b) => (order(a) === order(b) ? sign * (b.best.mean - a.best.mean) : order(a) - order(b)));
  }

  function budgetText({usd: budget, least, most}) {
    if (budget == null) return most === Infinity ? "not with any budget" : `not by ${computed(most)}`;
    return computed(budget) + (budget === least ? " or less" : "");
  }

  function intervalText({low, high, least, most}) {
    if (missing(low) || low === Infinity) return "–";
    const end = high < Infinity ? computed(high) : most === Infinity ? "never" : `over ${computed(most)}`;
    return `[${low === 0 ? `under ${computed(least)}` : computed(low)}, ${end}]`;
  }

  /* A slider for the score to reach, from half of the lowest measured score to the highest. Scores that may be 0 or less have none. */
  function slider(now, changed) {
    const {name, unit, direction} = now.task.metric, means = now.task.settings.flatMap(({points}) => points.map((point) => point.mean));
    const [lowest, most] = [Math.min(...means), Math.max(...means)], least = lowest / 2;
    $("target").hidden = !(least > 0);
    now.target = Number((direction === "lower" ? lowest : most).toPrecision(3));
    if ($("target").hidden) return;
    const own = {get: () => now.target, set: (value) => (now.target = value), changed};
    $("target-control").replaceChildren(control("target-score", name, unit, {least, most: most * 1.2, zero: false, ...own}).node);
  }

  function show({task, target}, prices) {
    if ($("target").hidden) return;
    const found = needs(task, target, prices), {metric} = task, asked = `${metric.name} ${plain(target)}`;
    const columns = [
      column("setting", (r) => r.name, undefined, TEXT),
      column("budget (USD)", (r) => r.usd, budgetText),
      column("95 % interval", (r) => r.low, intervalText),
      column("labels to buy", (r) => r.bought?.amount("label"), (r) => (r.bought ? fixed(r.bought.amount("label"), 0) : "–")),
      column(`its best ${metric.title}`, (r) => r.best.mean, (r) => score(pricing.estimate(r.best, task))),
    ];
    const first = found[0]?.usd == null ? "no budget that was run reaches it." : `${found[0].name} needs the smallest budget: USD ${budgetText(found[0])}.`;
    $("target-text").textContent = `${asked}: ${first}`;
    $("target-table").replaceChildren(table(`Budgets for ${asked}, smallest first`, columns, found).node);
  }

  return {needs, slider, show};
})();
