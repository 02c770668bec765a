import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { Run } from "../../api/types";
import { Failure } from "./failure";

afterEach(cleanup);

const said = (error_code: string, message: string, resumable = false) =>
  render(<Failure run={{ error: { error_code, message }, resumable, pipeline_name: "p", experiment_id: "e" } as Run} feed={{ line: "closed", version: 0 }} />).container.querySelector("p.small")!.textContent;

test("a failure's message is not said again as a hint", () => {
  expect(said("PIPELINE_EXECUTION_ERROR", "the loss became inf; a smaller learning rate may help")).toBe("Edit and run · Log · Config");
  expect(said("WORKER_LOST", "the task lost its worker 3 times")).toMatch(/^Look at the worker’s log and its memory\. Edit/);
  expect(said("RUN_INTERRUPTED", "the process that trained it ended before it did", true)).toMatch(/^Resuming goes on/);
  expect(said("NEVER_HEARD_OF", "")).toMatch(/^The log tells/);
});
