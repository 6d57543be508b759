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
lamm.number = (value) => (value === null || value === undefined ? "–" : String(Math.round(value * 1e4) / 1e4));
// Of a share, 0 is wrong and 1 is right; of an error, 0 is right.
lamm.outcome = (value, higher) => (value === null ? "" : higher ? (value <= 0 ? "wrong" : value >= 1 ? "right" : "partial") : value === 0 ? "right" : "partial");
lamm.models = [...new Set(lamm.data.panels.map((panel) => panel.model))];
// One colour a model, the same in every plot and drawing. A blind run has the colour of its model, drawn hollow or
// dashed; chance and the truth have colours of their own.
lamm.seeing = (model) => { const bare = model.replace(/ \(blind\)$/, ""); return lamm.models.includes(bare) ? bare : model; };
lamm.isBlind = (model) => lamm.seeing(model) !== model;
lamm.coloured = lamm.models.filter((model) => model !== "chance" && !lamm.isBlind(model));
lamm.colour = (model) => (model === "chance" ? "var(--chance)" : `var(--series-${1 + (lamm.coloured.indexOf(lamm.seeing(model)) % 6)})`);
lamm.TRUTH = "var(--truth)";
lamm.swatch = (colour, text, hollow) => {
  const label = lamm.element("span", "", "swatch"), dot = lamm.element("i");
  dot.style.background = hollow ? "none" : colour;
  dot.style.borderColor = colour;
  label.append(dot, text);
  return label;
};
