"use strict";
/* Intervals, p-values and ties: the formulas of significance.py and ranking.py in bench/report/analysis, on the same variances. Every score
   is a linear combination of points, and so is every difference. terms: [weight, place of the point]. */
const statistics = (() => {
  const LEVEL = 0.05, ROUNDING = 1e-18, SMALL = 0.1, POOLED = 3, NODES = 64, ANGLES = 65;
  const unpacked = new WeakMap(), mixtures = new Map(), criticals = new Map();

  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const known = (memory, key, make) => memory.get(key) ?? memory.set(key, make()).get(key);

  /* Covariances of points between seeds and from examples, a lower triangle each. A typed array would use the byte order of the machine. */
  function covariances(held) {
    const read = (text) => {
      const view = new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
      return Float32Array.from({length: view.byteLength / 4}, (_, i) => view.getFloat32(4 * i, true));
    };
    return known(unpacked, held, () => [held.seeds, held.examples].map(read));
  }

  const cell = (i, j) => (i >= j ? (i * (i + 1)) / 2 + j : (j * (j + 1)) / 2 + i);
  const covariance = (one, other, held) => sum(one.flatMap(([w, i]) => other.map(([v, j]) => w * v * held[cell(i, j)])));

  /* Variance of a mean by source, estimated with so many degrees of freedom; an estimate below 0 counts as 0. */
  const spread = ([seeds, examples], freedom) => ({seeds: Math.max(0, seeds), examples: Math.max(0, examples), freedom: Math.max(freedom, 1)});

  const FIT = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
  ];
  /* Probability of both tails of the normal distribution beyond sqrt(2) x, for x >= 0. Relative error under 1.2e-7 (Press et al., Numerical
     Recipes). */
  function erfc(x) {
    const t = 1 / (1 + 0.5 * x);
    return t * Math.exp(-x * x + FIT.reduce((value, factor) => value * t + factor));
  }

  /* Ratios of a true variance to its estimate with so many degrees of freedom: [ratio, weight]. */
  function mixture(freedom) {
    return known(mixtures, freedom, () => {
      const low = -20 / freedom - 4 / Math.sqrt(freedom), high = 3 / Math.sqrt(freedom);
      const logs = Array.from({length: NODES}, (_, i) => low + ((high - low) * i) / (NODES - 1));
      return logs.map((log) => [Math.exp(-2 * log), Math.exp(freedom * (log - Math.exp(2 * log) / 2 + 0.5))]);
    });
  }

  function pValue(mean, found) {
    const seeds = Math.max(found.seeds, ROUNDING);
    let tails = 0, whole = 0;
    for (const [times, weight] of mixture(found.freedom)) {
      const counted = weight * Math.hypot(1, (SMALL * (found.freedom - 1) * found.examples) / (seeds * times));
      tails += counted * erfc(Math.abs(mean) / Math.sqrt(2 * (seeds * times + found.examples)));
      whole += counted;
    }
    return tails / whole;
  }

  /* Half-widths at variance 1, by bisection, where sin^2 of the angle is the share of the variance between seeds. */
  function critical(freedom) {
    const width = (_, i) => {
      const angle = (Math.PI / 2) * (i / (ANGLES - 1)), found = {seeds: Math.sin(angle) ** 2, examples: Math.cos(angle) ** 2, freedom};
      let low = -3, high = 30;
      for (let step = 0; step < 40; step++) {
        const middle = (low + high) / 2;
        if (pValue(Math.exp(middle), found) > LEVEL) low = middle;
        else high = middle;
      }
      return Math.exp((low + high) / 2);
    };
    return known(criticals, freedom, () => Array.from({length: ANGLES}, width));
  }

  function halfWidth(found) {
    const widths = critical(found.freedom), whole = Math.max(found.seeds + found.examples, ROUNDING);
    const at = (Math.asin(Math.sqrt(Math.min(1, found.seeds / whole))) / (Math.PI / 2)) * (ANGLES - 1);
    const low = Math.min(Math.floor(at), ANGLES - 2);
    return Math.sqrt(whole) * (widths[low] + (at - low) * (widths[low + 1] - widths[low]));
  }

  const around = (mean, found) => [mean, mean - halfWidth(found), mean + halfWidth(found)];

  /* An estimate with its interval cut to possible values, as significance.Estimate.within. */
  function within([mean, low, high], least, most) {
    return mean < least || mean > most ? [mean, low, high] : [mean, Math.max(low, least), Math.min(high, most)];
  }
  const possible = ({metric: {least = -Infinity, most = Infinity}}) => [least, most];
  function differences(task) {
    const [least, most] = possible(task);
    return [least - most, most - least];
  }

  /* [mean, low, high] of one combination; the last two are null without an interval. */
  function estimate(mean, terms, task, limits = possible(task)) {
    if (!task.spread) return [mean, null, null];
    return within(around(mean, spread(covariances(task.spread).map((held) => covariance(terms, terms, held)), task.seeds - 1)), ...limits);
  }

  /* p-values corrected for their number, as significance.holm does. */
  function holm(values) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]), found = [];
    let most = 0;
    order.forEach((place, i) => (found[place] = Math.min(1, (most = Math.max(most, (values.length - i) * values[place])))));
    return found;
  }

  /* By how much each setting is behind the best, as ranking.Ranking computes it. means: best first, more is better; terms: of each.
     Returns {estimate, tested, p, tied} for each but the first. p is corrected for comparisons with the best; the variance between seeds of
     a pair is never less than that of the average pair. */
  function ranked(means, terms, task) {
    const count = means.length, tested = task.spread != null && task.seeds > 1;
    if (!task.spread) return means.slice(1).map((mean) => ({estimate: [means[0] - mean, null, null], tested, p: null, tied: false}));
    const held = covariances(task.spread).map((part) => terms.map((one) => terms.map((other) => covariance(one, other, part))));
    const average = held.map((part) => (2 * (sum(part.map((row, i) => row[i])) - sum(part.flat()) / count)) / Math.max(count - 1, 1));
    const pooled = spread(average, (count - 1) * (task.seeds - 1)), cautious = Math.min(pooled.freedom, POOLED * Math.max(task.seeds - 1, 1));
    const pair = (i, j, freedom) => {
      const own = spread(held.map((part) => part[i][i] + part[j][j] - 2 * part[i][j]), 1);
      return {seeds: Math.max(own.seeds, pooled.seeds), examples: own.examples, freedom};
    };
    const pairs = means.map((mean, i) => means.map((other, j) => (tested && i < j ? pValue(mean - other, pair(i, j, pooled.freedom)) : 1)));
    const ofBest = means.map((mean, i) => (tested && i ? pValue(means[0] - mean, pair(0, i, cautious)) : 1));
    const behind = tested && count > 1 ? withBest(ofBest, pairs) : null;
    return means.slice(1).map((mean, i) => {
      const of = behind ? behind[i + 1] : null;
      return {estimate: within(around(means[0] - mean, pair(0, i + 1, cautious)), ...differences(task)), tested, p: of, tied: tested && of >= LEVEL};
    });
  }

  const SHARED = Array.from({length: 65}, (_, i) => i / 4 - 8);
  const normal = (z) => (z < 0 ? 1 - erfc(-z / Math.SQRT2) / 2 : erfc(z / Math.SQRT2) / 2); /* The tail above z. */

  /* z with both tails beyond it of probability p, by bisection. */
  function quantile(p) {
    let low = 0, high = 40;
    for (let step = 0; step < 60; step++) {
      const middle = (low + high) / 2;
      if (2 * normal(middle) > p) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  /* Corrected p-values that the first is better than each, as ranking.Ranking.behind. single: p-values of its pairs, the first is 1. pairs:
     those of all pairs, 1 below the diagonal. */
  function withBest(single, pairs) {
    const weights = SHARED.map((shared) => Math.exp((-shared * shared) / 2)), whole = sum(weights), among = corrected(pairs);
    const winner = Math.max(...single.slice(1));
    return single.map((p, i) => {
      const z = quantile(p) * Math.SQRT2;
      const none = sum(SHARED.map((shared, place) => weights[place] * (1 - normal(z + shared)) ** (pairs.length - 1))) / whole;
      return Math.min(Math.max(p, 1 - none), winner, among[0][i]);
    });
  }

  /* p-values corrected for all pairs. The p-value of a conclusion is at most the largest one of the chain that leads to it. */
  function corrected(single) {
    const pairs = [], count = single.length;
    for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) pairs.push([i, j]);
    const values = holm(pairs.map(([i, j]) => single[i][j]));
    const p = Array.from({length: count}, () => new Array(count).fill(1));
    pairs.forEach(([i, j], place) => (p[i][j] = values[place]));
    for (let last = 1; last < count; last++) {
      const before = p.map((row) => row[last]);
      for (let i = 0; i < last; i++) for (let j = 0; j < last; j++) p[i][last] = Math.min(p[i][last], Math.max(p[i][j], before[j]));
    }
    return p;
  }

  return {estimate, ranked, differences};
})();
