// Where models fail on one set: by class, size, number and kind of question; which class is taken for which.
(() => {
  const { data, find, element, svg } = lamm;
  const on = (models) => Object.keys(models).filter((model) => lamm.isModel(model) && lamm.isOn(model));
  const card = (title, note, ...content) => {
    const figure = element("figure", "", "plot-card");
    figure.append(element("figcaption", title), ...content, ...(note ? [element("small", note)] : []));
    return figure;
  };
  // The round number above that an axis ends at.
  const above = (value) => { const size = 10 ** Math.floor(Math.log10(value)); return size * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * size >= value * 0.9999); };
  const lanes = ({ title, higher, rows }) => {
    const models = on(Object.assign({}, ...rows.map((row) => row.models)));
    const reach = Math.max(0, ...rows.flatMap((row) => models.map((model) => row.models[model]?.[2] ?? row.models[model]?.[0] ?? 0)));
    const end = higher && reach <= 1 ? 1 : reach ? above(reach) : 1, place = (value) => 100 * Math.min(1, Math.max(0, value / end));
    const grid = element("div", "", "lanes"), height = 12 + 12 * models.length;
    for (const row of rows) {
      const known = models.filter((model) => row.models[model] && row.models[model][0] !== null);
      const words = `${row.name}: ${known.map((model) => `${model} ${lamm.number(row.models[model][0])}`).join(", ") || "no value"}`;
      const lane = svg("svg", { class: "lane", height, role: "img", "aria-label": words });
      lane.append(svg("title", {}, words));
      for (const tick of [0, 25, 50, 75, 100]) lane.append(svg("line", { class: "grid", x1: `${tick}%`, x2: `${tick}%`, y2: height }));
      for (const model of known) {
        const [value, low, high] = row.models[model], y = 12 + 12 * models.indexOf(model), group = svg("g", { class: "seen", style: `--own:${lamm.colour(model)}` });
        if (low !== null) group.append(svg("line", { class: "range", x1: `${place(low)}%`, x2: `${place(high)}%`, y1: y, y2: y }));
        const mark = svg("svg", { x: `${place(value)}%`, y, class: "at seen" });
        mark.append(svg("path", { d: higher ? "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z" : "M-5 0L3.5 -5V5Z" }));
        group.append(mark);
        lane.append(group);
      }
      const single = known.length === 1 ? `${lamm.number(row.models[known[0]][0])} · ` : "", name = element("span", row.name);
      name.dir = "auto";
      grid.append(name, lane, element("small", `${single}n = ${row.n}`));
    }
    const axis = svg("svg", { class: "lane axis", height: 16, "aria-hidden": "true" });
    [0, 0.5, 1].forEach((share, i) => axis.append(svg("text", { x: `${100 * share}%`, y: 12, class: `tick ${["start", "", "end"][i]}` }, lamm.number(share * end))));
    grid.append(element("span"), axis, element("small", higher ? "more is better" : "less is better"));
    return card(title, "", grid);
  };
  const boxes = (found) => {
    const table = element("table", "", "confusion"), head = table.createTHead().insertRow(), models = on(found);
    if (!models.length) return null;
    for (const name of ["Model", "found", "missed", "right", "wrong"]) { const cell = element("th", name); cell.scope = "col"; head.append(cell); }
    const body = table.createTBody();
    for (const model of models) {
      const row = body.insertRow(), name = element("th", model);
      name.scope = "row";
      row.append(name, ...["found", "missed", "right", "wrong"].map((key) => element("td", String(found[model][key]))));
    }
    const wide = element("div", "", "wide");
    wide.append(table);
    return card("Boxes and points", "True ones found and missed; answered ones right and wrong. The samples name each, with its IoU.", wide);
  };
  const confusion = (found, chosen) => {
    const models = on(found);
    if (!models.length) return null;
    const model = models.includes(chosen) ? chosen : models[0], { labels, rows } = found[model], wide = element("div", "", "wide"), table = element("table", "", "confusion");
    table.style.setProperty("--own", lamm.colour(model));
    const head = table.createTHead().insertRow(), body = table.createTBody(), most = Math.max(1, ...rows.flat());
    for (const name of ["true ↓ answered →", ...labels, "unread"]) { const cell = element("th", name); cell.scope = "col"; head.append(cell); }
    rows.forEach((counts, i) => {
      const row = body.insertRow(), name = element("th", labels[i]);
      name.scope = "row";
      row.append(name, ...counts.map((count, j) => {
        const cell = element("td", String(count || "·"), i === j ? "hit" : "");
        cell.style.background = `color-mix(in srgb, var(--own) ${Math.round((45 * count) / most)}%, transparent)`;
        return cell;
      }));
    });
    Object.assign(wide, { tabIndex: 0 });
    wide.setAttribute("role", "region");
    wide.setAttribute("aria-label", `Confusion of ${model}`);
    wide.append(table);
    const figure = card("Which class is taken for which", "", wide);
    if (models.length > 1) {
      const label = element("label", "Model "), select = element("select");
      lamm.options(select, models.map((one) => [one, one]));
      select.value = model;
      select.addEventListener("input", (event) => { event.stopPropagation(); const next = confusion(found, select.value); figure.replaceWith(next); next.querySelector("select").focus(); });
      label.append(select);
      wide.before(label);
    }
    return figure;
  };
  lamm.task = (name) => {
    const task = data.tasks[name];
    find("task").replaceChildren(...[...task.groups.map(lanes), confusion(task.confusion), boxes(task.boxes)].filter(Boolean));
  };
})();
