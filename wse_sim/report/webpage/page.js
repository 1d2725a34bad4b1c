"use strict";

/* The library and the data lie in the page as compressed text. */
const unpack = async (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};

const draw = (figures) => {
  for (const [id, figure] of Object.entries(figures)) {
    Plotly.newPlot(id, figure.data, figure.layout, { responsive: true, displaylogo: false });
  }
};

const percent = (part, whole) => (whole ? (100 * part) / whole : 0);

/* Values of a quantity as rows of the map; shares in percent. */
const rows = (data, quantity) => {
  const columns = Math.ceil(data.width / data.tile);
  const values = quantity.share
    ? quantity.values.map((value, i) => percent(value, data.cell_cycles[i]))
    : quantity.values;
  return Array.from({ length: values.length / columns }, (_, row) => values.slice(row * columns, (row + 1) * columns));
};

const choose = (data, index) => {
  const quantity = data.quantities[index];
  const title = `${quantity.name}, ${quantity.unit}`;
  return Plotly.restyle("wafer", { z: [rows(data, quantity)], "colorbar.title.text": title });
};

/* Whether a range (start, stop, step) of columns or rows meets the cells from first to last. */
const meets = ([start, stop, step], first, last) => {
  for (let at = start; step > 0 ? at < stop : at > stop; at += step) {
    if (at >= first && at <= last) return true;
  }
  return false;
};

const term = (name, text) => {
  const pair = [document.createElement("dt"), document.createElement("dd")];
  pair[0].textContent = name;
  pair[1].textContent = text;
  return pair;
};

/* Everything known of a cell of the map: its states, links, memory, work, buffers. */
const describe = (data, row, column) => {
  const index = row * Math.ceil(data.width / data.tile) + column;
  const [x, y] = [column * data.tile, row * data.tile];
  const [right, bottom] = [Math.min(x + data.tile, data.width) - 1, Math.min(y + data.tile, data.height) - 1];
  const title = document.createElement("h3");
  title.textContent = data.tile === 1 ? `PE (${x}, ${y})` : `PEs x ${x}..${right}, y ${y}..${bottom}`;
  const found = [title];
  const list = (name, pairs) => {
    if (!pairs.length) return;
    const head = document.createElement("h4");
    head.textContent = name;
    const body = document.createElement("dl");
    body.append(...pairs.flatMap(([key, text]) => term(key, text)));
    found.push(head, body);
  };
  for (const group of ["states", "links", "memory", "work"]) {
    const own = data.quantities.filter((q) => q.group === group && q.values[index] !== 0);
    list(group, own.map((q) => [
      q.name,
      q.share
        ? `${percent(q.values[index], data.cell_cycles[index]).toFixed(1)} %`
        : `${q.values[index].toLocaleString("en")} ${q.unit}`,
    ]));
  }
  const buffers = data.buffers.filter((b) => meets(b.columns, x, right) && meets(b.rows, y, bottom));
  const shown = buffers.slice(0, 20).map((b) => [`${b.name} (${b.type})`, `${b.bytes.toLocaleString("en")} B`]);
  if (buffers.length > shown.length) shown.push([`${buffers.length - shown.length} smaller ones`, ""]);
  list("buffers", shown);
  document.getElementById("detail").replaceChildren(...found);
};

const connectWafer = (data) => {
  document.getElementById("quantity").addEventListener("change", (event) => choose(data, Number(event.target.value)));
  document.getElementById("wafer").on("plotly_hover", (event) => describe(data, ...event.points[0].pointIndex));
};

const connectTimeline = (figure) => {
  if (!figure) return;
  const names = figure.data[0].colorbar.ticktext;
  document.getElementById("timeline").on("plotly_hover", (event) => {
    const { x, z, pointIndex } = event.points[0];
    const place = figure.layout.meta.rows[pointIndex[0]];
    document.getElementById("moment").textContent = `cycle ${x}, PE ${place}: ${names[z]}`;
  });
};

const start = async () => {
  const [code, text] = await Promise.all([unpack("library"), unpack("data")]);
  const script = document.createElement("script");
  script.textContent = code;
  document.head.append(script);
  const data = JSON.parse(text);
  draw(data.figures);
  connectWafer(data);
  connectTimeline(data.figures.timeline);
  document.body.dataset.ready = "yes";
};

start().catch((error) => {
  document.getElementById("failure").textContent = `This page could not be drawn: ${error}. Try a newer browser.`;
  throw error;
});
