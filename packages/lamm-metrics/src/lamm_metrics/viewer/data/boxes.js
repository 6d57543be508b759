// Where things lie on the screen: boxes and their edges, the camera, lines cut where they pass behind the eye.
(() => {
  const turned = ([, , , , , , az = 0, ay = 0, ax = 0], [x0, y0, z0]) => {
    let [x, y, z] = [x0, y0, z0];
    [y, z] = [y * Math.cos(ax) - z * Math.sin(ax), y * Math.sin(ax) + z * Math.cos(ax)];
    [x, z] = [x * Math.cos(ay) + z * Math.sin(ay), -x * Math.sin(ay) + z * Math.cos(ay)];
    return [x * Math.cos(az) - y * Math.sin(az), x * Math.sin(az) + y * Math.cos(az), z];
  };
  // A box of centre and size, turned by its angles about z, then y, then x: its eight corners, and the directions of its
  // sides. The bits of a corner's number say on which side it lies along x, y and z.
  const solid = (numbers) => {
    const axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((axis) => turned(numbers, axis)), half = numbers.slice(3, 6).map((side) => Math.abs(side) / 2);
    const corners = [];
    for (let i = 0; i < 8; i++)
      corners.push([0, 1, 2].map((k) => numbers[k] + [0, 1, 2].reduce((sum, a) => sum + (i & (1 << a) ? 1 : -1) * half[a] * axes[a][k], 0)));
    return { centre: numbers.slice(0, 3), axes, half, corners };
  };
  const EDGES = [];
  for (let i = 0; i < 8; i++) for (const axis of [0, 1, 2]) if (!(i & (1 << axis))) EDGES.push([i, i | (1 << axis), axis]);
  // The sides that face the eye: six booleans, low then high along each axis.
  const facing = ({ centre, axes, half }, eye) =>
    axes.flatMap((axis, a) => {
      const along = eye.at
        ? axis.reduce((sum, part, k) => sum + part * (eye.at[k] - centre[k]), 0)
        : axis.reduce((sum, part, k) => sum + part * eye.towards[k], 0) * 1e9;
      return [along < -half[a], along > half[a]];
    });
  const inFront = (faces, [first, , axis]) =>
    [0, 1, 2].some((a) => a !== axis && faces[2 * a + (first & (1 << a) ? 1 : 0)]);

  // A camera looks at `target` from `far` away, turned about the up axis and tilted. Everything is in the cloud's own
  // frame: its middle is 0, half its diagonal 1. From above there is no perspective, as on a plan.
  const F = 1.7;
  const axesOf = ({ turn, tilt }) => {
    const [ct, st, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    return [[ct, -st, 0], [st * sp, ct * sp, cp], [-st * cp, -ct * cp, sp]];
  };
  const look = (camera, width, height) => {
    const rows = axesOf(camera), { target, far, flat } = camera, aspect = width / height;
    const near = flat ? -4 : Math.max(0.004, far - 3 - Math.hypot(...target)), last = far + 3 + Math.hypot(...target);
    const view = rows.map((row) => [...row, -row.reduce((sum, part, k) => sum + part * target[k], 0)]);
    view[2][3] -= far;
    const a = (last + near) / (near - last), b = (2 * last * near) / (near - last), s = F / far, matrix = new Float32Array(16);
    for (let column = 0; column < 4; column++) {
      const one = column === 3 ? 1 : 0, [x, y, z] = view.map((row) => row[column]);
      matrix.set(
        flat
          ? [(s / aspect) * x, s * y, (-2 / (last - near)) * z - (one * (last + near)) / (last - near), one]
          : [(F / aspect) * x, F * y, a * z + one * b, -z],
        4 * column,
      );
    }
    const at = target.map((part, k) => part + far * rows[2][k]);
    return { matrix, rows, near, last, flat, width, height, far, eye: flat ? { towards: rows[2] } : { at }, scale: (F * height) / 2 };
  };
  // Clip coordinates of a point, and pixels of those.
  const clip = ({ matrix: m }, [x, y, z]) => [0, 1, 2, 3].map((row) => m[row] * x + m[row + 4] * y + m[row + 8] * z + m[row + 12]);
  const pixel = ({ width, height }, [x, y, , w]) => [((x / w + 1) * width) / 2, ((1 - y / w) * height) / 2];
  const LEAST = 1e-3;
  const project = (seen, point) => { const there = clip(seen, point); return there[3] > LEAST ? [...pixel(seen, there), there[3]] : null; };
  // A line in pixels; only its part before the eye, null where there is none.
  const line = (seen, from, to) => {
    let [one, other] = [clip(seen, from), clip(seen, to)];
    if (one[3] <= LEAST && other[3] <= LEAST) return null;
    const cut = (inside, outside) => { const t = (inside[3] - LEAST) / (inside[3] - outside[3]); return inside.map((part, k) => part + t * (outside[k] - part)); };
    if (one[3] <= LEAST) one = cut(other, one);
    else if (other[3] <= LEAST) other = cut(one, other);
    return [pixel(seen, one), pixel(seen, other)];
  };
  // How far away the eye must be so that a box of these half sides is in the picture from all sides, and how high it must
  // look for that: as near as it gets.
  const distance = (half, tilt, aspect) => {
    let best = { far: Infinity, lift: 0 };
    for (let lift = -0.3; lift < 0.11; lift += 0.05) {
      let far = 0.2;
      for (let turn = 0; turn < 6.28; turn += 0.39) {
        const rows = axesOf({ turn, tilt });
        for (let i = 0; i < 8; i++) {
          const corner = half.map((side, a) => (i & (1 << a) ? side : -side) - (a === 2 ? lift : 0));
          const [x, y, z] = rows.map((row) => row.reduce((sum, part, k) => sum + part * corner[k], 0));
          far = Math.max(far, z + (Math.abs(x) * F) / (0.97 * aspect), z + (Math.abs(y) * F) / 0.97);
        }
      }
      if (far < best.far) best = { far, lift };
    }
    return best;
  };
  const plan = (half, aspect) => Math.max(0.05, (half[0] * F) / (0.92 * aspect), (half[1] * F) / 0.9);
  const hull = (points) => {
    const sorted = [...points].sort((p, q) => p[0] - q[0] || p[1] - q[1]);
    const chain = (all) => {
      const out = [];
      for (const p of all) {
        while (out.length > 1 && (out.at(-1)[0] - out.at(-2)[0]) * (p[1] - out.at(-2)[1]) <= (out.at(-1)[1] - out.at(-2)[1]) * (p[0] - out.at(-2)[0])) out.pop();
        out.push(p);
      }
      return out.slice(0, -1);
    };
    return [...chain(sorted), ...chain(sorted.reverse())];
  };
  const area = (ring) => Math.abs(ring.reduce((sum, [x, y], i) => { const [u, v] = ring[(i + 1) % ring.length]; return sum + x * v - u * y; }, 0)) / 2;
  const within = (ring, x, y) =>
    ring.reduce((inside, [ax, ay], i) => { const [bx, by] = ring[(i + 1) % ring.length]; return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !inside : inside; }, false);
  lammViewer.space = { solid, EDGES, facing, inFront, axesOf, look, project, line, distance, plan, hull, area, within, F };
})();
