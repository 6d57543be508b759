// The samples: every model's answer to the same record stands in one article, with what it draws.
(() => {
  const { data, find, element } = lamm;
  const PAGE = 30;
  const panels = data.panels.filter((panel) => panel.total);
  if (!panels.some((panel) => panel.samples.length || panel.parts)) { find("count").textContent = "No samples were kept."; return; }
  const fill = (select, options) => select.replaceChildren(...options.map(([value, label]) => { const option = element("option", label); option.value = value; return option; }));
  const names = [...new Set(panels.map((panel) => panel.name))];
  fill(find("f-name"), names.map((name) => [name, name.replace(/_/g, " ")]));
  fill(find("f-status"), [["", "all"], ...[...new Set(panels.flatMap((panel) => Object.keys(panel.statuses)))].sort().map((status) => [status, status])]);
  fill(find("f-model"), [["", "any"], ...lamm.models.map((model) => [model, model])]);
  // Larger reports keep their samples in parts beside the file, loaded when their task is chosen.
  const loaded = new Map();
  window.lammPart = (name, content) => loaded.get(name)(content);
  const load = (part) => new Promise((resolve, reject) => {
    loaded.set(part, resolve);
    const script = element("script");
    script.onerror = () => reject(new Error(part));
    script.src = part;
    document.head.append(script);
  });
  // Each panel is loaded once, however often its task is chosen meanwhile; what failed is tried again.
  const fetched = async (panel) => {
    const samples = [];
    for (const part of panel.parts) samples.push(...(await load(part)));
    Object.assign(panel, { samples, parts: null });
  };
  const complete = async (name) => {
    for (const panel of panels.filter((one) => one.name === name && one.parts)) {
      panel.loading ??= fetched(panel).finally(() => { panel.loading = null; });
      await panel.loading;
    }
  };
  const gathered = (name) => {
    const rows = new Map();
    for (const panel of panels.filter((one) => one.name === name))
      for (const sample of panel.samples) {
        if (!rows.has(sample.id)) rows.set(sample.id, []);
        rows.get(sample.id).push({ model: panel.model, higher: panel.higher, ...sample });
      }
    return [...rows.values()];
  };
  const matches = (answer, wanted) =>
    (!wanted.model || answer.model === wanted.model) && (!wanted.status || answer.status === wanted.status) &&
    (!wanted.outcome || lamm.outcome(answer.value, answer.higher) === wanted.outcome) &&
    (!wanted.text || [answer.id, answer.query, answer.answer, answer.truth].some((part) => part.toLowerCase().includes(wanted.text)));
  const pair = (list, term, ...content) => { const definition = element("dd"); definition.append(...content); list.append(element("dt", term), definition); };
  const picture = (answers) => {
    const first = answers[0], medium = data.media[first.medium] || {};
    const marked = (marks) => marks.map(([kind, numbers, label, , found]) => ({ kind, numbers, label, found }));
    const series = [{ name: "truth", colour: lamm.TRUTH, marks: marked(first.marks.filter((mark) => mark[3])) }];
    // What chance or a blind model would answer says nothing about this picture.
    const drawing = answers.filter((one) => one.model !== "chance" && one.model !== "blind" && !lamm.isBlind(one.model));
    for (const answer of drawing)
      series.push({ name: answer.model, colour: lamm.colour(answer.model), answer: answer.answer, marks: marked(answer.marks.filter((mark) => !mark[3])), dashed: true });
    const drawn = series.some((one) => one.marks.length), place = element("div", "", "medium");
    if (medium.cloud) place.append(lammViewer.cloud(medium.cloud, { name: first.media, series }));
    else if (medium.picture) {
      const image = element("img");
      Object.assign(image, { src: medium.picture, loading: "lazy", alt: `Image of record ${first.id}` });
      place.append(lammViewer.picture(image, { name: first.media, series }));
    } else if (first.media) place.append(element("p", `${first.media} is not embedded.`, "missing"));
    else return null;
    if (drawn) {
      const list = element("p", "", "legend");
      list.append(lamm.swatch(lamm.TRUTH, "truth"), ...drawing.filter((answer) => answer.marks.some((mark) => !mark[3])).map((answer) => lamm.swatch(lamm.colour(answer.model), answer.model, true)));
      if (series.some((one) => one.marks.some((mark) => mark.found))) list.append(element("span", "filled and ✓: found its counterpart"));
      place.append(list);
    }
    return place;
  };
  // A long text is folded behind its beginning.
  const LONG = 400, LINES = 6;
  const folded = (text, most = LONG) => {
    const lines = text.split("\n"), start = lines.slice(0, LINES).join("\n").slice(0, most);
    if (start.length + 60 > text.length && lines.length <= LINES + 2) return text;
    const all = element("details", "", "long"), head = element("summary"), rest = element("span", `${start.trimEnd()}… `);
    head.append(rest, element("small", `all ${text.length} characters`));
    all.append(head, text);
    return all;
  };
  const show = (answers) => {
    const first = answers[0], article = element("article"), list = element("dl"), title = element("h3", first.id), medium = picture(answers);
    article.tabIndex = -1;
    article.append(title);
    if (medium) article.append(medium);
    const system = data.systems[first.system];
    if (system) pair(list, "System message", folded(system, 80));
    if (first.query) pair(list, "Question", folded(first.query));
    pair(list, "Truth", folded(first.truth || "–"));
    for (const answer of answers) {
      const result = lamm.outcome(answer.value, answer.higher), tags = [element("span", answer.status, `tag ${answer.status === "ok" ? "" : "bad"}`)];
      if (answer.value !== null) tags.push(element("span", lamm.number(answer.value), `tag ${{ wrong: "bad", right: "good" }[result] || ""}`));
      if (answer.extracted) tags.push(element("br"), element("small", `read as: ${answer.extracted.length > LONG ? `${answer.extracted.slice(0, LONG)}…` : answer.extracted}`));
      if (answer.detail) tags.push(element("br"), element("small", `unread: ${answer.detail}`));
      pair(list, answer.model, folded(answer.answer || "(empty)"), ...tags);
    }
    article.append(list);
    if (first.judge) {
      const transcript = element("details");
      transcript.append(element("summary", "What the judge said"), element("pre", first.judge));
      article.append(transcript);
    }
    return article;
  };
  let shown = PAGE, turn = 0;
  const draw = async () => {
    const name = find("f-name").value, mine = ++turn;
    const wanted = { model: find("f-model").value, status: find("f-status").value, outcome: find("f-outcome").value, text: find("f-text").value.toLowerCase() };
    try { await complete(name); } catch (error) { find("list").replaceChildren(); find("more").hidden = true; find("count").textContent = `Part of the samples could not be loaded: ${error.message} should lie beside this file.`; return; }
    if (mine !== turn) return;
    const rows = gathered(name), kept = rows.filter((answers) => answers.some((answer) => matches(answer, wanted)));
    const total = Math.max(...panels.filter((panel) => panel.name === name).map((panel) => panel.total));
    find("list").replaceChildren(...kept.slice(0, shown).map(show));
    find("count").textContent = `${kept.length} of ${rows.length} samples match${rows.length < total ? `; ${rows.length} of ${total} records are listed in this report` : ""}.`;
    find("more").hidden = kept.length <= shown;
  };
  const restart = () => { shown = PAGE; return draw(); };
  find("filters").hidden = false;
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("filters").addEventListener("input", restart);
  find("more").addEventListener("click", () => { shown += PAGE; draw(); });
  for (const button of document.querySelectorAll("button[data-task]"))
    button.addEventListener("click", async () => { find("f-name").value = button.dataset.task; await restart(); find("samples").focus(); find("samples").scrollIntoView(); });
  // j and k walk through the samples.
  document.addEventListener("keydown", (event) => {
    if (!["j", "k"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const articles = [...document.querySelectorAll("article")], here = articles.indexOf(document.activeElement.closest("article"));
    const next = articles[here + (event.key === "j" ? 1 : -1)] || (here < 0 ? articles[0] : null);
    if (next) { next.focus(); next.scrollIntoView({ block: "start" }); }
  });
  draw();
})();
