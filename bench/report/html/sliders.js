"use strict";
/* A number field and a slider for one quantity. The slider is logarithmic, with 0 at its left end.
   changed is called when either has moved. */
function control(id, title, unit, {least, most, zero = true, get, set, changed}) {
  const number = el("input", {id, type: "number", min: zero ? 0 : least, step: "any", inputmode: "decimal"});
  const slider = el("input", {type: "range", min: 0, max: 1000, step: 1, "aria-label": `${title}, slider`});
  const place = (value) => (value <= 0 ? 0 : Math.min(1000, Math.max(1, (1000 * Math.log(value / least)) / Math.log(most / least))));
  const valueAt = (place) => (place === 0 && zero ? 0 : Number((least * (most / least) ** (place / 1000)).toPrecision(3)));
  function show() {
    number.value = String(Number(get().toPrecision(6)));
    number.setAttribute("aria-invalid", "false");
    slider.value = place(get());
    slider.setAttribute("aria-valuetext", `${plain(get())} ${unit}`);
  }
  number.addEventListener("input", () => {
    const value = number.valueAsNumber, valid = value > 0 || (value === 0 && zero);
    number.setAttribute("aria-invalid", String(!valid));
    if (!valid) return;
    set(value);
    slider.value = place(value);
    changed();
  });
  number.addEventListener("change", show);
  slider.addEventListener("input", () => {
    set(valueAt(slider.valueAsNumber));
    show();
    changed();
  });
  show();
  const node = el("div", {class: "control"}, el("label", {for: id}, title), el("span", {class: "unit"}, number, ` ${unit}`), slider);
  return {node, show, text: () => `${title[0].toLowerCase()}${title.slice(1)} ${plain(get())}${unit && ` ${unit}`}`};
}
