// One run: live while it trains, and everything that came of it afterwards.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { Link, useSearchParams } from "wouter";
import { ApiError } from "../../api/client";
import { useFeed } from "../../api/feed";
import * as queries from "../../api/queries";
import { ended, type Run } from "../../api/types";
import { useText } from "../../text";
import { Empty, Failed, Loading } from "../../ui/notes";
import { title } from "../runs/words";
import { ConfigTab } from "./config";
import { Failure } from "./failure";
import { Files } from "./files";
import { ForecastTab } from "./forecast";
import { Head } from "./head";
import { Log } from "./log";
import { Overview } from "./overview";
import { Pace } from "./pace";
import { Report } from "./report";

export function RunPage({ id }: { id: string }) {
  const { t } = useText();
  const client = useQueryClient();
  const { data: run, error, refetch } = useQuery(queries.run(id));
  const feed = useFeed(id);
  const status = feed.course?.status ?? run?.status;

  // Each change of state brings what only the record tells: when it began, its results.
  useEffect(() => {
    if (status && run && status !== run.status) {
      void client.invalidateQueries({ queryKey: ["run", id] });
      void client.invalidateQueries({ queryKey: ["files"] });
    }
  }, [status, run, client, id]);
  const epoch = feed.course?.epoch;
  useEffect(() => {
    if (!run) return;
    const at = status === "STARTED" && feed.course?.total ? `${Math.round((100 * (epoch ?? 0)) / feed.course.total)} % · ` : "";
    document.title = `${at}${title(run)} · AzuraForge`;
  }, [run, status, epoch, feed.course]);

  if (error instanceof ApiError && error.status === 404)
    return (
      <Empty title={t.unknownRun}>
        <p>{t.unknownRunText}</p>
        <Link href="/runs" className="button">
          {t.allRuns}
        </Link>
      </Empty>
    );
  if (!run) return error ? <Failed error={error} retry={() => void refetch()} /> : <Loading lines={12} />;
  const shown: Run = { ...run, status: (status ?? run.status) as Run["status"] };
  return (
    <>
      <nav className="small crumbs" aria-label={t.path}>
        <Link href="/runs">{t.runs}</Link>
        {run.batch_id && <Link href={`/runs?batch_id=${run.batch_id}`}>{run.batch_name ?? `${t.batch} ${run.batch_id.slice(0, 8)}`}</Link>}
      </nav>
      <Head run={shown} feed={feed} />
      {shown.status === "FAILURE" && <Failure run={shown} feed={feed} />}
      {!ended(shown.status) && <Pace run={shown} feed={feed} />}
      <Tabs run={shown} feed={feed} />
      <span className="unseen" role="status">
        {t.state[shown.status]}
      </span>
    </>
  );
}

function Tabs({ run, feed }: { run: Run; feed: ReturnType<typeof useFeed> }) {
  const { t } = useText();
  const [params, setParams] = useSearchParams();
  const good = run.status === "SUCCESS";
  const series = good && Boolean(run.results?.y_pred && run.model_path);
  const tabs = [
    { name: "overview", show: true, panel: <Overview run={run} feed={feed} /> },
    { name: "forecast", show: series, panel: <ForecastTab run={run} /> },
    { name: "report", show: good, panel: <Report run={run} /> },
    { name: "config", show: true, panel: <ConfigTab run={run} /> },
    { name: "log", show: true, panel: <Log feed={feed} /> },
    { name: "files", show: ended(run.status), panel: <Files run={run} /> },
  ] as const;
  const visible = tabs.filter(tab => tab.show);
  const now = visible.find(({ name }) => name === params.get("tab")) ?? visible[0];
  const open = (name: string) =>
    setParams(
      old => {
        const next = new URLSearchParams(old);
        if (name === "overview") next.delete("tab");
        else next.set("tab", name);
        return next;
      },
      { replace: true },
    );
  // On a phone the tabs scroll: the one that is open shall be seen.
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const [all, tab] = [list.current!, document.getElementById(`tab-${now.name}`)!];
    const left = tab.getBoundingClientRect().left - all.getBoundingClientRect().left;
    if (left < 0 || left + tab.offsetWidth > all.clientWidth) all.scrollLeft += left - (all.clientWidth - tab.offsetWidth) / 2;
  }, [now.name]);
  return (
    <>
      <div
        ref={list}
        className="tabs main"
        role="tablist"
        aria-label={t.parts}
        onKeyDown={event => {
          const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!by) return;
          const next = visible.at((visible.indexOf(now) + by) % visible.length)!;
          open(next.name);
          document.getElementById(`tab-${next.name}`)?.focus();
        }}
      >
        {visible.map(({ name }) => (
          <button key={name} role="tab" id={`tab-${name}`} aria-selected={name === now.name} aria-controls="part" tabIndex={name === now.name ? 0 : -1} onClick={() => open(name)}>
            {t.tab[name]}
          </button>
        ))}
      </div>
      {/* On a phone a report's charts scroll sideways; so that keyboards reach that, the panel takes the focus. */}
      <div id="part" role="tabpanel" aria-labelledby={`tab-${now.name}`} tabIndex={now.name === "report" ? 0 : undefined}>
        {now.panel}
      </div>
    </>
  );
}
