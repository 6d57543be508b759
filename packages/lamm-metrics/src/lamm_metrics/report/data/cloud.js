// A point cloud that turns: WebGL where there is any, else a plain canvas. Drag, arrow keys, + and - move it.
(() => {
  const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const unpack = (cloud) => {
    const raw = new Uint16Array(decode(cloud.xyz).buffer), xyz = new Float32Array(raw.length), rgb = new Float32Array(raw.length);
    const given = cloud.rgb ? decode(cloud.rgb) : null;
    for (let i = 0; i < raw.length; i++) {
      const axis = i % 3, size = cloud.high[axis] - cloud.low[axis];
      xyz[i] = cloud.low[axis] + (raw[i] / 65535) * size;
      // Without colours of its own a cloud is coloured by height.
      const height = raw[i - axis + 2] / 65535;
      rgb[i] = given ? given[i] / 255 : [0.25 + 0.6 * height, 0.55, 0.95 - 0.6 * height][axis];
    }
    return { xyz, rgb };
  };
  // Edges of a box given by centre and size, turned by its angles about z, then y, then x.
  const edges = (numbers) => {
    const [cx, cy, cz, w, d, h, az = 0, ay = 0, ax = 0] = numbers, corners = [];
    for (let i = 0; i < 8; i++) {
      let x = (i & 1 ? 0.5 : -0.5) * w, y = (i & 2 ? 0.5 : -0.5) * d, z = (i & 4 ? 0.5 : -0.5) * h;
      [y, z] = [y * Math.cos(ax) - z * Math.sin(ax), y * Math.sin(ax) + z * Math.cos(ax)];
      [x, z] = [x * Math.cos(ay) + z * Math.sin(ay), -x * Math.sin(ay) + z * Math.cos(ay)];
      [x, y] = [x * Math.cos(az) - y * Math.sin(az), x * Math.sin(az) + y * Math.cos(az)];
      corners.push([cx + x, cy + y, cz + z]);
    }
    const lines = [];
    for (let i = 0; i < 8; i++) for (const bit of [1, 2, 4]) if (!(i & bit)) lines.push(...corners[i], ...corners[i | bit]);
    return lines;
  };
  const VERTEX = "attribute vec3 p; attribute vec3 c; uniform mat4 m; varying vec3 v; void main(){ gl_Position = m*vec4(p,1.0); gl_PointSize = 3.0; v = c; }";
  const FRAGMENT = "precision mediump float; varying vec3 v; void main(){ gl_FragColor = vec4(v,1.0); }";
  // A browser keeps few WebGL contexts, so all clouds of the page share one and copy its picture.
  let shared;
  const context = () => {
    if (shared !== undefined) return shared;
    const canvas = document.createElement("canvas"), gl = canvas.getContext("webgl", { antialias: true });
    if (!gl) return (shared = null);
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
    }
    gl.linkProgram(program); gl.useProgram(program); gl.enable(gl.DEPTH_TEST);
    return (shared = { canvas, gl, matrix: gl.getUniformLocation(program, "m"), places: ["p", "c"].map((name) => gl.getAttribLocation(program, name)) });
  };
  const painterOf = (canvas, scene) => {
    const found = context();
    if (!found) return planePainter(canvas, scene);
    const { gl } = found, pen = canvas.getContext("2d");
    const upload = (values) => { const buffer = gl.createBuffer(); gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW); return buffer; };
    const buffers = [upload(scene.points.xyz), upload(scene.points.rgb)];
    return {
      draw: (matrix) => {
        if (found.canvas.width !== canvas.width || found.canvas.height !== canvas.height) Object.assign(found.canvas, { width: canvas.width, height: canvas.height });
        gl.viewport(0, 0, canvas.width, canvas.height); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
        gl.uniformMatrix4fv(found.matrix, false, matrix);
        buffers.forEach((buffer, i) => { gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.enableVertexAttribArray(found.places[i]); gl.vertexAttribPointer(found.places[i], 3, gl.FLOAT, false, 0, 0); });
        gl.drawArrays(gl.POINTS, 0, scene.points.xyz.length / 3);
        pen.clearRect(0, 0, canvas.width, canvas.height); pen.drawImage(found.canvas, 0, 0);
        drawBoxes(pen, canvas, matrix, scene.boxes);
      },
      end: () => { for (const buffer of buffers) gl.deleteBuffer(buffer); },
    };
  };
  const place = (canvas, matrix, xyz, i) => {
    const [x, y, z] = [xyz[i], xyz[i + 1], xyz[i + 2]], at = (row) => matrix[row] * x + matrix[row + 4] * y + matrix[row + 8] * z + matrix[row + 12];
    const w = at(3);
    // What lies behind the eye has no place on the screen.
    return w > 0 ? [(at(0) / w + 1) * 0.5 * canvas.width, (1 - at(1) / w) * 0.5 * canvas.height] : null;
  };
  // Boxes lie over the points, so that none hides; WebGL's own lines would be too thin to see.
  const drawBoxes = (pen, canvas, matrix, boxes) => {
    for (const { lines, label, colour, dashed, matched } of boxes) {
      Object.assign(pen, { strokeStyle: colour, fillStyle: colour, lineWidth: matched ? 5 : 2.5, font: "600 20px system-ui, sans-serif" });
      pen.setLineDash(dashed ? [10, 6] : []);
      pen.beginPath();
      let top = null;
      for (let i = 0; i < lines.length; i += 6) {
        const ends = [place(canvas, matrix, lines, i), place(canvas, matrix, lines, i + 3)];
        if (!ends[0] || !ends[1]) continue;
        pen.moveTo(...ends[0]); pen.lineTo(...ends[1]);
        for (const corner of ends) if (!top || corner[1] < top[1]) top = corner;
      }
      pen.stroke();
      // Answers stand beside the picture in words; their names would lie over the true ones.
      if (label && top) pen.fillText(label, top[0] + 4, Math.max(20, top[1] - 5));
    }
  };
  const planePainter = (canvas, scene) => {
    const pen = canvas.getContext("2d");
    const paint = (rgb, i) => `rgb(${[0, 1, 2].map((k) => Math.round(255 * rgb[i + k])).join(",")})`;
    return {
      draw: (matrix) => {
        pen.clearRect(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < scene.points.xyz.length; i += 3) { const at = place(canvas, matrix, scene.points.xyz, i); if (!at) continue; pen.fillStyle = paint(scene.points.rgb, i); pen.fillRect(...at, 2, 2); }
        drawBoxes(pen, canvas, matrix, scene.boxes);
      },
      end: () => {},
    };
  };
  // Column-major matrix: turn about the up axis, tilt, move away, project.
  const matrixOf = (centre, radius, turn, tilt, zoom, aspect) => {
    const [ct, st, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const rows = [[ct, -st, 0], [st * sp, ct * sp, cp], [-st * cp, -ct * cp, sp]];
    const far = (1.75 * radius) / zoom, f = 1.7, near = 0.05 * radius, last = far + 4 * radius;
    const view = rows.map((row) => [...row, -(row[0] * centre[0] + row[1] * centre[1] + row[2] * centre[2])]);
    view[2][3] -= far;
    const a = (last + near) / (near - last), b = (2 * last * near) / (near - last);
    const out = new Float32Array(16);
    for (let column = 0; column < 4; column++) {
      out[4 * column] = (f / aspect) * view[0][column];
      out[4 * column + 1] = f * view[1][column];
      out[4 * column + 2] = a * view[2][column] + (column === 3 ? b : 0);
      out[4 * column + 3] = -view[2][column];
    }
    return out;
  };
  lamm.cloudView = (cloud, series, name) => {
    const canvas = lamm.element("canvas", "", "cloud"), points = unpack(cloud), boxes = [];
    Object.assign(canvas, { width: 640, height: 440, tabIndex: 0 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Point cloud ${name}. Arrow keys turn it, plus and minus move it nearer and away.`);
    for (const { colour, marks, dashed } of series)
      for (const [kind, numbers, label, , matched] of marks) if (kind === "box3d") boxes.push({ lines: edges(numbers), label: dashed ? "" : label, colour: lamm.plain(colour), dashed, matched });
    const scene = { points, boxes };
    const centre = [0, 1, 2].map((i) => (cloud.low[i] + cloud.high[i]) / 2);
    const radius = Math.max(0.1, Math.hypot(...[0, 1, 2].map((i) => cloud.high[i] - cloud.low[i])) / 2);
    let turn = 0.7, tilt = 0.6, zoom = 1, painter = null, moving = !matchMedia("(prefers-reduced-motion: reduce)").matches, grip = null;
    const draw = () => { if (painter) { painter.draw(matrixOf(centre, radius, turn, tilt, zoom, canvas.width / canvas.height)); canvas.dataset.turn = turn.toFixed(4); } };
    const step = () => { if (!painter) return; if (moving) { turn += 0.006; draw(); } requestAnimationFrame(step); };
    const change = (dt, dp, dz = 1) => { moving = false; turn += dt; tilt = Math.min(1.5, Math.max(-1.5, tilt + dp)); zoom = Math.min(8, Math.max(0.3, zoom * dz)); draw(); };
    canvas.addEventListener("pointerdown", (event) => { grip = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => { if (grip) { change((event.clientX - grip[0]) / 120, (event.clientY - grip[1]) / 120); grip = [event.clientX, event.clientY]; } });
    canvas.addEventListener("pointerup", () => { grip = null; });
    const keys = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1], "+": [0, 0, 1.15], "=": [0, 0, 1.15], "-": [0, 0, 1 / 1.15] };
    canvas.addEventListener("keydown", (event) => { if (keys[event.key]) { event.preventDefault(); event.stopPropagation(); change(...keys[event.key]); } });
    // Only clouds in sight hold buffers and move.
    new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting && !painter) { painter = painterOf(canvas, scene); draw(); requestAnimationFrame(step); }
      if (!entry.isIntersecting && painter) { painter.end(); painter = null; }
    }).observe(canvas);
    return canvas;
  };
})();
