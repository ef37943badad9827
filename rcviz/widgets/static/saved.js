// An explorer on a page without a kernel: its traits are in the page.

/** Stand in for the model of a widget. */
function savedModel(traits) {
  const listeners = new Map();
  return {
    get: (name) => traits[name],
    set(name, value) {
      traits[name] = value;
      for (const listener of listeners.get(`change:${name}`) ?? []) listener();
    },
    save_changes() {},
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener]);
    },
    off() {},
  };
}

/** Draw a widget into an element from the JSON in another. */
export function showSaved(widget, el, data) {
  widget.render({ model: savedModel(JSON.parse(data.textContent)), el });
}
