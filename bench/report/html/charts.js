"use strict";
/* Charts, drawn by Observable Plot. Each is {chart, table}; the table [heads, rows] has the same content as text. */
const charts = (() => {
  /* Okabe and Ito 2008, as in bench/report/plots/style.py. Every setting also has a marker of its own. */
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00"];
  const turned = (turns) => ({draw: (context, size) => triangle(context, size, turns)});
  const MARKERS = ["circle", "square", "triangle", "diamond", turned(2), "cross", "times", turned(3), turned(1), "star"];
  const PURPOSES = ["labels", "continued_pretraining", "teacher_tuning", "pseudo_labelling", "student_training", "evaluation"];
  const TIP = {title: "title", fontSize: 12, lineHeight: 1.3, lineWidth: 28};

  /* turns: number of quarter turns, clockwise, from pointing up. */
  function triangle(context, size, turns) {
    const radius = Math.sqrt(size / 1.3);
    [0, 1, 2].forEach((corner) => {
      const angle = (turns * Math.PI) / 2 - Math.PI / 2 + (corner * 2 * Math.PI) / 3;
      context[corner ? "lineTo" : "moveTo"](radius * Math.cos(angle), radius * Math.sin(angle));
    });
    context.closePath();
  }

  const colour = (place) => COLOURS[place % COLOURS.length];
  const marker = (place) => MARKERS[place % MARKERS.length];
  const words = (purpose) => purpose.replaceAll("_", " ");
  const figure = (value) => (Number.isFinite(value) ? value.toLocaleString("en-US", {maximumSignificantDigits: 3}) : "–");
  const tick = (value) => (value >= 10000 ? d3.format("~s")(value) : figure(value));

  function drawn(options, width) {
    const style = {background: "transparent", fontSize: "12px", fontFamily: "inherit"};
    const chart = Plot.plot({width, marginBottom: 46, style, ...options});
    chart.setAttribute("role", "img"); /* One image with one name; labels of its parts would only disturb. */
    chart.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
    return chart;
  }

  /* Draws dots with intervals, in one style for each setting. rows: {name, place, at, y, low, high, title}. */
  function dots(rows, joined = false) {
    const stroke = (d) => colour(d.place), point = {x: "at", y: "y", stroke};
    const measured = rows.filter((d) => d.low != null);
    return [
      joined ? Plot.line(rows, {...point, z: "name", strokeWidth: 1.5}) : null,
      Plot.ruleX(measured, {x: "at", y1: "low", y2: "high", stroke, strokeWidth: 1.25}),
      Plot.dot(rows, {...point, fill: stroke, symbol: (d) => marker(d.place), r: 4, strokeWidth: 1.5}),
      Plot.tip(rows, Plot.pointer({...TIP, x: "at", y: "y"})),
    ];
  }

  /* Shifts dots a little, so that intervals at one place do not cover each other. With a single place the shift is larger.
     Returns the type and the domain of the axis. */
  function aside(rows, count, gap = Math.min(0.035, 0.008 * count)) {
    const xs = rows.map((d) => d.x), low = Math.min(...xs), high = Math.max(...xs);
    const log = high / low >= 8, one = high / low < 1.01;
    const span = log ? Math.log(high / low) : one ? high : high - low;
    for (const d of rows) {
      const moved = ((one && gap ? 0.3 : gap) * span * (d.place - (count - 1) / 2)) / Math.max(1, count - 1);
      d.at = log ? d.x * Math.exp(moved) : d.x + moved;
    }
    if (log) return {type: "log", domain: [low * 0.9, high * 1.1]};
    return {type: "linear", domain: one ? [low * 0.6, high * 1.4] : [low - 0.05 * span, high + 0.05 * span]};
  }

  /* points: {name, place, x: budget that it stands for, y, low, high, open: stands for greater budgets too, budget, dollars, score}. */
  function quality({points, count, baselines, metric, budget, width}) {
    const {type, domain} = aside(points, count);
    const near = budget > domain[0] / 100 && budget < domain[1] * 100;
    const [least, most] = near ? d3.extent([...domain, budget]) : domain;
    const open = points.filter((d) => d.open && d.x < most);
    const label = (side, given) => Plot.text(baselines, {y: "y", text: "name", frameAnchor: side, dy: -7, fillOpacity: 0.8, ...given});
    const chart = drawn({
      height: Math.min(440, Math.max(300, width * 0.55)), marginRight: 16, marginLeft: 44, insetTop: 16,
      ariaLabel: `${metric.title} against budget, with 95 % intervals`,
      x: {type, domain: [least, most], label: "budget (USD) →", labelAnchor: "right", labelOffset: 38, tickFormat: figure, ticks: 5},
      y: {label: metric.title, nice: true, grid: true, ticks: 6},
      marks: [
        near ? Plot.ruleX([budget], {strokeOpacity: 0.18, strokeWidth: 6}) : null,
        Plot.ruleY(baselines, {y: "y", strokeDasharray: "5 4", strokeOpacity: 0.55}),
        label("right", {filter: (_, i) => i % 2 === 0}),
        label("left", {filter: (_, i) => i % 2 === 1, dx: 4}),
        Plot.link(open, {x1: "at", x2: most, y1: "y", y2: "y", stroke: (d) => colour(d.place), strokeDasharray: "2 3", strokeWidth: 1.5}),
        ...dots(points, true),
      ],
    }, width);
    const heads = ["setting", "run with (USD)", "stands for a budget of (USD)", "costs now (USD)", metric.title];
    const rows = points.map((d) => [d.name, figure(d.budget), figure(d.x) + (d.open ? " and more" : ""), figure(d.dollars), d.score]);
    return {chart, table: [heads, rows]};
  }

  /* rows: {name, budget, purpose, usd}. Draws a bar of 100 % for each setting and budget. */
  function allocation({rows, names, width}) {
    const purposes = PURPOSES.filter((purpose) => rows.some((d) => d.purpose === purpose));
    const bars = d3.flatRollup(rows, (parts) => parts, (d) => d.name, (d) => d.budget);
    const spent = (parts, purpose) => d3.sum(parts.filter((d) => !purpose || d.purpose === purpose), (d) => d.usd);
    const segments = bars.flatMap(([name, budget, parts]) => parts.map((d) => {
      const title = `${name}, ${figure(budget)} USD\n${words(d.purpose)}: ${figure(d.usd)} USD`, whole = spent(parts);
      return {...d, title, share: whole > 0 ? d.usd / whole : 0};
    }));
    const totals = bars.map(([name, budget, parts]) => ({name, budget, text: `${figure(spent(parts))} $`}));
    const budgets = d3.sort(new Set(rows.map((d) => d.budget))), shown = names.filter((name) => segments.some((d) => d.name === name));
    const fill = (purpose) => colour(PURPOSES.indexOf(purpose)), bar = {y: "budget", fy: "name"};
    const chart = drawn({
      height: 60 + shown.length * (34 + 17 * budgets.length), marginLeft: 58, marginRight: 58, marginTop: 0, insetTop: 24,
      ariaLabel: "share of dollars by purpose, a bar for each setting and budget",
      x: {label: "share of the dollars →", labelAnchor: "right", labelOffset: 38, tickFormat: "%", domain: [0, 1], ticks: 5},
      y: {label: null, domain: budgets, tickSize: 0, tickFormat: (d) => `${figure(d)} $`, padding: 0.18},
      fy: {axis: null, domain: shown, paddingInner: 0.08},
      color: {domain: purposes, range: purposes.map(fill)},
      marks: [
        Plot.barX(segments, Plot.stackX({...bar, x: "share", fill: "purpose", order: purposes, insetRight: 1})),
        Plot.text(totals, {...bar, x: 1, text: "text", textAnchor: "start", dx: 5}),
        Plot.text(shown, {fy: (d) => d, text: (d) => d, frameAnchor: "top-left", lineAnchor: "top", dy: 8, fontWeight: 600}),
        Plot.tip(segments, Plot.pointer(Plot.stackX({...TIP, ...bar, x: "share", z: "purpose", order: purposes, maxRadius: 200}))),
      ],
    }, width);
    const heads = ["setting", "budget (USD)", ...purposes.map((purpose) => `${words(purpose)} (USD)`), "in all (USD)"];
    const line = ([name, budget, parts]) => [name, figure(budget), ...[...purposes, null].map((purpose) => figure(spent(parts, purpose)))];
    return {chart, purposes: purposes.map((purpose) => [words(purpose), fill(purpose)]), table: [heads, bars.map(line)]};
  }

  /* rows: {name, place, x: cost, y, low, high, front, score}. A line joins the points on the front. */
  function front({rows, title, metric, width}) {
    const {type, domain} = aside(rows, 1, 0), line = d3.sort(rows.filter((d) => d.front), (d) => d.x);
    const chart = drawn({
      height: 250, marginRight: 16, marginLeft: 44, insetTop: 10, ariaLabel: `${metric.title} against ${title}`,
      x: {type, domain, label: `← ${title}`, labelAnchor: "left", labelOffset: 38, ticks: 4, tickFormat: tick},
      y: {label: metric.title, nice: true, grid: true, ticks: 5},
      marks: [Plot.line(line, {x: "at", y: "y", curve: "step-after", strokeOpacity: 0.4, strokeWidth: 2}), ...dots(rows)],
    }, width);
    const cells = rows.map((d) => [d.name, figure(d.x), d.score, d.front ? "yes" : "no"]);
    return {chart, table: [["setting", title, metric.title, "on the front"], cells]};
  }

  /* A single marker, for legends. */
  function swatch(place) {
    const kind = marker(place), path = d3.path();
    (typeof kind === "string" ? d3[`symbol${kind[0].toUpperCase()}${kind.slice(1)}`] : kind).draw(path, 42);
    const svg = d3.create("svg").attr("viewBox", "-7 -7 14 14").attr("width", 13).attr("height", 13).attr("aria-hidden", "true");
    svg.append("path").attr("d", String(path)).attr("fill", colour(place)).attr("stroke", colour(place)).attr("stroke-width", 1.5);
    return svg.node();
  }

  return {quality, allocation, front, swatch, figure, colour};
})();
