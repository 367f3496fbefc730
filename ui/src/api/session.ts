/**
 * Who is signed in: the token of this tab.
 *
 * It is kept in memory and sessionStorage, and in localStorage only where the user asked to stay signed in.
 * It goes nowhere but into the Authorization header: never into a URL, a log or the page.
 */
import { useSyncExternalStore } from "react";

const KEY = "cloche.token";
const listeners = new Set<() => void>();
let token: string | null = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);

function tell(): void {
  for (const each of listeners) each();
}

export const session = {
  token: (): string | null => token,

  signIn(value: string, remember: boolean): void {
    token = value;
    sessionStorage.setItem(KEY, value);
    if (remember) localStorage.setItem(KEY, value);
    else localStorage.removeItem(KEY);
    tell();
  },

  signOut(): void {
    token = null;
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
    tell();
  },

  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

// Signing out in one tab of a browser that stays signed in is signing out in all.
window.addEventListener("storage", (event) => {
  if (event.key === KEY && event.newValue === null && event.oldValue === token) session.signOut();
});

export function useSignedIn(): boolean {
  return useSyncExternalStore(session.subscribe, () => token !== null);
}
