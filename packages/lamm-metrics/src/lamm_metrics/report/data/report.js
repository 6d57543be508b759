"use strict";
(() => {
  const panels = JSON.parse(document.getElementById("data").textContent).filter((panel) => panel.samples.length);
  const find = (id) => document.getElementById(id);
  const page = 50;
  if (!panels.length) { find("count").textContent = "No samples were kept."; return; }
  const element = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const fill = (select, options) => {
    select.replaceChildren(...options.map(([value, label]) => { const o = element("option", label); o.value = value; return o; }));
  };
  const names = [...new Set(panels.map((panel) => panel.name))];
  const statuses = [...new Set(panels.flatMap((panel) => panel.samples.map((sample) => sample.status)))].sort();
  fill(find("f-name"), names.map((name) => [name, name]));
  fill(find("f-status"), [["", "all"], ...statuses.map((status) => [status, status])]);
  const outcome = (value) => (value === null ? "" : value <= 0 ? "wrong" : value >= 1 ? "right" : "partial");
  // Records of one task side by side: every model's answer to the same id stands in one article.
  const gather = (name) => {
    const rows = new Map();
    for (const panel of panels.filter((candidate) => candidate.name === name))
      for (const sample of panel.samples) {
        if (!rows.has(sample.id)) rows.set(sample.id, []);
        rows.get(sample.id).push({ model: panel.model, ...sample });
      }
    return [...rows.values()];
  };
  const matches = (answer, status, result, text) =>
    (!status || answer.status === status) && (!result || outcome(answer.value) === result) &&
    (!text || [answer.id, answer.query, answer.answer, answer.truth].some((part) => part.toLowerCase().includes(text)));
  const pair = (list, term, ...content) => {
    const definition = element("dd");
    definition.append(...content);
    list.append(element("dt", term), definition);
  };
  const show = (answers) => {
    const first = answers[0], article = element("article"), list = element("dl");
    article.append(element("h3", first.id));
    if (first.picture) {
      const image = element("img");
      image.src = first.picture; image.loading = "lazy"; image.alt = "Image of record " + first.id;
      article.append(image);
    }
    if (first.query) pair(list, "Question", first.query);
    pair(list, "Truth", first.truth || "–");
    for (const answer of answers) {
      const status = element("span", answer.status, "tag " + (answer.status === "ok" ? "" : "bad"));
      const value = element("span", answer.value === null ? "" : String(Math.round(answer.value * 1e4) / 1e4), "tag " + { wrong: "bad", right: "good" }[outcome(answer.value)]);
      pair(list, answer.model, answer.answer || "(empty)", status, ...(answer.value === null ? [] : [value]), ...(answer.extracted ? [element("br"), element("small", "read as: " + answer.extracted)] : []));
    }
    article.append(list);
    return article;
  };
  let shown = page;
  const draw = () => {
    const status = find("f-status").value, result = find("f-outcome").value, text = find("f-text").value.toLowerCase();
    const rows = gather(find("f-name").value);
    const kept = rows.filter((answers) => answers.some((answer) => matches(answer, status, result, text)));
    const total = Math.max(...panels.filter((panel) => panel.name === find("f-name").value).map((panel) => panel.total));
    find("list").replaceChildren(...kept.slice(0, shown).map(show));
    find("count").textContent = `${kept.length} of ${rows.length} samples match` + (rows.length < total ? `; ${rows.length} of ${total} records are listed in this file` : "") + ".";
    find("more").hidden = kept.length <= shown;
  };
  find("filters").hidden = false;
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("filters").addEventListener("input", () => { shown = page; draw(); });
  find("more").addEventListener("click", () => { shown += page; draw(); });
  draw();
})();
