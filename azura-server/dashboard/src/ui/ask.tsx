// A question before something that cannot be taken back, or not at once.

import { useEffect, useRef, useSyncExternalStore } from "react";
import { store } from "../api/live";
import { useText } from "../text";

interface Question {
  title: string;
  text: string;
  yes: string;
  no?: string;
  act: () => void;
}

const question = store<Question | null>(null);
export const ask = (asked: Question) => question.set(asked);

export function Ask() {
  const { t } = useText();
  const asked = useSyncExternalStore(question.watch, question.get);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  if (!asked) return null;
  return (
    <dialog ref={dialog} aria-labelledby="asked" onClose={() => question.set(null)}>
      <h2 id="asked">{asked.title}</h2>
      <p>{asked.text}</p>
      <form method="dialog" className="row end wrap">
        <button autoFocus>{asked.no ?? t.keep}</button>
        <button className="danger" onClick={asked.act}>
          {asked.yes}
        </button>
      </form>
    </dialog>
  );
}
