// Two to twenty runs side by side.

import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import * as queries from "../../api/queries";
import { ended, type Column, type History, type Run } from "../../api/types";
import { Curves, ScaleControls, useScale, type Scale } from "../../chart/curves";
import { Plot } from "../../chart/plot";
import { smooth } from "../../chart/smooth";
import { useText } from "../../text";
import { Icon } from "../../ui/icon";
import { Empty, Loading } from "../../ui/notes";
import { Sheet } from "../../ui/sheet";
import { State } from "../../ui/state";
import { brief, metricName, title } from "../runs/words";
import { aligned, axis, bestOf, figures, flatAxis, labels, lastLoss, parameters, seeds, spread, yardstick, type Axis } from "./data";
import { Parallel } from "./parallel";

const MOST = 20;
const COLOURS = 8;
/** A run that trains is asked anew as often as this. */
const AGAIN = 2000;

interface Shown {
  run: Run;
  history?: History;
  name: string;
  colour: string;
  dash: boolean;
}

export function Compare() {
  const { t, decimal } = useText();
  const [params, setParams] = useSearchParams();
  const ids = useMemo(() => [...new Set((params.get("ids") ?? "").split(",").filter(Boolean))].slice(0, MOST), [params]);
  useEffect(() => {
    document.title = `${t.compare} · AzuraForge`;
  }, [t]);
  const [mean, setMean] = useState(false);
  const refetchInterval = (status?: string) => (status && !ended(status) ? AGAIN : false);
  const records = useQueries({ queries: ids.map(id => ({ ...queries.run(id), refetchInterval: (query: { state: { data?: Run } }) => refetchInterval(query.state.data?.status) })) });
  const courses = useQueries({ queries: ids.map(id => ({ ...queries.history(id, mean ? undefined : queries.DRAWN), placeholderData: keepPreviousData, refetchInterval: (query: { state: { data?: History } }) => refetchInterval(query.state.data?.status) })) });

  // One that is unknown is asked for anew when the line is back: what is shown stays meanwhile.
  const missing = ids.filter((_, i) => records[i].isFetched && !records[i].data);
  const waiting = records.some(record => !record.isFetched);
  const found = records.flatMap(({ data: run }, i) => (run ? [{ run, history: courses[i].data }] : []));
  const names = labels(found.map(({ run }) => run), decimal);
  const shown: Shown[] = found.map((one, i) => ({ ...one, name: names[i], colour: `--c${1 + (i % COLOURS)}`, dash: i >= COLOURS }));

  const without = (id: string) => setParams({ ids: ids.filter(other => other !== id).join(",") }, { replace: true });
  return (
    <>
      <nav className="small crumbs" aria-label={t.path}>
        <Link href="/runs">{t.runs}</Link>
      </nav>
      <div className="heading">
        <h1>{t.compare}</h1>
      </div>
      {missing.length > 0 && (
        <p className="note" role="alert">
          {t.missingRuns(missing.join(", "))}
        </p>
      )}
      {waiting ? (
        <Loading lines={10} />
      ) : shown.length < 2 ? (
        <Empty title={t.chooseTwo}>
          <p>{t.chooseTwoText}</p>
          <Link className="button" href="/runs">
            {t.runs}
          </Link>
        </Empty>
      ) : (
        <div className="stack">
          <ul className="legend-runs">
            {shown.map(({ run, name, colour, dash }) => (
              <li key={run.task_id} className="chip">
                <i className={dash ? "dash" : ""} style={{ color: `var(${colour})` }} />
                <Link href={`/runs/${run.experiment_id}`}>{name}</Link>
                <State status={run.status} />
                <button className="plain" aria-label={t.leaveOut(name)} onClick={() => without(ids.find(id => id === run.experiment_id || id === run.task_id)!)}>
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
          <CurvesCard shown={shown} mean={mean} setMean={setMean} />
          <FiguresCard shown={shown} />
          <SeedsCard shown={shown} />
          <ParallelCard shown={shown} />
          <ConfigCard shown={shown} />
        </div>
      )}
    </>
  );
}

/** Of long runs each is thinned by itself: a mean needs all of their epochs. */
function CurvesCard({ shown, mean, setMean }: { shown: Shown[]; mean: boolean; setMean: (mean: boolean) => void }) {
  const { t, decimal } = useText();
  const scale = useScale();
  const [chosen, choose] = useState("loss");
  const names = [...new Set(shown.flatMap(({ history }) => Object.keys(history?.columns ?? {})))].filter(
    name => name !== "epoch" && name !== "total_epochs" && shown.some(({ history }) => history?.columns[name]?.some(value => value !== null)),
  );
  const name = names.includes(chosen) ? chosen : (names[0] ?? "loss");
  const told = shown.filter(({ history }) => history?.columns[name]?.length);
  const groups = seeds(told.map(({ run }) => run));
  const { x, columns } = aligned(told.map(({ history }) => ({ epoch: history!.columns.epoch, values: history!.columns[name] })));
  const lines = told.map(({ name: label, colour, dash }, i) => ({ label, colour, dash, values: columns[i] }));
  return (
    <figure className="card">
      <figcaption>
        <div className="row wrap">
          <h2>{t.curves}</h2>
          <select aria-label={t.figure} value={name} onChange={event => choose(event.target.value)}>
            {names.map(name => (
              <option key={name} value={name}>
                {metricName(name, t)}
              </option>
            ))}
          </select>
          {groups.length > 0 && (
            <label className="row small">
              <input type="checkbox" checked={mean} onChange={event => setMean(event.target.checked)} /> {t.meanOfSeeds}
            </label>
          )}
        </div>
        <ScaleControls {...scale} />
      </figcaption>
      {!lines.length ? (
        <p className="faint">{t.noCurves}</p>
      ) : mean && groups.length ? (
        <Spread x={x} groups={groups.map(group => ({ label: `${together(told, group, decimal)} · ${t.seedsN(group.length)}`, colour: told[group[0]].colour, columns: group.map(i => columns[i]) }))} scale={scale} />
      ) : (
        <Curves key={name} x={x} lines={lines} scale={scale} label={t.curves} height={320} version={columns.reduce((sum, column) => sum + column.length, x.length)} />
      )}
    </figure>
  );
}

/** What runs that differ by their seeds are called together: what tells them from the others. */
function together(shown: Shown[], group: number[], decimal: string) {
  const told = parameters(shown.map(({ run }) => run)).filter(({ differs, path }) => differs && path !== "training_params.seed" && path !== "batch_name");
  return told.map(({ path, values }) => `${path.split(".").at(-1)} ${brief(values[group[0]], decimal)}`).join(" · ") || title(shown[group[0]].run);
}

/** The mean over seeds, with the standard deviation as a band around it. */
function Spread({ x, groups, scale }: { x: Column; groups: { label: string; colour: string; columns: Column[] }[]; scale: Scale }) {
  const { t } = useText();
  const curves = groups.flatMap(({ label, colour }) => [{ label, colour }, { label, colour, ghost: true }, { label, colour, ghost: true }]);
  const data = groups.flatMap(({ columns }) => {
    const found = x.map((_, i) => spread(columns.map(column => column[i])));
    const at = (sign: number) => smooth(found.map(one => (one ? one.mean + sign * one.deviation : null)), scale.weight);
    return [at(0), at(1), at(-1)];
  });
  const bands = groups.map(({ colour }, i) => ({ series: [3 * i + 2, 3 * i + 3] as [number, number], colour }));
  return <Plot label={t.meanOfSeeds} curves={curves} data={[x, ...data]} bands={bands} log={scale.log} xLabel={t.epoch} height={320} />;
}

function FiguresCard({ shown }: { shown: Shown[] }) {
  const { t, figure } = useText();
  const found = [...figures(shown.map(({ run }) => run)), ...lastLoss(shown)];
  if (!found.length) return null;
  const cell = (value: number | null, best: boolean) => ({
    className: best ? "best" : undefined,
    value: (
      <>
        {figure(value)}
        {best && <span className="unseen"> {t.best}</span>}
      </>
    ),
  });
  const rows = shown.map(({ run, name, colour }, i) => ({
    key: run.task_id,
    name: (
      <>
        <Swatch colour={colour} /> {name}
      </>
    ),
    cells: found.map(({ values, best }) => cell(values[i], best.has(i))),
  }));
  const simple = yardstick(shown.map(({ run }) => run));
  if (simple)
    rows.push({
      key: "simple",
      name: <span className="faint">{t.baselines[simple.name as keyof typeof t.baselines] ?? simple.name}</span>,
      cells: found.map(({ name }) => ({ className: "faint", value: <>{figure(simple.figures[name])}</> })),
    });
  return (
    <section className="card">
      <h2>{t.figures}</h2>
      <Sheet label={t.figures} corner={t.run} heads={found.map(({ name }) => ({ key: name, name: metricName(name, t) }))} rows={rows} />
    </section>
  );
}

function SeedsCard({ shown: all }: { shown: Shown[] }) {
  const { t, figure, number, decimal } = useText();
  const shown = all.filter(({ run }) => run.status === "SUCCESS");
  const runs = shown.map(({ run }) => run);
  const groups = seeds(runs);
  const found = figures(runs);
  if (!groups.length || !found.length) return null;
  const columns = found.map(({ name, values }) => {
    const all = groups.map(group => spread(group.map(i => values[i])));
    return { all, best: bestOf(name, all.map(told => told?.mean ?? null)) };
  });
  const rows = groups.map((group, row) => ({
    key: group.join(),
    name: (
      <>
        {together(shown, group, decimal)} <span className="faint small">{t.seedsN(group.length)}</span>
      </>
    ),
    cells: columns.map(({ all: { [row]: told }, best }) => ({
      className: best.has(row) ? "best" : undefined,
      value: told ? `${figure(told.mean)} ± ${number(Number(told.deviation.toPrecision(2)))}` : "–",
    })),
  }));
  return (
    <section className="card">
      <h2>{t.overSeeds}</h2>
      <Sheet label={t.overSeeds} corner={t.runs} heads={found.map(({ name }) => ({ key: name, name: metricName(name, t) }))} rows={rows} />
    </section>
  );
}

function ParallelCard({ shown }: { shown: Shown[] }) {
  const { t } = useText();
  const runs = shown.map(({ run }) => run);
  const differing = parameters(runs).filter(({ differs, path }) => differs && path !== "batch_name");
  const found = figures(runs).filter(({ name }) => ["rmse", "r2_score", "accuracy", "final_loss"].includes(name));
  if (shown.length < 3 || !differing.length || !found.length) return null;
  const [of, by] = [differing.map(({ path, values }) => axis(path, values)), found.map(({ name, values }) => axis(metricName(name, t), values))];
  const tells = (axis: Axis) => !flatAxis(axis);
  const axes = [...of.filter(tells).slice(0, 7), ...by.filter(tells).slice(0, 3)];
  const equal = [...of, ...by].filter(flatAxis);
  if (axes.length < 2) return null;
  return (
    <figure className="card">
      <figcaption>
        <h2>{t.parallel}</h2>
      </figcaption>
      <Parallel axes={axes} names={shown.map(({ name }) => name)} colours={shown.map(({ colour }) => colour)} />
      {equal.length > 0 && <p className="small faint">{t.equalAxes(equal.map(({ name }) => name).join(", "))}</p>}
    </figure>
  );
}

function ConfigCard({ shown }: { shown: Shown[] }) {
  const { t, decimal } = useText();
  const [all, setAll] = useState(false);
  const rows = parameters(shown.map(({ run }) => run)).filter(({ differs }) => all || differs);
  return (
    <section className="card">
      <div className="row between wrap">
        <h2>{t.configDiff}</h2>
        <label className="row small">
          <input type="checkbox" checked={all} onChange={event => setAll(event.target.checked)} /> {t.alsoEqual}
        </label>
      </div>
      {rows.length === 0 ? (
        <p className="faint">{t.noDiff}</p>
      ) : (
        <Sheet
          label={t.configDiff}
          corner={t.parameter}
          mono
          heads={shown.map(({ run, name, colour }) => ({
            key: run.task_id,
            name: (
              <>
                <Swatch colour={colour} /> <span title={name}>{run.name ?? run.task_id.slice(0, 8)}</span>
              </>
            ),
          }))}
          rows={rows.map(({ path, values, differs }) => ({
            key: path,
            name: path,
            cells: values.map(value => ({ value: value === undefined ? "" : brief(value, decimal), className: differs ? "differs" : "faint" })),
          }))}
        />
      )}
    </section>
  );
}

const Swatch = ({ colour }: { colour: string }) => <i className="swatch" style={{ color: `var(${colour})` }} />;
