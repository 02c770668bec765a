import { Fragment, useMemo } from "react";
import { Link } from "wouter";
import type { Run } from "../../api/types";
import { useText } from "../../text";
import { compare } from "./page";
import { Row } from "./row";
import type { Key, Order } from "./sort";
import { metricName, rises, variedBy, type Metric } from "./words";

interface Props {
  runs: Run[];
  metrics: Metric[];
  order: Order | undefined;
  sort: (order: Order | undefined) => void;
  grouped: boolean;
  chosen: ReadonlyMap<string, Run>;
  choose: (run: Run) => void;
}

// Explicit roles: on phones rows are laid out as cards, and browsers then forget that they are rows.
export function RunTable({ runs, metrics, order, sort, grouped, chosen, choose }: Props) {
  const { t, number } = useText();
  const head = (key: Key, label: string, className = "") => {
    const mine = order?.key === key;
    // The better end first; then the other; then as it came.
    const first = key === "age" || rises(key);
    const next = !mine ? { key, down: first } : order.down === first ? { key, down: !first } : undefined;
    return (
      <th role="columnheader" className={className} aria-sort={mine ? (order.down ? "descending" : "ascending") : "none"}>
        <button className="plain" onClick={() => sort(next)}>
          {label}
          <span aria-hidden="true">{mine ? (order.down ? " ↓" : " ↑") : ""}</span>
        </button>
      </th>
    );
  };
  const varied = useMemo(() => variedBy(runs), [runs]);
  const row = (run: Run) => <Row key={run.task_id} run={run} metrics={metrics} varied={varied.get(run.batch_id ?? "")} chosen={chosen.has(run.task_id)} choose={choose} />;
  const width = metrics.length + 7;
  return (
    <div className="card flush">
      <table className="runs" role="table" aria-label={t.runs}>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" className="pick">
              <span className="unseen">{t.pick}</span>
            </th>
            {head("name", t.run, "name")}
            {head("status", t.status, "how")}
            {head("loss", t.loss, "loss")}
            {metrics.map(metric => <Fragment key={metric}>{head(metric, metricName(metric, t), "num")}</Fragment>)}
            <th role="columnheader" className="differs">
              {t.differs}
            </th>
            {head("age", t.age, "age")}
            <th role="columnheader" className="acts">
              <span className="unseen">{t.actions}</span>
            </th>
          </tr>
        </thead>
        {grouped ? (
          groups(runs).map(({ id, name, runs }) => (
            <tbody key={id ?? runs[0].task_id} role="rowgroup" className={id && "together"}>
              {id && (
                <tr role="row" className="group">
                  <th role="rowheader" colSpan={width} scope="rowgroup">
                    {name ?? `${t.batch} ${id.slice(0, 8)}`} <span className="faint small">{t.runsN(number(runs.length))}</span>
                    {runs.length > 1 && (
                      <Link className="small" href={compare(runs.slice(0, 20))}>
                        {t.compare}
                      </Link>
                    )}
                  </th>
                </tr>
              )}
              {runs.map(row)}
            </tbody>
          ))
        ) : (
          <tbody role="rowgroup">{runs.map(row)}</tbody>
        )}
      </table>
    </div>
  );
}

/** Runs of a batch together, where its first one stands; the others by themselves. */
function groups(runs: Run[]) {
  const found = new Map<string, { id?: string; name?: string; runs: Run[] }>();
  for (const run of runs) {
    const id = run.batch_id ?? undefined;
    const key = id ?? run.task_id;
    const group = found.get(key) ?? { id, name: run.batch_name ?? undefined, runs: [] };
    group.runs.push(run);
    found.set(key, group);
  }
  return [...found.values()];
}
