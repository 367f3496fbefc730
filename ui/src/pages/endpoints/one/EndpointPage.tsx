/** One endpoint: how it is, how to call it, what it is made of, and everything that can be done with it. */
import { lazy, Suspense, useState } from "react";
import { Link, useLocation } from "wouter";
import { ApiError } from "~/api/errors";
import { deleteEndpoint, type Endpoint, useEndpoint } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { Badge, StateDot } from "~/components/Badge";
import { Button, ButtonLink, IconButton } from "~/components/Button";
import { CopyLine } from "~/components/copy";
import { ConfirmDialog } from "~/components/Dialog";
import { Menu } from "~/components/Menu";
import { Page } from "~/components/Page";
import { EmptyState, Loaded, Skeleton } from "~/components/states";
import { Tabs } from "~/components/Tabs";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { EditPage } from "../config/EditPage";
import { shownState } from "../states";
import { Overview } from "./Overview";
import { StateBanner } from "./StateBanner";
import { TagsDialog } from "./TagsDialog";

const QueryTab = lazy(() => import("./QueryTab"));
const MetricsTab = lazy(() => import("./MetricsTab"));
const LogsTab = lazy(() => import("./LogsTab"));
const UsageTab = lazy(() => import("./UsageTab"));
const GatewayTab = lazy(() => import("../gateway/GatewayTab"));
const PermissionsTab = lazy(() => import("./PermissionsTab"));
const HistoryTab = lazy(() => import("./HistoryTab"));

export function EndpointPage({ name }: { name: string }) {
  const t = useT("endpoints");
  const found = useEndpoint(name);
  const query = useQueryState();
  if (found.error instanceof ApiError && found.error.status === 404)
    return (
      <Page title={name}>
        <EmptyState title={t.gone.title(name)} action={<ButtonLink href="/endpoints">{t.gone.back}</ButtonLink>}>
          {t.gone.help}
        </EmptyState>
      </Page>
    );
  if (found.data?.permission_level === "CAN_MANAGE" && query.get("edit")) return <EditPage endpoint={found.data} />;
  return (
    <Page title={name} heading={<Heading name={name} endpoint={found.data} />} actions={found.data && <Actions endpoint={found.data} />}>
      <Loaded query={found} lines={12}>
        {(endpoint) => (
          <>
            <div className="endpoints-url">
              <CopyLine text={invocationsUrl(endpoint.name)} label={t.copyUrl} />
            </div>
            <StateBanner endpoint={endpoint} />
            <Parts endpoint={endpoint} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

export function invocationsUrl(name: string): string {
  return `${window.location.origin}/serving-endpoints/${name}/invocations`;
}

function Heading({ name, endpoint }: { name: string; endpoint?: Endpoint }) {
  const t = useT("endpoints");
  const state = endpoint && shownState(endpoint.state);
  return (
    <>
      <nav className="crumb" aria-label={t.breadcrumb}>
        <Link href="/endpoints">{t.title}</Link>
      </nav>
      <div className="row wrap">
        <h1 className="break">{name}</h1>
        {state && (
          <Badge tone={state.tone}>
            <StateDot tone={state.tone} pulse={state.pulse} label={t.states[state.word]} />
          </Badge>
        )}
        {endpoint?.tags.map((tag) => <Badge key={tag.key}>{tag.value ? `${tag.key}:${tag.value}` : tag.key}</Badge>)}
      </div>
      {endpoint?.description && <p>{endpoint.description}</p>}
    </>
  );
}

function Actions({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints");
  const words = useT("components");
  const [, navigate] = useLocation();
  const query = useQueryState();
  const [open, setOpen] = useState<"delete" | "tags" | null>(null);
  const manages = endpoint.permission_level === "CAN_MANAGE";
  const close = () => setOpen(null);
  return (
    <>
      <Button kind="primary" icon="play" onPress={() => query.set({ tab: "query" }, true)}>
        {t.query}
      </Button>
      {manages && (
        <>
          <Button icon="edit" onPress={() => query.set({ edit: "1" }, true)}>
            {words.edit}
          </Button>
          <Menu
            label={words.actions}
            trigger={<IconButton label={words.actions} icon="more" kind="default" />}
            entries={[
              { id: "tags", label: t.editTags, icon: "edit", onAction: () => setOpen("tags") },
              { id: "history", label: t.tabs.history, icon: "history", onAction: () => query.set({ tab: "history" }, true) },
              { id: "delete", label: t.remove.action, icon: "trash", danger: true, onAction: () => setOpen("delete") },
            ]}
          />
          <TagsDialog key={String(open === "tags")} endpoint={endpoint} open={open === "tags"} onClose={close} />
          <ConfirmDialog
            open={open === "delete"}
            onClose={close}
            title={t.remove.title(endpoint.name)}
            action={t.remove.action}
            name={endpoint.name}
            onConfirm={async () => {
              await deleteEndpoint(endpoint.name);
              toast.ok(t.remove.done(endpoint.name));
              navigate("/endpoints");
            }}
          >
            <p>{t.remove.help}</p>
          </ConfirmDialog>
        </>
      )}
    </>
  );
}

function Parts({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints");
  const wait = (content: React.ReactNode) => <Suspense fallback={<Skeleton lines={5} />}>{content}</Suspense>;
  const tabs = [
    { id: "overview", label: t.tabs.overview, content: <Overview endpoint={endpoint} /> },
    { id: "query", label: t.tabs.query, content: wait(<QueryTab endpoint={endpoint} />) },
    { id: "metrics", label: t.tabs.metrics, content: wait(<MetricsTab endpoint={endpoint} />) },
    { id: "logs", label: t.tabs.logs, content: wait(<LogsTab endpoint={endpoint} />) },
    { id: "usage", label: t.tabs.usage, content: wait(<UsageTab endpoint={endpoint} />) },
    { id: "gateway", label: t.tabs.gateway, content: wait(<GatewayTab endpoint={endpoint} />) },
    { id: "permissions", label: t.tabs.permissions, content: wait(<PermissionsTab endpoint={endpoint} />) },
    { id: "history", label: t.tabs.history, content: wait(<HistoryTab endpoint={endpoint} />) },
  ];
  return <Tabs label={endpoint.name} tabs={tabs} />;
}
