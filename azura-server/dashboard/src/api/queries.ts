// What is asked of the server, and under which keys the answers are kept.

import { infiniteQueryOptions, queryOptions, type QueryClient } from "@tanstack/react-query";
import { api, body, link, request } from "./client";
import type { Change, Config, Forecast, History, Json, Pipeline, PipelineConfig, Run, RunFile } from "./types";

export interface Filter {
  q?: string;
  status?: string;
  pipeline?: string;
  batch_id?: string;
  archived?: boolean;
}

export interface Page {
  runs: Run[];
  next?: string;
}

export const PAGE = 100;
/** With so many points, a chart looks as with all of them. The server's `preload` asks for as many. */
export const DRAWN = 4000;

export const runs = (filter: Filter) =>
  infiniteQueryOptions({
    queryKey: ["runs", filter] as const,
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }): Promise<Page> => {
      const query = { ...filter, cursor: pageParam || undefined, limit: PAGE, fields: "summary" as const };
      const { data, response } = await api.GET("/api/v1/experiments", { params: { query }, signal });
      return { runs: data as unknown as Run[], next: response.headers.get("x-next-cursor") ?? undefined };
    },
    getNextPageParam: page => page.next,
  });

export const run = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }) => body<Run>(api.GET("/api/v1/experiments/{id}/details", { params: { path: { id }, query: { points: DRAWN } }, signal })),
  });

/** Every epoch, or so many at most. */
export const history = (id: string, points?: number) =>
  queryOptions({
    queryKey: points ? ["history", id, points] : ["history", id],
    queryFn: ({ signal }) => body<History>(api.GET("/api/v1/experiments/{id}/history", { params: { path: { id }, query: { points } }, signal })),
  });

export const files = (id: string) =>
  queryOptions({
    queryKey: ["files", id],
    queryFn: ({ signal }) => body<RunFile[]>(api.GET("/api/v1/experiments/{id}/files", { params: { path: { id } }, signal })),
  });

export const report = (id: string) =>
  queryOptions({
    queryKey: ["report", id],
    staleTime: Infinity,
    queryFn: async ({ signal }) => (await request(link(id, "report/html"), { signal })).text(),
  });

export const pipelines = queryOptions({
  queryKey: ["pipelines"],
  staleTime: Infinity,
  queryFn: ({ signal }) => body<Pipeline[]>(api.GET("/api/v1/pipelines", { signal })),
});

export const pipeline = (id: string) =>
  queryOptions({
    queryKey: ["pipeline", id],
    staleTime: Infinity,
    queryFn: ({ signal }) => body<PipelineConfig>(api.GET("/api/v1/pipelines/{id}/config", { params: { path: { id } }, signal })),
  });

export const check = (id: string, config: Config) =>
  queryOptions({
    queryKey: ["check", id, config],
    staleTime: 60_000,
    gcTime: 60_000,
    queryFn: ({ signal }) => body<{ runs: number }>(api.POST("/api/v1/pipelines/{id}/validate", { params: { path: { id } }, body: config as never, signal })),
  });

/** What the data leave to choose from: the names of data sets, and of columns of the one that is named. */
export const choices = (id: string, data_sourcing: Json = {}) =>
  queryOptions({
    queryKey: ["choices", id, data_sourcing],
    staleTime: 60_000,
    queryFn: async ({ signal }) => (await body<{ choices: Record<string, string[]> }>(api.POST("/api/v1/pipelines/{id}/choices", { params: { path: { id } }, body: { data_sourcing } as never, signal }))).choices,
  });

export interface Submitted {
  task_id?: string;
  batch_id?: string;
  task_ids?: string[];
}

export const submit = (config: Config) => body<Submitted>(api.POST("/api/v1/experiments", { body: config as never }));

const of = (id: string) => ({ params: { path: { id } } });
export const cancel = (id: string) => body<{ status: string }>(api.POST("/api/v1/experiments/{id}/cancel", of(id)));
export const resume = (id: string) => body<Submitted>(api.POST("/api/v1/experiments/{id}/resume", of(id)));
export const rerun = (id: string) => body<Submitted>(api.POST("/api/v1/experiments/{id}/rerun", of(id)));
export const remove = (id: string) => body<unknown>(api.DELETE("/api/v1/experiments/{id}", of(id)));
export const change = (id: string, change: Change) => body<Run>(api.PATCH("/api/v1/experiments/{id}", { ...of(id), body: change as never }));

/** Kept for an hour, until it is asked for again. */
export const forecast = (id: string, steps: number) =>
  queryOptions({
    queryKey: ["forecast", id, steps],
    staleTime: Infinity,
    gcTime: 3_600_000,
    retry: false,
    queryFn: ({ signal }) => body<Forecast>(api.POST("/api/v1/experiments/{id}/predict", { ...of(id), body: { prediction_steps: steps } as never, signal })),
  });

/** Puts what is newly known of a run wherever it is shown. */
export function put(client: QueryClient, fresh: Run) {
  const same = (old: Run) => old.task_id === fresh.task_id;
  client.setQueriesData<{ pages: Page[]; pageParams: unknown[] }>({ queryKey: ["runs"] }, old =>
    old?.pages.some(page => page.runs.some(same))
      ? { ...old, pages: old.pages.map(page => (page.runs.some(same) ? { ...page, runs: page.runs.map(run => (same(run) ? fresh : run)) } : page)) }
      : old,
  );
  for (const id of [fresh.experiment_id, fresh.task_id]) {
    const old = client.getQueryData<Run>(["run", id]);
    if (!old) continue;
    // A page of one run has its config and results, which a summary lacks; another state brings other ones.
    client.setQueryData<Run>(["run", id], { ...fresh, config: old.config, results: old.results });
    if (fresh.status !== old.status) void client.invalidateQueries({ queryKey: ["run", id] });
  }
}
