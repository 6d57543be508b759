// Pictures over all sets: how answers could be read, calibration, counts against the truth.
(() => {
  const { data, element, svg } = lamm;
  const box = (title, note, picture) => {
    const figure = element("figure", "", "plot-card");
    figure.append(element("figcaption", title), picture, element("small", note));
    return figure;
  };
  const legend = (names) => {
    const list = element("p", "", "legend");
    list.append(...names.map((name) => lamm.swatch(lamm.colour(name), name, lamm.isBlind(name))));
    return list;
  };
  const STATUSES = ["ok", "ambiguous", "refused", "none", "malformed", "failed"];
  const reading = () => {
    const rows = lamm.models.map((model) => {
      const counts = {};
      for (const panel of data.panels.filter((one) => one.model === model)) for (const [status, n] of Object.entries(panel.statuses)) counts[status] = (counts[status] || 0) + n;
      return [model, counts, Object.values(counts).reduce((sum, n) => sum + n, 0)];
    }).filter(([, , total]) => total);
    if (!rows.length) return null;
    const bars = element("div", "", "bars");
    for (const [model, counts, total] of rows) {
      const stack = element("div", "", "stack"), known = [...STATUSES, ...Object.keys(counts).filter((name) => !STATUSES.includes(name))].filter((status) => counts[status]);
      stack.setAttribute("role", "img");
      stack.setAttribute("aria-label", `${model}: ${known.map((status) => `${status} ${counts[status]}`).join(", ")} of ${total}`);
      stack.title = stack.getAttribute("aria-label");
      for (const status of known) {
        const part = element("i");
        Object.assign(part.style, { width: `${(100 * counts[status]) / total}%`, background: `var(--status-${status}, var(--soft))` });
        stack.append(part);
      }
      bars.append(element("span", model), stack);
    }
    const figure = box("How answers could be read", "Everything but “ok” gave nothing that could be scored.", bars), list = element("p", "", "legend");
    list.append(...STATUSES.filter((status) => rows.some(([, counts]) => counts[status])).map((status) => lamm.swatch(`var(--status-${status})`, status)));
    figure.append(list);
    return figure;
  };
  const axes = (label, ticks, horizontal, vertical) => {
    const picture = svg("svg", { viewBox: "-38 -8 300 262", role: "img", "aria-label": label });
    picture.append(svg("rect", { x: 0, y: 0, width: 220, height: 220, class: "ring" }), svg("line", { x1: 0, y1: 220, x2: 220, y2: 0, class: "ring" }));
    for (const [share, text] of ticks) picture.append(svg("text", { x: 220 * share, y: 234, "text-anchor": "middle", class: "tick" }, text), svg("text", { x: -5, y: 224 - 220 * share, "text-anchor": "end", class: "tick" }, text));
    picture.append(svg("text", { x: 110, y: 250, "text-anchor": "middle", class: "tick" }, horizontal), svg("text", { x: 0, y: 0, "text-anchor": "middle", class: "tick", transform: "translate(-28 110) rotate(-90)" }, vertical));
    return picture;
  };
  // A page whose samples lie in parts embeds some of them for its plots.
  const listed = (panel) => (panel.samples.length ? panel.samples : panel.plotted || []);
  const calibration = () => {
    const picture = axes("Share of right answers by stated probability", [[0, "0"], [0.5, "0.5"], [1, "1"]], "stated probability", "share right");
    const shown = [];
    for (const model of lamm.models) {
      const known = data.panels.filter((panel) => panel.model === model).flatMap(listed).filter((sample) => sample.confidence !== null && sample.value !== null);
      if (known.length < 20) continue;
      known.sort((one, other) => one.confidence - other.confidence);
      const bins = Math.min(10, Math.floor(known.length / 10)), places = [];
      for (let i = 0; i < bins; i++) {
        const part = known.slice(Math.floor((i * known.length) / bins), Math.floor(((i + 1) * known.length) / bins));
        const mean = (key) => part.reduce((sum, sample) => sum + sample[key], 0) / part.length;
        places.push(`${220 * mean("confidence")},${220 - 220 * mean("value")}`);
      }
      picture.append(svg("polyline", { points: places.join(" "), fill: "none", stroke: lamm.colour(model), "stroke-width": 2, ...(lamm.isBlind(model) && { "stroke-dasharray": "4 3" }) }));
      shown.push(model);
    }
    if (!shown.length) return null;
    const figure = box("Calibration", "Bins of equal mass; on the diagonal a model is as often right as it says.", picture);
    figure.append(legend(shown));
    return figure;
  };
  const counting = () => {
    const panels = data.panels.filter((panel) => panel.plot === "count" && lamm.isModel(panel.model));
    const dots = panels.flatMap((panel) => listed(panel).filter((sample) => sample.status === "ok" && isFinite(Number(sample.extracted)) && isFinite(Number(sample.truth))).map((sample) => [panel.model, Number(sample.truth), Number(sample.extracted)]));
    if (dots.length < 5) return null;
    const most = 2 * Math.ceil(Math.max(...dots.map(([, truth]) => truth)) * 0.6) || 2, ticks = [[0, "0"], [0.5, String(most / 2)], [1, String(most)]];
    const picture = axes("Answered count against true count", ticks, "true count", "answered count");
    for (const [model, truth, answered] of dots) {
      // The models' dots stand beside each other, and what is off the scale lies on its edge.
      const x = (220 * truth) / most + 3 * (lamm.models.indexOf(model) - (lamm.models.length - 1) / 2), y = 220 - 220 * Math.min(1, Math.max(0, answered / most));
      picture.append(svg("circle", { cx: x, cy: y, r: 2.6, fill: lamm.colour(model), "fill-opacity": 0.6 }));
    }
    const figure = box("Counting", "On the diagonal the count is right; answers beyond the scale lie on its edge.", picture);
    figure.append(legend([...new Set(dots.map(([model]) => model))]));
    return figure;
  };
  const figures = [reading(), calibration(), counting()].filter(Boolean);
  lamm.find("plots").append(...figures);
  lamm.find("h-plots").hidden = !figures.length;
})();
