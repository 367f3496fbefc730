/** A change as lines that come and go. */
import { useT } from "~/i18n";
import { around, diffLines } from "./line-diff";

export function Diff({ before, after, label }: { before: unknown; after: unknown; label: string }) {
  const t = useT("components");
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
  const lines = around(diffLines(text(before), text(after)));
  if (lines.every((line) => line === null)) return <p className="muted">{t.unchanged}</p>;
  const signs = { add: "+", del: "−", same: " " };
  return (
    <div className="diff" role="region" aria-label={label} tabIndex={0}>
      {lines.map((line, index) => (
        <div key={index} className={line?.kind}>
          {line === null ? "⋯" : `${signs[line.kind]} ${line.text}`}
        </div>
      ))}
    </div>
  );
}
