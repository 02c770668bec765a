// All runs: found, sorted, grouped, and true while they train.

import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import * as queries from "../../api/queries";
import { ended, type Run } from "../../api/types";
import { useText } from "../../text";
import { Empty, Failed, Loading } from "../../ui/notes";
import { useActions } from "./actions";
import { Filters } from "./filters";
import { parseOrder, showOrder, sorted } from "./sort";
import { RunTable } from "./table";
import { Welcome } from "./welcome";
import type { Metric } from "./words";

const MOST = 20;

export function Runs() {
  const { t, number } = useText();
  const { stopAll, destroyAll } = useActions();
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (name: string, value: string | null) =>
      setParams(
        old => {
          const next = new URLSearchParams(old);
          if (value === null) next.delete(name);
          else next.set(name, value);
          return next;
        },
        { replace: true },
      ),
    [setParams],
  );
  const text = (name: string) => params.get(name) ?? undefined;
  const filter: queries.Filter = { q: text("q")?.replace(/\s*=\s*/g, "="), status: text("status"), pipeline: text("pipeline"), batch_id: text("batch_id"), archived: params.get("archived") === "true" || undefined };
  const filtered = Object.values(filter).some(value => value !== undefined);

  const query = useInfiniteQuery({ ...queries.runs(filter), placeholderData: keepPreviousData });
  const all = useMemo(() => query.data?.pages.flatMap(page => page.runs) ?? [], [query.data]);
  const order = parseOrder(params.get("sort"));
  const shown = useMemo(() => sorted(all, order), [all, params.get("sort")]);
  const metrics = useMemo(() => columns(all), [all]);

  // What was chosen stays so while one looks for more.
  const [chosen, setChosen] = useState<ReadonlyMap<string, Run>>(new Map());
  const choose = useCallback((run: Run) => {
    setChosen(old => {
      const next = new Map(old);
      if (!next.delete(run.task_id)) next.set(run.task_id, run);
      return next;
    });
  }, []);

  const picked = [...chosen.values()].map(old => all.find(run => run.task_id === old.task_id) ?? old);

  useEffect(() => {
    document.title = `${t.runs} · AzuraForge`;
  }, [t]);

  if (query.isError && !query.data) return <Failed error={query.error} retry={() => void query.refetch()} />;
  const batch = filter.batch_id ? all.find(run => run.batch_id === filter.batch_id) : undefined;
  const first = !query.isPending && !filtered && all.length === 0;
  return (
    <>
      <div className="heading">
        <h1>{t.runs}</h1>
        <Link href="/new" className="button primary">
          {t.newRun}
        </Link>
      </div>
      {first ? (
        <Welcome />
      ) : (
        <>
          <Filters params={params} set={set} />
          {filter.batch_id && (
            <div className="row note">
              <span>
                {t.batch}: <b>{batch?.batch_name ?? filter.batch_id.slice(0, 8)}</b>
              </span>
              {all.length > 1 && <Link href={compare(all.slice(0, MOST))}>{t.compareN(Math.min(all.length, MOST))}</Link>}
              <button className="plain" onClick={() => set("batch_id", null)}>
                {t.allRuns}
              </button>
            </div>
          )}
          {query.isPending ? (
            <Loading lines={8} />
          ) : shown.length === 0 ? (
            <Empty title={t.noneFound}>
              {filter.q && <p className="faint">{t.noneFoundText}</p>}
              <button onClick={() => setParams({})}>{t.clearFilters}</button>
            </Empty>
          ) : (
            <RunTable
              runs={shown}
              metrics={metrics}
              order={order}
              sort={next => set("sort", next ? showOrder(next) : null)}
              grouped={params.get("group") === "batch"}
              chosen={chosen}
              choose={choose}
            />
          )}
          {shown.length > 0 && (
            <p className="foot small faint">
              <span>
                {t.shown(number(all.length))}
                {order && query.hasNextPage ? ` ${t.sortedAmong}` : ""}
              </span>
              {query.hasNextPage && (
                <button disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  {query.isFetchingNextPage ? t.loading : t.more}
                </button>
              )}
            </p>
          )}
        </>
      )}
      {chosen.size > 0 && (
        <div className="tray" role="region" aria-label={t.chosen(number(chosen.size))}>
          <b>{t.chosen(number(chosen.size))}</b>
          {chosen.size > 1 && chosen.size <= MOST ? (
            <Link className="button primary" href={compare([...chosen.values()])}>
              {t.compare}
            </Link>
          ) : (
            <span className="small faint">{chosen.size > MOST ? t.atMost(MOST) : t.oneMore}</span>
          )}
          {picked.some(run => !ended(run.status)) ? (
            <button onClick={() => stopAll(picked.filter(run => !ended(run.status)))}>{t.cancelN(number(picked.filter(run => !ended(run.status)).length))}</button>
          ) : (
            <button onClick={() => destroyAll(picked, () => setChosen(new Map()))}>{t.deleteN(number(picked.length))}</button>
          )}
          <button onClick={() => setChosen(new Map())}>{t.none}</button>
        </div>
      )}
    </>
  );
}

export const compare = (runs: Run[]) => `/compare?ids=${runs.map(run => run.experiment_id).join(",")}`;

/** The figures that there are columns for. */
export function columns(runs: Run[]): Metric[] {
  const has = (metric: Metric) => runs.some(run => typeof run.results_summary[metric] === "number");
  const classes = has("accuracy");
  return [...(classes ? ["accuracy" as const] : []), ...(!classes || has("rmse") ? (["rmse", "r2_score"] as const) : [])];
}
