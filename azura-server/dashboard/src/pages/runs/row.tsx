import { memo } from "react";
import { Link } from "wouter";
import { useHeard } from "../../api/live";
import { ended, type Run } from "../../api/types";
import { useText } from "../../text";
import { Bar } from "../../ui/bar";
import { Icon } from "../../ui/icon";
import { Menu } from "../../ui/menu";
import { useNow } from "../../ui/now";
import { Sparkline } from "../../ui/sparkline";
import { State } from "../../ui/state";
import { useActions } from "./actions";
import { Changes } from "./changes";
import { course, metricName, title, took, type Metric } from "./words";

const MOST_CHANGES = 3;

interface Props {
  run: Run;
  metrics: Metric[];
  /** What differs within its batch, a path a line. */
  varied?: string;
  chosen: boolean;
  choose: (run: Run) => void;
}

export const Row = memo(function Row({ run, metrics, varied, chosen, choose }: Props) {
  const { t, figure } = useText();
  const { items, alter } = useActions();
  const name = title(run);
  return (
    <tr role="row" className={chosen ? "chosen" : ""}>
      <td role="cell" className="pick">
        <input type="checkbox" checked={chosen} aria-label={t.choose(name)} onChange={() => choose(run)} />
      </td>
      <td role="cell" className="name">
        <button className="plain star" aria-pressed={run.starred} aria-label={t.starOf(name)} onClick={() => void alter(run, { starred: !run.starred })}>
          <Icon name="star" filled={run.starred} />
        </button>
        <div>
          <Link href={`/runs/${run.experiment_id}`}>{name}</Link>
          <p className="small faint">
            {run.pipeline_name} · <span className="mono">{run.task_id.slice(0, 8)}</span>
            {run.tags.map(tag => (
              <Link key={tag} className="tag" href={`/runs?q=${encodeURIComponent(tag)}`}>
                {tag}
              </Link>
            ))}
          </p>
        </div>
      </td>
      <td role="cell" className="how">
        <How run={run} />
      </td>
      <td role="cell" className="loss">
        <Loss run={run} />
      </td>
      {metrics.map(metric => (
        <td key={metric} role="cell" className={run.results_summary[metric] == null ? "num figure none" : "num figure"} data-label={metricName(metric, t)}>
          {figure(run.results_summary[metric])}
        </td>
      ))}
      <td role="cell" className="differs">
        <Changes run={run} varied={varied} most={MOST_CHANGES} />
      </td>
      <td role="cell" className="age small faint">
        <Age iso={run.created_at} />
      </td>
      <td role="cell" className="acts">
        <Menu label={t.actionsOf(name)} items={() => items(run)} />
      </td>
    </tr>
  );
});

function How({ run }: { run: Run }) {
  const { t, told, number, duration } = useText();
  const heard = useHeard(run.task_id);
  const now = useNow();
  const at = course(run, heard, Math.max(now, heard?.at ?? 0));
  if (run.status !== "STARTED") {
    const seconds = took(run, now);
    const why = told(run.error?.message ?? "");
    const reached = run.progress && t.epochOf(number(run.progress.epoch), number(run.progress.total_epochs));
    const parts = [reached, seconds !== undefined && duration(seconds)].filter(Boolean).join(" · ");
    return (
      <>
        <State status={run.status} />
        <p className={run.status === "FAILURE" ? "small faint why" : "small faint line"} title={why}>
          {run.status === "FAILURE" ? why || run.error?.error_code : run.status === "PENDING" ? t.waits : parts}
        </p>
      </>
    );
  }
  return (
    <>
      <div className="row between">
        <State status={run.status} />
        <span className="small faint">{at && t.epochOf(number(at.epoch), number(at.total))}</span>
      </div>
      <Bar value={at?.done ?? 0} label={t.progressOf(title(run))} />
      <p className="small faint line">{at?.done === 1 ? t.finishing : at?.left !== undefined ? t.left(duration(at.left)) : at?.epoch ? "" : t.reading}</p>
    </>
  );
}

function Loss({ run }: { run: Run }) {
  const { t, figure } = useText();
  const heard = useHeard(run.task_id);
  const live = !ended(run.status) && heard ? heard : undefined;
  // The list may have been read anew since: what it has already is not drawn twice.
  const newer = live?.losses.filter(({ seq }) => seq > (run.progress?.seq ?? 0)) ?? [];
  const values = [...run.loss, ...newer.map(({ loss }) => loss)];
  const last = live?.loss ?? run.results_summary.final_loss ?? run.progress?.loss ?? run.loss.at(-1);
  return (
    <div className="row">
      <Sparkline values={values} label={t.lossOf(title(run))} />
      <span className="num small">{figure(last)}</span>
    </div>
  );
}

function Age({ iso }: { iso: string }) {
  const { age, moment } = useText();
  return (
    <time dateTime={iso} title={moment(iso)}>
      {age(iso, useNow())}
    </time>
  );
}
