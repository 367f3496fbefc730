import type { tokens as shape } from "../en/tokens";

export const tokens: typeof shape = {
  title: "トークン",
};
