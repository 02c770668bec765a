import type { Json } from "../../api/types";
import type { Field } from "./schema";

/** So many are shown; whoever looks for another types its beginning. */
const MOST = 12;

/** What there is to choose from, as the data have it: one of them, or, of a list, any. */
export function Offered({ field, value, set, labelled }: { field: Field; value: Json | undefined; set: (value: Json) => void; labelled: string }) {
  const list = field.kind === "list";
  const chosen = (list && Array.isArray(value) ? value : [value]).map(String);
  function choose(one: string) {
    if (!list) return set(chosen.includes(one) && field.nullable ? null : one);
    const others = Array.isArray(value) ? value.filter(item => item !== one) : [];
    const all = Array.isArray(value) && others.length < value.length ? others : [...others, one];
    set(all.length || !field.nullable ? all : null);
  }
  const { examples } = field;
  return (
    <div className="offered" role="group" aria-labelledby={labelled}>
      {examples.slice(0, MOST).map(one => (
        <button key={one} type="button" className="chip" aria-pressed={chosen.includes(one)} onClick={() => choose(one)}>
          {one}
        </button>
      ))}
      {examples.length > MOST && <span className="small faint">+{examples.length - MOST}</span>}
    </div>
  );
}
