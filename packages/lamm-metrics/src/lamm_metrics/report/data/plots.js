// Pictures of the scores: a radar over tasks, how answers could be read, calibration, counts against the truth.
(() => {
  const { data, element, svg } = lamm;
  const box = (title, note, picture) => {
    const figure = element("figure", "", "plot");
    figure.append(element("figcaption", title), picture, element("small", note));
    return figure;
  };
  const legend = (names) => {
    const list = element("p", "", "legend");
    list.append(...names.map((name) => lamm.swatch(lamm.colour(name), name, lamm.isBlind(name))));
    return list;
  };
  const radar = () => {
    const shares = data.headlines.filter((row) => row.higher && Object.values(row.scores).every((score) => score === null || (score >= 0 && score <= 1)));
    // More axes than this lie over each other.
    if (shares.length < 3 || shares.length > 24) return null;
    const picture = svg("svg", { viewBox: "-255 -130 510 260", role: "img", "aria-label": "Radar of the headline scores; the leaderboard holds the numbers" });
    const at = (index, value) => { const angle = (2 * Math.PI * index) / shares.length - Math.PI / 2; return [100 * value * Math.cos(angle), 100 * value * Math.sin(angle)]; };
    for (const ring of [0.25, 0.5, 0.75, 1]) picture.append(svg("polygon", { points: shares.map((_, i) => at(i, ring).join(",")).join(" "), class: "ring" }));
    shares.forEach((row, i) => {
      const [x, y] = at(i, 1.1), text = row.name.replace(/_/g, " ").replace("Classification", "Class.").replace(/Sample/, "");
      picture.append(svg("text", { x, y: y + 3, "text-anchor": x > 5 ? "start" : x < -5 ? "end" : "middle", class: "tick" }, text.length > 25 ? `${text.slice(0, 24)}…` : text));
    });
    for (const model of lamm.models) {
      if (!shares.some((row) => row.scores[model] !== undefined)) continue;
      const style = { points: shares.map((row, i) => at(i, row.scores[model] || 0).join(",")).join(" "), fill: "none", stroke: lamm.colour(model), "stroke-width": 2 };
      if (lamm.isBlind(model)) style["stroke-dasharray"] = "4 3";
      picture.append(svg("polygon", style));
    }
    const figure = box("Headline scores", "Shares between 0 (centre) and 1 where more is better; errors and counts are left out.", picture);
    figure.append(legend(lamm.models));
    return figure;
  };
  const STATUSES = ["ok", "ambiguous", "refused", "none", "malformed", "failed"];
  const reading = () => {
    const rows = lamm.models.map((model) => {
      const counts = {};
      for (const panel of data.panels.filter((one) => one.model === model)) for (const [status, n] of Object.entries(panel.statuses)) counts[status] = (counts[status] || 0) + n;
      return [model, counts, Object.values(counts).reduce((sum, n) => sum + n, 0)];
    }).filter(([, , total]) => total);
    if (!rows.length) return null;
    const height = 26 * rows.length + 6, picture = svg("svg", { viewBox: `0 0 380 ${height}`, role: "img", "aria-label": "Share of answers by extraction status for each model" });
    rows.forEach(([model, counts, total], line) => {
      let x = 120;
      picture.append(svg("text", { x: 114, y: 26 * line + 18, "text-anchor": "end", class: "tick" }, model.length > 18 ? `${model.slice(0, 17)}…` : model));
      for (const status of [...STATUSES, ...Object.keys(counts).filter((name) => !STATUSES.includes(name))]) {
        const width = (250 * (counts[status] || 0)) / total;
        if (!width) continue;
        const part = svg("rect", { x, y: 26 * line + 4, width, height: 20, class: `status-${status}` });
        part.append(svg("title", {}, `${status}: ${counts[status]} of ${total}`));
        picture.append(part);
        x += width;
      }
    });
    const figure = box("How answers could be read", "Everything but “ok” gave nothing that could be scored.", picture), list = element("p", "", "legend");
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
    const panels = data.panels.filter((panel) => panel.plot === "count");
    const dots = panels.flatMap((panel) => listed(panel).filter((sample) => sample.status === "ok" && isFinite(Number(sample.extracted)) && isFinite(Number(sample.truth))).map((sample) => [panel.model, Number(sample.truth), Number(sample.extracted)]));
    if (dots.length < 5) return null;
    const most = 2 * Math.ceil(Math.max(...dots.map(([, truth]) => truth)) * 0.6) || 2, ticks = [[0, "0"], [0.5, String(most / 2)], [1, String(most)]];
    const picture = axes("Answered count against true count", ticks, "true count", "answered count");
    for (const [model, truth, answered] of dots) {
      // The models' dots stand beside each other, and what is off the scale lies on its edge.
      const x = (220 * truth) / most + 3 * (lamm.models.indexOf(model) - (lamm.models.length - 1) / 2), y = 220 - 220 * Math.min(1, Math.max(0, answered / most));
      const blind = lamm.isBlind(model);
      picture.append(svg("circle", { cx: x, cy: y, r: 2.6, fill: blind ? "none" : lamm.colour(model), stroke: blind ? lamm.colour(model) : "none", "fill-opacity": 0.6 }));
    }
    const figure = box("Counting", "On the diagonal the count is right; answers beyond the scale lie on its edge.", picture);
    figure.append(legend([...new Set(dots.map(([model]) => model))]));
    return figure;
  };
  const figures = [radar(), reading(), calibration(), counting()].filter(Boolean);
  lamm.find("plots").append(...figures);
  lamm.find("h-plots").hidden = !figures.length;
})();
