/** Providers and their settings. The server tells them in English; other languages put their words in place by name. */
export const providers = {
  title: (_name: string, told: string) => told,
  label: (_field: string, told: string) => told,
  help: (_field: string, told: string) => told,
  deprecated: (_name: string, told: string) => told,
};
