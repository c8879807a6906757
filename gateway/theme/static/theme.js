// Light or dark: the system's, until somebody chooses. Loaded before the first paint, so that a choice does not flash.
(() => {
  const KEY = "reprise-theme";
  const root = document.documentElement;
  const storage = (action) => {
    try {
      return action(localStorage);
    } catch {
      return null; // storage can be switched off; then the choice lasts as long as the page
    }
  };
  const chosen = storage((kept) => kept.getItem(KEY));
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
      root.dataset.theme = now === "dark" ? "light" : "dark";
      storage((kept) => kept.setItem(KEY, root.dataset.theme));
    });
  });
})();
