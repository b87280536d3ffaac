"use strict";
(() => {
  const { order, details } = JSON.parse(document.getElementById("data").textContent);
  const number = new Map(order.map((key, index) => [key, index]));
  const byId = (id) => document.getElementById(id);
  const graph = byId("graph"), canvas = byId("canvas"), table = byId("steps");
  const nodes = new Map([...graph.querySelectorAll(".n")].map((node) => [Number(node.dataset.i), node]));
  const rows = new Map([...table.tBodies[0].rows].map((row) => [Number(row.dataset.i), row]));
  const edges = [...graph.querySelectorAll(".e")];
  const centre = new Map([...nodes].map(([i, node]) => {
    const at = node.transform.baseVal.consolidate().matrix;
    return [i, [at.e, at.f]];
  }));
  let chosen = null;

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const tell = (text) => { byId("told").textContent = text; };

  // One node and one row at a time can be reached by Tab; arrow keys go on from there.
  const rove = (elements, to) => {
    for (const element of elements) if (element.tabIndex === 0) element.tabIndex = -1;
    if (to) to.tabIndex = 0;
  };
  const button = (row) => row.querySelector("button");
  const buttons = [...rows.values()].map(button);
  rove(buttons, buttons[0]);
  rove(nodes.values(), nodes.values().next().value);

  const show = (index, { scroll = true, focus = false } = {}) => {
    const detail = details[order[index]];
    if (!detail) return;
    for (const element of document.querySelectorAll(".chosen, .near")) element.classList.remove("chosen", "near");
    chosen = index;
    const row = rows.get(index), node = nodes.get(index);
    if (row) { row.classList.add("chosen"); rove(buttons, button(row)); }
    if (node) {
      node.classList.add("chosen");
      rove(nodes.values(), node);
      for (const edge of edges) {
        if (Number(edge.dataset.a) === index || Number(edge.dataset.b) === index) edge.classList.add("near");
      }
      if (scroll) bring(node);
    }
    const body = byId("detail-body");
    body.replaceChildren();
    byId("detail-title").textContent = detail.title;
    const facts = make("dl");
    for (const [name, value] of detail.facts) facts.append(make("dt", name), make("dd", value));
    body.append(facts);
    links(body, order[index].includes(" ") ? "Rests on" : "Waits for", detail.needs);
    links(body, "Feeds", detail.feeds);
    for (const block of detail.blocks) {
      const pre = make("pre", block.text);
      pre.tabIndex = 0;
      pre.setAttribute("aria-label", block.title);
      body.append(make("h3", block.title), pre);
    }
    tell(`Shown: ${detail.title}`);
    if (focus) byId("detail-title").focus();
    history.replaceState(null, "", `#step=${encodeURIComponent(order[index])}`);
  };
  const links = (body, title, keys) => {
    if (!keys.length) return;
    const list = make("div", undefined, "links");
    for (const key of keys.slice(0, 60)) {
      const link = make("button", details[key] ? details[key].title : key, "link");
      link.type = "button";
      link.dataset.key = key;
      list.append(link);
    }
    if (keys.length > 60) list.append(make("span", `and ${keys.length - 60} more`));
    body.append(make("h3", title), list);
  };
  const bring = (node) => {
    const box = node.getBoundingClientRect(), frame = canvas.getBoundingClientRect();
    if (box.left < frame.left || box.right > frame.right) canvas.scrollLeft += box.left - frame.left - frame.width / 2;
    if (box.top < frame.top || box.bottom > frame.bottom) canvas.scrollTop += box.top - frame.top - frame.height / 2;
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-key]");
    if (link) return number.has(link.dataset.key) && show(number.get(link.dataset.key));
    const step = event.target.closest("[data-i]");
    if (step && !step.classList.contains("e")) show(Number(step.dataset.i), { scroll: step.tagName === "TR" });
  });

  graph.addEventListener("keydown", (event) => {
    const here = event.target.closest(".n");
    if (!here) return;
    const index = Number(here.dataset.i);
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return show(index, { focus: true }); }
    const to = neighbour(index, event.key);
    if (to === undefined) return;
    event.preventDefault();
    rove(nodes.values(), nodes.get(to));
    nodes.get(to).focus({ preventScroll: true });
    bring(nodes.get(to));
  });
  const neighbour = (index, key) => {
    const [x, y] = centre.get(index);
    const nearest = (keys) => keys.sort((a, b) => Math.abs(centre.get(a)[1] - y) - Math.abs(centre.get(b)[1] - y))[0];
    const name = order[index];
    const linked = (keys) => keys.map((one) => number.get(one)).filter((one) => nodes.has(one));
    if (key === "ArrowLeft") return nearest(linked(details[name].needs));
    if (key === "ArrowRight") return nearest(linked(details[name].feeds));
    if (key === "Home") return nodes.keys().next().value;
    if (key === "End") return [...nodes.keys()].at(-1);
    const side = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
    if (!side) return undefined;
    const column = [...centre].filter(([, at]) => at[0] === x && (at[1] - y) * side > 0).map(([one]) => one);
    return nearest(column);
  };

  table.addEventListener("keydown", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const open = [...rows.values()].filter((one) => !one.hidden);
    const at = open.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: open.length - 1, PageDown: at + 20, PageUp: at - 20 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = button(open[Math.max(0, Math.min(open.length - 1, to))]);
    rove(buttons, next);
    next.focus();
  });

  const filter = byId("filter"), state = byId("state");
  const text = new Map([...rows].map(([i, row]) => [i, `${row.cells[0].textContent} ${row.cells[1].textContent}`.toLowerCase()]));
  const sift = () => {
    const wanted = filter.value.trim().toLowerCase(), kind = state.value;
    let left = 0;
    for (const [i, row] of rows) {
      const fits = (!wanted || text.get(i).includes(wanted)) && (!kind || row.classList.contains(kind));
      row.hidden = !fits;
      if (nodes.has(i)) nodes.get(i).classList.toggle("dim", !fits);
      left += fits;
    }
    const first = buttons.find((one) => !one.closest("tr").hidden);
    rove(buttons, first);
    tell(`${left} of ${rows.size} steps`);
  };
  filter.addEventListener("input", sift);
  state.addEventListener("change", sift);

  const [, , wide, high] = graph.getAttribute("viewBox").split(" ").map(Number);
  let scale = 1;
  const zoom = (to) => {
    const kept = (canvas.scrollLeft + canvas.clientWidth / 2) / scale;
    scale = Math.max(0.02, Math.min(3, to));
    graph.setAttribute("width", wide * scale);
    graph.setAttribute("height", high * scale);
    canvas.scrollLeft = kept * scale - canvas.clientWidth / 2;
  };
  const fitted = () => Math.min(canvas.clientWidth / wide, (window.innerHeight * 0.6) / high, 1);
  byId("smaller").addEventListener("click", () => zoom(scale / 1.3));
  byId("larger").addEventListener("click", () => zoom(scale * 1.3));
  byId("full").addEventListener("click", () => zoom(1));
  byId("fit").addEventListener("click", () => zoom(fitted()));
  // A graph that is a little too wide is made to fit; one that would become unreadable is scrolled.
  if (fitted() > 0.55) zoom(fitted());

  const themes = ["", "light", "dark"], names = ["as the system", "light", "dark"];
  byId("theme").addEventListener("click", (event) => {
    const next = (themes.indexOf(document.documentElement.dataset.theme || "") + 1) % 3;
    if (themes[next]) document.documentElement.dataset.theme = themes[next];
    else delete document.documentElement.dataset.theme;
    event.target.textContent = `Theme: ${names[next]}`;
  });

  const wanted = decodeURIComponent((location.hash.match(/^#step=(.*)$/) || [])[1] || "");
  if (number.has(wanted)) show(number.get(wanted));
  document.documentElement.dataset.ready = "yes";
})();
