/** Light, dark, or as the system has it. */
import { useSyncExternalStore } from "react";

export type Theme = "auto" | "light" | "dark";

const KEY = "cloche.theme";
const listeners = new Set<() => void>();
let theme: Theme = kept();

function kept(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "auto";
}

/** Puts the theme on the document; called before anything is drawn. */
export function applyTheme(): void {
  if (theme === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function setTheme(next: Theme): void {
  theme = next;
  if (next === "auto") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  applyTheme();
  for (const each of listeners) each();
}

export function subscribeToTheme(listener: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  listeners.add(listener);
  system.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    system.removeEventListener("change", listener);
  };
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribeToTheme, () => theme);
}
