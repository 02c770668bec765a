// How far a run is, how fast it goes, and how long it will take yet.

import type { Feed } from "../../api/feed";
import type { Run } from "../../api/types";
import { useText } from "../../text";
import { Bar } from "../../ui/bar";
import { useNow } from "../../ui/now";

/** Epochs a second below which one asks rather how long an epoch takes: whole seconds are then exact enough. */
const SLOW = 0.1;

export function Pace({ run, feed: { course, line } }: { run: Run; feed: Feed }) {
  const { t, number, figure, duration } = useText();
  const now = useNow();
  const total = course?.total || run.progress?.total_epochs || 0;
  const epoch = course?.epoch ?? 0;
  const batch = course?.batch;
  const done = total ? (epoch + (batch && batch.epoch > epoch ? (batch.batch - 1) / batch.total_batches : 0)) / total : 0;
  const rate = course?.rate ?? course?.average(now);
  const lr = course?.columns.lr?.findLast(value => value !== null);
  const facts = [
    { name: t.epoch, value: total ? t.epochOf(number(epoch), number(total)) : "–" },
    { name: t.timeLeft, value: rate && total && done < 1 ? duration((total * (1 - done)) / rate) : "–" },
    { name: t.speed, value: rate ? (rate >= SLOW ? t.epochsPer(number(Number(rate.toPrecision(2)))) : t.perEpoch(duration(1 / rate))) : "–" },
    ...(lr != null ? [{ name: t.lr, value: number(lr) }] : []),
    { name: t.loss, value: figure(course?.columns.loss?.at(-1)) },
  ];
  return (
    <section className="card pace" aria-label={t.progress}>
      <dl className="facts-grid">
        {facts.map(({ name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Bar value={done} label={t.progressOf(run.experiment_id)} />
      <p className="small faint line">{line === "lost" ? t.lineLost : run.status === "PENDING" ? t.waitsLong : !epoch ? t.reading : done < 1 ? t.live : t.finishing}</p>
    </section>
  );
}
