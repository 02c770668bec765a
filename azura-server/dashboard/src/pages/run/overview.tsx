import { Link } from "wouter";
import type { Feed } from "../../api/feed";
import { ended, type Column, type Run } from "../../api/types";
import { Curves, ScaleControls, useScale, type Line } from "../../chart/curves";
import { Series } from "../../chart/series";
import { useText } from "../../text";
import { Loading } from "../../ui/notes";
import { metricName } from "../runs/words";
import { Audio } from "./audio";
import { Classes } from "./classes";
import { Figures } from "./figures";

/** Not curves, or curves that have a place of their own. */
const APART = new Set(["epoch", "loss", "val_loss", "lr"]);
const numbers = (column: Column | undefined) => Boolean(column?.some(value => value !== null));

/** The least loss, and its epoch. */
function least(epochs: Column, losses: Column = []) {
  const at = losses.reduce<number | undefined>((best, loss, i) => (loss !== null && (best === undefined || loss < losses[best]!) ? i : best), undefined);
  return at === undefined ? undefined : { epoch: epochs[at]!, loss: losses[at]! };
}

export function Overview({ run, feed: { course, version, error } }: { run: Run; feed: Feed }) {
  const { t, number, figure } = useText();
  const scale = useScale();
  const columns = course?.columns;
  const { results } = run;
  if (!columns && !error) return <Loading lines={8} />;

  const losses: Line[] = [{ label: t.training, colour: "--c1", values: columns?.loss ?? [] }];
  if (numbers(columns?.val_loss)) losses.push({ label: t.validation, colour: "--c2", values: columns!.val_loss });
  // What the pipelines keep: the weights that did best on the validation part.
  const best = run.status === "SUCCESS" && columns ? least(columns.epoch, columns.val_loss) : undefined;
  const others = Object.keys(columns ?? {}).filter(name => !APART.has(name) && numbers(columns![name]));
  if (numbers(columns?.lr)) others.unshift("lr");

  const now = results?.y_pred ? results : undefined;
  const seen = course?.validation;
  const times = now?.time_index ?? seen?.x_axis;
  const forecast = now?.y_pred ?? seen?.y_pred;
  return (
    <div className="stack">
      {results && <Figures results={results} />}
      {run.status === "SUCCESS" && (
        <p className="small">
          <Link href="?tab=report">{t.readReport}</Link>
        </p>
      )}
      {results?.confusion_matrix && <Classes results={results} />}
      {results?.generated_audio && <Audio id={run.experiment_id} name={results.generated_audio.file_name} />}
      <figure className="card">
        <figcaption>
          <h2>{t.loss}</h2>
          {numbers(columns?.epoch) && <ScaleControls {...scale} />}
        </figcaption>
        {numbers(columns?.epoch) ? (
          <>
            <Curves x={columns!.epoch} lines={losses} scale={scale} label={t.lossByEpoch} version={version} />
            {best && <p className="small faint">{t.bestEpoch(number(best.epoch), figure(best.loss))}</p>}
          </>
        ) : (
          <p className={ended(run.status) ? "faint" : "faint no-plot"}>{ended(run.status) ? t.noEpoch : t.noEpochYet}</p>
        )}
      </figure>
      {times && forecast && (
        <figure className="card">
          <figcaption>
            <h2>
              {now ? t.testPart : t.validationPart}
              {now?.y_label ? `: ${now.y_label}` : ""}
            </h2>
          </figcaption>
          <Series label={now ? t.testPart : t.validationPart} times={times} truth={now?.y_true ?? seen?.y_true} forecast={forecast} lower={now?.y_lower ?? seen?.y_lower} upper={now?.y_upper ?? seen?.y_upper} />
        </figure>
      )}
      {others.length > 0 && (
        <div className="pair">
          {others.map((name, i) => (
            <figure key={name} className="card">
              <figcaption>
                <h2>{name === "lr" ? t.lr : metricName(name, t)}</h2>
              </figcaption>
              <Curves x={columns!.epoch} lines={[{ label: metricName(name, t), colour: `--c${3 + (i % 6)}`, values: columns![name] }]} scale={{ ...scale, log: false, weight: 0 }} label={metricName(name, t)} height={180} version={version} />
            </figure>
          ))}
        </div>
      )}
    </div>
  );
}
