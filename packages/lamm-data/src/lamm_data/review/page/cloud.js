// A point cloud on a 2D canvas: projected and depth-sorted here, so that it turns without a graphics card.
// Units are the file's (metres); z is up.

export function readCloud(buffer) {
  const head = new DataView(buffer);
  const count = head.getUint32(0, true);
  const coloured = head.getUint32(4, true) === 1;
  const points = new Float32Array(buffer.slice(8, 8 + 12 * count));
  const colours = coloured ? new Uint8Array(buffer, 8 + 12 * count, 3 * count) : null;
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 1) {
    low[i % 3] = Math.min(low[i % 3], points[i]);
    high[i % 3] = Math.max(high[i % 3], points[i]);
  }
  const centre = low.map((value, axis) => (value + high[axis]) / 2);
  const radius = Math.max(Math.hypot(...low.map((value, axis) => high[axis] - value)) / 2, 1e-6);
  return { count, points, colours, low, high, centre, radius };
}

// Returns a function that maps x, y, z to canvas x, y and depth (larger is farther).
function projector(cloud, view, width, height) {
  const [cosYaw, sinYaw] = [Math.cos(view.yaw), Math.sin(view.yaw)];
  const [cosTilt, sinTilt] = [Math.cos(view.tilt), Math.sin(view.tilt)];
  const scale = (0.46 * Math.min(width, height) * view.zoom) / cloud.radius;
  const distance = 3.2;
  return (x, y, z) => {
    const [dx, dy, dz] = [x - cloud.centre[0], y - cloud.centre[1], z - cloud.centre[2]];
    const right = cosYaw * dx + sinYaw * dy;
    const away = -sinYaw * dx + cosYaw * dy;
    const depth = (cosTilt * away - sinTilt * dz) / cloud.radius;
    const up = sinTilt * away + cosTilt * dz;
    const near = distance / (distance + depth);
    return [width / 2 + right * scale * near, height / 2 - up * scale * near, depth];
  };
}

function heightColour(share) {
  const hue = 2 * Math.PI * (0.66 - 0.6 * share);
  return [0, 2.1, 4.2].map((shift) => Math.round(140 + 100 * Math.cos(hue - shift)));
}

export function drawCloud(canvas, cloud, view) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  pixels.fill(0xff1c1714);
  const depths = new Float32Array(width * height).fill(Infinity);
  const project = projector(cloud, view, width, height);
  const tall = Math.max(cloud.high[2] - cloud.low[2], 1e-6);
  const size = cloud.count > 12000 ? 2 : 3;
  for (let i = 0; i < cloud.count; i += 1) {
    const [x, y, depth] = project(cloud.points[3 * i], cloud.points[3 * i + 1], cloud.points[3 * i + 2]);
    const [r, g, b] = cloud.colours
      ? cloud.colours.subarray(3 * i, 3 * i + 3)
      : heightColour((cloud.points[3 * i + 2] - cloud.low[2]) / tall);
    const colour = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
    for (let row = Math.round(y), stop = row + size; row < stop; row += 1) {
      for (let column = Math.round(x), end = column + size; column < end; column += 1) {
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        const at = row * width + column;
        if (depth < depths[at]) {
          depths[at] = depth;
          pixels[at] = colour;
        }
      }
    }
  }
  context.putImageData(image, 0, 0);
  return project;
}

// Corners of a box of centre and full size, turned about z by the seventh number; nine numbers end in Euler angles,
// of which the first is the turn about z.
function corners(box) {
  const yaw = box.length > 6 ? box[6] : 0;
  const [cos, sin] = [Math.cos(yaw), Math.sin(yaw)];
  const out = [];
  for (let i = 0; i < 8; i += 1) {
    const [sx, sy, sz] = [i & 1 ? 0.5 : -0.5, i & 2 ? 0.5 : -0.5, i & 4 ? 0.5 : -0.5];
    const [dx, dy] = [sx * box[3], sy * box[4]];
    out.push([box[0] + cos * dx - sin * dy, box[1] + sin * dx + cos * dy, box[2] + sz * box[5]]);
  }
  return out;
}

export function drawBoxes3D(canvas, boxes, project, colourOf) {
  const context = canvas.getContext("2d");
  context.lineWidth = 2;
  context.font = "15px sans-serif";
  for (const entry of boxes) {
    const found = corners(entry.box).map((corner) => project(...corner));
    context.strokeStyle = context.fillStyle = colourOf(entry);
    for (let i = 0; i < 8; i += 1) {
      for (const bit of [1, 2, 4]) {
        if (i & bit) continue;
        context.beginPath();
        context.moveTo(found[i][0], found[i][1]);
        context.lineTo(found[i | bit][0], found[i | bit][1]);
        context.stroke();
      }
    }
    context.fillText(entry.label || `turn ${entry.turn}`, found[6][0], found[6][1] - 4);
  }
}
