// Requests. Every failure is an `ApiError` whose message can be shown.

import createClient from "openapi-fetch";
import type { paths } from "./schema";
import type { Problem } from "./types";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code?: string,
    readonly problems: Problem[] = [],
  ) {
    super(message);
  }

  /** Nobody answered: the server is away, or the network. */
  get away() {
    return this.status === 0;
  }
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: request });

/** Adds one reading of failures to `fetch`. */
export async function request(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  let response;
  try {
    response = await fetch(input, init);
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError("", 0);
  }
  if (response.ok) return response;
  const { detail } = (await response.json().catch(() => ({}))) as { detail?: { error_code?: string; message?: string; errors?: Problem[] } };
  throw new ApiError(detail?.message ?? `HTTP ${response.status}`, response.status, detail?.error_code, detail?.errors);
}

/** The body of an answer. Failures have been thrown by then. */
export async function body<T>(asked: Promise<{ data?: unknown }>): Promise<T> {
  return (await asked).data as T;
}

const BASE = "/api/v1/experiments/";
/** Where something of a run lies: a file, its report. */
export const link = (id: string, path: string) => BASE + encodeURIComponent(id) + "/" + path.split("/").map(encodeURIComponent).join("/");
