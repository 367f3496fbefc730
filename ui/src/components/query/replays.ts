/** Hands a body that was sent before to the playground, which takes it up once: a body is too long for an address. */
import type { Body } from "~/api/invocations";

const KEY = "cloche.replay";

export interface Replay {
  endpoint: string;
  body: Body;
}

export const replays = {
  put: (replay: Replay): void => sessionStorage.setItem(KEY, JSON.stringify(replay)),
  take(): Replay | null {
    const kept = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    return kept ? (JSON.parse(kept) as Replay) : null;
  },
};
