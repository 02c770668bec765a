import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where a server listens while the pages are worked on: `cargo run`, or AZURA_SERVER.
const server = process.env.AZURA_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  // Data URLs and polyfills that would be inline have no place under the pages' content security policy.
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
    license: { fileName: "LICENSES.md" },
    // What changes seldom is a file of its own, and stays in the browser's cache.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "react", test: /node_modules\/(react|react-dom|scheduler)\//, priority: 1 }, { name: "packages", test: /node_modules/ }] } } },
  },
  // A test reads what the Rust sources say.
  server: { fs: { allow: ["../.."] }, proxy: { "/api": server, "/ws": { target: server, ws: true } } },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
