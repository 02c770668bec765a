// The language of the pages, and how numbers and times are said in it.

import { useSyncExternalStore } from "react";
import { store } from "../api/live";
import { en } from "./en";
import { formats } from "./formats";

export type Language = "en" | "tr";
const KEY = "azura.language";

const known = (tag: string | null | undefined): Language | undefined => (tag?.startsWith("tr") ? "tr" : tag?.startsWith("en") ? "en" : undefined);
const language = store<Language>("en");
let turkish: typeof import("./turkish") | undefined;

async function use(chosen: Language) {
  if (chosen === "tr") turkish ??= await import("./turkish");
  document.documentElement.lang = chosen;
  language.set(chosen);
}

/** To be awaited before anything is shown. Without its words, a language is not spoken. */
export const begin = () => use(known(localStorage.getItem(KEY)) ?? navigator.languages.map(known).find(Boolean) ?? "en").catch(() => {});

/** Words that cannot be had now, as from a server that is away, are there when the page is loaded anew. */
export function speak(chosen: Language) {
  localStorage.setItem(KEY, chosen);
  return use(chosen).catch(() => {});
}

const same = (text: string) => text;

/** The texts of the language, and its formats. */
export function useText() {
  const chosen = useSyncExternalStore(language.watch, language.get);
  const words = chosen === "tr" ? turkish : undefined;
  const told = words?.told ?? same;
  return {
    language: chosen,
    t: words?.tr ?? en,
    ...formats(chosen),
    /** Between whole and fraction of a value that can be typed. */
    decimal: words ? "," : ".",
    /** What the server says went wrong, in the language as far as it is known there. */
    told,
    /** What reports say; nothing where they are shown as they are. */
    reported: words?.reported,
    /** What pipelines say of themselves. */
    said: (text: string) => told(text).replaceAll("`", ""),
  };
}
export type Text = ReturnType<typeof useText>;
