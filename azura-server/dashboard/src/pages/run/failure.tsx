// Why a run failed, and where to look.

import { Link } from "wouter";
import type { Feed } from "../../api/feed";
import type { Run } from "../../api/types";
import { useText } from "../../text";
import { Icon } from "../../ui/icon";

/** The run itself did nothing wrong: going on with it is worth a try. */
const LOST = ["RUN_INTERRUPTED", "WORKER_LOST"];

export function Failure({ run, feed }: { run: Run; feed: Feed }) {
  const { t, told } = useText();
  const last = feed.course?.events.findLast(event => event.state === "FAILURE")?.details;
  const code = run.error?.error_code ?? (last?.error_code as string | undefined);
  const message = run.error?.message ?? (last?.message as string | undefined) ?? "";
  // Most messages say all there is to say.
  const hints = [t.hint[code as keyof typeof t.hint] ?? (message ? "" : t.hint.other), run.resumable && LOST.includes(code ?? "") ? t.hint.resume : ""];
  return (
    <section className="card failed">
      <h2>
        <Icon name="warn" /> {t.failed} {code && <code>{code}</code>}
      </h2>
      <p className="why">{told(message)}</p>
      <p className="small">
        {hints.map(hint => hint && `${hint} `)}
        <Link href={`/new/${run.pipeline_name}?from=${encodeURIComponent(run.experiment_id)}`}>{t.editAndRun}</Link>
        {" · "}
        <Link href="?tab=log">{t.tab.log}</Link>
        {" · "}
        <Link href="?tab=config">{t.tab.config}</Link>
      </p>
      {run.error?.traceback && (
        <details>
          <summary>{t.details}</summary>
          <pre>{run.error.traceback}</pre>
        </details>
      )}
    </section>
  );
}
