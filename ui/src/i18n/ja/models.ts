import type { models as shape } from "../en/models";

export const models: typeof shape = {
  title: "モデル",
};
