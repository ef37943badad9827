// Light or dark, as the page around an explorer is.

function luminance(color) {
  const numbers = color.match(/[\d.]+/g)?.map(Number);
  if (!numbers || numbers.length < 3 || numbers[3] === 0) return null;
  return (0.299 * numbers[0] + 0.587 * numbers[1] + 0.114 * numbers[2]) / 255;
}

/** Whether the nearest background behind an element is dark; without one, what the system prefers. */
export function isDark(element) {
  for (let at = element.parentElement; at; at = at.parentElement) {
    const light = luminance(getComputedStyle(at).backgroundColor);
    if (light !== null) return light < 0.5;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep `data-theme` of an element up to date, and call `changed` after each change; returns how to end that. */
export function followTheme(element, changed) {
  const update = () => {
    const theme = isDark(element) ? "dark" : "light";
    if (element.dataset.theme === theme) return;
    element.dataset.theme = theme;
    changed();
  };
  const later = () => setTimeout(update, 60); // style sheets of a new theme arrive after the attribute
  const observer = new MutationObserver(later);
  for (const part of [document.documentElement, document.body]) observer.observe(part, { attributes: true });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", update);
  requestAnimationFrame(update);
  update();
  return () => {
    observer.disconnect();
    system.removeEventListener("change", update);
  };
}
