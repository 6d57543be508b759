// What is drawn over and under the points of a cloud: the grid of the floor, boxes with their names, the scale.
(() => {
  const { space, arrange, short } = lammViewer;
  const round = (value) => { const power = 10 ** Math.floor(Math.log10(value)), lead = value / power; return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power; };
  // Lines of the floor at whole steps of the cloud's own coordinates, at most about a dozen along each side.
  const gridOf = (points) => {
    const { low, high } = points, longest = Math.max(high[0] - low[0], high[1] - low[1], points.radius / 4), step = round(longest / 7), lines = [];
    const edges = [0, 1].map((k) => [Math.floor(low[k] / step) * step, Math.ceil(high[k] / step) * step]);
    for (const k of [0, 1]) {
      if (edges[k][0] === edges[k][1]) edges[k][1] += step;
      const count = Math.min(30, Math.round((edges[k][1] - edges[k][0]) / step));
      for (let i = 0; i <= count; i++) {
        const at = edges[k][0] + i * step, ends = edges[1 - k].map((other) => points.local(k ? [other, at, low[2]] : [at, other, low[2]]));
        lines.push(ends);
      }
    }
    return { lines, step };
  };
  const drawGrid = (pen, seen, grid, colour, unit) => {
    Object.assign(pen, { strokeStyle: colour, lineWidth: unit });
    pen.setLineDash([]);
    pen.beginPath();
    for (const [from, to] of grid.lines) {
      const ends = space.line(seen, from, to);
      if (ends) { pen.moveTo(...ends[0]); pen.lineTo(...ends[1]); }
    }
    pen.stroke();
  };
  const stroke = (pen, seen, box, front, faces) => {
    pen.beginPath();
    for (const edge of space.EDGES) {
      if (space.inFront(faces, edge) !== front) continue;
      const ends = space.line(seen, box.corners[edge[0]], box.corners[edge[1]]);
      if (ends) { pen.moveTo(...ends[0]); pen.lineTo(...ends[1]); }
    }
    pen.stroke();
  };
  const outline = (seen, box) => {
    const corners = box.corners.map((corner) => space.project(seen, corner)).filter(Boolean);
    return corners.length === 8 ? space.hull(corners) : null;
  };
  // Boxes lie over the points, so that none hides; edges behind the box itself are faint, and a pale edge lifts the others
  // off points of any colour. A box that found its counterpart is filled.
  const drawBoxes = (pen, seen, boxes, chosen, colours, unit) => {
    for (const one of boxes) {
      const { box, mark } = one, faces = space.facing(box, seen.eye), colour = colours.of(mark.colour), strong = mark === chosen;
      one.ring = outline(seen, box);
      if (one.ring && (mark.found || strong)) {
        Object.assign(pen, { fillStyle: colour, globalAlpha: strong ? 0.22 : 0.1 });
        pen.beginPath();
        one.ring.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
        pen.fill();
      }
      const wide = (strong ? 3.5 : 2) * unit;
      pen.setLineDash(mark.dashed ? [7 * unit, 4 * unit] : []);
      Object.assign(pen, { strokeStyle: colour, lineWidth: Math.max(unit, wide * 0.6), globalAlpha: 0.4, lineCap: "round", lineJoin: "round" });
      stroke(pen, seen, box, false, faces);
      if (!mark.dashed) { Object.assign(pen, { strokeStyle: colours.of("var(--viewer-back)"), lineWidth: wide + 2 * unit, globalAlpha: 0.55 }); stroke(pen, seen, box, true, faces); }
      Object.assign(pen, { strokeStyle: colour, lineWidth: wide, globalAlpha: 1 });
      stroke(pen, seen, box, true, faces);
    }
    pen.setLineDash([]);
  };
  // Among many names those of the answers wait until one comes nearer: they stand beside the picture in words.
  const FEW = 12, HIGH = 18;
  const named = (boxes, chosen, near) => {
    const all = boxes.filter(({ mark, ring }) => ring && (mark.label || mark === chosen)), solid = all.filter(({ mark }) => !mark.dashed || mark === chosen);
    for (const one of boxes) one.tag = null;
    return near || all.length <= FEW || !solid.length ? all : solid;
  };
  const drawNames = (pen, seen, boxes, chosen, colours, unit) => {
    pen.font = `600 ${12 * unit}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    const entries = boxes.map((one) => {
      const { mark, ring } = one, text = `${mark.found ? "✓ " : ""}${short(lammViewer.title(mark))}`, width = pen.measureText(text).width + 12 * unit, height = HIGH * unit;
      const [xs, ys] = [0, 1].map((k) => ring.map((corner) => corner[k])), [left, right, top, low] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      const middle = (left + right) / 2 - width / 2, gap = 3 * unit;
      const places = [[middle, top - height - gap], [left, top - height - gap], [right - width, top - height - gap], [middle, low + gap], [right + gap, (top + low - height) / 2], [left - width - gap, (top + low - height) / 2]];
      const out = right < 0 || left > seen.width || low < 0 || top > seen.height;
      return { one, text, width, height, places: out ? [] : places, first: (mark === chosen ? 4e9 : 0) + (mark.dashed ? 0 : 2e9) + space.area(ring) };
    });
    entries.sort((a, b) => b.first - a.first);
    arrange(entries, seen.width, seen.height);
    for (const { one, text, width, height, at } of entries) {
      one.tag = at && { x: at[0], y: at[1], width, height };
      if (!at) continue;
      Object.assign(pen, { fillStyle: colours.of("var(--viewer-back)"), globalAlpha: 0.86 });
      pen.beginPath();
      pen.roundRect(...at, width, height, 4 * unit);
      pen.fill();
      Object.assign(pen, { fillStyle: colours.of(one.mark.colour), globalAlpha: 1 });
      pen.fillRect(at[0], at[1] + 3 * unit, 3 * unit, height - 6 * unit);
      pen.fillStyle = colours.of("var(--viewer-text)");
      pen.fillText(text, at[0] + 7 * unit, at[1] + height / 2 + unit);
    }
    return entries.filter(({ at }) => at).length;
  };
  const words = (value) => (value >= 1e5 || value < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(3))));
  const drawScale = (pen, seen, points, grid, mode, colours, unit) => {
    const right = seen.width - 8 * unit, low = seen.height - 9 * unit;
    Object.assign(pen, { font: `${11 * unit}px system-ui, sans-serif`, textBaseline: "alphabetic", textAlign: "right", fillStyle: colours.of("var(--viewer-soft)"), globalAlpha: 1 });
    pen.fillText(`grid ${words(grid.step)} m`, right, low);
    if (mode === "height") {
      const tall = 70 * unit, wide = 7 * unit, top = low - tall - 18 * unit;
      for (let i = 0; i < tall; i++) { pen.fillStyle = `rgb(${lammViewer.points.ramp(1 - i / tall).join(",")})`; pen.fillRect(right - wide, top + i, wide, 1); }
      pen.fillStyle = colours.of("var(--viewer-soft)");
      const digits = Math.max(0, Math.min(3, 1 - Math.floor(Math.log10(points.high[2] - points.low[2] || 1) + 0.01))), at = (value) => (Math.abs(value) >= 1e6 ? value.toExponential(2) : value.toFixed(digits));
      [points.high[2], points.low[2]].forEach((value, i) => pen.fillText(`${at(value).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−")} m`, right - wide - 4 * unit, top + (i ? tall : 9 * unit)));
    }
    pen.textAlign = "left";
  };
  // The box at a place: that whose name lies there, else the smallest one around it, after the one chosen before.
  const boxAt = (boxes, x, y, before) => {
    const named = boxes.find(({ tag }) => tag && x >= tag.x && x <= tag.x + tag.width && y >= tag.y && y <= tag.y + tag.height);
    if (named) return named.mark;
    const around = boxes.filter(({ ring }) => ring && space.within(ring, x, y)).sort((a, b) => space.area(a.ring) - space.area(b.ring)).map(({ mark }) => mark);
    return around[(around.indexOf(before) + 1) % Math.max(1, around.length)] || null;
  };
  lammViewer.scene = { gridOf, drawGrid, drawBoxes, named, drawNames, drawScale, boxAt };
})();
