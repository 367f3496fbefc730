/** One gateway rule: what it does, whether it is on, and what it is set to. */
import type { ReactNode } from "react";
import { Switch } from "~/components/fields";

interface SectionProps {
  title: string;
  help: string;
  on: boolean;
  onSwitch?(on: boolean): void;
  disabled: boolean;
  children?: ReactNode;
}

export function Section({ title, help, on, onSwitch, disabled, children }: SectionProps) {
  return (
    <section className="gateway-section">
      <div className="gateway-head">
        <div className="stack tight">
          <h2>{title}</h2>
          <p>{help}</p>
        </div>
        {onSwitch && <Switch label={title} hideLabel on={on} onChange={onSwitch} disabled={disabled} />}
      </div>
      {on && children}
    </section>
  );
}
