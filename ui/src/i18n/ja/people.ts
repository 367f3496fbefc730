import type { people as shape } from "../en/people";

export const people: typeof shape = {
  title: "ユーザーとグループ",
};
