"use strict";
(() => {
const $ = id => document.getElementById(id), make = (tag, name, text) => {
  const e = document.createElement(tag);
  if (name) e.className = name;
  if (text !== undefined) e.textContent = text;
  return e;
};
const button = (name, text) => { const e = make("button", name, text); e.type = "button"; return e; };
const percent = (share, places = 1) => (100 * share).toFixed(places) + "\u202f%";
const whole = n => n.toLocaleString("en");
document.documentElement.classList.add("js");
for (const e of document.querySelectorAll(".scripted[hidden]")) e.hidden = false;

// --- tables: a button in each heading; the first click puts numbers from the largest, names from A, the third as it was
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], before = [...body.rows];
  heads.forEach((head, column) => {
    const b = button("", head.textContent);
    head.replaceChildren(b);
    b.addEventListener("click", () => {
      const numbers = head.classList.contains("n");
      const was = head.getAttribute("aria-sort"), first = numbers ? "descending" : "ascending";
      const now = was === null ? first : was !== first ? null : was === "ascending" ? "descending" : "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      if (now === null) return body.append(...before);
      head.setAttribute("aria-sort", now);
      const sign = now === "ascending" ? 1 : -1;
      const key = row => {
        const cell = row.cells[column], v = cell.dataset.v;
        return numbers ? parseFloat(v === undefined ? cell.textContent.replace(/,/g, "") : v) : cell.textContent;
      };
      const compare = (a, b) => {
        if (!numbers) return sign * a.localeCompare(b, "en", {numeric: true});
        if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);  // without a value: last
        return sign * (a - b);
      };
      body.append(...[...body.rows].map(row => [key(row), row]).sort((x, y) => compare(x[0], y[0])).map(x => x[1]));
    });
  });
}

const data = JSON.parse($("data").textContent);

// --- images of a class, or of a cell of the confusion matrix
if ($("explorer")) {
  const AT_ONCE = 28, chosen = {true: "", said: "", wrong: false};
  const shots = data.rows.map(([row, truth, said, sure, image]) => ({row, truth, said, sure, image}));
  let shown = AT_ONCE;
  const card = s => {
    const right = s.truth === s.said, li = make("li", "card " + (right ? "right" : "wrong"));
    if (s.image !== null) {
      const shot = make("span", "shot");
      shot.setAttribute("role", "img");
      shot.setAttribute("aria-label", "image of row " + s.row);
      shot.style.setProperty("--x", s.image % data.columns);
      shot.style.setProperty("--y", Math.floor(s.image / data.columns));
      li.append(shot);
    } else li.append(make("span", "rowno", "row " + s.row));
    const said = make("span", "said"), mark = make("span", "mark", right ? "✓" : "✗");
    mark.setAttribute("aria-hidden", "true");
    said.append(mark, data.classes[s.said]);
    li.append(make("span", "true", data.classes[s.truth]), said, make("span", "sure", percent(s.sure)));
    return li;
  };
  const fits = s => (chosen.true === "" || s.truth === +chosen.true) && (chosen.said === "" || s.said === +chosen.said)
    && (!chosen.wrong || s.truth !== s.said);
  const count = () => data.counts.reduce((n, [truth, said, c]) => n + (fits({truth, said}) ? c : 0), 0);
  const cells = [...document.querySelectorAll("#confusion td[data-c]")];
  const show = () => {
    const some = shots.filter(fits).sort((a, b) => b.sure - a.sure);
    const here = some.slice(0, shown);
    $("gallery").replaceChildren(...here.map(card));
    $("more").hidden = some.length <= shown;
    const what = data.images ? "image" : "row", name = key => chosen[key] === "" ? null : `\u2068${data.classes[+chosen[key]]}\u2069`;
    const of = name("true") === null ? "" : " of " + name("true"), as = name("said") === null ? "" : " taken for " + name("said");
    const n = count(), noun = whole(n) + " " + (chosen.wrong ? "mistaken " : "") + what + (n === 1 ? "" : "s") + of + as;
    $("found").textContent = n === 0 ? "There is no " + (chosen.wrong ? "mistaken " : "") + what + of + as + "."
      : here.length < n ? `${noun}; here ${here.length === 1 ? "is" : "are"} ${here.length}, the surest first` + (of && as ? "." : `, of the ${data.each} surest of each kind of answer.`)
      : noun + ".";
    $("true").value = chosen.true;
    $("said").value = chosen.said;
    $("wrong").setAttribute("aria-pressed", String(chosen.wrong));
    for (const cell of cells) {
      const [i, j] = cell.dataset.c.split(",");
      cell.firstChild.setAttribute("aria-pressed", String(i === chosen.true && j === chosen.said));
    }
  };
  const choose = change => { Object.assign(chosen, change); shown = AT_ONCE; show(); };
  const K = data.classes.length;
  cells.forEach((cell, at) => {
    const [i, j] = cell.dataset.c.split(","), b = button("", cell.textContent);
    b.setAttribute("aria-label", `${cell.textContent} of ${data.classes[+i]} taken for ${data.classes[+j]}`);
    b.tabIndex = at ? -1 : 0;  // one stop of the tab key; arrows go on from there
    cell.replaceChildren(b);
    b.addEventListener("click", () => choose({true: i, said: j, wrong: false}));
    b.addEventListener("focus", () => { for (const c of cells) c.firstChild.tabIndex = c === cell ? 0 : -1; });
    b.addEventListener("keydown", event => {
      const steps = {ArrowLeft: at % K ? -1 : 0, ArrowRight: at % K < K - 1 ? 1 : 0, ArrowUp: -K, ArrowDown: K,
        Home: -(at % K), End: K - 1 - at % K};
      if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const next = cells[at + steps[event.key]];
      if (next) next.firstChild.focus();
    });
  });
  for (const head of document.querySelectorAll("#by-class th[data-k]")) {
    const b = button("link", head.textContent);
    b.setAttribute("aria-label", `${head.textContent}: show its ${data.images ? "images" : "rows"}`);
    head.replaceChildren(b);
    b.addEventListener("click", () => {
      choose({true: head.dataset.k, said: "", wrong: false});
      $("true").focus({preventScroll: true});
      $("explorer").scrollIntoView({block: "nearest"});
    });
  }
  $("true").addEventListener("change", event => choose({true: event.target.value}));
  $("said").addEventListener("change", event => choose({said: event.target.value}));
  $("wrong").addEventListener("click", () => choose({wrong: !chosen.wrong}));
  $("more").addEventListener("click", () => { shown += AT_ONCE; show(); });
  choose({wrong: shots.some(s => s.truth !== s.said)});
}

// --- the threshold of rejection: what is answered, and how much of it is wrong
if ($("threshold")) {
  const svg = document.querySelector("#risk-figure svg"), drawn = data.risk;
  const dot = document.createElementNS(svg.namespaceURI, "circle");
  const attributes = {r: 5.5, fill: "var(--two)", stroke: "var(--paper)", "stroke-width": 2, id: "risk-dot"};
  for (const [name, value] of Object.entries(attributes)) dot.setAttribute(name, value);
  svg.append(dot);
  const follow = () => {
    const t = +$("threshold").value, {left, coverage, risk, answered, wrong} = data.thresholds[t], some = risk !== null;
    $("at").textContent = t + "\u202f%";
    $("coverage").textContent = answered;
    $("risk").textContent = wrong;
    $("left").textContent = whole(left) + (left === 1 ? " row" : " rows");
    $("threshold").setAttribute("aria-valuetext", `${t} %: ${answered} answered, ${some ? wrong + " wrong" : "none"}`);
    dot.style.display = some ? "" : "none";
    if (some) {
      dot.setAttribute("cx", drawn.origin[0] + drawn.scale[0] * coverage);
      dot.setAttribute("cy", drawn.origin[1] + drawn.scale[1] * risk);
    }
  };
  $("threshold").addEventListener("input", follow);
  follow();
}
})();
