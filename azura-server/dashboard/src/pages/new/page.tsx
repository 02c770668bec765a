// A new run: its config as a form or as JSON, checked by the server as one types.

import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { ApiError } from "../../api/client";
import * as queries from "../../api/queries";
import type { Config, Json, PipelineConfig } from "../../api/types";
import { useText } from "../../text";
import { Empty, Failed, Loading, useReason } from "../../ui/notes";
import { useAct, useActions } from "../runs/actions";
import { FieldRow } from "./field";
import { OwnFile } from "./own";
import { groups, merged, offering, valueAt, withValue } from "./schema";

const PAUSE = 300;
/** What was started last, and, in this tab, what was typed since. */
const remembered = (id: string) => `azura.config.${id}`;

export function NewRun({ id }: { id: string }) {
  const { t, said } = useText();
  const [params] = useSearchParams();
  const from = params.get("from");
  const pipeline = useQuery(queries.pipeline(id));
  const source = useQuery({ ...queries.run(from ?? ""), enabled: Boolean(from) });
  useEffect(() => {
    document.title = `${t.newRun} · AzuraForge`;
  }, [t]);

  const error = pipeline.error ?? source.error;
  if (error instanceof ApiError && error.status === 404)
    return (
      <Empty title={t.nothingHere}>
        <Link href="/new" className="button">
          {t.newRun}
        </Link>
      </Empty>
    );
  if (error) return <Failed error={error} retry={() => void (pipeline.refetch(), from && source.refetch())} />;
  if (!pipeline.data || (from && !source.data)) return <Loading lines={10} />;
  const { data } = pipeline;
  return (
    <>
      <nav className="small crumbs" aria-label={t.path}>
        <Link href="/new">{t.newRun}</Link>
      </nav>
      <div className="heading">
        <h1>{said(data.name)}</h1>
      </div>
      <p className="faint lead">{said(data.description)}</p>
      <Form key={from} pipeline={data} start={source.data?.config ?? undefined} from={source.data?.name ?? from ?? undefined} />
    </>
  );
}

function recall(store: Storage, id: string): Config | undefined {
  try {
    return JSON.parse(store.getItem(remembered(id))!) ?? undefined;
  } catch {
    return undefined;
  }
}

function Form({ pipeline, start, from }: { pipeline: PipelineConfig; start?: Config; from?: string }) {
  const { t, said, told, number } = useText();
  const defaults = pipeline.default_config;
  const [recalled] = useState(() => (start ? undefined : (recall(sessionStorage, pipeline.id) ?? recall(localStorage, pipeline.id))));
  const [config, setConfig] = useState<Config>(() => merged(defaults, start ?? recalled ?? {}) as Config);
  useEffect(() => {
    if (!start) sessionStorage.setItem(remembered(pipeline.id), JSON.stringify(config));
  }, [config, start, pipeline.id]);
  const [view, setView] = useState<"form" | "json">("form");
  const [broken, setBroken] = useState<string>();
  const set = (path: string[], value: Json | undefined) => setConfig(config => withValue(config, path, value));

  const [settled, settle] = useSettled(config);
  const check = useQuery({ ...queries.check(pipeline.id, settled), placeholderData: keepPreviousData, retry: false });
  const choices = useQuery({ ...queries.choices(pipeline.id, settled.data_sourcing), placeholderData: keepPreviousData }).data;
  const form = useMemo(() => offering(groups(pipeline.json_schema), choices ?? {}), [pipeline, choices]);
  const problems = useMemo(() => sortProblems(check.error), [check.error]);
  const other = useReason(check.error);
  const invalid = check.error instanceof ApiError && check.error.status === 422;
  const checked = settled === config && !check.isPlaceholderData && !check.isFetching && (check.isSuccess || invalid);
  const runs = check.isError ? undefined : check.data?.runs;

  const act = useAct();
  const { open } = useActions();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  async function run() {
    setBusy(true);
    if (!checked && !(await stands())) return setBusy(false);
    localStorage.setItem(remembered(pipeline.id), JSON.stringify(config));
    open(await act(queries.submit({ ...config, pipeline_name: pipeline.id })));
    setBusy(false);
  }

  /** Whether the button said how many runs what was typed last makes. */
  async function stands() {
    const told = await client.fetchQuery({ ...queries.check(pipeline.id, config), retry: false }).catch(() => undefined);
    settle(config);
    return told?.runs === (runs ?? 1);
  }

  const fields = form.flatMap(group => group.fields.flatMap(field => [field, ...field.fields]));
  const known = new Set(fields.map(field => field.path.join(".")));
  const lists = fields.filter(({ kind }) => kind === "list").map(({ title }) => said(title));
  const elsewhere = [...problems].filter(([path]) => !known.has(path) || view === "json");
  const edited = JSON.stringify(merged(defaults, config)) !== JSON.stringify(defaults);
  return (
    <form
      className="new"
      onSubmit={event => {
        event.preventDefault();
        void run();
      }}
    >
      <div className="row between bar-top">
        <div className="tabs" role="tablist" aria-label={t.form.views}>
          {(["form", "json"] as const).map(name => (
            <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={view === name} aria-controls="config" disabled={name === "form" && broken !== undefined} onClick={() => (setConfig(config => merged(defaults, config) as Config), setView(name))}>
              {t.form[name]}
            </button>
          ))}
        </div>
        <span className="small faint">{start ? t.form.from(from!) : recalled && edited ? t.form.asBefore : ""}</span>
        <button type="button" className="plain" disabled={!edited} onClick={() => (setConfig(defaults), setBroken(undefined))}>
          {t.form.reset}
        </button>
      </div>
      <div id="config" role="tabpanel" aria-labelledby={`tab-${view}`}>
        {view === "json" ? (
          <JsonView config={config} set={setConfig} broken={broken} setBroken={setBroken} />
        ) : (
          form.map(group => (
            <fieldset key={group.id} className="card group">
              <legend>{said(group.title || t.form.more)}</legend>
              {group.help && <p className="small faint">{said(group.help)}</p>}
              <div className="fields">
                {group.fields.map(field => (
                  <FieldRow key={field.path.join(".")} field={field} config={config} set={set} problems={problems} />
                ))}
              </div>
              {group.file && <OwnFile pipeline={pipeline.id} table={known.has("feature_engineering.target_col")} />}
            </fieldset>
          ))
        )}
      </div>
      {elsewhere.length > 0 && (
        <ul className="card problems" role="alert" tabIndex={-1}>
          {elsewhere.map(([path, message]) => (
            <li key={path}>
              <code>{path || "config"}</code> {told(message)}
            </li>
          ))}
        </ul>
      )}
      <div className="submit">
        <div role="status" className="verdict">
          {broken !== undefined ? (
            <span className="problem">{t.form.broken}</span>
          ) : check.isError ? (
            invalid && problems.size ? (
              <button type="button" className="plain problem" onClick={() => document.querySelector<HTMLElement>('#config [aria-invalid="true"], .problems')?.focus()}>
                {t.form.wrong(problems.size)}
              </button>
            ) : (
              <span className="problem">{other}</span>
            )
          ) : runs === undefined ? (
            <span className="faint">{t.form.checking}</span>
          ) : runs > 1 ? (
            <b>{t.form.gridOf(number(runs))}</b>
          ) : (
            <span className="faint">{t.form.fine}</span>
          )}
          {view === "form" && fields.some(({ kind }) => kind === "number" || kind === "integer") && (
            <span className="small faint">
              {t.form.gridHint} {lists.length > 0 && t.form.listHint(lists.join(", "))}
            </span>
          )}
        </div>
        {(runs ?? 1) > 1 && (
          <label className="batch small">
            {t.batchName}
            <input type="text" maxLength={200} value={String(valueAt(config, ["batch_name"]) ?? "")} onChange={event => set(["batch_name"], event.target.value || null)} />
          </label>
        )}
        <button className="primary" disabled={busy || (invalid && checked) || broken !== undefined}>
          {busy ? t.form.starting : (runs ?? 1) > 1 ? t.form.startN(number(runs)) : t.form.start}
        </button>
      </div>
    </form>
  );
}

/** A value once it has not changed for a moment. */
function useSettled<T>(value: T) {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(settle, PAUSE, value);
    return () => clearTimeout(timer);
  }, [value]);
  return [settled, settle] as const;
}

/** By path; what is said of one value of a grid, or of one item of a list, is said of its field. */
function sortProblems(error: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { pointer, message } of error instanceof ApiError ? error.problems : []) {
    const path = pointer.slice(1).split("/").map(part => part.replaceAll("~1", "/").replaceAll("~0", "~")).filter(part => !/^\d+$/.test(part)).join(".");
    found.set(path, found.has(path) ? `${found.get(path)}\n${message}` : message);
  }
  return found;
}

function JsonView({ config, set, broken, setBroken }: { config: Config; set: (config: Config) => void; broken?: string; setBroken: (why?: string) => void }) {
  const { t } = useText();
  const [text, type] = useState(() => JSON.stringify(config, null, 2));
  // A reset comes from outside; what one types oneself is left as it is typed.
  useEffect(() => {
    if (broken !== undefined) return;
    type(text => {
      try {
        return JSON.stringify(JSON.parse(text)) === JSON.stringify(config) ? text : JSON.stringify(config, null, 2);
      } catch {
        return JSON.stringify(config, null, 2);
      }
    });
  }, [config, broken]);
  return (
    <div className="card">
      <textarea
        className="mono json"
        aria-label={t.form.json}
        aria-invalid={broken !== undefined}
        aria-describedby="broken"
        spellCheck={false}
        rows={Math.min(48, text.split("\n").length + 1)}
        value={text}
        onChange={event => {
          type(event.target.value);
          try {
            const parsed: unknown = JSON.parse(event.target.value);
            if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) return setBroken(t.form.noObject);
            setBroken(undefined);
            set(parsed as Config);
          } catch (error) {
            setBroken((error as Error).message);
          }
        }}
      />
      <p id="broken" className="small problem" role="alert">
        {broken}
      </p>
    </div>
  );
}
