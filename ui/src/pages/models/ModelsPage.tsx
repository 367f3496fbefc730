/** Model files of the host: what is here, who serves it, and fetching another. */
import { useState } from "react";
import { Link } from "wouter";
import { useIsAdmin } from "~/api/me";
import { type LocalModel, type Models, useModelChanges, useModels } from "~/api/models";
import { Button, ButtonLink } from "~/components/Button";
import { ConfirmDialog } from "~/components/Dialog";
import { Menu } from "~/components/Menu";
import { Page } from "~/components/Page";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";
import { EngineState } from "../status/EngineState";
import { PullModel } from "./PullModel";
import { Pulls } from "./Pulls";

export default function ModelsPage() {
  const t = useT("models");
  const admin = useIsAdmin();
  const found = useModels();
  const [pulling, setPulling] = useState(false);
  const pull = admin ? (
    <Button kind="primary" icon="download" onPress={() => setPulling(true)}>
      {t.pull}
    </Button>
  ) : undefined;
  return (
    <Page title={t.title} help={t.help} actions={pull}>
      {found.error && <ErrorNote error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Skeleton />}
      {found.data && (
        <div className="stack loose">
          {found.data.memory && <Memory memory={found.data.memory} />}
          <Pulls pulls={found.data.pulls} />
          {found.data.models.length ? (
            <List models={found.data.models} admin={admin} />
          ) : (
            <EmptyState title={t.emptyTitle} action={pull} command="cloche models pull smollm2-135m-instruct">
              {t.emptyHelp}
            </EmptyState>
          )}
        </div>
      )}
      {pulling && found.data && <PullModel known={found.data.known} onClose={() => setPulling(false)} />}
    </Page>
  );
}

function Memory({ memory }: { memory: NonNullable<Models["memory"]> }) {
  const t = useT("models");
  const format = useFormat();
  const used = 1 - memory.available / memory.total;
  const tone = used > 0.95 ? " bad" : used > 0.85 ? " warn" : "";
  return (
    <div className="stack tight" style={{ maxWidth: "28rem" }}>
      <div className="row between">
        <span className="field-label">{t.memory}</span>
        <span className="faint nums">{t.memoryFree(format.bytes(memory.available), format.bytes(memory.total))}</span>
      </div>
      <div className={`progress${tone}`} role="meter" aria-label={t.memory} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(used * 100)}>
        <span style={{ width: `${used * 100}%` }} />
      </div>
    </div>
  );
}

function List({ models, admin }: { models: LocalModel[]; admin: boolean }) {
  const t = useT("models");
  const words = useT("components");
  const { remove } = useModelChanges();
  const [deleting, setDeleting] = useState<string | null>(null);
  const columns = useColumns(admin, setDeleting);
  return (
    <>
      <Table label={t.count(models.length)} columns={columns} rows={models} rowKey={(model) => model.name} />
      <ConfirmDialog
        open={deleting !== null}
        onClose={() => setDeleting(null)}
        title={t.deleteTitle(deleting ?? "")}
        action={words.delete}
        name={deleting ?? undefined}
        onConfirm={async () => {
          if (deleting) await remove.mutateAsync(deleting);
          toast.ok(t.deleted);
        }}
      >
        <p>{t.deleteHelp}</p>
      </ConfirmDialog>
    </>
  );
}

function useColumns(admin: boolean, onDelete: (name: string) => void): Column<LocalModel>[] {
  const t = useT("models");
  const words = useT("components");
  const format = useFormat();
  const columns: (Column<LocalModel> | false)[] = [
    {
      id: "name",
      header: t.name,
      wide: true,
      cell: (model) => (
        <div className="stack tight">
          <strong className="break">{model.name}</strong>
          <span className="faint break">{model.source}</span>
        </div>
      ),
    },
    { id: "state", header: t.state, cell: (model) => (model.state ? <EngineState state={model.state} /> : <span className="faint">{t.unused}</span>) },
    {
      id: "endpoints",
      header: t.servedBy,
      cell: (model) =>
        model.endpoints.length ? (
          <span className="row wrap">
            {model.endpoints.map((name) => (
              <Link key={name} href={`/endpoints/${encodeURIComponent(name)}`}>
                {name}
              </Link>
            ))}
          </span>
        ) : (
          <ButtonLink small href={`/endpoints?new=1&model=${encodeURIComponent(model.name)}`}>
            {t.serve}
          </ButtonLink>
        ),
    },
    { id: "size", header: t.size, end: true, cell: (model) => <span className="nowrap">{format.bytes(model.size)}</span> },
    { id: "context", header: t.context, end: true, cell: (model) => <span className="nowrap">{t.tokens(format.number(model.context_length))}</span> },
    { id: "licence", header: t.licence, cell: (model) => <span className="nowrap">{model.licence}</span> },
    admin && {
      id: "actions",
      header: words.actions,
      hideHeader: true,
      end: true,
      cell: (model) => (
        <Menu
          label={words.actions}
          trigger={<Button small kind="quiet" icon="more" aria-label={`${words.actions}: ${model.name}`} />}
          entries={[{ id: "delete", label: words.delete, icon: "trash", danger: true, disabled: model.endpoints.length > 0, onAction: () => onDelete(model.name) }]}
        />
      ),
    },
  ];
  return columns.filter((column) => column !== false);
}
