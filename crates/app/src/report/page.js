"use strict";
(() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const summary = json("summary-json"), data = json("data-json"), expiries = data.expiries;
  const $ = (id) => document.getElementById(id);

  // ---- small helpers -------------------------------------------------------------------------------------------------------
  // Every text goes in as a text node: nothing that stands in a file is ever read as HTML.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") element.addEventListener(value[0], value[1]); else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const svg = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const is = (x) => x !== null && x !== undefined && Number.isFinite(x);
  const fixed = (x, digits) => is(x) ? x.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }) : "–";
  const percent = (x, digits = 1) => is(x) ? fixed(x * 100, digits) + " %" : "–";
  const whole = (x) => is(x) ? x.toLocaleString("en-US") : "–";
  const share = (part, all) => all > 0 ? part / all : null;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const words = (text) => text.replaceAll("_", " ");
  const escape = (text) => String(text).replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
  const linspace = (from, to, n) => Array.from({ length: n }, (_, i) => from + (to - from) * i / (n - 1));
  const labelOf = (e) => e.date + " " + e.root + (e.settlement === "am" ? " AM" : "");

  // ---- the surface's formulae: raw SVI -------------------------------------------------------------------------------------
  const variance = (s, k) => { const x = k - s.m; return s.a + s.b * (s.rho * x + Math.hypot(x, s.sigma)); };
  const volatility = (e, k) => Math.sqrt(Math.max(variance(e.slice, k), 0) / e.years);
  // Risk-neutral density of ln(S/F): Durrleman's g times the normal density of d2 (Gatheral and Jacquier 2014).
  const density = (s, k) => {
    const x = k - s.m, h = Math.hypot(x, s.sigma), w = variance(s, k);
    const w1 = s.b * (s.rho + x / h), w2 = s.b * s.sigma * s.sigma / (h * h * h);
    const g = (1 - k * w1 / (2 * w)) ** 2 - w1 * w1 / 4 * (1 / w + 0.25) + w2 / 2;
    const d2 = -k / Math.sqrt(w) - Math.sqrt(w) / 2;
    return g * Math.exp(-d2 * d2 / 2) / Math.sqrt(2 * Math.PI * w);
  };
  const fitted = expiries.map((e, i) => ({ e, i })).filter(({ e }) => e.slice && is(e.atm));
  const deviation = (e) => e.atm * Math.sqrt(e.years);
  const reach = (e, low, high) => [Math.max(e.slice.range[0], -low * deviation(e)), Math.min(e.slice.range[1], high * deviation(e))];

  // ---- Plotly --------------------------------------------------------------------------------------------------------------
  const config = { displayModeBar: false, responsive: true };
  const family = 'Inter, "Segoe UI", system-ui, "Helvetica Neue", Arial, sans-serif';
  const axis = (title, more = {}) => ({
    title: { text: title, standoff: 10, font: { size: 12.5, color: css("--muted") } }, gridcolor: css("--line"), zerolinecolor: css("--line"),
    linecolor: css("--line"), tickfont: { size: 12, color: css("--muted") }, automargin: true, ...more,
  });
  const layout = (more) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family, color: css("--ink"), size: 13 },
    margin: { l: 56, r: 14, t: 12, b: 44 }, hovermode: "closest", legend: { font: { size: 12 } },
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--ink"), size: 12.5 } }, ...more,
  });
  const draw = (id, traces, more) => Plotly.react($(id), traces, layout(more), config);
  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  // Near expiries warm, far ones blue; both readable on either background.
  const colour = (i, n) => {
    const t = n > 1 ? i / (n - 1) : 0, stops = isDark()
      ? [[255, 196, 110], [240, 120, 130], [170, 120, 235], [100, 160, 255]] : [[214, 120, 20], [200, 55, 90], [120, 60, 180], [30, 90, 205]];
    const at = Math.min(t * 3, 2.999), j = Math.floor(at), f = at - j;
    return "rgb(" + [0, 1, 2].map((c) => Math.round(stops[j][c] + f * (stops[j + 1][c] - stops[j][c]))).join(",") + ")";
  };
  const segments = (id, options, chosen, choose) => {
    const buttons = options.map(([value, text]) => make("button", { type: "button", "aria-pressed": value === chosen, on: ["click", () => {
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", options[i][0] === value));
      choose(value);
    }] }, text));
    $(id).replaceChildren(...buttons);
  };

  // ---- header --------------------------------------------------------------------------------------------------------------
  const date = new Date(summary.quote_date + "T12:00:00Z").toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  $("name").append(summary.underlying + " ", make("span", {}, "options, " + date));
  const fileName = summary.source.split("/").pop();
  $("when").textContent = "Quotes of " + summary.quote_time.slice(11, 16) + " New York, from " + fileName + " · time: " + summary.quote_time_source;
  const month = (() => {
    const points = fitted.filter(({ e }) => e.years > 0).map(({ e }) => [e.years, e.atm * e.atm * e.years]);
    const t = 30 / 365, after = points.findIndex(([years]) => years >= t);
    if (after <= 0) return null;
    const [[t0, w0], [t1, w1]] = [points[after - 1], points[after]];
    return Math.sqrt((w0 + (w1 - w0) * (t - t0) / (t1 - t0)) / t);
  })();
  const violations = summary.arbitrage_violations;
  const card = (k, v, n, kind = "") => make("div", { class: "card" }, make("div", { class: "k" }, k), make("div", { class: "v " + kind }, v), make("div", { class: "n" }, n));
  $("cards").append(
    card("Spot from parity", fixed(summary.spot, 2), is(summary.spot_gap) ? "file " + fixed(summary.underlying_last, 2) + ", gap " + (summary.spot_gap >= 0 ? "+" : "") + fixed(summary.spot_gap, 2) : "the file has none"),
    month !== null ? card("30-day volatility", percent(month, 2), "at the forward, interpolated")
      : card("First volatility", percent(fitted.length ? fitted[0].e.atm : null, 2), "at the forward"),
    card("Quotes inside bid–ask", percent(summary.inside_bid_ask_share), "of " + whole(summary.quotes_judged) + ", all out-of-the-money"),
    card("Fit error near the money", fixed(summary.near_the_money.rmse_vol_points, 3), "vol points rms; " + fixed(summary.rmse_vol_points, 2) + " with all wings"),
    card("Arbitrage", violations === 0 ? "none" : whole(violations), whole(summary.arbitrage.points) + " points checked", violations === 0 ? "good" : "bad"),
    card("Rows kept", whole(summary.rows_kept), "of " + whole(summary.rows_read) + " read, " + whole(expiries.length) + " expiries"),
    card("Wheel candidates", whole(summary.candidates), summary.candidates ? "best first, below" : "none passes the filters"),
  );
  $("nav").append(...[...document.querySelectorAll("main section")].map((s) => make("a", { href: "#" + s.id }, s.querySelector("h2").textContent)));

  // ---- smiles --------------------------------------------------------------------------------------------------------------
  let chosen = 0, smileAxis = "strike";
  {
    // The expiry nearest to thirty days is what most readers look for first.
    let best = Infinity;
    for (const { e, i } of fitted) {
      const distance = Math.abs(e.days - 30) - e.quotes * 1e-4;
      if (distance < best) { best = distance; chosen = i; }
    }
  }
  const isInside = (e, i) => {
    if (!e.slice) return false;
    const v = volatility(e, Math.log(e.smile.strike[i] / e.forward)), { bid, ask } = e.smile;
    return (!is(bid[i]) || v >= bid[i]) && is(ask[i]) && v <= ask[i];
  };
  // The same bars with the fit taken off, since tight quotes are thinner than the line through them.
  const residuals = (e, rows, scale, color) => {
    const s = e.smile, fit = rows.map((i) => volatility(e, Math.log(s.strike[i] / e.forward)));
    return {
      type: "scatter", mode: "markers", yaxis: "y2", showlegend: false, x: rows.map((i) => scale(s.strike[i])), y: rows.map((i, n) => (s.mid[i] - fit[n]) * 100),
      error_y: { type: "data", symmetric: false, array: rows.map((i) => is(s.ask[i]) ? (s.ask[i] - s.mid[i]) * 100 : 0), arrayminus: rows.map((i) => is(s.bid[i]) ? (s.mid[i] - s.bid[i]) * 100 : 0), thickness: 1.2, width: 0, color },
      marker: { size: 2.5, color }, customdata: rows.map((i) => s.strike[i]), hovertemplate: "strike %{customdata}<br>mid − fit %{y:.3f} points<extra></extra>",
    };
  };
  const drawSmile = () => {
    const e = expiries[chosen];
    if (!e) return;
    const byStrike = smileAxis === "strike", scale = (strike) => byStrike ? strike : Math.log(strike / e.forward);
    const s = e.smile, at = (inside) => s.strike.map((_, i) => i).filter((i) => is(s.mid[i]) && isInside(e, i) === inside);
    const bars = (inside, name, color) => {
      const rows = at(inside);
      return {
        type: "scatter", mode: "markers", name, x: rows.map((i) => scale(s.strike[i])), y: rows.map((i) => s.mid[i] * 100),
        error_y: { type: "data", symmetric: false, array: rows.map((i) => is(s.ask[i]) ? (s.ask[i] - s.mid[i]) * 100 : 0), arrayminus: rows.map((i) => is(s.bid[i]) ? (s.mid[i] - s.bid[i]) * 100 : 0), thickness: 1.2, width: 2, color },
        marker: { size: 3.5, color },
        customdata: rows.map((i) => [s.strike[i], percent(s.bid[i], 2), percent(s.ask[i], 2), e.slice ? percent(volatility(e, Math.log(s.strike[i] / e.forward)), 2) : "–"]),
        hovertemplate: "strike %{customdata[0]}<br>bid %{customdata[1]}, ask %{customdata[2]}<br>fit %{customdata[3]}<extra></extra>",
      };
    };
    const traces = [bars(true, "inside bid–ask", css("--quote")), bars(false, "outside", css("--bad"))];
    let range, yRange;
    if (e.slice) {
      const ks = linspace(e.slice.range[0], e.slice.range[1], 240);
      traces.push({ type: "scatter", mode: "lines", name: "fitted surface", x: ks.map((k) => byStrike ? e.forward * Math.exp(k) : k), y: ks.map((k) => volatility(e, k) * 100), line: { color: css("--accent"), width: 2 }, hoverinfo: "skip" });
      const [low, high] = reach(e, 7, 5), pad = (high - low) * 0.04;
      range = [low - pad, high + pad].map((k) => byStrike ? e.forward * Math.exp(k) : k);
      const seen = s.strike.map((strike, i) => [Math.log(strike / e.forward), s.bid[i], s.ask[i]]).filter(([k]) => k >= low && k <= high);
      const tops = seen.map(([, , ask]) => ask).concat([volatility(e, low), volatility(e, high)]).filter(is), floors = seen.map(([, bid]) => bid).concat(linspace(low, high, 30).map((k) => volatility(e, k))).filter(is);
      const [bottom, top] = [Math.min(...floors), Math.min(Math.max(...tops), 2.2 * Math.max(volatility(e, low), volatility(e, high)))];
      yRange = [Math.max(0, bottom - (top - bottom) * 0.08) * 100, (top + (top - bottom) * 0.06) * 100];
    }
    const forward = scale(e.forward);
    if (e.slice) traces.push(...[true, false].map((inside) => residuals(e, at(inside), scale, inside ? css("--quote") : css("--bad"))));
    const gaps = e.slice ? s.strike.map((strike, i) => [Math.log(strike / e.forward), i]).filter(([k, i]) => range && Math.abs(k) < 2.5 * deviation(e) && is(s.bid[i]) && is(s.ask[i]))
      .map(([k, i]) => Math.max(Math.abs(s.bid[i] - volatility(e, k)), Math.abs(s.ask[i] - volatility(e, k))) * 100).sort((a, b) => a - b) : [];
    const reachOfGaps = gaps.length ? Math.min(Math.max(gaps[Math.floor(gaps.length * 0.95)] * 1.25, 0.02), 5) : 1;
    draw("smile-plot", traces, {
      xaxis: axis(byStrike ? "strike" : "log-moneyness ln(strike / forward)", { range, anchor: "y2" }), yaxis: axis("implied volatility, %", { range: yRange, domain: [0.34, 1] }),
      yaxis2: axis("quote − fit, points", { domain: [0, 0.26], range: [-reachOfGaps, reachOfGaps], nticks: 5 }),
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom", font: { size: 12 } }, margin: { l: 60, r: 14, t: 34, b: 44 },
      shapes: [{ type: "line", x0: forward, x1: forward, yref: "paper", y0: 0, y1: 1, line: { color: css("--muted"), width: 1, dash: "dot" } }],
      annotations: [{ x: forward, yref: "paper", y: 1, yanchor: "bottom", text: "forward " + fixed(e.forward, 2), showarrow: false, font: { size: 12, color: css("--muted") } }],
    });
    $("smile-title").replaceChildren(labelOf(e), make("small", {}, [
      e.days + " days", percent(e.atm, 2) + " at the forward", whole(e.quotes) + " quotes", percent(share(e.inside, e.judged)) + " inside", fixed(e.rmse, 3) + " vol points rmse",
      "unconstrained " + percent(share(e.free_inside, e.judged)), e.slice && e.slice.source !== "svi" ? "shape: " + e.slice.source : "",
    ].filter(Boolean).join(" · ")));
  };
  const drawMultiples = () => {
    const width = 140, height = 58;
    const buttons = expiries.map((e, index) => {
      const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
      if (e.slice && is(e.atm)) {
        const [low, high] = reach(e, 5, 3.5), ks = linspace(low, high, 50), vols = ks.map((k) => volatility(e, k));
        const top = Math.max(...vols) * 1.06, bottom = Math.min(...vols) * 0.88;
        const x = (k) => (k - low) / (high - low || 1) * width, y = (v) => height - (Math.min(Math.max(v, bottom), top) - bottom) / (top - bottom || 1) * height;
        const rows = e.smile.strike.map((_, i) => i).filter((i) => { const k = Math.log(e.smile.strike[i] / e.forward); return k >= low && k <= high && is(e.smile.ask[i]); });
        const step = Math.max(1, Math.ceil(rows.length / 45));
        for (const i of rows.filter((_, n) => n % step === 0)) {
          const at = x(Math.log(e.smile.strike[i] / e.forward)).toFixed(1), bid = is(e.smile.bid[i]) ? e.smile.bid[i] : bottom;
          picture.append(svg("line", { class: isInside(e, i) ? "q" : "q out", x1: at, x2: at, y1: y(bid).toFixed(1), y2: Math.min(y(e.smile.ask[i]), y(bid) - 1.5).toFixed(1), "vector-effect": "non-scaling-stroke" }));
        }
        picture.append(svg("path", { class: "f", "vector-effect": "non-scaling-stroke", d: ks.map((k, i) => (i ? "L" : "M") + x(k).toFixed(1) + " " + y(vols[i]).toFixed(1)).join("") }));
      }
      const button = make("button", { type: "button", "aria-pressed": index === chosen, title: labelOf(e), on: ["click", () => choose(index)] },
        make("div", { class: "d" }, make("span", {}, e.date + (e.settlement === "am" ? " AM" : "")), make("span", {}, percent(share(e.inside, e.judged), 0))),
        make("div", { class: "d" }, make("span", { class: "dim" }, e.root + " · " + e.days + " d")), picture);
      return button;
    });
    $("multiples").replaceChildren(...buttons);
  };
  const choose = (index) => {
    chosen = index;
    [...$("multiples").children].forEach((button, i) => button.setAttribute("aria-pressed", i === index));
    $("greek-expiry").value = index;
    drawSmile();
    drawGreek();
  };

  // ---- surface, total variance, density ------------------------------------------------------------------------------------
  const spread = (list, n) => list.length <= n ? list : Array.from({ length: n }, (_, i) => list[Math.round(i * (list.length - 1) / (n - 1))]);
  const drawSurface = () => {
    // A last-day smile is a wall that hides the rest: it is left out where there are enough others.
    const calm = fitted.filter(({ e }) => e.days >= 3), from = calm.length >= 6 ? calm : fitted;
    // Of expiries within a day (AM and PM, another root) the one with the most quotes stands for all.
    const rows = from.filter(({ e }, i) => !from.some(({ e: other }, j) => j !== i && Math.abs(other.years - e.years) < 0.9 / 365 && (other.quotes > e.quotes || (other.quotes === e.quotes && j < i))));
    $("surface-hint").textContent = "Drag to turn, scroll to zoom. Drawn where it was quoted" + (from.length < fitted.length ? ", from three days on." : ".");
    if (rows.length < 2) return void $("surface-plot").replaceChildren(make("p", { class: "hint" }, "A surface needs two expiries with a fit."));
    // Every expiry has its own strikes, as far as it was quoted and a few standard deviations at most, so that the edge is a curve.
    const strikes = rows.map(({ e }) => { const [from, to] = reach(e, 5.5, 3.5); return linspace(Math.max(from, Math.log(0.3)), Math.min(to, Math.log(2)), 60); });
    const days = rows.map(({ e }) => e.years * 365), z = rows.map(({ e }, i) => strikes[i].map((k) => volatility(e, k) * 100));
    const x = strikes.map((ks) => ks.map((k) => Math.exp(k) * 100)), y = days.map((d) => Array(60).fill(d));
    const heights = z.flat().sort((a, b) => a - b), top = heights[Math.floor(heights.length * 0.985)];
    const ticks = [1, 7, 30, 90, 365, 730, 1095].filter((d) => d >= days[0] * 0.9 && d <= days[days.length - 1] * 1.1);
    const wall = (title, more) => ({ title: { text: title, font: { size: 13, color: css("--muted"), family } }, gridcolor: css("--line"), zerolinecolor: css("--line"), tickfont: { size: 12, color: css("--muted"), family }, showbackground: false, ...more });
    const ribs = spread(rows.map((_, i) => i), 14).map((i) => ({ type: "scatter3d", mode: "lines", x: x[i], y: y[i], z: z[i].map((v) => v + top * 0.004), line: { color: isDark() ? "#c9d6ea" : "#24344d", width: 2 }, opacity: 0.6, hoverinfo: "skip", showlegend: false }));
    draw("surface-plot", [{
      type: "surface", x, y, z, showscale: false, cmin: heights[0], cmax: top,
      colorscale: isDark() ? [[0, "#3b5bdb"], [0.35, "#6ea8ff"], [0.65, "#e599f7"], [1, "#ffc46e"]] : [[0, "#1e3a8a"], [0.3, "#3b82f6"], [0.65, "#c084fc"], [1, "#f59e0b"]],
      hovertemplate: "%{x:.1f} % of forward<br>%{y:.0f} days<br>%{z:.2f} %<extra></extra>", lighting: { ambient: 0.8, diffuse: 0.45, specular: 0.05 },
    }, ...ribs], {
      margin: { l: 0, r: 0, t: 0, b: 0 },
      scene: {
        xaxis: wall("strike, % of forward"), yaxis: wall("days (log)", { type: "log", tickvals: ticks, ticktext: ticks.map(String) }), zaxis: wall("volatility, %", { range: [Math.floor(heights[0] * 0.8), top * 1.1] }),
        camera: { eye: { x: 1.26, y: -1.34, z: 0.6 }, center: { x: -0.03, y: 0, z: -0.15 } }, aspectratio: { x: 1.2, y: 1.2, z: 0.8 },
      },
    });
  };
  let varianceAxis = "log";
  const drawVariance = () => {
    const far = fitted.length ? fitted[fitted.length - 1].e : null;
    if (!far) return;
    const traces = fitted.map(({ e }, i) => {
      const [from, to] = reach(e, 8, 6), ks = linspace(from, to, 90);
      return { type: "scatter", mode: "lines", name: labelOf(e), x: ks, y: ks.map((k) => variance(e.slice, k)), line: { color: colour(i, fitted.length), width: 1.4 }, hovertemplate: escape(labelOf(e)) + "<br>k %{x:.3f}<br>w %{y:.5f}<extra></extra>", showlegend: false };
    });
    const [low, high] = reach(far, 3.2, 2.2);
    draw("variance-plot", traces, { xaxis: axis("log-moneyness ln(strike / forward)", { range: [low, high] }), yaxis: axis("total variance σ²T", { type: varianceAxis, exponentformat: "power" }) });
  };
  const drawDensity = () => {
    const rows = spread(fitted.filter(({ e }) => e.days >= 5 || fitted.length < 4), 8);
    let low = 1, high = 1;
    const traces = rows.map(({ e }, i) => {
      const d = deviation(e), ks = linspace(-6 * d, 4.5 * d, 260);
      // The longest expiry would press the others together.
      if (i < rows.length - 1 || rows.length < 3) { low = Math.min(low, Math.exp(-4 * d)); high = Math.max(high, Math.exp(3 * d)); }
      return { type: "scatter", mode: "lines", name: labelOf(e), x: ks.map((k) => Math.exp(k) * 100), y: ks.map((k) => density(e.slice, k) / Math.exp(k)), line: { color: colour(i, rows.length), width: 1.7 }, hovertemplate: escape(labelOf(e)) + "<br>%{x:.1f} % of forward<br>%{y:.2f} % per 1 %<extra></extra>" };
    });
    draw("density-plot", traces, { xaxis: axis("price at expiry, % of forward", { range: [Math.max(low, 0.45) * 100, Math.min(high, 1.6) * 100] }), yaxis: axis("probability, % per 1 %", { rangemode: "tozero" }) });
  };

  // ---- term structure ------------------------------------------------------------------------------------------------------
  const drawTerm = () => {
    const days = axis("days to expiry", { type: "log", tickvals: [1, 7, 30, 90, 365, 1095], ticktext: ["1", "7", "30", "90", "1 y", "3 y"], tickangle: 0 });
    const margin = { l: 52, r: 10, t: 10, b: 42 }, names = expiries.map(labelOf).map(escape);
    const at = (e) => Math.max(e.years * 365, 0.05);
    const line = (list, y, name, color, more = {}) => ({ type: "scatter", mode: "lines+markers", name, x: list.map((e) => at(e)), y: list.map(y), text: list.map((e) => names[expiries.indexOf(e)]), line: { color, width: 1.8 }, marker: { size: 5, color }, hovertemplate: "%{text}<br>%{y}<extra></extra>", ...more });
    draw("atm-plot", [line(fitted.map(({ e }) => e), (e) => +(e.atm * 100).toFixed(3), "", css("--accent"))], { margin, xaxis: days, yaxis: axis("volatility, %", { rangemode: "normal" }), showlegend: false });
    const ranges = line(expiries, (e) => e.forward, "", css("--accent"));
    ranges.error_y = { type: "data", array: expiries.map((e) => is(e.forward_error) ? e.forward_error : 0), thickness: 1, width: 2, color: css("--muted") };
    draw("forward-plot", [ranges], { margin, xaxis: days, yaxis: axis("forward price"), showlegend: false });
    const own = (e) => e.rate_source === "parity";
    const rate = line(expiries, (e) => +(e.rate * 100).toFixed(3), "rate", css("--accent"));
    rate.marker = { size: 6, color: expiries.map((e) => own(e) ? css("--accent") : css("--panel")), line: { color: css("--accent"), width: 1.4 } };
    const calm = expiries.filter((e) => e.years > 0.04);
    const yields = line(calm, (e) => +(e.carry_yield * 100).toFixed(3), "implied yield", colour(0, 2), { line: { color: colour(0, 2), width: 1.4, dash: "dot" } });
    draw("rate-plot", [rate, yields], { margin, xaxis: days, yaxis: axis("% a year, continuous"), legend: { orientation: "h", x: 0, y: 1.14, font: { size: 12 } } });
  };

  // ---- Greeks --------------------------------------------------------------------------------------------------------------
  const units = {
    price: "currency a share", delta: "∂V/∂S", gamma: "∂²V/∂S²", vega: "∂V/∂σ, per 1.00 of volatility", theta: "−∂V/∂T, per year", rho: "∂V/∂r, per 1.00 of rate", phi: "∂V/∂q, per 1.00 of yield",
    vanna: "∂²V/∂S∂σ", charm: "−∂²V/∂S∂T, per year", vomma: "∂²V/∂σ²", veta: "−∂²V/∂σ∂T, per year", vera: "∂²V/∂σ∂r", speed: "∂³V/∂S³", zomma: "∂³V/∂S²∂σ", color: "−∂³V/∂S²∂T, per year", ultima: "∂³V/∂σ³",
    dual_delta: "∂V/∂K", dual_gamma: "∂²V/∂K²", lambda: "S·delta/V",
  };
  const drawGreek = () => {
    const e = expiries[+$("greek-expiry").value], g = +$("greek").value, name = data.greek_names[g];
    if (!e) return;
    const line = (side, text, color) => ({ type: "scatter", mode: "lines+markers", name: text, x: e.greeks[side].strike, y: e.greeks[side].values[g], line: { color, width: 1.8 }, marker: { size: 3.5, color }, hovertemplate: text + " %{x}<br>" + words(name) + " %{y:.5g}<extra></extra>" });
    draw("greek-plot", [line(0, "calls", css("--accent")), line(1, "puts", colour(0, 2))], {
      xaxis: axis("strike"), yaxis: axis(words(name) + ": " + units[name], { exponentformat: "power" }), legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" }, margin: { l: 64, r: 14, t: 30, b: 44 },
      shapes: [{ type: "line", x0: e.forward, x1: e.forward, yref: "paper", y0: 0, y1: 1, line: { color: css("--muted"), width: 1, dash: "dot" } }],
    });
  };
  $("greek").append(...data.greek_names.map((name, i) => make("option", { value: i }, words(name))));
  $("greek-expiry").append(...expiries.map((e, i) => make("option", { value: i }, labelOf(e) + " · " + e.days + " days")));
  $("greek").value = Math.max(1, data.greek_names.indexOf("gamma"));
  $("greek").addEventListener("change", drawGreek);
  $("greek-expiry").addEventListener("change", () => choose(+$("greek-expiry").value));

  // ---- tables --------------------------------------------------------------------------------------------------------------
  // Columns: [title, value for sorting, text, class]. A click on a title sorts by it, another turns the order round.
  const table = (id, columns, rows, start) => {
    let sorted = start ?? null, ascending = false;
    const draw = () => {
      const list = rows().slice();
      if (sorted !== null) {
        const value = columns[sorted][1];
        list.sort((a, b) => { const [x, y] = [value(a), value(b)]; return (x === null) - (y === null) || (x < y ? -1 : x > y ? 1 : 0) * (ascending ? 1 : -1); });
      }
      const head = make("tr", {}, ...columns.map(([title, , , kind], i) => {
        const cell = make("th", { class: kind === "l" ? "l" : "", scope: "col", on: ["click", () => { ascending = sorted === i ? !ascending : kind === "l"; sorted = i; draw(); }] }, title);
        if (sorted === i) cell.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        return cell;
      }));
      const body = list.map((row) => make("tr", {}, ...columns.map(([, , text, kind]) => make("td", { class: typeof kind === "function" ? kind(row) : kind ?? "" }, text(row)))));
      $(id).replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
    };
    draw();
    return draw;
  };
  const column = (title, name, text, kind) => [title, (row) => row[name], (row) => text(row[name]), kind];
  const hasHistory = data.candidates.some((c) => is(c.expected_value_p));
  $("wheel-lead").textContent = data.candidates.length === 0 ? "No strike passes the filters (--delta, --dte, --min-open-interest, --max-spread)."
    : "Sold at the bid. Probabilities and the risk-neutral value are the surface's own; under it a fair sale earns nothing, so " + (hasHistory ? "Kelly fraction and score use the real-world density made from the history." : "Kelly fraction and score need a history (--history OHLC.csv), which was not given.");
  let wheelKind = "all";
  if (data.candidates.length) {
    const gain = (name) => (row) => is(row[name]) ? (row[name] >= 0 ? "good" : "bad") : "dim";
    const wheelRows = () => data.candidates.filter((c) => wheelKind === "all" || c.kind === wheelKind);
    const columns = [
      column("sell", "kind", (kind) => kind === "covered_call" ? "call" : "put", "l"), ["expiry", (c) => c.expiry, (c) => c.expiry.slice(0, 10), "l"], column("root", "root", String, "l"), column("days", "calendar_days", whole), column("strike", "strike", (x) => fixed(x, 2)),
      column("bid", "bid", (x) => fixed(x, 2)), column("delta", "delta", (x) => fixed(x, 3)), column("volatility", "volatility", (x) => percent(x, 2)), column("P(profit)", "probability_of_profit", percent), column("P(touch)", "probability_of_touch", percent),
      column("break-even", "break_even", (x) => fixed(x, 2)), column("yield a year", "annualized_yield", percent), column("value, risk-neutral", "expected_value_rn", (x) => fixed(x, 2), gain("expected_value_rn")),
      ...(hasHistory ? [column("value, real world", "expected_value_p", (x) => fixed(x, 2), gain("expected_value_p")), column("Kelly", "kelly_fraction", (x) => percent(x, 1)), column("score", "score", (x) => is(x) ? x.toPrecision(3) : "–")] : []),
    ];
    const redraw = table("wheel-table", columns, wheelRows);
    segments("wheel-kind", [["all", "all"], ["cash_secured_put", "cash-secured puts"], ["covered_call", "covered calls"]], wheelKind, (kind) => { wheelKind = kind; redraw(); });
    $("wheel-count").textContent = summary.candidates > data.candidates.length ? "the best " + data.candidates.length + " of " + whole(summary.candidates) + "; all in candidates.csv" : whole(summary.candidates) + " candidates";
  } else {
    $("wheel").querySelector(".panel").remove();
  }

  const sources = { parity: "parity", parity_de_americanized: "parity, de-Americanised", spot_and_carry: "spot and carry", parity_curve: "curve of others", given: "--rate", assumed_zero: "assumed zero" };
  const dim = (name) => (row) => row[name] === "parity" ? "" : "dim";
  table("expiry-table", [
    ["expiry", (e) => e.years, (e) => e.date + (e.settlement === "am" ? " AM" : " PM"), "l"], column("root", "root", String, "l"), column("days", "days", whole), column("forward", "forward", (x) => fixed(x, 2)), column("± error", "forward_error", (x) => is(x) ? x.toPrecision(2) : "–", "dim"),
    column("forward from", "forward_source", (x) => sources[x] ?? x, dim("forward_source")), column("pairs", "pairs", whole), column("rate", "rate", (x) => percent(x, 2)), column("rate from", "rate_source", (x) => sources[x] ?? x, dim("rate_source")),
    ["shape", (e) => e.slice ? e.slice.source : "", (e) => e.slice ? e.slice.source.toUpperCase() : "none", (e) => e.slice && e.slice.source === "svi" ? "" : "dim"], column("vol at forward", "atm", (x) => percent(x, 2)), column("quotes", "quotes", whole),
    ["inside", (e) => share(e.inside, e.judged), (e) => percent(share(e.inside, e.judged))], column("rmse, vol pts", "rmse", (x) => fixed(x, 3)),
    ["free inside", (e) => share(e.free_inside, e.judged), (e) => percent(share(e.free_inside, e.judged)), "dim"], column("free rmse", "free_rmse", (x) => fixed(x, 3), "dim"),
  ], () => expiries);

  // ---- data quality, time, notes -------------------------------------------------------------------------------------------
  const why = {
    no_quote: "neither bid nor ask", crossed_quote: "bid above ask", zero_bid: "nobody bids", duplicate: "the contract stands in an earlier row", stale_quote: "repeats the day before", expired: "settled before the quotes", bad_strike: "strike absent or not above zero",
    bad_quote: "bid or ask is not a number at or above zero", bad_expiry: "expiry cannot be read", bad_option_type: "neither call nor put", no_forward: "no forward could be found", bad_row: "more cells than the header",
  };
  const meter = (rows, total, warn) => make("div", { class: "meter" }, ...rows.flatMap(([name, value, text, note]) => [
    make("div", {}, name, ...(note ? [make("div", { class: "why" }, note)] : [])),
    make("div", { class: "track" }, (() => { const fill = make("div", { class: warn ? "fill warn" : "fill" }); fill.style.width = (100 * value / total) + "%"; return fill; })()),
    make("div", { class: "n" }, text),
  ]));
  const total = (...pairs) => make("div", { class: "total" }, ...pairs.map(([value, text]) => make("div", {}, make("b", {}, value), make("span", {}, text))));
  const rejected = Object.entries(summary.rejected);
  $("rejected").append(total([whole(summary.rows_read), "read"], [whole(summary.rows_kept), "kept"], [whole(summary.rows_read - summary.rows_kept), "rejected"]));
  $("rejected").append(rejected.length ? meter(rejected.map(([reason, count]) => [words(reason), count, whole(count) + " · " + percent(count / summary.rows_read), why[reason]]), Math.max(...rejected.map(([, count]) => count)), true) : make("p", { class: "hint" }, "No row was rejected."));
  const volatilities = Object.entries(summary.implied_volatility_status);
  const statuses = { ok: "the mid gives one", below_intrinsic: "mid below the intrinsic value of the forward", undetermined: "the mid, as rounded, determines none", above_maximum: "mid above what any volatility gives" };
  $("volatilities").append(meter(volatilities.map(([status, count]) => [words(status), count, whole(count) + " · " + percent(count / summary.rows_read), statuses[status] ?? why[status]]), Math.max(1, ...volatilities.map(([, count]) => count))));
  const stages = Object.entries(summary.timings_ms).filter(([stage]) => stage !== "total");
  $("stages").append(total([fixed(summary.timings_ms.total, 0) + " ms", "until this page was written"], [whole(Math.round(summary.rows_read / Math.max(summary.timings_ms.total, 0.001))) + " k", "rows a second"]));
  $("stages").append(meter(stages.map(([stage, ms]) => [words(stage), ms, fixed(ms, 1) + " ms"]), Math.max(...stages.map(([, ms]) => ms))));
  $("note-list").append(...(summary.notes.length ? summary.notes : ["Nothing to say."]).map((note) => make("li", {}, note)));

  // ---- draw, and again when light turns to dark ----------------------------------------------------------------------------
  segments("smile-axis", [["strike", "strike"], ["k", "log-moneyness"]], smileAxis, (value) => { smileAxis = value; drawSmile(); });
  segments("variance-axis", [["log", "log"], ["linear", "linear"]], varianceAxis, (value) => { varianceAxis = value; drawVariance(); });
  $("greek-expiry").value = chosen;
  const drawAll = () => { drawMultiples(); drawSmile(); drawSurface(); drawVariance(); drawDensity(); drawTerm(); drawGreek(); };
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
