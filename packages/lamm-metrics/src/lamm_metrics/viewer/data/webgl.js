// Points drawn by WebGL2 as discs as large as they are apart, then shaded where a surface lies behind another (eye-dome
// lighting). A browser has few contexts: all clouds of a page share one, and copy its picture. Where WebGL2 is done by the
// processor it is not used: `plane.js` is faster there, unless a test sets `lammViewer.software`.
(() => {
  const POINTS = `#version 300 es
layout(location = 0) in vec4 place; layout(location = 1) in vec3 colour;
uniform mat4 matrix; uniform vec3 scale, offset, low, high; uniform float size, least, rim; out vec3 tint; out float wide, away, deep;
void main() {
  gl_Position = any(lessThan(place.xyz, low)) || any(greaterThan(place.xyz, high)) ? vec4(2.0, 2.0, 2.0, 1.0) : matrix * vec4(place.xyz * scale + offset, 1.0);
  gl_PointSize = wide = clamp(place.w * size / gl_Position.w, least, 28.0); tint = colour; away = gl_Position.w; deep = place.w * rim;
}`;
  // A point lies farther back at its rim, so that each place shows the point nearest to it.
  const DISC = `#version 300 es
precision highp float; uniform vec2 range; uniform bool flat_; in vec3 tint; in float wide, away, deep; out vec4 colour;
void main() {
  vec2 side = gl_PointCoord - 0.5; float apart = 4.0 * dot(side, side), there = away + deep * apart, span = range.y - range.x;
  if (wide > 3.0 && apart > 1.0) discard;
  gl_FragDepth = wide < 4.0 ? gl_FragCoord.z : flat_ ? gl_FragCoord.z + deep * apart / span : (range.y - range.x * range.y / there) / span;
  colour = vec4(tint, 1.0);
}`;
  const SHEET = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID % 2, gl_VertexID / 2) * 4.0 - 1.0, 0.0, 1.0); }`;
  const SHADE = `#version 300 es
precision highp float; uniform sampler2D tints; uniform highp sampler2D depths; uniform vec2 range; uniform bool flat_; uniform int reach; out vec4 colour;
float far(ivec2 at) { float d = texelFetch(depths, at, 0).r; if (d >= 1.0) return 1e9; return flat_ ? exp2(mix(range.x, range.y, d) * 0.6) : 2.0 * range.x * range.y / (range.y + range.x - (2.0 * d - 1.0) * (range.y - range.x)); }
float behind(float own, ivec2 at) { return clamp(own - log2(far(at)) - 0.006, 0.0, 0.1); }
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy); float here = far(at); if (here > 1e8) { colour = vec4(0.0); return; }
  float sum = 0.0, own = log2(here);
  sum += behind(own, at + ivec2(reach, 0)) + behind(own, at - ivec2(reach, 0));
  sum += behind(own, at + ivec2(0, reach)) + behind(own, at - ivec2(0, reach));
  colour = vec4(texelFetch(tints, at, 0).rgb * exp(-5.0 * sum), 1.0);
}`;
  const WIDEST = 0.25, RIM = 0.5;
  const build = (gl, vertex, fragment) => {
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
  };
  const places = (gl, program, names) => Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
  let shared;
  const context = () => {
    if (shared !== undefined) return shared;
    shared = null;
    const canvas = document.createElement("canvas"), gl = canvas.getContext("webgl2", { antialias: false, depth: false, powerPreference: "high-performance", failIfMajorPerformanceCaveat: !lammViewer.software });
    const named = gl?.getExtension("WEBGL_debug_renderer_info"), renderer = named ? gl.getParameter(named.UNMASKED_RENDERER_WEBGL) : "";
    if (/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer) && !lammViewer.software) return null;
    const points = gl && build(gl, POINTS, DISC), shade = gl && build(gl, SHEET, SHADE);
    if (!points || !shade) return null;
    canvas.addEventListener("webglcontextlost", () => { shared = null; });
    const target = gl.createFramebuffer(), [tints, depths] = [gl.createTexture(), gl.createTexture()];
    shared = {
      canvas, gl, points, shade, target, tints, depths,
      at: places(gl, points, ["matrix", "scale", "offset", "low", "high", "size", "least", "rim", "range", "flat_"]), look: places(gl, shade, ["tints", "depths", "range", "flat_", "reach"]),
    };
    grow(64, 64);
    return shared;
  };
  const grow = (width, height) => {
    const { canvas, gl, target, tints, depths } = shared;
    Object.assign(canvas, { width, height });
    const layers = [[tints, gl.COLOR_ATTACHMENT0, [gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null]], [depths, gl.DEPTH_ATTACHMENT, [gl.DEPTH_COMPONENT24, width, height, 0, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, null]]];
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    for (const [texture, spot, image] of layers) {
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, ...image);
      for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, spot, gl.TEXTURE_2D, texture, 0);
    }
  };
  const upload = (gl, values, slot, normal) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(slot);
    gl.vertexAttribPointer(slot, 4, normal, true, slot ? 4 : 8, 0);
    return buffer;
  };
  // Returns null where there is no WebGL2; else `paint(pen, seen, how)` and `colour(bytes)`, `end()`.
  lammViewer.gpuPainter = (points) => {
    const found = context();
    if (!found) return null;
    const { gl } = found, array = gl.createVertexArray(), four = new Uint16Array(4 * points.count);
    for (let i = 0; i < points.count; i++) { four[4 * i] = points.raw[3 * i]; four[4 * i + 1] = points.raw[3 * i + 1]; four[4 * i + 2] = points.raw[3 * i + 2]; four[4 * i + 3] = Math.min(1, points.wide[i] / WIDEST) * 65535; }
    gl.bindVertexArray(array);
    const where = upload(gl, four, 0, gl.UNSIGNED_SHORT), tint = upload(gl, new Uint8Array(4 * points.count), 1, gl.UNSIGNED_BYTE);
    return {
      kind: "webgl",
      lost: () => shared === null || gl.isContextLost(),
      colour: (bytes) => { gl.bindBuffer(gl.ARRAY_BUFFER, tint); gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.STATIC_DRAW); },
      paint: (pen, seen, { drawn, part, unit }) => {
        const { canvas } = found, { width, height } = seen;
        if (canvas.width < width || canvas.height < height) grow(Math.max(canvas.width, width), Math.max(canvas.height, height));
        gl.bindFramebuffer(gl.FRAMEBUFFER, found.target);
        gl.viewport(0, 0, width, height);
        gl.enable(gl.SCISSOR_TEST);
        gl.scissor(0, 0, width, height);
        gl.enable(gl.DEPTH_TEST);
        gl.clearColor(0, 0, 0, 0);
        gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
        gl.useProgram(found.points);
        gl.uniformMatrix4fv(found.at.matrix, false, seen.matrix);
        gl.uniform3fv(found.at.scale, points.scale);
        gl.uniform3fv(found.at.offset, points.offset);
        gl.uniform3fv(found.at.low, part.low);
        gl.uniform3fv(found.at.high, part.high);
        gl.uniform1f(found.at.size, (WIDEST * points.widen(drawn) * seen.scale) / (seen.flat ? seen.far : 1));
        gl.uniform1f(found.at.least, 1.5 * unit);
        gl.uniform1f(found.at.rim, RIM * WIDEST * points.widen(drawn));
        gl.uniform2f(found.at.range, seen.near, seen.last);
        gl.uniform1i(found.at.flat_, seen.flat ? 1 : 0);
        gl.bindVertexArray(array);
        gl.drawArrays(gl.POINTS, 0, drawn);
        gl.bindFramebuffer(gl.FRAMEBUFFER, null);
        gl.disable(gl.DEPTH_TEST);
        gl.clear(gl.COLOR_BUFFER_BIT);
        gl.useProgram(found.shade);
        [found.tints, found.depths].forEach((texture, i) => { gl.activeTexture(gl.TEXTURE0 + i); gl.bindTexture(gl.TEXTURE_2D, texture); });
        gl.activeTexture(gl.TEXTURE0);
        gl.uniform1i(found.look.tints, 0);
        gl.uniform1i(found.look.depths, 1);
        gl.uniform2f(found.look.range, seen.near, seen.last);
        gl.uniform1i(found.look.flat_, seen.flat ? 1 : 0);
        gl.uniform1i(found.look.reach, Math.max(1, Math.round(unit)));
        gl.drawArrays(gl.TRIANGLES, 0, 3);
        pen.drawImage(canvas, 0, canvas.height - height, width, height, 0, 0, width, height);
      },
      end: () => { gl.deleteVertexArray(array); gl.deleteBuffer(where); gl.deleteBuffer(tint); },
    };
  };
})();
