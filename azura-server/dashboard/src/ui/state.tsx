// How a run stands, in a word and a shape, so that colour is never the only sign.

import { useText } from "../text";

const SHAPES: Record<string, string> = {
  PENDING: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.2l2 1.3",
  STARTED: "M8 2.5A5.5 5.5 0 1 1 2.5 8",
  SUCCESS: "m3 8.5 3.2 3L13 4.5",
  FAILURE: "m4 4 8 8M12 4l-8 8",
  REVOKED: "M4 4h8v8H4z",
};

export function State({ status }: { status: string }) {
  const { t } = useText();
  return (
    <span className={`state ${status.toLowerCase()}`}>
      <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" fill="none">
        <path d={SHAPES[status] ?? SHAPES.PENDING} />
      </svg>
      {t.state[status as keyof typeof t.state] ?? status}
    </span>
  );
}
