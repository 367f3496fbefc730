/// <reference types="vitest/config" />
import { defineConfig } from "vite";

/**
 * Built into the Python package: `index.html` for every page path, and assets whose names hold the hash of their content.
 * Nothing in the output depends on time or place, so that a test can compare a fresh build with what is committed.
 */
export default defineConfig({
  resolve: { alias: { "~": new URL("./src", import.meta.url).pathname } },
  base: "/",
  build: {
    outDir: "../src/cloche/http/pages",
    assetsDir: "ui-assets",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"],
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      // Libraries say "use client" for servers that render; there is none here.
      checks: { moduleLevelDirective: false },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/serving-endpoints", "/oidc", "/openapi.json", "/metrics", "/health", "/ready"].map((path) => [
        path,
        "http://127.0.0.1:8080",
      ]),
    ),
  },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"], restoreMocks: true },
});
