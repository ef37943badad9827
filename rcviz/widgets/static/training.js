// The training monitor, and learning curves alone.
import { h } from "./dom.js";
import { mountExplorer, storeOf } from "./explorer.js";
import { count, plural } from "./text.js";
import { trainingChart } from "./training_chart.js";
import { isActive, trainingControls } from "./training_controls.js";
import { runsOf } from "./training_data.js";
import { trainingRuns } from "./training_runs.js";

const HELP_OF_MONITOR = [
  [
    "Start",
    "trains the model in place, in the background; what it begins with is said below the bar. Pause and Stop take effect before the next batch.",
  ],
  ["The best epoch", "is that of the monitored metric on the validation set; at the end the model has its weights."],
];
const HELP_OF_CURVES = [
  ["Curves", "are solid for the validation set and dotted for the samples of the training steps."],
  ["Drag", "across some epochs to see them larger; a double click shows all again."],
  ["The table", "has each run's best epoch, and its values at the epoch that you point at."],
];
const KEYS_OF_MONITOR = [["Space", "start, pause, resume"]];
const KEYS_OF_CURVES = [
  ["\u2190 \u2192", "epoch"],
  ["M", "metric"],
  ["?", "help"],
  ["S", "save", true],
  ["+ \u2212 0", "zoom, all epochs"],
  ["Home End", "first, last epoch"],
  ["Page \u2191 \u2193", "ten epochs"],
];

let monitors = 0; // ids are unique on a page with several monitors, or with one shown twice

function summaryOf(store, runs) {
  const about = store.get("_about");
  if (!about.controls) return runs.length ? plural(runs.length, "run") : "";
  const parts = [store.get("_status").training?.name];
  parts.push(`${count(about.n_train)} training and ${count(about.n_valid)} validation sequences`);
  if (about.tasks?.length === 1) parts.push(about.tasks[0]);
  else if (about.tasks?.length) parts.push(plural(about.tasks.length, "task"));
  return parts.filter(Boolean).join(" \u00b7 ");
}

/** The latest epoch of each run, as text. */
export function latestText(runs) {
  return runs
    .map((run) => `${run.name}: ${run.n ? `epoch ${count(run.n)}, best ${count(run.best)}` : "no epoch yet"}`)
    .join(" \u00b7 ");
}

function emptyText(store, runs) {
  if (!runs.some((run) => run.n)) {
    if (!store.get("_about").controls) return runs.length ? "The first epoch is not complete yet." : "No epoch yet.";
    return isActive(store.get("_status").training?.status)
      ? "The first epoch is not complete yet."
      : store.live
        ? "No epoch yet. Press Start."
        : "No epoch was trained.";
  }
  if (!runs.some((run) => run.shown && run.n)) return "All runs are hidden. Tick one below.";
  return "The runs that are shown do not have this metric.";
}

function renderTraining({ model, el }) {
  const store = storeOf(model);
  const withControls = Boolean(store.get("_about").controls);
  monitors += 1;
  const id = `rcviz-settings-${store.get("_about").model_id ?? "saved"}-${monitors}`;
  const controls = withControls ? trainingControls(store, id) : null;
  const table = trainingRuns(
    (number, is) => {
      const others = (store.state().hidden ?? []).filter((other) => other !== number);
      store.set({ hidden: is ? others : [...others, number].sort((one, other) => one - other) });
    },
    (number) => chart.light(number),
  );
  const chart = trainingChart((epoch) => table.mark(epoch));
  const saved = !store.live;
  const body = h("div", { class: "rcviz-training" }, controls?.element, chart.element, table.element);

  const metricOf = () => {
    const metrics = store.get("_about").metrics ?? [];
    return metrics.find(([name]) => name === store.state().metric) ?? null;
  };

  function describe() {
    const runs = runsOf(store);
    return {
      title: "Training",
      summary: summaryOf(store, runs),
      controls: [["Curve", "metric", (store.get("_about").metrics ?? []).map(([name, label]) => [name, label])]],
      footer: withControls ? "" : latestText(runs),
    };
  }

  let drawn = []; // what chart and table were drawn from: progress comes several times per second
  function draw(root) {
    const total = root.clientWidth || 900;
    const planned = store.get("_status").training;
    controls?.draw();
    const present = [store.get("_runs"), store.get("_about"), store.state(), total, planned?.status, store.live];
    if (present.every((part, place) => part === drawn[place])) return;
    drawn = present;
    const runs = runsOf(store);
    chart.draw({
      all: runs,
      metric: metricOf(),
      width: Math.max(240, total - 28),
      height: total > 760 ? 280 : total > 460 ? 250 : 220,
      end: planned && (isActive(planned.status) ? planned.n_epochs : Math.max(...runs.map((run) => run.n), 1)),
      empty: emptyText(store, runs),
    });
    table.draw({ runs, metric: metricOf(), epoch: chart.epoch() });
  }

  function onKey(event, typing) {
    if (typing) return false;
    if (event.key === " " && !event.target.closest("button, input, select, a")) {
      controls?.press();
      return Boolean(controls);
    }
    if (/^m$/i.test(event.key)) {
      const names = (store.get("_about").metrics ?? []).map(([name]) => name);
      store.set({ metric: names[(names.indexOf(store.state().metric) + 1) % names.length] });
      return names.length > 1;
    }
    return chart.onKey(event.key);
  }

  const frame = mountExplorer(
    { model, el, store },
    {
      kind: "training",
      help: [...(withControls ? HELP_OF_MONITOR : []), ...HELP_OF_CURVES],
      keys: [...(withControls && !saved ? KEYS_OF_MONITOR : []), ...KEYS_OF_CURVES],
      describe,
      body,
      redrawOn: ["_state", "_about", "_runs", "_status"],
      draw,
      onKey,
      again: null,
      ownProgress: true,
    },
  );
  frame.listen("change:_runs", frame.redrawFrame);
  return () => {
    controls?.end();
    frame.end();
  };
}

const widget = { render: renderTraining };
export default widget;
