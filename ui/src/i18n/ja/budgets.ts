import type { budgets as shape } from "../en/budgets";

export const budgets: typeof shape = {
  title: "予算",
};
