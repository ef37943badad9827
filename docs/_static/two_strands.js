// Lights up one neuron of a small network, its partner on the other strand, and the weights that both use.
for (const figure of document.querySelectorAll(".two-strands")) {
  const { maps, inputs, stored, layers, names } = JSON.parse(figure.querySelector("script").textContent);
  const panels = [...figure.querySelectorAll("figure")];
  const cells = panels.map((panel) =>
    Object.fromEntries([...panel.querySelectorAll(".neuron")].map((cell) => [cell.dataset.at, cell])));
  const controls = figure.querySelector("form"), radios = [...controls.querySelectorAll("input[type=radio]")];
  const channels = controls.querySelector("select"), slider = controls.querySelector("input[type=range]");
  const here = { layer: 2, channel: 0, position: 1 }; // on the forward strand

  const sizes = (layer) => [maps[0][layer].length, maps[0][layer][0].length];
  const channelName = (layer, channel) => (layer === 4 ? "logit" : names[channel]);
  const letter = (number) => "abcdefghijklmnopqrstuvwxyz"[number];
  const color = (number, layer) => `hsl(${Math.round((360 * number) / stored[layer - 1])} 75% ${number % 2 ? 70 : 84}%)`;
  const minus = (number) => String(number).replace("-", "\u2212");

  // The same neuron on the other strand: channels and positions reversed.
  function partner({ layer, channel, position }) {
    const [n, length] = sizes(layer);
    return { layer, channel: n - 1 - channel, position: length - 1 - position };
  }

  function box(cell) {
    const rect = cell.querySelector("rect");
    return ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
  }

  function light(strand, { layer, channel, position }) {
    for (const cell of Object.values(cells[strand])) {
      cell.classList.remove("chosen", "read");
      cell.querySelector("rect").style.fill = "";
      cell.querySelector(".weight").textContent = "";
    }
    const chosen = cells[strand][`${layer} ${channel} ${position}`];
    chosen.classList.add("chosen");
    let [left, right, low] = [Infinity, -Infinity, 0];
    for (const [from, at, , number] of inputs[layer - 1][channel][position]) {
      const cell = cells[strand][`${layer - 1} ${from} ${at}`];
      cell.classList.add("read");
      cell.querySelector("rect").style.fill = color(number, layer);
      cell.querySelector(".weight").textContent = letter(number);
      const [x, y, width, height] = box(cell);
      [left, right, low] = [Math.min(left, x), Math.max(right, x + width), Math.max(low, y + height)];
    }
    // From the window that the neuron reads down to the neuron; the last layer stands beside the one before it.
    const [x, y, width, height] = box(chosen);
    const top = low - 4 * height;
    panels[strand].querySelector(".window").setAttribute("d", layer === 4
      ? `M${right} ${top}L${x} ${y}V${y + height}L${right} ${low}Z`
      : `M${left} ${low}L${x} ${y}H${x + width}L${right} ${low}Z`);
  }

  function weights(strand, { layer, channel, position }) {
    const rows = new Map();
    for (const [from, , weight, number] of inputs[layer - 1][channel][position]) {
      if (!rows.has(from)) rows.set(from, "");
      rows.set(from, rows.get(from)
        + `<td style="background:${color(number, layer)}"><i>${letter(number)}</i> ${minus(weight)}</td>`);
    }
    const rowName = (from) => (layer === 1 ? "ACGT"[from] : names[from]);
    panels[strand].querySelector(".two-strands-weights").innerHTML =
      `<table><caption>weights of ${layers[layer]}, ${layer === 4 ? "" : "channel "}${channelName(layer, channel)}</caption>`
      + [...rows].map(([from, row]) => `<tr><th scope="row">${rowName(from)}</th>${row}</tr>`).join("") + "</table>";
  }

  function sum(strand, { layer, channel, position }) {
    const terms = inputs[layer - 1][channel][position]
      .map(([from, at, weight, number]) => [number, weight, maps[strand][layer - 1][from][at]])
      .filter(([, , input]) => input !== 0);
    const total = terms.reduce((before, [, weight, input]) => before + weight * input, 0);
    const written = terms.map(([number, weight, input]) => `<i>${letter(number)}</i>: ${minus(weight)} \u00d7 ${minus(input)}`);
    const relu = layer < 3 ? `, after the ReLU ${maps[strand][layer][channel][position]}` : "";
    return `${written.join(" + ") || "nothing but zeros"} = ${minus(total)}${relu}`;
  }

  function show() {
    const other = partner(here);
    [here, other].forEach((neuron, strand) => { light(strand, neuron); weights(strand, neuron); });
    for (const radio of radios) radio.checked = Number(radio.value) === here.layer;
    const [n, length] = sizes(here.layer);
    channels.innerHTML = [...Array(n).keys()]
      .map((channel) => `<option value="${channel}">${channelName(here.layer, channel)}</option>`).join("");
    channels.value = here.channel;
    channels.disabled = n === 1;
    Object.assign(slider, { max: length - 1, disabled: length === 1 });
    slider.value = here.position;
    slider.nextElementSibling.textContent = here.position;
    for (const [strand, chosen] of [here, other].entries())
      for (const cell of Object.values(cells[strand]))
        cell.tabIndex = strand === 0 && cell.dataset.at === `${chosen.layer} ${chosen.channel} ${chosen.position}` ? 0 : -1;
    const place = (neuron) => neuron.layer === 4 ? "the logit"
      : `channel ${channelName(neuron.layer, neuron.channel)}` + (neuron.layer < 3 ? `, position ${neuron.position}` : "");
    figure.querySelector(".two-strands-said").innerHTML =
      `<p>Forward strand, ${layers[here.layer]}, ${place(here)}: ${sum(0, here)}.</p>`
      + `<p>Reverse complement, ${layers[here.layer]}, ${place(other)}: ${sum(1, other)}.</p>`;
  }

  function choose(change) {
    Object.assign(here, change);
    const [n, length] = sizes(here.layer);
    here.channel = Math.min(Math.max(here.channel, 0), n - 1);
    here.position = Math.min(Math.max(here.position, 0), length - 1);
    show();
  }

  panels.forEach((panel, strand) => {
    const pointed = (event) => {
      const [layer, channel, position] = (event.target.closest(".neuron")?.dataset.at ?? "0").split(" ").map(Number);
      if (layer > 0) choose(strand === 0 ? { layer, channel, position } : partner({ layer, channel, position }));
    };
    panel.addEventListener("pointerover", pointed);
    panel.addEventListener("click", pointed);
  });
  panels[0].addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    choose({ channel: here.channel + step[0], position: here.position + step[1] });
    cells[0][`${here.layer} ${here.channel} ${here.position}`].focus();
  });
  for (const radio of radios) radio.addEventListener("change", () => choose({ layer: Number(radio.value) }));
  channels.addEventListener("change", () => choose({ channel: Number(channels.value) }));
  slider.addEventListener("input", () => choose({ position: Number(slider.value) }));
  controls.hidden = false;
  show();
}
