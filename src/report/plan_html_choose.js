// Lets the reader choose a rank or a layer: everything else dims, and its folders and bytes are listed. Finds tensors.
(() => {
  const { plan, make, size, t } = shared;
  const most = 50; // tensors and folders that are listed at once

  // "0-3,8" as a test of a rank.
  const includes = (ranks, rank) => ranks.split(",").some((run) => {
    const [first, last = first] = run.split("-").map(Number);
    return rank >= first && rank <= last;
  });
  const files = plan.files.map(([path, ranks, profile, list]) => ({ path, ranks, cells: plan.profiles[profile], list }));
  const folderOf = (path) => (path.includes("/") ? `${path.slice(0, path.indexOf("/"))}/` : path);
  const alike = (name) => name.replace(/\d+/g, "#");
  const bytesOf = (file, column) =>
    file.cells.reduce((sum, [at, bytes]) => sum + (column === null || at === column ? bytes : 0), 0);

  // Neighbours of equal names but for their numbers, and of equal bytes, as one line.
  const fold = (entries) => {
    const lines = [];
    for (const entry of entries) {
      const last = lines[lines.length - 1];
      if (last && alike(last.name) === alike(entry.name) && last.bytes === entry.bytes) {
        last.end = entry.name;
        ++last.count;
      } else {
        lines.push({ ...entry, count: 1 });
      }
    }
    return lines;
  };
  const nameOf = (line) => (line.count === 1 ? line.name : t("{} … {} ({} alike)", line.name, line.end, line.count));

  const row = (name, who, number) => make("li", { className: "row" }, make("span", { className: "name", textContent: name }),
    make("span", { className: "who", textContent: who }), make("span", { className: "num", textContent: number }));
  const listing = (title, rows, sum) => [make("h3", { textContent: title }), make("ul", { className: "tree" }, ...rows),
    make("p", { className: "sum", textContent: sum })];

  const choice = { rank: null, column: null };
  const chosen = make("div", { id: "chosen" });
  const found = make("div", { id: "found" });
  chosen.setAttribute("aria-live", "polite");
  found.setAttribute("aria-live", "polite");

  const list = () => {
    if (choice.rank === null && choice.column === null) return chosen.replaceChildren();
    const folders = new Map();
    for (const file of files) {
      if (choice.rank !== null && !includes(file.ranks, choice.rank)) continue;
      const bytes = bytesOf(file, choice.column);
      if (!bytes) continue;
      const name = folderOf(file.path);
      const folder = folders.get(name) || { name, bytes: 0, files: 0 };
      folder.bytes += bytes;
      ++folder.files;
      folders.set(name, folder);
    }
    const entries = [...folders.values()];
    const total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const what = [];
    if (choice.rank !== null) what.push(t("Rank {}", choice.rank));
    if (choice.column !== null) what.push(plan.columns[choice.column].spoken);
    const rows = fold(entries).map((line) =>
      row(nameOf(line), line.count > 1 ? t("{} each", size(line.bytes)) : "", size(line.bytes * line.count)));
    chosen.replaceChildren(...listing(what.join(t(", ")), rows,
      t("{} in {} folders and files of the view", size(total), entries.length)));
  };

  const dim = () => {
    const rank = choice.rank;
    document.querySelectorAll("[data-ranks]").forEach((one) =>
      one.classList.toggle("dim", rank !== null && !includes(one.dataset.ranks, rank)));
    document.querySelectorAll("#layer-map tbody tr").forEach((line, y) => {
      const other = rank !== null && plan.ranks[y].rank !== rank;
      [...line.cells].forEach((cell, x) =>
        cell.classList.toggle("dim", other || (x > 0 && choice.column !== null && x - 1 !== choice.column)));
    });
  };

  const select = (id, label, every, options) => {
    const box = make("select", { id }, make("option", { value: "", textContent: every }),
      ...options.map(([value, textContent]) => make("option", { value, textContent })));
    return { box, labelled: make("label", {}, `${label} `, box) };
  };
  const rank = select("choose-rank", t("Rank"), t("all ranks"), plan.ranks.map((one) => [one.rank, one.rank]));
  const layer = select("choose-layer", t("Layer"), t("all layers"), plan.columns.map((one, index) => [index, one.spoken]));
  const valueOf = (box) => (box.value === "" ? null : Number(box.value));
  const update = () => {
    choice.rank = valueOf(rank.box);
    choice.column = valueOf(layer.box);
    dim();
    list();
  };
  const set = (rankValue, columnValue) => {
    rank.box.value = rankValue === null ? "" : rankValue;
    layer.box.value = columnValue === null ? "" : columnValue;
    update();
  };

  // Names are spread out at the first search: a large model has a hundred thousand.
  let tensors = null;
  const spread = () => {
    const all = [];
    plan.lists.forEach((groups, number) => {
      for (const [pattern, dtype, shape, bytes, runs] of groups) {
        const add = (numbers) => {
          let next = 0;
          all.push({ name: pattern.replace(/#/g, () => numbers[next++]), dtype, shape, bytes, number });
        };
        for (const run of runs) {
          if (!run.length) add([]);
          for (let last = run[run.length - 2]; run.length && last <= run[run.length - 1]; ++last) add([...run.slice(0, -2), last]);
        }
      }
    });
    return all;
  };
  const search = () => {
    const words = input.value.trim().toLowerCase().split(/\s+/).filter((word) => word);
    if (!words.length) return found.replaceChildren();
    tensors = tensors || spread();
    const hits = new Map();
    for (const tensor of tensors) {
      if (!words.every((word) => tensor.name.toLowerCase().includes(word))) continue;
      const key = `${tensor.name} ${tensor.dtype} ${tensor.shape}`;
      const hit = hits.get(key) || { ...tensor, lists: new Set() };
      hit.lists.add(tensor.number);
      hits.set(key, hit);
    }
    const rows = [...hits.values()].slice(0, most).map((hit) => {
      const inside = fold(files.filter((file) => hit.lists.has(file.list)).map((file) => ({ name: file.path, bytes: 0 })));
      const places = inside.slice(0, 3).map(nameOf).join(t(", ")) + (inside.length > 3 ? " …" : "");
      return row(hit.name, `${hit.dtype} ${hit.shape}: ${places}`, size(hit.bytes));
    });
    found.replaceChildren(...listing(t("Tensors"), rows, hits.size > most
      ? t("{} tensors are found; these are the first {}", hits.size, most) : t("{} tensors are found", hits.size)));
  };

  const input = make("input", { type: "search", id: "search", placeholder: "down_proj", oninput: search });
  const clear = make("button", { type: "button", textContent: t("Clear"), onclick: () => {
    input.value = "";
    search();
    set(null, null);
  } });
  rank.box.onchange = update;
  layer.box.onchange = update;
  document.addEventListener("choose", (event) => set(event.detail.rank, event.detail.column));
  document.querySelectorAll("table [data-ranks] th").forEach((head) => head.addEventListener("click", () => {
    const first = Number(head.parentElement.dataset.ranks.split(/[-,]/)[0]);
    set(choice.rank === first ? null : first, choice.column);
  }));
  const bar = make("div", { className: "tools choose" }, rank.labelled, layer.labelled,
    make("label", {}, `${t("Find tensors")} `, input), clear);
  document.getElementById("choose").append(make("section", {}, make("h2", { textContent: t("Choose and search") }), bar, chosen, found));
})();
