"use strict";
// What both scripts of the page use: its data, and small helpers.
const shared = (() => {
  const plan = JSON.parse(document.getElementById("plan-data").textContent);
  const make = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const size = (bytes) => {
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let unit = 0;
    while (bytes >= 999.5 && unit + 1 < units.length) { bytes /= 1000; ++unit; }
    return `${unit === 0 ? bytes : bytes.toPrecision(3)} ${units[unit]}`;
  };
  // A sentence in the language of the page, with values in the places of "{}" or "{1}".
  const t = (english, ...values) => {
    let next = 0;
    const sentence = plan.words && plan.words[english] || english;
    return sentence.replace(/\{(\d*)\}/g, (whole, number) => values[number === "" ? next++ : Number(number)]);
  };
  return { plan, make, size, t, many: 32 };  // more rows than `many` are drawn small
})();

// Draws the two maps of the page, and folds the tree. The tables stand without it.
(() => {
  const { plan, make, size, t, many } = shared;
  const colours = 7; // c0 to c6; c7 is for what belongs to no layer
  const compact = plan.ranks.length > many ? " compact" : "";

  const range = ([begin, end, whole]) =>
    end - begin === whole ? t("all {}", whole) : t("{}–{} of {}", begin, end - 1, whole);
  const slice = ([begin, , whole]) => (whole > 1 ? t("slice {} of {}", begin + 1, whole) : t("whole"));

  const tell = (rank, column) => {
    const what = plan.columns[column];
    const parts = [];
    if (rank.heads && column > 0 && column + 1 < plan.columns.length) {
      if (what.experts) {
        parts.push(t("routed experts {}, {} of each", range(rank.experts), slice(rank.slice)));
        if (rank.shared[2]) parts.push(t("shared experts, {}", slice(rank.shared)));
      } else if (rank.dense[2]) {
        parts.push(t("dense MLP, {}", slice(rank.dense)));
      }
      if (rank.heads[2]) parts.push(t("attention heads {}", range(rank.heads)));
    }
    const line = t("Rank {} (node {}), {}, {}", rank.rank, rank.node, what.spoken, size(rank.cells[column]));
    return parts.length ? t("{}: {}", line, parts.join(t("; "))) : line;
  };
  const startsNode = (index) => index > 0 && plan.ranks[index].node !== plan.ranks[index - 1].node;
  // In a small map every eighth rank has its number, and the others have it for screen readers.
  const rankLabel = (rank, index) =>
    make("span", { className: compact && index % 8 ? "hidden" : "", textContent: rank.rank });
  const groupName = (rank) => `c${rank.group % colours}`;

  const expertMap = () => {
    const first = plan.ranks[0];
    const layers = plan.columns.filter((column) => column.experts);
    if (!layers.length || !first.experts || !first.experts[2]) return;
    const experts = first.experts[2];
    const body = make("tbody");
    plan.ranks.forEach((rank, index) => {
      const [begin, end] = rank.experts;
      const [top, , slices] = rank.slice;
      const left = `${(100 * begin) / experts}%`;
      const width = `${(100 * (end - begin)) / experts}%`;
      const block = make("b", { className: groupName(rank) });
      Object.assign(block.style, { left, width });
      const stripe = make("i", { className: groupName(rank) });
      Object.assign(stripe.style, { left, width, top: `${(100 * top) / slices}%`, height: `${100 / slices}%` });
      const lane = make("div", { className: "lane" }, block, stripe);
      const track = make("td", { className: "track" }, lane);
      track.setAttribute("aria-hidden", "true");
      const head = make("th", { scope: "row", className: "num" }, rankLabel(rank, index));
      const row = make("tr", { className: startsNode(index) ? "node-start" : "" }, head, track,
        make("td", { className: "num", textContent: range(rank.experts) }), make("td", { className: "num", textContent: slice(rank.slice) }));
      row.dataset.ranks = rank.rank;
      body.append(row);
    });
    const axis = make("div", { className: "axis" });
    for (let i = 0; i <= 4; ++i) axis.append(make("span", { textContent: Math.round((i * experts) / 4) }));
    const track = make("th", { scope: "col" }, make("span", { className: "hidden", textContent: t("Place among the experts") }), axis);
    axis.setAttribute("aria-hidden", "true");
    const last = layers[layers.length - 1];
    const caption = t("Experts of a MoE layer ({} to {}, each cut alike): a block is what an expert parallel group holds, the full stripe in it the slice of each expert that the rank has", layers[0].spoken, last.spoken);
    const head = make("thead", {}, make("tr", {}, make("th", { scope: "col", className: "num", textContent: t("Rank") }), track,
      make("th", { scope: "col", className: "num", textContent: t("Experts") }), make("th", { scope: "col", className: "num", textContent: t("Slice of each") })));
    const table = make("table", {}, make("caption", { textContent: caption }), head, body);
    document.getElementById("expert-map").append(scrolling(`experts${compact}`, t("Experts by rank"), table));
  };

  const scrolling = (name, label, content) => {
    const box = make("div", { className: `wide ${name}`, tabIndex: 0 }, content);
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", label);
    return box;
  };

  const cellClass = (rank, column) => {
    if (!rank.cells[column]) return "none";
    if (column === 0 || column + 1 === plan.columns.length) return "c7";
    if (!plan.columns[column].experts) return "dense";
    return rank.heads ? groupName(rank) : "c0";
  };

  const legend = () => {
    const list = make("ul", { className: "legend" });
    list.setAttribute("aria-label", t("Colours of the map"));
    const add = (colour, text) => list.append(make("li", {}, make("i", { className: colour }), text));
    const seen = new Set();
    if (plan.groups > colours) add("c0", t("experts, a colour for each expert parallel group; colours repeat"));
    plan.ranks.forEach((rank) => {
      if (!rank.heads || !rank.experts[2] || plan.groups > colours || seen.has(rank.group)) return;
      seen.add(rank.group);
      add(groupName(rank), t("experts {}", range(rank.experts)));
    });
    add("dense", t("dense layers"));
    add("c7", t("no layer: embedding, lm_head (first); headers and other files (last)"));
    return list;
  };

  const layerMap = () => {
    const told = make("output", { id: "told", textContent: t("Point at a square, or go to it with the arrow keys.") });
    const row = make("tr", {}, make("th", { scope: "col" }, make("span", { className: "hidden", textContent: t("Rank") })));
    plan.columns.forEach((column, index) => {
      const layer = index - 1;
      const ends = index === 0 || index + 1 === plan.columns.length;
      const shown = !ends && (layer % 5 === 0 && index + 3 < plan.columns.length || column.label.startsWith("MTP"));
      const text = make("span", { className: shown ? "" : "hidden", textContent: shown ? layer : column.label });
      row.append(make("th", { scope: "col" }, text));
    });
    const body = make("tbody");
    plan.ranks.forEach((rank, index) => {
      const line = make("tr", { className: startsNode(index) ? "gap" : "" },
        make("th", { scope: "row", className: "num" }, rankLabel(rank, index)));
      rank.cells.forEach((bytes, column) => {
        const cell = make("td", { className: cellClass(rank, column), tabIndex: -1 });
        cell.append(make("span", { className: "hidden", textContent: size(bytes) }));
        line.append(cell);
      });
      body.append(line);
    });
    const caption = t("Ranks (rows) by layers (columns, MTP last): what a rank holds of each");
    const table = make("table", {}, make("caption", { textContent: caption }), make("thead", {}, row), body);
    table.setAttribute("role", "grid");
    table.style.setProperty("--columns", plan.columns.length);
    document.getElementById("layer-map").append(legend(), told, scrolling(`grid${compact}`, t("Layers by rank"), table));
    watch(body, told);
  };

  // One stop for the tabulator, then arrow keys; the pointer shows the same text.
  const watch = (body, told) => {
    const at = (y, x) => body.rows[y] && body.rows[y].cells[x + 1];
    const place = (cell) => [cell.parentElement.rowIndex - 1, cell.cellIndex - 1];
    const show = (cell) => {
      const [y, x] = place(cell);
      told.textContent = tell(plan.ranks[y], x);
    };
    let current = at(0, 0);
    current.tabIndex = 0;
    body.addEventListener("focusin", (event) => {
      const cell = event.target.closest("td");
      if (!cell) return;
      current.tabIndex = -1;
      current = cell;
      current.tabIndex = 0;
      show(cell);
    });
    body.addEventListener("mouseover", (event) => {
      const cell = event.target.closest("td");
      body.querySelectorAll(".hover").forEach((other) => other.classList.remove("hover"));
      if (!cell) return;
      cell.classList.add("hover");
      show(cell);
      cell.title = told.textContent;
    });
    const choose = (cell) => {
      const [y, x] = place(cell);
      document.dispatchEvent(new CustomEvent("choose", { detail: { rank: plan.ranks[y].rank, column: x } }));
    };
    body.addEventListener("click", (event) => {
      const cell = event.target.closest("td");
      if (cell) choose(cell);
    });
    body.addEventListener("keydown", (event) => {
      if (event.key === "Enter") choose(current);
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      let [y, x] = place(current);
      if (step) { y += step[0]; x += step[1]; }
      else if (event.key === "Home") x = 0;
      else if (event.key === "End") x = plan.columns.length - 1;
      else return;
      const next = x >= 0 && at(y, x);
      if (next) next.focus();
      event.preventDefault();
    });
  };

  const tree = () => {
    const list = document.querySelector(".tree");
    const all = [...list.querySelectorAll("details")];
    const button = (text, open) => make("button", {
      type: "button", textContent: text, onclick: () => all.forEach((one) => { one.open = open || one === all[0]; }),
    });
    list.before(make("p", { className: "tools" }, button(t("Open all"), true), button(t("Close all"), false)));
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = all.filter((one) => !one.open);
      closed.forEach((one) => { one.open = true; });
    });
    addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
  };

  expertMap();
  layerMap();
  tree();
})();
