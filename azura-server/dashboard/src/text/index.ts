// The language of the pages, and how numbers and times are said in it.

import { useSyncExternalStore } from "react";
import { store } from "../api/live";
import { en } from "./en";
import { formats } from "./formats";
import { tr } from "./tr";
import { turkish } from "./schema-tr";

export type Language = "en" | "tr";
const KEY = "azura.language";
const TEXTS = { en, tr };

const known = (tag: string | null | undefined): Language | undefined => (tag?.startsWith("tr") ? "tr" : tag?.startsWith("en") ? "en" : undefined);
const language = store<Language>(known(localStorage.getItem(KEY)) ?? navigator.languages.map(known).find(Boolean) ?? "en");
document.documentElement.lang = language.get();

export function speak(chosen: Language) {
  localStorage.setItem(KEY, chosen);
  document.documentElement.lang = chosen;
  language.set(chosen);
}

/** The texts of the language, and its formats. */
export function useText() {
  const chosen = useSyncExternalStore(language.watch, language.get);
  return {
    language: chosen,
    t: TEXTS[chosen],
    ...formats(chosen),
    /** What pipelines say of themselves, in the language if it is known there. */
    said: (text: string) => ((chosen === "tr" && turkish[text]) || text).replaceAll("`", ""),
  };
}
export type Text = ReturnType<typeof useText>;
