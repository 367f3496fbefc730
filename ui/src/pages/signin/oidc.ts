/**
 * OpenID Connect, authorization code with PKCE. The browser goes to the issuer and comes back with a code; the server
 * exchanges it. State, verifier and nonce stay in this tab and are good for one sign-in.
 */
import { api } from "~/api/client";
import type { SignInOptions } from "~/api/me";

const KEY = "cloche.oidc";
const MINUTES = 10;

interface Begun {
  state: string;
  verifier: string;
  nonce: string;
  returnTo: string;
  at: number;
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export const redirectUri = () => `${window.location.origin}/signin/callback`;

export async function beginOidc(oidc: NonNullable<SignInOptions["oidc"]>, returnTo: string): Promise<void> {
  const begun: Begun = { state: random(), verifier: random(), nonce: random(), returnTo, at: Date.now() };
  sessionStorage.setItem(KEY, JSON.stringify(begun));
  const challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier))));
  const url = new URL(oidc.authorization_endpoint);
  const asked = { response_type: "code", client_id: oidc.client_id, scope: oidc.scopes, redirect_uri: redirectUri(), state: begun.state, nonce: begun.nonce, code_challenge: challenge, code_challenge_method: "S256" };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  window.location.assign(url);
}

/** What the issuer sent back with its refusal. */
export class OidcRefusal extends Error {}
/** The answer is not to a question of this tab. */
export class StateMismatch extends Error {}

let finishing: Promise<{ token: string; returnTo: string }> | null = null;

/** The token for the code in the query. A code works once, so a second call gets the first one's answer. */
export function finishOidc(search: string): Promise<{ token: string; returnTo: string }> {
  finishing ??= exchange(new URLSearchParams(search)).finally(() => {
    sessionStorage.removeItem(KEY);
  });
  return finishing;
}

async function exchange(answer: URLSearchParams): Promise<{ token: string; returnTo: string }> {
  const refusal = answer.get("error");
  if (refusal) throw new OidcRefusal(answer.get("error_description") ?? refusal);
  const begun = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Begun | null;
  const code = answer.get("code");
  if (!begun || !code || answer.get("state") !== begun.state || Date.now() - begun.at > MINUTES * 60_000) throw new StateMismatch();
  const body = { code, code_verifier: begun.verifier, redirect_uri: redirectUri(), nonce: begun.nonce };
  const told = await api.post<{ access_token: string }>("/api/2.0/sign-in/oidc", body, { anonymous: true });
  return { token: told.access_token, returnTo: begun.returnTo };
}
