// Makes the pages live: forms that answer as they are moved, charts, tables to copy, the stream of a bench.
// Pages work without it; it loads nothing but the pages themselves.
"use strict";
(() => {
  const each = (selector, work, root = document) => root.querySelectorAll(selector).forEach(work);
  const make = (name, properties = {}, ...inside) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...inside);
    return node;
  };
  const say = text => { const said = document.getElementById("said"); if (said) said.textContent = text; };
  const digits = value => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
    return String(Number(value.toPrecision(3)));
  };

  const day = seconds => new Date(seconds * 1000).toISOString().slice(0, 10);

  // ---- the token of this server: kept for this tab, gone from the address

  const fragment = new URLSearchParams(location.hash.slice(1));
  if (fragment.get("token")) {
    try { sessionStorage.setItem("token", fragment.get("token")); } catch { /* no storage: it is asked for again */ }
    history.replaceState(null, "", location.pathname + location.search);
  }

  // ---- charts

  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const tone = number => colour(`--tone-${number % 8}`);

  // Columns over the one x axis that all series share; places that a series lacks stay empty.
  function columns(chart) {
    const xs = [...new Set(chart.series.flatMap(series => series.points.map(point => point.x)))].sort((a, b) => a - b);
    const place = new Map(xs.map((x, at) => [x, at]));
    const column = (series, pick) => {
      const values = new Array(xs.length).fill(null);
      series.points.forEach(point => { const value = pick(point); if (value !== undefined) values[place.get(point.x)] = value; });
      return values;
    };
    return [xs, ...chart.series.flatMap(series => [
      column(series, point => point.y), column(series, point => point.low), column(series, point => point.high),
    ])];
  }

  function range(log) {
    return (plot, low, high) => {
      if (low === null || high === null || !Number.isFinite(low)) return log ? [1, 10] : [0, 1];
      if (log) return low === high ? [low / 2, high * 2] : [low / 1.15, high * 1.15];
      const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
      return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
    };
  }

  // Intervals, points that share an x, and marks are drawn here: uPlot draws one value a place and series.
  function extras(chart) {
    return plot => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      const ratio = devicePixelRatio;
      chart.series.forEach((series, at) => {
        if (!plot.series[1 + at * 3].show) return;
        const hue = tone(series.tone);
        const spots = series.points.map(point => ({
          x: plot.valToPos(point.x, "x", true), y: plot.valToPos(point.y, "y", true),
          low: point.low === undefined ? null : plot.valToPos(point.low, "y", true),
          high: point.high === undefined ? null : plot.valToPos(point.high, "y", true),
        }));
        ctx.strokeStyle = ctx.fillStyle = hue;
        ctx.lineWidth = 1.5 * ratio;
        if (series.look === "band") {
          ctx.globalAlpha = 0.18;
          ctx.beginPath();
          spots.forEach((spot, n) => ctx[n ? "lineTo" : "moveTo"](spot.x, spot.high ?? spot.y));
          [...spots].reverse().forEach(spot => ctx.lineTo(spot.x, spot.low ?? spot.y));
          ctx.fill();
          ctx.globalAlpha = 1;
        }
        if (series.look !== "bound") spots.forEach(spot => {
          if (spot.low !== null && spot.high !== null) {
            ctx.beginPath();
            ctx.moveTo(spot.x, spot.low);
            ctx.lineTo(spot.x, spot.high);
            ctx.stroke();
          }
          ctx.beginPath();
          ctx.arc(spot.x, spot.y, (series.look === "band" ? 3 : 4) * ratio, 0, 7);
          if (series.look === "points") ctx.fill(); else { ctx.fillStyle = colour("--card"); ctx.fill(); ctx.stroke(); ctx.fillStyle = hue; }
        });
      });
      ctx.strokeStyle = colour("--bad");
      ctx.setLineDash([4 * ratio, 4 * ratio]);
      chart.marks.forEach(([x]) => {
        const across = plot.valToPos(x, "x", true);
        ctx.beginPath();
        ctx.moveTo(across, bbox.top);
        ctx.lineTo(across, bbox.top + bbox.height);
        ctx.stroke();
      });
      ctx.restore();
    };
  }

  function axis(described, size) {
    return {
      label: described.label, labelSize: 22, size, stroke: colour("--muted"), labelFont: "13px system-ui", font: "12px system-ui",
      grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
      space: described.scale === "time" ? 90 : 50,
      values: described.scale === "time" ? (plot, ticks) => ticks.map(day) : (plot, ticks) => ticks.map(tick => tick === null ? "" : digits(tick)),
    };
  }

  function options(chart, box) {
    const scale = described => ({
      time: described.scale === "time", distr: described.scale === "log" ? 3 : 1, range: range(described.scale === "log"),
    });
    const series = chart.series.flatMap(one => {
      const drawn = one.look === "bound" || one.look === "band";
      const hidden = { scale: "y", stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
      return [{
        scale: "y", label: one.name, stroke: drawn ? tone(one.tone) : "transparent", width: drawn ? 2 : 0,
        dash: one.look === "bound" ? [8, 5] : undefined, spanGaps: true, points: { show: false },
      }, hidden, hidden];
    });
    return {
      width: box.clientWidth, height: box.clientHeight, scales: { x: scale(chart.x), y: scale(chart.y) },
      axes: [axis(chart.x, 48), axis(chart.y, 58)], series: [{}, ...series], legend: { show: false },
      cursor: { drag: { x: true, y: true, uni: 24 }, points: { show: false } },
      hooks: { draw: [extras(chart)] },
    };
  }

  function tip(figure, chart) {
    const box = figure.querySelector(".plot");
    const label = make("div", { className: "tip", hidden: true });
    box.append(label);
    const all = () => chart.series.flatMap((series, at) => figure.plot.series[1 + at * 3].show ? series.points.map(point => ({ series, point })) : []);
    const words = ({ series, point }) => {
      const interval = point.low === undefined ? "" : ` (${digits(point.low)} to ${digits(point.high)})`;
      const across = chart.x.scale === "time" ? new Date(point.x * 1000).toISOString().slice(0, 16).replace("T", " ") : digits(point.x);
      return [series.name, `${digits(point.y)} ${chart.y.label}${interval} at ${across} ${chart.x.scale === "time" ? "" : chart.x.label}`, point.label ?? ""];
    };
    const show = found => {
      const plot = figure.plot;
      const [left, top] = [plot.valToPos(found.point.x, "x"), plot.valToPos(found.point.y, "y")];
      label.replaceChildren(...words(found).filter(Boolean).map((text, at) => make(at ? "p" : "b", { textContent: text })));
      label.hidden = false;
      const over = plot.over;
      label.style.left = `${Math.min(Math.max(0, over.offsetLeft + left + 12), box.clientWidth - label.offsetWidth)}px`;
      label.style.top = `${Math.max(0, over.offsetTop + top - label.offsetHeight - 8)}px`;
    };
    box.addEventListener("mousemove", event => {
      const plot = figure.plot;
      if (!plot) return;
      const frame = plot.over.getBoundingClientRect();
      const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
      let best = null, distance = 40;
      for (const found of all()) {
        const away = Math.hypot(plot.valToPos(found.point.x, "x") - x, plot.valToPos(found.point.y, "y") - y);
        if (away < distance) [best, distance] = [found, away];
      }
      if (best) show(best); else label.hidden = true;
    });
    box.addEventListener("mouseleave", () => { label.hidden = true; });
    let at = -1;
    box.tabIndex = 0;
    box.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") { label.hidden = true; return; }
      const points = all();
      if (!step || !points.length) return;
      event.preventDefault();
      at = (at + step + points.length) % points.length;
      show(points[at]);
      say(words(points[at]).join(", "));
    });
  }

  function legend(figure, chart) {
    figure.querySelector(".legend").addEventListener("click", event => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.series === undefined) { figure.plot.setData(columns(chart)); return; }
      const at = Number(button.dataset.series);
      const show = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(show));
      [0, 1, 2].forEach(part => figure.plot.setSeries(1 + at * 3 + part, { show }));
    });
  }

  function draw(figure) {
    const chart = figure.chart ??= JSON.parse(figure.dataset.chart);
    const box = figure.querySelector(".plot");
    if (figure.plot) figure.plot.destroy();
    figure.plot = new uPlot(options(chart, box), columns(chart), box);
    figure.plot.root.setAttribute("aria-hidden", "true");
  }

  function mount(root) {
    each("figure[data-chart]", figure => {
      draw(figure);
      tip(figure, figure.chart);
      legend(figure, figure.chart);
      resized.observe(figure.querySelector(".plot"));
    }, root);
  }

  const resized = new ResizeObserver(entries => entries.forEach(({ target }) => {
    const plot = target.closest("figure")?.plot;
    if (plot && target.clientWidth && (plot.width !== target.clientWidth || plot.height !== target.clientHeight)) {
      plot.setSize({ width: target.clientWidth, height: target.clientHeight });
    }
  }));
  const again = () => each("figure[data-chart]", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let folded = [];
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    folded = [...document.querySelectorAll("details.sources:not([open])")];
    folded.forEach(details => { details.open = true; });
    again();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    folded.forEach(details => { details.open = false; });
    again();
  });

  // ---- tables: copy, CSV, order

  const shown = cell => {
    const copy = cell.cloneNode(true);
    each(".ground, .tools", node => node.remove(), copy);
    return copy.textContent.trim().replace(/\s+/g, " ");
  };
  const rows = table => [...table.rows].map(row => [...row.cells].map(cell => cell.dataset.value ?? shown(cell)));
  // A spreadsheet must not take a text for a formula.
  const tame = text => /^[=+\-@\t\r]/.test(text) && !/^[-+]?\d[\d.,eE+-]*( ?%)?$/.test(text) ? `'${text}` : text;
  const quoted = text => `"${tame(text).replace(/"/g, '""')}"`;
  const csv = table => rows(table).map(row => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  const tabbed = table => rows(table).map(row => row.map(text => tame(text.replace(/\t/g, " "))).join("\t")).join("\n");

  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = make("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  function download(name, text) {
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function order(table, at) {
    const body = table.tBodies[0];
    const head = table.tHead.rows[0].cells[at];
    const down = head.getAttribute("aria-sort") !== "descending";
    each("th[aria-sort]", cell => cell.removeAttribute("aria-sort"), table);
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => { const cell = row.cells[at]; return cell.dataset.value === undefined ? shown(cell) : Number(cell.dataset.value); };
    const sorted = [...body.rows].sort((left, right) => {
      const [a, b] = [key(left), key(right)];
      const less = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      return down ? -less : less;
    });
    body.append(...sorted);
  }

  function tools(root) {
    each(".table", frame => {
      const table = frame.querySelector("table");
      const bar = frame.querySelector(".tools");
      const button = (text, work) => make("button", { type: "button", textContent: text, onclick: work });
      bar.removeAttribute("aria-hidden");
      bar.replaceChildren(
        button("Copy", () => copy(tabbed(table)).then(() => say("copied"), () => say("the browser does not let this page copy"))),
        button("CSV", () => download(`${frame.id}.csv`, csv(table))),
      );
      [...table.tHead.rows[0].cells].forEach((cell, at) => {
        if (!cell.textContent.trim() || cell.querySelector("button")) return;
        const name = cell.textContent;
        cell.replaceChildren(make("button", { type: "button", className: "sort", textContent: name, title: `Order by ${name}`, onclick: () => order(table, at) }));
      });
      each("a.ground", link => link.addEventListener("click", () => { const list = frame.querySelector("details.sources"); if (list) list.open = true; }), frame);
    }, root);
  }

  // ---- forms that answer as they are moved

  function sliders(root) {
    each("select[data-slider]", select => {
      const slot = select.closest(".field").querySelector(".track");
      const range = make("input", { type: "range", min: 0, max: select.options.length - 1, value: select.selectedIndex });
      range.setAttribute("aria-label", select.labels[0].textContent);
      range.setAttribute("aria-valuetext", select.value);
      range.dataset.testid = `slider-${select.name}`;
      range.addEventListener("input", () => {
        select.selectedIndex = Number(range.value);
        range.setAttribute("aria-valuetext", select.value);
        select.dispatchEvent(new Event("input", { bubbles: true }));
      });
      select.addEventListener("change", () => { range.value = select.selectedIndex; });
      slot.replaceChildren(range);
    }, root);
  }

  const query = form => new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));

  function live(form) {
    let running = null, timer = 0;
    const ask = async () => {
      const address = `${form.getAttribute("action")}?${query(form)}`;
      running?.abort();
      running = new AbortController();
      const result = document.getElementById("result");
      result.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(address, { signal: running.signal, headers: { Accept: "text/html" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("result");
        if (!fresh) throw new Error(answer.statusText);
        const open = [...result.querySelectorAll("details[open]")].map(details => details.closest("[id]")?.id);
        each("figure[data-chart]", figure => { resized.unobserve(figure.querySelector(".plot")); figure.plot?.destroy(); }, result);
        result.replaceChildren(...fresh.childNodes);
        open.filter(Boolean).forEach(id => { const details = document.getElementById(id)?.querySelector("details"); if (details) details.open = true; });
        history.replaceState(null, "", address);
        enliven(result);
        say("updated");
      } catch (error) {
        if (error.name === "AbortError") return;
        result.replaceChildren(make("p", { className: "error", textContent: `No answer from the server: ${error.message}` }));
      }
      result.removeAttribute("aria-busy");
    };
    const soon = wait => { clearTimeout(timer); timer = setTimeout(ask, wait); };
    form.addEventListener("input", event => soon(event.target.matches("input:not([type=range], [type=checkbox], [type=radio])") ? 400 : 60));
    form.addEventListener("submit", event => { event.preventDefault(); soon(0); });
    form.addEventListener("input", () => each("details.boxes", boxes => {
      boxes.querySelector("summary").textContent = `Machines (${boxes.querySelectorAll("input:checked").length} chosen)`;
    }, form));
  }

  function retract(form) {
    form.addEventListener("submit", async event => {
      event.preventDefault();
      let token = "";
      try { token = sessionStorage.getItem("token") ?? ""; } catch { /* none */ }
      const answer = await fetch(form.dataset.retract, {
        method: "POST", headers: { Authorization: `Bearer ${token}` }, body: new FormData(form).get("reason"),
      });
      const said = await answer.json();
      if (answer.ok) { location.reload(); return; }
      form.querySelector(".error")?.remove();
      form.append(make("p", { className: "error", role: "alert", textContent: said.error }));
    });
  }

  // ---- a running bench

  function follow(box) {
    const [state, done, body] = ["live-state", "live-done", "live-rows"].map(id => document.getElementById(id));
    const figure = document.getElementById("live-rates");
    let redraw = 0;
    const key = (name, at) => {
      const button = make("button", { type: "button" }, make("span", { className: `tone-${at % 8}`, textContent: "●" }), name);
      button.dataset.series = at;
      button.setAttribute("aria-pressed", "true");
      figure.querySelector(".legend").append(make("li", {}, button));
    };
    const reset = () => { each(".legend [data-series]", button => button.parentElement.remove(), figure); figure.chart.series = []; body.replaceChildren(); done.value = 0; state.textContent = "A bench is running."; };
    const add = sample => {
      const name = `${sample.workload}, ${sample.layers} layers`;
      let series = figure.chart.series.find(one => one.name === name);
      if (!series) {
        series = { name, tone: figure.chart.series.length, look: "points", points: [] };
        figure.chart.series.push(series);
        key(name, series.tone);
      }
      series.points.push({ x: sample.done, y: sample.rate, label: name });
      const cells = [sample.done, name, digits(sample.rate)].map(text => make("td", { textContent: text }));
      body.append(make("tr", {}, ...cells));
      done.max = sample.planned;
      done.value = sample.done;
      state.textContent = `${sample.done} of ${sample.planned}: ${name}, ${digits(sample.rate)} tok/s`;
      clearTimeout(redraw);
      redraw = setTimeout(() => { draw(figure); }, 100);
    };
    const words = {
      started: event => `${event.model}, protocol ${event.protocol}, begun ${event.date}`,
      doing: event => event.text, failed: event => `failed to ${event.reason}`, finished: event => `Finished: ${event.text}`,
    };
    const stream = new EventSource(box.dataset.events);
    stream.addEventListener("bench", reset);
    stream.addEventListener("progress", message => {
      const event = JSON.parse(message.data);
      if (event.kind === "sampled") add(event); else state.textContent = words[event.kind]?.(event) ?? "";
    });
    stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) state.textContent = "The stream has ended."; };
  }

  function enliven(root) {
    tools(root);
    mount(root);
    each("form[data-retract]", retract, root);
    each("[data-events]", follow, root);
  }

  sliders(document);
  each("form[data-live]", live);
  enliven(document);
  document.documentElement.classList.add("live");
})();
