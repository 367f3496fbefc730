import type { playground as shape } from "../en/playground";

export const playground: typeof shape = {
  title: "プレイグラウンド",
};
