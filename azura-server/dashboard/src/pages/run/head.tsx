import { useState } from "react";
import { Link } from "wouter";
import type { Feed } from "../../api/feed";
import { ended, type Run } from "../../api/types";
import { useText } from "../../text";
import { Icon } from "../../ui/icon";
import { Menu } from "../../ui/menu";
import { useNow } from "../../ui/now";
import { State } from "../../ui/state";
import { useActions } from "../runs/actions";
import { title, took } from "../runs/words";

export function Head({ run, feed }: { run: Run; feed: Feed }) {
  const { t, age, moment, duration } = useText();
  const { items, stop, goOn, alter } = useActions();
  const now = useNow();
  const [naming, setNaming] = useState(false);
  const seconds = ended(run.status) ? took(run, now) : undefined;
  const attempt = feed.course?.attempt ?? run.attempt;
  return (
    <div className="heading run-head">
      <div className="grow">
        {naming ? (
          <form
            className="row"
            onSubmit={event => {
              event.preventDefault();
              const name = String(new FormData(event.currentTarget).get("name")).trim();
              void alter(run, { name: name || null });
              setNaming(false);
            }}
          >
            <input name="name" className="grow" aria-label={t.name} defaultValue={run.name ?? ""} maxLength={200} autoFocus onKeyDown={event => event.key === "Escape" && setNaming(false)} />
            <button className="primary">{t.save}</button>
            <button type="button" onClick={() => setNaming(false)}>
              {t.dismiss}
            </button>
          </form>
        ) : (
          <div className="row">
            <h1>{title(run)}</h1>
            <button className="plain" aria-label={t.rename} title={t.rename} onClick={() => setNaming(true)}>
              <Icon name="pen" />
            </button>
            <button className="plain star" aria-pressed={run.starred} aria-label={run.starred ? t.unstar : t.star} title={run.starred ? t.unstar : t.star} onClick={() => void alter(run, { starred: !run.starred })}>
              <Icon name="star" filled={run.starred} />
            </button>
          </div>
        )}
        <p className="small faint facts">
          <span>{run.pipeline_name}</span>
          <span className="mono">{run.experiment_id}</span>
          <time dateTime={run.created_at} title={moment(run.created_at)}>
            {age(run.created_at, now)}
          </time>
          {seconds !== undefined && <span>{t.took(duration(seconds))}</span>}
          {run.worker && <span>{t.worker(run.worker)}</span>}
          {attempt > 1 && <span>{t.attempt(attempt)}</span>}
          {run.resumed_from && <Link href={`/runs/${run.resumed_from}`}>{t.resumedFrom}</Link>}
        </p>
      </div>
      <div className="row wrap">
        <State status={run.status} />
        {!ended(run.status) && <button onClick={() => stop(run)}>{t.cancel}</button>}
        {run.resumable && <button onClick={() => void goOn(run)}>{t.resume}</button>}
        <Menu label={t.actions} items={() => items(run)}>
          {t.actions}
        </Menu>
      </div>
    </div>
  );
}
