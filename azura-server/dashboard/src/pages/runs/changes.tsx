// What a run's config says otherwise than the defaults, as far as there is room.

import type { Run } from "../../api/types";
import { useText } from "../../text";
import { changes } from "./words";

interface Props {
  run: Run;
  /** What differs within its batch, a path a line. */
  varied?: string;
  most: number;
  /** A path that is told elsewhere. */
  but?: string;
}

export function Changes({ run, varied, most, but }: Props) {
  const { t, decimal } = useText();
  const all = changes(run, varied, t.byDefault, decimal).filter(({ path }) => path !== but);
  return (
    <>
      {all.slice(0, most).map(({ path, name, value }) => (
        <span key={path} className="chip" title={`${path} = ${value}`}>
          <span>{name}</span> <b>{value}</b>
        </span>
      ))}
      {all.length > most && <span className="small faint" title={all.map(({ path, value }) => `${path} = ${value}`).join("\n")}>+{all.length - most}</span>}
    </>
  );
}
