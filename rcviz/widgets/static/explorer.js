// The frame that all explorers share: title, controls, progress, messages, help, saving.
import { choice, h, refill } from "./dom.js";
import { watchKernel } from "./kernel.js";
import { followTheme } from "./theme.js";

const NO_KERNEL = "The kernel is gone. What has been computed stays usable; run the cell again for the rest.";
const STALE = "The model has changed since.";

/** State of the page: the widget's traits, and how to set them. */
export function storeOf(model) {
  return {
    get: (name) => model.get(name) ?? {},
    state: () => model.get("_state") ?? {},
    set(changes) {
      this.answered = this.get("_status"); // what it says about an earlier choice
      this.chosen?.();
      model.set("_state", { ...model.get("_state"), ...changes });
      if (this.live) model.save_changes();
    },
    /** Whether there is a kernel to talk to. */
    live: Boolean(model.send),
    send(content) {
      if (this.live) model.send(content);
    },
  };
}

/** The ending of a file name, the longest of those that there are, such as `.gap.csv` before `.csv`. */
export function endingOf(name, kinds) {
  const found = kinds.map(([ending]) => ending).filter((ending) => name.endsWith(ending));
  return found.sort((one, other) => other.length - one.length)[0];
}

/** Which choices need a kernel, as a sentence; empty if none does. */
export function withoutKernel(controls) {
  const names = controls.filter(([, , options, needsKernel]) => needsKernel && options.length > 1);
  if (!names.length) return "";
  return `Fixed without a kernel: ${names.map(([label]) => label.toLowerCase()).join(", ")}`;
}

/**
 * Build the frame in `el`. `describe` gives title, summary, controls and footer of the present state; a control is a
 * label, a name in the state, the options, and whether another one needs a kernel. `draw` redraws `body`, also after
 * changes of the theme and of the traits `redrawOn`. `help` and `keys` are texts; a key may need a kernel, too; `onKey`
 * handles keys. `again` is the button after an error, and `ownProgress` says that the body has progress and Stop itself.
 */
export function mountExplorer(
  { model, el, store },
  { kind, help, keys: allKeys, describe, body, redrawOn, draw, onKey, again = "Compute again", ownProgress = false },
) {
  const keys = allKeys.filter(([, , needsKernel]) => !needsKernel || store.live);
  const ends = [];
  let gone = false;
  let asked = 0;
  let saveMessage = null;
  const drawn = {}; // what header and notice show: an open list of choices would close if it were made again

  const header = h("header", { class: "rcviz-top" });
  const notice = h("div", { class: "rcviz-notice", hidden: true });
  const line = h("div", { class: "rcviz-line" });
  const footer = h("footer", { class: "rcviz-foot" });
  const layer = h("div", { class: "rcviz-layer", hidden: true });
  const root = h(
    "div",
    { class: "rcviz-explorer", "data-kind": kind, tabindex: -1 },
    line,
    header,
    notice,
    body,
    footer,
    layer,
  );
  el.append(root);

  function stateOf(status) {
    if (gone) return "disconnected";
    return status.state ?? "computing";
  }

  function drawNotice(status) {
    const state = stateOf(status);
    const refresh = (text) =>
      store.live && h("button", { "data-key": "refresh", onclick: () => store.send({ kind: "refresh" }) }, text);
    let content = null;
    let alert = false;
    if (state === "disconnected") content = [h("span", null, NO_KERNEL)];
    else if (state === "stale") content = [h("span", null, STALE), refresh("Refresh")];
    else if (state === "error") content = [h("span", null, status.message), again && refresh(again)];
    else if (state === "ready" && status.message && status !== store.answered)
      content = [h("span", null, status.message)];
    alert = state === "error" || (state === "ready" && Boolean(content));
    const present = JSON.stringify([state, content && status.message, store.live]);
    if (present === drawn.notice) return;
    drawn.notice = present;
    notice.hidden = !content;
    notice.className = `rcviz-notice${alert ? " rcviz-alert" : ""}`;
    if (alert) notice.setAttribute("role", "alert");
    else notice.setAttribute("role", "status");
    refill(notice, ...(content ?? []));
  }

  const said = h("span", { class: "rcviz-said", role: "status" });
  const bar = h("progress", { max: 1, "aria-label": "Progress of the analysis" });
  const stop = h("button", { class: "rcviz-small", onclick: () => store.send({ kind: "stop" }) }, "Stop");
  const shortcuts = keys.slice(0, 5).map(([key, what]) => h("span", null, h("kbd", null, key), what));
  footer.append(said, bar, stop, h("span", { class: "rcviz-keys" }, shortcuts));

  /** The elements stay: a click that begins on one of them has to end on it. */
  function drawFooter(status) {
    const computing = stateOf(status) === "computing" && !ownProgress;
    const text = saveMessage ?? (computing ? `${status.message ?? ""}\u2026` : describe(store).footer);
    if (said.textContent !== text) said.textContent = text;
    bar.value = status.progress ?? 0;
    bar.hidden = !computing;
    stop.hidden = !computing || !store.live;
    footer.classList.toggle("rcviz-quiet", !text && !computing);
  }

  function drawHeader() {
    const { title, summary, controls } = describe(store);
    const chosen = controls.map(([, name]) => store.state()[name]);
    const present = JSON.stringify([title, summary, controls, chosen, store.live]);
    if (present === drawn.header) return;
    drawn.header = present;
    const fixed = store.live ? "" : withoutKernel(controls);
    refill(
      header,
      h("h3", null, title, h("small", null, summary)),
      h(
        "div",
        { class: "rcviz-controls" },
        controls.map(([label, name, options, needsKernel]) =>
          choice(
            label,
            options,
            store.state()[name],
            (value) => {
              drawn.header = null; // it may be refused, and is then drawn as it was
              store.set({ [name]: typeof options[0][0] === "number" ? Number(value) : value });
            },
            needsKernel && !store.live,
          ),
        ),
        fixed && h("small", { class: "rcviz-muted" }, fixed),
        store.live && h("button", { "data-key": "save", "aria-haspopup": "dialog", onclick: openSave }, "Save\u2026"),
        h("button", { "data-key": "help", class: "rcviz-icon", "aria-label": "Help", onclick: openHelp }, "?"),
      ),
    );
  }

  function closeLayer() {
    layer.hidden = true;
    layer.replaceChildren();
    root.focus({ preventScroll: true });
  }

  function openLayer(label, ...content) {
    layer.hidden = false;
    layer.replaceChildren(
      h(
        "div",
        { class: "rcviz-dialog", role: "dialog", "aria-modal": "true", "aria-label": label, tabindex: -1 },
        h(
          "h4",
          null,
          label,
          h("button", { class: "rcviz-icon", "aria-label": "Close", onclick: closeLayer }, "\u00d7"),
        ),
        content,
      ),
    );
    layer.firstChild.focus();
  }

  function openHelp() {
    openLayer(
      "What you see",
      help.map(([term, text]) => h("p", null, h("b", null, term), ` ${text}`)),
      h(
        "table",
        null,
        keys.map(([key, what]) => h("tr", null, h("td", null, h("kbd", null, key)), h("td", null, what))),
      ),
    );
  }

  function openSave() {
    const kinds = store.get("_about").kinds ?? [];
    const name = h("input", { type: "text", "aria-label": "File name", value: `${kind}${kinds[0]?.[0] ?? ""}` });
    const list = h(
      "div",
      { class: "rcviz-kinds", role: "group", "aria-label": "What to save" },
      kinds.map(([ending, text]) =>
        h(
          "button",
          { type: "button", "data-ending": ending, onclick: () => pick(ending) },
          h("b", null, ending),
          ` ${text}`,
        ),
      ),
    );
    function pick(ending) {
      const before = endingOf(name.value, kinds) ?? name.value.match(/(\.[a-z]+)?$/)[0];
      name.value = name.value.slice(0, name.value.length - before.length) + ending;
      mark();
      name.focus();
    }
    function mark() {
      const ending = endingOf(name.value, kinds);
      for (const button of list.children) button.setAttribute("aria-pressed", button.dataset.ending === ending);
    }
    name.addEventListener("input", mark);
    const form = h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          saveMessage = `Saving ${name.value}\u2026`;
          store.send({ kind: "save", path: name.value });
          closeLayer();
          drawFooter(store.get("_status"));
        },
      },
      list,
      h("div", { class: "rcviz-path" }, name, h("button", { type: "submit" }, "Save")),
    );
    openLayer("Save", form);
    mark();
    name.focus();
    name.setSelectionRange(0, name.value.indexOf("."));
  }

  function onMessage(content) {
    if (content?.kind !== "saved") return;
    saveMessage = content.error ? `Not saved: ${content.error}` : `Saved ${content.path}`;
    footer.classList.toggle("rcviz-alert", Boolean(content.error));
    drawFooter(store.get("_status"));
  }

  function drawFrame() {
    const status = store.get("_status");
    // What is missing is drawn as coming or as not computed.
    if (root.dataset.state !== stateOf(status)) wanted.body = true;
    root.dataset.state = stateOf(status);
    root.dataset.progress = (status.progress ?? (status.state === "ready" ? 1 : 0)).toFixed(2);
    line.style.setProperty("--done", status.progress ?? 0);
    drawHeader();
    drawNotice(status);
    drawFooter(status);
  }

  const wanted = { frame: false, body: false };
  let frame = 0;
  function flush() {
    frame = 0;
    if (wanted.frame) drawFrame();
    if (wanted.body) draw(root);
    wanted.frame = wanted.body = false;
  }
  function later(part) {
    wanted[part] = true;
    if (!frame) frame = requestAnimationFrame(flush);
  }
  const listen = (event, listener) => {
    model.on(event, listener);
    ends.push(() => model.off(event, listener));
  };
  store.chosen = () => later("frame");
  for (const name of ["_status", "_about", "_state"]) listen(`change:${name}`, () => later("frame"));
  for (const name of redrawOn) listen(`change:${name}`, () => later("body"));
  listen("msg:custom", onMessage);

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!layer.hidden) {
      event.stopPropagation();
      if (event.key === "Escape") closeLayer();
      return;
    }
    const typing = event.target.closest("input, select, textarea");
    const own = { "?": openHelp, s: store.live && openSave }[typing ? "" : event.key.toLowerCase()];
    own?.();
    const used = Boolean(own) || onKey(event, Boolean(typing));
    if (used) event.preventDefault();
    if (used || typing) event.stopPropagation();
  });
  layer.addEventListener("click", (event) => event.target === layer && closeLayer());
  // Front ends built on Lumino leave keys to elements with this attribute.
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));

  // Whether the model has changed is asked when somebody looks, not all the time.
  function check() {
    if (!store.live || Date.now() - asked < 1000) return;
    asked = Date.now();
    store.send({ kind: "check" });
  }
  root.addEventListener("pointerenter", check);
  root.addEventListener("focusin", check);

  ends.push(followTheme(root, () => later("body")));
  if (store.live) {
    ends.push(
      watchKernel(model, store.get("_about").model_id, (is) => {
        gone = is;
        store.live = !is;
        later("frame");
      }),
    );
  }
  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (root.clientWidth !== width) later("body");
    width = root.clientWidth;
  });
  sizes.observe(root);
  ends.push(
    () => sizes.disconnect(),
    () => cancelAnimationFrame(frame),
  );

  drawFrame();
  draw(root);
  return {
    redraw: () => later("body"),
    redrawFrame: () => later("frame"),
    listen,
    end() {
      for (const end of ends) end();
      root.remove();
    },
  };
}
