"use strict";
const contents = document.querySelector(".contents details");
const wide = matchMedia("(min-width: 70rem)");
const fit = () => {
  contents.open = wide.matches;
};
wide.addEventListener("change", fit);
fit();

const unfold = (hash) => {
  const target = hash.length > 1 ? document.getElementById(hash.slice(1)) : null;
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
};
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (!link) return;
  unfold(link.hash);
  if (contents.contains(link)) fit();
});
unfold(location.hash);

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details.prints:not([open])")];
  for (const fold of folded) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of folded) fold.open = false;
});

const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
const sections = [...document.querySelectorAll("section")].filter((section) => links.has(section.id));
const inView = new Set();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) inView[isIntersecting ? "add" : "delete"](target);
    const current = sections.filter((section) => inView.has(section)).at(-1);
    for (const [name, link] of links) {
      if (name === current?.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  },
  { rootMargin: "-15% 0px -75% 0px" },
);
for (const section of sections) observer.observe(section);
