const clouds = JSON.parse(document.getElementById("clouds").textContent);
for (const figure of document.querySelectorAll("figure[data-series]")) {
  const series = JSON.parse(figure.dataset.series), name = figure.querySelector("figcaption").textContent, image = figure.querySelector("img");
  figure.prepend(image ? lammViewer.picture(image, { name, series }) : lammViewer.cloud(clouds[figure.dataset.cloud], { name, series }));
}
const articles = [...document.querySelectorAll("article")];
const shown = () => articles.filter((article) => !article.hidden);
document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const article of articles) article.hidden = !article.textContent.toLowerCase().includes(wanted);
  document.getElementById("count").textContent = `${shown().length} of ${articles.length}`;
});
document.addEventListener("keydown", (event) => {
  if (!["j", "k"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  const list = shown(), here = list.indexOf(document.activeElement.closest("article"));
  const next = list[here + (event.key === "j" ? 1 : -1)] || (here < 0 ? list[0] : null);
  if (next) { next.focus(); next.scrollIntoView({ block: "start" }); }
});
