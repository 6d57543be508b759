// The leaderboard: sorting, searching, and a switch for each model that holds for the whole page.
(() => {
  const { data, find, element } = lamm;
  const table = find("leaderboard"), groups = [...table.tBodies], rows = new Map(data.headlines.map((row) => [row.name, row]));
  const models = [...lamm.entrants.values()].filter((one) => one.role === "model").map((one) => one.name);
  // Of an error the least stands first; what has no number stands last.
  const byScore = (model) => (row) => { const score = row.scores[model]; return score === null || score === undefined ? Infinity : row.higher ? -score : score; };
  const orders = {
    name: (row) => lamm.words(row.name).toLowerCase(), n: (row) => -row.n, unread: (row) => -row.unread,
    ...Object.fromEntries(models.map((model, i) => [`model-${i}`, byScore(model)])),
  };
  lamm.options(find("b-order"), [["", "as scored"], ["name", "name"], ["n", "most records"], ["unread", "most unread answers"], ...models.map((model, i) => [`model-${i}`, `best of ${model}`])]);
  const draw = () => {
    const order = orders[find("b-order").value], text = find("b-text").value.toLowerCase();
    const sorted = groups.map((group, place) => [group, order ? order(rows.get(group.dataset.task)) : place]);
    sorted.sort(([, one], [, other]) => (one < other ? -1 : one > other ? 1 : 0));
    table.append(...sorted.map(([group]) => group));
    let shown = 0;
    for (const group of groups) shown += !(group.hidden = !lamm.words(group.dataset.task).toLowerCase().includes(text));
    // A switched-off model keeps its line, so that the others keep their place; its numbers go.
    for (const line of table.querySelectorAll("tr[data-model]")) line.classList.toggle("off", lamm.off.has(line.dataset.model));
    find("b-count").textContent = shown === groups.length ? "" : `${shown} of ${groups.length} sets match.`;
  };
  const chips = find("switches");
  if (models.length > 1)
    for (const model of models) {
      const chip = element("label", "", "chip"), box = element("input"), name = element("bdi", model);
      Object.assign(box, { type: "checkbox", checked: true });
      chip.style.setProperty("--own", lamm.colour(model));
      box.addEventListener("change", () => { lamm.off[box.checked ? "delete" : "add"](model); draw(); document.dispatchEvent(new Event("models")); });
      chip.append(box, element("i"), name);
      chips.append(chip);
    }
  find("board").hidden = groups.length < 2 && models.length < 2;
  find("board").addEventListener("submit", (event) => event.preventDefault());
  find("board").addEventListener("input", draw);
})();
