import type { usage as shape } from "../en/usage";

export const usage: typeof shape = {
  title: "使用状況",
};
