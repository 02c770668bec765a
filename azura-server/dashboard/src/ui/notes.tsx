// What stands where there is nothing to show yet, nothing at all, or an error.

import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { useText, type Text } from "../text";
import { Icon } from "./icon";

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <section className="card empty">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useText();
  return (
    <section className="card failed" role="alert">
      <h2>
        <Icon name="warn" /> {t.wrong}
      </h2>
      <p>{useReason(error)}</p>
      {retry && <button onClick={retry}>{t.again}</button>}
    </section>
  );
}

/** An error in words. */
export function useReason(error: unknown) {
  return reason(error, useText());
}

export function reason(error: unknown, { t, told }: Pick<Text, "t" | "told">) {
  if (error instanceof ApiError && error.away) return t.away;
  const problems = error instanceof ApiError ? error.problems : [];
  if (problems.length) return problems.map(({ pointer, message }) => `${pointer.slice(1).replaceAll("/", ".")}: ${told(message)}`).join("\n");
  return error instanceof Error ? told(error.message) : String(error);
}

/** Grey lines in the place of what is on its way. */
export function Loading({ lines = 5 }: { lines?: number }) {
  const { t } = useText();
  return (
    <div className="loading" role="status">
      <span className="unseen">{t.loading}</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="bone" />
      ))}
    </div>
  );
}
