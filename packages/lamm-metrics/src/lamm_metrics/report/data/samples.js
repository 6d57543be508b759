// The list of samples: loading, filters, two models side by side, a link to each, the way from one to the next.
(() => {
  const { data, find, element } = lamm;
  const PAGE = 30, count = (number) => number.toLocaleString("en");
  const panels = data.panels.filter((panel) => panel.total);
  if (!panels.some((panel) => panel.samples.length || panel.parts)) { find("count").textContent = "No samples are in this report. `lamm metrics score --output report.html` lists them."; return; }
  const names = [...new Set(panels.map((panel) => panel.name))];
  lamm.options(find("f-name"), names.map((name) => [name, lamm.words(name)]));
  lamm.options(find("f-status"), [["", "all"], ...[...new Set(panels.flatMap((panel) => Object.keys(panel.statuses)))].sort().map((status) => [status, status])]);
  const everyone = [...lamm.entrants.keys()];
  lamm.options(find("f-model"), [["", "any"], ...everyone.map((model) => [model, model])]);
  lamm.options(find("f-beside"), [["", "all"], ...everyone.map((model) => [model, model])]);
  find("f-beside").parentElement.hidden = everyone.length < 2;
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
        rows.get(sample.id).push({ model: panel.model, higher: panel.higher, signature: panel.signature, ...sample });
      }
    return [...rows.values()];
  };
  // Which of two answers is better; 0 where neither is, or one has no value.
  const better = (one, other) => (!one || !other || one.value === null || other.value === null ? 0 : Math.sign(one.value - other.value) * (one.higher ? 1 : -1));
  const SIDES = { better: 1, worse: -1 };
  const ends = (answer, outcome, other) => {
    if (outcome === "differ") return better(answer, other) !== 0;
    return outcome in SIDES ? better(answer, other) === SIDES[outcome] : lamm.outcome(answer.value, answer.higher) === outcome;
  };
  const matches = (answer, wanted, other) =>
    (!wanted.model || answer.model === wanted.model) && (!wanted.status || answer.status === wanted.status) &&
    (!wanted.outcome || ends(answer, wanted.outcome, other)) &&
    (!wanted.text || [answer.id, answer.query, answer.answer, answer.truth].some((part) => part.toLowerCase().includes(wanted.text)));
  let start = 0, shown = PAGE, turn = 0, kept = [];
  const linkOf = (answers) => `#${encodeURIComponent(find("f-name").value)}/${encodeURIComponent(answers[0].id)}`;
  const visible = (answers) => {
    const [first, second] = [find("f-model").value, find("f-beside").value];
    if (first && second) return [first, second].map((model) => answers.find((one) => one.model === model)).filter(Boolean);
    const seen = answers.filter((one) => lamm.isOn(one.model));
    return seen.length ? seen : answers;
  };
  const paint = () => {
    find("list").replaceChildren(...kept.slice(start, start + shown).map((answers) => lamm.card(visible(answers), linkOf(answers), move)));
    find("more").hidden = kept.length <= start + shown;
    find("earlier").hidden = !start;
  };
  const move = (article, by) => {
    const articles = () => [...document.querySelectorAll("article")], here = start + articles().indexOf(article), next = here + by;
    if (next < 0 || next >= kept.length) return;
    if (next < start || next >= start + shown) { start = Math.max(0, Math.min(start, next - 5)); shown = Math.max(shown, next - start + 6); paint(); }
    const target = articles()[next - start];
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "start" });
    history.replaceState(null, "", linkOf(kept[next]));
  };
  const draw = async () => {
    const name = find("f-name").value, mine = ++turn, other = find("f-beside").value;
    const two = Boolean(find("f-model").value && other);
    for (const option of find("f-outcome").options) if (option.value === "differ" || option.value in SIDES) option.hidden = option.disabled = !two;
    if (find("f-outcome").selectedOptions[0].disabled) find("f-outcome").value = "";
    const wanted = { model: find("f-model").value, status: find("f-status").value, outcome: find("f-outcome").value, text: find("f-text").value.toLowerCase() };
    try { await complete(name); } catch (error) { find("list").replaceChildren(); find("more").hidden = true; find("count").textContent = `Part of the samples could not be loaded: ${error.message} should lie beside this file.`; return false; }
    if (mine !== turn) return false;
    const rows = gathered(name);
    kept = rows.filter((answers) => { const beside = answers.find((one) => one.model === other); return answers.some((answer) => matches(answer, wanted, beside)); });
    const total = Math.max(...panels.filter((panel) => panel.name === name).map((panel) => panel.total));
    find("count").textContent = `${count(kept.length)} of ${count(rows.length)} samples match${rows.length < total ? `; ${count(rows.length)} of ${count(total)} records are listed in this report` : ""}.${kept.length ? "" : " Loosen a filter to see some."}`;
    paint();
    return true;
  };
  const restart = () => { start = 0; shown = PAGE; lamm.task(find("f-name").value); return draw(); };
  // `#set/id` is the link to one sample: the list begins there.
  const follow = async () => {
    let name, id;
    try { [name, id] = location.hash.slice(1).split("/").map(decodeURIComponent); } catch { return false; }
    if (id === undefined || !names.includes(name)) return false;
    find("filters").reset();
    find("f-name").value = name;
    if (!(await restart())) return true;
    const place = kept.findIndex((answers) => answers[0].id === id);
    if (place < 0) { find("count").textContent = `No sample ${id} is listed in this report. ${find("count").textContent}`; return true; }
    start = place;
    paint();
    const [target] = document.getElementsByTagName("article");
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "start" });
    return true;
  };
  find("filters").hidden = find("choose").hidden = false;
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const place of ["filters", "choose"]) find(place).addEventListener("input", restart);
  find("more").addEventListener("click", () => { shown += PAGE; paint(); });
  find("earlier").addEventListener("click", () => { const before = Math.min(start, PAGE); start -= before; shown += before; paint(); });
  document.addEventListener("models", () => { lamm.task(find("f-name").value); paint(); });
  addEventListener("hashchange", follow);
  for (const button of document.querySelectorAll("button[data-task]"))
    button.addEventListener("click", async () => { find("f-name").value = button.dataset.task; await restart(); find("samples").focus(); find("samples").scrollIntoView(); });
  // j and k walk through the samples.
  document.addEventListener("keydown", (event) => {
    if (!["j", "k"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const here = document.activeElement.closest("article"), first = document.querySelector("article");
    if (here) move(here, event.key === "j" ? 1 : -1);
    else if (first) { first.focus(); first.scrollIntoView({ block: "start" }); }
  });
  follow().then((followed) => followed || restart());
})();
