// What every part of the page uses: making elements, numbers in words, the embedded data.
const lamm = { data: JSON.parse(document.getElementById("data").textContent), parts: {} };
lamm.find = (id) => document.getElementById(id);
lamm.element = (tag, text, className) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== "") node.textContent = text;
  if (className) node.className = className;
  return node;
};
lamm.svg = (tag, attributes, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
lamm.number = (value) => (value === null || value === undefined ? "–" : String(Math.round(value * 100) / 100));
lamm.words = (name) => name.replace(/_/g, " ");
lamm.options = (select, options) => select.replaceChildren(...options.map(([value, label]) => { const option = lamm.element("option", label); option.value = value; return option; }));
// Of a share, 0 is wrong and 1 is right; of an error, 0 is right.
lamm.outcome = (value, higher) => (value === null ? "" : higher ? (value <= 0 ? "wrong" : value >= 1 ? "right" : "partial") : value === 0 ? "right" : "partial");
lamm.models = [...new Set(lamm.data.panels.map((panel) => panel.model))];
// One colour a model, the same in every plot and drawing. A blind run has the colour of its model, drawn hollow or
// dashed; chance and the truth have colours of their own.
lamm.entrants = new Map(lamm.data.entrants.map((one) => [one.name, one]));
lamm.isBlind = (model) => lamm.entrants.get(model).role === "blind";
lamm.isModel = (model) => lamm.entrants.get(model).role === "model";
lamm.colour = (model) => { const { colour } = lamm.entrants.get(model); return colour ? `var(--series-${colour})` : "var(--chance)"; };
// Models that the reader has switched off; what belongs to one goes with it.
lamm.off = new Set();
lamm.isOn = (model) => !lamm.off.has(lamm.entrants.get(model).of);
lamm.TRUTH = "var(--truth)";
lamm.swatch = (colour, text, hollow) => {
  const label = lamm.element("span", "", "swatch"), dot = lamm.element("i");
  dot.style.background = hollow ? "none" : colour;
  dot.style.borderColor = colour;
  label.append(dot, text);
  return label;
};
