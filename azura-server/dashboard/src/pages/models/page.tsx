// What was learned and kept: finished runs with a saved model.

import { useInfiniteQuery } from "@tanstack/react-query";
import { Fragment, useEffect, useMemo } from "react";
import { Link, useSearchParams } from "wouter";
import { link } from "../../api/client";
import * as queries from "../../api/queries";
import { useText } from "../../text";
import { Icon } from "../../ui/icon";
import { Empty, Failed, Loading } from "../../ui/notes";
import { useNow } from "../../ui/now";
import { Changes } from "../runs/changes";
import { columns } from "../runs/page";
import { parseOrder, showOrder, sorted, type Key } from "../runs/sort";
import { dataOf, metricName, rises, title, variedBy } from "../runs/words";

const MOST_CHANGES = 6;

export function Models() {
  const { t, number, figure, age, moment } = useText();
  const now = useNow();
  const [params, setParams] = useSearchParams();
  const query = useInfiniteQuery(queries.runs({ status: "SUCCESS" }));
  const order = parseOrder(params.get("sort"));
  const models = useMemo(() => sorted((query.data?.pages.flatMap(page => page.runs) ?? []).filter(run => run.model_path), order), [query.data, params.get("sort")]);
  const metrics = columns(models);
  const varied = useMemo(() => variedBy(models), [models]);
  useEffect(() => {
    document.title = `${t.models} · AzuraForge`;
  }, [t]);

  const head = (key: Key, label: string, className = "") => {
    const mine = order?.key === key;
    const first = key === "age" || rises(key);
    const next = !mine ? { key, down: first } : order.down === first ? { key, down: !first } : undefined;
    return (
      <th role="columnheader" scope="col" className={className} aria-sort={mine ? (order.down ? "descending" : "ascending") : "none"}>
        <button className="plain" onClick={() => setParams(next ? { sort: showOrder(next) } : {}, { replace: true })}>
          {label}
          <span aria-hidden="true">{mine ? (order.down ? " ↓" : " ↑") : ""}</span>
        </button>
      </th>
    );
  };
  if (query.isError && !query.data) return <Failed error={query.error} retry={() => void query.refetch()} />;
  return (
    <>
      <div className="heading">
        <h1>{t.models}</h1>
      </div>
      {query.isPending ? (
        <Loading lines={8} />
      ) : models.length === 0 ? (
        <Empty title={t.noModels}>
          <p>{t.noModelsText}</p>
          <Link className="button primary" href="/new">
            {t.newRun}
          </Link>
        </Empty>
      ) : (
        <div className="card flush scroll" tabIndex={0} role="region" aria-label={t.models}>
          <table className="plain-table wide models" role="table">
            <thead role="rowgroup">
              <tr role="row">
                {head("name", t.model)}
                {metrics.map(metric => (
                  <Fragment key={metric}>{head(metric, metricName(metric, t), "num")}</Fragment>
                ))}
                {head("epochs", t.epochs, "num")}
                {head("age", t.age)}
                <th role="columnheader" scope="col">
                  <span className="unseen">{t.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody role="rowgroup">
              {models.map(run => (
                <tr key={run.task_id} role="row">
                  <th scope="row" role="rowheader">
                    <Link href={`/runs/${run.experiment_id}`}>{title(run)}</Link>
                    <p className="small faint">
                      {run.pipeline_name} · {run.name && dataOf(run) && `${dataOf(run)} · `}
                      <span className="mono">{run.task_id.slice(0, 8)}</span>
                    </p>
                    <p className="chips">
                      <Changes run={run} varied={varied.get(run.batch_id ?? "")} most={MOST_CHANGES} but="training_params.epochs" />
                    </p>
                  </th>
                  {metrics.map(metric => (
                    <td key={metric} role="cell" className={run.results_summary[metric] == null ? "num figure none" : "num figure"} data-label={metricName(metric, t)}>
                      {figure(run.results_summary[metric])}
                    </td>
                  ))}
                  <td role="cell" className="num figure" data-label={t.epochs}>
                    {number(run.config_summary.epochs)}
                  </td>
                  <td role="cell" className="age small faint">
                    <time dateTime={run.created_at} title={moment(run.created_at)}>
                      {age(run.created_at, now)}
                    </time>
                  </td>
                  <td role="cell" className="acts">
                    <div className="row end">
                      {typeof run.results_summary.rmse === "number" && (
                        <Link className="button" href={`/runs/${run.experiment_id}?tab=forecast`} aria-label={`${t.makeForecast}: ${title(run)}`}>
                          {t.makeForecast}
                        </Link>
                      )}
                      <a className="button" href={link(run.experiment_id, "files/model.safetensors")} download={`${run.experiment_id}.safetensors`} aria-label={`${t.download}: ${title(run)}`} title={t.download}>
                        <Icon name="down" />
                      </a>
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {query.hasNextPage && (
        <p className="foot">
          <button disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t.more}
          </button>
        </p>
      )}
    </>
  );
}
