// Names for what the server's OpenAPI document calls views, and the shapes of what it leaves open.

import type { components } from "./schema";

type Views = components["schemas"];
export type Run = Omit<Views["ExperimentView"], "config" | "results" | "changes"> & {
  config: Config | null;
  results?: Results | null;
  changes: Record<string, Json>;
};
export type Status = Views["Status"];
export type Pipeline = Views["PipelineView"];
export type PipelineConfig = Omit<Views["PipelineConfigView"], "default_config" | "json_schema"> & {
  default_config: Config;
  json_schema: Schema;
};
export type RunFile = Views["FileView"];
/** What is to change of what people say of a run; null removes, which the document has no word for. */
export type Change = { [name in keyof Views["NotesView"]]: Views["NotesView"][name] | null };
export type Problem = Views["ProblemView"];

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Config = { [key: string]: Json };

/** As much of JSON Schema as pipelines' configs are written in. */
export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  /** The order in which the config's type declares them. */
  "x-order"?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: Json[];
  const?: Json;
  default?: Json;
  examples?: Json[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

export type Column = (number | null)[];

export interface ClassReport {
  precision: number;
  recall: number;
  "f1-score": number;
  support: number;
}

/** What `results.json` may hold; which of it, depends on the pipeline. */
export interface Results {
  history: Record<string, Column>;
  metrics: Record<string, Json | Record<string, ClassReport>>;
  baselines?: Record<string, Record<string, number | null>>;
  final_loss: number | null;
  y_true?: Column;
  y_pred?: Column;
  y_lower?: Column;
  y_upper?: Column;
  time_index?: string[];
  y_label?: string;
  target_col?: string;
  feature_importance?: { feature: string; rmse_increase: number | null }[];
  confusion_matrix?: number[][];
  class_names?: string[];
  generated_audio?: { file_name: string; sample_rate: number; seconds: number };
}

export interface Validation {
  x_axis?: string[];
  y_true?: Column;
  y_pred?: Column;
  y_lower?: Column;
  y_upper?: Column;
}

/** A line of a run's event log, as it comes over the socket. */
export interface Frame {
  state: "PENDING" | "STARTED" | "PROGRESS" | "SUCCESS" | "FAILURE" | "REVOKED" | "RESYNC";
  seq?: number;
  attempt: number;
  time?: string;
  after?: number;
  details: { [key: string]: Json } & { validation_data?: Validation };
}

export interface History {
  seq: number;
  attempt: number;
  status: Status;
  columns: Record<string, Column>;
  /** How many there are, of which the columns may hold fewer. */
  epochs: number;
  validation: Validation | null;
  events: Frame[];
}

export interface Forecast {
  prediction: number;
  target_col: string;
  actual_history: Record<string, number>;
  forecasted_series: Record<string, number>;
  forecast_lower?: Record<string, number>;
  forecast_upper?: Record<string, number>;
}

/** The newest word of a run that trains. */
export interface Progress {
  experiment_id: string;
  task_id: string;
  attempt: number;
  seq: number;
  epoch: number;
  total_epochs: number;
  loss: number | null;
  val_loss?: number | null;
  lr?: number | null;
}

const ENDED: readonly string[] = ["SUCCESS", "FAILURE", "REVOKED"];
export const ended = (status: string) => ENDED.includes(status);
