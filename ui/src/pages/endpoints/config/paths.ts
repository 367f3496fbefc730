/** Reading and writing in nested settings, whose fields have names like `bearer_token_auth.token`. */
type Settings = Record<string, unknown>;

export function readAt(settings: Settings, path: string): unknown {
  return path.split(".").reduce<unknown>((at, name) => (at as Settings | undefined)?.[name], settings);
}

/** A copy with the value at the path; undefined takes it away, and what becomes empty above it. */
export function writeAt(settings: Settings, path: string, value: unknown): Settings {
  const [name = "", ...rest] = path.split(".");
  if (rest.length === 0) return value === undefined ? without(settings, name) : { ...settings, [name]: value };
  const inner = writeAt((settings[name] as Settings | undefined) ?? {}, rest.join("."), value);
  return Object.keys(inner).length ? { ...settings, [name]: inner } : without(settings, name);
}

export function without<T extends object>(all: T, name: string): T {
  return Object.fromEntries(Object.entries(all).filter(([each]) => each !== name)) as T;
}

const REFERENCE = /^\{\{secrets\/([^/}]+)\/([^/}]+)\}\}$/;

/** The scope and key of a reference; null if it is none. */
export function referenceOf(value: unknown): { scope: string; key: string } | null {
  const found = typeof value === "string" ? REFERENCE.exec(value.trim()) : null;
  return found ? { scope: found[1] ?? "", key: found[2] ?? "" } : null;
}

export const reference = (scope: string, key: string) => `{{secrets/${scope}/${key}}}`;

/** Whether a reference is to a secret that the server keeps for an endpoint by itself. */
export const isKept = (scope: string) => scope.startsWith("cloche-endpoint-");
