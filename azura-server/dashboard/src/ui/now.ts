import { useSyncExternalStore } from "react";
import { store } from "../api/live";

const STEP = 10_000;
const now = store(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), STEP);

/** The time, to ten seconds: one clock for all that says how long ago something was. */
export const useNow = () => useSyncExternalStore(now.watch, now.get);
