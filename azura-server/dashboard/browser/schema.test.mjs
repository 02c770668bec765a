// The types of the API are made from the server's document by `npm run types`; they are of this server.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import openapi, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { startServer } from "./harness.mjs";

test("src/api/schema.d.ts is of the server's OpenAPI document", async () => {
  const server = await startServer("http://127.0.0.1:1");
  try {
    const document = await (await fetch(`http://127.0.0.1:${server.port}/api/v1/openapi.json`)).json();
    const made = COMMENT_HEADER + astToString(await openapi(document));
    const kept = await readFile(new URL("../src/api/schema.d.ts", import.meta.url), "utf8");
    assert.ok(kept === made, "it is stale: run `npm run types` beside a running server, and then `scripts/dashboard build`");
  } finally {
    await server.stop();
  }
});
