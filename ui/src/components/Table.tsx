/** Tables of rows that the server sorts and pages. On a phone a row becomes a card. */
import type { MouseEvent, ReactNode } from "react";
import { useLocation } from "wouter";
import { useT } from "~/i18n";
import { Button } from "./Button";

export interface Column<Row> {
  id: string;
  header: string;
  cell(row: Row): ReactNode;
  sortable?: boolean;
  /** Numbers stand at the end. */
  end?: boolean;
  /** Takes the whole width of a card. */
  wide?: boolean;
  /** For columns of buttons. */
  hideHeader?: boolean;
  width?: string;
}

export interface TableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey(row: Row): string;
  /** `name` ascending, `-name` descending. */
  sort?: string;
  onSort?(sort: string): void;
  /** Where a press anywhere on the row leads; the first cell has the link itself, for keyboards. */
  href?(row: Row): string;
  onOpen?(row: Row): void;
  selected?: string | null;
  busy?: boolean;
}

export function Table<Row>({ label, columns, rows, rowKey, sort, onSort, href, onOpen, selected, busy }: TableProps<Row>) {
  const [, navigate] = useLocation();
  const open = (row: Row, event: MouseEvent) => {
    const target = event.target as HTMLElement;
    if (target.closest("a, button, input, label, [role=button]") || window.getSelection()?.toString()) return;
    if (onOpen) onOpen(row);
    else if (href && (event.metaKey || event.ctrlKey)) window.open(href(row), "_blank", "noopener");
    else if (href) navigate(href(row));
  };
  return (
    <div className="table-scroll" tabIndex={-1}>
      <table className="table cards" aria-label={label} aria-busy={busy || undefined}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.id} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={rowKey(row)}
              className={[href || onOpen ? "link" : "", selected === rowKey(row) ? "selected" : ""].filter(Boolean).join(" ") || undefined}
              onClick={href || onOpen ? (event) => open(row, event) : undefined}
            >
              {columns.map((column) => (
                <td key={column.id} data-label={column.hideHeader ? undefined : column.header} className={[column.end ? "end" : "", column.wide ? "wide" : ""].filter(Boolean).join(" ") || undefined}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Head<Row>({ column, sort, onSort }: { column: Column<Row>; sort?: string; onSort?(sort: string): void }) {
  const ascending = sort === column.id;
  const descending = sort === `-${column.id}`;
  const style = column.width ? { width: column.width } : undefined;
  if (!column.sortable || !onSort)
    return (
      <th scope="col" className={column.end ? "end" : undefined} style={style}>
        {column.hideHeader ? <span className="sr-only">{column.header}</span> : column.header}
      </th>
    );
  return (
    <th scope="col" className={column.end ? "end" : undefined} style={style} aria-sort={ascending ? "ascending" : descending ? "descending" : "none"}>
      <button type="button" className="sort" onClick={() => onSort(ascending ? `-${column.id}` : column.id)}>
        {column.header}
        <span className="arrow" aria-hidden="true">
          {descending ? "▼" : "▲"}
        </span>
      </button>
    </th>
  );
}

/** Forward and back through pages that the server cuts by tokens. `from`, `to`: of the rows shown, from 1. */
export function Pager({ from, to, total, onPrevious, onNext }: { from: number; to: number; total: number | null; onPrevious?: () => void; onNext?: () => void }) {
  const t = useT("components");
  return (
    <div className="pager">
      <span className="nums" aria-live="polite">
        {t.rows(from, to, total)}
      </span>
      {(onPrevious || onNext) && (
        <span className="row">
          <Button small icon="left" isDisabled={!onPrevious} onPress={onPrevious}>
            {t.previous}
          </Button>
          <Button small isDisabled={!onNext} onPress={onNext}>
            {t.next}
          </Button>
        </span>
      )}
    </div>
  );
}
