import type { secrets as shape } from "../en/secrets";

export const secrets: typeof shape = {
  title: "シークレット",
};
