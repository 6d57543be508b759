// The one viewer of clouds and pictures, for every page: `lammViewer.cloud` and `lammViewer.picture` each make an
// element. What they share stands here. Texts are set as text, never as HTML.
const lammViewer = {};
(() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(lammViewerStyle);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  const element = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text) node.textContent = text;
    return node;
  };
  const drawn = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const ICONS = {
    above: "M4 4h12v12H4zM4 10h12M10 4v12",
    turn: "M16 10a6 6 0 1 1-2-4.5M14.5 2v4h-4",
    reset: "M10 3v4M10 13v4M3 10h4M13 10h4M10 8.6a1.4 1.4 0 1 0 .01 0",
    boxes: "M3 6.5L10 3l7 3.5v7L10 17l-7-3.5zM3 6.5l7 3.5 7-3.5M10 10v7",
    open: "M3 17V7l7-4 7 4v10M3 17h14M7 17v-6h6v6",
    nearer: "M10 4v12M4 10h12",
    away: "M4 10h12",
    full: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
    close: "M5 5l10 10M15 5L5 15",
  };
  const button = (icon, label, act) => {
    const made = element("button"), picture = drawn("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" });
    picture.append(drawn("path", { d: ICONS[icon] }));
    Object.assign(made, { type: "button", title: label });
    made.setAttribute("aria-label", label);
    made.append(picture);
    made.addEventListener("click", act);
    return made;
  };
  const press = (made, on) => made.setAttribute("aria-pressed", String(on));

  // Colours as the page has them now, for canvases: `var(--name)` and names become what they stand for.
  const resolver = (root) => {
    const probe = root.appendChild(element("span", "viewer-probe")), known = new Map();
    return {
      of: (colour) => {
        if (!known.has(colour)) { probe.style.color = ""; probe.style.color = colour; known.set(colour, getComputedStyle(probe).color); }
        return known.get(colour);
      },
      forget: () => known.clear(),
    };
  };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const onTheme = (act) => {
    const schemes = matchMedia("(prefers-color-scheme: dark)");
    schemes.addEventListener("change", act);
    return () => schemes.removeEventListener("change", act);
  };

  // Marks of all series in one list. A series is { name, colour, dashed, answer, marks }; a mark { kind, numbers, label,
  // found, overlap, colour }, where `found` says that it has its counterpart on the other side, `overlap` its IoU with it. What
  // is not finite is left out.
  const SIZES = { box: [4], point: [2], box3d: [6, 7, 9] };
  const sound = ({ kind, numbers }) =>
    Array.isArray(numbers) && numbers.every(Number.isFinite) &&
    (kind === "polygon" ? numbers.length >= 6 && numbers.length % 2 === 0 : (SIZES[kind] || []).includes(numbers.length));
  const collect = (series) =>
    series.flatMap((one) => one.marks.filter(sound).map((mark) => ({
      ...mark, label: String(mark.label ?? ""), colour: mark.colour || one.colour, dashed: Boolean(one.dashed), series: one,
    })));
  const short = (text, most = 28) => { const letters = [...text]; return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text; };
  const title = (mark) => mark.label || mark.series.name || { box: "box", box3d: "box", point: "point", polygon: "outline" }[mark.kind];
  const metres = (value) => (Math.abs(value) >= 1e5 ? value.toExponential(2) : value.toFixed(2));
  const place = ({ kind, numbers }) => {
    if (kind !== "box3d") return `at ${numbers.map((value) => Number(value.toFixed(3))).join(", ")}`;
    const [x, y, z, w, d, h, yaw] = numbers;
    return `${[w, d, h].map(metres).join(" × ")} m at ${[x, y, z].map(metres).join(", ")}${yaw === undefined ? "" : `, turned ${Math.round((yaw * 180) / Math.PI)}°`}`;
  };

  // What is known of a chosen mark, in words.
  const panel = (onClose) => {
    const node = element("div", "viewer-panel"), words = element("div");
    node.setAttribute("role", "status");
    node.hidden = true;
    node.append(words, button("close", "Close", onClose));
    return {
      node,
      show: (mark) => {
        node.hidden = !mark;
        if (!mark) return words.replaceChildren();
        const head = element("b", "", short(title(mark), 120)), facts = [mark.series.name, mark.found ? "✓ found its counterpart" : "", mark.overlap === undefined ? "" : `IoU ${Number(mark.overlap).toFixed(2)}`, place(mark)];
        head.style.borderColor = mark.colour;
        words.replaceChildren(head, element("small", "", facts.filter(Boolean).join(" · ")));
        if (mark.series.answer) words.append(element("p", "", mark.series.answer));
      },
    };
  };
  // All marks as buttons: for keyboards, for readers of the screen, and for what lies out of sight.
  const MOST = 300;
  const listOf = (choose) => {
    const node = element("details", "viewer-list"), head = element("summary"), list = element("ol");
    let marks = [];
    node.append(head, list);
    node.addEventListener("toggle", () => {
      if (!node.open || list.childElementCount) return;
      for (const mark of marks.slice(0, MOST)) {
        const made = element("button", "", `${mark.found ? "✓ " : ""}${short(title(mark), 60)}`), entry = element("li");
        made.type = "button";
        made.style.borderColor = mark.colour;
        if (mark.series.name && mark.label) made.append(element("small", "", mark.series.name));
        made.addEventListener("click", () => choose(mark));
        entry.append(made);
        list.append(entry);
      }
    });
    return {
      node,
      fill: (found) => {
        marks = found;
        node.hidden = !marks.length;
        head.textContent = marks.length === 1 ? "1 mark" : `${marks.length} marks${marks.length > MOST ? `, the first ${MOST} listed` : ""}`;
        list.replaceChildren();
        node.open = false;
      },
    };
  };
  // A switch for each series that has a name, which tells its colour too.
  const switches = (act) => {
    const node = element("div", "viewer-series"), off = new Set();
    const one = ({ name, colour, dashed }) => {
      const made = element("button"), dot = element("span");
      made.type = "button";
      Object.assign(dot.style, { borderColor: colour, borderStyle: dashed ? "dashed" : "solid", background: dashed ? "none" : colour });
      made.append(dot, short(name, 40));
      press(made, !off.has(name));
      made.addEventListener("click", () => { if (!off.delete(name)) off.add(name); press(made, !off.has(name)); act(); });
      return made;
    };
    return {
      node,
      on: (series) => series.filter(({ name }) => !off.has(name)),
      fill: (series) => {
        const drawn = series.filter(({ name, marks }) => name && marks.length);
        node.hidden = !drawn.length;
        node.replaceChildren(...drawn.map(one));
      },
    };
  };
  // Names where no other name lies: the first place of each that is free; without one it waits to be chosen. An entry is
  // { width, height, places: [[x, y] of the upper left corner] }.
  const arrange = (entries, width, height) => {
    const taken = [];
    for (const entry of entries) {
      entry.at = null;
      for (const [left, top] of entry.places) {
        const x = Math.min(Math.max(left, 2), width - entry.width - 2), y = Math.min(Math.max(top, 2), height - entry.height - 2);
        const free = taken.every((other) => x >= other.x + other.w || x + entry.width <= other.x || y >= other.y + other.h || y + entry.height <= other.y);
        if (!free) continue;
        entry.at = [x, y];
        taken.push({ x, y, w: entry.width + 2, h: entry.height + 2 });
        break;
      }
    }
  };
  const fullscreen = (root) => {
    const made = button("full", "Full screen", () => (document.fullscreenElement === root ? document.exitFullscreen() : root.requestFullscreen()));
    made.hidden = !document.fullscreenEnabled;
    return made;
  };
  Object.assign(lammViewer, { element, drawn, button, press, resolver, still, onTheme, collect, short, title, panel, listOf, switches, arrange, fullscreen });
})();
