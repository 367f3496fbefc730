import type { audit as shape } from "../en/audit";

export const audit: typeof shape = {
  title: "監査ログ",
};
