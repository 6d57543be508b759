// The points of a cloud as a page holds them: 16 bits an axis between two corners, 8 bits a colour, in an order of which
// every beginning is an even sample of the whole.
(() => {
  const decode = (text) => {
    const letters = atob(text), out = new Uint8Array(letters.length);
    for (let i = 0; i < out.length; i++) out[i] = letters.charCodeAt(i);
    return out;
  };
  const known = new WeakMap();
  const RAMP = [[59, 111, 214], [42, 167, 184], [108, 191, 90], [224, 177, 58], [217, 88, 59]];
  const PALETTE = [[229, 72, 77], [18, 165, 148], [245, 165, 36], [142, 78, 198], [0, 145, 255], [214, 64, 159], [70, 167, 88], [247, 107, 21], [176, 137, 104], [96, 125, 255]];
  const ramp = (share) => {
    const at = Math.min(3.9999, Math.max(0, share * 4)), i = Math.floor(at);
    return RAMP[i].map((value, k) => Math.round(value + (at - i) * (RAMP[i + 1][k] - value)));
  };
  const CELLS = 48, SLAB = 0.03, ROOF = 0.06;
  // How wide each point is so that surfaces are closed, in the cloud's own frame, by the points around it in a grid of
  // cells; and which sides of the cloud are closed by a wall or a ceiling: low and high side of x, of y, and above.
  const survey = (raw, count, scale) => {
    const longest = Math.max(...scale, 1e-9), step = longest / CELLS, sides = scale.map((side) => Math.max(1, Math.ceil(side / step - 1e-6)));
    const cells = new Uint32Array(CELLS ** 3), where = new Uint32Array(count), floor = new Set(), faces = Array.from({ length: 5 }, () => new Set());
    const low = SLAB * 65535, high = 65535 - low, roof = 65535 * (1 - ROOF), share = scale.map((side) => side / 65535 / step), wide = new Float32Array(count);
    for (let i = 0, at = 0; i < count; i++, at += 3) {
      const x = Math.min(sides[0] - 1, Math.floor(raw[at] * share[0])), y = Math.min(sides[1] - 1, Math.floor(raw[at + 1] * share[1])), z = Math.min(sides[2] - 1, Math.floor(raw[at + 2] * share[2]));
      cells[(where[i] = x + CELLS * (y + CELLS * z))]++;
      floor.add(x + CELLS * y);
      if (raw[at] < low) faces[0].add(y + CELLS * z);
      if (raw[at] > high) faces[1].add(y + CELLS * z);
      if (raw[at + 1] < low) faces[2].add(x + CELLS * z);
      if (raw[at + 1] > high) faces[3].add(x + CELLS * z);
      if (raw[at + 2] > roof) faces[4].add(x + CELLS * y);
    }
    const used = cells.reduce((sum, inside) => sum + (inside > 0), 0), usual = step * Math.sqrt(used / Math.max(1, count));
    for (let i = 0; i < count; i++) wide[i] = 2.5 * Math.min(1.5 * usual, Math.max(0.6 * usual, step / Math.sqrt(cells[where[i]])));
    const room = sides.every((side) => side > 6);
    return { wide, closed: faces.map((face, i) => room && face.size > 0.5 * (i < 4 ? sides[i < 2 ? 1 : 0] * sides[2] : floor.size)) };
  };
  // The part of the cloud that is drawn, as shares of its extent: without what is cut away above and, where the room is
  // open, without walls and ceiling between its inside and the eye.
  const bounds = (points, seen, { open, cut }) => {
    const low = [0, 0, 0], high = [1, 1, cut];
    if (open) {
      const outside = (k, sign) => (seen.flat ? sign * seen.eye.towards[k] > 0.1 : sign * seen.eye.at[k] > points.half[k]);
      for (const k of [0, 1]) {
        if (points.closed[2 * k] && outside(k, -1)) low[k] = SLAB;
        if (points.closed[2 * k + 1] && outside(k, 1)) high[k] = 1 - SLAB;
      }
      if (points.closed[4] && outside(2, 1)) high[2] = Math.min(cut, 1 - ROOF);
    }
    return { low, high };
  };
  const read = (cloud) => {
    if (known.has(cloud)) return known.get(cloud);
    const bytes = decode(cloud.xyz), raw = new Uint16Array(bytes.buffer, 0, bytes.length >> 1), count = Math.floor(raw.length / 3);
    const size = [0, 1, 2].map((k) => cloud.high[k] - cloud.low[k]), middle = [0, 1, 2].map((k) => cloud.low[k] + size[k] / 2);
    // A single point still stands somewhere: in a box of a metre.
    const radius = Math.hypot(...size) / 2 > 1e-9 ? Math.hypot(...size) / 2 : 0.5;
    const scale = size.map((side) => side / radius), offset = scale.map((side) => -side / 2), own = cloud.rgb ? decode(cloud.rgb) : null;
    const { wide, closed } = survey(raw, count, scale);
    const points = {
      raw, own: own && own.length >= 3 * count ? own : null, count, low: cloud.low, high: cloud.high, middle, radius, scale, offset, closed,
      half: scale.map((side) => side / 2),
      wide,
      // Fewer points are drawn wider.
      widen: (drawn) => Math.min(3, Math.sqrt(count / Math.max(1, drawn))),
      local: ([x, y, z]) => [(x - middle[0]) / radius, (y - middle[1]) / radius, (z - middle[2]) / radius],
    };
    known.set(cloud, points);
    return points;
  };
  // A box in the cloud's own frame.
  const localBox = (points, numbers) => [...points.local(numbers), ...numbers.slice(3, 6).map((side) => side / points.radius), ...numbers.slice(6)];

  // Colours of all points, four bytes each. By label, points take the colour of the smallest box around them.
  const LIFTED = 150, MARGIN = 0.004;
  const byLabel = (points, marks, out) => {
    const labels = [...new Set(marks.map((mark) => mark.label))], { raw, count, scale, offset } = points;
    for (let i = 0; i < count; i++) out.fill(LIFTED - 30 + Math.round((60 * raw[3 * i + 2]) / 65535), 4 * i, 4 * i + 3);
    const sorted = marks.map((mark) => ({ mark, box: lammViewer.space.solid(localBox(points, mark.numbers)) }))
      .sort((one, other) => other.box.half.reduce((a, b) => a * b) - one.box.half.reduce((a, b) => a * b));
    for (const { mark, box } of sorted) {
      const colour = PALETTE[labels.indexOf(mark.label) % PALETTE.length];
      const low = [0, 1, 2].map((k) => Math.min(...box.corners.map((corner) => (corner[k] - offset[k]) / (scale[k] || 1e-9))) * 65535 - 300);
      const high = [0, 1, 2].map((k) => Math.max(...box.corners.map((corner) => (corner[k] - offset[k]) / (scale[k] || 1e-9))) * 65535 + 300);
      for (let i = 0; i < count; i++) {
        const at = 3 * i;
        if (raw[at] < low[0] || raw[at] > high[0] || raw[at + 1] < low[1] || raw[at + 1] > high[1] || raw[at + 2] < low[2] || raw[at + 2] > high[2]) continue;
        const [x, y, z] = [0, 1, 2].map((k) => (raw[at + k] / 65535) * scale[k] + offset[k] - box.centre[k]);
        if (box.axes.every((axis, a) => Math.abs(axis[0] * x + axis[1] * y + axis[2] * z) <= box.half[a] + MARGIN)) out.set(colour, 4 * i);
      }
    }
  };
  const colours = (points, mode, marks) => {
    const { raw, own, count } = points, out = new Uint8Array(4 * count).fill(255);
    if (mode === "label") byLabel(points, marks, out);
    else if (mode === "own" && own) for (let i = 0; i < count; i++) { out[4 * i] = own[3 * i]; out[4 * i + 1] = own[3 * i + 1]; out[4 * i + 2] = own[3 * i + 2]; }
    else {
      const table = Array.from({ length: 256 }, (_, i) => ramp(i / 255));
      for (let i = 0; i < count; i++) out.set(table[raw[3 * i + 2] >> 8], 4 * i);
    }
    return out;
  };
  // The nearest drawn point within a few pixels of a place, in the cloud's own frame; null where there is none.
  const nearest = (points, seen, x, y, part) => {
    const { raw, count, scale, offset } = points, { matrix: m, width, height } = seen;
    const [low, high] = [part.low, part.high].map((shares) => shares.map((share) => share * 65535));
    let best = null, depth = Infinity;
    for (let i = 0; i < count; i++) {
      if ([0, 1, 2].some((k) => raw[3 * i + k] < low[k] || raw[3 * i + k] > high[k])) continue;
      const [a, b, c] = [0, 1, 2].map((k) => (raw[3 * i + k] / 65535) * scale[k] + offset[k]), w = m[3] * a + m[7] * b + m[11] * c + m[15];
      if (w <= 0) continue;
      const px = (((m[0] * a + m[4] * b + m[8] * c + m[12]) / w + 1) * width) / 2, py = ((1 - (m[1] * a + m[5] * b + m[9] * c + m[13]) / w) * height) / 2;
      const behind = m[2] * a + m[6] * b + m[10] * c + m[14];
      if (Math.abs(px - x) < 7 && Math.abs(py - y) < 7 && behind < depth) { best = [a, b, c]; depth = behind; }
    }
    return best;
  };
  lammViewer.points = { read, colours, bounds, localBox, nearest, ramp };
})();
