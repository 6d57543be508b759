// A point cloud that turns, with its boxes. `lammViewer.cloud(cloud, { name, series, spin })` makes the element; what
// `pack_cloud` packs is its cloud. The element's `viewer` has `set(series)`, `turn(on)`, `boxes(on)` and `end()`.
(() => {
  const { element, button, press, space, scene, points: stuff } = lammViewer;
  const KEYS = "Arrow keys turn it and with Shift move it, plus and minus zoom, v looks from above, c changes colours, b shows boxes, o opens walls, t turns it, 0 starts again.";
  const TILT = 0.62, GREETING = 3500;
  // The share of the points that is drawn while something moves, so that it moves smoothly on any machine; for all views.
  const pace = { share: 1 }, FEWEST = 12000;
  const keepPace = (took) => {
    if (took > 45) pace.share = Math.max(0.02, pace.share * (took > 90 ? 0.55 : 0.8));
    else if (took < 24) pace.share = Math.min(1, pace.share * 1.12);
  };

  const tools = (root, view, points, name) => {
    const bar = element("div", "viewer-bar"), colours = element("select"), cut = element("input");
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", `View of ${name}`);
    const above = button("above", "From above (v)", () => view.above()), turn = button("turn", "Turn (t)", () => view.turn());
    const boxes = button("boxes", "Boxes (b)", () => view.boxes()), walls = button("open", "Open walls and ceiling towards you (o)", () => view.open());
    Object.assign(cut, { type: "range", min: 2, max: 100, value: 100 * view.state.cut, title: "Cut away what is higher" });
    cut.setAttribute("aria-label", "Cut away what is higher");
    cut.addEventListener("input", () => { view.state.cut = cut.value / 100; view.draw(); });
    colours.setAttribute("aria-label", "Colours");
    colours.addEventListener("change", () => view.paint(colours.value));
    bar.append(above, turn, button("reset", "Start again (0)", () => view.reset()), boxes, walls, lammViewer.fullscreen(root), colours, cut);
    return {
      bar,
      show: () => {
        press(above, view.state.flat);
        press(turn, view.turning());
        press(boxes, view.state.boxes);
        press(walls, view.state.open);
        walls.hidden = !points.closed.some(Boolean);
        boxes.hidden = !view.state.marks.length;
        const modes = view.modes();
        if (colours.childElementCount !== modes.length)
          colours.replaceChildren(...modes.map((mode) => Object.assign(element("option", "", { own: "own colours", height: "by height", label: "by label" }[mode]), { value: mode })));
        colours.value = view.state.mode;
        cut.value = 100 * view.state.cut;
      },
    };
  };
  const counted = ({ n, total, outside }) => {
    const all = total > n ? `${n.toLocaleString("en")} of ${total.toLocaleString("en")} points` : `${n.toLocaleString("en")} ${n === 1 ? "point" : "points"}`;
    return outside ? `${all}; ${outside.toLocaleString("en")} far away are left out` : all;
  };

  const cameraOf = (points, state, canvas) => {
    const aspect = () => canvas.width / canvas.height;
    // Where walls open and the ceiling is gone, the room may come nearer than its whole box.
    const seen = points.half.map((side, k) => (k === 2 && points.closed[4] ? 0.85 * side : side));
    const fit = () => (state.flat ? { far: space.plan(points.half, aspect()), lift: 0 } : space.distance(seen, TILT, aspect()));
    return {
      reset: () => { const { far, lift } = fit(); Object.assign(state, { turn: state.flat ? 0 : 0.7, tilt: state.flat ? Math.PI / 2 : TILT, target: [0, 0, lift], far, fitted: far }); },
      refit: () => { const { far } = fit(); Object.assign(state, { far: (state.far * far) / state.fitted, fitted: far }); },
      turnBy: (dt, dp) => {
        if (state.flat && dp) Object.assign(state, { flat: false, tilt: 1.4, far: state.far * 1.2 });
        state.turn += dt;
        if (!state.flat) state.tilt = Math.min(1.55, Math.max(-0.5, state.tilt + dp));
      },
      move: (dx, dy) => {
        const [right, up] = space.axesOf(state), step = (2 * state.far) / (space.F * (canvas.clientHeight || 1));
        state.target = state.target.map((part, k) => Math.min(2, Math.max(-2, part - step * (right[k] * dx - up[k] * dy))));
      },
      zoom: (factor, x, y) => {
        const far = Math.min(3 * state.fitted, Math.max(0.03, state.far / factor)), [right, up] = space.axesOf(state);
        if (Math.abs(far - state.far) < 1e-6) return false;
        const across = (((2 * x) / canvas.clientWidth - 1) * (state.far - far) * aspect()) / space.F, upwards = ((1 - (2 * y) / canvas.clientHeight) * (state.far - far)) / space.F;
        state.target = state.target.map((part, k) => Math.min(2, Math.max(-2, part + right[k] * across + up[k] * upwards)));
        state.far = far;
        return true;
      },
    };
  };

  const open = (root, stage, canvas, cloud, { name, series, spin, boxes }) => {
    const pen = canvas.getContext("2d"), list = lammViewer.listOf((mark) => choose(mark)), panel = lammViewer.panel(() => { choose(null); canvas.focus(); });
    stage.append(panel.node);
    const points = stuff.read(cloud), colours = lammViewer.resolver(root), grid = scene.gridOf(points);
    const state = { flat: false, cut: 1, open: points.closed.some(Boolean), mode: points.own ? "own" : "height", boxes, chosen: null, marks: [], solids: [], until: 0, changed: 0, spinning: false };
    const camera = cameraOf(points, state, canvas);
    let painter = null, asked = 0, last = 0, resting = 0, unit = 1;
    const modes = () => [...(points.own ? ["own"] : []), "height", ...(state.marks.some((mark) => mark.label) ? ["label"] : [])];
    const turning = () => state.spinning || performance.now() < state.until;

    const draw = (moving = false) => {
      if (!painter || !canvas.width) return;
      if (painter.lost()) prepare();
      const seen = space.look(state, canvas.width, canvas.height), drawn = moving ? Math.min(points.count, Math.max(FEWEST, Math.floor(points.count * pace.share))) : points.count;
      pen.globalAlpha = 1;
      pen.fillStyle = colours.of("var(--viewer-back)");
      pen.fillRect(0, 0, canvas.width, canvas.height);
      scene.drawGrid(pen, seen, grid, colours.of("var(--viewer-line)"), unit);
      painter.paint(pen, seen, { drawn, part: stuff.bounds(points, seen, state), unit });
      let names = 0;
      if (state.boxes) { scene.drawBoxes(pen, seen, state.solids, state.chosen, colours, unit); names = scene.drawNames(pen, seen, scene.named(state.solids, state.chosen, state.far < 0.6 * state.fitted), state.chosen, colours, unit); }
      scene.drawScale(pen, seen, points, grid, state.mode, colours, unit);
      Object.assign(canvas.dataset, { turn: state.turn.toFixed(4), far: state.far.toFixed(4), drawn, names, boxes: state.boxes ? state.solids.length : 0, painter: painter.kind });
      clearTimeout(resting);
      if (moving && drawn < points.count) resting = setTimeout(() => ask(), 140);
    };
    // While it moves, each frame follows the last; else one is drawn when something changed.
    const step = (time) => {
      asked = 0;
      if (!painter) return;
      const on = turning() && !document.hidden, took = time - last;
      if (on) { if (took < 500) { keepPace(took); state.turn += Math.min(took, 60) * 0.0004; } }
      draw(on || time - state.changed < 100);
      last = time;
      if (on) asked = requestAnimationFrame(step); else bar.show();
    };
    const ask = () => { if (!asked) asked = requestAnimationFrame(step); };
    const change = () => {
      const now = performance.now();
      if (now - state.changed < 200) keepPace(now - last > 200 ? 30 : now - last);
      Object.assign(state, { changed: now, until: 0, spinning: false });
      canvas.dataset.turn = state.turn.toFixed(4);
      ask();
    };
    const paint = (mode) => { state.mode = mode; painter?.colour(stuff.colours(points, mode, state.marks)); ask(); };
    const prepare = () => { painter = lammViewer.gpuPainter(points) || lammViewer.planePainter(points); painter.colour(stuff.colours(points, state.mode, state.marks)); };
    const choose = (mark) => { state.chosen = mark; if (mark) state.boxes = true; panel.show(mark); change(); };
    const chips = lammViewer.switches(() => apply());
    const apply = () => {
      state.marks = lammViewer.collect(chips.on(state.series)).filter((mark) => mark.kind === "box3d");
      state.solids = state.marks.map((mark) => ({ mark, box: space.solid(stuff.localBox(points, mark.numbers)) }));
      state.chosen = null;
      panel.show(null);
      list.fill(state.marks);
      if (state.mode === "label") paint(modes().includes("label") ? "label" : modes()[0]); else ask();
      bar.show();
    };
    const set = (all) => { state.series = all; chips.fill(all); apply(); };
    const view = {
      state, modes, paint, turning,
      draw: () => change(),
      above: () => { state.flat = !state.flat; camera.reset(); change(); },
      reset: () => { state.flat = false; camera.reset(); change(); },
      open: () => { state.open = !state.open; change(); },
      boxes: (on = !state.boxes) => { state.boxes = on; ask(); },
      turn: (on = !turning()) => { Object.assign(state, { spinning: on, until: 0, flat: state.flat && !on }); if (on && state.tilt > 1.5) camera.reset(); last = performance.now(); ask(); },
    };
    const bar = tools(root, view, points, name);
    bar.bar.append(element("small", "", counted(cloud)));
    const next = () => choose(state.marks[(state.marks.indexOf(state.chosen) + 1) % state.marks.length] || null);
    const keys = {
      ArrowLeft: (shift) => (shift ? camera.move(30, 0) : camera.turnBy(-0.15, 0)), ArrowRight: (shift) => (shift ? camera.move(-30, 0) : camera.turnBy(0.15, 0)),
      ArrowUp: (shift) => (shift ? camera.move(0, 30) : camera.turnBy(0, 0.1)), ArrowDown: (shift) => (shift ? camera.move(0, -30) : camera.turnBy(0, -0.1)),
      "+": () => camera.zoom(1.2, canvas.clientWidth / 2, canvas.clientHeight / 2), "-": () => camera.zoom(1 / 1.2, canvas.clientWidth / 2, canvas.clientHeight / 2),
    };
    const acts = { v: view.above, "0": view.reset, b: () => view.boxes(), o: view.open, t: () => view.turn(), Enter: next, c: () => paint(modes()[(modes().indexOf(state.mode) + 1) % modes().length]) };
    lammViewer.gestures(stage, {
      drag: (dx, dy, other) => { if (other !== state.flat) camera.move(dx, dy); else camera.turnBy(dx / 120, state.flat ? 0 : dy / 120); change(); },
      zoom: (factor, x, y) => { const changed = camera.zoom(factor, x, y); if (changed) change(); return changed; },
      click: (x, y) => choose(state.boxes ? scene.boxAt(state.solids, x * unit, y * unit, state.chosen) : null),
      twice: (x, y) => {
        const seen = space.look(state, canvas.width, canvas.height), found = stuff.nearest(points, seen, x * unit, y * unit, stuff.bounds(points, seen, state));
        if (found) { Object.assign(state, { target: found, far: Math.max(0.05, state.far / 2) }); change(); }
      },
      hover: (x, y) => { canvas.style.cursor = x !== undefined && state.boxes && scene.boxAt(state.solids, x * unit, y * unit) ? "pointer" : ""; },
      key: (key, event) => {
        if (key === "Escape" && state.chosen) return choose(null), true;
        const name = key === "=" ? "+" : key;
        if (keys[name]) { keys[name](event.shiftKey); change(); return true; }
        if (acts[name]) { acts[name](); return true; }
        return false;
      },
    });
    root.append(bar.bar, chips.node, list.node);
    set(series);
    const size = () => {
      const box = canvas.getBoundingClientRect();
      if (!box.width) return;
      unit = Math.min(2, devicePixelRatio || 1, Math.max(1, Math.sqrt(2.2e6 / (box.width * box.height))));
      const [width, height] = [Math.round(box.width * unit), Math.round(box.height * unit)];
      if (width === canvas.width && height === canvas.height && state.far) return;
      Object.assign(canvas, { width, height });
      if (state.far) camera.refit(); else camera.reset();
      draw();
    };
    const watch = new ResizeObserver(size);
    watch.observe(canvas);
    const forget = lammViewer.onTheme(() => { colours.forget(); ask(); });
    // Only clouds in sight hold buffers and move; at first sight each turns for a moment, to show that it has depth.
    const sight = new IntersectionObserver((entries) => {
      const seen = entries.at(-1).isIntersecting;
      if (seen && !painter) {
        prepare();
        size();
        if (state.until === 0 && !state.changed && spin && !lammViewer.still.matches) state.until = performance.now() + GREETING;
        last = performance.now();
        draw();
        ask();
      }
      if (!seen && painter) { painter.end(); painter = null; }
    });
    sight.observe(canvas);
    return { set, turn: view.turn, boxes: view.boxes, end: () => { sight.disconnect(); watch.disconnect(); forget(); painter?.end(); painter = null; } };
  };
  // A page may have many clouds: each is unpacked when it comes near.
  lammViewer.cloud = (cloud, { name = "", series = [], spin = true } = {}) => {
    const root = element("div", "viewer"), stage = element("div", "viewer-stage"), canvas = element("canvas", "cloud");
    root.append(stage);
    const options = { name, series, spin, boxes: true };
    let live = null;
    const wake = new IntersectionObserver((entries) => {
      if (!entries.at(-1).isIntersecting) return;
      wake.disconnect();
      live = open(root, stage, canvas, cloud, options);
    }, { rootMargin: "300px" });
    root.viewer = {
      set: (all) => { options.series = all; live?.set(all); },
      turn: (on) => { options.spin = on ?? options.spin; live?.turn(on); },
      boxes: (on) => { options.boxes = on ?? !options.boxes; live?.boxes(options.boxes); },
      end: () => { wake.disconnect(); live?.end(); },
    };
    if (!cloud || !cloud.n) { stage.append(element("p", "viewer-empty", `${name || "This cloud"} has no points to show.`)); return root; }
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Point cloud ${name}. ${KEYS}`);
    stage.append(canvas);
    wake.observe(canvas);
    return root;
  };
})();
