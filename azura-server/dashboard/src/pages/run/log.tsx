import type { Feed } from "../../api/feed";
import { useText } from "../../text";
import { Empty, Loading } from "../../ui/notes";
import { State } from "../../ui/state";

/** What happened to a run, the newest last. */
export function Log({ feed: { course } }: { feed: Feed }) {
  const { t, told, number, moment } = useText();
  if (!course) return <Loading />;
  if (!course.events.length) return <Empty title={t.noEvents} />;
  return (
    <ol className="card log">
      {course.events.map((event, i) => {
        const { details, attempt } = event;
        const from = Number(details.from_epoch ?? 0);
        const reason = t.reason[details.reason as keyof typeof t.reason];
        const words = event.state === "STARTED" ? `${t.attempt(attempt)}${from ? ` · ${t.fromEpoch(number(from))}` : ""}` : [reason, details.error_code, told(String(details.message ?? ""))].filter(Boolean).join(" · ");
        return (
          <li key={event.seq ?? i}>
            <span className="faint mono">{event.seq}</span>
            <State status={event.state} />
            <span className="words">{words}</span>
            {event.time && <time className="small faint">{moment(event.time)}</time>}
          </li>
        );
      })}
      {course.epoch > 0 && <li className="faint small">{t.epochsTold(number(course.told))}</li>}
    </ol>
  );
}
