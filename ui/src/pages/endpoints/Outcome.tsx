/** What came of a check, brought into view: it stands at the end of a long form. */
import { type ReactNode, useEffect, useRef } from "react";

export function Outcome({ of, children }: { of: unknown; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (of) box.current?.scrollIntoView({ block: "end" });
  }, [of]);
  return (
    <div ref={box} className="endpoints-outcome">
      {children}
    </div>
  );
}
