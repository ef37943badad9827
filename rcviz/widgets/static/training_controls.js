// Buttons, settings and progress of a training monitor.
import { h } from "./dom.js";
import { numberOf, progressText, settingsText } from "./training_data.js";

const FIELDS = [
  ["architecture", "Architecture", "RC or standard layers; a change builds a new model"],
  ["n_filters", "Filters", "of every convolution; a change builds a new model"],
  ["seed", "Seed", "of the starting weights and of the order of the samples"],
  ["learning_rate", "Learning rate", "of Adam"],
  ["augmentation", "Augmentation", "train on the reverse complement of every sequence as well"],
  ["epochs", "Epochs", "the largest number of epochs of the next run"],
];
const PATIENCE = 1000; // milliseconds until the page says that the kernel does not answer

export function isActive(status) {
  return status === "running" || status === "paused" || status === "stopping";
}

/** A field of the settings: a list of choices, or a number; it never changes while somebody types. */
function fieldOf([name, label, help], id, choices, store) {
  let typing = false;
  const control = choices
    ? h(
        "select",
        { id },
        choices.map(([value, text]) => h("option", { value }, text)),
      )
    : h("input", { id, type: "number", step: "any", inputmode: "decimal" });
  control.addEventListener("input", () => {
    typing = true;
  });
  control.addEventListener("change", () => {
    typing = false;
    store.set({ [name]: choices ? control.value : numberOf(control.value) });
  });
  control.addEventListener("blur", () => {
    typing = false;
  });
  return {
    element: h("div", { class: "rcviz-field" }, h("label", { for: id }, label), control, h("small", null, help)),
    draw(value, disabled) {
      control.disabled = disabled;
      const text = value === null || value === undefined ? "" : String(value);
      if (!typing && control.value !== text) control.value = text;
    },
  };
}

/** The controls; `id` is unique on the page. */
export function trainingControls(store, id) {
  let asked = null; // the button that the kernel has not answered yet
  let timer = 0;
  const primary = h(
    "button",
    { class: "rcviz-primary", "data-key": "primary", onclick: () => press(action()) },
    "Start",
  );
  const stop = h("button", { "data-key": "stop", onclick: () => press("stop") }, "Stop");
  const fold = h("button", {
    class: "rcviz-fold",
    "data-key": "fold",
    "aria-expanded": "false",
    "aria-controls": id,
    onclick: () => {
      const open = fold.getAttribute("aria-expanded") !== "true";
      fold.setAttribute("aria-expanded", String(open));
      grid.hidden = !open;
    },
  });
  const saved = !store.live;
  const summary = h("span");
  fold.append("Settings", summary);
  const grid = h("div", {
    class: "rcviz-settings",
    id,
    role: "group",
    "aria-label": "Settings of the next run",
    hidden: true,
  });
  const standing = h("p", { class: "rcviz-standing", role: "status", "aria-live": "polite" });
  const bar = h("progress", { max: 1, value: 0 });
  const line = h("span");
  const plan = h("span");
  const element = h(
    "section",
    { class: `rcviz-training-controls${saved ? "" : " rcviz-live"}` },
    saved ? h("p", { class: "rcviz-muted" }, summary) : h("div", { class: "rcviz-buttons" }, primary, stop, fold),
    grid,
    standing,
    bar,
    h("p", { class: "rcviz-plan" }, line, plan),
  );
  let fields = null;

  const training = () => store.get("_status").training ?? {};
  const action = () => ({ running: "pause", paused: "resume" })[training().status] ?? "start";

  function press(kind) {
    if (!store.live || asked) return;
    asked = { kind, answered: training().answered, late: false };
    store.send({ kind });
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (asked) asked.late = true;
      draw();
    }, PATIENCE);
    draw();
  }

  function write(part, text) {
    if (part.textContent !== text) part.textContent = text;
  }

  /** Parts between dots, as a line that breaks between them only. */
  function writeParts(line, text) {
    if (line.textContent === text) return;
    const parts = text.split(" \u00b7 ").map((part) => h("span", { class: "rcviz-unbroken" }, part));
    line.replaceChildren(...parts.flatMap((part, i) => (i ? [" \u00b7 ", part] : [part])));
  }

  function draw() {
    const about = store.get("_about");
    const state = store.state();
    const now = training();
    const active = isActive(now.status);
    const gone = !store.live;
    if (asked && now.answered !== asked.answered) asked = null;
    if (!fields) {
      const choices = { architecture: about.architectures, augmentation: about.augmentations };
      fields = FIELDS.filter(([name]) => state[name] !== null && state[name] !== undefined).map((field) => [
        field[0],
        fieldOf(field, `${id}-${field[0]}`, choices[field[0]], store),
      ]);
      grid.append(...fields.map(([, field]) => field.element));
      if (!about.architectures?.length) {
        grid.append(h("small", null, "Architecture and filters of this network cannot be changed."));
      }
    }
    element.dataset.status = now.status ?? "ready";
    write(primary, { pause: "Pause", resume: "Resume", start: "Start" }[action()]);
    primary.disabled = gone || now.status === "stopping" || Boolean(asked);
    stop.disabled = gone || (now.status !== "running" && now.status !== "paused") || asked?.kind === "stop";
    writeParts(summary, settingsText(state));
    for (const [name, field] of fields) field.draw(state[name], active || gone);
    write(standing, now.standing ?? "");
    const share = store.get("_status").progress ?? 0;
    if (bar.value !== share) bar.value = share;
    bar.setAttribute("aria-label", `Progress of ${now.run ?? now.name}`);
    const late = asked?.late;
    write(plan, late ? "Waiting for the kernel, which is busy." : gone ? "" : (now.plan ?? ""));
    if (now.epoch)
      writeParts(
        line,
        `${gone && active && !saved ? "Last seen: " : ""}${progressText(now, about.n_valid, active && !gone)}`,
      );
  }

  return {
    element,
    draw,
    /** Press the primary button. */
    press: () => !primary.disabled && press(action()),
    end: () => clearTimeout(timer),
  };
}
