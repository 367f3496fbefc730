import type { status as shape } from "../en/status";

export const status: typeof shape = {
  title: "ステータス",
};
