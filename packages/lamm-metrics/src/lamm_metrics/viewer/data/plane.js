// The same picture without WebGL: points projected, sorted by depth and shaded on the processor, in CSS pixels.
(() => {
  const FAR = 1e9, RIM = 0.5, behind = (step) => Math.min(0.1, Math.max(0, step - 0.006));
  lammViewer.planePainter = (points) => {
    const { raw, scale, offset, wide } = points, sheet = document.createElement("canvas"), brush = sheet.getContext("2d");
    let tints = new Uint32Array(points.count), image = null, depths = null, logs = null, pixels = null;
    const prepare = (width, height) => {
      if (image && image.width === width && image.height === height) return;
      Object.assign(sheet, { width, height });
      image = brush.createImageData(width, height);
      pixels = new Uint32Array(image.data.buffer);
      depths = new Float32Array(width * height);
      logs = new Float32Array(width * height);
    };
    const scatter = (m, width, height, { drawn, part, grain, flat }) => {
      const [[x0, y0, z0], [x1, y1, z1]] = [part.low, part.high].map((shares) => shares.map((share) => share * 65535)), steps = scale.map((side) => side / 65535);
      for (let i = 0, at = 0; i < drawn; i++, at += 3) {
        if (raw[at] < x0 || raw[at] > x1 || raw[at + 1] < y0 || raw[at + 1] > y1 || raw[at + 2] < z0 || raw[at + 2] > z1) continue;
        const x = raw[at] * steps[0] + offset[0], y = raw[at + 1] * steps[1] + offset[1], z = raw[at + 2] * steps[2] + offset[2];
        const w = m[3] * x + m[7] * y + m[11] * z + m[15];
        if (w <= 0.004) continue;
        const depth = flat ? m[2] * x + m[6] * y + m[10] * z + m[14] + 2 : w, side = Math.min(28, Math.max(2, Math.round((grain * wide[i]) / w)));
        const px = (((m[0] * x + m[4] * y + m[8] * z + m[12]) / w + 1) * width) / 2, py = ((1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w) * height) / 2, tint = tints[i];
        const left = Math.round(px - side / 2), up = Math.round(py - side / 2), right = Math.min(width, left + side), low = Math.min(height, up + side);
        if (side < 6) {
          for (let row = Math.max(0, up); row < low; row++)
            for (let place = row * width + Math.max(0, left), end = row * width + right; place < end; place++)
              if (depth < depths[place]) { depths[place] = depth; pixels[place] = tint; }
          continue;
        }
        // Large ones are round, and lie farther back at their rim, so that each place shows the point nearest to it.
        const steep = (4 * RIM * wide[i]) / (side * side), most = (side * side) / 4 + 0.5;
        for (let row = Math.max(0, up); row < low; row++)
          for (let column = Math.max(0, left); column < right; column++) {
            const apart = (column + 0.5 - px) ** 2 + (row + 0.5 - py) ** 2, there = depth + steep * apart, place = row * width + column;
            if (apart < most && there < depths[place]) { depths[place] = there; pixels[place] = tint; }
          }
      }
    };
    const shade = (width, height) => {
      for (let i = 0; i < depths.length; i++) logs[i] = depths[i] < FAR ? Math.log2(depths[i]) : 30;
      for (let row = 1; row < height - 1; row++)
        for (let i = row * width + 1, end = i + width - 2; i < end; i++) {
          if (depths[i] >= FAR) continue;
          const own = logs[i];
          const sum = behind(own - logs[i - 1]) + behind(own - logs[i + 1]) + behind(own - logs[i - width]) + behind(own - logs[i + width]);
          if (!sum) continue;
          const left = Math.exp(-5 * sum), tint = pixels[i];
          pixels[i] = (0xff000000 | (((tint >> 16) & 255) * left << 16) | (((tint >> 8) & 255) * left << 8) | ((tint & 255) * left)) >>> 0;
        }
    };
    return {
      kind: "canvas",
      lost: () => false,
      colour: (bytes) => { tints = new Uint32Array(bytes.buffer, 0, points.count); },
      paint: (pen, seen, { drawn, part, unit }) => {
        const width = Math.max(1, Math.round(seen.width / unit)), height = Math.max(1, Math.round(seen.height / unit));
        prepare(width, height);
        pixels.fill(0);
        depths.fill(FAR);
        const grain = (points.widen(drawn) * seen.scale) / unit / (seen.flat ? seen.far : 1);
        scatter(seen.matrix, width, height, { drawn, part, grain, flat: seen.flat });
        shade(width, height);
        brush.putImageData(image, 0, 0);
        pen.drawImage(sheet, 0, 0, seen.width, seen.height);
      },
      end: () => {},
    };
  };
})();
