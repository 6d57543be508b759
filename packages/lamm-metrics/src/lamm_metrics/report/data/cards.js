// One sample as a card: its medium, the question, the truth, and each model's answer in the model's colour.
(() => {
  const { data, element } = lamm;
  const LONG = 400, LINES = 6;
  const words = (tag, text, className) => { const node = element(tag, text, className); node.dir = "auto"; return node; };
  // A long text is folded behind its beginning.
  const folded = (text, most = LONG) => {
    const lines = text.split("\n"), start = lines.slice(0, LINES).join("\n").slice(0, most);
    if (start.length + 60 > text.length && lines.length <= LINES + 2) return words("span", text);
    const all = element("details", "", "long"), head = element("summary"), rest = words("span", `${start.trimEnd()}… `);
    head.append(rest, element("small", `all ${text.length} characters`));
    all.append(head, words("span", text));
    return all;
  };
  const pair = (list, term, ...content) => { const definition = element("dd"); definition.append(...content); list.append(element("dt", term), definition); };
  const counted = (marks) => {
    const names = new Map();
    for (const [kind, , label] of marks) { const name = label || (kind === "point" ? "point" : "box"); names.set(name, (names.get(name) || 0) + 1); }
    return [...names].map(([name, n]) => (n > 1 ? `${name} ×${n}` : name)).join(", ");
  };
  const picture = (answers) => {
    const first = answers[0], medium = data.media[first.medium] || {};
    const marked = (marks) => marks.map(([kind, numbers, label, , found, overlap]) => ({ kind, numbers, label, found, overlap: overlap ?? undefined }));
    const series = [{ name: "truth", colour: lamm.TRUTH, marks: marked(first.marks.filter((mark) => mark[3])) }];
    // What chance or a blind model would answer says nothing about this picture.
    const drawing = answers.filter((one) => lamm.isModel(one.model));
    for (const answer of drawing)
      series.push({ name: answer.model, colour: lamm.colour(answer.model), answer: answer.answer, marks: marked(answer.marks.filter((mark) => !mark[3])), dashed: true });
    const place = element("div", "", "medium");
    if (medium.cloud) place.append(lammViewer.cloud(medium.cloud, { name: first.media, series }));
    else if (medium.picture) {
      const image = element("img");
      Object.assign(image, { src: medium.picture, loading: "lazy", alt: `Image of record ${first.id}` });
      place.append(lammViewer.picture(image, { name: first.media, series }));
    } else if (first.media) place.append(words("p", `${first.media} is not embedded.`, "missing"));
    else return null;
    if (series.some((one) => one.marks.some((mark) => mark.found))) place.append(element("p", "filled and ✓: found its counterpart", "legend"));
    return place;
  };
  // What one answer is worth, in words: of an error how large it is, of a share right, wrong or how much.
  const worth = (answer) => {
    if (answer.status !== "ok") return element("span", `unread: ${answer.status}`, "tag bad");
    if (answer.value === null) return "";
    const result = lamm.outcome(answer.value, answer.higher), value = lamm.number(answer.value);
    const text = result === "partial" ? (answer.higher ? value : `error ${value}`) : result;
    return element("span", text, `tag ${{ wrong: "bad", right: "good" }[result] || ""}`);
  };
  // Boxes and points by name: which found their counterpart, with the overlap where there is one.
  const places = (answer) => {
    const list = element("ul", "", "places"), answered = answer.marks.filter((mark) => !mark[3]);
    for (const [kind, , label, , matched, overlap] of answered.slice(0, 12)) {
      const iou = kind !== "point" && overlap !== undefined ? `, IoU ${overlap.toFixed(2)}` : "";
      list.append(element("li", `${matched ? "✓" : "✗"} ${label || (kind === "point" ? "point" : "box")}${iou}`, matched ? "good" : "bad"));
    }
    const rest = answered.length - 12, missed = answer.marks.filter((mark) => mark[3] && !mark[4]);
    if (rest > 0) list.append(element("li", `and ${rest} more`));
    if (missed.length) list.append(element("li", `missed: ${counted(missed)}`, "missed"));
    return list;
  };
  const block = (answer) => {
    const part = element("section", "", lamm.isModel(answer.model) ? "answer" : "answer aside"), head = element("h4");
    part.style.setProperty("--own", lamm.colour(answer.model));
    head.append(element("i", "", lamm.isBlind(answer.model) ? "hollow" : ""), element("bdi", answer.model), worth(answer));
    part.append(head);
    const marked = answer.marks.some((mark) => !mark[3]);
    part.append(marked ? places(answer) : folded(answer.answer || "(empty)"));
    if (answer.detail) part.append(element("small", answer.detail));
    else if (!marked && answer.extracted && answer.extracted !== answer.answer.replace(/^\W+|\W+$/g, "")) part.append(words("small", `read as: ${answer.extracted.length > LONG ? `${answer.extracted.slice(0, LONG)}…` : answer.extracted}`));
    return part;
  };
  const raw = (answers) => {
    const fold = element("details", "", "raw"), list = element("dl"), [first] = answers;
    fold.append(element("summary", "Raw text and signatures"), list);
    // Made when it is opened: most never are.
    fold.addEventListener("toggle", () => {
      if (list.childElementCount) return;
      if (data.systems[first.system]) pair(list, "System message", words("span", data.systems[first.system]));
      if (first.media) pair(list, "Medium", element("code", first.media));
      pair(list, "Truth", words("span", first.truth || "–"));
      for (const answer of answers) pair(list, answer.model, words("pre", answer.answer || "(empty)"), element("small", `${answer.status}${answer.extracted ? `; read as ${answer.extracted}` : ""}`), element("code", answer.signature));
    });
    return fold;
  };
  lamm.card = (answers, link, move) => {
    const first = answers[0], article = element("article"), head = element("header"), title = element("h3", first.id), own = element("a", "link", "");
    const step = (text, name, by) => { const button = element("button", text); button.type = "button"; button.setAttribute("aria-label", name); button.addEventListener("click", () => move(article, by)); return button; };
    article.tabIndex = -1;
    own.href = link;
    own.setAttribute("aria-label", `Link to sample ${first.id}`);
    head.append(title, own, step("‹", "Sample before", -1), step("›", "Next sample", 1));
    const body = element("div", "", "card"), text = element("div", "", "words"), list = element("dl"), medium = picture(answers);
    if (first.query) pair(list, "Question", folded(first.query));
    const truths = first.marks.filter((mark) => mark[3]);
    pair(list, "Truth", truths.length ? words("span", counted(truths)) : folded(first.truth || "–"));
    const all = element("div", "", answers.length === 2 ? "answers two" : "answers");
    all.append(...answers.map(block));
    text.append(list, all, raw(answers));
    if (medium) body.append(medium);
    body.append(text);
    article.append(head, body);
    if (first.judge) {
      const transcript = element("details");
      transcript.append(element("summary", "What the judge said"), words("pre", first.judge));
      article.append(transcript);
    }
    return article;
  };
})();
