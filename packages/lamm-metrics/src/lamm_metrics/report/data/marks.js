// Boxes and points over an image, in shares of its width and height.
lamm.overlay = (image, series) => {
  const frame = lamm.element("figure", "", "drawn");
  const layer = lamm.svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  const names = lamm.element("div", "", "names");
  // Names of many points, such as joints, would hide the picture.
  const named = series.flatMap((one) => one.marks).filter(([kind, , label]) => kind === "point" && label).length <= 6;
  for (const { colour, marks, dashed } of series)
    for (const [kind, numbers, label, , matched] of marks) {
      // Filled where it found its counterpart.
      const style = { fill: matched ? colour : "none", "fill-opacity": 0.16, stroke: colour, "stroke-width": 2, "vector-effect": "non-scaling-stroke" };
      if (dashed) style["stroke-dasharray"] = "6 3";
      let [x, y] = numbers;
      if (kind === "box") {
        const [x1, y1, x2, y2] = numbers;
        [x, y] = [Math.min(x1, x2), Math.min(y1, y2)];
        layer.append(lamm.svg("rect", { ...style, x, y, width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) }));
      } else {
        // A line of no length with ends is a dot whose size does not follow the image's: round a truth, square an answer.
        const dot = { ...style, x1: x, y1: y, x2: x, y2: y, "stroke-dasharray": "none", "stroke-linecap": dashed ? "square" : "round" };
        layer.append(lamm.svg("line", { ...dot, stroke: "#fff", "stroke-width": 10 }), lamm.svg("line", { ...dot, "stroke-width": matched === false ? 4 : 7 }));
      }
      if (label && (kind === "box" || named)) {
        const name = lamm.element("span", label);
        Object.assign(name.style, { left: `${100 * Math.min(Math.max(x, 0), 0.98)}%`, top: `${100 * Math.min(Math.max(y, 0), 0.96)}%`, borderColor: colour });
        names.append(name);
      }
    }
  frame.append(image, layer, names);
  return frame;
};
