/** Where the pages begin: theme before anything is drawn, words of one language, then the application. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/errors";
import { App } from "./app/App";
import { applyTheme } from "./app/theme";
import { firstLocale, LanguageProvider, loadWords } from "./i18n";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/shell.css";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // A refusal stays a refusal; a server that is away may come back.
      retry: (failures, error) => failures < 3 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
    },
    mutations: { retry: false },
  },
});

applyTheme();
const locale = firstLocale();
const words = await loadWords(locale);
const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <LanguageProvider first={locale} words={words}>
        <QueryClientProvider client={queries}>
          <App />
        </QueryClientProvider>
      </LanguageProvider>
    </StrictMode>,
  );
