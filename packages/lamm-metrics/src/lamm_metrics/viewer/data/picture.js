// A picture with boxes, points and outlines, in shares of its width and height. `lammViewer.picture(image, { name, series })`
// makes the element around an `img`; its `viewer` has `set(series)` and `boxes(on)`.
(() => {
  const { element, drawn, button, press, space } = lammViewer;
  const NEAREST = 24;
  const ringOf = ({ kind, numbers }) => {
    if (kind !== "box") return numbers.reduce((ring, value, i) => (i % 2 ? (ring.at(-1).push(value), ring) : [...ring, [value]]), []);
    const [x1, y1, x2, y2] = numbers;
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
  };
  // The mark itself, over an edge that lifts it off a picture of any colour: pale where marks are dark, and the other way round.
  const EDGE = "var(--viewer-back)";
  const shapes = (mark) => {
    const style = { fill: mark.found ? mark.colour : "none", "fill-opacity": 0.16, stroke: mark.colour, "stroke-width": 2, "vector-effect": "non-scaling-stroke" };
    if (mark.dashed) style["stroke-dasharray"] = "6 3";
    const [x, y] = mark.numbers, ring = ringOf(mark);
    if (mark.kind === "point") {
      // A line of no length with ends is a dot whose size does not follow the picture's: round a truth, square an answer.
      const dot = { ...style, x1: x, y1: y, x2: x, y2: y, "stroke-dasharray": "none", "stroke-linecap": mark.dashed ? "square" : "round" };
      return [drawn("line", { ...dot, stroke: EDGE, "stroke-width": 11 }), drawn("line", { ...dot, "stroke-width": mark.found === false ? 5 : 8 })];
    }
    const edge = drawn("path", { d: `M${ring.map((corner) => corner.join(" ")).join("L")}Z`, fill: "none", stroke: EDGE, "stroke-opacity": mark.dashed ? 0.45 : 0.7, "stroke-width": 4, "vector-effect": "non-scaling-stroke" });
    if (mark.kind === "polygon") return [edge, drawn("polygon", { ...style, points: ring.map((corner) => corner.join(",")).join(" ") })];
    const [xs, ys] = [0, 1].map((k) => ring.map((corner) => corner[k]));
    return [edge, drawn("rect", { ...style, x: Math.min(...xs), y: Math.min(...ys), width: Math.max(...xs) - Math.min(...xs), height: Math.max(...ys) - Math.min(...ys) })];
  };
  const nameOf = (mark) => {
    const node = element("span", "", `${mark.found ? "✓ " : ""}${lammViewer.short(mark.label)}`);
    node.style.borderColor = mark.colour;
    return node;
  };

  lammViewer.picture = (image, { name = "", series = [] } = {}) => {
    const root = element("div", "viewer drawn"), stage = element("div", "viewer-stage viewer-picture"), sheet = element("div", "viewer-sheet"), names = element("div", "viewer-names"), bar = element("div", "viewer-bar");
    const layer = drawn("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
    const list = lammViewer.listOf((mark) => choose(mark)), panel = lammViewer.panel(() => { choose(null); stage.focus(); });
    const state = { zoom: 1, left: 0, top: 0, marks: [], entries: [], chosen: null, boxes: true };
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", `Picture ${name}. Plus and minus zoom, arrow keys move it, b shows boxes, 0 starts again.`);
    const away = button("away", "Zoom out (-)", () => zoom(1 / 1.5)), boxes = button("boxes", "Boxes (b)", () => show(!state.boxes));
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", `View of ${name}`);
    bar.append(button("nearer", "Zoom in (+)", () => zoom(1.5)), away, button("reset", "Start again (0)", () => zoom(0)), boxes, lammViewer.fullscreen(root));

    const toStage = ([x, y]) => [(x - state.left) * state.zoom * stage.clientWidth, (y - state.top) * state.zoom * stage.clientHeight];
    const placeNames = () => {
      const [width, height] = [stage.clientWidth, stage.clientHeight];
      // Names of many points, such as joints, would hide the picture until it is near.
      const crowded = state.marks.filter((mark) => mark.kind === "point" && mark.label).length > 6 && state.zoom < 2;
      // Among many names those of the answers wait too: they stand beside the picture in words.
      const many = state.entries.length > 12 && state.zoom < 1.6 && state.entries.some(({ mark }) => !mark.dashed);
      for (const entry of state.entries) {
        const { mark, node } = entry, ring = ringOf(mark).map(toStage), [xs, ys] = [0, 1].map((k) => ring.map((corner) => corner[k]));
        const [left, right, top, low] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)], tall = node.offsetHeight, gap = mark.kind === "point" ? 7 : 1;
        Object.assign(entry, { width: node.offsetWidth, height: tall, first: (mark === state.chosen ? 2 : 0) + (mark.dashed ? 0 : 1) });
        const out = right < 0 || left > width || low < 0 || top > height || (((crowded && mark.kind === "point") || (many && mark.dashed)) && mark !== state.chosen);
        entry.places = out ? [] : [[left, top - tall - gap], [left, top + gap], [right - entry.width, top - tall - gap], [left, low + gap], [right - entry.width, low + gap], [right + gap, top], [left, low - tall - gap]];
      }
      const sorted = [...state.entries].sort((one, other) => other.first - one.first);
      lammViewer.arrange(sorted, width, height);
      for (const { node, at } of sorted) { node.style.visibility = at ? "visible" : "hidden"; if (at) Object.assign(node.style, { left: `${at[0]}px`, top: `${at[1]}px` }); }
      stage.dataset.names = sorted.filter(({ at }) => at).length;
    };
    const fitZoom = () => {
      const room = 1 - 1 / state.zoom;
      Object.assign(state, { left: Math.min(room, Math.max(0, state.left)), top: Math.min(room, Math.max(0, state.top)) });
      const share = 100 * state.zoom;
      Object.assign(sheet.style, { width: `${share}%`, height: `${share}%`, left: `${-share * state.left}%`, top: `${-share * state.top}%` });
      // Near enough, its pixels are seen as they are.
      image.style.imageRendering = (state.zoom * stage.clientWidth) / (image.naturalWidth || 1) > 4 ? "pixelated" : "";
      stage.dataset.zoom = state.zoom.toFixed(3);
      away.disabled = state.zoom <= 1;
      placeNames();
    };
    const zoom = (factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
      const next = factor ? Math.min(NEAREST, Math.max(1, state.zoom * factor)) : 1;
      if (next === state.zoom) return false;
      const [u, v] = [x / (stage.clientWidth || 1), y / (stage.clientHeight || 1)];
      Object.assign(state, { left: state.left + u / state.zoom - u / next, top: state.top + v / state.zoom - v / next, zoom: next });
      fitZoom();
      return true;
    };
    const move = (dx, dy) => { state.left -= dx / (state.zoom * (stage.clientWidth || 1)); state.top -= dy / (state.zoom * (stage.clientHeight || 1)); fitZoom(); };
    const choose = (mark) => {
      if (mark && !state.boxes) show(true);
      state.chosen = mark;
      for (const { mark: other, nodes } of state.drawings) for (const node of nodes) node.classList.toggle("chosen", other === mark);
      panel.show(mark);
      placeNames();
    };
    const show = (on) => { state.boxes = on; layer.style.display = names.style.display = on ? "" : "none"; press(boxes, on); if (!on) choose(null); else placeNames(); };
    const at = (x, y, before) => {
      const around = state.marks.map((mark) => {
        const ring = ringOf(mark).map(toStage), near = mark.kind === "point" ? Math.hypot(ring[0][0] - x, ring[0][1] - y) < 12 : space.within(ring, x, y);
        return near && { mark, size: mark.kind === "point" ? 0 : space.area(ring) };
      }).filter(Boolean).sort((one, other) => one.size - other.size).map(({ mark }) => mark);
      return around[(around.indexOf(before) + 1) % Math.max(1, around.length)] || null;
    };
    const chips = lammViewer.switches(() => apply());
    const apply = () => {
      state.marks = lammViewer.collect(chips.on(state.series)).filter((mark) => mark.kind !== "box3d");
      state.drawings = state.marks.map((mark) => ({ mark, nodes: shapes(mark) }));
      layer.replaceChildren(...state.drawings.flatMap(({ nodes }) => nodes));
      state.entries = state.marks.filter((mark) => mark.label).map((mark) => ({ mark, node: nameOf(mark) }));
      names.replaceChildren(...state.entries.map(({ node }) => node));
      list.fill(state.marks);
      stage.dataset.boxes = state.marks.length;
      boxes.hidden = !state.marks.length;
      press(boxes, state.boxes);
      choose(null);
    };
    const set = (all) => { state.series = all; chips.fill(all); apply(); };
    const STEP = 40, keys = {
      "+": () => zoom(1.25), "-": () => zoom(1 / 1.25), 0: () => zoom(0), b: () => show(!state.boxes),
      ArrowLeft: () => move(STEP, 0), ArrowRight: () => move(-STEP, 0), ArrowUp: () => move(0, STEP), ArrowDown: () => move(0, -STEP),
      Enter: () => choose(state.marks[(state.marks.indexOf(state.chosen) + 1) % state.marks.length] || null),
    };
    lammViewer.gestures(stage, {
      drag: (dx, dy) => { if (state.zoom > 1) move(dx, dy); },
      zoom,
      click: (x, y) => choose(state.boxes ? at(x, y, state.chosen) : null),
      twice: (x, y) => zoom(2, x, y),
      hover: (x, y) => { stage.style.cursor = x !== undefined && state.boxes && at(x, y) ? "pointer" : ""; },
      key: (key) => {
        if (key === "Escape" && state.chosen) return choose(null), true;
        // Unzoomed, arrow keys are the page's.
        if (key.startsWith("Arrow") && state.zoom === 1) return false;
        const act = keys[key === "=" ? "+" : key];
        if (act) act();
        return Boolean(act);
      },
    });
    const fit = () => {
      if (!image.naturalWidth) return;
      const aspect = image.naturalWidth / image.naturalHeight;
      stage.style.aspectRatio = String(aspect);
      stage.style.setProperty("--viewer-aspect", String(aspect));
      fitZoom();
    };
    image.addEventListener("load", fit);
    sheet.append(image, layer);
    stage.prepend(sheet, names);
    stage.append(panel.node);
    root.append(stage, bar, chips.node, list.node);
    set(series);
    new ResizeObserver(() => placeNames()).observe(stage);
    fit();
    root.viewer = { set, boxes: show };
    return root;
  };
})();
