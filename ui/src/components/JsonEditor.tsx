/** JSON by hand: line numbers, the line that cannot be read, and the server's complaints at the fields they are about. */
import { type UIEvent, useId, useMemo, useRef } from "react";
import type { FieldFault } from "~/api/errors";
import { useT } from "~/i18n";
import { faultOf, lineOf } from "./json-lines";

export function JsonEditor({ label, value, onChange, faults = [], rows = 18, readOnly }: { label: string; value: string; onChange?(value: string): void; faults?: readonly FieldFault[]; rows?: number; readOnly?: boolean }) {
  const t = useT("components");
  const id = useId();
  const gutter = useRef<HTMLDivElement>(null);
  const broken = useMemo(() => (value.trim() ? faultOf(value) : null), [value]);
  const placed = useMemo(() => faults.map((fault) => ({ ...fault, line: broken ? null : lineOf(value, fault.field) })), [faults, value, broken]);
  const marked = new Set([broken?.line, ...placed.map((fault) => fault.line)]);
  const lines = value.split("\n").length;
  const follow = (event: UIEvent<HTMLTextAreaElement>) => {
    if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
  };
  return (
    <div className="stack tight">
      <div className="json-editor" style={{ height: `calc(${rows * 1.6}em + 1rem)` }}>
        <div className="gutter" ref={gutter} aria-hidden="true">
          {Array.from({ length: lines }, (_, index) => (
            <span key={index} className={marked.has(index + 1) ? "fault" : undefined}>
              {index + 1}
            </span>
          ))}
        </div>
        <textarea
          aria-label={label}
          aria-invalid={broken !== null || faults.length > 0}
          aria-describedby={id}
          value={value}
          readOnly={readOnly}
          onChange={(event) => onChange?.(event.target.value)}
          onScroll={follow}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          wrap="off"
        />
      </div>
      <div id={id} className="faults" role={broken || placed.length ? "alert" : undefined}>
        {broken && (
          <span>
            {t.line(broken.line)}: {t.notJson(broken.message)}
          </span>
        )}
        {placed.map((fault) => (
          <span key={fault.field + fault.description}>
            {fault.line !== null && `${t.line(fault.line)}: `}
            <code>{fault.field}</code> {fault.description}
          </span>
        ))}
      </div>
    </div>
  );
}
