import type { calls as shape } from "../en/calls";

export const calls: typeof shape = {
  title: "呼び出し",
};
