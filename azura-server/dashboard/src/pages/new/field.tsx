import { useEffect, useId, useState } from "react";
import type { Config, Json } from "../../api/types";
import { useText } from "../../text";
import { Offered } from "./offered";
import { valueAt, type Field } from "./schema";
import { parse, show } from "./typed";

interface Props {
  field: Field;
  config: Config;
  set: (path: string[], value: Json | undefined) => void;
  /** What the server says of each path. */
  problems: ReadonlyMap<string, string>;
}

export function FieldRow({ field, config, set, problems }: Props) {
  const { t, said, told, decimal } = useText();
  const id = useId();
  const value = valueAt(config, field.path);
  const problem = problems.get(field.path.join("."));
  const changed = value !== undefined && JSON.stringify(value) !== JSON.stringify(field.default);
  const described = `${id}-help ${problem ? `${id}-problem` : ""}`;
  const several = Array.isArray(value) ? value.map(one => show(one, decimal)).join(" · ") : "";
  const control = { id, "aria-describedby": described, "aria-invalid": problem ? true : undefined } as const;

  return (
    <div className={changed ? "field changed" : "field"}>
      <label id={`${id}-label`} htmlFor={id}>{said(field.title)}</label>
      <div className="control">
        {field.kind === "choice" && !Array.isArray(value) ? (
          <select {...control} value={show(value)} onChange={event => set(field.path, event.target.value === "" ? null : event.target.value)}>
            {(field.nullable || value == null) && <option value="">{t.form.unset}</option>}
            {field.options.map(({ value, help }) => (
              <option key={value} value={value} title={said(help)}>
                {value}
              </option>
            ))}
          </select>
        ) : field.kind === "switch" ? (
          <input {...control} type="checkbox" role="switch" checked={value === true} onChange={event => set(field.path, event.target.checked)} />
        ) : field.kind === "record" ? (
          <input {...control} type="checkbox" role="switch" checked={value != null} onChange={event => set(field.path, event.target.checked ? fresh(field) : null)} />
        ) : (
          <Typed field={field} value={value} set={set} control={control} />
        )}
        {Array.isArray(value) && field.kind !== "list" && (
          <span className="chip grid" title={several}>
            {t.form.values(value.length)}
            <b>{several}</b>
          </span>
        )}
      </div>
      <p id={`${id}-help`} className="small faint help">
        {said(field.help)} <Range field={field} changed={changed || value === undefined} />
        {field.kind === "choice" && typeof value === "string" && <em> {said(field.options.find(option => option.value === value)?.help ?? "")}</em>}
      </p>
      {field.examples.length > 0 && <Offered field={field} value={value} set={value => set(field.path, value)} labelled={`${id}-label`} />}
      {problem && (
        <p id={`${id}-problem`} className="small problem">
          {told(problem)}
        </p>
      )}
      {field.kind === "record" && value != null && (
        <div className="inner">
          {field.fields.map(inner => (
            <FieldRow key={inner.path.join(".")} field={inner} config={config} set={set} problems={problems} />
          ))}
        </div>
      )}
    </div>
  );
}

const fresh = (field: Field): Config => Object.fromEntries(field.fields.map(inner => [inner.path.at(-1)!, inner.default]));

/** Keeps what is typed as it is typed: `0.` is on its way to `0.5`. */
function Typed({ field, value, set, control }: { field: Field; value: Json | undefined; set: Props["set"]; control: { id: string; "aria-describedby": string } }) {
  const { t, decimal } = useText();
  const list = useId();
  const shown = show(value, decimal);
  const [text, type] = useState(shown);
  useEffect(() => {
    type(text => (JSON.stringify(parse(text, field, decimal)) === JSON.stringify(value) ? text : shown));
  }, [value, field]);
  // In another language the same number is written in another way.
  useEffect(() => type(shown), [decimal]);
  const numeric = field.kind === "number" || field.kind === "integer";
  return (
    <>
      <input
        {...control}
        aria-describedby={`${control["aria-describedby"]} ${list}-read`}
        type="text"
        inputMode={field.kind === "integer" ? "numeric" : numeric ? "decimal" : undefined}
        autoComplete="off"
        spellCheck={false}
        list={field.examples.length ? list : undefined}
        placeholder={field.nullable ? t.form.unset : show(field.default, decimal)}
        value={text}
        onChange={event => {
          type(event.target.value);
          set(field.path, parse(event.target.value, field, decimal));
        }}
      />
      {typeof value === "number" && text.includes(",") && text !== shown && (
        <span id={`${list}-read`} className="chip grid">
          = <b>{shown}</b>
        </span>
      )}
      {field.examples.length > 0 && (
        <datalist id={list}>
          {field.examples.map(example => (
            <option key={example} value={example} />
          ))}
        </datalist>
      )}
    </>
  );
}

/** A limit so high that nobody needs to know it. */
const ENDLESS = 1e15;

/** What is allowed, as one reads it: `1 – 2048`. */
function Range({ field: { least, most, above, below, default: usual, kind }, changed }: { field: Field; changed: boolean }) {
  const { t, decimal } = useText();
  const [low, high] = [least !== undefined && `${above ? "> " : ""}${show(least, decimal)}`, most !== undefined && most < ENDLESS && `${below ? "< " : ""}${show(most, decimal)}`];
  const range = low && high ? `${low} – ${high}` : low ? `≥ ${low}`.replace("≥ >", ">") : high ? `≤ ${high}`.replace("≤ <", "<") : "";
  const text = [range, changed && usual !== null && kind !== "record" && kind !== "switch" && t.form.usually(show(usual, decimal))].filter(Boolean).join(" · ");
  return text ? <span className="range">{text}</span> : null;
}
