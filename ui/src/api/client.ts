/** Every request of the pages leaves here: the public API, with the user's token in the header. */
import { ApiError, asApiError, errorOf } from "./errors";
import { session } from "./session";

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface Options {
  query?: Query;
  signal?: AbortSignal;
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  /** For the paths that need no token: a refusal then does not sign out. */
  anonymous?: boolean;
}

/** The path with its query; empty values are left out. */
export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) params.set(name, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

/** The answer, whatever its status and body. Throws ApiError only where there is none. */
export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { ...options.headers };
  const token = session.token();
  if (token && !options.anonymous) headers["Authorization"] = `Bearer ${token}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(withQuery(path, options.query), {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === "AbortError") throw thrown;
    throw asApiError(thrown);
  }
}

/** The answer, whatever its body. Throws ApiError where it is no success; a 401 signs out. */
export async function send(method: string, path: string, options: Options = {}): Promise<Response> {
  const token = session.token();
  const response = await request(method, path, options);
  if (response.ok) return response;
  const error = await errorOf(response);
  // Another tab may have signed in anew since this request left.
  if (error.status === 401 && !options.anonymous && session.token() === token) session.signOut();
  throw error;
}

async function json<T>(method: string, path: string, options?: Options): Promise<T> {
  const response = await send(method, path, options);
  const text = await response.text();
  try {
    return (text === "" ? {} : JSON.parse(text)) as T;
  } catch {
    throw new ApiError(response.status, "NOT_JSON", text.slice(0, 200));
  }
}

export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) => json<T>("GET", path, { query, signal }),
  post: <T>(path: string, body?: unknown, options?: Options) => json<T>("POST", path, { ...options, body: body ?? {} }),
  put: <T>(path: string, body: unknown, options?: Options) => json<T>("PUT", path, { ...options, body }),
  patch: <T>(path: string, body: unknown, options?: Options) => json<T>("PATCH", path, { ...options, body }),
  delete: <T>(path: string, options?: Options) => json<T>("DELETE", path, options),
};

/** A part of a path, as it may stand in a URL. */
export const part = encodeURIComponent;
