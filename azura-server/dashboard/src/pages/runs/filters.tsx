import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { pipelines } from "../../api/queries";
import { useText } from "../../text";
import { Icon } from "../../ui/icon";

const STATES = ["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"] as const;
const PAUSE = 250;

interface Props {
  params: URLSearchParams;
  set: (name: string, value: string | null) => void;
}

export function Filters({ params, set }: Props) {
  const { t, said } = useText();
  const { data } = useQuery(pipelines);
  const chosen = params.get("status")?.split(",") ?? [];
  return (
    <search className="filters">
      <Search value={params.get("q") ?? ""} set={value => set("q", value || null)} />
      <div className="row states" role="group" aria-label={t.status}>
        {STATES.map(state => (
          <button
            key={state}
            className="chip"
            aria-pressed={chosen.includes(state)}
            onClick={() => set("status", (chosen.includes(state) ? chosen.filter(other => other !== state) : [...chosen, state]).join(",") || null)}
          >
            {t.state[state]}
          </button>
        ))}
      </div>
      <select aria-label={t.pipeline} value={params.get("pipeline") ?? ""} onChange={event => set("pipeline", event.target.value || null)}>
        <option value="">{t.allPipelines}</option>
        {data?.map(({ id, name }) => (
          <option key={id} value={id}>
            {said(name)}
          </option>
        ))}
      </select>
      <label className="row small">
        <input type="checkbox" checked={params.get("group") === "batch"} onChange={event => set("group", event.target.checked ? "batch" : null)} /> {t.byBatch}
      </label>
      <label className="row small">
        <input type="checkbox" checked={params.get("archived") === "true"} onChange={event => set("archived", event.target.checked ? "true" : null)} /> {t.archivedOnes}
      </label>
    </search>
  );
}

/** Asks once one has paused; `/` leads here. */
function Search({ value, set }: { value: string; set: (value: string) => void }) {
  const { t } = useText();
  const [text, type] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => type(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(set, PAUSE, text);
    return () => clearTimeout(timer);
    // `set` is another function each time and does the same.
  }, [text]);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || (event.target as Element).matches("input, textarea, select")) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  return (
    <label className="search">
      <Icon name="search" />
      <input ref={input} type="search" value={text} aria-label={t.search} placeholder={t.searchFor} onChange={event => type(event.target.value)} />
    </label>
  );
}
