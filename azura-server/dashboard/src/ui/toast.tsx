// Short words at the page's foot: what was done, what went wrong.

import { useSyncExternalStore } from "react";
import { store } from "../api/live";
import { useText } from "../text";
import { Icon } from "./icon";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const toasts = store<Toast[]>([]);
let next = 0;
const STAYS = 6000;

const drop = (id: number) => toasts.set(toasts.get().filter(toast => toast.id !== id));

export function say(text: string, bad = false) {
  const id = next++;
  toasts.set([...toasts.get().slice(-2), { id, text, bad }]);
  // Errors stay until they are put away, or what they are about.
  if (!bad) setTimeout(drop, STAYS, id);
}

/** Another page, or a line that is back: what was said is over. */
export const hush = () => toasts.set([]);

export function Toasts() {
  const { t } = useText();
  const shown = useSyncExternalStore(toasts.watch, toasts.get);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, bad }) => (
        <div key={id} className={bad ? "toast bad" : "toast"}>
          <span>{text}</span>
          <button className="plain" aria-label={t.close} onClick={() => drop(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
