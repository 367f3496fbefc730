/** Budgets in money: what may be spent in a period, what is spent, and what happens at the end of it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, part } from "./client";

export const SCOPES = ["workspace", "endpoint", "user", "group"] as const;
export const PERIODS = ["day", "week", "month"] as const;
export const ACTIONS = ["refuse", "alert"] as const;
export type Scope = (typeof SCOPES)[number];
export type Period = (typeof PERIODS)[number];
export type Action = (typeof ACTIONS)[number];

export interface BudgetInput {
  name: string;
  scope: Scope;
  /** The endpoint, user or group; null: the workspace's, or each user's own. */
  subject: string | null;
  period: Period;
  limit_usd: number;
  action: Action;
  /** Per cent of the limit. */
  thresholds: number[];
}

export interface Budget extends BudgetInput {
  id: string;
  spent_usd: number;
  /** Held by calls under way. */
  reserved_usd: number;
  /** Unix milliseconds. */
  starts_at: number;
  resets_at: number;
  alerts: { threshold: number; at: number; spent_usd: number; limit_usd: number; subject?: string }[];
  users: { subject: string; spent_usd: number; reserved_usd: number }[];
  unpriced_entities: string[];
  created_at: number;
  created_by: string;
}

const PATH = "/api/2.0/budgets";
const EVERY = 10_000;

/** Spending is no change of the configuration, so no event tells of it. */
export function useBudgets() {
  return useQuery({
    queryKey: ["budgets"],
    refetchInterval: EVERY,
    queryFn: async ({ signal }) => (await api.get<{ budgets: Budget[] }>(PATH, {}, signal)).budgets,
  });
}

export function useBudgetChanges() {
  const queries = useQueryClient();
  const onSuccess = () => queries.invalidateQueries({ queryKey: ["budgets"] });
  return {
    save: useMutation({
      mutationFn: ({ id, body }: { id: string | null; body: BudgetInput }) =>
        id === null ? api.post<Budget>(PATH, body) : api.put<Budget>(`${PATH}/${part(id)}`, body),
      onSuccess,
    }),
    remove: useMutation({ mutationFn: (id: string) => api.delete(`${PATH}/${part(id)}`), onSuccess }),
  };
}
