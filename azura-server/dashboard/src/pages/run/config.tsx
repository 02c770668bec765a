// A run's config, and what people wrote about it.

import { useEffect, useState } from "react";
import { Link } from "wouter";
import type { Run } from "../../api/types";
import { useText } from "../../text";
import { Copy } from "../../ui/copy";
import { useActions } from "../runs/actions";
import { brief } from "../runs/words";

/** What was typed and not yet saved, for as long as the page is there. */
const drafts = new Map<string, { notes: string; tags: string }>();

export function ConfigTab({ run }: { run: Run }) {
  const { t, decimal } = useText();
  const { alter } = useActions();
  const draft = drafts.get(run.task_id);
  const [notes, setNotes] = useState(draft?.notes ?? run.notes ?? "");
  const [tags, setTags] = useState(draft?.tags ?? run.tags.join(", "));
  const json = JSON.stringify(run.config, null, 2);
  const differs = Object.entries(run.changes);
  const wanted = [...new Set(tags.split(",").map(tag => tag.trim()).filter(Boolean))];
  const same = notes === (run.notes ?? "") && wanted.join() === run.tags.join();
  useEffect(() => void (same ? drafts.delete(run.task_id) : drafts.set(run.task_id, { notes, tags })), [same, notes, tags, run.task_id]);
  return (
    <div className="pair">
      <section className="card">
        <div className="row between wrap">
          <h2>{t.tab.config}</h2>
          <div className="row">
            <Copy text={json} />
            <Link className="button" href={`/new/${run.pipeline_name}?from=${encodeURIComponent(run.experiment_id)}`}>
              {t.editAndRun}
            </Link>
          </div>
        </div>
        <pre className="scroll" tabIndex={0} aria-label={t.tab.config}>
          {json}
        </pre>
      </section>
      <div className="stack">
        <section className="card">
          <h2>{t.differs}</h2>
          {differs.length ? (
            <dl className="pairs">
              {differs.map(([path, value]) => (
                <div key={path}>
                  <dt className="mono small">{path}</dt>
                  <dd className="num">{brief(value, decimal)}</dd>
                </div>
              ))}
            </dl>
          ) : (
            <p className="faint small">{t.allDefaults}</p>
          )}
        </section>
        <form
          className="card stack"
          onSubmit={event => {
            event.preventDefault();
            void alter(run, { notes: notes || null, tags: wanted }, t.saved);
          }}
        >
          <h2>{t.about}</h2>
          <label className="column small">
            {t.notes}
            <textarea rows={5} maxLength={10_000} value={notes} onChange={event => setNotes(event.target.value)} />
          </label>
          <label className="column small">
            {t.tags}
            <input type="text" value={tags} placeholder={t.tagsHint} onChange={event => setTags(event.target.value)} />
          </label>
          <button disabled={same}>{t.save}</button>
        </form>
      </div>
    </div>
  );
}
