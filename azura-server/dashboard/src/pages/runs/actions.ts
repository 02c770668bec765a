// What can be done with a run.

import { useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { heardOf } from "../../api/live";
import { cancel, change, put, remove, rerun, resume, type Submitted } from "../../api/queries";
import { ended, type Change, type Run } from "../../api/types";
import { useText } from "../../text";
import { ask } from "../../ui/ask";
import type { Item } from "../../ui/menu";
import { reason } from "../../ui/notes";
import { say } from "../../ui/toast";
import { title, took } from "./words";

/** Training of fewer seconds than this is cancelled without a question. */
const CHEAP = 60;

/** Does something, says what came of it, and lets the lists follow. */
export function useAct() {
  const client = useQueryClient();
  const text = useText();
  return async <T,>(what: Promise<T>, done?: string): Promise<T | undefined> => {
    try {
      const answer = await what;
      if (done) say(done);
      void client.invalidateQueries({ queryKey: ["runs"] });
      return answer;
    } catch (error) {
      say(reason(error, text), true);
      return undefined;
    }
  };
}

export function useActions() {
  const { t, duration } = useText();
  const client = useQueryClient();
  const [, go] = useLocation();
  const act = useAct();

  const open = (submitted?: Submitted) => {
    if (submitted?.task_id) go(`/runs/${submitted.task_id}`);
    else if (submitted?.batch_id) go(`/runs?batch_id=${submitted.batch_id}`);
  };
  const alter = async (run: Run, what: Change, done?: string) => {
    const fresh = await act(change(run.experiment_id, what), done);
    if (fresh) put(client, fresh);
  };
  const stop = (run: Run) => {
    // One that has ended meanwhile stays as it is.
    const end = async () => (await act(cancel(run.experiment_id)))?.status === "STARTED" && say(t.cancelling);
    const trained = run.status === "STARTED" ? (took(run, Date.now()) ?? 0) : 0;
    if (trained < CHEAP) return void end();
    // Each epoch leaves a checkpoint, and whoever began from one has that.
    const kept = run.attempt > 1 || run.resumed_from || (heardOf(run.task_id)?.epoch ?? run.progress?.epoch);
    ask({ title: t.cancelTitle(title(run)), text: `${t.trainedFor(duration(trained))} ${kept ? t.cancelKept : t.cancelLost}`, yes: t.cancel, no: t.trainOn, act: () => void end() });
  };
  const each = async (runs: Run[], what: (run: Run) => Promise<unknown>) => {
    for (const run of runs) await act(what(run));
  };
  /** As one question, however short each has trained. */
  const stopAll = (runs: Run[]) =>
    ask({ title: t.cancelAll(String(runs.length)), text: t.cancelAllText, yes: t.cancelN(String(runs.length)), no: t.trainOn, act: () => void each(runs, run => cancel(run.experiment_id)) });
  const destroyAll = (runs: Run[], done: () => void) =>
    ask({ title: t.deleteAll(String(runs.length)), text: t.deleteAllText, yes: t.delete, act: () => void each(runs, run => remove(run.experiment_id)).then(done) });
  const goOn = async (run: Run) => open(await act(resume(run.experiment_id)));
  const destroy = (run: Run) =>
    ask({
      // Many are called as their data are.
      title: t.deleteTitle(run.name ?? `${title(run)} · ${run.task_id.slice(0, 8)}`),
      text: t.deleteText,
      yes: t.delete,
      act: async () => {
        if ((await act(remove(run.experiment_id).then(() => true), t.deleted)) && location.pathname.startsWith("/runs/")) go("/runs");
      },
    });

  const items = (run: Run): Item[] => {
    const over = ended(run.status);
    const all: (Item | false)[] = [
      !over && { label: t.cancel, act: () => stop(run) },
      run.resumable && { label: t.resume, act: () => void goOn(run) },
      { label: t.rerun, act: async () => open(await act(rerun(run.experiment_id))) },
      { label: t.editAndRun, act: () => go(`/new/${run.pipeline_name}?from=${encodeURIComponent(run.experiment_id)}`) },
      { label: run.starred ? t.unstar : t.star, act: () => void alter(run, { starred: !run.starred }) },
      { label: run.archived ? t.unarchive : t.archive, act: () => void alter(run, { archived: !run.archived }, run.archived ? t.unarchived : t.archived) },
      over && { label: t.delete, danger: true, act: () => destroy(run) },
    ];
    return all.filter(item => item !== false);
  };
  return { items, alter, stop, stopAll, destroyAll, goOn, open };
}
