/** The pages, in the order and groups of the navigation. A page's code is loaded when it is visited. */
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import type { IconName } from "~/components/Icon";
import type { Dictionary } from "~/i18n";

export interface PageEntry {
  id: IconName & keyof Dictionary["shell"]["nav"];
  path: string;
  page: LazyExoticComponent<ComponentType>;
  /** For administrators alone: others are not shown the way there. */
  admin: boolean;
}

export interface PageGroup {
  id: "serving" | "watching" | "governing" | "host";
  pages: readonly PageEntry[];
}

const entry = (id: PageEntry["id"], load: () => Promise<{ default: ComponentType }>, admin = false): PageEntry => ({
  id,
  path: `/${id}`,
  page: lazy(load),
  admin,
});

export const GROUPS: readonly PageGroup[] = [
  {
    id: "serving",
    pages: [
      entry("endpoints", () => import("~/pages/endpoints/EndpointsPage")),
      entry("playground", () => import("~/pages/playground/PlaygroundPage")),
      entry("models", () => import("~/pages/models/ModelsPage")),
    ],
  },
  {
    id: "watching",
    pages: [
      entry("calls", () => import("~/pages/calls/CallsPage")),
      entry("usage", () => import("~/pages/usage/UsagePage")),
      entry("budgets", () => import("~/pages/budgets/BudgetsPage"), true),
    ],
  },
  {
    id: "governing",
    pages: [
      entry("tokens", () => import("~/pages/tokens/TokensPage")),
      entry("secrets", () => import("~/pages/secrets/SecretsPage")),
      entry("people", () => import("~/pages/people/PeoplePage"), true),
      entry("audit", () => import("~/pages/audit/AuditPage"), true),
    ],
  },
  { id: "host", pages: [entry("status", () => import("~/pages/status/StatusPage"))] },
];

export const PAGES: readonly PageEntry[] = GROUPS.flatMap((group) => group.pages);
