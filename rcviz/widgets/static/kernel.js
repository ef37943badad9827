// Whether there is still a kernel behind a widget.

/** Call `onChange` with whether the kernel is gone, whenever that changes; returns how to end that. */
export function watchKernel(model, id, onChange) {
  const manager = model.widget_manager;
  let real = null;
  let last = false;
  function look() {
    // A restarted kernel does not know the widget; of one that ended, only JupyterLab's manager tells.
    let gone = real?.comm_live === false;
    if (manager && "kernel" in manager) {
      const kernel = manager.kernel;
      gone ||= !kernel || kernel.isDisposed || kernel.status === "dead" || kernel.connectionStatus === "disconnected";
    }
    if (gone !== last) onChange(gone);
    last = gone;
  }
  Promise.resolve(manager?.get_model?.(id))
    .then((found) => {
      real = found ?? null;
      look();
    })
    .catch(() => {}); // a front end without such a manager
  const timer = setInterval(look, 1000); // not every front end has signals
  const { disposed, statusChanged, connectionStatusChanged } = manager?.kernel ?? {};
  const signals = [disposed, statusChanged, connectionStatusChanged].filter((signal) => signal?.connect);
  for (const signal of signals) signal.connect(look);
  return () => {
    clearInterval(timer);
    for (const signal of signals) signal.disconnect(look);
  };
}
