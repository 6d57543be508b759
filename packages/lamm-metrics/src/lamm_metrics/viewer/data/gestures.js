// Mouse, fingers, wheel and keys on a stage. The page keeps its scrolling: the wheel zooms after a click, with Ctrl, or
// where nothing around could scroll; one finger moves up and down through the page until the stage was tapped.
(() => {
  const scrolls = (node) => {
    for (let above = node.parentElement; above; above = above.parentElement) {
      if (above === document.body || above === document.documentElement) continue;
      if (/auto|scroll/.test(getComputedStyle(above).overflowY) && above.scrollHeight > above.clientHeight) return true;
    }
    const page = document.scrollingElement;
    return page.scrollHeight > page.clientHeight && getComputedStyle(page).overflowY !== "hidden";
  };
  const HINT = "Click first, or hold Ctrl, to zoom with the wheel";

  // `acts`: drag(dx, dy, pans), zoom(factor, x, y) that returns whether anything changed, click(x, y), twice(x, y),
  // hover(x, y) or hover() outside, key(name, event) that returns whether it is one. Places are in CSS pixels of the stage.
  lammViewer.gestures = (stage, acts) => {
    const fingers = new Map(), hint = lammViewer.element("p", "viewer-hint", HINT);
    let armed = false, moved = 0, spread = 0, hiding = 0, last = { time: 0 };
    hint.hidden = true;
    hint.setAttribute("aria-hidden", "true");
    const at = (event) => { const box = stage.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const pair = () => {
      const [[ax, ay], [bx, by]] = [...fingers.values()];
      return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.max(1, Math.hypot(ax - bx, ay - by)) };
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button, a, input, select")) return;
      fingers.set(event.pointerId, at(event));
      if (event.pointerType !== "touch") stage.setPointerCapture(event.pointerId);
      if (event.button === 1) event.preventDefault();
      armed = true;
      moved = fingers.size > 1 ? 99 : 0;
      if (fingers.size === 2) spread = pair();
    });
    stage.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId), now = at(event);
      if (!before) { if (event.pointerType !== "touch") acts.hover(...now); return; }
      fingers.set(event.pointerId, now);
      moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
      if (fingers.size === 2) {
        const next = pair();
        acts.drag(next.x - spread.x, next.y - spread.y, true);
        acts.zoom(next.apart / spread.apart, next.x, next.y);
        spread = next;
      } else if (moved > 3) acts.drag(now[0] - before[0], now[1] - before[1], event.shiftKey || event.buttons > 1);
    });
    const release = (event) => {
      if (!fingers.delete(event.pointerId) || event.type !== "pointerup" || moved > 5 || event.button > 0) return;
      const [x, y] = at(event), twice = event.timeStamp - last.time < 350 && Math.hypot(x - last.x, y - last.y) < 12;
      last = twice ? { time: 0 } : { time: event.timeStamp, x, y };
      if (twice) acts.twice(x, y); else acts.click(x, y);
    };
    stage.addEventListener("pointerup", release);
    stage.addEventListener("pointercancel", release);
    stage.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") { armed = false; acts.hover(); } });
    stage.addEventListener("contextmenu", (event) => { if (moved > 5) event.preventDefault(); });
    // Two fingers are the viewer's, wherever the page would take them for its own zoom.
    for (const kind of ["touchstart", "touchmove"])
      stage.addEventListener(kind, (event) => { if (event.touches.length > 1 && event.cancelable) event.preventDefault(); }, { passive: false });
    stage.addEventListener("wheel", (event) => {
      if (event.target.closest(".viewer-panel")) return;
      const mine = armed || event.ctrlKey || event.metaKey || !scrolls(stage);
      clearTimeout(hiding);
      hint.hidden = mine;
      if (!mine) { hiding = setTimeout(() => { hint.hidden = true; }, 1400); return; }
      const step = event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 3 : 1);
      // At its nearest or farthest it lets the page go on.
      if (acts.zoom(Math.exp(-Math.max(-160, Math.min(160, step)) * 0.0022), ...at(event)) || event.ctrlKey) event.preventDefault();
    }, { passive: false });
    stage.addEventListener("keydown", (event) => {
      if (event.target !== stage && event.target.parentElement !== stage) return;
      if (event.ctrlKey || event.metaKey || event.altKey || !acts.key(event.key, event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    stage.append(hint);
  };
})();
