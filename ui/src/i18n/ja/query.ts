import type { query as shape } from "../en/query";

export const query: typeof shape = {
  title: "クエリ",
};
