"use strict";
/* Texts that the models generated, and every arm that has no score. */

function predictions({arms, documents, left_out: leftOut}) {
  $("predictions-note").textContent = leftOut;
  if (!arms.length) return nothing("cards", "No predictions of an arm are in the results folder.");
  const title = (one) => `${one.task}: ${one.name}, ${plain(one.budget)} USD, seed ${one.seed}`;
  $("arm").replaceChildren(...arms.map((one, i) => el("option", {value: i}, title(one))));
  $("arm-choice").hidden = false;
  const show = () => $("cards").replaceChildren(...arms[$("arm").value].cards.map((card) => cardOf(card, documents[card.document])));
  $("arm").addEventListener("change", show);
  show();
}

function cardOf({which, says, scores}, {source, reference}) {
  const rank = (who) => ["student", "teacher"].indexOf(who) + 1 || 3;
  const line = (who, text, value) => [
    el("dt", {}, who, value == null ? "" : el("small", {}, ` ${fixed(value, 1)}`)),
    el("dd", {dir: "auto"}, text === "" ? el("i", {}, "nothing") : text),
  ];
  const order = Object.keys(says).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const texts = [line("source", source), line("reference", reference), ...order.map((who) => line(who, says[who], scores[who]))];
  return el("article", {class: "card"}, el("h3", {}, which), el("dl", {}, texts.flat()));
}

function withoutScore({counts, arms, more}) {
  const total = Object.values(counts).reduce((a, b) => a + b, 0);
  const each = Object.entries(counts).map(([status, n]) => `${plain(n)} ${status}`).join(", ");
  const rest = more ? ` ${plain(more)} more without a score are in report.md.` : "";
  $("without-score-text").textContent = total ? `${plain(total)} arms: ${each}.${rest}` : "There is no arm.";
  if (!arms.length) return nothing("without-score-table", total ? "Every arm has a score." : "");
  const columns = [
    column("arm", (r) => r.id, undefined, TEXT),
    column("status", (r) => r.status, undefined, TEXT),
    column("why there is no score", (r) => r.reason + (r.held ? "" : " (no longer in the suite)"), undefined, TEXT),
    column("budget (USD)", (r) => r.budget_usd, (r) => fixed(r.budget_usd)),
    column("spent (USD)", (r) => r.spent_usd, (r) => usd(r.spent_usd)),
  ];
  $("without-score-table").replaceChildren(table("Every failed, infeasible, skipped or unfinished arm", columns, arms).node);
}
