import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { listen } from "./api/live";
import { App } from "./app";
import { begin } from "./text";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // What was refused stays refused; a server that is away is asked again.
      retry: (count, error) => error instanceof ApiError && error.away && count < 5,
      retryDelay: count => Math.min(500 * 2 ** count, 5000),
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});
listen(client);

void begin().then(() =>
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  ),
);
