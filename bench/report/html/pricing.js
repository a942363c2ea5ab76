"use strict";
/* The score of a setting with a budget at given prices, as budget_curves.py, decision.py and serving_cost.py in bench/report/analysis
   compute it, on the same points. Pure functions. prices: what is sold -> dollars, labels at the price of the task. */
const pricing = (() => {
  const CLOSE = 1e-9;

  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const usd = (amounts, prices) => sum(Object.entries(amounts).map(([sold, amount]) => amount * (sold === "fixed_usd" ? 1 : prices[sold])));
  /* bought: purpose -> what is sold -> amount */
  const dollars = (bought, prices) => sum(Object.values(bought).map((amounts) => usd(amounts, prices)));

  /* ---- curves ---------------------------------------------------------------------------------------------------------------- */

  /* The budget that a point stands for at these prices. */
  function standsFor(point, prices) {
    const costs = dollars(point.bought, prices);
    return point.elastic && point.asked_usd > 0 ? (point.budget * costs) / point.asked_usd : costs;
  }

  const close = (a, b) => Math.abs(a - b) <= CLOSE * Math.max(Math.abs(a), Math.abs(b));

  /* A score at a budget, of one point or interpolated between two; null outside the range that was run. */
  function at(setting, budget, prices) {
    const covered = setting.points.filter((p) => !p.elastic && dollars(p.bought, prices) <= budget * (1 + CLOSE));
    if (covered.length) return mixed(setting, [[1, 1, covered.at(-1)]], prices);
    const stands = setting.points.map((p) => [standsFor(p, prices), p]).sort((a, b) => a[0] - b[0]);
    const same = stands.find(([usd]) => close(usd, budget));
    if (same) return mixed(setting, [[1, 1, same[1]]], prices);
    for (let i = 1; i < stands.length; i++) {
      const [below, first] = stands[i - 1], [above, second] = stands[i];
      if (0 < below && below < budget && budget < above) {
        const share = Math.log(budget / below) / Math.log(above / below);
        return mixed(setting, [[1 - share, budget / below, first], [share, budget / above, second]], prices);
      }
    }
    return null;
  }

  /* parts: [weight of a point, scale of what it buys, the point]. */
  function mixed(setting, parts, prices) {
    const weighted = (value) => sum(parts.map(([weight, , point]) => weight * value(point)));
    const scaled = (value) => sum(parts.map(([weight, scale, point]) => weight * scale * value(point)));
    return {
      name: setting.name,
      parts,
      mean: weighted((p) => p.mean),
      dollars: scaled((p) => dollars(p.bought, prices)),
      spent: (purpose) => scaled((p) => usd(p.bought[purpose] ?? {}, prices)),
      amount: (sold) => scaled((p) => sum(Object.values(p.bought).map((amounts) => amounts[sold] ?? 0))),
      fact: (name) => (parts.every(([, , p]) => p.facts[name] != null) ? weighted((p) => p.facts[name]) : null),
    };
  }

  const terms = (mixture, sign = 1) => mixture.parts.map(([weight, , point]) => [sign * weight, point.place]);
  const estimate = (mixture, task) => statistics.estimate(mixture.mean, terms(mixture), task);

  /* Settings with a score there, best first; each but the first with `behind`, by how much it is behind the best. Those beyond the first
     `compared` are not compared, as in decision.verdict. */
  function ranked(task, budget, prices, compared = task.looked_at) {
    const sign = task.metric.direction === "lower" ? -1 : 1;
    const found = task.settings.map((setting) => at(setting, budget, prices)).filter(Boolean);
    found.sort((a, b) => sign * (b.mean - a.mean) || (a.name < b.name ? -1 : 1));
    const near = found.slice(0, compared);
    const behind = statistics.ranked(near.map((one) => sign * one.mean), near.map((one) => terms(one)), task);
    near.slice(1).forEach((one, i) => (one.behind = behind[i]));
    for (const one of found.slice(compared)) {
      const gap = statistics.estimate(sign * (found[0].mean - one.mean), [...terms(found[0]), ...terms(one, -1)], task, statistics.differences(task));
      one.behind = {estimate: gap, tested: behind[0].tested, p: null, tied: false};
    }
    return found;
  }

  /* The best point that costs no more than the budget: {setting, point, usd}, as decision.covered; undefined where there is none. */
  function covered(task, budget, prices) {
    const sign = task.metric.direction === "lower" ? -1 : 1;
    const every = task.settings.flatMap((setting) => setting.points.map((point) => ({setting, point, usd: dollars(point.bought, prices)})));
    const better = (a, b) => sign * (b.point.mean - a.point.mean) || a.usd - b.usd;
    return every.filter((one) => one.usd <= budget).sort(better)[0];
  }

  /* ---- use ------------------------------------------------------------------------------------------------------------------- */

  /* Dollars for one answer: by FLOPs where compute is paid by FLOPs, else by time. who: student or large. */
  function answerUsd(fact, who, prices, all) {
    const flops = fact(`${who}_flops`), ms = fact(`${who}_ms`);
    if (all.meter === "flops" && flops != null) return (flops * prices.device_hour) / 3600 / all.device_flops_per_second;
    return ms == null ? null : (ms / 1000) * (prices.device_hour / 3600);
  }

  /* Number of answers from which the other one is cheaper. 0: at once. Infinity: never. */
  function breakEven(made, answer, otherMade, otherAnswer) {
    if (otherMade <= made) return otherAnswer <= answer ? 0 : Infinity;
    return otherAnswer < answer ? (otherMade - made) / (answer - otherAnswer) : Infinity;
  }

  /* The cost of a setting including its use; null where the cost of an answer is unknown. paysFrom: number of answers from which it is
     cheaper than the large model, tuned on the same labels. */
  function served(one, prices, all) {
    const answer = answerUsd(one.fact, "student", prices, all), large = answerUsd(one.fact, "large", prices, all);
    if (answer == null) return null;
    const tuning = one.spent("teacher_tuning"), teacher = tuning + one.spent("labels");
    return {one, made: one.dollars, answer, paysFrom: tuning > 0 && large != null ? breakEven(teacher, large, one.dollars, answer) : null};
  }

  return {usd, dollars, standsFor, at, estimate, ranked, covered, breakEven, served};
})();
