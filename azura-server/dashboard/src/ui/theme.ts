// Light or dark: as the system has it, unless one was chosen.

import { useSyncExternalStore } from "react";
import { store } from "../api/live";

export type Theme = "light" | "dark";
const KEY = "azura.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const current = (): Theme => (document.documentElement.dataset.theme as Theme | undefined) ?? (system.matches ? "dark" : "light");
const theme = store(current());
system.addEventListener("change", () => theme.set(current()));

export const useTheme = () => useSyncExternalStore(theme.watch, theme.get);

export function choose(chosen: Theme) {
  localStorage.setItem(KEY, chosen);
  document.documentElement.dataset.theme = chosen;
  theme.set(chosen);
}
